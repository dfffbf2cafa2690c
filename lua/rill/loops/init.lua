-- SPDX-License-Identifier: MIT
--
-- Who waits, and how.  A stream that has nothing to give calls `loops.wait`; this file alone finds
-- out which host it runs on.  docs/loops.md says what a host's file, rill/loops/NAME.lua, has to
-- give and what it may assume.

local loops = {}

-- The names a host can be asked for by; "plain" is waiting in C, whatever runs.
local NAMES = { cqueues = true, copas = true, luv = true, resty = true, plain = true }

-- The modules by whose presence a host is known, in the order in which they are looked for, and the
-- host of each.
local MODULES = { "ngx", "cqueues", "copas", "luv" }
local HOST_OF = { ngx = "resty", cqueues = "cqueues", copas = "copas", luv = "luv" }

---------------------------------------------------------------------------------------------------
-- Who waits for what

-- By transfer, or by a table that somebody made for it: one waiter, or a list of them.
local waiters = {}

--- Remembers who waits for a transfer, until it is woken.
---@param id integer|table
---@param waiter table with a method `wake`
function loops.park(id, waiter)
  local present = waiters[id]
  if not present then
    waiters[id] = waiter
  elseif present.wake then
    waiters[id] = { present, waiter }
  else
    present[#present + 1] = waiter
  end
end

--- Wakes everyone who waits for a transfer.
---@param id integer|table
function loops.wake(id)
  local present = waiters[id]
  if not present then
    return
  end
  waiters[id] = nil
  if present.wake then
    return present:wake()
  end
  for _, waiter in ipairs(present) do
    waiter:wake()
  end
end

--- Forgets who waits for something that will not come.
---@param id integer|table
function loops.forget(id)
  waiters[id] = nil
end

-- By transfer that is fed: who feeds it, a table with a method `ring`.
local feeders = setmetatable({}, { __mode = "v" })

--- Says who feeds a transfer, and so has to hear that nobody reads it any more.
---@param id integer
---@param feeder table? nil: nobody does any longer
function loops.fed_by(id, feeder)
  feeders[id] = feeder
end

--- Drops what nobody waits for any more, because its coroutine was killed.
-- A table may have a method `abandon`, which sees to it.
---@param engine rill.Engine
---@param id integer|table
function loops.abandon(engine, id)
  if type(id) == "table" then
    return id.abandon and id:abandon()
  end
  engine:drop(id)
  if feeders[id] then
    feeders[id]:ring()
  end
end

local Bell = {}
Bell.__index = Bell

-- See loops.abandon.
function Bell:abandon()
  local owner = self.held.owner
  if owner then
    self.abandoned(owner)
  end
end

--- Makes something to wait for where there is no transfer: `loops.wake` rings it.  It does not keep
--- its owner, since who waits for it may never be heard of again.
---@param owner table
---@param abandoned fun(owner: table) a host has killed who waited, and nobody else does
---@return table
function loops.bell(owner, abandoned)
  local held = setmetatable({ owner = owner }, { __mode = "v" })
  return setmetatable({ held = held, abandoned = abandoned }, Bell)
end

--- Wakes everyone for whose transfer the engine has news.
---@param engine rill.Engine
---@return boolean has_news
function loops.collect(engine)
  local id = engine:ready()
  local has_news = id ~= nil
  while id do
    loops.wake(id)
    id = engine:ready()
  end
  return has_news
end

--- Lets the engine progress and wakes everyone for whom there is news: what a host does when the
--- engine's descriptor is readable, and everyone else who does not wait.  A step alone would take
--- the news away from those who wait: the descriptor is silent afterwards.
---@param engine rill.Engine
---@return boolean has_news
function loops.turn(engine)
  engine:step(0)
  return loops.collect(engine)
end

--- When to make the next turn where the engine has no descriptor (a build with poll()): soon while
--- answers flow, so that little gathers which would then hold the host up in one piece.
---@param has_news boolean whether the last turn had any
---@return number seconds
function loops.next_turn(has_news)
  return has_news and 0.002 or 0.01
end

---------------------------------------------------------------------------------------------------
-- Which host

local hosts = {} -- by name, once loaded
local used -- the name given to rill.use; nil: it is found out

local function load_host(name)
  local host = hosts[name]
  if not host then
    host = require("rill.loops." .. name)
    hosts[name] = host
  end
  return host
end

--- Loads the file of the host that was asked for, or of those that are there.
---@param name string?
---@return string? problem why it cannot be had
function loops.prepare(name)
  if name == nil then
    for _, module in ipairs(MODULES) do
      if package.loaded[module] then
        load_host(HOST_OF[module])
      end
    end
  elseif not NAMES[name] then
    return require("rill.options").unknown(name, NAMES, "", "loop")
  elseif name ~= "plain" then
    local ok, problem = pcall(load_host, name)
    if not ok then
      return ("the loop '%s' cannot be used here: %s")
        :format(name, tostring(problem):match("^[^\n]*"))
    end
  end
end

--- What `rill.use` does.
---@param name string? nil: it is found out again
---@param options table? for the host's `setup`
---@return string? problem
function loops.use(name, options)
  local problem
  if name ~= nil then
    problem = loops.prepare(name)
    local setup = not problem and name ~= "plain" and load_host(name).setup
    if setup then
      problem = setup(options or {})
    elseif not problem and options ~= nil then
      problem = ("the loop '%s' takes no options"):format(name)
    end
  end
  if not problem then
    local before = used and used ~= name and hosts[used]
    if before and before.setup then
      before.setup({}) -- what it was told goes with its name
    end
    used = name
  end
  return problem
end

-- The host if it can suspend what runs now, else nil.  A host that must not be held up either says
-- so by `problem`.
local function if_usable(host)
  if host.is_active() then
    return host
  end
  local problem = host.problem and host.problem()
  if problem then
    error("rill: " .. problem, 0)
  end
end

-- The host that suspends what runs now; nil: there is none.
local function active_host(name)
  name = name or used
  if name then
    return name ~= "plain" and if_usable(load_host(name)) or nil
  end
  local loaded = package.loaded
  for i = 1, #MODULES do
    local module = MODULES[i]
    if loaded[module] then
      local host = if_usable(load_host(HOST_OF[module]))
      if host then
        return host
      end
    end
  end
end

---------------------------------------------------------------------------------------------------
-- Tasks of rill.go

-- Set when the first one is made, so that a script without tasks does not load them.
local tasks

--- Tells the others that there are tasks.
function loops.use_tasks(module)
  tasks = module
end

--- The host that makes the rounds of the tasks from its own loop; nil: only rill.run, rill.step and
--- waits in C do.
---@return table? host with a function `rouse`: there is something to do
function loops.driver()
  if used then
    local host = used ~= "plain" and load_host(used)
    return host and host.rouse and host or nil
  end
  for _, module in ipairs(MODULES) do
    if package.loaded[module] then
      local host = load_host(HOST_OF[module])
      if host.rouse then
        return host
      end
    end
  end
end

---------------------------------------------------------------------------------------------------
-- For streams

local block -- rill.loops.block, loaded with the first wait in C

--- Waits until there may be news of a transfer, or `loops.wake(id)` is called.  A task of `rill.go`
--- yields to its round and a coroutine of a host to that host; everything else waits in C.
---@param engine rill.Engine
---@param id integer|table a transfer's number, or a table that somebody will pass to loops.wake
---@param name string? the loop that was asked for
function loops.wait(engine, id, name)
  local task = tasks and tasks.current()
  if task then
    return tasks.wait(id, task)
  end
  local host = active_host(name)
  if host then
    return host.wait(engine, id)
  end
  block = block or require("rill.loops.block")
  return block.wait(engine, id, tasks)
end

--- Runs a function beside the one that runs now: as a further coroutine of the same host, or where
--- there is none as a task.
---@param fn function
---@param name string? the loop that was asked for
function loops.spawn(fn, name)
  local host = not (tasks and tasks.current()) and active_host(name)
  if host then
    return host.spawn(fn)
  end
  require("rill.loops.tasks").go(fn)
end

-- Whether a round of the tasks may be made here and now.
local function may_make_round()
  if not tasks or tasks.current() then
    return false
  end
  local driver = loops.driver()
  return not (driver and driver.has_place and driver.has_place())
end

--- Lets everything progress once without waiting: transfers, and the tasks that can go on.
---@param engine rill.Engine
function loops.progress(engine)
  if may_make_round() then
    tasks.round(engine, 0)
  else
    loops.turn(engine)
  end
end

--- The same as `pcall`, for a function that may wait.
---@param fn fun(): any, any
---@return boolean ok
---@return any result or the value that was raised
---@return any second the second result, or the traceback
function loops.protect(fn)
  return require("rill.loops.protect")(fn, tasks)
end

-- PUC Lua 5.1 cannot yield from a function that `for ... in` calls.  Tried once, when first asked.
local can_yield
local function can_iterators_yield()
  if can_yield == nil then
    local probe = coroutine.create(function()
      for value in coroutine.yield do
        assert(value)
      end
    end)
    can_yield = coroutine.resume(probe)
  end
  return can_yield
end

--- Whether an iterator may be used here; an error that names `next` where it may not.
---@param name string? the loop that was asked for
---@param noun string? what is read; default "stream"
---@return string? problem
function loops.iterator_problem(name, noun)
  if can_iterators_yield() then
    return nil
  elseif (tasks and tasks.current()) or active_host(name) then
    return ("this Lua cannot wait inside `for ... in` in a task: call %s:next() in a loop")
      :format(noun or "stream")
  end
end

return loops
