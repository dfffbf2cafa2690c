-- Which gateway the examples ask: the one whose key is in the environment, or else none.
--
--   local gateway = gateways.choose()      -- { name, model }, or nil: the local one will do
--   gateways.choose(nil, { "realtime" })   -- only of those that speak it over WebSocket

local gateways = {}

-- In this order; the model is one that the gateway has for sure and that costs little.
local KNOWN = {
  { name = "holysheep", variable = "HOLYSHEEP_API_KEY", model = "gpt-4.1",
    live = { chat = true } },
  { name = "openai", variable = "OPENAI_API_KEY", model = "gpt-4.1-mini",
    live = { responses = true, realtime = true } },
  { name = "deepseek", variable = "DEEPSEEK_API_KEY", model = "deepseek-chat" },
  { name = "openrouter", variable = "OPENROUTER_API_KEY", model = "openai/gpt-4.1-mini" },
}

local function speaks(gateway, dialects)
  for _, dialect in ipairs(dialects) do
    if gateway.live and gateway.live[dialect] then
      return true
    end
  end
  return false
end

-- name: of a preset, to ask that one and no other.  dialects: of those whose keys are there, only
-- one that speaks one of these over WebSocket.
function gateways.choose(name, dialects)
  for _, gateway in ipairs(KNOWN) do
    local key = os.getenv(gateway.variable)
    local is_usable = key and key ~= "" and (not dialects or speaks(gateway, dialects))
    if name == gateway.name or (not name and is_usable) then
      return gateway
    end
  end
  return name and { name = name } or nil
end

-- For programs that run on after the call, unlike those of connect.lua: a client, its model and
-- what to call when all is over.  answer: what the local gateway shall say.
function gateways.open(answer)
  local rill = require("rill")
  local gateway = gateways.choose()
  if gateway then
    return rill.client({ gateway = gateway.name }), gateway.model, function() end
  end
  local server = require("support.local_gateway").start({ answer = answer })
  local client = rill.client({ gateway = "local", base_url = server.base_url })
  return client, server.model, function()
    server:stop()
  end
end

return gateways
