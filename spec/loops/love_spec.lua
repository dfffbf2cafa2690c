-- The game of examples/love in a real LÖVE, and how long a step takes in its frames.

local Gateway = require("spec.support.gateway")
local bench_server = require("spec.support.bench_server")
local cjson = require("cjson").new()
local love = require("spec.support.love")
local measured = require("spec.support.measured")
local responses_socket = require("spec.support.responses_socket")
local shell = require("spec.support.shell")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local screen

local SPEECH = "A fox needs no reason to sit at a fire. Ça va? Warm paws, a quiet night, and once "
  .. "in a while somebody who asks."

local function with_server(path, fn)
  bench_server.with("build/jit/bench/server", function(url)
    fn({ RILL_BASE_URL = url .. path .. "/v1" })
  end)
end

local function show(output)
  if os.getenv("RILL_SHOW") then
    print("\n" .. output)
  end
end

describe("in LÖVE,", function()
  setup(function()
    love.prepare()
    screen = love.open_screen()
  end)

  teardown(function()
    screen:close()
  end)

  it("the fox types its answer into the bubble, and it is to be seen there", function()
    local pieces = {}
    for word in SPEECH:gmatch("%S+ ?") do
      pieces[#pieces + 1] = sse.chunk(word)
    end
    local route = gateway:script({
      { before = { { asked = 2 } }, steps = { table.concat(pieces), sse.finish(), sse.done() } },
      { steps = { { stall = true } } },
    })
    local shot = os.tmpname()
    local facts, output = screen:run("types", {
      RILL_BASE_URL = route.base_url, RILL_SHOT = os.getenv("RILL_PICTURE") or shot,
    })
    show(output)
    assert.equal(SPEECH, facts.text)
    assert.is_true(facts.rate > 38 and facts.rate < 42, facts.rate .. " characters a second")
    assert.is_true(facts.frames > 20) -- 130 where the machine keeps up
    assert.is_true(facts.empty_paper > 12000, "no bubble: " .. facts.empty_paper)
    assert.is_true(facts.typed_paper > 6000)
    assert.is_true(facts.empty_ink < 400, "ink before there was text: " .. facts.empty_ink)
    assert.is_true(facts.typed_ink > 800, "no text: " .. facts.typed_ink)
    local png = shell.read(os.getenv("RILL_PICTURE") or shot)
    os.remove(shot)
    assert.equal("\137PNG\r\n\26\n", png:sub(1, 8))
    assert.is_true(#png < 60000, #png .. " bytes")
    assert.equal("true", facts.stopped)
  end)

  it("a key interrupts it, one asks anew, one shows all at once, and a failure is told", function()
    local route = gateway:script({
      { steps = { sse.chunk("one " .. ("word "):rep(40)), { stall = true } } },
      sse.answer("two " .. ("word "):rep(10)),
      { status = 401, headers = { ["Content-Type"] = "application/json" },
        steps = { '{"error":{"message":"who are you?"}}' } },
    })
    local facts = screen:run("keys", { RILL_BASE_URL = route.base_url })
    assert.truthy(gateway:wait(route, "closed", 1, 5))
    assert.truthy(facts.interrupted:find("^one.- %- all right, all right%.$"), facts.interrupted)
    assert.is_true(#facts.interrupted < 60)
    assert.equal("false", facts.is_talking)
    assert.equal("two " .. ("word "):rep(10), facts.skipped)
    assert.truthy(facts.failed:find("who are you?", 1, true))
    assert.equal("true", facts.stopped)
    assert.equal(3, #gateway:requests(route))
  end)

  it("a newcomer without a key hears the local gateway", function()
    local facts = screen:run("newcomer", { RILL_GATEWAY_RATE = 600 })
    assert.truthy(facts.text:find('^"What are you doing out here%?" A fine thing'))
    assert.truthy(facts.text:find("late for it.", 1, true))
  end)

  it("a WebSocket echoes to a task and to frames that look", function()
    local route = gateway:script({ { websocket = true, steps = { { echo = true } } } })
    local facts = screen:run("websocket", { RILL_SOCKET_URL = route.socket_url })
    assert.equal("m1 m2 m3 1000", facts.heard)
    assert.equal("timeout", facts.why)
    assert.equal("polled", facts.echoed)
    assert.is_true(facts.looks >= 1)
  end)

  it("a live session has lanes for a task and for frames that look, and is interrupted", function()
    local delta, completed = responses_socket.delta, responses_socket.completed
    local route = gateway:script({ { websocket = true, steps = { { receive = 3 }, delta("he"),
      delta("a", "task"), delta("b", "side"), delta("c", "task"), completed("task"),
      delta("d", "side"), completed("side"), { stall = true } } } })
    local facts = screen:run("live", { RILL_BASE_URL = route.base_url })
    assert.equal("true", facts.interrupted)
    assert.same({ "ac", "bd", "cancelled he", "none" },
      { facts.read, facts.looked, facts.main, facts.state })
  end)

  it("a realtime session is spoken to by frames that look, and listened to by a task", function()
    local function delta(text)
      return cjson.encode({ type = "response.output_text.delta", response_id = "r", delta = text })
    end
    local route = gateway:script({ { websocket = true, steps = { { receive = 3 },
      '{"type":"input_audio_buffer.committed","item_id":"u"}',
      '{"type":"response.created","response":{"id":"r"}}', delta("I "), { receive = 2 },
      delta("hear"), { receive = 2 }, '{"type":"input_audio_buffer.speech_started"}',
      { stall = true } } } })
    local facts = screen:run("realtime", { RILL_BASE_URL = route.base_url })
    assert.same({ "I hear", "cancelled", "committed speech_started interrupted", 2, "none" },
      { facts.heard, facts.outcome, facts.happened, facts.messages, facts.state })
  end)

  it("a step takes less than a millisecond for one stream", function()
    with_server("/paced/100/50", function(variables)
      measured(5, function()
        local facts, output = screen:run("paced", variables)
        assert.equal(100, facts.tokens)
        assert.is_true(facts.step_count > 20) -- 120 where the machine keeps up with the frames
        return facts.step_p99 <= 1 and facts.step_max <= 1, output
      end)()
    end)
  end)

  it("a budget bounds the steps of fifty fast streams, and each has its share", function()
    with_server("/chunked/10000000", function(variables)
      measured(5, function()
        local facts, output = screen:run("many", variables)
        assert.is_true(facts.bounded_fewest > 0)
        -- The server takes all that it gets of the machine, so the longest steps are its doing.
        return facts.bounded_p50 <= 2.2 and facts.bounded_p90 <= 3
          and facts.free_p50 > 10 * facts.bounded_p50
          and facts.bounded_most <= 3 * facts.bounded_fewest, output
      end)()
    end)
  end)
end)
