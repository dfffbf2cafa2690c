-- SPDX-License-Identifier: MIT
--
-- Requests as text frames: what a provider makes of one, changed by a dialect before it is encoded.

local frame_text = require("rill.live.frame_text")
local is_utf8 = require("rill.core").is_utf8
local requests = require("rill.requests")

local encoding = {}

--- A provider whose requests a dialect changes.
---@param provider table
---@param change fun(fields: table, turn: table, messages: table[])
---@return table
function encoding.provider(provider, change)
  return {
    arrays = provider.arrays,
    request = function(given, bare)
      local messages = bare.messages
      local path, fields = provider.request(given, bare)
      if not path then
        return nil, fields
      end
      change(fields, given.turn, messages)
      return path, fields
    end,
  }
end

--- The frame of a request.
---@param provider table from `encoding.provider`
---@param context table the dialect's
---@param turn table what the dialect's function gets beside the fields
---@return string? frame
---@return string? problem
function encoding.encode(provider, context, turn)
  local codec = context.codec
  local path, body, fields = requests.encode(provider, turn.request, codec, {
    stream = true, accepts_usage = context.accepts_usage, turn = turn,
    decode = codec.decode_exact, encode = codec.encode,
  })
  if not path then
    return nil, body
  elseif not is_utf8(body) then
    return nil, frame_text.problem_of(fields, "request") or "the request is not UTF-8"
  end
  return body
end

return encoding
