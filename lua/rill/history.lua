-- SPDX-License-Identifier: MIT
--
-- The messages of a conversation: how long they are, by estimate, and which can go.  Pure.

local history = {}

-- What a message costs beside its words, and what a part costs that is no text.
local PER_MESSAGE = 4
local PER_PART = 1000
local BYTES_PER_TOKEN = 4 -- of ASCII; every other character counts as a token

--- How many tokens a text may have.
---@param text string
---@return number
function history.estimate_text(text)
  local others, characters = 0, 0
  for run in text:gmatch("[\128-\255]+") do
    others = others + #run
    characters = characters + select(2, run:gsub("[\192-\255]", ""))
  end
  return (#text - others) / BYTES_PER_TOKEN + characters
end

local function estimate_parts(parts)
  local tokens = 0
  for _, part in ipairs(parts) do
    local text = type(part) == "table" and part.text
    tokens = tokens + (type(text) == "string" and history.estimate_text(text) or PER_PART)
  end
  return tokens
end

--- How many tokens a message may have.
---@param message table
---@return number
function history.estimate(message)
  local tokens, content = PER_MESSAGE, message.content
  if type(content) == "string" then
    tokens = tokens + history.estimate_text(content)
  elseif type(content) == "table" then
    tokens = tokens + estimate_parts(content)
  end
  for _, call in ipairs(message.tool_calls or {}) do
    local body = call["function"] or call.custom or {}
    tokens = tokens + PER_MESSAGE + history.estimate_text(body.name or "")
      + history.estimate_text(body.arguments or body.input or "")
  end
  return tokens
end

--- How many tokens a list of messages may have.
---@param messages table[]
---@param from integer? the first one that counts
---@return number
function history.estimate_all(messages, from)
  local tokens = 0
  for i = from or 1, #messages do
    tokens = tokens + history.estimate(messages[i])
  end
  return tokens
end

local STAYS = { system = true, developer = true }

--- The oldest turn: what a user said, with all that followed until the user spoke again.  System
--- messages belong to no turn.
---@param messages table[]
---@param is_open boolean? whether the last turn goes on, and so is not to be had
---@return table[] turn empty if there is none
function history.oldest(messages, is_open)
  local turn = {}
  for _, message in ipairs(messages) do
    if message.role == "user" and turn[1] then
      return turn
    elseif not STAYS[message.role] then
      turn[#turn + 1] = message
    end
  end
  return is_open and {} or turn
end

--- Whether messages that come behind others belong to the turn of those: no user begins another.
---@param messages table[]
---@return boolean
function history.goes_on(messages)
  for _, message in ipairs(messages) do
    if not STAYS[message.role] then
      return message.role ~= "user"
    end
  end
  return true
end

--- Takes the messages of a turn out of a list.
---@param messages table[] is changed
---@param turn table[] from `history.oldest`
function history.remove(messages, turn)
  local gone = {}
  for _, message in ipairs(turn) do
    gone[message] = true
  end
  local kept, size = 0, #messages
  for i = 1, size do
    local message = messages[i]
    if not gone[message] then
      kept = kept + 1
      messages[kept] = message
    end
  end
  for i = kept + 1, size do
    messages[i] = nil
  end
end

return history
