-- Errors of all wire formats, as transfers judge them: what comes before any output fails the
-- attempt, what comes later is an event.

local ask = require("spec.support.ask")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")
local wires = require("spec.support.wires")

-- By format: what will pass, what will not, and what is about money.
local CASES = {
  openai = { "server_error", "invalid_request_error", "insufficient_quota" },
  responses = { "rate_limit_exceeded", "invalid_prompt", "insufficient_quota" },
  anthropic = { "overloaded_error", "not_found_error", "billing_error" },
  gemini = { 503, 400, 402 },
  ollama = {},
}
local PASSING = "the server is busy, try again"

local function attempt_of(name, code, message)
  return wires.attempt(name, wires[name].begin() .. wires[name].error(code, message or PASSING))
end

for _, name in ipairs(wires.names) do
  local wire, cases = wires[name], CASES[name]

  describe("an error event in the format " .. name, function()
    it("before output is retried if it will pass", function()
      local seen = raw.play({ attempt_of(name, cases[1]),
        wires.attempt(name, wires.answer(name, { "fine" })) }, name)
      assert.are.equal(wire.ending, seen.ending)
      assert.are.equal("fine", seen.reply)
      assert.are.equal(1, seen.retries)
      assert.are.equal(PASSING, seen.items[wire.begins + 1][4])
    end)

    it("before output fails at once if it will not", function()
      local seen = raw.play({ attempt_of(name, cases[2], "no such model") }, name)
      assert.are.equal("failed", seen.ending)
      assert.are.equal(0, seen.retries)
      assert.are.equal("api", seen.failure.kind)
      assert.are.equal("no such model", seen.failure.message)
      assert.is_false(seen.failure.retryable)
      assert.is_truthy(seen.failure.body:find("no such model", 1, true))
    end)

    if cases[3] then
      it("before output is about money if it says so", function()
        local seen = raw.play({ attempt_of(name, cases[3]) }, name)
        assert.are.equal("failed", seen.ending)
        assert.is_true(seen.failure.quota)
        assert.are.equal(0, seen.retries)
      end)
    end

    it("after output is an event", function()
      local seen = raw.play({ wires.attempt(name, wire.begin() .. wire.text("Hel")
        .. wire.error(cases[1], PASSING)) }, name)
      assert.are.equal(0, seen.retries)
      assert.are.equal("Hel", seen.reply)
      assert.is_truthy(seen.items[#seen.items][2]:find(PASSING, 1, true))
      assert.are_not.equal("failed", seen.ending)
    end)
  end)
end

describe("an error event of a response", function()
  it("may be flat, or name a status", function()
    for text, retries in pairs({
      ['{"type":"error","code":"server_error","message":"m","sequence_number":2}'] = 2,
      ['{"type":"error","code":"invalid_prompt","message":"m"}'] = 0,
      ['{"type":"error","status":503,"error":{"type":"x","message":"m"}}'] = 2,
      ['{"type":"error","status":400,"error":{"type":"x","message":"m"}}'] = 0,
    }) do
      local seen = raw.play({ wires.attempt("responses", wires.responses.begin()
        .. sse.event(text, "error")) }, "responses")
      assert.are.equal("api", seen.failure and seen.failure.kind, text)
      assert.are.equal(retries, seen.retries, text)
    end
  end)

  it("is told by its own words and code where the response has failed, before output", function()
    for code, kind in pairs({ insufficient_quota = "api",
      context_length_exceeded = "context_length", server_error = "api" }) do
      local wire = wires.responses
      local events = wire.begin() .. wire.error(code, "not today")
      local chunks = {}
      for data in events:gmatch("data: ([^\n]+)") do
        chunks[#chunks + 1] = data
      end
      table.insert(chunks, 1, { receive = 1 })
      local session = ask.live({ { steps = chunks } }, { dialect = "responses" })
      local over_sse = ask.chat({ wires.attempt("responses", events) },
        { provider = "responses", retry = { max = 0 } })
      for _, stream in ipairs({ session:say("hi"), over_sse }) do
        local _, err = stream:result()
        assert.same({ kind, code, "not today" }, { err.kind, err.code, err.message })
      end
    end
  end)

  it("need not be numbered in order", function()
    local wire = wires.responses
    local late = sse.event('{"type":"error","code":"server_error","message":"m",'
      .. '"sequence_number":9}')
    local seen = raw.play({ wires.attempt("responses", wire.begin() .. late) }, "responses",
      { retry = { max = 0 } })
    assert.are.equal("api", seen.failure.kind)
    seen = raw.play({ wires.attempt("responses", wire.begin() .. wire.text("Hel") .. late) },
      "responses")
    assert.is_nil(seen.failure)
    assert.are.equal("event event text event", seen.kinds)
  end)
end)

describe("llama.cpp's error field", function()
  it("is an error event in every format of events", function()
    for _, name in ipairs({ "openai", "responses", "anthropic", "gemini" }) do
      local seen = raw.play({ wires.attempt(name,
        'error: {"code":503,"message":"loading"}\n\ndata: [DONE]\n\n'),
        wires.attempt(name, wires.answer(name, { "fine" })) }, name)
      assert.are.equal("fine", seen.reply, name)
      assert.are.equal(1, seen.retries, name)
    end
  end)
end)

describe("an HTTP status that is an error", function()
  it("means the same in every format", function()
    for _, name in ipairs({ "responses", "anthropic", "gemini", "ollama" }) do
      local body = '{"error":{"message":"no"}}'
      local refused = { status = 400, headers = { ["Content-Type"] = "application/json" },
        steps = { body } }
      local seen = raw.play({ refused }, name)
      assert.are.equal("http", seen.failure.kind, name)
      assert.are.equal(body, seen.failure.body)
      assert.are.equal(0, seen.retries)
      refused.status = 503
      seen = raw.play({ refused, wires.attempt(name, wires.answer(name, { "fine" })) }, name)
      assert.are.equal(1, seen.retries, name)
      assert.are.equal("fine", seen.reply)
    end
  end)
end)

describe("Google's RetryInfo", function()
  local function body_of(delay)
    return ('{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"slow down","details":['
      .. '{"@type":"type.googleapis.com/google.rpc.Help"},'
      .. '{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"%s"}]}}'):format(delay)
  end

  -- One that fails like this, and what the transfer says about it.
  local function play(attempt)
    local seen = raw.play({ attempt, wires.attempt("gemini", wires.answer("gemini", { "fine" })) },
      "gemini", { retry = { max_wait = 1 } })
    return seen, seen.items[1]
  end

  it("is waited for, whether it comes with a status, as a list or as an event", function()
    for _, attempt in ipairs({
      { status = 429, headers = { ["Content-Type"] = "application/json" },
        steps = { body_of("0.03s") } },
      { status = 429, steps = { "[" .. body_of("0.03s") .. "]" } },
      { headers = { ["Content-Type"] = "application/json" }, steps = { body_of("0.03s") } },
      sse.event(body_of("0.03s")),
    }) do
      local seen, retry = play(attempt)
      assert.are.equal("fine", seen.reply)
      assert.are.equal("retry", retry[1])
      assert.are.equal(0.03, retry[3])
    end
  end)

  it("gives way to a header", function()
    local _, retry = play({ status = 429, headers = { ["Retry-After"] = "0.02" },
      steps = { body_of("9s") } })
    assert.are.equal(0.02, retry[3])
  end)

  it("that is longer than retry.max_wait is the failure's retry_after", function()
    for _, attempt in ipairs({
      { status = 429, steps = { body_of("12.5s") } },
      sse.event(body_of("12.5s")),
    }) do
      local seen = play(attempt)
      assert.are.equal("failed", seen.ending)
      assert.are.equal(0, seen.retries)
      assert.are.equal(12.5, seen.failure.retry_after)
      assert.is_true(seen.failure.retryable)
    end
  end)

  it("is forgotten with its attempt", function()
    local seen = raw.play({ { status = 503, steps = { body_of("0.03s") } },
      { before = { { reset = true } } } }, "gemini", { retry = { max = 1 } })
    assert.are.equal("interrupted", seen.failure.kind)
    assert.is_nil(seen.failure.retry_after)
  end)
end)
