-- SPDX-License-Identifier: MIT
--
-- The wire format of OpenAI's Realtime: an answer is a list of items as in Responses, told by
-- events over a socket, as text or as audio with its transcript.  The names that events have now
-- are known, and those of the beta.  This file reads what belongs to an answer; what a session
-- says besides (speech, transcripts of the user) is for rill/live/realtime.lua.
-- Pure: tables in, tables out; an event of any shape gives events and never raises.

local common = require("rill.providers.common")
local items = require("rill.providers.responses_items")
local requests = require("rill.providers.realtime_request")

local filled, whole, sub, put = common.filled, common.whole, common.sub, common.put

local realtime = { name = "realtime", arrays = requests.arrays }

--- What reading an answer has to remember.
---@return table state `id` and `model` are set once they are known
function realtime.new_state()
  return {
    started = false, id = nil, model = nil,
    items = items.new(), -- what of the answer has been told, but for audio
    spoken = {}, -- parts whose transcript has come
    audio = {}, -- parts in order, { id, index, bytes, given, words }; given: how many of the
    -- bytes somebody has heard, for the live session to count; words: { text, at }, a piece of the
    -- transcript and how many bytes of audio had come before it
    item_ids = {}, -- in order; by them what follows can refer to the answer
  }
end

--- Notes who answers; gives the `start` event if it was not given yet.
---@param chunk table
---@param state table
---@return rill.Event?
function realtime.identify(chunk, state)
  local response = sub(chunk.response)
  return common.start(state, response.id or chunk.response_id, response.model)
end

--- The counts of a response.
---@param usage any
---@return rill.Event? nil if there is no count in it
function realtime.read_usage(usage)
  if type(usage) ~= "table" or next(usage) == nil then
    return nil
  end
  local input, output = whole(usage.input_tokens), whole(usage.output_tokens)
  return {
    type = "usage",
    input_tokens = input,
    output_tokens = output,
    total_tokens = whole(usage.total_tokens) or (input and output and input + output),
    cached_tokens = whole(sub(usage.input_token_details).cached_tokens),
    reasoning_tokens = whole(sub(usage.output_token_details).reasoning_tokens),
  }
end

realtime.finish_reason = common.reason_of_response

---------------------------------------------------------------------------------------------------
-- Audio

local AUDIO_PARTS = { audio = true, output_audio = true }

local function key_of(chunk)
  local place = whole(chunk.output_index) or filled(chunk.item_id) or ""
  return ("%s %d"):format(place, whole(chunk.content_index) or 0)
end

