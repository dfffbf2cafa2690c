-- Closing is prompt, in any state, and nobody else notices.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local handles = require("spec.support.handles")
local socket = require("socket")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local BEGUN = sse.role() .. sse.chunk("Hel") .. sse.chunk("lo")
local PROMPT = 2 -- seconds; how short it is on a machine that is free is measured once

-- The server saw its client go within so short a time of a moment, without the engine's doing.
local function assert_gone(route, moment)
  local record = gateway:wait(route, "closed", 1, 5)
  assert.is_truthy(record, "the connection stayed open")
  assert.is_true(record.closed_at - moment < PROMPT, tostring(record.closed_at - moment))
end

local function assert_cancelled(stream, text)
  local event, err = stream:next(5)
  assert.is_nil(event)
  assert.are.equal("cancelled", err and err.kind)
  assert.are.equal(text, err.partial.text)
  assert.are.equal(text, stream:partial().text)
  assert.are.equal("cancelled", stream:partial().outcome)
  assert.is_nil((stream:result()))
end

local function close(stream)
  local moment = socket.gettime()
  stream:close()
  assert.is_true(socket.gettime() - moment < PROMPT)
  return moment
end

describe("a stream is closed", function()
  before_each(function()
    ask.forget_connections()
  end)

  it("before anything has happened", function()
    local stream = ask.chat({ sse.answer("never") })
    close(stream)
    assert_cancelled(stream, "")
  end)

  it("while it connects", function()
    local before = handles.snapshot()
    for _, url in ipairs({
      "https://127.0.0.1:" .. gateway.silent_port .. "/v1", "http://" .. ask.NO_HOST .. "/v1",
    }) do
      local stream = ask.client(url):chat(ask.request())
      stream:poll()
      close(stream)
      assert_cancelled(stream, "")
      ask.forget_connections()
    end
    -- The thread that looks the name up closes its last descriptor when it comes to its end.
    local deadline = socket.gettime() + 2
    while not pcall(handles.assert_back, before) and socket.gettime() < deadline do
      socket.sleep(0.005)
    end
    handles.assert_back(before)
  end)

  it("while it waits to retry", function()
    local stream, route = ask.chat({ { status = 503, framing = "length" }, sse.answer("never") },
      { retry = { base = 5, max_wait = 60 } })
    assert.are.equal("retry", stream:next(5).type)
    close(stream)
    assert_cancelled(stream, "")
    assert.are.equal(0, require("rill").engine():step(0))
    assert.are.equal(1, #stream:attempts())
    assert.are.equal(1, ask.count(route))
  end)

  it("within a tenth of a second, on a machine that is free", best_of(5, function()
    local stream, route = ask.chat({ { steps = { BEGUN, { stall = true } } } })
    assert.is_truthy(stream:next(5))
    local moment = close(stream)
    local record = assert(gateway:wait(route, "closed", 1, 5))
    assert.is_true(record.closed_at - moment < 0.1, tostring(record.closed_at - moment))
  end))

  it("while it waits for headers", function()
    local stream, route = ask.chat({ { before = { { stall = true } } } })
    assert.is_truthy(gateway:wait(route, "requests", 1, 5, function()
      stream:poll()
    end))
    assert_gone(route, close(stream))
    assert_cancelled(stream, "")
  end)

  it("while it streams", function()
    local stream, route = ask.chat({ { steps = { BEGUN, { stall = true } } } })
    for _ = 1, 3 do
      assert.is_truthy(stream:next(5))
    end
    assert_gone(route, close(stream))
    assert_cancelled(stream, "Hello")
  end)

  it("with what had arrived and was not read yet", function()
    local stream, route = ask.chat({ { steps = { BEGUN, { wait = "go" }, { stall = true } } } })
    assert.are.equal("start", stream:next(5).type)
    assert.are.equal("Hel", stream:next(5).text)
    assert_gone(route, close(stream))
    assert_cancelled(stream, "Hello")
  end)

  it("while it is paused", function()
    local stream, route = ask.chat(
      { { steps = { sse.role(), sse.chunk(sse.filler(1000)):rep(20000), { stall = true } } } },
      { limits = { buffer = 1000 } })
    local engine = require("rill").engine()
    repeat
      engine:step(0.02)
      engine:ready()
    until stream:metrics().pauses > 0
    assert_gone(route, close(stream))
    local text = stream:partial().text
    assert.is_true(#text >= 1000 and #text < 200000)
    assert_cancelled(stream, text)
  end)

  it("while its last bytes are drained", function()
    local stream, route = ask.chat({ { steps = { BEGUN .. sse.finish() .. sse.done(),
      { stall = true } } } })
    assert.are.equal("Hello", stream:result().text)
    stream:close()
    assert.are.equal("Hello", stream:result().text) -- it was complete, and stays so
    assert.are.equal("complete", stream:partial().outcome)
    local engine = require("rill").engine()
    assert.is_truthy(gateway:wait(route, "closed", 1, 10, function()
      engine:step(0.01)
    end))
  end)

  it("twice, with nothing new", function()
    local stream, route = ask.chat({ { steps = { BEGUN, { stall = true } } } })
    assert.are.equal("start", stream:next(5).type)
    assert_gone(route, close(stream))
    close(stream)
    assert_cancelled(stream, stream:partial().text)
    close(stream)
    assert.are.equal(1, ask.count(route))
  end)

  it("after its end, which stays as it was", function()
    local stream = ask.chat({ sse.answer("Hello") })
    assert.is_not_nil(stream:result())
    stream:close()
    assert.are.equal("complete", stream:partial().outcome)
    stream = ask.chat({ { status = 401, framing = "length" } })
    assert.are.equal("auth", select(2, stream:result()).kind)
    stream:close()
    assert.are.equal("auth", select(2, stream:result()).kind)
  end)

  it("and others do not notice", function()
    local route = gateway:script({ { steps = { BEGUN, { wait = "go" }, sse.chunk("!")
      .. sse.finish() .. sse.done() } } })
    local client = ask.client(route)
    local streams = {}
    for i = 1, 6 do
      streams[i] = client:chat(ask.request())
    end
    for i = 1, 6 do
      for _ = 1, 3 do
        assert.is_truthy(streams[i]:next(5))
      end
    end
    for i = 1, 6, 2 do
      streams[i]:close()
    end
    gateway:signal(route, "go")
    for i = 2, 6, 2 do
      assert.are.equal("Hello!", streams[i]:result().text)
      assert.are.equal("cancelled", streams[i - 1]:partial().outcome)
    end
  end)

  it("by a task while another task waits for it", function()
    local rill = require("rill")
    local stream = ask.chat({ { steps = { BEGUN, { stall = true } } } })
    local outcome
    rill.go(function()
      local _, err = stream:result()
      outcome = err.kind
    end)
    rill.go(function()
      local other = ask.chat({ sse.answer("x") })
      other:result()
      stream:close()
    end)
    rill.run()
    assert.are.equal("cancelled", outcome)
  end)
end)

describe("a stream that nobody refers to any longer", function()
  it("is closed when it is collected", function()
    local route = gateway:script({ { steps = { BEGUN, { stall = true } } } })
    local moment
    do
      local stream = ask.client(route):chat(ask.request())
      assert.are.equal("start", stream:next(5).type)
    end
    collectgarbage()
    moment = socket.gettime()
    collectgarbage()
    assert_gone(route, moment)
  end)

  it("is closed when it is collected while it waits to retry", function()
    ask.forget_connections()
    do
      local stream = ask.chat({ { status = 503, framing = "close" } }, { retry = { base = 9 } })
      assert.are.equal("retry", stream:next(5).type)
    end
    collectgarbage()
    collectgarbage()
    assert.are.equal(0, require("rill").engine():step(0))
  end)
end)

-- Only this Lua has it; on the others there is nothing to hold.
local compile = loadstring or load -- luacheck: ignore
local on_lua_54 = compile("local x <close> = nil") and describe or function() end

on_lua_54("on Lua 5.4", function()
  it("a stream in a variable <close> is closed at the end of its block", function()
    local route = gateway:script({ { steps = { BEGUN, { stall = true } } } })
    local block = compile([[
      local client, request = ...
      do
        local stream <close> = client:chat(request)
        assert(stream:next(5).type == "start")
      end
    ]])
    block(ask.client(route), ask.request())
    assert_gone(route, socket.gettime())
  end)

  it("a stream whose loop is left early is closed, whichever iterator it was", function()
    for _, name in ipairs({ "text", "events" }) do
      local route = gateway:script({ { steps = { BEGUN, { stall = true } } } })
      local stream = ask.client(route):chat(ask.request())
      for _ in stream[name](stream) do -- luacheck: ignore 512 (it is left at once)
        break
      end
      assert_gone(route, socket.gettime())
      assert.are.equal("cancelled", stream:partial().outcome)
    end
  end)

  it("a stream is closed by an error that leaves its loop", function()
    local route = gateway:script({ { steps = { BEGUN, { stall = true } } } })
    local stream = ask.client(route):chat(ask.request())
    assert.is_false(pcall(function()
      for _ in stream:text() do
        error("enough")
      end
    end))
    assert_gone(route, socket.gettime())
  end)
end)
