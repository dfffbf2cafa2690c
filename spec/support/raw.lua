-- Transfers of the engine as lua/rill/stream.lua has them, for specs of what C does by itself.
--
--   local transfer, route = raw.open({ attempt, ... }, "gemini", { limits = { event = 1000 } })
--   local seen = raw.read(transfer)   -- to its end, see below
--
-- and its sockets as lua/rill/websocket.lua has them: raw.take(socket), raw.items(socket), a list.
--
-- raw.read gives { items, kinds, reply, reasoning, ending, failure, retries }: items are lists as
-- transfer:take() gives them, kinds their first words in one string.

local Gateway = require("spec.support.gateway")
local core = require("rill.core")

local raw = {}

local DEFAULTS = {
  headers = { "Content-Type: application/json" },
  timeout = {
    connect = 10, first_byte = 10, first_output = 10, idle = 10, progress = 10, total = 20,
  },
  retry = { max = 2, base = 0.001, factor = 2, cap = 0.01, jitter = 0, max_wait = 5 },
  limits = { buffer = 1048576, event = 1048576, error_body = 65536 },
}

-- changes: tables whose fields go over those of DEFAULTS; more: plain fields, such as ca_file.
function raw.profile(changes, more)
  local spec = {}
  for name, value in pairs(more or {}) do
    spec[name] = value
  end
  for name, fields in pairs(DEFAULTS) do
    spec[name] = {}
    for _, from in ipairs({ fields, changes and changes[name] or {} }) do
      for key, value in pairs(from) do
        spec[name][key] = value
      end
    end
  end
  return core.profile(spec)
end

-- changes: to the profile.  body: "{}" by itself, false for a GET.
function raw.open(attempts, format, changes, body)
  local route = Gateway.start():script(attempts)
  local url = route.base_url .. "/chat"
  body = body == nil and "{}" or body or nil
  return core.engine():open(raw.profile(changes), url, body, format), route
end

-- Lets the engine work until there may be news.
function raw.step()
  while core.engine():ready() do end -- luacheck: ignore
  core.engine():step(1)
end

-- The next item, as take gives it; waits for it.
function raw.take(transfer)
  while true do
    local item = { transfer:take() }
    if item[1] ~= nil or item[2] == "end" then
      return item
    end
    raw.step()
  end
end

-- All that a transfer or socket gives until its end.
function raw.items(source)
  local items = {}
  local item = raw.take(source)
  while item[1] ~= nil do
    items[#items + 1] = item
    item = raw.take(source)
  end
  return items
end

function raw.wait(transfer)
  while not transfer:ending() do
    raw.step()
  end
  return transfer:ending()
end

function raw.read(transfer)
  local seen = { items = raw.items(transfer), kinds = {}, retries = 0 }
  for i, item in ipairs(seen.items) do
    seen.retries = seen.retries + (item[1] == "retry" and 1 or 0)
    seen.kinds[i] = item[1]
  end
  seen.kinds = table.concat(seen.kinds, " ")
  seen.reply, seen.reasoning = transfer:reply(), transfer:reasoning()
  seen.ending, seen.failure = transfer:ending(), transfer:failure()
  return seen
end

function raw.play(attempts, format, changes, body)
  local transfer, route = raw.open(attempts, format, changes, body)
  return raw.read(transfer), transfer, route
end

return raw
