-- SPDX-License-Identifier: MIT
--
-- Waiting under libuv, by luv.  Libuv knows callbacks and no coroutines, so what waits here are the
-- tasks of `rill.go`: while there are any, a poll handle on the engine's descriptor makes their
-- rounds.  Everything else waits in C.  Neovim's vim.loop is luv: there the rounds are made by
-- vim.schedule.

local core = require("rill.core")
local loops = require("rill.loops")
local uv = require("luv")

local host = {}

local vim = rawget(_G, "vim")
local is_neovim = type(vim) == "table" and vim.schedule ~= nil

local function write_error(message)
  io.stderr:write(message, "\n")
end

-- A line on stderr would go across the editor's screen.
local function show_error(message)
  vim.notify(message, vim.log.levels.ERROR)
end

local DEFAULTS = {
  -- Called with the error of a task.
  on_error = function(err)
    local say = is_neovim and show_error or write_error
    say("rill: a task failed: " .. tostring(err))
  end,
  -- Called with a function to be run soon, outside of libuv's callbacks, where Neovim forbids most
  -- of its calls; nil: rounds are made in them.
  schedule = is_neovim and vim.schedule or nil,
}

local settings = DEFAULTS

local engine -- whose descriptor is watched; nil: nothing is
local poll, timer -- handles, open while there are tasks; no poll without a descriptor
local is_in_round, is_scheduled = false, false
local is_deaf = false -- the poll handle is stopped until the round that is scheduled

local on_ring -- what the handles call; below

local function start()
  engine = core.engine()
  timer = uv.new_timer()
  local fd = engine:fd()
  poll = fd and uv.new_poll(fd) or nil
  if poll then
    poll:start("r", on_ring)
  end
  is_deaf = false
end

local function stop()
  if poll then
    poll:close()
  end
  timer:close()
  engine, poll, timer = nil, nil, nil
end

-- Tasks that can go on at once do so in a round of their own: libuv looks after its other handles
-- in between.
local function go_on(tasks, has_news)
  if engine and (tasks.count() == 0 or engine ~= core.engine()) then
    stop()
  end
  if tasks.count() == 0 then
    return
  elseif not engine then
    start()
  elseif is_deaf then
    poll:start("r", on_ring)
    is_deaf = false
  end
  if tasks.is_any_runnable() then
    timer:start(0, 0, on_ring)
  elseif not poll then
    timer:start(math.ceil(loops.next_turn(has_news) * 1000), 0, on_ring)
  end
end

local function make_round()
  local tasks = require("rill.loops.tasks")
  is_scheduled, is_in_round = false, true
  local ok, err, _, has_news = pcall(tasks.round, core.engine(), 0)
  is_in_round = false
  go_on(tasks, has_news)
  if not ok then
    settings.on_error(err)
  end
  local failure = tasks.take_failure()
  while failure do
    settings.on_error(failure.value)
    failure = tasks.take_failure()
  end
end

function on_ring()
  if not settings.schedule then
    return make_round()
  elseif not is_scheduled then
    is_scheduled = true
    if poll then
      poll:stop() -- or it would ring on and on until then
      is_deaf = true
    end
    settings.schedule(make_round)
  end
end

--- Libuv does not schedule coroutines: what waits is a task, or waits in C.
function host.is_active()
  return false
end

--- A task can go on: sees to it that libuv makes a round soon.
function host.rouse()
  if is_in_round then
    return
  elseif not engine then
    start()
  end
  timer:start(0, 0, on_ring)
end

--- Whether rounds have a place of their own, and so must not be made by whoever looks.
function host.has_place()
  return settings.schedule ~= nil
end

local SETTINGS = { on_error = true, schedule = true }

--- Takes the options of `rill.use("luv", options)`.
---@param options table<string, function>
---@return string? problem
function host.setup(options)
  for name, value in pairs(options) do
    if not SETTINGS[name] then
      return require("rill.options").unknown(name, SETTINGS)
    elseif type(value) ~= "function" then
      return ("option '%s' must be a function, not a %s"):format(name, type(value))
    end
  end
  settings = {
    on_error = options.on_error or DEFAULTS.on_error,
    schedule = options.schedule or DEFAULTS.schedule,
  }
  is_scheduled = false -- whoever was to make the round may never do so
  if engine then
    timer:start(0, 0, on_ring)
  end
end

return host
