-- Live sessions against real servers: the local gateway, which knows every dialect, and scripted
-- ones, which do what servers should not.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local cjson = require("cjson").new()
local core = require("rill.core")
local responses_socket = require("spec.support.responses_socket")
local rill = require("rill")

package.path = package.path .. ";./examples/?.lua"
local local_gateway = require("support.local_gateway")

local gateway = Gateway.start()
local friendly

setup(function()
  friendly = local_gateway.start({ rate = 2000 })
end)

teardown(function()
  friendly:stop()
end)

local function live(dialect, options)
  local given = ask.merged({ dialect = dialect, model = "rill-demo" }, options)
  return rill.client({ base_url = friendly.base_url, api_key = ask.KEY }):live(given)
end

-- A session with a scripted server, of which each connection plays one attempt.
local function scripted(attempts, options)
  return ask.live(attempts, ask.merged({ dialect = "responses" }, options))
end

-- A local variable of the file that a function comes from.
local function upvalue(fn, wanted)
  local at = 0
  repeat
    at = at + 1
    local name, value = debug.getupvalue(fn, at)
    if name == wanted then
      return value
    end
  until not name
end

local delta = responses_socket.delta

local DONE = '{"type":"response.completed","response":{"id":"r1","status":"completed","output":[]}}'

local function done(lane)
  return (DONE:gsub("}$", ',"stream_id":"' .. lane .. '"}'))
end

