-- Errors that come inside an answer whose status says that all is well.

local ask = require("spec.support.ask")
local by_name = require("spec.support.by_name")
local sse = require("spec.support.sse")

local FINE = sse.answer("fine")

-- The shapes of an error event: each says "overloaded now", code 503.
local SHAPES = {
  ["named, nested"] = 'event: error\ndata: {"error":{"message":"overloaded now","code":503}}\n\n',
  ["named, flat"] = 'event: error\ndata: {"message":"overloaded now","code":503}\n\n',
  ["named, with type error"] =
    'event: error\ndata: {"type":"error","error":{"message":"overloaded now","code":503}}\n\n',
  ["bare data"] = 'data: {"error":{"message":"overloaded now","code":503}}\n\n',
  ["code as text"] = 'data: {"error":{"message":"overloaded now","code":"503"}}\n\n',
  ["code beside it"] = 'data: {"error":"overloaded now","code":503}\n\n',
  ["flat with type error"] = 'data: {"type":"error","message":"overloaded now","code":503}\n\n',
  ["field error"] = 'error: {"message":"overloaded now","code":503}\n\n',
  ["field error, nested"] = 'error: {"error":{"message":"overloaded now","code":503}}\n\n',
  ["OpenRouter's"] = 'data: {"id":"g","choices":[{"index":0,"delta":{"content":""},'
    .. '"finish_reason":"error"}],"error":{"message":"overloaded now","code":503}}\n\n',
}

