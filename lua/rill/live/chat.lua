-- SPDX-License-Identifier: MIT
--
-- The gateway's own dialect: each question carries the whole conversation and the key, the answer
-- comes as texts and a last message with the usage.  There is no way to say "stop": only the end of
-- the connection does.  Pure, but for the requests that it encodes.

local common = require("rill.providers.common")
local encoding = require("rill.live.encoding")
local errors = require("rill.errors")
local frame_text = require("rill.live.frame_text")
local openai = require("rill.providers.openai")

local filled, sub, put = common.filled, common.sub, common.put

---------------------------------------------------------------------------------------------------
-- Reading

local reader = {
  name = "chat",
  arrays = openai.arrays,
  finish_reason = openai.finish_reason,
  read_usage = openai.read_usage,
}

function reader.new_state()
  return { started = false, id = nil, model = nil }
end

function reader.identify(chunk, state)
  return common.start(state, chunk.id, chunk.model)
end

local function read_done(events, chunk)
  local usage = sub(chunk.usage)
  if next(usage) ~= nil then
    put(events, nil, openai.read_usage(usage))
  end
  local native = filled(chunk.finish_reason) or "stop"
  local reason = openai.finish_reason(native)
  put(events, nil, {
    type = "done", finish_reason = reason,
    native_finish_reason = native ~= reason and native or nil,
  })
end

--- What one decoded message means; see docs/architecture.md.
function reader.events(chunk, state)
  if chunk.type == "error" or chunk.error then
    return nil, errors.read(chunk) or {}
  end
  local events = {}
  common.add(events, reader.identify(chunk, state))
  if chunk.type == "content.delta" and filled(chunk.delta) then
    put(events, nil, { type = "text", text = chunk.delta })
  elseif chunk.type == "chat.done" then
    read_done(events, chunk)
  end
  return common.with_raw(events, chunk)
end

-- Gives whether there was something to redact.
local function redact_all(value, secrets)
  local has_changed = false
  for name, member in pairs(value) do
    if type(member) == "string" then
      value[name] = errors.redact(member, secrets)
      has_changed = has_changed or value[name] ~= member
    elseif type(member) == "table" then
      has_changed = redact_all(member, secrets) or has_changed
    end
  end
  return has_changed
end

-- A server that repeats what it was sent would show the key in the raw form of its messages.
local function discreet(secrets, codec)
  local own = setmetatable({}, { __index = reader })
  function own.events(chunk, state)
    local events, said = reader.events(chunk, state)
    redact_all(chunk, secrets)
    return events, said
  end
  -- Of a message that was not decoded; but where it has escapes, a key may be written with them.
  function own.conceal(payload)
    local text = errors.redact(payload, secrets)
    local chunk = text:find("\\u", 1, true) and codec.decode(text)
    if type(chunk) == "table" and redact_all(chunk, secrets) then
      return codec.encode(chunk) or "{}"
    end
    return text
  end
  return own
end

---------------------------------------------------------------------------------------------------
-- Asking

local chat = {
  name = "chat",
  format = "chat",
  provider = reader,
  discreet = discreet,
  fallback = "openai",
  path = "/ws/chat",
  headers = { Authorization = false }, -- the key goes with each question
}

function chat.new(context)
  return context
end

--- What is wrong with what each question will say, or nil.  A call has no word in the answer, so
--- that nobody would hear of it.
function chat.problem(_, defaults)
  for _, name in ipairs({ "tools", "functions" }) do
    if defaults[name] ~= nil then
      return ("option '%s': the dialect 'chat' has no words for calls; 'completions', 'responses' "
        .. "and 'realtime' have"):format(name)
    end
  end
end

local encoder = encoding.provider(openai, function(fields)
  fields.stream, fields.stream_options = nil, nil
  fields.type = "chat.start"
end)

--- The frame that asks for a turn.  The key is put into the text, never into a table.
function chat.ask(context, turn)
  local body, problem = encoding.encode(encoder, context, turn)
  if not body then
    return nil, problem
  end
  local key = context.key()
  problem = frame_text.problem_of(key, "api_key")
  if problem then
    return nil, problem
  elseif key then
    body = ("{\"api_key\":%s,%s"):format(context.codec.encode(key), body:sub(2))
  end
  return { body }
end

return chat