-- What the client sent over the nth connection, decoded.
local function sent(route, number)
  local list = {}
  for _, message in ipairs(gateway:requests(route)[number].messages) do
    if message.kind == "text" then
      list[#list + 1] = cjson.decode(message.data)
    end
  end
  return list
end

for _, dialect in ipairs({ "chat", "completions", "responses" }) do
  describe("the dialect " .. dialect, function()
    it("holds a conversation with the local gateway", function()
      ask.forget_connections() -- what other specs have left open would count below
      local session = live(dialect, { system = "be brief" })
      local pieces = {}
      for text in session:say("one two three"):text() do
        pieces[#pieces + 1] = text
      end
      assert.is_true(#pieces > 3)
      assert.equal(session.messages[3].content, table.concat(pieces))
      local reply = assert(session:say("and now four"):result())
      assert.equal("complete", reply.outcome)
      assert.is_true(reply.text:find("four", 1, true) ~= nil, reply.text)
      assert.equal(5, #session.messages)
      session:close()
      assert.equal(0, rill.engine():step(0))
    end)

    it("is interrupted, and goes on", function()
      local session = live(dialect)
      local stream = session:say("tell me a long story about one two three four five six")
      local first = stream:next()
      while first.type ~= "text" do
        first = stream:next()
      end
      assert.is_true(session:interrupt())
      local _, err = stream:result()
      assert.equal("cancelled", err.kind)
      assert.equal(first.text, session.messages[2].content)
      assert.is_true(session.messages[2].native.interrupted)
      assert.equal("complete", assert(session:say("again")):result().outcome)
      session:close()
    end)
  end)
end

describe("lanes of the dialect responses", function()
  it("answer side by side over one connection", function()
    local session = live("responses")
    local streams = {}
    for i = 1, 5 do
      streams[i] = session:lane("lane" .. i):say("question number" .. i)
    end
    for i = 1, 5 do
      local text = assert(streams[i]:result()).text
      assert.truthy(text:find("number" .. i, 1, true), text)
    end
    assert.equal(1, session:metrics().connections)
    session:close()
  end)

  it("run in tasks, each with its own history", function()
    local session = live("responses")
    local counts = {}
    for i = 1, 4 do
      rill.go(function()
        local lane = session:lane("t" .. i)
        for _ = 1, 3 do
          lane:say("hello"):result()
        end
        counts[i] = #lane.messages
      end)
    end
    rill.run()
    assert.same({ 6, 6, 6, 6 }, counts)
    assert.equal(1, session:metrics().connections)
    session:close()
  end)
end)

describe("messages of several lanes", function()
  it("may be numbered all together", function()
    local function numbered(number, kind, lane, rest)
      return ('{"type":"response.%s","sequence_number":%d,"stream_id":"%s",%s}')
        :format(kind, number, lane, rest)
    end
    local function text(number, lane, said)
      return numbered(number, "output_text.delta", lane,
        '"output_index":0,"delta":"' .. said .. '"')
    end
    local function last(number, lane)
      return numbered(number, "completed", lane,
        '"response":{"id":"r","status":"completed","output":[]}')
    end
    local session = scripted({ { steps = { { receive = 2 }, text(1, "a", "x"), text(2, "b", "y"),
      text(3, "b", "y"), text(4, "a", "x"), last(5, "b"), text(7, "a", "x"), last(9, "a") } } })
    local a, b = session:lane("a"):say("one"), session:lane("b"):say("two")
    assert.equal("xxx", assert(a:result()).text)
    assert.equal("yy", assert(b:result()).text)
  end)

  it("that have come while the program was busy are in time", function()
    local session = scripted({ { steps = {
      { receive = 2 }, delta("x", "a"), delta("y", "b"), { sleep = 0.2 }, delta("x", "a"),
      delta("y", "b"), done("a"), done("b"),
    } } }, { timeout = { idle = 0.5 } })
    local a, b = session:lane("a"):say("one"), session:lane("b"):say("two")
    assert.is_not_nil(a:next())
    assert.is_not_nil(b:next())
    require("socket").sleep(0.8)
    assert.equal("xx", assert(a:result()).text)
    assert.equal("yy", assert(b:result()).text)
    session:close()
  end)

  it("wait in the socket while the reader of the only one is slow", function()
    local steps = { { receive = 1 } }
    for i = 1, 400 do
      steps[i + 1] = delta(("x"):rep(10000))
    end
    steps[#steps + 1] = DONE
    local session = scripted({ { steps = steps } }, { limits = { buffer = 100000 } })
    local stream = session:say("one")
    stream:next()
    for _ = 1, 50 do
      rill.engine():step(0.002)
    end
    local bytes = session:metrics().bytes_in
    assert.is_true(bytes < 2000000, bytes)
    assert.equal(4000000, #assert(stream:result()).text)
    session:close()
  end)
end)

describe("the clock of silence", function()
  local IDLE = 0.4

  -- Lets the engine go on until something is so; false where that takes as long as a hanging spec.
  local function until_true(is_so)
    local started = core.now()
    while not is_so() do
      rill.engine():step(0.01)
      require("rill.loops").collect(rill.engine())
      if core.now() - started > 5 then
        return false
      end
    end
    return true
  end

  -- One turn, whose messages C hands over, or two lanes, whose messages Lua does.
  local function ask_all(session, lanes)
    local streams = {}
    for at, lane in ipairs(lanes) do
      streams[at] = session:lane(lane):say("think")
    end
    return streams
  end

  local CASES = { { "a" }, { "a", "b" } }

  local function steps_of(lanes, between)
    local steps = { { receive = #lanes } }
    for _, step in ipairs(between) do
      steps[#steps + 1] = step
    end
    for _, lane in ipairs(lanes) do
      steps[#steps + 1] = delta("thought", lane)
      steps[#steps + 1] = done(lane)
    end
    steps[#steps + 1] = { wait = "never" }
    return steps
  end

  it("hears the server's pings while an answer is slow", best_of(3, function()
    for _, lanes in ipairs(CASES) do
      local pings = {}
      for _ = 1, 7 do
        pings[#pings + 1] = { ping = "alive" }
        pings[#pings + 1] = { sleep = IDLE / 4 }
      end
      local session = scripted({ { steps = steps_of(lanes, pings) } },
        { timeout = { idle = IDLE }, ping_interval = false, reconnect = false })
      local from = core.now()
      for _, stream in ipairs(ask_all(session, lanes)) do
        assert.equal("thought", assert(stream:result()).text)
      end
      assert.is_true(core.now() - from > IDLE)
      session:close()
    end
  end))

  it("hears the answers to our pings", best_of(3, function()
    for _, lanes in ipairs(CASES) do
      local session, route = scripted({ { steps = steps_of(lanes, { { wait = "go" } }) } },
        { timeout = { idle = IDLE }, ping_interval = IDLE / 4, reconnect = false })
      local streams, from = ask_all(session, lanes), core.now()
      assert.is_true(until_true(function()
        return core.now() - from > 1.5 * IDLE
      end))
      gateway:signal(route, "go")
      for _, stream in ipairs(streams) do
        assert.equal("thought", assert(stream:result()).text)
      end
      session:close()
    end
  end))

  it("hears what is another lane's", best_of(3, function()
    local steps = { { receive = 2 } }
    for _ = 1, 7 do
      steps[#steps + 1] = delta("x", "b")
      steps[#steps + 1] = { sleep = IDLE / 4 }
    end
    for _, message in ipairs({ done("b"), delta("thought", "a"), done("a") }) do
      steps[#steps + 1] = message
    end
    local session = scripted({ { steps = steps } },
      { timeout = { idle = IDLE }, ping_interval = false, reconnect = false })
    local streams = ask_all(session, { "a", "b" })
    assert.equal("thought", assert(streams[1]:result()).text)
    assert.equal("xxxxxxx", assert(streams[2]:result()).text)
    session:close()
  end))

  it("ends what hears nothing at all", function()
    for _, lanes in ipairs(CASES) do
      local session = scripted({ { steps = steps_of(lanes, { { ping = "alive" },
        { wait = "never" } }) } }, { timeout = { idle = 0.1 }, ping_interval = false,
        reconnect = false })
      for _, stream in ipairs(ask_all(session, lanes)) do
        local reply, err = stream:result()
        assert.is_nil(reply)
        assert.equal("idle", err.phase)
        assert.equal("no byte for 0.1 s (timeout.idle)", err.message)
      end
      session:close()
    end
  end)

  it("ends an answer whose peer is heard, but says no more of it, by its other clocks",
    best_of(3, function()
      local session = scripted({ { steps = { { receive = 1 }, { wait = "never" } } } },
        { timeout = { idle = 0.2, first_output = 0.5 }, ping_interval = 0.05, reconnect = false })
      local _, err = session:say("one"):result()
      assert.equal("first_output", err.phase)
      session:close()
    end))
end)

describe("a session that is collected", function()
  it("leaves nobody who waits for its connection", function()
    local loops = require("rill.loops")
    local waiters = upvalue(loops.park, "waiters")
    local before = {}
    for id in pairs(waiters) do
      before[id] = true
    end
    local session = scripted({ { steps = { { receive = 1 }, { stall = true } } } })
    assert.is_true(session:connect())
    session = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    loops.turn(rill.engine())
    for id in pairs(waiters) do
      assert.truthy(before[id], "one is left")
    end
  end)
end)

describe("a session that is collected when the engine was closed meanwhile", function()
  it("leaves the waiters of those that came later", function()
    local stalled = { steps = { { receive = 1 }, { stall = true } } }
    local sessions = {}
    for at = 1, 2 do
      sessions[at] = scripted({ stalled })
      assert.is_true(sessions[at]:connect())
      if at == 1 then
        rill.engine():close()
      end
    end
    local later = sessions[2].link
    sessions = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    local waiters = upvalue(require("rill.loops").park, "waiters")
    assert.equal(later.waiter, waiters[later.socket:id()])
    later:drop()
  end)
end)

describe("an answer that nobody waits for any more", function()
  it("ends the connection, also where nothing comes", function()
    local session, route = scripted({
      { steps = { { receive = 1 }, delta("a"), { stall = true } } },
      { steps = { { receive = 1 }, delta("b"), DONE } },
    })
    session:say("one"):next()
    collectgarbage()
    collectgarbage()
    assert(gateway:wait(route, "closed", 1, 5, function()
      require("rill.loops").turn(rill.engine())
    end))
    assert.equal("b", session:say("two"):result().text)
    session:close()
  end)

  it("times out as any other, and the next question finds another connection", function()
    local session = scripted({
      { steps = { { receive = 1 }, { stall = true } } },
      { steps = { { receive = 1 }, delta("b"), DONE } },
    }, { timeout = { first_output = 0.5 } })
    local _, err = session:say("one"):result()
    assert.equal("timeout", err.kind)
    assert.equal("first_output", err.phase)
    assert.equal("b", session:say("two"):result().text)
    session:close()
  end)
end)

describe("tools of a live session", function()
  it("are called, and their results are told over the same connection", function()
    for _, dialect in ipairs({ "completions", "responses" }) do
      local session = live(dialect, { tools = {
        weather = {
          description = "the weather", parameters = { type = "object", properties = {
            place = { type = "string" } } },
          call = function()
            return "sunny and 21 degrees"
          end,
        },
      } })
      local reply = assert(session:say("What is the weather in Oslo?"):result())
      assert.equal(2, reply.turns)
      assert.equal(1, session:metrics().connections)
      session:close()
    end
  end)
end)

describe("the connection of a live session", function()
  it("is opened again for a question that it did not take", function()
    local session, route = scripted({ { status = 503 }, { steps = { { receive = 1 }, delta("a"),
      DONE } } })
    local seen = ask.read(session:say("one"))
    assert.equal("retry text start done", seen.types)
    assert.equal("a", table.concat(seen.texts))
    assert.equal(2, #gateway:requests(route))
    session:close()
  end)

  it("may take longer to open than an answer may be silent", function()
    local answer = { { receive = 1 }, delta("a"), DONE }
    local session = scripted({ { status = 503 }, { steps = answer } },
      { reconnect = { base = 0.6, jitter = 0 }, timeout = { idle = 0.5, first_output = 0.5 } })
    assert.equal("a", assert(session:say("one"):result()).text)
    session:close()
  end)

  it("is refused for good by what it should not ask twice", function()
    local session, route = scripted({ { status = 401, steps = {
      '{"error":{"message":"bad key ' .. ask.KEY .. '"}}' } } })
    local _, err = session:say("one"):result()
    assert.equal("auth", err.kind)
    assert.equal(401, err.status)
    assert.equal("bad key [redacted]", err.message)
    assert.equal(1, #gateway:requests(route))
  end)

  it("stays when the server refuses a question, or breaks an answer off", function()
    local function oops(message)
      return '{"type":"error","status":400,"error":{"code":"odd","message":"' .. message .. '"}}'
    end
    local session, route = scripted({ { steps = { { receive = 1 }, oops("one"), { receive = 1 },
      delta("he"), oops("two"), { receive = 1 }, delta("a"), DONE } } })
    for _, word in ipairs({ "one", "two" }) do
      local _, err = session:say(word):result()
      assert.equal("odd", err.code)
      assert.equal(word, err.message)
    end
    assert.equal("a", session:say("three"):result().text)
    assert.equal(1, #gateway:requests(route))
    session:close()
  end)

  it("brings errors with a status, which are as those of an HTTP answer", function()
    for _, case in ipairs({
      { "rate_limit", true, 429, "rate_limit_exceeded" },
      { "quota", false, 429, "insufficient_quota" },
      { "auth", false, 401, "invalid_api_key" }, { "overloaded", true, 503, "busy" },
      { "server", true, 500, "odd" }, { "bad_request", false, 400, "odd" },
      { "context_length", false, 400, "context_length_exceeded" },
    }) do
      local refusal = ('{"type":"error","status":%d,"error":{"code":"%s","message":"m",'
        .. '"headers":{"Retry-After":"7"}}}'):format(case[3], case[4])
      for _, first in ipairs({ delta("he"), '{"type":"response.in_progress"}' }) do
        local session = scripted({ { steps = { { receive = 1 }, first, refusal } } })
        local _, err = session:say("one"):result()
        assert.same(case, { err.kind, err.retryable, err.status, err.code })
        assert.equal(7, err.retry_after)
        session:close()
      end
    end
  end)

  it("breaks within an answer: that is an error with its partial reply", function()
    local session, route = scripted({
      { steps = { { receive = 1 }, delta("he"), { close = true } } },
      { steps = { { receive = 1 }, delta("again"), DONE } },
    })
    local _, err = session:say("one"):result()
    assert.equal("interrupted", err.kind)
    assert.equal("uncertain", err.delivery)
    assert.equal("he", err.partial.text)
    assert.equal("again", session:say("two"):result().text)
    assert.equal(1, #sent(route, 1))
    assert.equal("two", sent(route, 2)[1].input[1].content)
    session:close()
  end)

  it("tells the code and the reason with which the server closed it", function()
    local session = scripted({ { steps = { { receive = 1 }, delta("he"),
      { closing = { 1008, "policy" } } } } })
    local _, err = session:say("one"):result()
    assert.equal(1008, err.code)
    assert.truthy(err.message:find("policy", 1, true))
    assert.is_false(err.retryable)
  end)

  it("was closed while idle: the next question opens another", function()
    local session, route = scripted({
      { steps = { { receive = 1 }, delta("a"), DONE, { closing = { 1000, "" } } } },
      { steps = { { receive = 1 }, delta("b"), DONE } },
    })
    assert.equal("a", session:say("one"):result().text)
    assert(gateway:wait(route, "finished", 1, 5, function()
      rill.engine():step(0.01)
    end))
    assert.equal("b", session:say("two"):result().text)
    assert.equal(2, #gateway:requests(route))
    session:close()
  end)

  it("falls back to SSE when nothing but HTTP is there", function()
    local session = live("chat", { url = friendly.socket_url .. "/nowhere", fallback = "sse" })
    local reply = assert(session:say("hello there"):result())
    assert.equal("complete", reply.outcome)
    assert.equal(1, session:metrics().fallbacks)
    session:close()
  end)

  it("is shaken hands with at the end, and dropped where nobody holds it", function()
    local session, route = scripted({ { steps = { { receive = 1 }, delta("a"), DONE } } })
    session:say("one"):result()
    session:close()
    local messages = gateway:requests(route)[1].messages
    assert.equal("close", messages[#messages].kind)
    assert.equal(1000, messages[#messages].code)
    session, route = scripted({ { steps = { { receive = 1 }, delta("a"), { stall = true } } } })
    session:say("one"):next()
    session = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    rill.engine():step(0)
    assert(gateway:wait(route, "closed", 1, 5))
  end)
end)

describe("the key of a live session", function()
  it("stands in the message, not in the headers of the upgrade", function()
    local session, route = scripted({ { steps = { { receive = 1 },
      '{"type":"content.delta","delta":"a"}', '{"type":"chat.done"}' } } }, { dialect = "chat" })
    session:say("one"):result()
    session:close()
    local request = gateway:requests(route)[1]
    assert.equal(ask.KEY, sent(route, 1)[1].api_key)
    assert.falsy(cjson.encode(request.headers):find(ask.KEY, 1, true))
    assert.falsy(request.target:find(ask.KEY, 1, true))
  end)
end)
