-- How an answer ends, and what the caller is told about it.  CURLE_OK proves nothing: each of these
-- looks like success to some client.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

local BEGUN = sse.role() .. sse.chunk("Hel") .. sse.chunk("lo")
local TOOL = sse.role()
  .. sse.delta('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x"}}]}')

-- Every way of ending the body without a word of the protocol.
local function play_each_framing(bytes, check)
  for _, framing in ipairs({ "chunked", "length", "close" }) do
    check(ask.play(bytes, { framing = framing }))
  end
end

local function assert_interrupted(seen, outcome)
  assert.are.equal("interrupted", seen.err and seen.err.kind)
  assert.are.equal(outcome, seen.err.partial.outcome)
  assert.are.equal(outcome, seen.reply.outcome)
  assert.are.equal("Hello", seen.err.partial.text)
  assert.are.equal("Hello", seen.text)
  assert.is_true(seen.err.retryable)
end

describe("an answer is complete", function()
  local function assert_complete(seen)
    assert.is_nil(seen.err)
    assert.are.equal("complete", seen.reply.outcome)
    assert.are.equal("Hello", seen.reply.text)
  end

  it("with [DONE] that has no blank line, no line end or spaces around it", function()
    for _, done in ipairs({
      "data: [DONE]\n", "data: [DONE]", "data:[DONE]\n\n", "data:  [DONE] \n\n", "data: [DONE]\r\n",
    }) do
      play_each_framing(BEGUN .. sse.finish() .. done, assert_complete)
      play_each_framing(BEGUN .. done, assert_complete) -- the terminator is evidence enough
    end
  end)

  it("without [DONE], when its finish reason came", function()
    play_each_framing(BEGUN .. sse.finish(), assert_complete)
    play_each_framing((BEGUN .. sse.finish()):sub(1, -2), assert_complete)
    play_each_framing((BEGUN .. sse.finish()):sub(1, -3), assert_complete)
  end)

  it("when the connection breaks after the finish reason", function()
    for _, step in ipairs({ { reset = true }, { close = true } }) do
      local stream, route = ask.chat({
        { steps = { BEGUN .. sse.finish(), { wait = "read" }, step } },
      })
      assert.are.equal("start", stream:next(5).type)
      assert.are.equal("text", stream:next(5).type)
      assert.are.equal("text", stream:next(5).type)
      Gateway.start():signal(route, "read")
      assert_complete(ask.read(stream))
      assert.are.equal(1, ask.count(route))
    end
  end)

  it("whatever follows [DONE]", function()
    local seen = ask.play(BEGUN .. sse.finish() .. sse.done() .. sse.chunk("never")
      .. sse.error("too late") .. "data: {bro")
    assert_complete(seen)
    assert.are.equal("start text text done", seen.types)
  end)

  it("and says it once when the finish reason comes twice", function()
    local seen = ask.play(BEGUN .. sse.finish("stop") .. sse.finish("stop") .. sse.done())
    assert_complete(seen)
    assert.are.equal("start text text done", seen.types)
  end)

  it("and is marked when no finish reason came", function()
    local seen, stream = ask.play(BEGUN .. sse.done())
    assert_complete(seen)
    assert.is_true(stream:metrics().unmarked)
    assert.is_nil(seen.reply.finish_reason)
  end)
end)

