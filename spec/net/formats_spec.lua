-- Transfers of all wire formats, without the client: what C makes of an answer by itself.

local Gateway = require("spec.support.gateway")
local cjson = require("cjson").new()
local core = require("rill.core")
local raw = require("spec.support.raw")
local wires = require("spec.support.wires")

local PIECES = { { "Let me " }, { "think. " }, "Hel", "lo, w\195\182rld \"", "\240\159\140\138\n." }
local TEXT = "Hello, w\195\182rld \"\240\159\140\138\n."

-- The first thought of chat completions is an event: the name of its member may have to go back.
local function is_named(wire)
  return wire == wires.openai
end

local function kinds_of(wire)
  return ("event "):rep(wire.begins) .. (is_named(wire) and "event" or "reasoning")
    .. " reasoning text text text" .. (" event"):rep(wire.finishes)
end

for _, name in ipairs(wires.names) do
  local wire = wires[name]

  describe("an answer in the format " .. name, function()
    local function check(seen)
      assert.is_nil(seen.failure)
      assert.are.equal(wire.ending, seen.ending)
      assert.are.equal(kinds_of(wire), seen.kinds)
      assert.are.equal(TEXT, seen.reply)
      assert.are.equal(is_named(wire) and "think. " or "Let me think. ", seen.reasoning)
    end

    it("gives plain texts and reasoning by themselves, and all else as events", function()
      local seen, transfer = raw.play({ wires.attempt(name, wires.answer(name, PIECES)) }, name)
      check(seen)
      local second = seen.items[wire.begins + 2]
      assert.are.equal("think. ", second[2])
      assert.is_truthy(second[3]:find("think. ", 1, true)) -- the payload
      assert.are.equal(wire.reason, transfer:finish_reason())
      assert.are.equal(3, transfer:stats().texts)
      assert.are.equal(is_named(wire) and 1 or 2, transfer:stats().reasonings)
    end)

    it("is the same byte by byte, and however its end is framed", function()
      local body = wires.answer(name, PIECES)
      check((raw.play({ wires.attempt(name, body, { piece = 1 }) }, name)))
      for _, framing in ipairs({ "length", "close" }) do
        check((raw.play({ wires.attempt(name, body, { framing = framing }) }, name)))
      end
    end)

    it("needs no line end behind its last event", function()
      local body = wires.answer(name, PIECES)
      repeat
        body = body:sub(1, -2)
        check((raw.play({ wires.attempt(name, body) }, name)))
      until not body:find("%s$")
    end)

    it("is unfinished when it ends inside an event", function()
      local body = wire.begin() .. wire.text("Hel") .. wire.text("lo"):gsub("%s+$", ""):sub(1, -3)
      local seen, transfer = raw.play({ wires.attempt(name, body) }, name)
      assert.are.equal("eof", seen.ending)
      assert.are.equal("Hel", seen.reply)
      assert.is_true(transfer:unfinished())
    end)

    it("is cut when the connection breaks after output", function()
      local seen = raw.play({ wires.attempt(name, nil, {
        steps = { wire.begin() .. wire.thought("hm") .. wire.thought("m"), { close = true } },
      }) }, name)
      assert.are.equal("cut", seen.ending)
      assert.are.equal("interrupted", seen.failure.kind)
      assert.are.equal(is_named(wire) and "m" or "hmm", seen.reasoning)
      assert.are.equal(0, seen.retries)
    end)

    it("is asked for again when it breaks before its first output", function()
      local half = wire.text("lost"):sub(1, 40)
      local seen = raw.play({
        wires.attempt(name, nil, { steps = { wire.begin() .. half, { close = true } } }),
        wires.attempt(name, wires.answer(name, PIECES)),
      }, name)
      assert.are.equal(("event "):rep(wire.begins) .. "retry " .. kinds_of(wire), seen.kinds)
      assert.are.equal(wire.ending, seen.ending)
      assert.are.equal(TEXT, seen.reply)
      -- Nothing of the half is left.
      assert.is_table(cjson.decode(seen.items[wire.begins + 2][2]))
    end)
  end)
end

