-- Connections are used again, and an answer is complete at its terminator, not at its last byte.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local handles = require("spec.support.handles")
local socket = require("socket")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local ANSWER = sse.answer("fine")

-- The same with the end of the framing in the same packet: nothing is left to drain.
local AT_ONCE = {
  framing = "length",
  head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. ("%x\r\n%s\r\n0\r\n\r\n"):format(#ANSWER, ANSWER),
}

local function connections_of(route)
  local seen, count = {}, 0
  for _, request in ipairs(gateway:requests(route)) do
    if not seen[request.connection] then
      seen[request.connection] = true
      count = count + 1
    end
  end
  return count
end

-- Lets the engine work until a condition holds.
local function step_until(condition, seconds)
  local engine, deadline = require("rill").engine(), socket.gettime() + (seconds or 5)
  while not condition() do
    assert(socket.gettime() < deadline, "it never came")
    engine:step(0.02)
    engine:ready()
  end
end

describe("fifty requests one after another", function()
  before_each(ask.forget_connections)

  for name, attempt in by_name({
    ["chunked"] = AT_ONCE, ["with a length"] = { steps = { ANSWER }, framing = "length" },
  }) do
    it("use one connection, " .. name, function()
      local route = gateway:script({ attempt })
      local client = ask.client(route)
      for i = 1, 50 do
        local stream = client:chat(ask.request())
        assert.are.equal("fine", stream:result().text)
        assert.are.equal(i > 1, stream:metrics().reused_connection)
      end
      assert.are.equal(50, ask.count(route))
      assert.are.equal(1, connections_of(route))
    end)
  end

  -- The end of the framing comes in a packet of its own, after the answer was complete for its
  -- reader, who then does something else and never steps the engine.
  it("use one connection though the framing ends late", function()
    local route = gateway:script({ { steps = { ANSWER, { wait = "go" } } } })
    gateway:signal(route, "go")
    local client = ask.client(route)
    for i = 1, 20 do
      assert.are.equal("fine", client:chat(ask.request()):result().text)
      assert.is_truthy(gateway:wait(route, "finished", i, 5))
    end
    assert.are.equal(1, connections_of(route))
  end)

  it("use one connection whatever the client and the reader", function()
    local route = gateway:script({ AT_ONCE })
    for i = 1, 12 do
      local stream = ask.client(route):chat(ask.request())
      if i % 3 == 0 then
        assert.are.equal("fine", ask.read(stream).text)
      elseif i % 3 == 1 then
        for text in stream:text() do
          assert.are.equal("fine", text)
        end
      else
        assert.are.equal("fine", stream:run().text)
      end
    end
    assert.are.equal(1, connections_of(route))
  end)

  it("use one connection after errors that were whole answers, too", function()
    local route = gateway:script({ { status = 503, framing = "length",
      steps = { '{"error":{"message":"x"}}' } }, AT_ONCE, { status = 400, framing = "length" },
      AT_ONCE })
    local client = ask.client(route)
    assert.is_not_nil(client:chat(ask.request()):result())
    assert.is_nil((client:chat(ask.request()):result()))
    assert.is_not_nil(client:chat(ask.request()):result())
    assert.are.equal(4, ask.count(route))
    assert.are.equal(1, connections_of(route))
  end)

  it("leave no descriptor behind but the kept connection", function()
    local client = ask.client(gateway:script({ AT_ONCE }))
    require("rill").engine()
    local before = handles.count()
    for _ = 1, 20 do
      assert.is_not_nil(client:chat(ask.request()):result())
    end
    assert.is_true(handles.count() <= before + 1)
  end)
end)

describe("an answer that is complete", function()
  it("is given at [DONE], though the server keeps the body open", best_of(3, function()
    local stream, route = ask.chat({ { steps = { ANSWER, { wait = "go" } } } })
    local seen = ask.read(stream)
    assert.is_nil(seen.err)
    assert.are.equal("complete", seen.reply.outcome)
    assert.is_true(stream:metrics().duration < 0.2)
    gateway:signal(route, "go")
  end))

  it("has its connection dropped after 250 ms, if the body stays open", function()
    local began = socket.gettime()
    local stream, route = ask.chat({ { steps = { ANSWER, { stall = true } } } })
    assert.are.equal("fine", stream:result().text)
    local engine = require("rill").engine()
    local record = gateway:wait(route, "closed", 1, 10, function()
      engine:step(0.01)
      engine:ready()
    end)
    assert.is_truthy(record)
    local took = record.closed_at - began
    assert.is_true(took >= 0.249 and took < 5, tostring(took))
  end)

  it("has its connection kept, if the body ends in time", function()
    ask.forget_connections()
    local route = gateway:script({ { steps = { ANSWER, { wait = "go" }, ": the end\n\n" } },
      ANSWER })
    local client = ask.client(route)
    local stream = client:chat(ask.request())
    assert.are.equal("fine", stream:result().text)
    gateway:signal(route, "go")
    step_until(function()
      return stream.transfer:stats().trailing_bytes == #": the end\n\n"
    end)
    require("rill").engine():step(0.02)
    assert.are.equal("fine", client:chat(ask.request()):result().text)
    assert.are.equal(1, connections_of(route))
  end)

  it("is drained even when nobody holds the stream any longer", function()
    ask.forget_connections()
    local route = gateway:script({ { steps = { ANSWER, { wait = "go" } } }, ANSWER })
    local client = ask.client(route)
    client:chat(ask.request()):result()
    collectgarbage()
    collectgarbage()
    gateway:signal(route, "go")
    assert.is_truthy(gateway:wait(route, "finished", 1, 5))
    require("rill").engine():step(0.02)
    assert.are.equal("fine", client:chat(ask.request()):result().text)
    assert.are.equal(1, connections_of(route))
  end)

  it("is not held up by another that is drained: a second connection opens", best_of(3, function()
    ask.forget_connections()
    local route = gateway:script({ { steps = { ANSWER, { stall = true } } }, ANSWER })
    local client = ask.client(route)
    assert.are.equal("fine", client:chat(ask.request()):result().text)
    local second = client:chat(ask.request())
    assert.are.equal("fine", second:result().text)
    assert.is_true(second:metrics().duration < 0.2)
    assert.are.equal(2, connections_of(route))
  end))

  it("is given up when more than 64 KiB follow", best_of(3, function()
    local stream, route = ask.chat({
      { steps = { ANSWER, sse.chunk(sse.filler(1000)):rep(1000), { stall = true } } },
    })
    assert.are.equal("fine", stream:result().text)
    local ended = socket.gettime()
    local engine = require("rill").engine()
    local record = gateway:wait(route, "closed", 1, 10, function()
      engine:step(0.005)
      engine:ready()
    end)
    assert.is_truthy(record)
    assert.is_true(record.closed_at - ended < 0.2, "it was drained to the end of its time")
    assert.is_true(stream.transfer:stats().trailing_bytes < 64 * 1024 + 128 * 1024)
  end))
end)
