-- Usage: lua5.4 scripts/watch_machine.lua FILE
--
-- Adds a line to FILE each time that this machine has been away: a virtual one is stopped, for
-- seconds at times, for what else runs on its hardware.  Ends with the process that started it.

package.path = "./?.lua;" .. package.path

local machine = require("spec.support.machine")
local shell = require("spec.support.shell")
local socket = require("socket")

local SLEEP = 0.1   -- seconds
local LATE = 0.5    -- by which a sleep is too long; no number of programs beside it does that
local WINDOW = 5    -- seconds, of which
local SHARE = 0.1   -- was taken

local function parent()
  return shell.read("/proc/self/stat"):match("%) %S (%d+)")
end

local path = assert(..., "which file?")
local started_by, started = parent(), socket.gettime()

local function note(format, ...)
  local file = assert(io.open(path, "a"))
  file:write(("after %.0f s "):format(socket.gettime() - started), format:format(...), "\n")
  file:close()
end

local share_taken
local window_ends = 0
while parent() == started_by do
  local before = socket.gettime()
  if before >= window_ends then
    local share = share_taken and share_taken() or 0
    if share > SHARE then
      note("%.0f %% of %d s had been taken away", share * 100, WINDOW)
    end
    share_taken, window_ends = machine.watch(), before + WINDOW
  end
  socket.sleep(SLEEP)
  local late = socket.gettime() - before - SLEEP
  if late > LATE then
    note("it had stood still for %.1f s", late)
  end
end
