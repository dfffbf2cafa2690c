-- SPDX-License-Identifier: MIT
--
-- A WebSocket, as its user sees it.  The connection, its heartbeat and its limits are C's; this
-- file checks arguments, waits, and says how it ended.

local core = require("rill.core")
local endings = require("rill.websocket_ending")
local errors = require("rill.errors")
local loops = require("rill.loops")
local setups = require("rill.websocket_setup")

---@class rill.WebSocket
local WebSocket = { __name = "rill.websocket" }
WebSocket.__index = WebSocket

local websocket = {}

local settle, unsendable = endings.settle, endings.unsendable
local is_utf8 = core.is_utf8

-- What a WebSocket is before anything has happened.
WebSocket.is_left = false -- its user has closed it; what happens to it then is no error
WebSocket.result = nil -- these two are set once somebody asks how it ended: what `close` gives; why
WebSocket.err = nil -- reading ends, if that is an error

--- Opens a WebSocket.  Wrong arguments raise, with a hint.
---@param url string
---@param given rill.WebSocketOptions?
---@return rill.WebSocket
function websocket.new(url, given)
  local problem = setups.problem(url, given)
  if problem then
    error("rill.websocket: " .. problem, 3)
  end
  local setup = setups.of(url, given)
  local engine = core.engine()
  local socket = engine:connect(core.profile(setup.profile_spec), setup.url, setup.spec)
  return setmetatable({
    socket = socket,
    engine = engine,
    id = socket:id(),
    loop = given and given.loop, -- nil: rill.use, or it is found out
    secrets = setup.secrets,
    bounds = setup.bounds,
    host = setup.host,
    deadlines = {}, -- of those who wait for so long at most: a set of { at }
  }, WebSocket)
end

---------------------------------------------------------------------------------------------------
-- Waiting

-- One clock serves all who wait: it rings for the earliest of them.  Who is late is woken here: his
-- ring may have been put off by another's, or he was killed.  own: that of who is about to wait.
local function set_clock(self, own)
  local now, earliest, is_any_late = core.now(), own and own.at or math.huge, false
  for deadline in pairs(self.deadlines) do
    if deadline.at > now then
      earliest = math.min(earliest, deadline.at)
    elseif deadline ~= own then
      self.deadlines[deadline], is_any_late = nil, true
    end
  end
  self.socket:wake(earliest < math.huge and math.max(earliest - now, 0) or nil)
  if is_any_late then
    loops.wake(self.id)
  end
end

local function wait(self)
  loops.wait(self.engine, self.id, self.loop)
end

local function wait_within(self, step, argument, pending, seconds)
  local deadline = { at = core.now() + seconds }
  local first, second
  repeat
    self.deadlines[deadline] = true
    set_clock(self, deadline)
    wait(self)
    self.deadlines[deadline] = nil
    first, second = step(self, argument)
  until second ~= pending or core.now() >= deadline.at
  set_clock(self)
  return first, second
end

-- Waits until the second result of step(self, argument) is no longer `pending`, at most so long.
local function wait_until(self, step, argument, pending, seconds)
  if seconds == 0 then
    loops.turn(self.engine) -- or a loop of such calls would see nothing change
    return step(self, argument)
  elseif seconds and seconds < math.huge then
    return wait_within(self, step, argument, pending, seconds)
  end
  local first, second
  repeat
    wait(self)
    first, second = step(self, argument)
  until second ~= pending
  return first, second
end

local function is_seconds(value)
  return type(value) == "number" and value >= 0
end

local function raise_seconds(name, number)
  error(("ws:%s: argument %d must be a number of seconds that is not negative")
    :format(name, number), 4)
end

local function check_seconds(name, seconds)
  if seconds ~= nil and not is_seconds(seconds) then
    raise_seconds(name, 1)
  end
end

---------------------------------------------------------------------------------------------------
-- Opening

local function look_open(self)
  if self.socket:state() == "connecting" then
    return nil, "pending"
  elseif self.socket:stats().opened then
    return true
  end
  settle(self)
  return nil, unsendable(self)
end

