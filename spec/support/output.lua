-- busted's plain output, and the sums for scripts/test.sh: one line "passed failed skipped" in the
-- file named by RILL_RESULTS, then the title of every spec that was not run.

local busted = require("busted")
local plain = require("busted.outputHandlers.plainTerminal")

return function(options)
  local handler = plain(options)

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