-- The part that an event is about: it is nearly always the last one.
local function part_of(chunk, state)
  local id, index = filled(chunk.item_id), whole(chunk.content_index) or 0
  for i = #state.audio, 1, -1 do
    local part = state.audio[i]
    if part.id == id and part.index == index then
      return part
    end
  end
  local part = { id = id, index = index, bytes = 0, given = 0, words = {} }
  state.audio[#state.audio + 1] = part
  return part
end

local function say(events, chunk, state, transcript)
  state.spoken[key_of(chunk)] = true
  local part = part_of(chunk, state)
  part.words[#part.words + 1] = { text = transcript, at = part.bytes }
  put(events, nil, { type = "audio", transcript = transcript, id = filled(chunk.item_id) })
end

-- The whole of a transcript, unless it came by deltas.
local function read_transcript(events, chunk, state, transcript)
  if filled(transcript) and not state.spoken[key_of(chunk)] then
    say(events, chunk, state, transcript)
  end
end

local function read_audio_parts(events, chunk, state, item)
  for i, part in ipairs(sub(item.content)) do
    part = sub(part)
    if AUDIO_PARTS[part.type] then
      local place = {
        output_index = chunk.output_index, item_id = item.id, content_index = i - 1,
      }
      read_transcript(events, place, state, part.transcript)
    end
  end
end

---------------------------------------------------------------------------------------------------
-- Items

-- The names that parts have in conversation items and events, as Responses has them.
local function as_response_part(part)
  part = sub(part)
  return part.type == "text" and { type = "output_text", text = part.text } or part
end

local function note_id(state, id)
  if filled(id) and not state.item_ids[id] then
    state.item_ids[id] = true
    state.item_ids[#state.item_ids + 1] = id
  end
end

local function as_response_item(item)
  item = sub(item)
  if item.type ~= "message" then
    return item
  end
  local copy, content = common.copy(item), {}
  for i, part in ipairs(sub(item.content)) do
    content[i] = as_response_part(part)
  end
  copy.content = content
  return copy
end

local function read_output(events, output, state)
  local list = {}
  local is_told = state.items.list[1] ~= nil or next(state.spoken) ~= nil
  for i, item in ipairs(sub(output)) do
    note_id(state, sub(item).id)
    list[i] = as_response_item(item)
    if not is_told then
      read_audio_parts(events, { output_index = i - 1 }, state, list[i])
    end
  end
  items.read_missing(events, list, state)
end

---------------------------------------------------------------------------------------------------
-- Events

local readers = {}

-- A reader under the name that an event has now, and the one that it had in the beta.
local function define(name, beta_name, read)
  readers["response." .. name] = read
  readers["response." .. (beta_name or name)] = read
end

define("output_text.delta", "text.delta", function(events, chunk)
  if filled(chunk.delta) then
    put(events, nil, { type = "text", text = chunk.delta })
  end
end)

define("output_text.done", "text.done", function(events, chunk, state)
  items.read_part(events, chunk, state, "output_text", { text = chunk.text })
end)

define("output_audio.delta", "audio.delta", function(events, chunk, state)
  local data = filled(chunk.delta)
  if data and state.decode_base64 then
    data = state.decode_base64(data) -- what is no base64 is no sound; the event stays as it came
  end
  if data then
    local part = part_of(chunk, state)
    part.bytes = part.bytes + #data
    put(events, nil, { type = "audio", data = data, id = filled(chunk.item_id) })
  end
end)

define("output_audio_transcript.delta", "audio_transcript.delta", function(events, chunk, state)
  if filled(chunk.delta) then
    say(events, chunk, state, chunk.delta)
  end
end)

define("output_audio_transcript.done", "audio_transcript.done", function(events, chunk, state)
  read_transcript(events, chunk, state, chunk.transcript)
end)

define("content_part.done", nil, function(events, chunk, state)
  local part = as_response_part(chunk.part)
  if AUDIO_PARTS[part.type] then
    read_transcript(events, chunk, state, part.transcript)
  else
    items.read_part(events, chunk, state, part.type, part)
  end
end)

define("output_item.added", nil, function(events, chunk, state)
  note_id(state, sub(chunk.item).id)
  items.added(events, chunk, state)
end)

define("output_item.done", nil, function(events, chunk, state)
  local item = as_response_item(chunk.item)
  note_id(state, item.id)
  read_audio_parts(events, chunk, state, item)
  items.done(events, {
    output_index = chunk.output_index, item_id = chunk.item_id or item.id, item = item,
  }, state)
end)

for name, kind in pairs({ function_call_arguments = "function", mcp_call_arguments = "server" }) do
  define(name .. ".delta", nil, function(events, chunk, state)
    items.grow_call(events, chunk, state, kind)
  end)
  define(name .. ".done", nil, function(events, chunk, state)
    items.close_call(events, chunk, state, kind, chunk.arguments)
  end)
end

-- The vendor's own word for why an answer has ended: what is incomplete or cancelled has a reason.
local function reasons_of(response, state)
  local status = filled(response.status) or "completed"
  local reason = filled(sub(response.status_details).reason)
  if status == "incomplete" then
    return realtime.finish_reason(reason or status), reason
  elseif status == "completed" and items.awaits_output(state.items) then
    return "tool_calls", status
  end
  return realtime.finish_reason(status), reason or status
end

define("done", nil, function(events, chunk, state)
  local response = sub(chunk.response)
  read_output(events, response.output, state)
  common.add(events, realtime.read_usage(response.usage))
  items.finish(events, state)
  local reason, native = reasons_of(response, state)
  put(events, nil, {
    type = "done", finish_reason = reason,
    native_finish_reason = native ~= reason and native or nil,
  })
end)

-- What went wrong, if an event says that.
local function error_of(chunk)
  local response = sub(chunk.response)
  if chunk.type == "response.done" and response.status == "failed" then
    return require("rill.errors").read({ error = sub(response.status_details).error })
      or { message = "the response failed" }
  elseif chunk.type == "error" then
    return require("rill.errors").read(chunk) or {}
  end
end

--- What one decoded event means.
---@param chunk table
---@param state table from `new_state`
---@return rill.Event[]? events each with `raw`; never empty; nil if the chunk is an error
---@return table? said { message, code, type } of the error
function realtime.events(chunk, state)
  local wrong = error_of(chunk)
  if wrong then
    return nil, wrong
  end
  return common.read_by_type(realtime, readers, chunk, state)
end

--- The ids of the answer's items: a server that has them need not be told them again.
---@param state table
---@return table? native { items }
function realtime.native(state)
  local list = {}
  for i, id in ipairs(state.item_ids) do
    list[i] = id
  end
  return list[1] and { items = list } or nil
end

return realtime
