-- Server-sent events in every dress that servers put on them, through the whole of rill.

local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

local BOM = "\239\187\191"

-- The answer "Hello" in two texts.
local HELLO = sse.role() .. sse.chunk("Hel") .. sse.chunk("lo") .. sse.finish() .. sse.done()

local function assert_hello(seen, note)
  assert.is_nil(seen.err, note)
  assert.are.equal("Hello", seen.text, note)
  assert.are.equal("Hello", seen.reply.text, note)
  assert.are.equal("complete", seen.reply.outcome, note)
  assert.are.equal("start text text done", seen.types, note)
end

describe("an event stream is read", function()
  it("without the space after data:", function()
    assert_hello(ask.play((HELLO:gsub("data: ", "data:"))))
  end)

  it("with CRLF, LF and CR as line ends", function()
    assert_hello(ask.play((HELLO:gsub("\n", "\r\n"))))
    assert_hello(ask.play((HELLO:gsub("\n", "\r"))))
  end)

  it("with CRLF split between two packets, at every line end", function()
    assert_hello(ask.play((HELLO:gsub("\n", "\r\n")), { piece = 1 }))
  end)

  it("when a lone CR ends a packet and no LF follows it", function()
    local bytes = HELLO:gsub("\n", "\r")
    local cut = bytes:find("Hel", 1, true) and select(2, bytes:find("Hel.-\r\r"))
    local stream, route = ask.chat({
      { steps = { bytes:sub(1, cut), { wait = "read" }, bytes:sub(cut + 1) } },
    })
    assert.are.equal("start", stream:next(5).type)
    -- The second CR is the blank line: the text is there before anything follows.
    assert.are.equal("Hel", stream:next(5).text)
    require("spec.support.gateway").start():signal(route, "read")
    assert.are.equal("lo", stream:next(5).text)
    assert.are.equal("complete", stream:result().outcome)
  end)

  it("behind a byte order mark, whole and split", function()
    assert_hello(ask.play(BOM .. HELLO))
    assert_hello(ask.play(BOM .. HELLO, { piece = 1 }))
    assert_hello(ask.play(BOM .. HELLO, { piece = 2 }))
    assert_hello(ask.play(BOM .. HELLO, { headers = { ["Content-Type"] = "text/plain" } }))
  end)

  it("with comments: bare colons, OpenRouter's and DeepSeek's", function()
    local bytes = ":\n\n" .. ": OPENROUTER PROCESSING\n\n" .. sse.role() .. ": keep-alive\n\n"
      .. sse.chunk("Hel") .. ":\n" .. ":x\n\n" .. sse.chunk("lo") .. sse.finish() .. ": bye\n\n"
      .. sse.done()
    local seen, stream = ask.play(bytes)
    assert_hello(seen)
    assert.are.equal(6, stream:metrics().comments)
    assert.are.equal(5, stream:metrics().events)
  end)

  it("with empty data, which is no chunk and no mistake", function()
    local bytes = sse.role() .. "data:\n\n" .. sse.chunk("Hel") .. "data: \n\n" .. "data\n\n"
      .. sse.chunk("lo") .. sse.finish() .. sse.done()
    local seen, stream = ask.play(bytes)
    assert.is_nil(seen.err)
    assert.are.equal("Hello", seen.text)
    assert.are.equal(0, stream:metrics().malformed)
  end)

  it("with fields but no data, which is no event", function()
    local bytes = "event: ping\n\n" .. sse.role() .. "id: 7\n\n" .. sse.chunk("Hel")
      .. "retry: 9\n\n" .. "unknown: field\n\n" .. sse.chunk("lo") .. sse.finish() .. sse.done()
    assert_hello(ask.play(bytes))
  end)

  it("with one chunk in several data lines", function()
    local bytes = sse.role()
      .. 'data: {"choices":[{"index":0,\ndata: "delta":{"content":\ndata:"Hel"},\n'
      .. 'data: "finish_reason":null}]}\n\n'
      .. sse.chunk("lo") .. sse.finish() .. sse.done()
    assert_hello(ask.play(bytes))
    assert_hello(ask.play(bytes, { piece = 1 }))
  end)

  it("with event names that it does not know", function()
    assert_hello(ask.play((HELLO:gsub("data: {", "event: chunk\n%0"))))
  end)

  it("in packets of one byte, chunked, with a length and to the end of the connection", function()
    for _, framing in ipairs({ "chunked", "length", "close" }) do
      assert_hello(ask.play(HELLO, { piece = 1, framing = framing }), framing)
    end
  end)

  it("with 100,000 comments before the answer and 100,000 within", function()
    local many = (":\n\n"):rep(50000) .. (": keep-alive\n"):rep(50000)
    local bytes = many .. sse.role() .. sse.chunk("Hel") .. many .. sse.chunk("lo") .. sse.finish()
      .. sse.done()
    local seen, stream = ask.play(bytes)
    assert_hello(seen)
    assert.are.equal(200000, stream:metrics().comments)
  end)

  it("whatever else the Content-Type claims, if it looks like one", function()
    for _, kind in ipairs({
      "text/event-stream; charset=utf-8", "TEXT/Event-Stream", "application/octet-stream",
      "text/plain", "application/json",
    }) do
      assert_hello(ask.play(HELLO, { headers = { ["Content-Type"] = kind } }), kind)
    end
    assert_hello(ask.play(HELLO, { headers = { ["Content-Type"] = false } }), "none")
  end)

  it("when a server compresses it unasked", function()
    local pipe = assert(io.popen("printf '%s' '" .. HELLO:gsub("'", "'\\''") .. "' | gzip -c"))
    local zipped = pipe:read("*a")
    pipe:close()
    local seen, _, route = ask.play(zipped, {
      headers = { ["Content-Encoding"] = "gzip" }, framing = "length",
    })
    assert_hello(seen)
    local request = require("spec.support.gateway").start():requests(route)[1]
    assert.is_true(request.headers["accept-encoding"] == nil
      or request.headers["accept-encoding"] == "identity")
  end)

  it("when the compressed answer comes byte by byte, and not when it is cut", function()
    local pipe = assert(io.popen("printf '%s' '" .. HELLO:gsub("'", "'\\''") .. "' | gzip -c"))
    local zipped = pipe:read("*a")
    pipe:close()
    assert_hello(ask.play(zipped, { headers = { ["Content-Encoding"] = "gzip" }, piece = 1 }))
    local stream = ask.chat({
      { steps = { zipped:sub(1, -20) }, headers = { ["Content-Encoding"] = "gzip" } },
    }, { retry = { max = 0 } })
    local seen = ask.read(stream)
    assert.is_not_nil(seen.err)
    assert.are_not.equal("complete", seen.reply.outcome)
  end)
end)
