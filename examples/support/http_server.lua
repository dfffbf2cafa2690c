-- A small HTTP/1.1 server for one process: LuaSocket's select, a coroutine for each connection,
-- and as many more of it as it spawns.
-- The local gateway of the demo and the scripted gateway of the specs both stand on it.
--
--   local server = http_server.new(function(connection)   -- runs once for each connection
--     local request = connection:read_request()            -- nil: the client is gone
--     connection:send("HTTP/1.1 204 No Content\r\n\r\n")
--   end)
--   local port = server:listen()                           -- 127.0.0.1, a free port
--   server:run()                                           -- until server:stop()
--
-- The folder of this file's parent has to be on package.path; see gateway.lua.

local socket = require("socket")
local Connection = require("support.http_connection")

local http_server = {}

-- select knows descriptors below 1024 only.
local MAX_DESCRIPTOR = 1000

---------------------------------------------------------------------------------------------------
-- A set of sockets, which is also the array that select wants.

local Set = {}
Set.__index = Set

local function new_set()
  return setmetatable({ index = {} }, Set)
end

function Set:add(item)
  if not self.index[item] then
    self[#self + 1] = item
    self.index[item] = #self
  end
end

function Set:remove(item)
  local at = self.index[item]
  if at then
    local last = self[#self]
    self[at], self.index[last] = last, at
    self[#self], self.index[item] = nil, nil
  end
end

---------------------------------------------------------------------------------------------------
-- The server

local Server = {}
Server.__index = Server
Server.__name = "http_server"

-- handle(connection) runs in a coroutine of its own and may wait; when it returns, the connection
-- is closed.
function http_server.new(handle)
  return setmetatable({
    handle = handle,
    connections = {}, -- by socket
    listeners = {}, -- by socket: true
    readers = new_set(), -- sockets to select for reading
    writers = new_set(),
    accepted = 0, -- connections so far
    closed = {}, -- connections that were closed here and may have somebody who waits
    changed = false, -- whether some condition may have come true since it was looked at
    is_running = false,
    watched = nil, -- ends the server when it can be read: standard input
  }, Server)
end

function Server:__tostring()
  return "http_server (" .. self.accepted .. " connections so far)"
end

function Server:listen(port)
  local listener = assert(socket.tcp4())
  listener:setoption("reuseaddr", true)
  assert(listener:bind("127.0.0.1", port or 0))
  assert(listener:listen(1024))
  listener:settimeout(0)
  self.listeners[listener] = true
  self.readers:add(listener)
  local _, chosen = listener:getsockname()
  return tonumber(chosen)
end

-- Ends the server when standard input ends: when whoever started it is gone.
function Server:watch_stdin()
  self.watched = {
    getfd = function()
      return 0
    end,
    dirty = function()
      return false
    end,
  }
  self.readers:add(self.watched)
end

function Server:forget(sock, connection)
  if next(connection.waiters) then
    self.closed[#self.closed + 1] = connection
  end
  self.connections[sock] = nil
  self.readers:remove(sock)
  self.writers:remove(sock)
end

function Server:serve(sock)
  sock:settimeout(0)
  sock:setoption("tcp-nodelay", true)
  self.accepted = self.accepted + 1
  local connection = Connection.new(self, sock, self.accepted)
  self.connections[sock] = connection
  self.readers:add(sock)
  connection:spawn(function()
    self.handle(connection)
    connection:close()
  end)
end

function Server:accept(listener)
  while true do
    local sock = listener:accept()
    if not sock then
      return
    end
    if sock:getfd() > MAX_DESCRIPTOR then
      sock:close()
    else
      self:serve(sock)
    end
  end
end

function Server:read_ready(sock)
  local connection = self.connections[sock]
  if not connection then
    return
  end
  connection:receive()
  if connection.is_gone then
    self.readers:remove(sock)
    connection:wake(nil, "closed")
  else
    connection:wake("read", "ready")
  end
end

-- Resumes those for whom is_due(waiter) holds; returns how many there were.
function Server:wake_those(is_due, why)
  local due = {}
  for _, connection in pairs(self.connections) do
    for thread, waiter in pairs(connection.waiters) do
      if is_due(waiter) then
        due[#due + 1] = { connection = connection, thread = thread, waiter = waiter }
      end
    end
  end
  for _, one in ipairs(due) do
    -- One that was resumed before it may have ended its wait.
    if one.connection.waiters[one.thread] == one.waiter then
      one.connection:resume(one.thread, why)
    end
  end
  return #due
end

-- Resumes whoever waited for a moment that has passed; returns the next such moment.
function Server:fire_timers(now)
  local next_deadline
  local count = self:wake_those(function(waiter)
    local deadline = waiter.deadline
    if deadline and deadline > now and (not next_deadline or deadline < next_deadline) then
      next_deadline = deadline
    end
    return deadline and deadline <= now
  end, "timeout")
  if count > 0 then
    return self:fire_timers(now)
  end
  return next_deadline
end

function Server:check_conditions()
  while self.changed do
    self.changed = false
    self:wake_those(function(waiter)
      return waiter.wants == "condition" and waiter.condition()
    end, "ready")
  end
end

-- Tells those who wait on a connection that was closed on this side.
function Server:tell_closed()
  while self.closed[1] do
    local list = self.closed
    self.closed = {}
    for _, connection in ipairs(list) do
      connection:wake(nil, "closed")
    end
  end
end

-- One round: waits at most so long (nil: for ever), then serves whatever is ready.
function Server:step(seconds)
  local deadline
  repeat
    self:check_conditions()
    self:tell_closed()
    deadline = self:fire_timers(socket.gettime())
  until not self.changed and not self.closed[1]
  if deadline then
    seconds = math.max(math.min(deadline - socket.gettime(), seconds or math.huge), 0)
  end
  local readable, writable = socket.select(self.readers, self.writers, seconds)
  for _, sock in ipairs(writable) do
    local connection = self.connections[sock]
    if connection then
      connection:wake("write", "ready")
    end
  end
  for _, sock in ipairs(readable) do
    if sock == self.watched then
      self.is_running = false
    elseif self.listeners[sock] then
      self:accept(sock)
    else
      self:read_ready(sock)
    end
  end
end

function Server:run()
  self.is_running = true
  while self.is_running do
    -- LuaSocket's select goes on after a signal: Ctrl-C is seen only when it returns.
    self:step(0.5)
  end
  for _, connection in pairs(self.connections) do
    if connection.sock then
      connection.sock:close()
    end
  end
  for listener in pairs(self.listeners) do
    listener:close()
  end
end

function Server:stop()
  self.is_running = false
end

---------------------------------------------------------------------------------------------------
-- For a server that is a child process: tells whoever started it, over 127.0.0.1:port, one line.

function http_server.report(port, line)
  local sock = assert(socket.connect("127.0.0.1", port))
  sock:send(line .. "\n")
  sock:close()
end

return http_server
