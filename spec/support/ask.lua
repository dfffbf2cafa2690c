-- Real chats with the scripted gateway, for specs that go through the whole of rill.
--
--   local stream, route = ask.chat({ sse.answer("hello") })       -- attempts, as gateway:script
--   local ws, route = ask.websocket({ { "hello" } })              -- lists of steps
--   local seen = ask.read(stream)   -- { types, text, events, err, reply }: all there was
--
-- Clients retry at once (nearly) and have a key, ask.KEY, that no output may show.

local Gateway = require("spec.support.gateway")

local ask = {}

ask.KEY = "sk-spec-1234567890abcdef"

-- A host that does not resolve, and about which no name server is asked: the label is too long.
ask.NO_HOST = ("x"):rep(64) .. ".invalid"

-- A copy of a table with the fields of another laid over it, and so for tables in both.
local function merged(base, more)
  local copy = {}
  for name, value in pairs(base) do
    copy[name] = value
  end
  for name, value in pairs(more or {}) do
    copy[name] = type(value) == "table" and type(copy[name]) == "table"
      and merged(copy[name], value) or value
  end
  return copy
end

ask.merged = merged

-- where: a route, or a base URL.
function ask.client(where, options)
  return require("rill").client(merged({
    base_url = type(where) == "table" and where.base_url or where,
    api_key = ask.KEY,
    retry = { base = 0.01, jitter = 0 },
    timeout = { total = 20 }, -- a spec that hangs ends, and says so
  }, options))
end

function ask.request(fields)
  return merged({
    model = "spec-model",
    messages = { { role = "user", content = "hi" } },
  }, fields)
end

function ask.chat(attempts, options, fields)
  local route = Gateway.start():script(attempts)
  local stream = ask.client(route, options):chat(ask.request(fields))
  return stream, route
end

-- Reads a stream to its end by next().
function ask.read(stream)
  local seen = { types = {}, texts = {}, events = {}, err = nil, reply = nil }
  local event, err = stream:next()
  while event do
    seen.events[#seen.events + 1] = event
    seen.types[#seen.types + 1] = event.type
    if event.type == "text" then
      seen.texts[#seen.texts + 1] = event.text
    elseif event.type == "retry" then
      seen.texts = {}
    end
    event, err = stream:next()
  end
  seen.err = err
  seen.types, seen.text = table.concat(seen.types, " "), table.concat(seen.texts)
  seen.reply = stream:partial()
  return seen
end

-- Posts bytes as a whole answer (chunked unless options say otherwise) and reads it.
function ask.play(bytes, options)
  local attempt = merged({ steps = { bytes } }, options)
  local stream, route = ask.chat({ attempt })
  return ask.read(stream), stream, route
end

-- A WebSocket to a script.  Attempts are as gateway:script has them, or lists of steps alone: the
-- upgrade is accepted then.  Attempts to open it follow each other at once (nearly).
function ask.websocket(attempts, options, transport)
  local list = {}
  for at, attempt in ipairs(attempts) do
    list[at] = #attempt > 0 and { websocket = true, steps = attempt } or attempt
  end
  local route = Gateway.start():script(list)
  local defaults = { reconnect = { base = 0.01, jitter = 0 }, close_timeout = 5 }
  local ws = require("rill").websocket(transport and transport(route) or route.socket_url,
    merged(defaults, options))
  return ws, route
end

-- A live session with a script, of which each connection plays one attempt: the upgrade is accepted
-- unless the attempt has a status.
function ask.live(attempts, options)
  for _, attempt in ipairs(attempts) do
    attempt.websocket = attempt.status == nil
  end
  local route = Gateway.start():script(attempts)
  local defaults = { model = "m", reconnect = { base = 0.01, jitter = 0 } }
  return ask.client(route):live(merged(defaults, options)), route
end

-- Drops every kept connection: the next chat opens one of its own.
function ask.forget_connections()
  require("rill").engine():close()
end

-- How many requests a route has got.
function ask.count(route)
  return #Gateway.start():requests(route)
end

return ask
