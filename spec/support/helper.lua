-- Loaded once before all specs (busted's helper).  Modules required here outlive the fences that
-- busted puts around each spec file, so that one scripted gateway serves them all.

local busted = require("busted")
local gateway = require("spec.support.gateway")
local nginx = require("spec.support.nginx")

-- On 5.1 copas has LuaSocket use this module for good, and the module its own globals, which busted
-- would take away again.
pcall(require, "coxpcall")

local first_id = 1

-- What a file of specs has left open (a socket that waits for its peer, say) is dropped, so that
-- the next one begins with an engine that has nothing to do.
busted.subscribe({ "file", "end" }, function()
  local loaded = package.loaded["rill.core"]
  package.loaded["rill.core"] = nil
  local ok, core = pcall(require, "rill.core") -- a spec may have put a fake in its place
  package.loaded["rill.core"] = loaded
  if ok then
    collectgarbage()
    local alarm, engine = core.alarm(), core.engine()
    local next_id = alarm:set(1)
    alarm:close()
    for id = first_id, next_id - 1 do
      engine:drop(id)
    end
    first_id = next_id
  end
  return nil, true
end)

busted.subscribe({ "suite", "end" }, function()
  nginx.stop_all()
  gateway.stop()
  return nil, true
end)