--- Waits until the connection is open.  Nobody has to: what is sent before waits for it.
---@param seconds number? how long to wait at most
---@return true? is_open that it is, or was
---@return rill.Error|"timeout"|nil err
function WebSocket:open(seconds)
  check_seconds("open", seconds)
  local is_open, err = look_open(self)
  if err == "pending" then
    is_open, err = wait_until(self, look_open, nil, "pending", seconds)
  end
  return is_open, err == "pending" and "timeout" or err
end

---------------------------------------------------------------------------------------------------
-- Reading

-- The next message and its kind; nil; nil and the error; nil and "pending".  Never waits.
local function pull(self)
  local socket = self.socket
  local kind, data = socket:take()
  while kind do
    if kind == "text" or kind == "binary" then
      return data, kind
    end
    kind, data = socket:take() -- what came was "open" or "retry"
  end
  if data == "pending" then
    return nil, "pending"
  end
  settle(self)
  return nil, self.err
end

local function next_within(self, seconds)
  local message, kind = pull(self)
  if kind == "pending" then
    message, kind = wait_until(self, pull, nil, "pending", seconds)
  end
  return message, kind == "pending" and "timeout" or kind
end

--- Gives the next message, waiting for it.
---@param seconds number? how long to wait at most; nil: until there is one
---@return string? message nil at the end, on failure and when the wait ran out
---@return "text"|"binary"|rill.Error|"timeout"|nil kind or why there is no message; nil at the end
function WebSocket:next(seconds)
  if seconds ~= nil then
    check_seconds("next", seconds)
    return next_within(self, seconds)
  end
  local message, kind = pull(self)
  while kind == "pending" do
    wait(self)
    message, kind = pull(self)
  end
  return message, kind
end

--- Gives the next message if there is one.  Never waits and never yields; lets the engine progress.
---@return string? message
---@return "text"|"binary"|rill.Error|"pending"|nil kind "pending": there is none yet
function WebSocket:poll()
  local message, kind = pull(self)
  if kind == "pending" then
    loops.turn(self.engine)
    message, kind = pull(self)
  end
  return message, kind
end

local function next_message(self)
  local message, kind = self:next()
  if message == nil and kind then
    error(kind, 0)
  end
  return message, kind
end

--- Iterates over the messages to the end: `for message, kind in ws:messages() do`.
-- Raises the error object if the connection fails.  The loop may be left and another one begun:
-- unlike an answer's stream, a connection has more to give than what is read.
---@return fun(ws: rill.WebSocket): string?, "text"|"binary"|nil
---@return rill.WebSocket
function WebSocket:messages()
  local problem = loops.iterator_problem(self.loop, "ws")
  if problem then
    error("ws:messages: " .. problem, 2)
  end
  return next_message, self
end

---------------------------------------------------------------------------------------------------
-- Sending

-- message: { data, is_binary }.
local function try_send(self, message)
  local is_queued = self.socket:send(message[1], message[2])
  if is_queued then
    return true
  elseif is_queued == false then
    return nil, "full"
  end
  return nil, unsendable(self)
end

-- The socket would not take it at once.
local function send_late(self, data, is_binary, seconds)
  local message = { data, is_binary }
  local is_queued, err = try_send(self, message)
  if err == "full" then
    is_queued, err = wait_until(self, try_send, message, "full", seconds)
  end
  return is_queued, err
end

local function check_message(name, data, seconds)
  if type(data) ~= "string" then
    error(("ws:%s: argument 1 must be a string, not a %s"):format(name, type(data)), 3)
  elseif seconds ~= nil and not is_seconds(seconds) then
    raise_seconds(name, 2)
  end
end

--- Sends a text.  It counts as sent once it is queued; where the queue is full, waits for room.
-- Bytes that are no UTF-8 cannot be sent as text: an error of kind `malformed`.
---@param text string
---@param seconds number? how long to wait at most; 0: not at all
---@return true? is_queued
---@return rill.Error|"full"|nil err
function WebSocket:send(text, seconds)
  check_message("send", text, seconds)
  if not is_utf8(text) then
    return nil, errors.new({
      kind = "malformed", message = "a text message must be UTF-8; send_binary takes any bytes",
    })
  elseif self.socket:send(text) then
    return true
  end
  return send_late(self, text, false, seconds)
