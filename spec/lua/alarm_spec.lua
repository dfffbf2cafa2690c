-- Alarms of waits, on a fake core.

local fake = require("spec.support.fake_core")

local alarm, loops, rill

before_each(function()
  rill = fake.install()
  alarm, loops = require("rill.alarm"), require("rill.loops")
end)

teardown(fake.remove)

-- An alarm, and how often it has rung.
local function counting()
  local seen = { rings = 0 }
  return alarm.new(function()
    seen.rings = seen.rings + 1
  end), seen
end

local function pass(seconds)
  fake.clock = fake.clock + seconds
  rill.step(0)
end

describe("an alarm", function()
  it("rings once, and says of each time whether it has", function()
    local own, seen = counting()
    local has_rung = own:set(2)
    pass(1)
    assert.same({ 0, false }, { seen.rings, has_rung() })
    pass(1)
    assert.same({ 1, true }, { seen.rings, has_rung() })
    local again = own:set(1)
    assert.is_false(again())
    pass(5)
    assert.same({ 2, true, true }, { seen.rings, has_rung(), again() })
    pass(5)
    assert.equal(2, seen.rings)
  end)

  it("does not ring once it was taken back, or set anew", function()
    local own, seen = counting()
    local first = own:set(1)
    own:set(10)
    pass(5)
    own:set(nil)
    pass(10)
    assert.same({ 0, false }, { seen.rings, first() })
  end)

  it("is forgotten by who would wake it when it is collected", function()
    local forgotten, forget = {}, loops.forget
    loops.forget = function(id) -- luacheck: ignore 122
      forgotten[id] = true
      forget(id)
    end
    local own = counting()
    own:set(5)
    local id = own.parked.id
    own = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    loops.forget = forget -- luacheck: ignore 122
    assert.is_true(forgotten[id])
  end)
end)
