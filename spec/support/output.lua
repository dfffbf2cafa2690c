-- busted's plain output, the specs that took longest, and the sums for scripts/test.sh: one line
-- "passed failed skipped" in the file named by RILL_RESULTS, then the title of every spec that was
-- not run.

local busted = require("busted")
local plain = require("busted.outputHandlers.plainTerminal")

local SLOW = 2 -- seconds

-- One line that names the slowest specs, if there are such.
local function tell_slow(durations)
  table.sort(durations, function(a, b)
    return a.seconds > b.seconds
  end)
  local list = {}
  for i = 1, math.min(#durations, 8) do
    list[i] = ("%.0f s %s"):format(durations[i].seconds, durations[i].name)
  end
  if list[1] then
    io.write("slow: ", table.concat(list, "; "), "\n")
  end
end

return function(options)
  local handler = plain(options)
  local durations = {}

  busted.subscribe({ "test", "end" }, function(element)
    if element.duration and element.duration > SLOW then
      durations[#durations + 1] = { seconds = element.duration, name = element.name }
    end
    return nil, true
  end)

  busted.subscribe({ "suite", "end" }, function()
    tell_slow(durations)
    return nil, true
  end)

  -- Not at the suite's end, but after every other listener: an error there counts too.
  busted.subscribe({ "exit" }, function()
    local path = os.getenv("RILL_RESULTS")
    if not path then
      return nil, true
    end
    local file = assert(io.open(path, "w"))
    local failed = handler.failuresCount + handler.errorsCount
    file:write(handler.successesCount, " ", failed, " ", handler.pendingsCount, "\n")
    for _, pending in ipairs(handler.pendings) do
      file:write(pending.name, "\n")
    end
    file:close()
    return nil, true
  end)

  return handler
end
