-- SPDX-License-Identifier: MIT
--
-- The wire format of OpenAI's Responses: an answer is a list of items (messages, reasoning, calls
-- of tools), told by events of some sixty types.  Those that say nothing of the answer are `other`.
-- Pure: tables in, tables out; an event of any shape gives events and never raises.

local common = require("rill.providers.common")
local items = require("rill.providers.responses_items")
local requests = require("rill.providers.responses_request")

local filled, whole, sub, put = common.filled, common.whole, common.sub, common.put

local responses = {
  name = "responses",
  mark = "\"item\"", -- in events with an item, which goes back as it is;
  no_mark = "\"type\":\"message\"", -- but in messages only lists are empty, and `arrays` has them
  arrays = requests.arrays,
  headers = requests.headers,
  request = requests.request,
  models = requests.models,
  embed = requests.embed,
}

--- What reading an answer has to remember.
---@return table state `id` and `model` are set once they are known
function responses.new_state()
  return {
    started = false, id = nil, model = nil,
    items = items.new(), -- what of the answer has been told
  }
end

--- Notes who answers; gives the `start` event if it was not given yet.
---@param chunk table
---@param state table
---@return rill.Event?
function responses.identify(chunk, state)
  local response = sub(chunk.response)
  return common.start(state, response.id, response.model)
end

local function read_usage(events, usage)
  if type(usage) ~= "table" or next(usage) == nil then
    return
  end
  local input, output = whole(usage.input_tokens), whole(usage.output_tokens)
  local details = sub(usage.input_tokens_details)
  put(events, nil, {
    type = "usage",
    input_tokens = input,
    output_tokens = output,
    total_tokens = whole(usage.total_tokens) or (input and output and input + output),
    cached_tokens = whole(details.cached_tokens),
    cache_write_tokens = whole(details.cache_write_tokens),
    reasoning_tokens = whole(sub(usage.output_tokens_details).reasoning_tokens),
  })
end

responses.finish_reason = common.reason_of_response

-- The vendor's own word for why an answer has ended.
local function native_reason(response)
  local status = filled(response.status) or "completed"
  return status == "incomplete" and filled(sub(response.incomplete_details).reason) or status
end

local function finish(events, response, state)
  items.finish(events, state)
  local native = native_reason(response)
  local has_calls = native == "completed" and items.awaits_output(state.items)
  local reason = has_calls and "tool_calls" or responses.finish_reason(native)
  put(events, nil, {
    type = "done", finish_reason = reason,
    native_finish_reason = native ~= reason and native or nil,
  })
end

local readers = {}

local function read_terminal(events, chunk, state)
  local response = sub(chunk.response)
  items.read_missing(events, response.output, state)
  read_usage(events, response.usage)
  finish(events, response, state)
end

readers["response.completed"] = read_terminal

readers["response.incomplete"] = function(events, chunk, state)
  local response = common.copy(sub(chunk.response))
  response.status = "incomplete"
  read_terminal(events, { response = response }, state)
end

readers["response.output_text.delta"] = function(events, chunk)
  local text, logprobs = filled(chunk.delta), chunk.logprobs
  if text then
    local has_logprobs = type(logprobs) == "table" and next(logprobs) ~= nil
    put(events, nil, { type = "text", text = text, logprobs = has_logprobs and logprobs or nil })
  end
end

local function read_reasoning(events, chunk)
  if filled(chunk.delta) then
    put(events, nil, { type = "reasoning", text = chunk.delta })
  end
end

readers["response.reasoning_text.delta"] = read_reasoning
readers["response.reasoning_summary_text.delta"] = read_reasoning

readers["response.refusal.delta"] = function(events, chunk, state)
  if filled(chunk.delta) then
    items.note_refusal(state, chunk)
    put(events, nil, { type = "refusal", text = chunk.delta })
  end
end

readers["response.output_text.annotation.added"] = function(events, chunk, state)
  if type(chunk.annotation) == "table" then
    items.note_annotation(state, chunk)
    put(events, nil, { type = "citation", citation = chunk.annotation })
  end
