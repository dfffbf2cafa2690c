-- SPDX-License-Identifier: MIT
--
-- Waiting under copas.  While anybody waits, one copas thread, the pump, receives from an object
-- that LuaSocket's select takes for a socket: it has the engine's descriptor, and is "dirty" when
-- there is something to do that no descriptor tells.
--
-- Copas cannot be asked whether it resumes the running coroutine, and copas 1 cannot wake one.  All
-- of its versions resume by one local function, which is therefore replaced by one that takes
-- notes.

local copas = require("copas")
local loops = require("rill.loops")

local host = {}

-- From copas 2 on threads can be put to sleep and woken.
local can_wake = copas.wakeup ~= nil
local sleep_forever = copas.pauseforever or function()
  copas.sleep(-1)
end

---------------------------------------------------------------------------------------------------
-- What copas resumes

-- With coxpcall, which copas uses on 5.1, a protected call runs in a coroutine of its own.
local function running()
  local coxpcall = package.loaded.coxpcall
  local thread, is_main = (type(coxpcall) == "table" and coxpcall.running or coroutine.running)()
  return not is_main and thread or nil
end

-- Whoever loads this file inside of a coroutine does so in one of copas's, most likely.
local current = running()
local sockets = setmetatable({}, { __mode = "k" }) -- by coroutine: what copas resumed it with

local tick -- resumes a coroutine as copas does, with the socket that copas closes at its end

local function go_back(previous, ...)
  current = previous
  return ...
end

local function take_notes()
  local fn = copas.addnamedthread or copas.addthread
  local at, name, original = 1, debug.getupvalue(fn, 1)
  while name and name ~= "_doTick" do
    at = at + 1
    name, original = debug.getupvalue(fn, at)
  end
  if not name then
    return
  end
  tick = function(thread, socket, ...)
    local previous = current
    current = thread
    if thread then
      sockets[thread] = socket
    end
    return go_back(previous, original(thread, socket, ...))
  end
  debug.setupvalue(fn, at, tick)
end

if debug then
  take_notes()
end

--- Whether the running coroutine is one that copas resumes, and not one inside of it.
function host.is_active()
  local thread = running()
  if thread and tick then
    return thread == current
  end
  return thread ~= nil and copas.running ~= false
end

---------------------------------------------------------------------------------------------------
-- Waiters

local waiting = 0 -- waiters that were not woken
local woken, woken_count = {}, 0 -- copas 1: to be resumed by the pump

local Waiter = {}
Waiter.__index = Waiter

function Waiter:wake()
  self.is_woken = true
  waiting = waiting - 1
  if can_wake then
    copas.wakeup(self.thread)
  elseif self.thread then -- else it has not yielded yet, and need not
    woken_count = woken_count + 1
    woken[woken_count] = self
  end
end

-- Copas hands what a coroutine yields to the queue that it names: so copas 1 gives it away.
local queue = {}

function queue.insert()
end

function queue.push(_, waiter, thread)
  waiter.thread = thread
end

local function suspend(waiter)
  if can_wake then
    waiter.thread = running()
    sleep_forever()
  else
    coroutine.yield(waiter, queue)
  end
end

local function resume_woken()
  local batch, size = woken, woken_count
  woken, woken_count = {}, 0
  for i = 1, size do
    local thread = batch[i].thread
    if tick then
      tick(thread, sockets[thread])
    else
      copas.addthread(thread)
    end
  end
end

---------------------------------------------------------------------------------------------------
-- The pump

local watched = { engine = nil, fd = nil, has_news = false }

function watched:getfd()
  return self.fd
end

function watched.dirty()
  return woken_count > 0 or waiting == 0
end

-- "timeout" to wait for the descriptor.  Whoever was woken here has run before copas comes again,
-- and may wait again: only when nobody does the pump ends.
function watched:receive()
  if waiting == 0 and woken_count == 0 then
    return true
  end
  self.has_news = loops.turn(self.engine)
  resume_woken()
  return nil, "timeout"
end

-- Copas closes what a thread received from last.
function watched.close()
end

local function pump()
  if watched.fd then
    copas.receive(watched)
    return
  end
  while not watched:receive() do
    copas.sleep(loops.next_turn(watched.has_news))
  end
end

local pump_thread

local function start_pump(engine)
  watched.engine, watched.fd = engine, engine:fd()
  if pump_thread and coroutine.status(pump_thread) ~= "dead" then
    return
  elseif not watched.fd and not can_wake then
    error("rill: copas 1 cannot wait for an engine without a descriptor (POLLER=poll)", 0)
  end
  pump_thread = copas.addthread(pump)
end

--- Suspends the running coroutine until there may be news of a transfer.
---@param engine rill.Engine
---@param id integer|table
function host.wait(engine, id)
  local waiter = setmetatable({ is_woken = false, thread = nil }, Waiter)
  loops.park(id, waiter)
  waiting = waiting + 1
  start_pump(engine)
  while not waiter.is_woken do
    suspend(waiter)
  end
end

--- Adds a thread to copas.
---@param fn function
function host.spawn(fn)
  copas.addthread(fn)
end

return host
