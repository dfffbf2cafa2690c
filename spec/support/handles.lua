-- Counts what this process holds open, to show that a spec gave everything back.
--
--   local before = handles.snapshot()
--   ...
--   handles.assert_back(before)

local lfs = require("lfs")

local handles = {}

local FOLDER = "/proc/self/fd"

-- What each open descriptor is, by number.  Collects garbage first, which closes what nobody
-- refers to.
function handles.snapshot()
  collectgarbage()
  collectgarbage()
  local open = {}
  for name in lfs.dir(FOLDER) do
    local target = lfs.symlinkattributes(FOLDER .. "/" .. name, "target")
    -- The folder that is being listed is open itself; its link is gone by now or names /proc.
    if target and not target:find("^/proc/%d+/fd") then
      open[name] = target
    end
  end
  return open
end

function handles.count()
  local count = 0
  for _ in pairs(handles.snapshot()) do
    count = count + 1
  end
  return count
end

-- Raises if more is open than in the snapshot, and says what.
function handles.assert_back(before)
  local left = {}
  for name, target in pairs(handles.snapshot()) do
    if before[name] ~= target then
      left[#left + 1] = name .. " -> " .. target
    end
  end
  if #left > 0 then
    table.sort(left)
    error("still open: " .. table.concat(left, ", "), 2)
  end
end

return handles
