-- Answers that are no stream, without the client: one event when all of the body is there.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local core = require("rill.core")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")

local BODY = '{"id":"x","choices":[{"message":{"content":"hi"}}]}'

local function json(body, more)
  local attempt = { headers = { ["Content-Type"] = "application/json" }, steps = { body } }
  for key, value in pairs(more or {}) do
    attempt[key] = value
  end
  return attempt
end

local function play(attempts, changes, body)
  return raw.play(attempts, "whole", changes, body)
end

local function assert_whole(seen, body)
  assert.is_nil(seen.failure)
  assert.are.equal("done", seen.ending)
  assert.are.equal(body, seen.items[#seen.items][2])
  assert.are.equal("event", seen.items[#seen.items][1])
end

describe("a whole answer", function()
  it("is one event, whatever it is, and however it is framed", function()
    for _, body in ipairs({ BODY, "[1]", "plain text", "\0\1\2", " \n{} \n", sse.answer("x") }) do
      for _, framing in ipairs({ "chunked", "length", "close" }) do
        local seen, transfer = play({ { steps = { body }, framing = framing, piece = 3 } })
        assert_whole(seen, body)
        assert.are.equal("event", seen.kinds)
        assert.are.equal(1, transfer:stats().events)
        assert.is_truthy(transfer:stats().first_output)
      end
    end
  end)

  it("is given when its body has ended, not before", function()
    local transfer, route = raw.open({ json(nil, { steps = { BODY, { wait = "go" } } }) }, "whole")
    assert.is_truthy(Gateway.start():wait(route, "requests", 1, 5, function()
      core.engine():step(0.01)
    end))
    while transfer:stats().bytes < #BODY do
      raw.step()
    end
    assert.same({ nil, "pending" }, { transfer:take() })
    Gateway.start():signal(route, "go")
    assert_whole(raw.read(transfer), BODY)
  end)

  it("is asked for with GET when there is no body to post", function()
    local seen, _, route = play({ json(BODY) }, nil, false)
    assert_whole(seen, BODY)
    assert.are.equal("GET", Gateway.start():requests(route)[1].method)
    _, _, route = play({ json(BODY) }, nil, '{"model":"m"}')
    local request = Gateway.start():requests(route)[1]
    assert.are.equal("POST", request.method)
    assert.are.equal('{"model":"m"}', request.body)
  end)

  it("may be empty only where the status says so", function()
    assert_whole(play({ { status = 204, framing = "length" } }), "")
    local seen = play({ json(""), { framing = "length" }, json(BODY) })
    assert_whole(seen, BODY)
    assert.are.equal(2, seen.retries)
  end)

  it("leaves its connection to the next one", function()
    core.engine():close()
    play({ json(BODY) })
    local _, transfer = play({ json(BODY) })
    assert.is_true(transfer:stats().reused)
  end)

  it("is bounded by limits.event, not by the others", function()
    local limits = { limits = { event = 2000, buffer = 10, error_body = 10 } }
    assert_whole(play({ json(("x"):rep(2000), { headers = {} }) }, limits), ("x"):rep(2000))
    local seen = play({ json(("x"):rep(2001), { after = { { stall = true } } }) }, limits)
    assert.are.equal("failed", seen.ending)
    assert.are.equal("limit", seen.failure.kind)
    assert.is_truthy(seen.failure.message:find("2000 bytes (limits.event)", 1, true))
    assert.is_nil(seen.failure.body)
    seen = play({ json(("x"):rep(2000), { status = 400 }) }, limits)
    assert.are.equal("limit", seen.failure.kind)
    assert.is_truthy(seen.failure.message:find("10 bytes (limits.error_body)", 1, true))
    assert.are.equal(("x"):rep(10), seen.failure.body)
  end)
end)

describe("a whole answer that is cut", function()
  local half = BODY:sub(1, 20)
  local cuts = {
    ["inside the chunked framing"] = json(nil, { steps = { half, { close = true } } }),
    ["before its length"] = { framing = "length", steps = { half, { close = true } },
      headers = { ["Content-Type"] = "application/json", ["Content-Length"] = 1000 } },
    ["by a reset"] = json(nil, { steps = { half, { reset = true } } }),
    ["where only its JSON tells"] = json(half, { framing = "close" }),
  }

  for name, attempt in by_name(cuts) do
    it("is asked for again, for nothing of it has been given: " .. name, function()
      local seen = play({ attempt, json(BODY) })
      assert_whole(seen, BODY)
      assert.are.equal("retry event", seen.kinds)
    end)

    it("is interrupted when retries run out: " .. name, function()
      local seen = play({ attempt }, { retry = { max = 1 } })
      assert.are.equal("failed", seen.ending)
      assert.are.equal("interrupted", seen.failure.kind)
      assert.are.equal("retry", seen.kinds)
      assert.is_true(seen.failure.retryable)
      assert.is_nil(seen.failure.body)
    end)
  end
end)

describe("a whole answer that is an error", function()
  it("by its status is what it is for a stream", function()
    local body = '{"error":{"message":"no such model","code":"model_not_found"}}'
    local seen = play({ json(body, { status = 404 }) })
    assert.are.equal("http", seen.failure.kind)
    assert.are.equal(404, seen.failure.status)
    assert.are.equal(body, seen.failure.body)
    seen = play({ json("{}", { status = 503 }), json(BODY) })
    assert_whole(seen, BODY)
    assert.are.equal(1, seen.retries)
  end)

  it("in spite of its status is retried if it will pass", function()
    local seen = play({ json('{"error":{"message":"m","code":503}}'), json(BODY) })
    assert_whole(seen, BODY)
    assert.are.equal(1, seen.retries)
    local body = '{"error":{"message":"no","code":401}}'
    seen = play({ json(body) })
    assert.are.equal("failed", seen.ending)
    assert.are.equal("api", seen.failure.kind)
    assert.are.equal("no", seen.failure.message)
    assert.are.equal(body, seen.failure.body)
    assert.are.equal(0, seen.retries)
  end)

  it("is none where the error is null", function()
    assert_whole(play({ json('{"error":null,"output":[]}') }), '{"error":null,"output":[]}')
  end)
end)

describe("the clocks of a whole answer", function()
  it("are those of bytes, not of output", function()
    local slow = json(nil, {
      before = { { sleep = 0.08 } }, steps = { BODY, { sleep = 0.08 }, " " },
    })
    local seen = play({ slow }, { timeout = { first_output = 0.02, progress = 0.02 } })
    assert_whole(seen, BODY .. " ")
  end)

  it("ring by their names", function()
    local stalled = json(nil, { steps = { BODY, { stall = true } } })
    for name, attempt in pairs({
      first_byte = { before = { { stall = true } } }, idle = stalled, total = stalled,
    }) do
      local seen = play({ attempt }, { timeout = { [name] = 0.05 }, retry = { max = 0 } })
      assert.are.equal("failed", seen.ending)
      assert.are.equal("timeout", seen.failure.kind)
      assert.are.equal(name, seen.failure.phase)
    end
  end)
end)
