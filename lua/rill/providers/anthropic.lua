-- SPDX-License-Identifier: MIT
--
-- The wire format of Anthropic's Messages: an answer is a list of blocks, each begun, grown by
-- deltas and closed.  Pure: tables in, tables out; a chunk of any shape gives events and never
-- raises.

local common = require("rill.providers.common")
local requests = require("rill.providers.anthropic_request")

local filled, whole, sub, put = common.filled, common.whole, common.sub, common.put

local anthropic = {
  name = "anthropic",
  mark = "\"content_block\"", -- in chunks with a block, which may go back as it is
  arrays = requests.arrays,
  headers = requests.headers,
  request = requests.request,
  models = requests.models,
  embed = nil, -- the vendor has none
}

--- What reading an answer has to remember.
---@return table state `id` and `model` are set once they are known
function anthropic.new_state()
  return {
    started = false, id = nil, model = nil,
    blocks = {}, -- in the order of the answer
    by_index = {}, -- the same by the wire's index
    calls = 0, -- how many tool calls have begun
    usage = {}, -- the wire's counts, each as it was said last
  }
end

--- Notes who answers; gives the `start` event if it was not given yet.
---@param chunk table
---@param state table
---@return rill.Event?
function anthropic.identify(chunk, state)
  local message = chunk.type == "message" and chunk or sub(chunk.message)
  return common.start(state, message.id, message.model)
end

local COUNTS = {
  "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
}

-- The counts are totals so far, and a later chunk need not repeat those that have not changed.
local function read_usage(events, usage, state)
  if type(usage) ~= "table" or next(usage) == nil then
    return
  end
  local counts = state.usage
  for _, name in ipairs(COUNTS) do
    counts[name] = whole(usage[name]) or counts[name]
  end
  local details = sub(usage.output_tokens_details)
  counts.thinking = whole(details.thinking_tokens) or counts.thinking
  local written, read = counts.cache_creation_input_tokens, counts.cache_read_input_tokens
  local input = counts.input_tokens and counts.input_tokens + (written or 0) + (read or 0)
  put(events, nil, {
    type = "usage",
    input_tokens = input,
    output_tokens = counts.output_tokens,
    total_tokens = input and counts.output_tokens and input + counts.output_tokens,
    cached_tokens = read,
    cache_write_tokens = written,
    reasoning_tokens = counts.thinking,
  })
end

local CALL_KINDS = { tool_use = "function", server_tool_use = "server", mcp_tool_use = "server" }

local function call_event(call, arguments, done)
  return {
    type = "tool_call", index = call.index, id = call.id, name = call.name, kind = call.kind,
    arguments = arguments, done = done,
  }
end

local function begin_call(events, block, state)
  local wire = block.wire
  local call = {
    index = state.calls, id = filled(wire.id), name = filled(wire.name),
    kind = CALL_KINDS[wire.type] or "function", pieces = {}, is_done = false,
    given = nil, -- the arguments, if they stood in the block itself
  }
  state.calls = state.calls + 1
  if type(wire.input) == "table" and next(wire.input) ~= nil then
    call.given = state.encode and state.encode(wire.input)
  end
  block.call = call
  put(events, nil, call_event(call, "", false))
end

-- No arguments at all mean an empty object, once the block is closed.
local function finish_call(events, call, is_closed)
  if call.is_done then
    return
  end
  call.is_done = true
  local arguments = table.concat(call.pieces)
  if arguments == "" then
    arguments = call.given or is_closed and "{}" or ""
  end
  put(events, nil, call_event(call, arguments, true))
end

