-- SPDX-License-Identifier: MIT
--
-- How much of a spoken answer was heard.  A server speaks faster than anybody listens: when the
-- user interrupts, what was not played must leave the conversation, there and here.  What was
-- played is what the application says, else what its reader was given.

local requests = require("rill.providers.realtime_request")

local heard = {}

local function byte_rate(context)
  return requests.byte_rate(context.options.output_format)
end

-- Whether an answer is the newest; where the server names none, every one may be.
local function is_newest(context, state)
  return not context.begun or state.id == context.begun
end

-- For each part of an answer how many bytes of it were heard.  What was played is known of the
-- newest answer alone.
local function heard_bytes(context, state)
  local list, left = {}, nil
  if context.played and is_newest(context, state) then
    left = math.floor(context.played * byte_rate(context))
  end
  for i, part in ipairs(state.audio) do
    list[i] = math.min(left or part.given, part.bytes)
    left = left and left - list[i]
  end
  return list
end

local function words_of(part, bytes, is_whole)
  local words = {}
  for _, word in ipairs(part.words) do
    if word.at < bytes or is_whole and bytes == part.bytes then
      words[#words + 1] = word.text
    end
  end
  return table.concat(words)
end

--- Notes that a reader was given an event.
---@param context table
---@param event rill.Event
---@param state table the provider's, of the answer
function heard.note(context, event, state)
  if event.type ~= "audio" then
    return
  end
  if is_newest(context, state) then -- one that is read late is not what plays
    context.newest = state
  end
  local left = event.data and #event.data or 0
  for _, part in ipairs(state.audio) do
    local count = part.id == event.id and math.min(left, part.bytes - part.given) or 0
    part.given, left = part.given + count, left - count
  end
end

--- What was heard of an answer.
---@param context table
---@param state table? the provider's; nil: nothing was
---@param is_whole boolean whether the answer is
---@return string words
---@return number seconds
function heard.of(context, state, is_whole)
  local words, total = {}, 0
  for i, bytes in ipairs(state and heard_bytes(context, state) or {}) do
    words[i] = words_of(state.audio[i], bytes, is_whole)
    total = total + bytes
  end
  return table.concat(words), total / byte_rate(context)
end

--- The frames by which the server forgets what was not heard; each part is cut once.
---@param context table
---@param state table? the provider's
---@param is_whole boolean whether the answer is: then of a part that was heard nothing is cut
---@return table[] frames
function heard.cuts(context, state, is_whole)
  local frames = {}
  for i, bytes in ipairs(state and heard_bytes(context, state) or {}) do
    local part = state.audio[i]
    if part.id and not part.is_cut and (bytes < part.bytes or not is_whole) then
      part.is_cut = true
      frames[#frames + 1] = {
        type = "conversation.item.truncate", item_id = part.id, content_index = part.index,
        audio_end_ms = math.floor(bytes * 1000 / byte_rate(context)),
      }
    end
  end
  return frames
end

return heard
