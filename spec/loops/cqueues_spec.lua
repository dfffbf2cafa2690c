-- The contract under cqueues, and what is particular to it.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local cqueues = require("cqueues")
local rill = require("rill")
local sse = require("spec.support.sse")
local ticking = require("spec.loops.ticking")

local gateway = Gateway.start()

local host = { name = "cqueues" }

local function finish(controller)
  local errors = {}
  repeat
    local ok, err = controller:loop()
    if not ok then
      errors[#errors + 1] = err
    end
  until ok
  return errors
end

function host.run(fn)
  local controller = cqueues.new()
  controller:wrap(fn)
  return finish(controller)
end

function host.spawn(fn)
  cqueues.running():wrap(fn)
end

host.sleep = cqueues.sleep

function host.every(period, fn)
  cqueues.running():wrap(function()
    repeat
      cqueues.sleep(period)
    until fn() == false
  end)
end

require("spec.loops.contract")(host)
ticking(host)

describe("under cqueues,", function()
  local WAITING = { sse.chunk("a"), { wait = "go" }, sse.answer("b") }

  local function read()
    local stream = ask.chat({ { steps = { sse.chunk("a"), { sleep = 0.02 }, sse.answer("b") } } })
    return ask.read(stream).text
  end

  it("controllers may be nested, and one stream's news wake coroutines of each", function()
    local texts = {}
    local outer = cqueues.new()
    local function add(controller, name)
      controller:wrap(function()
        texts[name] = read()
      end)
    end
    add(outer, "outer")
    outer:wrap(function()
      local inner = cqueues.new()
      add(inner, "inner")
      add(inner, "inner too")
      assert.same({}, finish(inner))
    end)
    add(outer, "outer too")
    assert.same({}, finish(outer))
    assert.same({ outer = "ab", ["outer too"] = "ab", inner = "ab", ["inner too"] = "ab" }, texts)
  end)

  it("a controller ends when no stream waits, though one is open", function()
    local stream, route = ask.chat({ { steps = WAITING } })
    local controller = cqueues.new()
    controller:wrap(function()
      stream:next()
    end)
    assert.same({}, finish(controller))
    assert.is_true(controller:empty())
    gateway:signal(route, "go")
    controller:wrap(function()
      assert(stream:result())
    end)
    assert.same({}, finish(controller))
  end)

  it("what one controller has waited for can be gone on with in another", function()
    local stream, route = ask.chat({ { steps = WAITING } })
    local text
    for _ = 1, 2 do
      local controller = cqueues.new()
      controller:wrap(function()
        text = (text or "") .. (text and ask.read(stream).text or stream:next(5).type)
        gateway:signal(route, "go")
      end)
      assert.same({}, finish(controller))
    end
    assert.truthy(text:find("b", 1, true))
  end)

  it("a controller outlives an engine whose descriptor another one gets", function()
    local controller = cqueues.new()
    for _ = 1, 3 do
      local text
      controller:wrap(function()
        text = read()
      end)
      assert.same({}, finish(controller))
      assert.equal("ab", text)
      ask.forget_connections()
    end
  end)

  it("a controller that is dropped in the middle takes nobody with it", function()
    local function begin()
      local controller = cqueues.new()
      controller:wrap(function()
        ask.read((ask.chat({ { steps = { sse.chunk("a"), { stall = true } } } })))
      end)
      controller:step(0.05)
    end
    begin()
    collectgarbage()
    collectgarbage()
    assert.same({}, host.run(function()
      assert.equal("ab", read())
    end))
  end)

  -- Runs fn in a coroutine of a controller, for as long as a spec may take.
  local function run_shortly(fn)
    local controller = cqueues.new()
    controller:wrap(fn)
    local deadline = cqueues.monotime() + 5
    while not controller:empty() and cqueues.monotime() < deadline do
      assert(controller:step(0.1))
    end
    assert.is_true(controller:empty(), "somebody waits for ever")
  end

  -- A wait below a function of C, which Lua refuses.
  local function wait_in_vain()
    local ws = ask.websocket({ { { wait = "never" } } })
    assert.is_false(pcall(string.gsub, "a", "a", function()
      ws:next()
    end))
    ws:drop()
  end

  it("a wait that Lua refuses lets the others wait as before", function()
    run_shortly(function()
      wait_in_vain()
      local ws = ask.websocket({ { "fine" } })
      cqueues.running():wrap(function()
        assert.equal("fine", ws:next())
      end)
    end)
  end)

  it("whoever leads does not hand over to one whose wait Lua has refused", function()
    run_shortly(function()
      local first, route = ask.websocket({ { { wait = "go" }, "1", { wait = "never" } } })
      local second = ask.websocket({ { { receive = 1 }, "2", { wait = "never" } } })
      cqueues.running():wrap(function()
        assert.equal("1", first:next())
        assert(second:send("go on"))
      end)
      cqueues.running():wrap(function()
        assert.equal("2", second:next())
      end)
      for _ = 1, 20 do
        cqueues.running():wrap(wait_in_vain)
      end
      cqueues.running():wrap(function()
        gateway:signal(route, "go")
      end)
    end)
  end)

  for name, wait in by_name({
    ["its events"] = function(session)
      session:next()
    end,
    ["its events, for a time"] = function(session)
      session:next(1000)
    end,
    ["an answer, for a time"] = function(session)
      session:say("one"):next(1000)
    end,
  }) do
    it("a live session goes with the controller that waited for " .. name, function()
      local held = setmetatable({}, { __mode = "v" })
      local function begin()
        local controller = cqueues.new()
        controller:wrap(function()
          local session = ask.live({ { steps = { { stall = true } } } }, { dialect = "realtime" })
          held.session = session
          wait(session)
        end)
        repeat
          assert(controller:step(0.01))
          held.socket = held.session.link.socket
        until held.socket and held.socket:state() == "open"
      end
      begin()
      for _ = 1, 2 do
        collectgarbage()
        collectgarbage()
        rill.step(0) -- what was collected may have rung
      end
      assert.same({}, held)
    end)
  end
end)