-- Text and thinking are not kept here: a block notes which bytes of the reply are its own.
local function add_block(state, index, wire)
  local block = {
    wire = wire, call = nil, signature = filled(wire.signature), added = nil,
    text_from = state.text_length or 0, text_to = nil,
    reasoning_from = state.reasoning_length or 0, reasoning_to = nil,
  }
  state.blocks[#state.blocks + 1] = block
  if index then
    state.by_index[index] = block
  end
  return block
end

local function block_of(state, chunk)
  local index = whole(chunk.index)
  if index then
    return state.by_index[index]
  end
  return state.blocks[#state.blocks]
end

local function start_block(events, chunk, state)
  local wire = sub(chunk.content_block)
  local block = add_block(state, whole(chunk.index), wire)
  if CALL_KINDS[wire.type] then
    begin_call(events, block, state)
  elseif wire.type == "text" and filled(wire.text) then
    put(events, nil, { type = "text", text = wire.text })
  elseif wire.type == "thinking" and filled(wire.thinking) then
    put(events, nil, { type = "reasoning", text = wire.thinking })
  end
  for _, citation in ipairs(sub(wire.citations)) do
    put(events, nil, { type = "citation", citation = citation })
  end
end

local function stop_block(events, chunk, state)
  local block = block_of(state, chunk)
  if not block then
    return
  end
  block.text_to, block.reasoning_to = state.text_length, state.reasoning_length
  if block.call then
    finish_call(events, block.call, true)
  end
end

local deltas = {}

function deltas.text_delta(events, delta)
  if filled(delta.text) then
    put(events, nil, { type = "text", text = delta.text })
  end
end

function deltas.thinking_delta(events, delta)
  if filled(delta.thinking) then
    put(events, nil, { type = "reasoning", text = delta.thinking })
  end
end

function deltas.input_json_delta(events, delta, block, state)
  if not block.call then
    begin_call(events, block, state)
  end
  local piece = filled(delta.partial_json)
  if piece then
    block.call.pieces[#block.call.pieces + 1] = piece
    put(events, nil, call_event(block.call, piece, false))
  end
end

function deltas.signature_delta(_, delta, block)
  block.signature = filled(delta.signature) or block.signature
end

function deltas.citations_delta(events, delta)
  if type(delta.citation) == "table" then
    put(events, nil, { type = "citation", citation = delta.citation })
  end
end

-- What a summary of the conversation so far consists of; it goes back whole.
function deltas.compaction_delta(_, delta, block)
  block.added = block.added or {}
  block.added.content = delta.content
  block.added.encrypted_content = delta.encrypted_content
end

local function grow_block(events, chunk, state)
  local delta = sub(chunk.delta)
  local grow = deltas[delta.type]
  if grow then
    grow(events, delta, block_of(state, chunk) or add_block(state, whole(chunk.index), {}), state)
  end
end

local FINISH_REASONS = {
  end_turn = "stop", stop_sequence = "stop", tool_use = "tool_calls", refusal = "content_filter",
  max_tokens = "length", model_context_window_exceeded = "length",
}

--- A stop reason in the words that all formats share.
---@param word string
---@return string
function anthropic.finish_reason(word)
  return FINISH_REASONS[word] or word
end

local function finish(events, reason, state)
  reason = filled(reason)
  if not reason then
    return
  end
  for _, block in ipairs(state.blocks) do
    if block.call then
      finish_call(events, block.call, false)
    end
  end
  local shared = anthropic.finish_reason(reason)
  put(events, nil, {
    type = "done", finish_reason = shared,
    native_finish_reason = shared ~= reason and reason or nil,
  })
end

local readers = {
  content_block_start = start_block,
  content_block_delta = grow_block,
  content_block_stop = stop_block,
}

function readers.message_start(events, chunk, state)
  read_usage(events, sub(chunk.message).usage, state)
end

function readers.message_delta(events, chunk, state)
  read_usage(events, chunk.usage, state)
  finish(events, sub(chunk.delta).stop_reason, state)
end

local function error_of(chunk)
  if chunk.type == "error" or chunk.error then
    return require("rill.errors").read(chunk) or {}
  end
end

--- What one decoded chunk means.
---@param chunk table
---@param state table from `new_state`
---@return rill.Event[]? events each with `raw`; never empty; nil if the chunk is an error
---@return table? said { message, code, type } of the error
function anthropic.events(chunk, state)
  local wrong = error_of(chunk)
  if wrong then
    return nil, wrong
  end
  return common.read_by_type(anthropic, readers, chunk, state)
end

local function read_whole_block(events, wire, index, state)
  start_block(events, { index = index, content_block = wire }, state)
  if wire.type == "text" then
    state.text_length = state.text_length + #(filled(wire.text) or "")
  elseif wire.type == "thinking" then
    state.reasoning_length = state.reasoning_length + #(filled(wire.thinking) or "")
  end
  stop_block(events, { index = index }, state)
end

--- The same for an answer that was not streamed.
---@param chunk table
---@param state table from `new_state`
---@return rill.Event[]? events
---@return table? said
function anthropic.whole(chunk, state)
  local wrong = error_of(chunk)
  if wrong then
    return nil, wrong
  end
  local events = {}
  common.add(events, anthropic.identify(chunk, state))
  state.text_length, state.reasoning_length = 0, 0
  for i, wire in ipairs(sub(chunk.content)) do
    read_whole_block(events, sub(wire), i - 1, state)
  end
  read_usage(events, chunk.usage, state)
  finish(events, chunk.stop_reason, state)
  return common.with_raw(events, chunk)
end

local builders = {}

function builders.text(block, reply)
  local text = (reply.text or ""):sub(block.text_from + 1, block.text_to or -1)
  return text ~= "" and { type = "text", text = text } or nil
end

-- Without its signature a thought is not taken back.
function builders.thinking(block, reply)
  local thinking = (reply.reasoning or ""):sub(block.reasoning_from + 1, block.reasoning_to or -1)
  return block.signature
    and { type = "thinking", thinking = thinking, signature = block.signature } or nil
end

local function build_other(block)
  local built = common.copy(block.wire)
  for name, value in pairs(block.added or {}) do
    built[name] = value
  end
  local arguments = block.call and table.concat(block.call.pieces)
  if arguments and (arguments ~= "" or not block.call.given) then
    built.input, built.arguments = nil, arguments ~= "" and arguments or "{}"
  end
  return built
end

--- The blocks of the answer as they must be sent back; nil if they are text and nothing else.
--- A call's `arguments` is JSON text, which becomes its `input` when it is sent.
---@param state table
---@param reply rill.Reply
---@return table? native { content }
function anthropic.native(state, reply)
  local content, is_plain = {}, true
  for _, block in ipairs(state.blocks) do
    local kind = block.wire.type
    if filled(kind) then
      common.add(content, (builders[kind] or build_other)(block, reply))
      is_plain = is_plain and kind == "text"
    end
  end
  return not is_plain and { content = content } or nil
end

return anthropic
