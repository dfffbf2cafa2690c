-- Plain reasoning is an item like plain text: it is output for every clock and limit, and who reads
-- text only does not meet it.

local Gateway = require("spec.support.gateway")
local core = require("rill.core")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")
local wires = require("spec.support.wires")

local wire = wires.anthropic
local BODY = wire.begin() .. wire.thought("one ") .. wire.thought("two ") .. wire.text("Hel")
  .. wire.thought("three") .. wire.text("lo") .. wire.finish()

local function open_whole()
  local transfer = raw.open({ wires.attempt("anthropic", BODY) }, "anthropic")
  assert.are.equal("done", raw.wait(transfer))
  assert.are.equal("event", transfer:take())
  assert.are.equal("event", transfer:take())
  return transfer
end

describe("transfer:text()", function()
  it("stops at reasoning as at an event while payloads are kept", function()
    local transfer = open_whole()
    assert.is_nil(transfer:text())
    assert.are.equal("", transfer:reasoning())
    assert.are.equal("reasoning", (transfer:take()))
    assert.is_nil(transfer:text())
    assert.are.equal("reasoning", (transfer:take()))
    assert.are.equal("Hel", transfer:text())
    assert.is_nil(transfer:text())
  end)

  it("passes over reasoning silently when only text is wanted", function()
    local transfer = open_whole()
    transfer:keep(false)
    assert.are.equal("Hel", transfer:text())
    assert.are.equal("one two ", transfer:reasoning())
    assert.are.equal("lo", transfer:text())
    assert.are.equal("one two three", transfer:reasoning())
    assert.is_nil(transfer:text())
    assert.are.equal("event", (transfer:take()))
    assert.are.equal("Hello", transfer:reply())
  end)

  it("passes over reasoning that nothing follows", function()
    local thought = wires.openai.thought("hm")
    local transfer = raw.open({ sse.role() .. thought .. thought .. sse.done() }, "openai")
    raw.wait(transfer)
    transfer:keep(false)
    transfer:take()
    -- The first, whose member's name may have to go back.
    assert.are.equal("event", (transfer:take()))
    assert.is_nil(transfer:text())
    assert.are.equal("hm", transfer:reasoning())
    assert.same({ nil, "end" }, { transfer:take() })
  end)
end)

describe("transfer:texts()", function()
  local function collect(transfer)
    local next_text = transfer:texts(function(_, is_pending)
      return "(" .. (is_pending and "pending" or transfer:take()) .. ")"
    end)
    return next_text and next_text() .. next_text() .. next_text()
  end

  it("does likewise", function()
    local transfer = open_whole()
    local seen = collect(transfer)
    if not seen then
      return -- 5.1 and LuaJIT have none
    end
    assert.are.equal("(reasoning)(reasoning)Hel", seen)
    transfer = open_whole()
    transfer:keep(false)
    assert.are.equal("Hello(event)", collect(transfer))
    assert.are.equal("one two three", transfer:reasoning())
  end)

  it("goes on with another transfer where that is asked for", function()
    local first, second = open_whole(), open_whole()
    local function slow(transfer)
      return "(" .. transfer:take() .. ")"
    end
    local next_text = first:texts(slow, first)
    if not next_text then
      return
    end
    first:keep(false)
    second:keep(false)
    assert.are.equal("Hel", next_text())
    assert.are.equal(next_text, second:texts(slow, second, next_text))
    assert.are.equal("Hello(event)", next_text() .. next_text() .. next_text())
    assert.are.equal("lo", first:text())
    assert.has_error(function()
      second:texts(slow, second, print)
    end, "bad argument #3 to 'texts' (no such iterator)")
  end)
end)

describe("the reasoning of a transfer", function()
  it("keeps its payload only while payloads are kept", function()
    local transfer, route = raw.open({ wires.attempt("anthropic", nil, {
      steps = {
        wire.begin() .. wire.thought("a"), { wait = "go" }, wire.thought("b") .. wire.finish(),
      },
    }) }, "anthropic")
    assert.are.equal("event", raw.take(transfer)[1])
    assert.are.equal("event", raw.take(transfer)[1])
    local item = raw.take(transfer)
    assert.same({ "reasoning", "a" }, { item[1], item[2] })
    assert.is_truthy(item[3]:find('"thinking":"a"', 1, true))
    transfer:keep(false)
    Gateway.start():signal(route, "go")
    assert.same({ "reasoning", "b" }, raw.take(transfer))
    raw.wait(transfer)
  end)

  it("can be added to, and starts anew with restart", function()
    local transfer = open_whole()
    transfer:take()
    transfer:append_reasoning("and \0 more")
    assert.are.equal("one and \0 more", transfer:reasoning())
    assert.are.equal("", transfer:reply())
    transfer:restart()
    assert.are.equal("", transfer:reasoning())
    assert.has_error(function()
      transfer:append_reasoning()
    end)
  end)

  it("is output: nothing is asked for again after it", function()
    local seen = raw.play({ wires.attempt("anthropic", wire.begin() .. wire.thought("hm")
      .. wire.error("overloaded_error", "later")) }, "anthropic")
    assert.are.equal(0, seen.retries)
    assert.are.equal("event event reasoning event", seen.kinds)
    assert.are.equal("hm", seen.reasoning)
  end)

  it("is output for the clocks", function()
    for _, name in ipairs(wires.names) do
      local transfer, route = raw.open({ wires.attempt(name, nil, { steps = {
        wires[name].begin() .. wires[name].thought("hm"), { stall = true },
      } }) }, name, { timeout = { first_output = 0.5, progress = 0.15 } })
      local seen = raw.read(transfer)
      assert.are.equal("timeout", seen.failure.kind)
      assert.are.equal("progress", seen.failure.phase, name)
      local stats = transfer:stats()
      assert.is_truthy(stats.first_output)
      assert.is_true(stats.ended - stats.first_output >= 0.149, name)
      assert.is_truthy(Gateway.start():wait(route, "closed", 1, 5))
    end
  end)

  it("fills the queue of a reader that is too slow, and the transfer pauses", function()
    for _, name in ipairs(wires.names) do
      local parts = { wires[name].begin() }
      for i = 1, 3000 do
        parts[#parts + 1] = wires[name].thought(("%d "):format(i) .. sse.filler(200))
      end
      parts[#parts + 1] = wires[name].finish()
      local transfer = raw.open({ wires.attempt(name, table.concat(parts)) }, name,
        { limits = { buffer = 5000 } })
      while transfer:stats().pauses == 0 and not transfer:ending() do
        raw.step()
      end
      assert.is_nil(transfer:ending())
      transfer:keep(false)
      local count = 0
      while true do
        local text = transfer:text()
        assert.is_nil(text)
        if raw.take(transfer)[1] == nil then
          break
        end
        count = count + 1
      end
      assert.is_true(transfer:stats().pauses > 1, name)
      local plain = name == "openai" and 2999 or 3000 -- its first is an event, to be read in full
      assert.are.equal(plain, transfer:stats().reasonings, name)
      local reasoning = transfer:reasoning()
      for i = 1, 3000, 500 do
        assert.is_truthy(reasoning:find(("%d "):format(i), 1, true))
      end
      assert.are.equal(wires[name].ending, transfer:ending())
      assert.is_true(count < 3000 + wires[name].begins + wires[name].finishes)
      assert.are.equal(0, core.engine():step(0))
    end
  end)
end)
