-- WebSockets of rill in a real nginx with its Lua module.

local programs = require("spec.support.resty_programs")

local OPEN = [[
local rill = require("rill")
return function(options)
  options = options or {}
  options.reconnect = { base = 0.01, jitter = 0 }
  return rill.websocket(ngx.var.arg_base, options)
end
]]

local ECHO = [[
local ws = require("chat")()
local seen = {}
for i = 1, 3 do
  assert(ws:send("m" .. i))
  seen[i] = assert(ws:next())
end
local closing = ws:close(1000, "done")
seen[4] = closing.code .. tostring(closing.is_clean)
ngx.print(table.concat(seen, "|"))
]]

-- One light thread reads, another writes and closes.
local THREADS = [[
local ws = require("chat")()
local seen = {}
local reader = ngx.thread.spawn(function()
  for message in ws:messages() do
    seen[#seen + 1] = message
  end
end)
local writer = ngx.thread.spawn(function()
  assert(ws:open())
  for i = 1, 3 do
    assert(ws:send("m" .. i))
    ngx.sleep(0.02)
  end
  ws:close()
end)
ngx.thread.wait(writer)
ngx.thread.wait(reader)
ngx.print(table.concat(seen, "|"))
]]

local TIMEOUTS = [[
local ws = require("chat")({ ping_interval = 0.2, ping_timeout = 0.2 })
local _, err = ws:next(0.02)
local _, failure = ws:next()
ngx.print(tostring(err), "|", failure.kind, "|", failure.phase)
]]

local WAITS = [[
local ws = require("chat")()
assert(ws:next())
ngx.log(ngx.NOTICE, "it waits")
ws:next()
]]

local function socket(steps, on_ping)
  return { websocket = true, steps = steps, on_ping = on_ping }
end

describe("a WebSocket in nginx", function()
  local nginx = programs.new(OPEN,
    { echo = ECHO, threads = THREADS, timeouts = TIMEOUTS, waits = WAITS }, "socket_url")

  it("echoes, with the bell and without", function()
    nginx.with_and_without_bell(function()
      assert.equal("m1|m2|m3|1000true", nginx.get("echo", socket({ { echo = true } })))
    end)
  end)

  it("is read by one light thread and written by another", function()
    nginx.start()
    assert.equal("m1|m2|m3", nginx.get("threads", socket({ { echo = true } })))
  end)

  it("keeps its times", function()
    nginx.start()
    assert.equal("timeout|timeout|ping",
      nginx.get("timeouts", socket({ { wait = "never" } }, false)))
  end)

  it("is dropped when the request that reads it is aborted", function()
    nginx.start()
    nginx.is_let_go("waits", socket({ "hello", { wait = "never" } }))
  end)
end)
