-- Many streams at once from one script.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local handles = require("spec.support.handles")
local rill = require("rill")
local socket = require("socket")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local COUNT = 200

-- An answer of its own for each request, in several packets.
local function answer_of(i)
  local steps, text = { sse.role() }, {}
  for k = 1, 10 do
    text[k] = ("%d-%d "):format(i, k)
    steps[#steps + 1] = sse.chunk(text[k])
    if k % 4 == 0 then
      steps[#steps + 1] = { sleep = 0.01 }
    end
  end
  steps[#steps + 1] = sse.finish() .. sse.done()
  return { steps = steps }, table.concat(text)
end

describe("two hundred streams in tasks", function()
  it("are each complete and right, and give everything back", function()
    local attempts, texts = {}, {}
    for i = 1, COUNT do
      attempts[i], texts[i] = answer_of(i)
    end
    local client = ask.client(gateway:script(attempts))
    ask.forget_connections()
    rill.engine()
    local before = handles.count()
    local answers, outcomes = {}, {}
    for i = 1, COUNT do
      rill.go(function()
        local stream = client:chat(ask.request())
        local reply = assert(stream:result())
        answers[i], outcomes[i] = reply.text, reply.outcome
      end)
    end
    rill.run()
    -- Which request is which is the network's choice; each answer is there once.
    table.sort(answers)
    table.sort(texts)
    assert.same(texts, answers)
    for i = 1, COUNT do
      assert.are.equal("complete", outcomes[i])
    end
    assert.is_true(handles.count() > before) -- connections that are kept for the next requests
    ask.forget_connections()
    rill.engine()
    assert.are.equal(before, handles.count())
  end)

  it("run side by side: all are asked before the first is answered", function()
    local route = gateway:script({ { steps = { sse.role(), { wait = "go" }, sse.answer("x") } } })
    local client = ask.client(route)
    local done = 0
    for _ = 1, COUNT do
      rill.go(function()
        assert(client:chat(ask.request()):result())
        done = done + 1
      end)
    end
    assert.is_truthy(gateway:wait(route, "requests", COUNT, 10, function()
      rill.step(0)
    end))
    assert.are.equal(0, done)
    gateway:signal(route, "go")
    rill.run()
    assert.are.equal(COUNT, done)
  end)

  it("leave each other alone when some fail", function()
    local attempts = {}
    for i = 1, 40 do
      attempts[i] = i % 4 == 0 and { status = 401, framing = "length" }
        or i % 4 == 1 and { steps = { sse.role() .. sse.chunk("Hel"), { close = true } } }
        or sse.answer("fine")
    end
    local client = ask.client(gateway:script(attempts), { retry = { max = 0 } })
    local counts = {}
    for _ = 1, 40 do
      rill.go(function()
        local reply, err = client:chat(ask.request()):result()
        local name = reply and reply.text or err.kind
        counts[name] = (counts[name] or 0) + 1
      end)
    end
    rill.run()
    assert.same({ fine = 20, auth = 10, interrupted = 10 }, counts)
  end)
end)

describe("a task that yields by itself", function()
  it("is not held up by a stream that is silent", function()
    local stream = ask.chat({ { before = { { stall = true } } } })
    local rounds, outcome = 0
    rill.go(function()
      outcome = select(2, stream:result()).kind
    end)
    rill.go(function()
      for _ = 1, 50 do
        rounds = rounds + 1
        coroutine.yield()
      end
      stream:close()
    end)
    local began = socket.gettime()
    rill.run()
    assert.are.equal(50, rounds)
    assert.are.equal("cancelled", outcome)
    assert.is_true(socket.gettime() - began < 10)
  end)
end)

describe("a wait on the main thread", function()
  it("lets the tasks go on", function()
    local quick = gateway:script({ sse.answer("quick") })
    local slow = gateway:script({ { steps = { sse.role(), { wait = "go" }, sse.answer("slow") } } })
    local answer
    rill.go(function()
      answer = ask.client(quick):chat(ask.request()):result().text
      gateway:signal(slow, "go") -- only the task can end the wait
    end)
    assert.are.equal("slow", ask.client(slow):chat(ask.request()):result().text)
    assert.are.equal("quick", answer)
    rill.run()
  end)
end)

describe("rill.step", function()
  it("of 0 never waits", best_of(5, function()
    local route = gateway:script({ { before = { { wait = "go" } }, steps = { sse.answer("x") } } })
    local text
    rill.go(function()
      text = ask.client(route):chat(ask.request()):result().text
    end)
    local longest = 0
    for _ = 1, 200 do
      local began = socket.gettime()
      assert.are.equal(1, rill.step(0))
      longest = math.max(longest, socket.gettime() - began)
    end
    gateway:signal(route, "go")
    while rill.step(1) > 0 do
      assert.is_nil(text)
    end
    assert.are.equal("x", text)
    assert.is_true(longest < 0.05, tostring(longest)) -- last: nothing is left for another run
  end))

  it("waits as long as it is told when nothing happens, and no longer", best_of(5, function()
    local stream = ask.chat({ { before = { { stall = true } } } })
    gateway:wait({ id = tostring(gateway.routes) }, "requests", 1, 5, function()
      rill.step(0)
    end)
    rill.step(0.3) -- what libcurl had still to do
    local began = socket.gettime()
    rill.engine():step(0.05)
    local took = socket.gettime() - began
    assert.is_true(took < 0.2, tostring(took))
    stream:close()
  end))
end)