describe("a terminal event", function()
  local terminal = { "responses", "anthropic", "ollama" }

  it("is given, and completes the answer at once", function()
    for _, name in ipairs(terminal) do
      local transfer, route = raw.open({ wires.attempt(name, nil, {
        steps = { wires.answer(name, PIECES), { wait = "go" } },
      }) }, name)
      assert.are.equal("done", raw.wait(transfer), name)
      local seen = raw.read(transfer)
      assert.are.equal(kinds_of(wires[name]), seen.kinds, name)
      Gateway.start():signal(route, "go")
    end
  end)

  it("lets the rest of the body be drained, so that the connection serves again", function()
    for _, name in ipairs(terminal) do
      core.engine():close()
      local transfer, route = raw.open({ wires.attempt(name, nil, {
        steps = { wires.answer(name, PIECES), "data: [DONE]\n\n", { wait = "go" } },
      }) }, name)
      local seen = raw.read(transfer)
      assert.are.equal(kinds_of(wires[name]), seen.kinds, name)
      Gateway.start():signal(route, "go")
      assert.is_truthy(Gateway.start():wait(route, "finished", 1, 5))
      local _, second = raw.play({ wires.attempt(name, wires.answer(name, PIECES)) }, name)
      assert.is_true(second:stats().reused, name)
    end
  end)

  it("ends a response that is incomplete, with its reason", function()
    local wire = wires.responses
    local seen, transfer = raw.play({ wires.attempt("responses", wire.begin() .. wire.text("Hel")
      .. wire.event("response.incomplete", '"response":{"id":"r","status":"incomplete","output":[],'
        .. '"incomplete_details":{"reason":"max_output_tokens"}}')) }, "responses")
    assert.are.equal("done", seen.ending)
    assert.are.equal("Hel", seen.reply)
    assert.are.equal("max_output_tokens", transfer:finish_reason())
  end)

  it("of a response that failed after output is an event, and the end", function()
    local wire = wires.responses
    local transfer = raw.open({ wires.attempt("responses", nil, { steps = {
      wire.begin() .. wire.text("Hel") .. wire.error("server_error", "m"), { stall = true },
    } }) }, "responses")
    local seen = raw.read(transfer)
    assert.are.equal("done", seen.ending)
    assert.are.equal("event event text event", seen.kinds)
    assert.is_truthy(seen.items[4][2]:find("server_error", 1, true))
  end)
end)

describe("[DONE]", function()
  it("ends an answer in every format of events", function()
    for _, name in ipairs({ "openai", "responses", "anthropic", "gemini" }) do
      local wire = wires[name]
      local transfer, route = raw.open({ wires.attempt(name, nil, {
        steps = { wire.begin() .. wire.text("Hel") .. "data: [DONE]\n\n", { wait = "go" } },
      }) }, name)
      assert.are.equal("done", raw.read(transfer).ending, name)
      Gateway.start():signal(route, "go")
    end
  end)
end)

describe("a body that is none of its format", function()
  local function play(name, body, kind)
    return raw.play({ { headers = { ["Content-Type"] = kind }, steps = { body } } }, name,
      { retry = { max = 0 } })
  end

  it("is an error with the body, whatever its content type claims", function()
    for _, name in ipairs({ "openai", "responses", "anthropic", "gemini" }) do
      for _, kind in ipairs({ "application/json", "text/event-stream" }) do
        local seen = play(name, '[{"error":{"code":400,"message":"no"}}]', kind)
        assert.are.equal("failed", seen.ending)
        assert.are.equal("body", seen.failure.kind, name .. " " .. kind)
        assert.is_truthy(seen.failure.body:find('"no"', 1, true))
      end
    end
    for _, body in ipairs({ "<html>", "data: {}\n\n", "[1]", "busy" }) do
      local seen = play("ollama", body, "application/x-ndjson")
      assert.are.equal("body", seen.failure and seen.failure.kind, body)
      assert.are.equal(body, seen.failure.body)
    end
  end)

  it("is no error for being of another type, if it begins like one", function()
    local body = wires.answer("ollama", PIECES)
    for _, kind in ipairs({ "application/json; charset=utf-8", "text/plain", false }) do
      assert.are.equal(TEXT, play("ollama", "\n\239\187\191 " .. body, kind).reply)
    end
  end)
end)

