-- For the examples: a client of the gateway whose key is in the environment, or, where there is
-- none, of the local gateway, which is then started and stopped again.
--
--   connect(function(ai, model, name) ... end)
--
-- An error ends the program with one line and exit code 1.

local gateways = require("support.gateways")
local rill = require("rill")

-- Runs body(client, model, gateway's name) on the local gateway.
local function with_local(body, model, cache)
  local gateway = require("support.local_gateway").start()
  model = model or gateway.model
  local ok, err = pcall(function()
    body(rill.client({
      gateway = "local",
      base_url = gateway.base_url,
      -- It runs here and costs nothing.
      prices = { [model] = { input = 0, cached_input = 0, output = 0 } },
      cache = cache,
    }), model, "the local gateway")
  end)
  gateway:stop()
  if not ok then
    error(err, 0)
  end
end

-- options: gateway, the name of a preset; model; cache, for the client; dialects, of which the
-- gateway must speak one over WebSocket.  All may be left out.
return function(body, options)
  options = options or {}
  local ok, err = pcall(function()
    local gateway = gateways.choose(options.gateway, options.dialects)
    if not gateway then
      return with_local(body, options.model, options.cache)
    end
    local ai = rill.client({ gateway = gateway.name, cache = options.cache })
    local model = options.model or gateway.model
    if not model then
      error("name a model of " .. gateway.name .. " with --model", 0)
    end
    return body(ai, model, gateway.name)
  end)
  if not ok then
    local message = tostring(err):gsub("%s*\n%s*", " ")
    message = message:find("interrupted!$") and "interrupted" or message
    io.stderr:write("\n", message, "\n")
    os.exit(1)
  end
end
