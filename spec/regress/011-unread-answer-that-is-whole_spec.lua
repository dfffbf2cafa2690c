-- A lane's answer whose last message went beyond limits.buffer, unread while another lane waited,
-- was dropped though all of it had come.  The server said no more of it, so that it stayed in
-- flight and took the next answer of that lane, whose reader then waited for ever.

local fake = require("spec.support.fake_core")
local script = require("spec.support.live_script")

describe("an answer that is whole and longer than limits.buffer", function()
  it("is read later, and the next one is its own", function()
    local rill = fake.install()
    fake.socket_scripts = { { { "open" }, { "sent", 2 }, script.delta("a", "side"),
      script.completed("r1", ("x"):rep(2000), "side"), { "sent", 3 }, script.delta("b", "side"),
      script.completed("r2", "b", "side") } }
    local ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-spec" })
    local session = ai:live({ dialect = "responses", model = "m", limits = { buffer = 1000 } })
    local main, side = session:say("one"), session:lane("side"):say("two")
    require("rill.loops").turn(rill.engine())
    require("rill.loops").turn(rill.engine())
    assert.equal("a", assert(side:result()).text)
    assert.equal("b", assert(session:lane("side"):say("three"):result()).text)
    main:close()
  end)
end)

-- The same came of one that had timed out just before its last message.
describe("an answer whose last message comes when it has ended already", function()
  it("leaves the next answer of its lane alone", function()
    local rill = fake.install()
    fake.socket_scripts = { { { "open" }, { "sent", 2 }, script.delta("a", "side") } }
    local ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-spec" })
    local session = ai:live({ dialect = "responses", model = "m" })
    local main, side = session:say("one"), session:lane("side"):say("two")
    assert.equal("a", side:next().text)
    fake.last():finish("failed", "timeout", "idle", "no message", true)
    fake.last_socket():push(script.completed("r1", "a", "side"))
    session.link:pump()
    local _, err = side:result()
    assert.equal("timeout", err.kind)
    local again = session:lane("side"):say("three")
    fake.last_socket():push(script.delta("b", "side"), script.completed("r2", "b", "side"))
    assert.equal("b", assert(again:result()).text)
    main:close()
  end)
end)

teardown(fake.remove)
