-- SPDX-License-Identifier: MIT
--
-- The wire format of OpenAI's chat completions, which most gateways and local servers speak with
-- additions of their own.  Pure: tables in, tables out; a chunk of any shape gives events and never
-- raises.

local openai = {}

--- Fields whose empty tables are lists; every other empty table is an object.
---@type table<string, boolean>
openai.arrays = {
  messages = true, tools = true, functions = true, stop = true, content = true, tool_calls = true,
  modalities = true, required = true, enum = true, anyOf = true, oneOf = true, allOf = true,
  prefixItems = true, models = true,
}

local WITH_USAGE = { include_usage = true }

--- The headers that every request of a client has.
---@param options table the client's options: api_key
---@return table<string, string>
function openai.headers(options)
  return {
    ["Content-Type"] = "application/json",
    ["Accept"] = "text/event-stream",
    ["Authorization"] = options.api_key and "Bearer " .. options.api_key or nil,
  }
end

--- Makes the request of one chat.
---@param options table the client's options: accepts_usage
---@param body table a copy of the caller's fields, which may be changed
---@return string path to append to the base URL
---@return table body
function openai.request(options, body)
  body.stream = true
  if body.stream_options == nil and options.accepts_usage then
    body.stream_options = WITH_USAGE
  end
  return "/chat/completions", body
end

--- What reading a stream has to remember.
---@param has_several boolean whether events say which choice they belong to
---@return table state `id` and `model` are set once they are known
function openai.new_state(has_several)
  return { started = false, id = nil, model = nil, has_several = has_several, calls = {} }
end

local function filled(value)
  return type(value) == "string" and value ~= "" and value or nil
end

local function whole(value)
  if type(value) == "number" and value >= 0 and value < 2^53 then
    return (math.floor(value))
  end
end

local function sub(value)
  return type(value) == "table" and value or {}
end

--- Notes who answers; gives the `start` event if it was not given yet.
---@param chunk table
---@param state table
---@return table?
function openai.identify(chunk, state)
  state.id = state.id or filled(chunk.id)
  state.model = state.model or filled(chunk.model)
  if not state.started and (state.id or state.model) then
    state.started = true
    return { type = "start", id = state.id, model = state.model }
  end
end

local function read_usage(usage)
  local input = whole(usage.prompt_tokens) or whole(usage.input_tokens)
  local output = whole(usage.completion_tokens) or whole(usage.output_tokens)
  local total = whole(usage.total_tokens)
  return {
    type = "usage",
    input_tokens = input,
    output_tokens = output,
    total_tokens = total or (input and output and input + output),
    cached_tokens = whole(sub(usage.prompt_tokens_details).cached_tokens)
      or whole(usage.prompt_cache_hit_tokens) or whole(usage.cached_tokens),
    reasoning_tokens = whole(sub(usage.completion_tokens_details).reasoning_tokens)
      or whole(usage.reasoning_tokens),
  }
end

local function usage_of(chunk)
  local usage = chunk.usage
  if not usage and chunk.x_groq then
    usage = sub(chunk.x_groq).usage
  end
  if not usage and type(chunk.choices) == "table" then
    usage = sub(chunk.choices[1]).usage -- Moonshot
  end
  return type(usage) == "table" and next(usage) ~= nil and usage or nil
end

