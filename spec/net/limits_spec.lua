-- Memory is bounded: what has no end becomes an error of kind `limit` with what had arrived, and a
-- reader that is too slow slows the server down.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local EVENT = 65536 -- limits.event in these specs
local BEGUN = sse.role() .. sse.chunk("Hel")

-- Plays an attempt that would never end by itself.
local function endless(attempt, options)
  attempt.after = { { stall = true } }
  options = options or {}
  options.retry = options.retry or { max = 0 }
  local stream, route = ask.chat({ attempt }, options)
  local seen = ask.read(stream)
  assert.are.equal("limit", seen.err and seen.err.kind)
  assert.is_truthy(gateway:wait(route, "closed", 1, 5)) -- and nobody listens any longer
  return seen, stream, route
end

describe("limits.event", function()
  for name, bytes in by_name({
    ["an endless data line"] = "data: " .. ("x"):rep(3 * EVENT),
    ["an endless comment"] = ":" .. ("x"):rep(3 * EVENT),
    ["an endless field name"] = ("d"):rep(3 * EVENT),
    ["an event of endless lines"] = ("data: xxxxxxxx\n"):rep(3 * EVENT / 8),
  }) do
    it("ends " .. name .. " with an error that carries the partial reply", function()
      local seen, stream = endless({ steps = { BEGUN .. bytes } }, { limits = { event = EVENT } })
      assert.is_truthy(seen.err.message:find("limits.event", 1, true))
      assert.is_truthy(seen.err.message:find(EVENT, 1, true))
      assert.are.equal("Hel", seen.err.partial.text)
      assert.are.equal("broken", seen.reply.outcome)
      assert.is_false(seen.err.retryable)
      assert.is_true(stream:metrics().bytes < 3 * EVENT)
    end)
  end

  it("ends it byte by byte as well, and before any output without a retry", function()
    local _, _, route = endless({ steps = { "data: " .. ("x"):rep(3000) }, piece = 1 },
      { limits = { event = 1000 }, retry = { max = 2 } })
    assert.are.equal(1, ask.count(route))
  end)

  it("counts what gzip unfolds to", function()
    local pipe = io.popen("(printf 'data: '; head -c 4000000 /dev/zero | tr '\\0' x) | gzip -9c")
    local zipped = pipe:read("*a")
    pipe:close()
    assert.is_true(#zipped < EVENT)
    local seen = endless({ headers = { ["Content-Encoding"] = "gzip" }, steps = { zipped } },
      { limits = { event = EVENT } })
    assert.is_truthy(seen.err.message:find("limits.event", 1, true))
  end)

  it("lets an event of just that size pass", function()
    local long = sse.chunk(("x"):rep(EVENT - 500))
    local stream = ask.chat({ BEGUN .. long .. sse.finish() .. sse.done() },
      { limits = { event = EVENT } })
    assert.are.equal(3 + EVENT - 500, #stream:result().text)
  end)

  it("is wide enough by itself for 12 MiB in one delta", function()
    local text = sse.filler(12 * 1024 * 1024)
    local stream = ask.chat({ sse.answer({ "a", text, "b" }) })
    local reply, err = stream:result()
    assert.is_nil(err)
    assert.is_true(reply.text == "a" .. text .. "b")
  end)
end)

describe("the limit of response headers", function()
  it("ends headers without end", function()
    for name, head in pairs({
      ["many lines"] = "HTTP/1.1 200 OK\r\n" .. ("X-Filler: " .. ("y"):rep(90) .. "\r\n"):rep(2000),
      ["one line"] = "HTTP/1.1 200 OK\r\nX-Filler: " .. ("y"):rep(300000),
      ["no line at all"] = "HTTP/1.1 200 " .. ("y"):rep(300000),
    }) do
      local seen = endless({ head = head })
      assert.is_truthy(seen.err.message:find("^response headers longer"), name)
      assert.are.equal("headers", seen.err.phase, name)
      assert.are.equal("", seen.err.partial.text, name)
    end
  end)

  it("lets 60 KiB pass", function()
    local stream = ask.chat({ {
      headers = { ["X-Filler"] = ("y"):rep(30000), ["Y-Filler"] = ("y"):rep(30000) },
      steps = { sse.answer("fine") },
    } })
    assert.are.equal("fine", stream:result().text)
  end)
end)

describe("limits.error_body", function()
  it("ends an error body without end, and the status still counts", function()
    local stream, route = ask.chat({ {
      status = 503, steps = { ("<p>sorry</p>"):rep(20000) }, after = { { stall = true } },
    } }, { retry = { max = 1 } })
    local seen = ask.read(stream)
    assert.are.equal("limit", seen.err.kind)
    assert.are.equal(503, seen.err.status)
    assert.is_truthy(seen.err.message:find("limits.error_body", 1, true))
    assert.is_true(seen.err.retryable)
    assert.are.equal(2, ask.count(route))
    assert.is_truthy(gateway:wait(route, "closed", 2, 5))
    assert.is_true(#tostring(seen.err) < 400)
  end)

  it("ends a page in place of an event stream", function()
    local seen = endless({
      headers = { ["Content-Type"] = "text/html" }, steps = { "<html>" .. ("x"):rep(200000) },
    })
    assert.is_truthy(seen.err.message:find("limits.error_body", 1, true))
  end)

  it("is the caller's to choose", function()
    local stream = ask.chat({ { status = 400, steps = { ("x"):rep(2000) } } },
      { limits = { error_body = 1000 } })
    assert.are.equal("limit", select(2, stream:result()).kind)
    stream = ask.chat({ { status = 400, steps = { ("x"):rep(900) } } },
      { limits = { error_body = 1000 } })
    assert.are.equal("bad_request", select(2, stream:result()).kind)
  end)
end)

describe("limits.buffer", function()
  local MIB = 1024 * 1024

  -- 8 MiB of text in deltas of 1 KiB.
  local function big_answer()
    local chunk = sse.chunk(sse.filler(1024))
    return { steps = { sse.role(), chunk:rep(8 * 1024), sse.finish(), sse.done() } }
  end

  -- Drives the engine until the transfer has been paused and nothing moves any longer.
  local function wait_for_pause(stream)
    local engine = require("rill").engine()
    repeat
      engine:step(0.02)
      engine:ready()
    until stream:metrics().pauses > 0
    for _ = 1, 20 do
      engine:step(0.002)
      engine:ready()
    end
    return stream:metrics().bytes
  end

  -- metrics() looks at the numbers only; nothing is taken.
  it("stops a server that nobody listens to, and all of it arrives in the end", function()
    for _, buffer in ipairs({ 1000, 100000, MIB }) do
      local stream = ask.chat({ big_answer() }, { limits = { buffer = buffer } })
      local received = wait_for_pause(stream)
      -- One read of libcurl's may go beyond the limit, and a delta is smaller than its chunk.
      assert.is_true(received < 1.4 * buffer + 128 * 1024, buffer .. ": " .. received)
      local seen = ask.read(stream)
      assert.is_nil(seen.err)
      assert.are.equal(8 * MIB, #seen.reply.text)
      assert.is_true(seen.reply.text == sse.filler(1024):rep(8 * 1024))
      assert.is_true(stream:metrics().pauses > 1)
    end
  end)

  it("works for text() and tasks alike", function()
    local rill = require("rill")
    local total = 0
    local stream = ask.chat({ big_answer() }, { limits = { buffer = 10000 } })
    rill.go(function()
      local text = stream:next()
      while text do
        total = total + (text.type == "text" and #text.text or 0)
        text = stream:next()
      end
    end)
    rill.run()
    assert.are.equal(8 * MIB, total)
    assert.is_true(stream:metrics().pauses > 1)
    stream = ask.chat({ big_answer() }, { limits = { buffer = 10000 } })
    assert.are.equal(8 * MIB, #stream:result().text)
  end)

  it("stops one slow reader and not the others", function()
    local slow = ask.chat({ big_answer() }, { limits = { buffer = 10000 } })
    wait_for_pause(slow)
    local before = slow:metrics().bytes
    assert.are.equal("quick", ask.chat({ sse.answer("quick") }):result().text)
    assert.are.equal(before, slow:metrics().bytes)
    assert.are.equal(8 * MIB, #slow:result().text)
  end)

  it("does not keep a single event from passing that is larger", function()
    local stream = ask.chat({ sse.answer({ "a", sse.filler(300000), "b" }) },
      { limits = { buffer = 100 } })
    assert.are.equal(300002, #stream:result().text)
  end)
end)
