-- SPDX-License-Identifier: MIT
--
-- OpenResty, and nginx with the Lua module.  nginx-lua cannot wait for a foreign descriptor, so one
-- light thread of the worker, the ringer, hears of news in another way: by the engine's bell, a
-- thread in C that writes a byte to a unix-domain socket, or where that is not wanted by looking
-- again and again.  It steps the engine and posts the semaphores of those who wait.  It lives in a
-- timer, as long as a stream is open: one that stayed would keep its worker from leaving.

local ngx = ngx -- luacheck: ignore 113
local loops = require("rill.loops")
local semaphore = require("ngx.semaphore")

local resty = {}

local CAN_WAIT = { rewrite = true, access = true, content = true, timer = true }

local LONG = 3600 -- seconds; a semaphore wants a limit, and waking too early is allowed
local PATIENCE = 0.2 -- how long a ringer may take to begin: a worker's timers may all be taken
local SWEEP = 0.05 -- how often the ringer looks for those who were killed while they waited
local SHORTEST, LONGEST = 0.001, 0.05 -- between two looks without the bell
local NEVER_MS = 2147483647 -- for a cosocket

local settings = { bell = true, folder = "/tmp" }

local NOTHING_OPEN = "rill: this stream waits, but its engine has no open transfer (was it opened "
  .. "before a fork?)"

---------------------------------------------------------------------------------------------------
-- Those who wait

local parked = {} -- a set: waiters between `park` and the moment in which they go on
local pool = {} -- waiters to be used again

local Waiter = {}
Waiter.__index = Waiter

local function new_waiter(id)
  local waiter = table.remove(pool) or setmetatable({
    semaphore = semaphore.new(0),
    id = nil, -- these are set below: what it waits for
    is_woken = nil, -- whether its semaphore was posted
    is_killed = nil, -- its light thread is gone
    problem = nil, -- what it shall raise when woken
  }, Waiter)
  waiter.id, waiter.is_woken, waiter.is_killed, waiter.problem = id, false, false, nil
  parked[waiter] = true
  return waiter
end

function Waiter:wake()
  if not self.is_killed and not self.is_woken then
    self.is_woken = true
    self.semaphore:post(1)
  end
end

-- A request that is aborted takes its light threads with it without a word to them; their place at
-- the semaphore is what tells.
function Waiter:has_thread()
  return self.semaphore:count() == (self.is_woken and 0 or -1)
end

