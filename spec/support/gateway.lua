-- The specs' side of the scripted gateway (gateway_server.lua).  One process serves a whole run.
--
--   local gateway = Gateway.start()
--   local route = gateway:script({ attempt, ... })   -- the nth request gets the nth attempt, and
--                                                    -- the last one repeats
--   route.base_url                                   -- for clients: ends in /v1
--   route.socket_url                                 -- the same with ws:
--   gateway:requests(route)                          -- what was asked, see below
--   gateway:wait(route, "requests", 1, 5)            -- until it was asked once, at most 5 seconds
--
-- An attempt is a string (a whole body) or a table:
--
--   status, reason            200, the usual words
--   headers                   { name = value }; a list sends a header several times, false leaves
--                             out a default (Content-Type: text/event-stream, the framing's)
--   head                      these bytes instead of status line and headers
--   send_headers_slowly       seconds after each line of the header
--   framing                   "chunked" (the default), "length", "close"
--   steps                     the body: strings and steps
--   before, after             steps before the header, and after the answer is complete
--   piece, delay              strings go out in pieces of so many bytes, each in a send and a chunk
--                             of its own, with so many seconds between them
--   on_expect = false         does not answer "Expect: 100-continue"
--   websocket = true          accepts an upgrade: status 101 and its headers are the defaults then,
--                             and the steps are frames (without it the attempt is a refusal)
--   on_ping, on_close = false does not answer the pings, the close frame of a WebSocket client
--
-- A step is a string, or one of
--
--   { sleep = seconds }
--   { reset = true }          closes with a RST
--   { close = true }          closes with a FIN, without the end of the framing
--   { half_close = true }     sends a FIN, and stays
--   { stall = true }          silent until the client goes
--   { wait = "name" }         until gateway:signal(route, "name"); a signal stays given
--   { asked = count }         until the route was asked so often, this time included
--   { raw = bytes }           past the framing
--
-- For WebSocket a string is a text message, and there are besides
--
--   { binary = bytes }        a binary message
--   { frame = { opcode = 1, payload = "", fin = true, rsv = 0, mask = four bytes or nil } }
--   { ping = data }
--   { receive = count }       until so many more messages have come
--   { echo = flag }           from now on messages go back as they came
--   { deaf = flag }           reads nothing from the system any more, or does again
--   { closing = { code, reason } }   the closing handshake from this side
--
-- After the last step it waits until the client closes, and answers that.
--
-- A request is { number, method, path, target, headers, body, connection, at, sent, closed_at,
-- finished_at }: names of headers in lower case; connection is a number that tells connections
-- apart; sent counts bytes; closed_at is when the client left before the answer (with its `after`
-- steps) was complete, finished_at when the answer had been played.  Times are socket.gettime()'s.
-- Over WebSocket it has `messages` besides, what the client sent: { kind, data, at, code }, where
-- kind is "text", "binary", "ping", "pong" or "close" (whose data is the reason).

local cjson = require("cjson").new()
local socket = require("socket")

local Gateway = {}
Gateway.__index = Gateway
Gateway.__name = "gateway"

local running -- the one gateway of this process

function Gateway:__tostring()
  return "gateway at " .. self.url
end

-- Runs a command that ends when its standard input does, and waits for the line that it tells to
-- the port that stands behind its arguments.
function Gateway.launch(command)
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(20)
  local _, port = listener:getsockname()
  local pipe = assert(io.popen("exec " .. command .. " " .. port, "w"))
  local sock = assert(listener:accept(), "this did not start: " .. command)
  local line = assert(sock:receive("*l"))
  sock:close()
  listener:close()
  return pipe, line
end

-- A port of 127.0.0.1 where nobody listens.
local function closed_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return port
end

function Gateway.start()
  if running then
    return running
  end
  local pipe, line = Gateway.launch("lua5.4 spec/support/gateway_server.lua")
  local port, silent_port = line:match("^(%d+) (%d+)$")
  running = setmetatable({
    port = tonumber(port),
    url = "http://127.0.0.1:" .. port, -- also a proxy: whole URLs are understood
    silent_port = tonumber(silent_port), -- accepts, reads, and never says a word
    refused_url = "http://127.0.0.1:" .. closed_port(),
    pipe = pipe, -- its standard input
    control = nil, -- the connection that commands go over, set by call
    routes = 0,
  }, Gateway)
  return running
end

-- Ends the process; the next start makes a new one.
function Gateway.stop()
  local gateway = running
  running = nil
  if gateway then
    if gateway.control then
      gateway.control:close()
    end
    gateway.pipe:close()
  end
end

-- One command over the control connection.  seconds: how long the answer may take.
function Gateway:call(name, arguments, seconds)
  if not self.control then
    self.control = assert(socket.connect("127.0.0.1", self.port))
    self.control:setoption("tcp-nodelay", true)
  end
  local control = self.control
  control:settimeout((seconds or 0) + 30)
  local body = cjson.encode(arguments)
  assert(control:send(
    "POST /control/" .. name .. " HTTP/1.1\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
  ))
  local length
  repeat
    local line = assert(control:receive("*l"), "the scripted gateway failed; see its message above")
    length = length or tonumber(line:match("^Content%-Length: (%d+)"))
  until line == ""
  local answer = assert(control:receive(length))
  return cjson.decode(answer)
end

local function set_of(words)
  local set = {}
  for word in words:gmatch("%S+") do
    set[word] = true
  end
  return set
end

local ATTEMPT = set_of("status reason headers head send_headers_slowly framing steps before after "
  .. "piece delay on_expect websocket on_ping on_close")
local STEP = set_of("sleep reset close half_close stall wait asked raw binary frame ping receive "
  .. "echo deaf closing")

-- A slip in a script is the spec's error, not a strange answer later.
local function check(attempt)
  for key in pairs(attempt) do
    assert(ATTEMPT[key], "an attempt has no '" .. tostring(key) .. "'")
  end
  for _, list in ipairs({ "before", "steps", "after" }) do
    for _, step in ipairs(attempt[list] or {}) do
      local name = type(step) == "table" and next(step)
      if type(step) ~= "string" then
        assert(STEP[name], "no such step: " .. tostring(name))
        assert(next(step, name) == nil, "a step does one thing, not also " .. tostring(name))
      end
    end
  end
  return attempt
end

function Gateway:script(attempts)
  assert(type(attempts) == "table" and #attempts > 0, "script takes a list of attempts")
  self.routes = self.routes + 1
  local list = {}
  for at, attempt in ipairs(attempts) do
    list[at] = check(type(attempt) == "string" and { steps = { attempt } } or attempt)
  end
  local id = tostring(self.routes)
  self:call("script", { id = id, attempts = list })
  local base_url = self.url .. "/s/" .. id .. "/v1"
  return {
    id = id,
    path = "/s/" .. id,
    base_url = base_url,
    socket_url = base_url:gsub("^http", "ws"),
  }
end

function Gateway:signal(route, name)
  self:call("signal", { id = route.id, name = name })
end

local imported

function imported(record)
  for _, key in ipairs({ "at", "closed_at", "finished_at" }) do
    record[key] = tonumber(record[key])
  end
  -- Numbers from JSON are floats to Lua 5.3 and 5.4.
  for _, key in ipairs({ "number", "connection", "sent", "code" }) do
    record[key] = record[key] and math.floor(record[key])
  end
  for _, message in ipairs(record.messages or {}) do
    imported(message)
  end
  return record
end

function Gateway:requests(route)
  local list = self:call("requests", { id = route.id }).requests
  local requests = {}
  for at, record in ipairs(list) do
    requests[at] = imported(record)
  end
  return requests
end

-- Waits until so many "requests" or "messages" of WebSocket came, or so many requests were "closed"
-- by the client before their answer was complete, or "finished".  Returns the request or message
-- that made the number full, or nil, "timeout".
-- pump, if given, is called again and again: for a client that this process has to drive.
function Gateway:wait(route, what, count, seconds, pump)
  seconds = seconds or 10
  local deadline = socket.gettime() + seconds
  repeat
    if pump then
      pump()
    end
    local left = pump and 0 or math.max(deadline - socket.gettime(), 0)
    local arguments = { id = route.id, what = what, count = count or 1, seconds = left }
    local record = self:call("wait", arguments, left).record
    if record then
      return imported(record)
    end
  until socket.gettime() >= deadline
  return nil, "timeout"
end

return Gateway
