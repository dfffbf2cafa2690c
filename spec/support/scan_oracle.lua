-- What a decoded chunk is by the definitions of src/core/json_scan.h, found another way: from the
-- tables that lua-cjson makes, null being cjson.null.
--
--   local seen = oracle[format](chunk)
--
-- seen.class is "text", "reasoning", "quiet", "output" or "error"; seen.text is there for the first
-- two, and seen.finished, terminal, usage and sequence where the chunk has them.

local null = require("cjson").null

local oracle = {}

local function filled(value)
  return value ~= nil and value ~= null and value ~= ""
    and not (type(value) == "table" and next(value) == nil)
end

local function given(value)
  return value ~= nil and value ~= null
end

local function object(value)
  return type(value) == "table" and value or {}
end

-- seen.pieces are texts and reasonings, seen.output is other output, seen.beside whatever else
-- keeps a chunk from being plain.
local function look()
  return { pieces = {}, output = false, beside = false }
end

local function piece(seen, kind, value)
  if type(value) == "string" and value ~= "" then
    table.insert(seen.pieces, { kind = kind, text = value })
  elseif filled(value) then
    seen.output = true
  end
end

local function output_if(seen, condition)
  seen.output = seen.output or condition and true or false
end

local function beside_if(seen, condition)
  seen.beside = seen.beside or condition and true or false
end

local function finish(seen, reason)
  seen.finished = seen.finished or type(reason) == "string" and reason ~= "" or nil
  beside_if(seen, given(reason))
end

-- Every member that is not named has to be empty.
local function nothing_but(seen, value, names)
  for name, member in pairs(object(value)) do
    output_if(seen, not names[name] and filled(member))
  end
end

-- Every member that is not named has to be a scalar, or empty.
local function scalars_but(seen, value, names)
  for name, member in pairs(value) do
    beside_if(seen, not names[name] and type(member) == "table" and next(member) ~= nil)
  end
end

local function set(...)
  local names = {}
  for _, name in ipairs({ ... }) do
    names[name] = true
  end
  return names
end

local function take_usage(seen, usage)
  if type(usage) == "table" and next(usage) ~= nil and usage[1] == nil then
    seen.usage = usage
  else
    beside_if(seen, given(usage))
  end
end

-- The same, of a chunk that is not plain because of it.
local function take_usage_beside(seen, usage)
  if given(usage) then
    beside_if(seen, true)
    take_usage(seen, usage)
  end
end

-- may_be: the kind that a piece has to be, where something says it.
local function judge(seen, may_be)
  local first = seen.pieces[1]
  if seen.error then
    seen.class, seen.finished = "error", nil
  elseif first and #seen.pieces == 1 and not seen.output and not seen.beside
    and (may_be == nil or may_be == first.kind) then
    seen.class, seen.text = first.kind, first.text
  else
    seen.class = (first or seen.output) and "output" or "quiet"
  end
  return seen
end

local CHOICE = set("delta", "index", "finish_reason", "logprobs", "usage")
local DELTA = set("content", "role", "reasoning_content", "reasoning", "reasoning_text")
local CHUNK = set("choices", "usage", "x_groq")