describe("an answer that is no error", function()
  it("is said to have been cut by its length", function()
    local seen = ask.play(BEGUN .. sse.finish("length") .. sse.done())
    assert.is_nil(seen.err)
    assert.are.equal("length", seen.reply.outcome)
    assert.are.equal("length", seen.reply.finish_reason)
    assert.are.equal("length", seen.events[#seen.events].outcome)
  end)

  it("is said to have been filtered", function()
    local seen = ask.play(BEGUN .. sse.finish("content_filter") .. sse.done())
    assert.is_nil(seen.err)
    assert.are.equal("filtered", seen.reply.outcome)
  end)

  it("is given without output when only the finish reason came", function()
    local seen = ask.play(sse.role() .. sse.finish() .. sse.done())
    assert.is_nil(seen.err)
    assert.are.equal("complete", seen.reply.outcome)
    assert.are.equal("", seen.reply.text)
  end)
end)

describe("an answer is truncated", function()
  it("when the body ends without finish reason and terminator", function()
    play_each_framing(BEGUN, function(seen)
      assert_interrupted(seen, "truncated")
    end)
  end)

  it("inside an event, in a character and in its line end", function()
    local thai = sse.chunk("ชา")
    for _, rest in ipairs({
      "d", "data", "data: ", "data: {", 'data: {"choices":[{"index":0,"delta":{"content":"x',
      thai:sub(1, thai:find("ช", 1, true)), sse.chunk("x"):sub(1, -6),
    }) do
      play_each_framing(BEGUN .. rest, function(seen, stream)
        assert_interrupted(seen, "truncated")
        assert.is_true(stream:metrics().unfinished or rest == "d" or rest == "data"
          or rest == "data: ", rest)
      end)
    end
  end)

  it("in the arguments of a tool call, with a finish reason and without", function()
    for _, bytes in ipairs({ TOOL, TOOL .. sse.done(), TOOL .. sse.finish("tool_calls"),
      TOOL .. sse.finish("tool_calls") .. sse.done() }) do
      local seen = ask.play(bytes)
      assert.are.equal("interrupted", seen.err and seen.err.kind)
      assert.are.equal("truncated", seen.reply.outcome)
      assert.are.equal('{"x', seen.err.partial.tool_calls[1].arguments)
    end
  end)

  it("but not in a tool call that the length limit cut", function()
    local seen = ask.play(TOOL .. sse.finish("length") .. sse.done())
    assert.is_nil(seen.err)
    assert.are.equal("length", seen.reply.outcome)
  end)

  it("when one choice of two never finished", function()
    local stream = ask.chat({ sse.chunk("a", 0) .. sse.chunk("b", 1) .. sse.finish("stop", 0) },
      nil, { n = 2 })
    local seen = ask.read(stream)
    assert.are.equal("interrupted", seen.err.kind)
    assert.are.equal("truncated", seen.reply.outcome)
  end)

  it("when it is only a terminator", function()
    local seen = ask.play(sse.done())
    assert.are.equal("interrupted", seen.err.kind)
    assert.are.equal("truncated", seen.reply.outcome)
  end)
end)

describe("an answer is broken", function()
  local function play_until_read(step)
    local stream, route = ask.chat({ { steps = { BEGUN, { wait = "read" }, step } } })
    for _ = 1, 3 do
      assert.is_truthy(stream:next(5))
    end
    Gateway.start():signal(route, "read")
    local event, err = stream:next(5)
    assert.is_nil(event)
    assert.are.equal(1, ask.count(route))
    return { err = err, reply = stream:partial(), text = "Hello" }
  end

  it("when the connection is reset after output", function()
    assert_interrupted(play_until_read({ reset = true }), "broken")
  end)

  it("when the connection is closed inside the chunked framing", function()
    assert_interrupted(play_until_read({ close = true }), "broken")
  end)

  it("when the connection is closed before its length", function()
    local stream, route = ask.chat({ {
      headers = { ["Content-Length"] = 10000 }, framing = "length",
      steps = { BEGUN, { close = true } },
    } })
    assert_interrupted(ask.read(stream), "broken")
    assert.are.equal(1, ask.count(route))
  end)

  it("when the framing is nonsense: kind protocol", function()
    local seen = play_until_read({ raw = "this is no chunk\r\n" })
    assert.are.equal("protocol", seen.err.kind)
    assert.are.equal("broken", seen.reply.outcome)
    assert.are.equal("Hello", seen.err.partial.text)
  end)
end)

describe("a malformed chunk", function()
  local bad = { "{bad", '{"choices":[{"index":0,"delta":{"content":"x"}}]', "nonsense", "[1,",
    '{"a":1}{"b":2}', '"just text"', "17" }

  it("is an event of its own, is counted, and the answer goes on", function()
    for _, payload in ipairs(bad) do
      local seen, stream = ask.play(BEGUN .. sse.event(payload) .. sse.chunk("!") .. sse.finish()
        .. sse.done())
      assert.is_nil(seen.err, payload)
      assert.are.equal("Hello!", seen.text, payload)
      assert.are.equal("start text text other text done", seen.types, payload)
      assert.is_true(seen.events[4].malformed, payload)
      assert.are.equal(1, stream:metrics().malformed, payload)
    end
  end)

  it("is the last one when it is the third: kind malformed, with the partial reply", function()
    local seen, stream, route = ask.play(BEGUN .. sse.event(bad[1]) .. sse.chunk("!")
      .. sse.event(bad[2]) .. sse.event(bad[3]) .. sse.chunk("never") .. sse.finish() .. sse.done())
    assert.are.equal("malformed", seen.err.kind)
    assert.are.equal("Hello!", seen.err.partial.text)
    assert.are.equal("Hello!", seen.reply.text)
    assert.are.equal("broken", seen.reply.outcome)
    assert.are.equal(3, stream:metrics().malformed)
    assert.are.equal(1, ask.count(route))
  end)

  it("ends the stream as soon as limits.malformed says", function()
    local stream, route = ask.chat({ { steps = { BEGUN .. sse.event(bad[1]), { stall = true } } } },
      { limits = { malformed = 1 } })
    local seen = ask.read(stream)
    assert.are.equal("malformed", seen.err.kind)
    assert.is_truthy(Gateway.start():wait(route, "closed", 1, 5))
  end)

  it("is seen by text() and result() as well", function()
    local route = Gateway.start():script({
      BEGUN .. sse.event(bad[1]) .. sse.event(bad[2]) .. sse.event(bad[3]) .. sse.done(),
    })
    local stream = ask.client(route):chat(ask.request())
    local reply, err = stream:result()
    assert.is_nil(reply)
    assert.are.equal("malformed", err.kind)
    assert.are.equal("Hello", err.partial.text)
  end)
end)
