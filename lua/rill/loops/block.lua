-- SPDX-License-Identifier: MIT
--
-- Waiting in C: on the main thread, and in coroutines that no loop of rill's knows.  Tasks of
-- `rill.go` go on meanwhile.

local loops = require("rill.loops")

local block = {}

local function raise_stuck()
  error("rill: this stream waits, but its engine has no open transfer (was it opened before a "
    .. "fork?)", 0)
end

local Waiter = {}
Waiter.__index = Waiter

function Waiter:wake()
  self.is_woken = true
end

-- Nobody else can run meanwhile, so one waiter does for all such waits.
local alone = setmetatable({ is_woken = false }, Waiter)

local function wait_alone(engine, id)
  local open = engine:await(id)
  if open == true then
    return loops.wake(id) -- for those who wait for it in another host
  end
  alone.is_woken = false
  loops.park(id, alone)
  loops.collect(engine) -- who waits in another host goes on when that runs again
  while not alone.is_woken do
    if open == 0 then
      raise_stuck()
    end
    open = engine:step(nil)
    loops.collect(engine)
  end
end

--- Waits until transfer `id` may have news.
---@param engine rill.Engine
---@param id integer|table
---@param tasks table? rill.loops.tasks, if there are tasks
function block.wait(engine, id, tasks)
  if not tasks or tasks.count() == 0 then
    return wait_alone(engine, id)
  end
  local waiter = setmetatable({ is_woken = false }, Waiter)
  loops.park(id, waiter)
  repeat
    if not tasks.round(engine, nil) and not waiter.is_woken then
      raise_stuck()
    end
  until waiter.is_woken
end

return block
