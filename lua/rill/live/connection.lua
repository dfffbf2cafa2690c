-- SPDX-License-Identifier: MIT
--
-- The life of a link's connection: it is opened, lost, said good-bye to or dropped.  The functions
-- take the link; its fields are listed in link.lua.

local common = require("rill.providers.common")
local core = require("rill.core")
local faults = require("rill.live.faults")
local in_flight = require("rill.live.in_flight")
local loops = require("rill.loops")

local connection = {}

-- A waiter must not keep a link that nobody uses any more.
local Waiter = {}
Waiter.__index = Waiter

function Waiter:wake()
  local own = self.held.link
  if own and own.waiter == self then
    own.is_parked = false
    own:pump()
  end
end

--- Has the pump called when there are news of the connection.
---@param self rill.Link
function connection.park(self)
  if not self.is_parked and self.socket then
    self.is_parked = true
    self.waiter = self.waiter
      or setmetatable({ held = setmetatable({ link = self }, { __mode = "v" }) }, Waiter)
    self.parked.id = self.socket:id()
    loops.park(self.parked.id, self.waiter)
  end
end

-- Forgets the connection, and what was to go over it.
local function part(self, fault)
  local id, stats = self.socket:id(), self.socket:stats()
  self.counts.bytes_in = self.counts.bytes_in + (stats.bytes_in or 0)
  self.counts.bytes_out = self.counts.bytes_out + (stats.bytes_out or 0)
  self.socket, self.opened_at, self.is_parked, self.waiter = nil, nil, false, nil
  self.attached, self.stalled, self.sent = nil, nil, 0
  for _, turn in ipairs(self.turns) do
    loops.fed_by(turn.id, nil)
  end
  self.turns, self.ended, self.outbox, self.said = {}, {}, {}, nil
  self.generation, self.is_worn = self.generation + 1, false
  if self.dialect.lost then
    self.dialect.lost(self.state, fault)
  end
  loops.wake(id) -- nobody is parked for it any more
  loops.wake(self.bell) -- who waits for it to be open must look again
end

--- The connection fails the turns in flight, and is forgotten.  The server cannot have got those
--- whose last frame was never handed to the system whole.
---@param self rill.Link
---@param fault table see faults.lua
function connection.fail(self, fault)
  local socket = self.socket
  local handed_over = socket:stats().opened and self.sent - #socket:unsent() or 0
  for _, turn in ipairs(self.turns) do
    local is_unsent = not turn.ordinal or turn.ordinal > handed_over
    in_flight.fail(self, turn, fault, is_unsent and "unsent" or "uncertain")
  end
  part(self, fault)
end

--- The connection has ended, or will give nothing more.
---@param self rill.Link
function connection.lost(self)
  connection.fail(self, faults.of_socket(self.socket, self.said))
end

local function hello(self)
  local frames = self.dialect.hello and self.dialect.hello(self.state) or {}
  for _, frame in ipairs(frames) do
    self:send(frame)
  end
end

--- Opens a connection.  It waits first where the one before was lost.
---@param self rill.Link
function connection.open(self)
  local engine = core.engine()
  local spec = common.copy(self.spec)
  spec.wait_first = self.losses > 0
  spec.retries = math.min(self.losses + self.tried, self.max_retries)
  if spec.wait_first then
    spec.retries = spec.retries - 1 -- the wait before this one comes now
  end
  self.socket = engine:connect(self.profile, self.url, spec)
  if self.counts.connections > 0 then
    self.counts.reconnects = self.counts.reconnects + 1
  end
  self.counts.connections = self.counts.connections + 1
  connection.park(self)
  hello(self)
end

--- Says good-bye to the connection, if there is one; the next turn opens another.
---@param self rill.Link
function connection.retire(self)
  local socket = self.socket
  if not socket then
    return
  end
  part(self)
  self.parting = socket
  socket:close()
end

--- Drops the connection: what the server still does for turns that nobody wants must end.
---@param self rill.Link
function connection.drop(self)
  local socket = self.socket
  part(self)
  socket:drop()
end

--- Whether an idle connection should be replaced.
---@param self rill.Link
---@return boolean
function connection.is_too_old(self)
  if self.is_worn then
    return true
  end
  local age = self.opened_at and core.now() - self.opened_at
  return age ~= nil and self.rotate_after ~= nil and age >= self.rotate_after
end

return connection