describe("lines", function()
  it("may be blank, end with CR LF, and be put together from pieces", function()
    local wire = wires.ollama
    local body = "\n\r\n" .. wires.answer("ollama", PIECES):gsub("\n", " \r\n\n")
    for _, piece in ipairs({ 1, 7, 100000 }) do
      local seen, transfer = raw.play({ wires.attempt("ollama", body, { piece = piece }) },
        "ollama")
      assert.are.equal(kinds_of(wire), seen.kinds)
      assert.are.equal(TEXT, seen.reply)
      assert.are.equal(wire.begins + 5 + wire.finishes, transfer:stats().events)
    end
  end)

  it("are bounded by limits.event", function()
    local wire = wires.ollama
    local begun = wire.begin() .. wire.text("Hel")
    for _, rest in ipairs({ wire.text(("x"):rep(1000)), '{"message":' .. (" "):rep(1000) }) do
      local endless = wires.attempt("ollama", begun .. rest, { after = { { stall = true } } })
      local seen = raw.play({ endless }, "ollama", { limits = { event = 1000 } })
      assert.are.equal("failed", seen.ending)
      assert.are.equal("limit", seen.failure.kind)
      assert.is_truthy(seen.failure.message:find("limits.event", 1, true))
      assert.are.equal("Hel", seen.reply)
    end
  end)

  it("begin anew with an attempt, whatever the last one left", function()
    local wire = wires.ollama
    local half = wire.begin() .. wire.text("lost"):sub(1, 40)
    local seen = raw.play({
      wires.attempt("ollama", nil, { steps = { half, { stall = true } } }),
      wires.attempt("ollama", wires.answer("ollama", PIECES)),
    }, "ollama", { timeout = { first_output = 0.5 } })
    assert.are.equal("event retry " .. kinds_of(wire), seen.kinds)
    assert.is_table(cjson.decode(seen.items[3][2]))
  end)

  it("that are no JSON are events for the reader to judge", function()
    local wire = wires.ollama
    local seen = raw.play({ wires.attempt("ollama", wire.begin() .. wire.text("Hel")
      .. "{broken\n" .. wire.finish()) }, "ollama")
    assert.are.equal("event text event event", seen.kinds)
    assert.are.equal("{broken", seen.items[3][2])
    assert.are.equal("done", seen.ending)
  end)
end)

describe("the usage of plain chunks", function()
  local wire = wires.gemini

  it("is that of the last one", function()
    local _, transfer = raw.play({ wires.attempt("gemini", wire.begin() .. wire.text("a")
      .. wire.thought("b") .. wire.text("c")) }, "gemini")
    assert.are.equal('{"promptTokenCount": 3,"candidatesTokenCount": 4}', transfer:usage())
    transfer:restart() -- that an older attempt has failed is heard of later than this came
    assert.are.equal('{"promptTokenCount": 3,"candidatesTokenCount": 4}', transfer:usage())
  end)

  it("is nothing once an event has brought a newer one", function()
    local seen, transfer = raw.play({ wires.attempt("gemini", wires.answer("gemini", PIECES)) },
      "gemini")
    assert.is_nil(transfer:usage())
    assert.is_truthy(seen.items[#seen.items][2]:find('"candidatesTokenCount": 7', 1, true))
  end)

  it("is nothing where there was none", function()
    local _, transfer = raw.play({ wires.attempt("ollama", wires.answer("ollama", PIECES)) },
      "ollama")
    assert.is_nil(transfer:usage())
  end)
end)

describe("the format of a transfer", function()
  it("is one of those that there are", function()
    local ok, err = pcall(function()
      core.engine():open(raw.profile(), "http://127.0.0.1:1/", "{}", "openia")
    end)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("invalid option 'openia'", 1, true), tostring(err))
    assert.is_false(pcall(function()
      core.engine():open(raw.profile(), "http://127.0.0.1:1/", "{}", {})
    end))
  end)

  it("is openai when it is not given", function()
    local seen = raw.play({ wires.answer("openai", PIECES) })
    assert.are.equal(kinds_of(wires.openai), seen.kinds)
  end)
end)
