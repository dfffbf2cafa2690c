-- A transfer without a request of its own: others feed it, and everything above it is as usual.

local core = require("rill.core")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")

-- The payload of an event that sse.lua wrote.
local function payload(event)
  return (event:match("^data: (.-)\n\n$"))
end

local ROLE, DONE = payload(sse.role()), payload(sse.done())
local function piece(text)
  return payload(sse.chunk(text))
end

local function answer(changes, format)
  return core.engine():answer(raw.profile(changes), format)
end

describe("a transfer that is fed", function()
  it("reads messages as the events of a stream", function()
    local transfer = answer()
    assert.are.equal("rill.transfer (running)", tostring(transfer))
    assert.same({ nil, "pending" }, { transfer:take() })
    for _, message in ipairs({ ROLE, piece("Hel"), piece("lo"), DONE }) do
      assert.is_true(transfer:feed(message))
    end
    local seen = raw.read(transfer)
    assert.are.equal("event text text", seen.kinds)
    assert.are.equal("Hello", seen.reply)
    assert.are.equal("done", seen.ending)
    assert.is_nil(seen.failure)
  end)

  it("is ready when a message gives it news", function()
    local engine, transfer = core.engine(), answer()
    while engine:ready() do end -- luacheck: ignore
    transfer:feed(ROLE)
    assert.are.equal(transfer:id(), engine:ready())
    assert.is_nil(engine:ready())
    transfer:finish("eof")
    assert.are.equal(transfer:id(), engine:ready())
  end)

  it("counts as open until it ends", function()
    local engine = core.engine()
    local before = engine:step(0)
    local transfer = answer()
    assert.are.equal(before + 1, engine:step(0))
    transfer:finish("done")
    assert.are.equal(before, engine:step(0))
  end)

  it("takes nothing after its end", function()
    local transfer = answer()
    transfer:feed(DONE)
    assert.is_false(transfer:feed(piece("late")))
    assert.same({ nil, "end" }, { transfer:take() })
  end)

  it("keeps what is queued readable after it was finished", function()
    local transfer = answer()
    transfer:feed(ROLE)
    transfer:feed(piece("Hel"))
    transfer:finish("cut", "interrupted", "body", "the line is dead", true)
    transfer:finish("done")
    local seen = raw.read(transfer)
    assert.are.equal("event text", seen.kinds)
    assert.are.equal("cut", seen.ending)
    assert.are.equal("interrupted", seen.failure.kind)
    assert.are.equal("body", seen.failure.phase)
    assert.are.equal("the line is dead", seen.failure.message)
    assert.is_true(seen.failure.retryable)
    assert.are.equal("the line is dead", transfer:attempts()[1].reason)
  end)

  it("is not tried again, whatever fails it", function()
    local transfer = answer()
    transfer:feed('{"error":{"message":"busy","code":"503"}}')
    local seen = raw.read(transfer)
    assert.are.equal("failed", seen.ending)
    assert.are.equal("api", seen.failure.kind)
    assert.is_true(seen.failure.retryable)
    assert.are.equal('{"error":{"message":"busy","code":"503"}}', seen.failure.body)
    assert.are.equal(0, seen.retries)
    assert.are.equal(1, #transfer:attempts())
  end)

  it("has the clocks of what a server may be slow in, but none of a connection", function()
    for name, words in pairs({
      first_output = "no first output within 0.02 s", idle = "not a byte for 0.02 s",
      total = "the answer was not complete within 0.02 s",
    }) do
      local transfer = answer({ timeout = { [name] = 0.02, connect = 0.001, first_byte = 0.001 } })
      raw.wait(transfer)
      assert.are.equal("failed", transfer:ending())
      assert.are.equal(name, transfer:failure().phase)
      assert.are.equal(("%s (timeout.%s)"):format(words, name), transfer:failure().message)
    end
  end)

  it("has only what is left of its time where its question is older", function()
    local engine, profile = core.engine(), raw.profile({ timeout = { total = 5 } })
    local transfer = engine:answer(profile, "openai", 10)
    raw.wait(transfer)
    assert.are.equal("total", transfer:failure().phase)
    assert.truthy(transfer:failure().message:find("within 5 s", 1, true))
    assert.is_nil(engine:answer(profile, "openai", 1):ending())
    for _, age in ipairs({ -1, 0 / 0, math.huge }) do
      assert.has_error(function()
        engine:answer(profile, "openai", age)
      end)
    end
  end)

  it("has a clock of progress once there was output", function()
    local transfer = answer({ timeout = { progress = 0.02 } })
    transfer:feed(ROLE)
    transfer:feed(piece("Hel"))
    raw.wait(transfer)
    assert.are.equal("progress", transfer:failure().phase)
    assert.are.equal("event text", raw.read(transfer).kinds)
  end)

  it("has its first output with whatever is of an answer, plain text or not", function()
    local created = '{"type":"response.created","response":{}}'
    local beginnings = { openai = ROLE, responses = created, realtime = created }
    for _, case in ipairs({
      { "openai", '{"choices":[{"index":0,"delta":{"refusal":"I cannot"}}]}' },
      { "openai", '{"choices":[{"index":0,"delta":{"audio":{"id":"a","data":"AAAA"}}}]}' },
      { "openai", '{"choices":[{"index":0,"delta":{"content":"a"}}]}' },
      { "responses", '{"type":"response.refusal.delta","output_index":0,"delta":"I cannot"}' },
      { "responses", '{"type":"response.output_text.annotation.added","annotation":{}}' },
      { "responses", '{"type":"response.output_text.delta","output_index":0,"delta":"a"}' },
      { "chat", '{"type":"content.delta","delta":"a"}' },
      { "realtime", '{"type":"response.output_audio.delta","response_id":"a","delta":"AAAA"}' },
    }) do
      local transfer = answer(nil, case[1])
      if beginnings[case[1]] then
        transfer:feed(beginnings[case[1]])
      end
      assert.is_nil(transfer:stats().first_output)
      transfer:feed(case[2])
      assert.is_truthy(transfer:stats().first_output, case[2])
      transfer:close()
    end
  end)

  it("stops its clocks while more is queued than its limit, and starts them anew", function()
    local transfer = answer({ limits = { buffer = 200 }, timeout = { idle = 0.03 } })
    for _ = 1, 4 do
      transfer:feed(ROLE)
    end
    assert.is_true(transfer:queued() >= 200)
    local alarm = core.alarm()
    local id = alarm:set(0.1)
    local rung
    repeat
      core.engine():step(1)
      rung = core.engine():ready()
    until rung == id
    assert.is_nil(transfer:ending())
    assert.are.equal(1, transfer:stats().pauses)
    while transfer:take() do end -- luacheck: ignore
    assert.are.equal(0, transfer:queued())
    raw.wait(transfer)
    assert.are.equal("idle", transfer:failure().phase)
  end)

  it("lets no clock run but total while it rests, and begins them anew after that", function()
    local transfer = answer({ timeout = { idle = 0.03, first_output = 0.05, total = 10 } })
    transfer:rest(true)
    local alarm = core.alarm()
    local id = alarm:set(0.1)
    repeat
      core.engine():step(1)
    until core.engine():ready() == id
    assert.is_nil(transfer:ending())
    local from = core.now()
    transfer:rest(false)
    raw.wait(transfer)
    assert.are.equal("idle", transfer:failure().phase)
    assert.is_true(core.now() - from >= 0.03)
    assert.has_no_error(function() transfer:rest(true) end)

    local late = answer({ timeout = { idle = 0.01, total = 0.03 } })
    late:rest(true)
    raw.wait(late)
    assert.are.equal("total", late:failure().phase)
  end)

  it("counts bytes and messages", function()
    local transfer = answer()
    transfer:feed(ROLE)
    transfer:feed(piece("Hel"))
    local stats = transfer:stats()
    assert.are.equal(#ROLE + #piece("Hel"), stats.bytes)
    assert.are.equal(2, stats.events)
    assert.are.equal(1, stats.texts)
    assert.is_nil(stats.connected)
    assert.is_nil(stats.headers)
    assert.is_number(stats.first_byte)
  end)

  it("may be closed, dropped by its number, and collected", function()
    local engine = core.engine()
    collectgarbage()
    collectgarbage()
    local before = engine:step(0)
    local closed, dropped = answer(), answer()
    closed:close()
    engine:drop(dropped:id())
    assert.are.equal("closed", closed:ending())
    assert.are.equal("closed", dropped:ending())
    assert.is_false(dropped:feed(ROLE))
    answer():feed(ROLE)
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, engine:step(0))
  end)

  it("refuses what makes no sense", function()
    local engine = core.engine()
    assert.has_error(function() engine:answer({}) end)
    assert.has_error(function() answer(nil, "whole") end)
    assert.has_error(function() answer(nil, "morse") end)
    assert.has_error(function() answer():finish("closed") end)
    assert.has_error(function() answer():feed() end)
    assert.has_error(function() answer():rest() end)
    local asked = raw.open({ sse.answer("own") })
    assert.has_error(function() asked:feed(ROLE) end)
    assert.has_error(function() asked:finish("done") end)
    assert.are.equal("own", raw.read(asked).reply)
  end)
end)
