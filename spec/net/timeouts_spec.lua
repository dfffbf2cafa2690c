-- Each timeout has its own clock, and its error names the option.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local socket = require("socket")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local SHORT = 0.06

-- Comments (or whatever), one each 20 ms, for some seconds.
local function drip(bytes, seconds)
  local steps = {}
  for _ = 1, seconds / 0.02 do
    steps[#steps + 1] = bytes
    steps[#steps + 1] = { sleep = 0.02 }
  end
  return steps
end

local function with(first, steps)
  table.insert(steps, 1, first)
  return steps
end

-- Lets time pass while the engine works.
local function pass(seconds)
  local engine, deadline = require("rill").engine(), socket.gettime() + seconds
  repeat
    engine:step(math.max(deadline - socket.gettime(), 0))
  until socket.gettime() >= deadline
end

-- Plays one attempt with one short timeout and expects it to ring.
local function expect(name, attempt, options)
  options = options or {}
  local stream, route
  local settings = { timeout = { [name] = SHORT }, retry = { max = options.max or 0 } }
  if attempt then
    stream, route = ask.chat({ attempt }, settings)
  else
    stream = ask.client(options.url, settings):chat(ask.request())
  end
  local seen = ask.read(stream)
  local took = stream:metrics().duration
  local err = seen.err
  assert.is_truthy(err)
  assert.are.equal("timeout", err.kind)
  assert.are.equal(name, err.phase)
  assert.is_truthy(err.message:find("timeout." .. name, 1, true), err.message)
  assert.is_truthy(tostring(err):find(tostring(SHORT), 1, true))
  assert.are.equal("broken", seen.reply.outcome)
  assert.is_true(took >= SHORT - 0.002, tostring(took))
  assert.is_true(took < 5, tostring(took)) -- the next timeout by default is 10
  return err, route, stream
end

describe("timeout.connect", function()
  it("covers a TLS handshake that never comes", function()
    local err = expect("connect", nil,
      { url = "https://127.0.0.1:" .. gateway.silent_port .. "/v1" })
    assert.is_true(err.retryable)
  end)

  it("covers a TCP connection that nobody accepts", function()
    local listener = assert(socket.tcp4())
    assert(listener:bind("127.0.0.1", 0))
    assert(listener:listen(0))
    local _, port = listener:getsockname()
    local fill = {}
    for i = 1, 4 do -- the backlog is full: further connections are never answered
      fill[i] = socket.tcp4()
      fill[i]:settimeout(0)
      fill[i]:connect("127.0.0.1", port)
    end
    expect("connect", nil, { url = "http://127.0.0.1:" .. port .. "/v1" })
    for _, sock in ipairs(fill) do
      sock:close()
    end
    listener:close()
  end)

  it("is tried again", function()
    local began = socket.gettime()
    local err = expect("connect", nil,
      { url = "https://127.0.0.1:" .. gateway.silent_port .. "/v1", max = 1 })
    assert.are.equal(2, err.attempts)
    assert.is_true(socket.gettime() - began >= 2 * SHORT)
  end)

  it("does not run once the connection stands", best_of(3, function()
    local stream, route = ask.chat(
      { { before = { { wait = "go" } }, steps = { sse.answer("x") } } },
      { timeout = { connect = 0.05 } })
    pass(0.12)
    gateway:signal(route, "go")
    assert.are.equal("x", stream:result().text)
  end))
end)

describe("timeout.first_byte", function()
  it("covers a server that says nothing", function()
    local err, route = expect("first_byte", { before = { { stall = true } } })
    assert.is_true(err.retryable)
    assert.is_truthy(gateway:wait(route, "closed", 1, 5))
  end)

  it("covers headers that never end", function()
    expect("first_byte", {
      head = "HTTP/1.1 200 OK\r\n",
      steps = { { raw = "A: b\r\n" }, { sleep = 0.02 }, { raw = "C: d\r\n" }, { stall = true } },
    })
  end)

  it("is tried again", function()
    local err, route = expect("first_byte", { before = { { stall = true } } }, { max = 2 })
    assert.are.equal(3, err.attempts)
    assert.are.equal(3, ask.count(route))
  end)

  it("does not run once the headers are there", best_of(3, function()
    local stream, route = ask.chat({ { steps = { ":\n\n", { wait = "go" }, sse.answer("x") } } },
      { timeout = { first_byte = 0.05 } })
    pass(0.12)
    gateway:signal(route, "go")
    assert.are.equal("x", stream:result().text)
  end))
end)

describe("timeout.first_output", function()
  it("covers a server that only says that it is alive", best_of(3, function()
    local err = expect("first_output", { steps = drip(": keep-alive\n\n", 1) })
    assert.is_true(err.retryable)
    assert.is_truthy(err.message:find("comments received", 1, true))
  end))

  it("covers a server that only sends chunks without output", function()
    expect("first_output", { steps = drip(sse.role(), 1) })
    expect("first_output", { steps = drip(sse.usage(1, 0), 1) })
  end)

  it("covers a server that says nothing at all", function()
    expect("first_output", { before = { { stall = true } } })
  end)

  it("is tried again, and the second answer counts from its own start", best_of(3, function()
    local stream, route = ask.chat({
      { steps = drip(":\n\n", 1) },
      { steps = with({ sleep = SHORT / 2 }, { sse.answer("x") }) },
    }, { timeout = { first_output = SHORT } })
    assert.are.equal("x", stream:result().text)
    assert.are.equal(2, ask.count(route))
  end))

  it("does not run once there was output of any sort", best_of(3, function()
    for _, chunk in ipairs({ sse.chunk("x"), sse.delta('{"reasoning_content":"hm"}') }) do
      local stream, route = ask.chat({
        { steps = { sse.role() .. chunk, { wait = "go" }, sse.finish() .. sse.done() } },
      }, { timeout = { first_output = 0.05 } })
      pass(0.12)
      gateway:signal(route, "go")
      assert.is_nil(select(2, stream:result()))
    end
  end))
end)

describe("timeout.idle", function()
  it("covers a stream that falls silent, and keeps what there was", best_of(3, function()
    local err, route = expect("idle",
      { steps = { sse.role() .. sse.chunk("Hel"), { stall = true } } })
    assert.are.equal("Hel", err.partial.text)
    assert.are.equal(1, ask.count(route))
    assert.is_truthy(gateway:wait(route, "closed", 1, 5))
  end))

  it("covers a stream that falls silent before its output, and is then tried again", function()
    local err, route = expect("idle", { steps = { sse.role(), { stall = true } } }, { max = 1 })
    assert.are.equal(2, err.attempts)
    assert.are.equal(2, ask.count(route))
  end)

  it("is put off by any byte, comments included", best_of(3, function()
    local stream = ask.chat({
      { steps = with(sse.chunk("x"), drip(":\n", 0.8)), after = nil },
    }, { timeout = { idle = 0.4 } })
    local seen = ask.read(stream)
    assert.are.equal("interrupted", seen.err.kind) -- it ended without a finish reason
    assert.is_true(stream:metrics().duration > 0.6)
  end))
end)

describe("timeout.progress", function()
  it("covers pings that keep a dead model alive", best_of(3, function()
    local err, route = expect("progress",
      { steps = with(sse.role() .. sse.chunk("Hel"), drip(": ping\n\n", 1)) })
    assert.are.equal("Hel", err.partial.text)
    assert.are.equal(1, ask.count(route))
    assert.is_truthy(err.message:find("alive", 1, true))
  end))

  it("covers chunks without output", function()
    expect("progress", { steps = with(sse.role() .. sse.chunk("Hel"), drip(sse.role(), 1)) })
  end)

  it("is put off by output", best_of(3, function()
    local stream = ask.chat({ { steps = with(sse.role(), drip(sse.chunk("x"), 0.8)) } },
      { timeout = { progress = 0.4 } })
    local seen = ask.read(stream)
    assert.are.equal("interrupted", seen.err.kind)
    assert.are.equal(("x"):rep(40), seen.text)
  end))
end)

describe("timeout.total", function()
  it("covers an answer that never ends", function()
    local err = expect("total", { steps = drip(sse.chunk("x"), 1) })
    assert.is_truthy(err.partial.text:find("^x+$"))
    assert.is_false(err.retryable)
  end)

  it("covers all attempts and the waits between them", best_of(3, function()
    local stream, route = ask.chat({
      { before = { { sleep = 0.05 } }, status = 503, framing = "length" },
      { before = { { sleep = 0.05 } }, status = 503, framing = "length" },
      { before = { { stall = true } } },
    }, { timeout = { total = 1 }, retry = { base = 0.04, factor = 1 } })
    local _, err = stream:result()
    assert.are.equal("timeout", err.kind)
    assert.are.equal("total", err.phase)
    assert.are.equal(3, ask.count(route))
    assert.are.equal(3, err.attempts)
    local took = stream:metrics().duration
    assert.is_true(took >= 0.999 and took < 5, tostring(took))
  end))

  it("is not repeated", function()
    local _, route = expect("total", { before = { { stall = true } } }, { max = 3 })
    assert.are.equal(1, ask.count(route))
  end)

  it("runs for a stream that nobody reads", best_of(3, function()
    local stream = ask.chat({
      { steps = { sse.role() .. sse.chunk(sse.filler(2000)), { stall = true } } },
    }, { timeout = { total = SHORT } })
    pass(2 * SHORT)
    local seen = ask.read(stream)
    assert.are.equal("total", seen.err.phase)
    assert.are.equal(2000, #seen.err.partial.text)
  end))
end)

describe("a timeout of false", function()
  it("is none", function()
    ask.forget_connections() -- and with them what earlier specs left to drain
    local stream, route = ask.chat(
      { { before = { { wait = "go" } }, steps = { sse.answer("x") } } },
      { timeout = { connect = false, first_byte = false, first_output = false, idle = false,
        progress = false, total = false } })
    assert.same({ nil, "timeout" }, { stream:next(0.03) })
    gateway:signal(route, "go")
    assert.are.equal("x", stream:result().text)
  end)
end)

describe("a stream that is paused", function()
  it("does not age: only timeout.total runs", best_of(3, function()
    local texts = {}
    for i = 1, 2000 do
      texts[i] = sse.filler(100)
    end
    local stream = ask.chat({ sse.answer(texts) }, {
      limits = { buffer = 1000 },
      timeout = { first_output = SHORT, idle = SHORT, progress = SHORT },
    })
    pass(3 * SHORT)
    assert.is_true(stream:metrics().pauses > 0)
    local seen = ask.read(stream)
    assert.is_nil(seen.err)
    assert.are.equal(200000, #seen.text)
  end))

  it("ages again once it is read", best_of(3, function()
    local stream = ask.chat({
      { steps = { sse.role(), sse.chunk(sse.filler(100)):rep(1000), { stall = true } } },
    }, { limits = { buffer = 1000 }, timeout = { idle = SHORT } })
    pass(2 * SHORT)
    assert.is_true(stream:metrics().pauses > 0)
    local seen = ask.read(stream)
    assert.are.equal("idle", seen.err and seen.err.phase)
    assert.are.equal(100000, #seen.text)
  end))
end)

describe("stream:next(seconds)", function()
  it("returns nil and \"timeout\", and the stream goes on", function()
    local stream, route = ask.chat({
      { steps = { sse.role() .. sse.chunk("a"), { wait = "go" }, sse.chunk("b") .. sse.finish()
        .. sse.done() } },
    })
    assert.are.equal("start", stream:next(5).type)
    assert.are.equal("a", stream:next(5).text)
    local began = socket.gettime()
    assert.same({ nil, "timeout" }, { stream:next(0.05) })
    assert.is_true(socket.gettime() - began >= 0.049)
    assert.same({ nil, "timeout" }, { stream:next(0) })
    gateway:signal(route, "go")
    assert.are.equal("b", stream:next(5).text)
    assert.are.equal("done", stream:next(5).type)
    assert.is_nil((stream:next(5)))
    assert.are.equal("ab", stream:partial().text)
  end)
end)
