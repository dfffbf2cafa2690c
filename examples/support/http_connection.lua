-- One connection of http_server: what the coroutine that serves it may do.  Every call that waits
-- also watches the client: the moment it closes or resets the connection, is_gone is set and the
-- call returns nil, "closed".
--
-- connection:spawn(body) runs body(connection) in a coroutine beside it, so that one can read while
-- the other sends; it is called "closed" as well when the connection is.

local socket = require("socket")

local MAX_HEAD = 65536

local Connection = {}
Connection.__index = Connection
Connection.__name = "http_server.connection"

function Connection.new(server, sock, number)
  return setmetatable({
    server = server,
    sock = sock, -- nil once closed from this side
    number = number, -- the first is 1
    buffer = "", -- received and not yet read
    is_gone = false, -- the client closed or reset it
    gone_at = nil, -- when, in seconds
    sent = 0, -- bytes the system took
    is_sending = false, -- whether some coroutine is amid its bytes
    is_queued = false, -- whether others wait to send
    waiters = {}, -- by coroutine: { wants, deadline, condition }, see wait
  }, Connection)
end

function Connection:__tostring()
  return "http_server.connection " .. self.number
end

-- Runs body(connection) in a coroutine of its own; the connection lives on when it returns.
function Connection:spawn(body)
  self:resume(coroutine.create(body), self)
end

function Connection:resume(thread, why)
  local ok, err = coroutine.resume(thread, why)
  if not ok then
    io.stderr:write(debug.traceback(thread, tostring(err)), "\n")
    self:close()
  end
end