local function put(events, choice, event)
  event.choice = choice
  events[#events + 1] = event
end

-- Finds the tool call that a delta continues, or begins one.  The wire's index is not to be relied
-- on: some servers leave it out, some give 0 to every call.
local function call_of(calls, delta, name)
  local place, id = whole(delta.index), filled(delta.id)
  local call
  if place then
    call = calls.by_place[place]
    if call and id and call.id and id ~= call.id and name then
      call = nil
    end
  elseif id then
    call = calls.by_id[id]
  elseif not name then
    call = calls.list[#calls.list]
  end
  if not call then
    call = { index = #calls.list, id = nil, name = nil, pieces = {}, is_done = false }
    calls.list[#calls.list + 1] = call
  end
  call.id, call.name = call.id or id, call.name or name
  if place then
    calls.by_place[place] = call
  end
  if id then
    calls.by_id[id] = call
  end
  return call
end

-- The tool calls of one choice; made with the first of them.
local function calls_of(state, index)
  local calls = state.calls[index]
  if not calls then
    calls = { list = {}, by_place = {}, by_id = {} }
    state.calls[index] = calls
  end
  return calls
end

local function read_tool_call(calls, delta)
  local body = sub(delta["function"] or delta.custom)
  local call = call_of(calls, delta, filled(body.name))
  local piece = filled(body.arguments) or filled(body.input) or ""
  call.kind = call.kind or (delta.custom and "custom" or "function")
  if piece ~= "" then
    call.pieces[#call.pieces + 1] = piece
  end
  return {
    type = "tool_call", index = call.index, id = call.id, name = call.name, kind = call.kind,
    arguments = piece, done = false,
  }
end

-- A list of parts in place of a string (Mistral): text and thinking.
local function read_parts(events, choice, parts)
  for _, part in ipairs(parts) do
    part = sub(part)
    if filled(part.text) then
      put(events, choice, { type = "text", text = part.text })
    elseif filled(part.thinking) then
      put(events, choice, { type = "reasoning", text = part.thinking })
    end
    for _, thought in ipairs(sub(part.thinking)) do
      if filled(sub(thought).text) then
        put(events, choice, { type = "reasoning", text = thought.text })
      end
    end
  end
end

local function read_content(events, choice, delta)
  local reasoning = filled(delta.reasoning_content) or filled(delta.reasoning)
    or filled(delta.reasoning_text)
  if reasoning then
    put(events, choice, { type = "reasoning", text = reasoning })
  end
  local content = delta.content
  if type(content) == "table" then
    read_parts(events, choice, content)
  elseif filled(content) then
    put(events, choice, { type = "text", text = content })
  end
  if filled(delta.refusal) then
    put(events, choice, { type = "refusal", text = delta.refusal })
  end
end

local function read_extras(events, choice, delta)
  local audio = delta.audio
  if type(audio) == "table" then
    put(events, choice,
      { type = "audio", data = audio.data, transcript = audio.transcript, id = audio.id })
  end
  for _, citation in ipairs(sub(delta.annotations)) do
    put(events, choice, { type = "citation", citation = citation })
  end
end

local function read_tool_calls(events, choice, delta, calls)
  for _, call in ipairs(sub(delta.tool_calls)) do
    if type(call) == "table" then
      put(events, choice, read_tool_call(calls, call))
    end
  end
  if type(delta.function_call) == "table" then -- before there were tools
    local call = { index = 0, ["function"] = delta.function_call }
    put(events, choice, read_tool_call(calls, call))
  end
end

local function finish(events, choice, calls, reason)
  for _, call in ipairs(calls and calls.list or {}) do
    if not call.is_done then
      call.is_done = true
      put(events, choice, {
        type = "tool_call", index = call.index, id = call.id, name = call.name, kind = call.kind,
        arguments = table.concat(call.pieces), done = true,
      })
    end
  end
  put(events, choice, { type = "done", finish_reason = reason })
end

local function read_choice(events, state, wire)
  local index = whole(wire.index) or 0
  local choice = (index > 0 or state.has_several) and index or nil
  local delta = wire.delta
  if type(delta) == "table" then
    read_content(events, choice, delta)
    if delta.tool_calls or delta.function_call then
      read_tool_calls(events, choice, delta, calls_of(state, index))
    end
    if delta.audio or delta.annotations then
      read_extras(events, choice, delta)
    end
  end
  if filled(wire.finish_reason) then
    finish(events, choice, state.calls[index], wire.finish_reason)
  end
end

--- What one decoded chunk means.  A `done` event says that one choice has finished.
---@param chunk table
---@param state table from `new_state`
---@return table[]? events each with `raw`; never empty; nil if the chunk is an error
---@return table? said { message, code, type } of the error
function openai.events(chunk, state)
  if chunk.error or chunk.type == "error" or chunk.object == "error" then
    return nil, require("rill.errors").read(chunk) or {}
  end
  local events = {}
  events[1] = openai.identify(chunk, state)
  local choices = chunk.choices
  for i = 1, type(choices) == "table" and #choices or 0 do
    if type(choices[i]) == "table" then
      read_choice(events, state, choices[i])
    end
  end
  local usage = usage_of(chunk)
  if usage then
    events[#events + 1] = read_usage(usage)
  end
  if not events[1] then
    events[1] = { type = "other" }
  end
  for i = 1, #events do
    events[i].raw = chunk
  end
  return events
end

return openai
