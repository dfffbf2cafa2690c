-- SPDX-License-Identifier: MIT
--
-- Waiting under cqueues.  In each controller one of the waiting coroutines leads: it polls the
-- engine's descriptor for all of them.  The others wait for conditions of their own.  A leader that
-- has what it wanted hands over, so that a controller holds no coroutine but its user's, and ends
-- when those do.

local condition = require("cqueues.condition")
local cqueues = require("cqueues")
local loops = require("rill.loops")

local host = {}

-- By controller: { leader, followers (a set), engine, fd (of that engine), pause (seconds to the
-- next turn where there is none) }.
local groups = setmetatable({}, { __mode = "k" })

local function group_of(controller)
  local group = groups[controller]
  if not group then
    group = { leader = nil, followers = {}, engine = nil, fd = nil, pause = 0 }
    groups[controller] = group
  end
  return group
end

-- It changes when a new engine has taken the place of one that was closed.
local function fd_of(group, engine)
  if group.engine ~= engine then
    group.engine, group.fd = engine, engine:fd()
  end
  return group.fd
end

-- A waiter is polled beside its condition.  The controller asks it what for as soon as its
-- coroutine is suspended, and not before: Lua may refuse that, and nobody must count on a coroutine
-- that went on with an error.
local Waiter = { events = "r" }
Waiter.__index = Waiter

function Waiter:pollfd()
  local group = self.group
  if group.leader and group.leader ~= self then
    group.followers[self] = true
    return nil
  end
  group.leader = self
  return self.fd
end

function Waiter:timeout()
  local group = self.group
  return group.leader == self and not self.fd and group.pause or nil
end

function Waiter:wake()
  self.is_woken = true
  self.condition:signal()
end

local waiters = setmetatable({}, { __mode = "k" }) -- by coroutine, to be used again

local function waiter_of(thread)
  local waiter = waiters[thread]
  if not waiter then
    waiter = setmetatable({
      condition = condition.new(),
      is_woken = false,
      group = nil, -- this and the next are set for each wait
      fd = nil, -- what it polls if it comes to lead
    }, Waiter)
    waiters[thread] = waiter
  end
  waiter.is_woken = false
  return waiter
end

local function wait_once(group, engine, waiter)
  waiter.group, waiter.fd = group, fd_of(group, engine)
  cqueues.poll(waiter.condition, waiter)
  if group.leader == waiter then
    group.leader = nil
    group.pause = loops.next_turn(loops.turn(engine))
  else
    group.followers[waiter] = nil
  end
end

--- Whether the running coroutine is one that a controller resumes, and not one inside of it.
function host.is_active()
  local _, is_own = cqueues.running()
  return is_own
end

--- Suspends the running coroutine until there may be news of a transfer.
---@param engine rill.Engine
---@param id integer|table
function host.wait(engine, id)
  local group = group_of((cqueues.running()))
  local waiter = waiter_of(coroutine.running())
  loops.park(id, waiter)
  repeat
    wait_once(group, engine, waiter)
  until waiter.is_woken
  local heir = not group.leader and next(group.followers)
  if heir then
    heir.condition:signal()
  end
end

--- Adds a coroutine to the controller that runs.
---@param fn function
function host.spawn(fn)
  cqueues.running():wrap(fn)
end

return host
