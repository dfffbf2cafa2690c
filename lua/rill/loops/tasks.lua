-- SPDX-License-Identifier: MIT
--
-- Many streams at once without a loop of one's own: each task is a coroutine, resumed when its
-- stream has news.  A round costs as much as there are tasks with something to do.

local core = require("rill.core")
local loops = require("rill.loops")

local tasks = {}

local unpack = unpack or table.unpack -- luacheck: ignore 113 143 (which one depends on the Lua)

local by_thread = {} -- coroutine -> task, while the task is unfinished
local unfinished = 0
local runnable, runnable_count = {}, 0 -- to be resumed in the next round, in order
local failures = {} -- errors that nobody was told of yet, each { value = ... }

local driver -- a host whose loop makes the rounds; nil: there is none

local Task = {}
Task.__index = Task

function Task:wake()
  if self.is_due or self.has_ended then
    return -- whoever parked it and then could not yield is of the past
  end
  self.is_due = true
  runnable_count = runnable_count + 1
  runnable[runnable_count] = self
  if driver and runnable_count == 1 then
    driver.rouse()
  end
end

-- What is raised for an error in a task: an error object as it is, a string with its traceback.
local function with_traceback(thread, value)
  if type(value) == "string" then
    return debug.traceback(thread, value)
  end
  return value
end

-- What a task yields that waits.  A flag would not do: Lua may refuse to yield where it stands (in
-- a function that C called), and the task goes on with an error.
local WAITING = {}

local function settle(task, ok, value)
  if ok and value == WAITING then
    return -- the loop wakes it
  end
  if coroutine.status(task.thread) ~= "dead" then
    task:wake() -- it yielded by itself: everyone else first, then it goes on
    return
  end
  task.has_ended = true
  by_thread[task.thread] = nil
  unfinished = unfinished - 1
  if not ok then
    failures[#failures + 1] = { value = with_traceback(task.thread, value) }
  end
end

local function resume(task)
  local arguments = task.arguments
  task.is_due = false
  if arguments then
    task.arguments = nil
    settle(task, coroutine.resume(task.thread, unpack(arguments, 1, arguments.n)))
  else
    settle(task, coroutine.resume(task.thread))
  end
end

--- The task that is running, or nil.
function tasks.current()
  local thread = coroutine.running()
  return thread and by_thread[thread]
end

--- Makes a further coroutine belong to a task: what waits in it lets the task wait.
---@param thread thread
---@param task table? nil: no longer
function tasks.share(thread, task)
  by_thread[thread] = task
end

--- How many tasks have not finished.
function tasks.count()
  return unfinished
end

--- Whether a round would resume a task, whatever the engine does.
function tasks.is_any_runnable()
  return runnable_count > 0
end

--- Takes the error of a task, the oldest one first, from the list of those that rill.run and
--- rill.step would raise.
---@return { value: any }?
function tasks.take_failure()
  return table.remove(failures, 1)
end

--- Yields until transfer `id` may have news.
---@param id integer
---@param task table the running task
function tasks.wait(id, task)
  loops.park(id, task)
  coroutine.yield(WAITING)
end

-- Those of a batch that had no turn come first the next time.
local function put_back(batch, from, size)
  local later, later_count = runnable, runnable_count
  runnable, runnable_count = {}, size - from + 1 + later_count
  for i = from, size do
    runnable[i - from + 1] = batch[i]
  end
  for i = 1, later_count do
    runnable[size - from + 1 + i] = later[i]
  end
  if driver then
    driver.rouse()
  end
end

-- Resumes the tasks that can go on, as long as there is time; how many had no turn.
local function resume_all(deadline)
  local batch, size = runnable, runnable_count
  runnable, runnable_count = {}, 0
  for i = 1, size do
    resume(batch[i])
    if deadline and i < size and core.now() >= deadline then
      put_back(batch, i + 1, size)
      return size - i
    end
  end
  return 0
end

-- The sockets get half of the budget at most; what they leave of it is the tasks', and one of these
-- always has its turn.
local function round_within(engine, seconds, budget)
  local started = core.now()
  local open = engine:step(seconds, budget / 2)
  local now = core.now()
  loops.collect(engine)
  return open, now + budget - math.min(now - started, budget / 2)
end

--- One round: lets the engine progress, then resumes the tasks that can go on.
---@param engine rill.Engine
---@param seconds number? how long to wait for something to do; nil: until there is
---@param budget number? seconds after which nothing more is begun
---@return boolean has_moved whether a task was resumed or a transfer is open: else no round ever
--  will do anything again
---@return integer left tasks that could go on and had no turn
---@return boolean has_resumed any task
function tasks.round(engine, seconds, budget)
  loops.collect(engine)
  seconds = runnable_count > 0 and 0 or seconds
  local open, deadline
  if budget then
    open, deadline = round_within(engine, seconds, budget)
  else
    open = engine:step(seconds)
    loops.collect(engine)
  end
  local has_any = runnable_count > 0
  local left = resume_all(deadline)
  return has_any or open > 0, left, has_any
end

local function raise_failure()
  if not failures[1] then
    return
  end
  local value, others = failures[1].value, #failures - 1
  failures = {}
  if others > 0 and type(value) == "string" then
    value = ("%s\n(%d more tasks failed)"):format(value, others)
  end
  error(value, 0)
end

--- Starts a task; it begins with the next round.
---@param fn function
---@param ... any its arguments
function tasks.go(fn, ...)
  if type(fn) ~= "function" then
    error(("rill.go: argument 1 must be a function, not a %s"):format(type(fn)), 3)
  end
  local task = setmetatable({
    thread = coroutine.create(fn),
    arguments = { n = select("#", ...), ... }, -- nil once it has begun
    is_due = false, -- among those to be resumed in the next round
    has_ended = false,
  }, Task)
  by_thread[task.thread] = task
  unfinished = unfinished + 1
  driver = loops.driver()
  task:wake()
end

--- Runs until every task has finished, then raises the first error there was.
---@param engine rill.Engine
function tasks.run(engine)
  if tasks.current() then
    error("rill.run: it is called inside a task, which would wait for itself", 3)
  end
  while unfinished > 0 do
    if not tasks.round(engine, nil) then
      error(("rill.run: %d tasks wait for streams that are no longer open"):format(unfinished), 3)
    end
  end
  raise_failure()
end

--- One round; raises the first error of a task that there was.
---@param engine rill.Engine
---@param seconds number?
---@param budget number?
---@return integer unfinished
---@return integer left
function tasks.step(engine, seconds, budget)
  local _, left = tasks.round(engine, seconds, budget)
  raise_failure()
  return unfinished, left
end

loops.use_tasks(tasks)

return tasks
