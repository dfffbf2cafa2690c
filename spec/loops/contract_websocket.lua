-- What WebSockets do in every host: the part of contract.lua that is about them.
--
--   websockets(inside, spawn, pump, counter)   -- within its describe, and with its functions

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local assert = require("luassert")
local busted = require("busted")
local rill = require("rill")
local socket = require("socket")
local sse = require("spec.support.sse")

local it = busted.it -- global in the files of specs only

local gateway = Gateway.start()

return function(inside, spawn, pump, counter)
  it("a WebSocket echoes while others do", function()
    local all = {}
    inside(function()
      for i = 1, 5 do
        spawn(function()
          local ws = ask.websocket({ { { echo = true } } })
          local seen = {}
          for at = 1, 3 do
            assert(ws:send(("%d-%d"):format(i, at)))
            seen[at] = assert(ws:next())
          end
          local closing = ws:close(1000, "done")
          seen[4] = ("%d %s %s"):format(closing.code, closing.by, tostring(closing.is_clean))
          all[i] = seen
        end)
      end
    end)
    for i = 1, 5 do
      assert.same({ i .. "-1", i .. "-2", i .. "-3", "1000 us true" }, all[i])
    end
  end)

  it("a WebSocket is read by one coroutine and written by another", function()
    local seen, results = {}, {}
    inside(function()
      local ws = ask.websocket({ { { receive = 1 }, "a", { receive = 1 }, "b",
        { closing = { 1000, "bye" } } } })
      local come = counter()
      spawn(function()
        local message = ws:next()
        while message do
          seen[#seen + 1] = message
          come:add()
          message = ws:next()
        end
        results.closing = ws:closing()
      end)
      spawn(function()
        assert(ws:open())
        assert(ws:send("1"))
        come:await(1)
        assert(ws:send("2"))
      end)
    end)
    assert.same({ "a", "b" }, seen)
    assert.equal(1000, results.closing.code)
    assert.equal("bye", results.closing.reason)
  end)

  it("a WebSocket's timeouts fire while another one keeps flowing", function()
    inside(function()
      local flowing = ask.websocket({ { { echo = true } } })
      local silent = ask.websocket({ { websocket = true, steps = { { stall = true } },
        on_ping = false } }, { ping_interval = 0.2, ping_timeout = 0.4 })
      local message, err = silent:next(0.02)
      assert.is_nil(message)
      assert.equal("timeout", err)
      local is_over, echoes = false, 0
      spawn(function()
        while not is_over do
          assert(flowing:send("x"))
          assert(flowing:next())
          echoes = echoes + 1
        end
        flowing:close()
      end)
      message, err = silent:next()
      is_over = true
      assert.is_nil(message)
      assert.equal("timeout", err.kind)
      assert.equal("ping", err.phase)
      assert.is_true(echoes > 1)
    end)
  end)

  it("a WebSocket's end is heard by all who wait on it: readers, with and without a time, and who "
    .. "waits for room", function()
    local heard = {}
    inside(function()
      local ws, route = ask.websocket({ { { deaf = true }, { wait = "go" }, { reset = true } } },
        { limits = { send = 1000 } })
      assert(ws:open())
      local function hear(name, _, err)
        heard[name] = tostring(err)
      end
      spawn(function()
        hear("reader", ws:next())
      end)
      spawn(function()
        hear("patient", ws:next(20))
      end)
      spawn(function()
        local is_queued, err
        repeat
          is_queued, err = ws:send_binary(("x"):rep(1000000))
        until not is_queued
        hear("sender", nil, err)
      end)
      for _ = 1, 5000 do
        if ws:metrics().queued_bytes == 0 then
          pump()
        end
      end
      gateway:signal(route, "go")
      for _ = 1, 5000 do
        if not (heard.reader and heard.patient and heard.sender) then
          pump()
        end
      end
    end)
    for _, name in ipairs({ "reader", "patient", "sender" }) do
      assert.matches("^rill: interrupted", heard[name], name)
    end
  end)

  -- Lets the server send its message, and returns when the system has it: the engine does nothing
  -- meanwhile.
  local function send_news(route)
    local before = gateway:requests(route)[1].sent
    gateway:signal(route, "go")
    local deadline = socket.gettime() + 10
    repeat
      assert(socket.gettime() < deadline, "the gateway did not send")
    until gateway:requests(route)[1].sent > before
  end

  -- What looks at something of its own, which has no news.
  local LOOKS = {
    ["ws:poll()"] = function()
      local ws = ask.websocket({ { { wait = "never" } } })
      assert(ws:open())
      return ws, "poll"
    end,
    ["ws:next(0)"] = function()
      local ws = ask.websocket({ { { wait = "never" } } })
      assert(ws:open())
      return ws, "next", 0
    end,
    ["stream:poll()"] = function()
      local stream = ask.chat({ { steps = { sse.chunk("a"), { wait = "never" } } } })
      repeat
        local event = assert(stream:next())
      until event.type == "text"
      return stream, "poll"
    end,
    ["session:poll()"] = function()
      local session = ask.live({ { steps = { { wait = "never" } } } }, { dialect = "realtime" })
      assert(session:connect())
      return session, "poll"
    end,
  }

  -- One coroutine waits, and its news come (or its seconds end) while another one computes, which
  -- then looks at what is its own: the first one goes on at once, and not when some timer rings.
  -- Returns what it heard, or false where the machine was so slow that its seconds ended before.
  local function look_while_awaited(make_own, seconds)
    local own, look, argument = make_own()
    local awaited, route = ask.websocket({ { { wait = "go" }, "news" } })
    assert(awaited:open())
    local heard
    spawn(function()
      local message, kind = awaited:next(seconds)
      heard = message or kind
    end)
    for _ = 1, 20 do
      pump() -- it waits by now, and what opening left to do is done
    end
    local still_waits = heard == nil
    if seconds then
      socket.sleep(seconds + 0.01)
    else
      send_news(route)
    end
    own[look](own, argument)
    for _ = 1, 20 do
      if not heard then
        pump()
      end
    end
    local leave = own.drop or getmetatable(own).__close -- which wait for no peer
    leave(own)
    awaited:drop()
    return still_waits and heard
  end

  for name, make_own in by_name(LOOKS) do
    it("who waits hears of his news though another one calls " .. name, function()
      inside(function()
        assert.equal("news", look_while_awaited(make_own))
      end)
    end)

    it("who waits for so long hears that it is over though another one calls " .. name, function()
      inside(function()
        local seconds, heard = 0.1, false
        while heard == false and seconds < 5 do
          seconds = seconds * 2
          heard = look_while_awaited(make_own, seconds)
        end
        assert.equal("timeout", heard)
      end)
    end)
  end

  -- Ends a WebSocket that another coroutine waits on: who waits goes on at once, and not when some
  -- timer rings.
  local function end_while_awaited(ws, method)
    local result
    spawn(function()
      result = { n = select("#", ws:next()), ws:next() }
    end)
    pump() -- it waits by now
    assert.is_nil(result)
    ws[method](ws)
    for _ = 1, 1000 do
      if not result then
        pump()
      end
    end
    assert.same({ n = 2 }, result)
  end

  it("a WebSocket that another coroutine waits on can be ended", function()
    inside(function()
      for _, method in ipairs({ "drop", "close" }) do
        local open = ask.websocket({ { { echo = true } } })
        assert(open:open())
        end_while_awaited(open, method)
        end_while_awaited(rill.websocket("ws://127.0.0.1:" .. gateway.silent_port), method)
      end
    end)
  end)
end
