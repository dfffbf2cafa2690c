-- SPDX-License-Identifier: MIT
--
-- OpenAI's Responses over a socket.  The server remembers the last answer of each lane while the
-- connection lives: a question then carries only what is new, with `previous_response_id`.  After a
-- reconnect, and where the history was changed, it carries all.  No message stops an answer: what
-- is left of one that nobody wants is passed over, or ends with the connection.

local common = require("rill.providers.common")
local core = require("rill.core")
local encoding = require("rill.live.encoding")
local input = require("rill.providers.responses_input")
local provider = require("rill.providers.responses")

local responses = {
  name = "responses",
  format = "responses",
  provider = provider,
  fallback = "responses",
  path = "/responses",
  has_lanes = true,
  rotate_after = 3300, -- the server ends a connection after an hour
}

function responses.new(context)
  context.chains = {} -- by lane: what the server remembers, { id, messages, said }
  return context
end

--- The server remembers nothing of a connection that is gone.
function responses.lost(context)
  context.chains = {}
end

local function key_of(turn)
  return turn.lane or ""
end

-- What a message says, as something that a later change inside its tables does not change.  It is
-- kept while the connection lives, so it is a digest where there may be pictures.
local function said_in(context, message)
  local content, calls = message.content, message.tool_calls
  if type(content) ~= "table" and type(calls) ~= "table" then
    return content
  end
  local text = context.codec.encode({ content = content, tool_calls = calls })
  return text and core.sha256(text) or {} -- which is like nothing else
end

local function all_said(context, messages)
  local list = {}
  for i, message in ipairs(messages) do
    list[i] = said_in(context, message)
  end
  return list
end

-- How many of the messages the server knows: all that it answered and its answer, if these are
-- still the beginning and something new follows; else 0.
local function known(chain, messages, said)
  local count = chain and #chain.messages or 0
  if count >= #messages then
    return 0
  end
  for i = 1, count do
    if messages[i] ~= chain.messages[i] or said[i] ~= chain.said[i] then
      return 0
    end
  end
  return count
end

-- The items of the messages that the server knows come first.
local function leave_out(fields, count, messages)
  local first = {}
  for i = 1, count do
    first[i] = messages[i]
  end
  local items = input.translate(first, fields.store == true)
  local new = {}
  for i = #items + 1, #fields.input do
    new[#new + 1] = fields.input[i]
  end
  fields.input = new
end

local encoder = encoding.provider(provider, function(fields, turn, messages)
  fields.stream, fields.background = nil, nil
  fields.type = "response.create"
  fields.stream_id = turn.lane
  if turn.known > 0 then
    fields.previous_response_id = turn.previous
    leave_out(fields, turn.known, messages)
  end
end)

--- The frame that asks for a turn.
function responses.ask(context, turn)
  local chain = context.chains[key_of(turn)]
  turn.said = all_said(context, turn.request.messages)
  turn.known = known(chain, turn.request.messages, turn.said)
  turn.previous = turn.known > 0 and chain.id or nil
  local body, problem = encoding.encode(encoder, context, turn)
  return body and { body }, problem
end

--- Notes what the server remembers now.  It remembers also the calls of an answer that was cut, and
--- would wait for their results.
function responses.answered(context, turn, message, reply)
  local has_lost_calls = reply.tool_calls[1] ~= nil and reply.outcome ~= "complete"
  if not reply.id or has_lost_calls then
    context.chains[key_of(turn)] = nil
    return
  end
  local chain = { id = reply.id, messages = {}, said = {} }
  for i, one in ipairs(turn.request.messages) do
    chain.messages[i], chain.said[i] = one, turn.said[i]
  end
  local last = #chain.messages + 1
  chain.messages[last], chain.said[last] = message, said_in(context, message)
  context.chains[key_of(turn)] = chain
end

local LAST = {
  ["response.completed"] = true, ["response.failed"] = true, ["response.incomplete"] = true,
  error = "perhaps",
}

local function live_turns(turns)
  local count, only = 0, nil
  for _, turn in ipairs(turns) do
    if not turn.is_dropped then
      count, only = count + 1, turn
    end
  end
  return count == 1 and only or nil
end

local function read(context, payload)
  local chunk = context.codec.decode(payload)
  chunk = type(chunk) == "table" and chunk or {}
  return chunk, type(chunk.stream_id) == "string" and chunk.stream_id or nil
end

-- Whether a response may be the one that a turn has read of.
local function may_be(response, turn)
  local stream = turn.held.stream
  local id = stream and stream.state and stream.state.id
  return not id or not response.id or response.id == id
end

--- OpenAI tells of an answer that it breaks off twice: `error`, then `response.failed`.
function responses.afterword(context, payload, ended)
  local chunk, lane = read(context, payload)
  for _, turn in ipairs(ended) do
    if turn.lane == lane then
      return turn, chunk.type == "response.failed" and may_be(common.sub(chunk.response), turn)
    end
  end
end

--- Whose a message is.  One that names no lane is of the conversation without one; an error that
--- names none and finds none there is of the turn that is alone in flight.
function responses.owner(context, payload, turns)
  local chunk, lane = read(context, payload)
  for _, turn in ipairs(turns) do
    if turn.lane == lane then
      return turn, LAST[chunk.type] or false
    end
  end
  if chunk.type == "error" and not lane then
    return live_turns(turns), LAST.error
  end
end

--- What may help a turn that the server has refused.  A connection takes so many names of lanes in
--- its life, 32 at OpenAI, and lives an hour.
function responses.again(context, turn, err)
  if err.code == "previous_response_not_found" and turn.previous then
    context.chains[key_of(turn)] = nil
    return "again"
  elseif err.code == "websocket_connection_limit_reached" then
    err.retryable = true
    return "renew"
  elseif err.code == "websocket_stream_limit_reached" then
    err.kind, err.retryable = "rate_limit", true -- once the others have their answers
    return "renew"
  end
end

return responses