describe("an error event", function()
  for name, bytes in by_name(SHAPES) do
    it("before any output is retried (" .. name .. ")", function()
      local stream, route = ask.chat({ sse.role() .. bytes .. sse.done(), bytes, FINE })
      local seen = ask.read(stream)
      assert.is_nil(seen.err)
      assert.are.equal("fine", seen.reply.text)
      assert.are.equal("complete", seen.reply.outcome)
      assert.are.equal(3, ask.count(route))
      local reasons = {}
      for _, event in ipairs(seen.events) do
        reasons[#reasons + 1] = event.type == "retry" and event.reason or nil
      end
      assert.same({ "overloaded now", "overloaded now" }, reasons)
    end)

    it("before any output is the error when retries run out (" .. name .. ")", function()
      local stream, route = ask.chat({ bytes }, { retry = { max = 1 } })
      local seen = ask.read(stream)
      assert.are.equal("api", seen.err.kind)
      assert.are.equal("overloaded now", seen.err.message)
      assert.are.equal("503", seen.err.code)
      assert.is_true(seen.err.retryable)
      assert.are.equal(2, seen.err.attempts)
      assert.are.equal(2, ask.count(route))
      assert.are.equal("provider_error", seen.reply.outcome)
    end)

    it("after output ends the stream with the partial reply (" .. name .. ")", function()
      local stream, route = ask.chat({
        { headers = { ["x-request-id"] = "req_1" }, steps = {
          sse.role() .. sse.chunk("Hel") .. bytes .. sse.chunk("never") .. sse.done(),
        } },
      })
      local seen = ask.read(stream)
      assert.are.equal("api", seen.err and seen.err.kind)
      assert.are.equal("overloaded now", seen.err.message)
      assert.are.equal("503", seen.err.code)
      assert.is_true(seen.err.retryable)
      assert.are.equal("req_1", seen.err.request_id)
      assert.are.equal("Hel", seen.err.partial.text)
      assert.are.equal("Hel", seen.text)
      assert.are.equal("provider_error", seen.reply.outcome)
      assert.are.equal(1, ask.count(route))
    end)
  end

  it("that a retry cannot help is not retried", function()
    for _, body in ipairs({
      '{"message":"no","type":"invalid_request_error","code":"unsupported_value"}',
      '{"message":"no","code":401}', '{"message":"no","type":"authentication_error"}',
      '{"message":"no","code":"insufficient_quota"}', '{"message":"no","code":402}',
    }) do
      local stream, route = ask.chat({ sse.event('{"error":' .. body .. "}"), FINE })
      local seen = ask.read(stream)
      assert.are.equal("api", seen.err and seen.err.kind, body)
      assert.is_false(seen.err.retryable, body)
      assert.are.equal(1, ask.count(route), body)
    end
  end)

  it("may be a text, or nothing at all", function()
    local seen = ask.play(sse.role() .. sse.chunk("x") .. "event: error\ndata: out of luck\n\n")
    assert.are.equal("api", seen.err.kind)
    assert.are.equal("out of luck", seen.err.message)
    seen = ask.play(sse.role() .. sse.chunk("x") .. "event: error\ndata:\n\n")
    assert.are.equal("api", seen.err.kind)
    assert.is_truthy(seen.err.message:find("%S"))
  end)

  it("is not seen where a chunk only mentions errors", function()
    local seen = ask.play(sse.role() .. sse.event('{"error":null,"choices":[{"index":0,'
      .. '"delta":{"content":"\\"error\\": no"}}]}') .. sse.finish() .. sse.done())
    assert.is_nil(seen.err)
    assert.are.equal('"error": no', seen.text)
  end)

  it("after the finish reason is still an error", function()
    local seen = ask.play(sse.role() .. sse.chunk("x") .. sse.finish() .. sse.error("late"))
    assert.are.equal("api", seen.err and seen.err.kind)
    assert.are.equal("x", seen.err.partial.text)
  end)

  it("says after output, too, whether asking again may help", function()
    for said, expected in pairs({
      ['{"message":"a","type":"server_error"}'] = true,
      ['{"message":"a","code":503}'] = true,
      ['{"message":"a","code":400}'] = false,
      ['{"message":"a","type":"invalid_request_error"}'] = false,
      ['{"message":"a","code":"insufficient_quota"}'] = false,
    }) do
      local seen = ask.play(sse.role() .. sse.chunk("x") .. sse.event('{"error":' .. said .. "}"))
      assert.are.equal("api", seen.err.kind, said)
      assert.are.equal(expected, seen.err.retryable, said)
    end
  end)

  it("reaches text() and result() like next()", function()
    local bytes = sse.role() .. sse.chunk("Hel") .. sse.error("broke", "server_error", 500)
    local stream = ask.chat({ bytes })
    local pieces = {}
    local ok, err = pcall(function()
      for text in stream:text() do
        pieces[#pieces + 1] = text
      end
    end)
    assert.is_false(ok)
    assert.are.equal("api", err.kind)
    assert.same({ "Hel" }, pieces)
    local reply, failure = ask.chat({ bytes }):result()
    assert.is_nil(reply)
    assert.are.equal("500", failure.code)
  end)
end)

describe("a finish reason that is an error", function()
  for _, reason in ipairs({ "error", "insufficient_system_resource" }) do
    it("ends the stream as one: " .. reason, function()
      local seen = ask.play(sse.role() .. sse.chunk("x") .. sse.finish(reason) .. sse.done())
      assert.are.equal("api", seen.err and seen.err.kind)
      assert.are.equal(reason, seen.err.code)
      assert.are.equal("provider_error", seen.reply.outcome)
      assert.are.equal("x", seen.err.partial.text)
      local reply, err = ask.chat({
        sse.role() .. sse.chunk("x") .. sse.finish(reason) .. sse.done(),
      }):result()
      assert.is_nil(reply)
      assert.are.equal(reason, err.code)
    end)
  end
end)

describe("HTTP 200 with something else than an event stream", function()
  local function play(body, kind)
    local stream, route = ask.chat({ { headers = { ["Content-Type"] = kind }, steps = { body } } },
      { retry = { max = 1 } })
    local seen = ask.read(stream)
    return seen, ask.count(route)
  end

  it("is the error that its JSON says", function()
    for _, kind in ipairs({ "application/json", "text/event-stream", false }) do
      local seen, count = play('{"error":{"message":"no such model","type":"invalid_request_error",'
        .. '"code":"model_not_found"}}', kind)
      assert.are.equal("api", seen.err.kind)
      assert.are.equal("no such model", seen.err.message)
      assert.are.equal("model_not_found", seen.err.code)
      assert.is_false(seen.err.retryable)
      assert.are.equal(1, count)
    end
  end)

  it("is retried when its JSON says that this may help", function()
    local seen, count = play('{"error":{"message":"busy","code":503}}', "application/json")
    assert.are.equal("api", seen.err.kind)
    assert.is_true(seen.err.retryable)
    assert.are.equal(2, count)
  end)

  it("is a protocol error when its JSON is no error", function()
    local seen, count = play('{"id":"x","choices":[{"message":{"content":"hi"}}]}',
      "application/json")
    assert.are.equal("protocol", seen.err.kind)
    assert.is_truthy(seen.err.message:find("application/json", 1, true))
    assert.is_truthy(seen.err.body:find('"content":"hi"', 1, true))
    assert.are.equal(200, seen.err.status)
    assert.are.equal(1, count)
  end)

  it("is a protocol error when it is a page, named by its title", function()
    for _, kind in ipairs({ "text/html; charset=utf-8", "text/event-stream", false }) do
      local seen, count = play("<!DOCTYPE html>\n<html><head><title>Log in &amp; go</title></head>"
        .. "<body><p>" .. ("x"):rep(5000) .. "</p></body></html>", kind)
      assert.are.equal("protocol", seen.err.kind)
      assert.is_truthy(seen.err.message:find("Log in & go", 1, true))
      assert.is_true(#tostring(seen.err) < 400)
      assert.is_true(#seen.err.body <= 500)
      assert.are.equal(1, count)
    end
  end)

  it("is a protocol error when it is text", function()
    local seen = play("upstream said no", "text/plain")
    assert.are.equal("protocol", seen.err.kind)
    assert.is_truthy(seen.err.message:find("upstream said no", 1, true))
  end)

  it("is retried when there is nothing at all", function()
    local stream, route = ask.chat({ { framing = "length" }, "", "\n\n", ": only a comment\n\n",
      FINE }, { retry = { max = 4 } })
    assert.are.equal("fine", ask.read(stream).reply.text)
    assert.are.equal(5, ask.count(route))
  end)
end)
