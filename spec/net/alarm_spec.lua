-- The engine's clock, alarms, and steps that are bounded in time.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local core = require("rill.core")
local handles = require("spec.support.handles")
local sse = require("spec.support.sse")
local socket = require("socket")

local gateway = Gateway.start()

local function await(engine, id)
  while engine:ready() ~= id do
    engine:step(1)
  end
end

describe("the engine's clock", function()
  it("goes as other clocks do", best_of(5, function()
    local before, began = core.now(), socket.gettime()
    socket.sleep(0.02)
    local passed, elsewhere = core.now() - before, socket.gettime() - began
    assert.is_true(math.abs(passed - elsewhere) < 0.02)
    assert.is_true(passed > 0.015)
  end))
end)

describe("an alarm", function()
  before_each(ask.forget_connections) -- what others left open would be counted

  it("rings once, not before its time, and counts as open until then", function()
    local engine, alarm = core.engine(), core.alarm()
    local before = core.now()
    local id = alarm:set(0.03)
    assert.equal(1, engine:step(0))
    assert.is_nil(engine:ready())
    await(engine, id)
    assert.is_true(core.now() - before >= 0.03)
    assert.equal(0, engine:step(0))
    assert.is_nil(engine:ready())
  end)

  it("is set anew with a number of its own", function()
    local engine, alarm = core.engine(), core.alarm()
    local first = alarm:set(60)
    local second = alarm:set(0.001)
    assert.are_not.equal(first, second)
    await(engine, second)
    assert.equal(0, engine:step(0))
  end)

  it("is taken back, or goes with whoever had it", function()
    local engine, alarm = core.engine(), core.alarm()
    alarm:set(60)
    alarm:set(nil)
    assert.equal(0, engine:step(0))
    alarm:set(0)
    engine:step(0)
    alarm:set(nil) -- it had rung
    assert.is_nil(engine:ready())
    alarm:set(60)
    alarm = nil -- luacheck: ignore
    handles.snapshot() -- collects garbage
    assert.equal(0, engine:step(0))
  end)

  it("does not outlive its engine, and can be set for the next one", function()
    local alarm = core.alarm()
    alarm:set(60)
    core.engine():close()
    assert.equal(0, core.engine():step(0))
    await(core.engine(), alarm:set(0.001))
  end)

  it("has a number that was not given before, also where the engine was closed", function()
    local before = core.alarm():set(60)
    core.engine():close()
    assert.is_true(core.alarm():set(60) > before)
  end)

  it("takes seconds, and nothing once it is closed", function()
    local alarm = core.alarm()
    assert.has_error(function()
      alarm:set("soon")
    end)
    alarm:close()
    alarm:close()
    assert.has_error(function()
      alarm:set(1)
    end)
    assert.equal("rill.alarm", tostring(alarm))
  end)
end)

local LONG = sse.chunk(("x"):rep(200)):rep(200)

-- Streams that have begun, and whose further text waits in the sockets.
local function filled(count, options)
  local streams, routes = {}, {}
  for i = 1, count do
    streams[i], routes[i] = ask.chat({ { steps = { sse.role(), { wait = "go" }, LONG,
      sse.finish(), sse.done() } } }, options)
    assert(streams[i]:next())
  end
  for i = 1, count do
    gateway:signal(routes[i], "go")
    assert(gateway:wait(routes[i], "finished"))
  end
  return streams
end

local function bytes_of(streams)
  local list = {}
  for i, stream in ipairs(streams) do
    list[i] = stream.transfer:stats().bytes
  end
  return list
end

describe("a step with a budget", function()
  it("takes one socket when there is no time, and the next one the next time", function()
    local engine, streams = core.engine(), filled(5)
    local before = bytes_of(streams)
    for _ = 1, 5 do
      engine:step(0, 0)
    end
    for i, bytes in ipairs(bytes_of(streams)) do
      assert.is_true(bytes > before[i], "stream " .. i .. " had no turn in five steps")
    end
    for _, stream in ipairs(streams) do
      stream:close()
    end
  end)

  it("takes one after the other while there is time", function()
    local engine, streams = core.engine(), filled(5)
    local before = bytes_of(streams)
    engine:step(0, 5)
    for i, bytes in ipairs(bytes_of(streams)) do
      assert.is_true(bytes > before[i], "stream " .. i .. " had no turn")
    end
    for _, stream in ipairs(streams) do
      stream:close()
    end
  end)

  it("leaves to the next step what it has no time for", function()
    local engine, stream = core.engine(), filled(1)[1]
    local steps, before = 0, bytes_of({ stream })[1]
    while not stream.transfer:ending() do
      engine:step(1, 0)
      local now = bytes_of({ stream })[1]
      assert.is_true(now - before <= 16384, now - before .. " bytes") -- libcurl's largest piece
      before, steps = now, steps + 1
    end
    assert.is_true(steps >= 4)
    assert.equal(0, stream.transfer:stats().pauses)
    assert.equal(40000, #stream:result().text)
  end)

  it("waits as any step does, and gives everything in the end", function()
    local stream = ask.chat({ { steps = { sse.chunk("a"), { sleep = 0.03 }, sse.answer("b") } } })
    local engine, waits = core.engine(), 0
    local text, err = ""
    repeat
      local event
      event, err = stream:poll()
      if event and event.type == "text" then
        text = text .. event.text
      elseif err == "pending" then
        engine:step(1, 0.001)
        waits = waits + 1
        while engine:ready() do end -- luacheck: ignore
      end
    until not event and err ~= "pending"
    assert.is_nil(err)
    assert.equal("ab", text)
    assert.is_true(waits < 20)
  end)
end)

describe("a stream whose server is faster than its reader", function()
  it("comes to an end of what there is without a step, and goes on with the next", function()
    local engine = core.engine()
    local stream = filled(1, { limits = { buffer = 4000 } })[1]
    local transfer, taken, most = stream.transfer, 0, 0
    transfer:keep(false)
    repeat
      engine:step(1)
      local piece = 0
      local kind, text = transfer:take()
      while kind do
        piece = piece + (kind == "text" and #text or 0)
        kind, text = transfer:take()
      end
      taken, most = taken + piece, math.max(most, piece)
    until text == "end"
    assert.equal(40000, taken)
    assert.is_true(most < 20000, most .. " bytes without a step")
    assert.is_true(transfer:stats().pauses > 0)
  end)
end)
