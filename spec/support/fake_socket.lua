-- The sockets of the fake core: they play scripts, as its transfers do, by the same clock.
--
-- A script is a list of { "retry", attempt, delay, reason }, { "open", protocol }, { "text", data
-- }, { "binary", data }, { "wait", seconds }, { "sent", count } (goes on once so many messages were
-- sent), { "full" } (what is sent from now on is refused), { "room" } (no longer), { "deaf" } (a
-- close frame will not be answered), { "unsent", { { data, is_binary } ... } }, { "close", code,
-- reason } (the peer's, answered at once) and { "end", ending, failure }.
--
-- What was asked of a socket: `url`, `spec`, `profile`, `sent` (a list of { data, is_binary }),
-- `pinged`, `closes` (calls of close), `drops`.

local fake_socket = {}

local FIRST_ID = 1000000 -- apart from those of transfers

local Socket = { __name = "rill.socket" }
Socket.__index = Socket

local ITEMS = { retry = true, open = true, text = true, binary = true }

function fake_socket.new(fake, engine, profile, url, spec)
  local socket = setmetatable({
    fake = fake, engine = engine, url = url, spec = spec, profile = profile,
    number = FIRST_ID + #fake.sockets + 1, script = table.remove(fake.socket_scripts, 1) or {},
    at = 1, last = fake.clock, created = fake.clock, queue = {}, current = "connecting",
    sent = {}, pinged = {}, closes = {}, drops = 0, left = {}, trail = { { started = 0 } },
    frames = nil, -- the closing handshake: { code, reason, by }
    transfer = nil, -- the attached one
  }, Socket)
  return socket
end

local function mark_ready(socket)
  if not socket.is_ready then
    socket.is_ready = true
    table.insert(socket.engine.ready_ids, socket.number)
  end
end

local function finish(socket, ending, failure)
  if socket.current == "ended" then
    return
  end
  socket.current, socket.ended_as, socket.why = "ended", ending, failure
  socket.ended_at = socket.fake.clock
  mark_ready(socket)
end

-- Whether the script waits at this item.
local function is_held(socket, item)
  if item[1] == "sent" then
    return #socket.sent < item[2]
  elseif item[1] ~= "wait" then
    return false
  end
  socket.due = socket.due or socket.last + item[2]
  if socket.due > socket.fake.clock then
    return true
  end
  socket.last, socket.due = socket.due, nil
  return false
end

local PLAY = {
  full = function(socket)
    socket.is_full = true
  end,
  room = function(socket)
    socket.is_full = false
    mark_ready(socket)
  end,
  deaf = function(socket)
    socket.is_deaf = true
  end,
  unsent = function(socket, item)
    socket.left = item[2]
  end,
  close = function(socket, item)
    socket.frames = socket.frames or { item[2] or 1005, item[3] or "", "peer" }
    finish(socket, "closed")
  end,
  ["end"] = function(socket, item)
    finish(socket, item[2], item[3])
  end,
}

local function put(socket, item)
  if item[1] == "open" then
    socket.current, socket.opened_at, socket.protocol = "open", socket.fake.clock, item[2]
  elseif item[1] == "text" and socket.transfer and socket.transfer:feed(item[2]) then
    return
  end
  table.insert(socket.queue, item)
  mark_ready(socket)
end

--- Moves what is due by now from the script to the queue.
function Socket:deliver()
  local fake = self.fake
  while self.at <= #self.script and self.current ~= "ended" do
    local item = self.script[self.at]
    if is_held(self, item) then
      break
    end
    self.at = self.at + 1
    if ITEMS[item[1]] then
      put(self, item)
    elseif PLAY[item[1]] then
      PLAY[item[1]](self, item)
    else
      assert(item[1] == "wait" or item[1] == "sent", "a script has no '" .. item[1] .. "'")
    end
  end
  if self.close_due and self.close_due <= fake.clock then
    finish(self, self.is_deaf and "failed" or "closed", self.is_deaf
      and { kind = "timeout", phase = "close", message = "no answer", retryable = false } or nil)
  end
  if self.wake_at and self.wake_at <= fake.clock then
    self.wake_at = nil
    mark_ready(self)
  end
end

--- When the script goes on by itself.
function Socket:next_moment()
  local moment = math.min(self.wake_at or math.huge, self.close_due or math.huge)
  local item = self.current ~= "ended" and self.script[self.at]
  if item and item[1] == "wait" then
    return math.min(moment, self.due or self.last + item[2])
  elseif item and not (item[1] == "sent" and #self.sent < item[2]) then
    return self.fake.clock
  end
  return moment
end

--- Plays one more item now, as if the network had just brought it.
function Socket:push(...)
  for _, item in ipairs({ ... }) do
    table.insert(self.script, item)
  end
  self:deliver()
end

function Socket:take()
  local item = table.remove(self.queue, 1)
  if not item then
    return nil, self.current == "ended" and "end" or "pending"
  end
  return item[1], item[2], item[3], item[4]
end

function Socket:send(data, is_binary)
  assert(type(data) == "string")
  if self.current == "closing" or self.current == "ended" then
    return nil
  elseif self.is_full then
    return false
  end
  table.insert(self.sent, { data, is_binary or false })
  return true
end

function Socket:ping(data)
  if self.current ~= "open" then
    return nil
  end
  table.insert(self.pinged, data or "")
  return true
end

function Socket:close(code, reason)
  table.insert(self.closes, { code or 1000, reason or "" })
  if self.current == "connecting" then
    finish(self, "dropped")
  elseif self.current == "open" then
    self.current, self.frames = "closing", { code or 1000, reason or "", "us" }
    self.close_due = self.fake.clock + (self.is_deaf and self.spec.close_timeout or 0)
  end
end

function Socket:drop()
  self.drops = self.drops + 1
  finish(self, "dropped")
end

function Socket:state()
  return self.current
end

function Socket:ending()
  return self.ended_as
end

function Socket:closing()
  if self.frames then
    return self.frames[1], self.frames[2], self.frames[3]
  end
end

function Socket:failure()
  return self.why
end

function Socket:unsent()
  return self.left
end

function Socket:queued()
  local bytes = 0
  for _, message in ipairs(self.left) do
    bytes = bytes + #message[1]
  end
  return bytes, #self.left
end

-- The transfer forgets its socket when it ends; see fake_core.
function Socket:attach(transfer)
  if self.transfer then
    self.transfer.attached_to = nil
  end
  self.transfer = transfer
  if transfer then
    transfer.attached_to = self
  end
end

function Socket:attached()
  return self.transfer ~= nil
end

function Socket:wake(seconds)
  self.wake_at = seconds and self.fake.clock + seconds
end

function Socket:id()
  return self.number
end

local function since(socket, moment)
  return moment and moment - socket.created
end

function Socket:stats()
  return {
    bytes_in = 0, bytes_out = 0, messages_in = 0, messages_out = #self.sent, pings = #self.pinged,
    pongs = 0, pauses = 0, status = self.opened_at and 101 or nil, deflate = false,
    protocol = self.protocol,
    started = self.created, elapsed = (self.ended_at or self.fake.clock) - self.created,
    opened = since(self, self.opened_at), ended = since(self, self.ended_at),
  }
end

function Socket:attempts()
  return self.trail
end

return fake_socket
