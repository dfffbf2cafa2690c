-- How much of this machine was taken away: who else runs on the same hardware can take most of a
-- virtual machine, for seconds, and then nothing that was measured is evidence.
--
--   local share_taken = machine.watch()
--   ...
--   if share_taken() <= machine.USUAL then   -- of the time since, and of all processors

local shell = require("spec.support.shell")
local socket = require("socket")

local machine = { USUAL = 0.03 } -- a hundredth is seen where nothing is wrong

-- What starve.c has taken plays the part of what the hardware's other guests take.
local starver = os.getenv("STARVED_BY")

-- Seconds that were taken from all processors since some moment, and how many processors there are
-- (proc(5): stat, the column "steal"; pid/stat, utime and stime; all in hundredths).
local function taken()
  local stat = shell.read_if_there("/proc/stat") or ""
  local hundredths = tonumber(stat:match("^cpu" .. (" +%d+"):rep(7) .. " +(%d+)") or 0)
  local _, processors = stat:gsub("\ncpu%d", "")
  if starver then
    local line = shell.read(("/proc/%s/stat"):format(starver))
    local user, system = line:match("%)" .. (" %S+"):rep(11) .. " (%d+) (%d+)")
    hundredths = hundredths + user + system
  end
  return hundredths / 100, math.max(processors, 1)
end

--- Gives a function that tells which share of the machine was taken since.
---@param look? fun(): number, integer   what to ask instead: seconds taken, processors
---@return fun(): number
function machine.watch(look)
  look = look or taken
  local before, started = look(), socket.gettime()
  return function()
    local after, processors = look()
    return (after - before) / processors / math.max(socket.gettime() - started, 0.01)
  end
end

return machine
