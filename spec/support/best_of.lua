-- For specs that measure time: what else the machine does can only make them late, so that one run
-- of several has to be in time.  A run of which much was taken (machine.lua) does not count as one,
-- for as long as PATIENCE.  Nothing else may be repeated: a race would hide behind it.
--
--   it("ends in time", best_of(3, function()
--     ...                                          -- asserts, from the beginning each time
--   end))

local machine = require("spec.support.machine")
local socket = require("socket")

local PATIENCE = 30 -- seconds

-- look: machine.watch's, for specs of this file.
return function(count, fn, look)
  return function()
    local counted, deadline = 0, socket.gettime() + PATIENCE
    local ok, problem
    repeat
      local share_taken = machine.watch(look)
      ok, problem = pcall(fn)
      if share_taken() <= machine.USUAL or socket.gettime() > deadline then
        counted = counted + 1
      end
    until ok or counted == count
    if not ok then
      error(problem, 0)
    end
  end
end