end

-- The events that repeat a part whole, by the field in which it stands.
local WHOLE_PARTS = {
  ["response.output_text.done"] = { kind = "output_text", field = "text" },
  ["response.reasoning_text.done"] = { kind = "reasoning_text", field = "text" },
  ["response.reasoning_summary_text.done"] = { kind = "summary_text", field = "text" },
  ["response.refusal.done"] = { kind = "refusal", field = "refusal" },
}

for name, part in pairs(WHOLE_PARTS) do
  readers[name] = function(events, chunk, state)
    items.read_part(events, chunk, state, part.kind, { [part.field] = chunk[part.field] })
  end
end

local function read_part_done(events, chunk, state)
  local part = sub(chunk.part)
  items.read_part(events, chunk, state, part.type, part)
end

readers["response.content_part.done"] = read_part_done
readers["response.reasoning_summary_part.done"] = read_part_done

readers["response.output_item.added"] = function(events, chunk, state)
  items.added(events, chunk, state)
end

readers["response.output_item.done"] = function(events, chunk, state)
  items.done(events, chunk, state)
end

-- The calls whose arguments come in pieces, and the field in which they stand at the end.
local GROWING_CALLS = {
  ["response.function_call_arguments"] = { kind = "function", field = "arguments" },
  ["response.custom_tool_call_input"] = { kind = "custom", field = "input" },
  ["response.mcp_call_arguments"] = { kind = "server", field = "arguments" },
}

for name, call in pairs(GROWING_CALLS) do
  readers[name .. ".delta"] = function(events, chunk, state)
    items.grow_call(events, chunk, state, call.kind)
  end
  readers[name .. ".done"] = function(events, chunk, state)
    items.close_call(events, chunk, state, call.kind, chunk[call.field])
  end
end

readers["response.audio.delta"] = function(events, chunk, state)
  local data = filled(chunk.delta)
  if data then
    data = state.decode_base64 and state.decode_base64(data) or data
    put(events, nil, { type = "audio", data = data, id = filled(chunk.item_id) })
  end
end

readers["response.audio.transcript.delta"] = function(events, chunk)
  if filled(chunk.delta) then
    put(events, nil, { type = "audio", transcript = chunk.delta, id = filled(chunk.item_id) })
  end
end

-- What went wrong, in an event of the stream or in a whole answer.
local function error_of(chunk, response)
  if chunk.type == "response.failed" or response.status == "failed" then
    local said = require("rill.errors").read({ error = response.error })
    return said or { message = "the response failed" }
  elseif chunk.type == "error" or chunk.error then
    return require("rill.errors").read(chunk) or {}
  end
end

--- What one decoded event means.
---@param chunk table
---@param state table from `new_state`
---@return rill.Event[]? events each with `raw`; never empty; nil if the chunk is an error
---@return table? said { message, code, type } of the error
function responses.events(chunk, state)
  local wrong = error_of(chunk, sub(chunk.response))
  if wrong then
    return nil, wrong
  end
  return common.read_by_type(responses, readers, chunk, state)
end

local UNFINISHED = { queued = true, in_progress = true }

--- The same for an answer that was not streamed.
---@param chunk table
---@param state table from `new_state`
---@return rill.Event[]? events
---@return table? said
function responses.whole(chunk, state)
  local wrong = error_of(chunk, chunk)
  if wrong then
    return nil, wrong
  end
  local events = {}
  common.add(events, common.start(state, chunk.id, chunk.model))
  items.read_missing(events, chunk.output, state)
  read_usage(events, chunk.usage)
  if type(chunk.output) == "table" and not UNFINISHED[chunk.status] then
    finish(events, chunk, state)
  end
  return common.with_raw(events, chunk)
end

--- The items of the answer, to be sent back as they are; nil if a message of text says it all.
---@param state table
---@return table? native { items }
function responses.native(state)
  local list = items.native(state.items)
  return list and { items = list }
end

return responses
