-- SPDX-License-Identifier: MIT
--
-- The time after which a wait is over that belongs to no transfer.  It holds nobody: a coroutine
-- may be dropped while it waits, and what it had should be collected then.

local core = require("rill.core")
local loops = require("rill.loops")
local sentinel = require("rill.sentinel")

---@class rill.Alarm
local Alarm = {}
Alarm.__index = Alarm

local alarm = {}

local Waiter = {}
Waiter.__index = Waiter

function Waiter:wake()
  self.has_rung = true
  self.ring()
end

--- Makes one that is not set.
---@param ring fun() wakes those who wait; must not hold them
---@return rill.Alarm
function alarm.new(ring)
  local parked = { id = nil } -- while it is set
  return setmetatable({
    clock = core.alarm(),
    ring = ring,
    parked = parked,
    sentinel = sentinel(function() -- a clock that is collected does not ring
      if parked.id then
        loops.forget(parked.id)
      end
    end),
  }, Alarm)
end

--- Sets it anew, or takes it back.
---@param seconds number? nil: takes it back
---@return fun(): boolean has_rung
function Alarm:set(seconds)
  local parked = self.parked
  if parked.id then
    loops.forget(parked.id)
  end
  local waiter = setmetatable({ has_rung = false, ring = self.ring }, Waiter)
  parked.id = self.clock:set(seconds)
  if seconds then
    loops.park(parked.id, waiter)
  end
  return function()
    return waiter.has_rung
  end
end

--- Waits at a bell (see loops.bell) until something is so, or its time is over.  The clock is the
--- waiter's own: others may wait at the same bell, each as long as they like.
---@param bell table rung when it may have become so
---@param seconds number? how long to wait at most; nil: until it is so
---@param is_so fun(): boolean? asked at once, and after each ring
---@param loop string? the host, where it is not found out
function alarm.await(bell, seconds, is_so, loop)
  local own = seconds and seconds < math.huge and alarm.new(function()
    loops.wake(bell)
  end) or nil
  local has_rung = own and own:set(seconds)
  while not is_so() and not (has_rung and has_rung()) do
    loops.wait(core.engine(), bell, loop)
  end
  if own then
    own:set(nil)
  end
end

return alarm