function oracle.openai(chunk)
  local seen = look()
  local choices = object(chunk.choices)
  for _, choice in ipairs(choices) do
    local delta = object(choice.delta)
    piece(seen, "text", delta.content)
    piece(seen, "reasoning", delta.reasoning_content)
    piece(seen, "reasoning", delta.reasoning)
    piece(seen, "reasoning", delta.reasoning_text)
    output_if(seen, type(delta.role) ~= "string" and filled(delta.role))
    nothing_but(seen, delta, DELTA)
    nothing_but(seen, choice, CHOICE)
    beside_if(seen, choice.index ~= nil and choice.index ~= 0)
    beside_if(seen, given(choice.logprobs))
    finish(seen, choice.finish_reason)
    take_usage_beside(seen, choice.usage)
  end
  beside_if(seen, #choices > 1)
  take_usage(seen, chunk.usage)
  beside_if(seen, given(chunk.x_groq))
  take_usage_beside(seen, object(chunk.x_groq).usage)
  scalars_but(seen, object(chunk.x_groq), set("usage"))
  scalars_but(seen, chunk, CHUNK)
  seen.error = given(chunk.error) or chunk.type == "error" or chunk.object == "error"
  return judge(seen)
end

local PIECES = {
  ["response.output_text.delta"] = "text",
  ["response.reasoning_text.delta"] = "reasoning",
  ["response.reasoning_summary_text.delta"] = "reasoning",
}
local FRAMES = set("response.created", "response.queued", "response.in_progress", "keepalive",
  "response.output_item.added", "response.content_part.added",
  "response.reasoning_summary_part.added")
local ENDS = set("response.completed", "response.incomplete")
local ITEMS = set("message", "reasoning")
local PARTS = set("output_text", "reasoning_text", "summary_text")
local RESPONSE = set("output", "output_text", "usage")
local EVENT = set("type", "delta", "response", "item", "part", "logprobs", "error")

-- An item and a part of one, which are empty when they are added.
local function take_item(seen, item, part, parts)
  output_if(seen, given(item.type) and not ITEMS[item.type])
  output_if(seen, given(part.type) and not parts[part.type])
  for _, member in pairs(item) do
    output_if(seen, type(member) == "table" and next(member) ~= nil)
  end
  nothing_but(seen, part, set("type"))
end

function oracle.responses(chunk)
  local seen, kind = look(), chunk.type
  local response, item, part = object(chunk.response), object(chunk.item), object(chunk.part)
  piece(seen, PIECES[kind] or "none", chunk.delta)
  seen.terminal = ENDS[kind] or kind == "response.failed" or nil
  seen.finished = ENDS[kind] or nil
  seen.error = given(chunk.error) or kind == "error" or kind == "response.failed"
  output_if(seen, given(kind) and not (PIECES[kind] or FRAMES[kind] or ENDS[kind] or seen.error))
  output_if(seen, filled(response.output) or filled(response.output_text))
  take_item(seen, item, part, PARTS)
  beside_if(seen, given(chunk.response) or given(chunk.item) or given(chunk.part))
  beside_if(seen, filled(chunk.logprobs))
  take_usage_beside(seen, response.usage)
  scalars_but(seen, response, RESPONSE)
  scalars_but(seen, chunk, EVENT)
  local number = chunk.sequence_number
  if type(number) == "number" and number >= 0 and number % 1 == 0 then
    seen.sequence = number
  else
    beside_if(seen, given(number))
  end
  return judge(seen, PIECES[kind] or "no piece at all")
end

local BLOCK_PIECES = { text_delta = "text", thinking_delta = "reasoning" }
local MESSAGE_FRAMES = set("message_start", "content_block_start", "content_block_stop",
  "content_block_delta", "message_delta", "message_stop", "ping")
local BLOCKS = set("text", "thinking")
local BLOCK_DELTA = set("type", "text", "thinking", "stop_reason", "stop_sequence", "stop_details",
  "container")
local MESSAGE_EVENT = set("type", "delta", "message", "content_block", "usage", "error")

function oracle.anthropic(chunk)
  local seen, kind, delta = look(), chunk.type, object(chunk.delta)
  local block, message = object(chunk.content_block), object(chunk.message)
  piece(seen, "text", delta.text)
  piece(seen, "reasoning", delta.thinking)
  finish(seen, delta.stop_reason)
  for name in pairs(set("stop_sequence", "stop_details", "container")) do
    beside_if(seen, filled(delta[name]))
  end
  nothing_but(seen, delta, BLOCK_DELTA)
  output_if(seen, given(delta.type) and not BLOCK_PIECES[delta.type])
  output_if(seen, given(block.type) and not BLOCKS[block.type])
  nothing_but(seen, block, set("type"))
  output_if(seen, filled(message.content))
  finish(seen, message.stop_reason)
  beside_if(seen, given(chunk.content_block) or given(chunk.message))
  take_usage_beside(seen, chunk.usage)
  take_usage_beside(seen, message.usage)
  scalars_but(seen, chunk, MESSAGE_EVENT)
  seen.terminal = kind == "message_stop" or nil
  seen.error = given(chunk.error) or kind == "error"
  output_if(seen, given(kind) and not MESSAGE_FRAMES[kind])
  local may_be = kind == "content_block_delta" and BLOCK_PIECES[delta.type]
  return judge(seen, may_be or "no piece at all")
end

local CANDIDATE = set("content", "index", "finishReason", "finishMessage", "safetyRatings",
  "tokenCount", "avgLogprobs")
local ANSWER = set("candidates", "usageMetadata", "promptFeedback", "error")

function oracle.gemini(chunk)
  local seen = look()
  local candidates = object(chunk.candidates)
  for _, candidate in ipairs(candidates) do
    local content = object(candidate.content)
    local parts = object(content.parts)
    for _, part in ipairs(parts) do
      local thought = part.thought
      piece(seen, thought == true and "reasoning" or "text", part.text)
      beside_if(seen, given(thought) and type(thought) ~= "boolean")
      nothing_but(seen, part, set("text", "thought"))
    end
    beside_if(seen, #parts > 1)
    output_if(seen, type(content.role) ~= "string" and filled(content.role))
    nothing_but(seen, content, set("parts", "role"))
    beside_if(seen, candidate.index ~= nil and candidate.index ~= 0)
    finish(seen, candidate.finishReason)
    for name in pairs(set("finishMessage", "safetyRatings", "tokenCount", "avgLogprobs")) do
      beside_if(seen, filled(candidate[name]))
    end
    nothing_but(seen, candidate, CANDIDATE)
  end
  beside_if(seen, #candidates > 1)
  output_if(seen, filled(chunk.promptFeedback))
  take_usage(seen, chunk.usageMetadata)
  scalars_but(seen, chunk, ANSWER)
  seen.error = given(chunk.error)
  return judge(seen)
end

local LINE = set("message", "error")

function oracle.ollama(chunk)
  local seen, message = look(), object(chunk.message)
  piece(seen, "text", message.content)
  piece(seen, "reasoning", message.thinking)
  output_if(seen, type(message.role) ~= "string" and filled(message.role))
  nothing_but(seen, message, set("content", "thinking", "role"))
  beside_if(seen, chunk.done ~= false)
  beside_if(seen, filled(chunk.prompt_eval_count) or filled(chunk.eval_count))
  finish(seen, chunk.done_reason)
  scalars_but(seen, chunk, LINE)
  seen.terminal = chunk.done == true or nil
  seen.error = given(chunk.error)
  return judge(seen)
end

local MESSAGES = set("content.delta", "chat.done")

function oracle.chat(chunk)
  local seen, kind = look(), chunk.type
  piece(seen, "text", chunk.delta)
  seen.terminal = kind == "chat.done" or nil
  seen.finished = seen.terminal
  seen.error = given(chunk.error) or kind == "error"
  output_if(seen, given(kind) and not MESSAGES[kind])
  take_usage_beside(seen, chunk.usage)
  scalars_but(seen, chunk, set("usage"))
  return judge(seen, kind == "content.delta" and "text" or "no piece at all")
end

local SPOKEN = set("response.output_text.delta", "response.text.delta")
local AROUND = set("response.created", "response.output_item.added", "response.content_part.added",
  "rate_limits.updated")
local SPOKEN_PARTS = set("output_text", "text", "output_audio", "audio")

function oracle.realtime(chunk)
  local seen, kind = look(), chunk.type
  local response, item, part = object(chunk.response), object(chunk.item), object(chunk.part)
  piece(seen, "text", chunk.delta)
  seen.terminal = kind == "response.done" or nil
  seen.finished = seen.terminal
  output_if(seen, given(kind) and not (SPOKEN[kind] or AROUND[kind]))
  output_if(seen, filled(response.output) or filled(response.output_text))
  take_item(seen, item, part, SPOKEN_PARTS)
  beside_if(seen, given(chunk.response) or given(chunk.item) or given(chunk.part))
  take_usage_beside(seen, response.usage)
  scalars_but(seen, chunk, set("response", "item", "part"))
  return judge(seen, SPOKEN[kind] and "text" or "no piece at all")
end

return oracle