end

--- Sends bytes.  Otherwise as `send`.
---@param bytes string
---@param seconds number?
---@return true? is_queued
---@return rill.Error|"full"|nil err
function WebSocket:send_binary(bytes, seconds)
  check_message("send_binary", bytes, seconds)
  if self.socket:send(bytes, true) then
    return true
  end
  return send_late(self, bytes, true, seconds)
end

--- Sends a ping of one's own, beside those of `ping_interval`.  Answers are counted
--- (`metrics().pongs`, `round_trip`) and not told.
---@param data string? at most 125 bytes
---@return true? is_queued
---@return rill.Error|"pending"|nil err "pending": it is not open yet
function WebSocket:ping(data)
  if data ~= nil and not (type(data) == "string" and #data <= 125) then
    error("ws:ping: argument 1 must be a string of at most 125 bytes", 2)
  elseif self.socket:ping(data or "") then
    return true
  elseif self.socket:state() == "connecting" then
    return nil, "pending"
  end
  return nil, unsendable(self)
end

---------------------------------------------------------------------------------------------------
-- Closing

-- RFC 6455, section 7.4, and what IANA has registered since.
local function is_close_code(code)
  return type(code) == "number" and code == math.floor(code)
    and (code >= 1000 and code <= 1003 or code >= 1007 and code <= 1014
      or code >= 3000 and code <= 4999)
end

local function close_problem(code, reason)
  if code ~= nil and not is_close_code(code) then
    return "argument 1 must be a close code: 1000 to 1003, 1007 to 1014 or 3000 to 4999"
  elseif reason ~= nil and not (type(reason) == "string" and #reason <= 123
    and is_utf8(reason)) then
    return "argument 2 must be a string of at most 123 bytes of UTF-8"
  end
end

--- Closes the connection: sends what is queued and the close frame, and waits for the peer's, at
--- most `close_timeout`.
-- What arrives until then can still be read, but for what is more than `limits.buffer`.  Closing
-- twice gives the same table.  One that is not open yet ends at once, with what is queued unsent.
---@param code integer? 1000 by default; 3000 to 4999 are the application's
---@param reason string? at most 123 bytes
---@return rill.WebSocketClosing
function WebSocket:close(code, reason)
  local problem = close_problem(code, reason)
  if problem then
    error("ws:close: " .. problem, 2)
  end
  if not self.socket:ending() then
    self.is_left = true
    self.socket:close(code or 1000, reason or "")
  end
  while not settle(self) do
    wait(self)
  end
  loops.wake(self.id) -- it may have ended without a word from the engine
  return self.result
end

--- Ends the connection now: nothing is waited for, and what is queued may be lost.  The same as
--- what the garbage collector does, and Lua 5.4 at the end of a variable's `<close>` scope.
function WebSocket:drop()
  if not self.socket:ending() then
    self.is_left = true
    self.socket:drop()
    loops.wake(self.id)
  end
end

WebSocket.__close = WebSocket.drop

--- How it was closed; nil while it is not.
---@return rill.WebSocketClosing?
function WebSocket:closing()
  settle(self)
  return self.result
end

---------------------------------------------------------------------------------------------------
-- What it is doing

---@return "connecting"|"open"|"closing"|"ended"
function WebSocket:state()
  return self.socket:state()
end

--- The subprotocol that the server chose; nil: none, or it is not open yet.
---@return string?
function WebSocket:protocol()
  return self.socket:stats().protocol
end

--- What was measured so far; see rill.WebSocketMetrics.
---@return rill.WebSocketMetrics
function WebSocket:metrics()
  local metrics = self.socket:stats()
  metrics.duration = metrics.ended or metrics.elapsed
  metrics.attempts = #self.socket:attempts()
  metrics.queued_bytes, metrics.queued_messages = self.socket:queued()
  metrics.elapsed = nil
  return metrics
end

--- The trail of attempts to open it, the first one first; the last may still run.
---@return rill.Attempt[]
function WebSocket:attempts()
  return errors.redact_attempts(self.socket:attempts(), self.secrets)
end

function WebSocket:__tostring()
  return ("rill.websocket: %s, %s"):format(self.host, self:state())
end

return websocket