-- Streams whose last waiter was killed are closed: nobody can be charged for what nobody reads.
local function close_abandoned(engine)
  local killed
  for waiter in pairs(parked) do
    if not waiter:has_thread() then
      killed = killed or {}
      killed[#killed + 1] = waiter
      waiter.is_killed = true
      parked[waiter] = nil
    end
  end
  if not killed then
    return
  end
  local waited_for = {}
  for waiter in pairs(parked) do
    waited_for[waiter.id] = true
  end
  for _, kind in ipairs({ "number", "table" }) do -- a session lasts as long as its answers
    for _, waiter in ipairs(killed) do
      if type(waiter.id) == kind and not waited_for[waiter.id] then
        loops.abandon(engine, waiter.id)
        loops.wake(waiter.id) -- forgets it
      end
    end
  end
end

-- When the ringer goes, whoever still waits looks for himself; he begins a new one if need be.
local function wake_all(problem)
  local ids = {}
  for waiter in pairs(parked) do
    if not waiter.is_woken then
      ids[waiter.id] = true
      waiter.problem = type(waiter.id) == "number" and problem or nil
    end
  end
  for id in pairs(ids) do
    loops.wake(id)
  end
end

---------------------------------------------------------------------------------------------------
-- How a ringer hears of news

local Bell = {}
Bell.__index = Bell

local function connect_bell(engine)
  local path, why = engine:bell(settings.folder)
  if not path then
    return nil, why
  end
  local sock = ngx.socket.tcp()
  sock:settimeouts(NEVER_MS, NEVER_MS, NEVER_MS)
  local ok, err = sock:connect("unix:" .. path)
  if ok then
    ok, err = sock:receive(1) -- the first ring
  end
  if not ok then
    engine:mute()
    return nil, err
  end
  return setmetatable({ engine = engine, sock = sock }, Bell)
end

function Bell:go_on()
  self.engine:go_on()
end

function Bell:await()
  return self.sock:receive(1) ~= nil
end

local Looks = {}
Looks.__index = Looks

local function new_looks()
  return setmetatable({ pause = SHORTEST }, Looks)
end

function Looks:go_on(has_news)
  self.pause = has_news and SHORTEST or math.min(self.pause * 1.5, LONGEST)
end

function Looks:await()
  ngx.sleep(self.pause)
  return true
end

local has_warned = false

local function new_ear(engine)
  if not settings.bell or not engine:fd() then
    return new_looks()
  end
  local bell, why = connect_bell(engine)
  if bell then
    return bell
  elseif not has_warned then
    has_warned = true
    ngx.log(ngx.WARN, "rill: without its bell (", why, ") it looks for news every 1 to 50 ms")
  end
  return new_looks()
end

---------------------------------------------------------------------------------------------------
-- The ringer

local ringer -- the one that is at work or about to be: { engine, is_live, is_dismissed }

-- Until nothing is open, not even an answer that is complete and being drained.
local function drive(this)
  local engine = this.engine
  local ear = new_ear(engine)
  repeat
    local open = engine:step(0)
    local has_news = engine:dirty()
    loops.collect(engine)
    if open == 0 and not engine:timeout() then
      return NOTHING_OPEN
    end
    ear:go_on(has_news)
  until this.is_dismissed or not ear:await()
end

-- Runs beside `drive`.  A worker that leaves does not wait for streams that nobody waits for.
local function sweep(this)
  while true do
    ngx.sleep(SWEEP)
    close_abandoned(this.engine)
    if ngx.worker.exiting() and not next(parked) then
      this.is_dismissed = true
      return this.engine:mute()
    end
  end
end

local function run(_, this)
  if ringer ~= this then
    return -- it began too late; another one has taken its place
  end
  this.is_live = true
  local sweeper = ngx.thread.spawn(sweep, this)
  local ok, result = pcall(drive, this)
  ngx.thread.kill(sweeper)
  pcall(this.engine.mute, this.engine) -- fails if the engine was closed: then it is mute
  if not ok then
    ngx.log(ngx.ERR, "rill: ", result)
  end
  if ringer == this then
    ringer = nil
    return wake_all(ok and result or nil)
  end
  wake_all(nil) -- an engine that was closed; the next one has a ringer already
end

local function begin(engine)
  if ringer and ringer.engine == engine then
    return
  end
  ringer = { engine = engine, is_live = false, is_dismissed = false }
  if not ngx.timer.at(0, run, ringer) then
    ringer = nil
  end
end

-- A worker has only so many timers.  Where there is none for the ringer, who waits does its work.
local function do_without(engine, failed)
  if ringer == failed then
    ringer = nil
  end
  engine:step(0)
  loops.collect(engine)
end

---------------------------------------------------------------------------------------------------
-- What a host gives

--- Whether the code that runs now can be suspended.
---@return boolean
function resty.is_active()
  return CAN_WAIT[ngx.get_phase()] == true
end

--- Why it cannot be.
---@return string?
function resty.problem()
  local phase = ngx.get_phase()
  if not CAN_WAIT[phase] then
    return ("nginx lets nothing wait in its %s phase (no sockets, no semaphores): read the stream "
      .. "in rewrite, access or content, or in a timer (ngx.timer.at)"):format(phase)
  end
end

--- Suspends the light thread until there may be news of `id`.
---@param engine rill.Engine
---@param id integer|table
function resty.wait(engine, id)
  begin(engine)
  local mine = ringer
  local waiter = new_waiter(id)
  loops.park(id, waiter)
  if engine:dirty() then
    loops.collect(engine)
  end
  local is_woken = waiter.semaphore:wait(mine and mine.is_live and LONG or PATIENCE)
  parked[waiter] = nil
  if not is_woken then
    waiter.is_killed = true -- loops may still know it
    if not (mine and mine.is_live) then
      do_without(engine, mine)
    end
    return
  end
  local problem = waiter.problem
  pool[#pool + 1] = waiter
  if problem then
    error(problem, 0)
  end
end

--- Runs a function as a light thread of the same request or timer.
---@param fn function
function resty.spawn(fn)
  ngx.thread.spawn(fn)
end

local OPTIONS = { bell = "boolean", folder = "string" }

--- Takes the options of `rill.use("resty", options)`: `bell` (false: no thread, look for news with
--- ngx.sleep), `folder` (where the bell's private folder is made; default /tmp).
---@param options table
---@return string? problem
function resty.setup(options)
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      return require("rill.options").unknown(name, OPTIONS, "", "option of the loop 'resty'")
    elseif type(value) ~= OPTIONS[name] then
      return ("option '%s' of the loop 'resty' must be a %s"):format(name, OPTIONS[name])
    end
  end
  settings = { bell = options.bell ~= false, folder = options.folder or "/tmp" }
end

return resty
