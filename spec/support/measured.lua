-- For specs that measure how quick something is.  What else the machine does only makes it slower,
-- so the best of several runs counts: what is slow by itself is so in each.  A run of which much
-- was taken (machine.lua) is no evidence, and where no run is good and most are none, nothing is
-- judged, which is printed.
--
--   it("is quick", measured(5, function()
--     ...
--     return p99 < 0.001, "p99 0.4 ms"   -- and false, if the run knows itself to be no evidence
--   end))
--
-- RILL_SHOW=1 prints what each run said.

local machine = require("spec.support.machine")

-- look: machine.watch's, for specs of this file.
return function(runs, measure, look)
  return function()
    local said, evidence = {}, 0
    local is_good
    repeat
      local share_taken = machine.watch(look)
      local what, is_evidence
      is_good, what, is_evidence = measure()
      local share = share_taken()
      if is_evidence ~= false and share <= machine.USUAL then
        evidence = evidence + 1
      end
      said[#said + 1] = ("%s; %.1f %% of the machine was taken away"):format(what, share * 100)
    until is_good or #said == runs
    local all = "\n" .. table.concat(said, "\n")
    if os.getenv("RILL_SHOW") then
      print(all)
    end
    if not is_good and evidence > runs / 2 then
      error("none of the runs was good:" .. all, 0)
    elseif not is_good then
      print("\nnot judged, since the machine was away:" .. all)
    end
  end
end
