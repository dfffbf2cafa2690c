-- A WebSocket's clock did not ring for somebody whose time was over when it was set: with very
-- little time, or after another coroutine had set it, `next(seconds)` waited for ever.  And
-- `next(0)`, `open(0)` and `send(text, 0)` in a loop never let the engine work, so that nothing
-- changed.

local ask = require("spec.support.ask")
local rill = require("rill")
local socket = require("socket")

local function spin_until(moment)
  while socket.gettime() < moment do end -- luacheck: ignore
end

describe("a WebSocket that is waited for", function()
  local ws

  local function open(steps, options)
    ws = ask.websocket({ steps }, options)
    return ws
  end

  after_each(function()
    ws:drop()
  end)

  it("gives up after the shortest of times", function()
    open({ { wait = "never" } })
    assert.is_true(ws:open(10))
    for _, seconds in ipairs({ 1e-4, 1e-5, 1e-6, 1e-7, 1e-300 }) do
      assert.same({ nil, "timeout" }, { ws:next(seconds) })
    end
  end)

  it("gives up in time, although another task sets the clock when the time is over", function()
    open({ { wait = "never" } })
    assert.is_true(ws:open(10))
    local started, ended, other_ended = socket.gettime(), nil, nil
    rill.go(function()
      assert.same({ nil, "timeout" }, { ws:next(0.01) })
      ended = socket.gettime()
    end)
    rill.go(function()
      spin_until(started + 0.02)
      assert.same({ nil, "timeout" }, { ws:next(1) })
      other_ended = socket.gettime()
    end)
    rill.run()
    assert.is_true(ended < other_ended - 0.5, tostring(other_ended - ended))
  end)

  -- Calls until there is another answer than that nothing has happened yet.
  local function ask_again(method, unchanged, ...)
    local deadline = socket.gettime() + 5
    local first, second
    repeat
      first, second = ws[method](ws, ...)
    until second ~= unchanged or socket.gettime() > deadline
    return first, second
  end

  it("goes on while it is asked again and again without waiting", function()
    open({ { receive = 1 }, "a", { echo = true } }, { limits = { send = 10 } })
    assert.is_true(ask_again("open", "timeout", 0))
    for _ = 1, 5 do
      assert.is_true(ask_again("send", "full", ("x"):rep(10), 0))
    end
    assert.equal("a", (ask_again("next", "timeout", 0)))
  end)

  it("takes what was given before it was open, asked again and again", function()
    open({ { receive = 2 }, "a" }, { limits = { send = 10 } })
    for _ = 1, 2 do
      assert.is_true(ask_again("send", "full", ("x"):rep(10), 0))
    end
    assert.equal("a", (ws:next(10)))
  end)
end)
