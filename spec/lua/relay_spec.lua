local fake = require("spec.support.fake_core")

local STOP = [[{"id":"c1","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}]]

local rill, relay, ai

-- Streams that play scripts.
local function streams(...)
  local list = {}
  for i, script in ipairs({ ... }) do
    fake.scripts[1] = script
    list[i] = ai:chat({ model = "m", messages = { { role = "user", content = "hi" } } })
  end
  return list
end

local function answer(...)
  local script = {}
  for _, text in ipairs({ ... }) do
    script[#script + 1] = type(text) == "table" and text or { "text", text }
  end
  script[#script + 1] = { "event", STOP }
  script[#script + 1] = { "end", "done" }
  return script
end

-- A policy that reads one stream after the other, then ends with the last reply.
local function in_turn(list, more)
  local policy = { replies = {}, endings = 0 }
  function policy:after(run, reply, err)
    if err then
      return run:fail(err)
    end
    self.replies[#self.replies + 1] = reply
    if not list[#self.replies + 1] then
      run:finish(reply)
    end
  end
  function policy:advance(run)
    run.turn = run.turn + 1
    run:push({ type = "turn" })
    run:open(list[#self.replies + 1])
  end
  function policy.decorate(_, _, reply)
    reply.is_decorated = true
    return reply
  end
  function policy:ended()
    self.endings = self.endings + 1
  end
  for name, method in pairs(more or {}) do
    policy[name] = method
  end
  return policy
end

local function relayed(list, more, callbacks)
  local policy = in_turn(list, more)
  return relay.new(list[1], policy, callbacks), policy
end

local function describe_event(event)
  return event.type .. event.turn .. (event.text and ":" .. event.text or "")
end

before_each(function()
  rill = fake.install()
  relay = require("rill.relay")
  ai = rill.client({ base_url = "https://x.test/v1", api_key = "sk-secret-key" })
end)

teardown(fake.remove)

describe("a relay", function()
  it("gives the events of its streams in order, each with its turn, and one done", function()
    local stream, policy = relayed(streams(answer("a", { "wait", 1 }, "b"), answer("c")))
    local seen = {}
    for event in stream:events() do
      seen[#seen + 1] = describe_event(event)
    end
    assert.equal("text1:a text1:b start1 turn2 text2:c start2 done2", table.concat(seen, " "))
    assert.equal("c", stream:result().text)
    assert.equal(1, policy.endings)
    assert.is_nil((stream:next()))
    assert.equal("rill.stream: m, complete", tostring(stream))
  end)

  it("gives the text of all as one, and keeps no payloads for it", function()
    local list = streams(answer("a", "b"), answer({ "wait", 1 }, "c"))
    local stream = relayed(list)
    local pieces = {}
    for text in stream:text() do
      pieces[#pieces + 1] = text
    end
    assert.same({ "a", "b", "c" }, pieces)
    assert.is_false(fake.opened[1].keeping)
    assert.is_false(fake.opened[2].keeping)
    assert.equal("complete", stream:result().outcome)
  end)

  it("goes on with the iterator of the stream before, which C fills", function()
    local stream = relayed(streams(answer("a"), answer({ "wait", 1 }, "b"), answer("c")))
    local next_text = stream:text()
    assert.equal("a", next_text(stream))
    assert.equal("b", next_text(stream))
    assert.equal("c", next_text(stream))
    assert.is_nil(next_text(stream))
    for number = 1, 3 do
      assert.equal(next_text, fake.opened[number].iterator)
    end
  end)

  it("gives what is left of the text by whichever iterator is asked", function()
    local stream = relayed(streams(answer("a", "b"), answer("c", "d", "e")))
    local first = stream:text()
    assert.equal("a", first(stream))
    local second = stream:text()
    assert.equal("b", second(stream))
    assert.equal("c", first(stream))
    assert.equal("d", second(stream))
    assert.equal("e", first(stream))
    assert.is_nil(second(stream))
    assert.is_nil(first(stream))
  end)

  it("tells who looks after it of each event that is taken, however it is read", function()
    for name, read in pairs({
      poll = function(stream) repeat until not stream:poll() end,
      result = function(stream) assert(stream:result()) end,
      run = function(stream) assert(stream:run()) end,
      text = function(stream) repeat until not stream:text()(stream) end,
    }) do
      local seen = {}
      local stream = relayed(streams(answer("a"), answer("b")))
      function stream.on_given(_, event)
        if event.type ~= "text" and event.type ~= "start" then
          seen[#seen + 1] = describe_event(event)
        end
      end
      read(stream)
      assert.equal("turn2 done2", table.concat(seen, " "), name)
    end
  end)

  it("runs with callbacks: the full text is that of the turn", function()
    local said = {}
    local stream = relayed(streams(answer("a", "b"), answer("c", "d")), nil, {
      on_delta = function(full, delta)
        said[#said + 1] = full .. "+" .. delta
      end,
      on_complete = function(full, reply)
        said[#said + 1] = full .. "=" .. reply.text
      end,
    })
    assert.equal("cd", stream:run().text)
    assert.same({ "a+a", "ab+b", "c+c", "cd+d", "cd=cd" }, said)
  end)

  it("fails as its stream does, with the reply that the policy has decorated", function()
    local failed
    local stream, policy = relayed(streams(answer("a"), { { "text", "b" }, { "end", "eof" } }), nil,
      { on_error = function(err) failed = err end })
    local reply, err = stream:run()
    assert.is_nil(reply)
    assert.equal("interrupted", err.kind)
    assert.equal("b", err.partial.text)
    assert.is_true(err.partial.is_decorated)
    assert.equal(err, failed)
    assert.equal(err, select(2, stream:next()))
    assert.equal(err.partial, stream:partial())
    assert.equal(1, policy.endings)
    assert.is_false((pcall(function()
      for _ in stream:text() do
        error("there is none left")
      end
    end)))
  end)

  it("polls without waiting", function()
    local stream = relayed(streams(answer({ "wait", 5 }, "a"), answer({ "wait", 20 }, "b")))
    assert.same({ nil, "pending" }, { stream:poll() })
    fake.clock = fake.clock + 5
    assert.equal("a", stream:poll().text)
    local event, err
    repeat
      event, err = stream:poll()
    until not event
    assert.equal("pending", err)
    assert.equal(2, stream.turn)
    fake.clock = fake.clock + 20
    assert.equal("b", stream:poll().text)
  end)

  it("ends a wait after the time that next was given, whichever stream is read", function()
    local stream = relayed(streams(answer({ "wait", 2 }, "a"), answer({ "wait", 9 }, "b")))
    assert.same({ nil, "timeout" }, { stream:next(1.5) })
    assert.equal("a", stream:next(1.5).text)
    local event, err
    local started = fake.clock
    repeat
      event, err = stream:next(3)
    until event == nil
    assert.equal("timeout", err)
    assert.is_true(fake.clock - started >= 2.9 and fake.clock - started <= 3.1)
    assert.truthy(stream:next(20))
    assert.has_error(function()
      stream:next(-1)
    end)
  end)

  it("keeps the time of each who waits, however long others want to", function()
    local stream = relayed(streams(answer({ "wait", 9 }, "a")))
    local before, seen = fake.clock, {}
    for i, seconds in ipairs({ 3, 5, 2, math.huge }) do
      rill.go(function()
        local event, err = stream:next(seconds)
        seen[i] = { event and event.text or err, fake.clock - before }
      end)
    end
    rill.run()
    assert.same({ { "timeout", 3 }, { "timeout", 5 }, { "timeout", 2 }, { "a", 9 } }, seen)
  end)

  it("waits for its policy by its bell", function()
    local is_ready, list = false, streams(answer("a"), answer("b"))
    local stream
    stream = relayed(list, { advance = function(self, run)
      if not is_ready then
        return "pending"
      end
      run:open(list[#self.replies + 1])
    end })
    rill.go(function()
      for _ = 1, 3 do
        coroutine.yield()
      end
      is_ready = true
      require("rill.loops").wake(stream.bell)
    end)
    assert.equal("b", stream:result().text)
  end)

  it("shows what it has so far", function()
    local stream = relayed(streams(answer("a", { "wait", 1 }, "b"), answer("c")))
    repeat
      local event = stream:next()
    until event.type == "text"
    assert.equal("a", stream:partial().text)
    assert.is_true(stream:partial().is_decorated)
    assert.is_nil(stream:partial().outcome)
    assert.equal("rill.stream: m, running", tostring(stream))
  end)

  it("adds up metrics and lists the attempts of all", function()
    local list = streams(answer({ "wait", 1 }, "a", "b"), answer({ "wait", 3 }, "c"))
    local stream = relayed(list)
    stream:result()
    local metrics = stream:metrics()
    assert.equal("complete", metrics.outcome)
    assert.equal(2, metrics.turns)
    assert.equal(2, metrics.attempts)
    assert.equal(3, metrics.deltas)
    assert.equal(1, metrics.ttft)
    assert.equal(3, metrics.duration)
    assert.is_nil(metrics.cost)
    local trail = stream:attempts()
    assert.same({ 1, 2 }, { trail[1].turn, trail[2].turn })
  end)

  it("knows the cost only if that of every answer is known", function()
    local usage = [[{"choices":[],"usage":{"prompt_tokens":1000000,"completion_tokens":0}}]]
    local priced = { { "text", "a" }, { "event", STOP }, { "event", usage }, { "end", "done" } }
    ai = rill.client({ base_url = "https://x.test", prices = { m = { input = 2, output = 8 } } })
    local stream = relayed(streams(priced, priced))
    stream:result()
    assert.equal(4, stream:metrics().cost)
    assert.equal(2000000, stream:metrics().input_tokens)
    stream = relayed(streams(priced, answer("b")))
    stream:result()
    assert.is_nil(stream:metrics().cost)
  end)
end)

describe("closing a relay", function()
  it("closes the stream that is read, and opens no other", function()
    local list = streams(answer("a", { "wait", 9 }, "b"), answer("c"))
    local stream, policy = relayed(list)
    stream:next()
    stream:close()
    stream:close()
    assert.equal(1, fake.opened[1].closes)
    local event, err = stream:next()
    assert.is_nil(event)
    assert.equal("cancelled", err.kind)
    assert.equal("a", err.partial.text)
    assert.equal("cancelled", err.partial.outcome)
    assert.equal(1, policy.endings)
    assert.equal("rill.stream: m, cancelled", tostring(stream))
  end)

  it("between two streams is a cancelling, too", function()
    local stream, policy = relayed(streams(answer("a")), {
      after = function() end,
      advance = function()
        return "pending"
      end,
    })
    local err
    repeat
      err = select(2, stream:poll())
    until err
    assert.equal("pending", err)
    stream:close()
    err = select(2, stream:next())
    assert.equal("cancelled", err.kind)
    assert.equal("a", err.partial.text)
    assert.is_true(err.partial.is_decorated)
    assert.equal(1, policy.endings)
  end)

  it("wakes who waits for it in a task", function()
    local stream = relayed(streams({ { "wait", 1000 }, { "text", "a" } }))
    local kind
    rill.go(function()
      kind = select(2, stream:next()).kind
    end)
    rill.go(function()
      stream:close()
    end)
    rill.run()
    assert.equal("cancelled", kind)
  end)

  it("after the whole answer has arrived takes nothing back", function()
    local stream = relayed(streams(answer("a")))
    fake.engine():step(0)
    stream:close()
    assert.equal("a", stream:result().text)
    assert.is_nil((stream:next()))
  end)

  it("after its end drops the events that were not given", function()
    local stream = relayed(streams(answer("a")))
    stream:result()
    stream:close()
    assert.same({}, { stream:next() })
  end)
end)
