-- Live sessions in a real nginx with its Lua module.

local Gateway = require("spec.support.gateway")
local programs = require("spec.support.resty_programs")
local responses_socket = require("spec.support.responses_socket")

local gateway = Gateway.start()

local OPEN = [[
local rill = require("rill")
return function()
  local ai = rill.client({ base_url = ngx.var.arg_base, api_key = "sk-spec" })
  return ai:live({ dialect = "responses", model = "m", reconnect = { base = 0.01, jitter = 0 } })
end
]]

-- Two questions over one connection.
local TALK = [[
local session = require("chat")()
local seen = {}
for i = 1, 2 do
  for delta in session:say("question " .. i):text() do seen[#seen + 1] = delta end
end
session:close()
ngx.print(table.concat(seen, "|"), "|", session:metrics().connections, "|", #session.messages)
]]

-- Light threads read lanes of one connection; a third one interrupts the main conversation.
local THREADS = [[
local session = require("chat")()
local seen = {}
local function read(lane, name)
  return ngx.thread.spawn(function()
    local stream = lane:say("hi")
    local event, err = stream:next()
    while event do
      seen[name] = (seen[name] or "") .. (event.type == "text" and event.text or "")
      event, err = stream:next()
    end
    seen[name] = seen[name] .. (err and err.kind or "")
  end)
end
local readers = {
  read(session, "main"), read(session:lane("a"), "a"), read(session:lane("b"), "b"),
}
local interrupter = ngx.thread.spawn(function()
  while not (seen.main and seen.a and seen.b) do ngx.sleep(0.005) end
  session:interrupt()
end)
for _, reader in ipairs(readers) do ngx.thread.wait(reader) end
session:close()
ngx.print(seen.main, "|", seen.a, "|", seen.b)
]]

-- One session of the worker, asked by one request after the other.
local SHARED = [[
local session = package.loaded.shared_session or require("chat")()
package.loaded.shared_session = session
local reply = assert(session:say("hi"):result())
ngx.print(reply.text, "|", session:metrics().connections)
]]

-- The same, where nobody may be left who has its answer.
local LEFT = [[
local session = package.loaded.shared_session or require("chat")()
package.loaded.shared_session = session
local stream = session:say("hi")
stream:next()
ngx.log(ngx.NOTICE, "it waits")
stream:next()
]]

-- One opens the connection, over which another one has asked.  That one is given the session: nginx
-- uses the stack of a light thread again that was killed, and with it what functions share.
local CONNECTS = [[
local opened = require("chat")()
ngx.timer.at(0, function(_, session)
  local stream = session:say("hi")
  ngx.log(ngx.NOTICE, "it waits")
  local reply, err = stream:result()
  package.loaded.heard = reply and reply.text .. "|" .. session:metrics().connections
    or tostring(err)
end, opened)
opened:connect()
]]

local HEARD = [[
while not package.loaded.heard do ngx.sleep(0.005) end
ngx.print(package.loaded.heard)
]]

local OPENS = [[
local session = require("chat")()
ngx.log(ngx.NOTICE, "it waits")
session:connect()
]]

local WAITS = [[
local stream = require("chat")():say("hi")
stream:next()
ngx.log(ngx.NOTICE, "it waits")
stream:next()
]]

local delta, completed = responses_socket.delta, responses_socket.completed

local function live(steps)
  return { websocket = true, steps = steps }
end

describe("a live session in nginx", function()
  local nginx = programs.new(OPEN,
    { talk = TALK, threads = THREADS, shared = SHARED, left = LEFT,
      connects = CONNECTS, heard = HEARD, opens = OPENS, waits = WAITS }, "base_url")

  it("is a conversation over one connection, with the bell and without", function()
    nginx.with_and_without_bell(function()
      assert.equal("a|b|c|1|4", nginx.get("talk", live({ { receive = 1 }, delta("a"), delta("b"),
        completed(), { receive = 1 }, delta("c"), completed() })))
    end)
  end)

  it("has lanes that light threads read, and is interrupted by another one", function()
    nginx.start()
    assert.equal("1cancelled|22|33", nginx.get("threads", live({ { receive = 3 }, delta("1"),
      delta("2", "a"), delta("3", "b"), delta("3", "b"), completed("b"),
      delta("2", "a"), completed("a"), { stall = true } })))
  end)

  it("outlives the request that made it", function()
    nginx.start()
    local route = nginx.route(live({ { receive = 1 }, delta("a"), completed(), { receive = 1 },
      delta("b"), completed() }))
    assert.equal("a|1", nginx.get("shared", nil, route))
    assert.equal("b|1", nginx.get("shared", nil, route))
  end)

  it("lets its connection go when the request that waits for an answer is aborted", function()
    nginx.start()
    nginx.is_let_go("waits", live({ { receive = 1 }, delta("a"), { stall = true } }))
  end)

  it("may be asked again by another request when one was aborted", function()
    nginx.start()
    local route = nginx.route(live({ { receive = 1 }, delta("a"), { stall = true } }),
      live({ { receive = 1 }, delta("b"), completed(), { wait = "never" } }))
    nginx.is_let_go("left", nil, route)
    assert.equal("b|2", nginx.get("shared", nil, route))
  end)

  it("keeps the connection that an aborted one was opening, if another has asked", function()
    nginx.start()
    local attempt = live({ { receive = 1 }, delta("a"), completed(), { wait = "never" } })
    attempt.before = { { wait = "go" } }
    local route = nginx.route(attempt)
    nginx.abort("connects", route)
    assert.is_nil((gateway:wait(route, "closed", 1, 0.5)))
    gateway:signal(route, "go")
    assert.equal("a|1", nginx.get("heard", nil, route))
  end)

  it("lets it go where nobody has", function()
    nginx.start()
    local attempt = live({ { wait = "never" } })
    attempt.before = { { wait = "never" } }
    nginx.is_let_go("opens", attempt)
  end)
end)