-- Resumes every coroutine that waits for this; without it, all that wait.
function Connection:wake(wants, why)
  local threads = {}
  for thread, waiter in pairs(self.waiters) do
    if not wants or waiter.wants == wants then
      threads[#threads + 1] = thread
    end
  end
  for _, thread in ipairs(threads) do
    if self.waiters[thread] then
      self:resume(thread, why)
    end
  end
end

-- The one place that suspends.  wants: "read", "write", "time" or "condition"; deadline: when to
-- give up.  Returns "ready" or "timeout", or nil, "closed".
function Connection:wait(wants, deadline, condition)
  if self.is_gone or not self.sock then
    return nil, "closed"
  end
  local thread = coroutine.running()
  self.waiters[thread] = { wants = wants, deadline = deadline, condition = condition }
  if wants == "write" then
    self.server.writers:add(self.sock)
  end
  local why = coroutine.yield()
  self.waiters[thread] = nil
  if wants == "write" and self.sock then
    self.server.writers:remove(self.sock)
  end
  if why == "closed" then
    return nil, "closed"
  end
  return why
end

function Connection:sleep(seconds)
  return self:sleep_until(socket.gettime() + seconds)
end

function Connection:sleep_until(moment)
  if not self.is_gone and moment <= socket.gettime() then
    return true
  end
  return self:wait("time", moment)
end

-- Waits until condition() holds; false when the deadline passed first.
function Connection:wait_for(condition, deadline)
  while not condition() do
    local why, err = self:wait("condition", deadline, condition)
    if not why then
      return nil, err
    elseif why == "timeout" then
      return false
    end
  end
  return true
end

-- Waits for the client to go, and sends nothing.
function Connection:stall()
  repeat
    local ok = self:wait("time", nil)
  until not ok
end

-- Runs send(self, ...) when no other coroutine is amid its bytes.
function Connection:alone(send, ...)
  self:wait_for(function()
    self.is_queued = self.is_queued or self.is_sending -- also when another has been quicker again
    return not self.is_sending
  end)
  self.is_sending = true
  local ok, err = send(self, ...)
  self.is_sending = false
  if self.is_queued then
    self.is_queued, self.server.changed = false, true
  end
  return ok, err
end

local function send_all(self, bytes)
  local from = 1
  while from <= #bytes do
    if self.is_gone or not self.sock then
      return nil, "closed"
    end
    local last, err, partial = self.sock:send(bytes, from)
    local upto = last or partial or from - 1
    self.sent = self.sent + (upto - from + 1)
    from = upto + 1
    if not last then
      if err ~= "timeout" then
        self:lost()
        return nil, "closed"
      end
      local ok, reason = self:wait("write")
      if not ok then
        return nil, reason
      end
    end
  end
  return true
end

-- Of two coroutines that send, the second waits until the bytes of the first are gone.
function Connection:send(bytes)
  return self:alone(send_all, bytes)
end

local function send_pieces(self, bytes, size, delay)
  for from = 1, #bytes, size do
    local ok, err = send_all(self, bytes:sub(from, from + size - 1))
    if ok and delay and from + size <= #bytes then
      ok, err = self:sleep(delay)
    end
    if not ok then
      return nil, err
    end
  end
  return true
end

-- One send for each piece of so many bytes.
function Connection:send_pieces(bytes, size, delay)
  return self:alone(send_pieces, bytes, size, delay)
end

function Connection:lost()
  if not self.is_gone then
    self.is_gone = true
    self.gone_at = socket.gettime()
    self.server.changed = true
  end
end

-- Closes with a FIN; what was sent still arrives.  Whoever waits here is told.
function Connection:close()
  local sock = self.sock
  if sock then
    self.server:forget(sock, self)
    self.sock = nil
    sock:close()
  end
end

-- Closes with a RST, as a crashed server or a firewall does.
function Connection:reset()
  if self.sock then
    self.sock:setoption("linger", { on = true, timeout = 0 })
    self:close()
  end
end

-- Says that no more will come, and goes on listening.
function Connection:half_close()
  if self.sock then
    self.sock:shutdown("send")
  end
end

-- Takes what the system has received; called by the server when there is something.
function Connection:receive()
  local data, err, partial = self.sock:receive(8192)
  data = data or partial
  if data and #data > 0 then
    self.buffer = self.buffer .. data
  end
  if err and err ~= "timeout" then
    self:lost()
  end
end

-- Reads until the buffer satisfies enough(buffer), which returns anything but nil.
function Connection:read_until(enough)
  while true do
    local found = enough(self.buffer)
    if found ~= nil then
      return found
    end
    local ok, err = self:wait("read")
    if not ok then
      local late = enough(self.buffer)
      if late ~= nil then
        return late
      end
      return nil, err
    end
  end
end

-- Takes so many bytes from the front of what was received.
function Connection:take(count)
  local bytes = self.buffer:sub(1, count)
  self.buffer = self.buffer:sub(count + 1)
  return bytes
end

function Connection:read_bytes(count)
  -- Pieces are joined once: a long body costs no more for arriving in many.
  local pieces = { self:take(count) }
  local have = #pieces[1]
  while have < count do
    local ok, err = self:read_until(function(buffer)
      return #buffer > 0 or nil
    end)
    if not ok then
      return nil, err
    end
    local piece = self:take(count - have)
    pieces[#pieces + 1] = piece
    have = have + #piece
  end
  return table.concat(pieces)
end

function Connection:read_line()
  local stop = self:read_until(function(buffer)
    return buffer:find("\n", 1, true) or (#buffer > MAX_HEAD and 0) or nil
  end)
  if not stop or stop == 0 then
    return nil, "closed"
  end
  return (self:take(stop):gsub("\r?\n$", ""))
end

local function read_chunked(connection)
  local pieces = {}
  while true do
    local line = connection:read_line()
    local size = line and tonumber(line:match("^%x+"), 16)
    if not size then
      return nil, "closed"
    end
    if size == 0 then
      repeat
        line = connection:read_line()
      until not line or line == ""
      return table.concat(pieces)
    end
    pieces[#pieces + 1] = connection:read_bytes(size)
    connection:read_line()
  end
end

-- One request: { method, target, version, headers (lower-case names), body, connection, at }.
-- on_expect(request), if given, may refuse to send "100 Continue" by returning false.
function Connection:read_request(on_expect)
  local line
  repeat -- blank lines before a request are allowed
    line = self:read_line()
  until line ~= ""
  if not line then
    return nil, "closed"
  end
  local method, target, version = line:match("^(%S+) (%S+) HTTP/(%d%.%d)$")
  if not method then
    self:send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    self:close()
    return nil, "closed"
  end
  local headers = {}
  while true do
    local header = self:read_line()
    if not header then
      return nil, "closed"
    elseif header == "" then
      break
    end
    local name, value = header:match("^([^:]+):%s*(.-)%s*$")
    if name then
      name = name:lower()
      headers[name] = headers[name] and (headers[name] .. ", " .. value) or value
    end
  end
  local request = {
    method = method,
    target = target,
    version = version,
    headers = headers,
    body = "",
    connection = self.number,
    at = socket.gettime(),
  }
  local expect = (headers.expect or ""):lower() == "100-continue"
  if expect and not (on_expect and on_expect(request) == false) then
    self:send("HTTP/1.1 100 Continue\r\n\r\n")
  end
  if (headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
    request.body = read_chunked(self)
  elseif headers["content-length"] then
    request.body = self:read_bytes(tonumber(headers["content-length"]) or 0)
  end
  if not request.body then
    return nil, "closed"
  end
  return request
end

return Connection
