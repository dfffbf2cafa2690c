-- Turns of live sessions that meet each other, tools, and the ends of connections, on a fake core.

local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")
local script = require("spec.support.live_script")

local delta, completed, join = script.delta, script.completed, script.join
local rill, ai, session

local OPEN, FIRST, SECOND = { "open" }, { "sent", 1 }, { "sent", 2 }

local function live(options, ...)
  fake.socket_scripts = { ... }
  local given = { dialect = "responses", model = "m" }
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  session = ai:live(given)
  return session
end

local function turn()
  require("rill.loops").turn(rill.engine())
end

local CALL = {
  type = "function_call", id = "f", call_id = "c1", name = "look", arguments = "{}",
}

-- An answer that calls the tool `look`.
local function calling(before)
  return delta(before), script.text({
    type = "response.output_item.done", output_index = 0, item = CALL,
  }), script.text({
    type = "response.completed",
    response = { id = "r1", status = "completed", output = { CALL } },
  })
end

before_each(function()
  rill = fake.install()
  ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-secret-key" })
end)

teardown(fake.remove)

describe("an answer that was cut within a call", function()
  it("leaves none to be answered, here or at the server", function()
    live({ tools = { look = { call = error } } }, { OPEN, FIRST, script.text({
      type = "response.output_item.done", output_index = 0, item = CALL,
    }), script.text({ type = "response.incomplete", response = {
      id = "r1", status = "incomplete", output = { CALL },
      incomplete_details = { reason = "max_output_tokens" },
    } }), SECOND, completed("r2", "b") })
    local reply = session:say("one"):result()
    assert.same({ "length", "look" }, { reply.outcome, reply.tool_calls[1].name })
    assert.equal("b", session:say("two"):result().text)
    local frame = script.sent(2)
    assert.is_nil(frame.previous_response_id)
    for _, one in ipairs(frame.input) do
      assert.not_equal("function_call", one.type)
    end
  end)
end)

describe("a turn", function()
  it("may have sixteen megabytes unread, unless told otherwise", function()
    live({}, { OPEN }):say("one")
    assert.equal(16777216, fake.last().spec.limits.buffer)
  end)

  it("has its clocks run from when the connection is open", function()
    live({}, { { "wait", 5 }, OPEN, SECOND, completed("r1", "a"), completed("r2", "b", "b") })
    local main = session:say("one")
    assert.is_true(fake.last().at_rest)
    session:connect()
    assert.is_false(fake.last().at_rest)
    session:lane("b"):say("two")
    assert.is_nil(fake.last().at_rest)
    assert.equal("a", main:result().text)
  end)

  it("that is sent again has what is left of its time, and the next one all of it", function()
    local said, called, done = calling("let me see")
    live({ tools = { look = { call = function()
      return "seen"
    end } } }, { OPEN, FIRST, { "wait", 3 }, { "unsent", { { "x", false } } },
      { "close", 1012, "" } }, { OPEN, FIRST, { "wait", 2 }, said, called, done, SECOND,
      completed("r2", "b") })
    assert.equal("b", session:say("one"):result().text)
    local ages = {}
    for i, transfer in ipairs(fake.opened) do
      ages[i] = transfer.spec.age
    end
    assert.equal(fake.opened[2].created - fake.opened[1].created, ages[2])
    assert.is_true(ages[2] >= 3)
    assert.same({ 0, ages[2], 0 }, ages)
  end)

  it("can be polled: nothing else has to turn the engine", function()
    live({}, { OPEN, SECOND, delta("a"), completed("r1", "a") })
    local stream, other = session:say("one"), session:lane("b"):say("two")
    assert.is_nil((other:poll()))
    local event
    for _ = 1, 5 do
      event = event or stream:poll()
    end
    assert.equal("a", event.text)
  end)

  it("hears of a retry that somebody else's step has brought", function()
    live({}, { { "retry", 2, 1, "refused" }, { "wait", 50 }, OPEN })
    local stream = session:say("one")
    rill.engine():step(0)
    local before = fake.clock
    assert.equal("retry", stream:next().type)
    assert.equal(before, fake.clock)
  end)

  it("opens one connection when it fails for good, whatever it says of later", function()
    live({}, { { "end", "failed", { kind = "connect", message = "no", retryable = true } } },
      { OPEN })
    local _, err = session:say("one"):result()
    assert.equal("connect", err.kind)
    assert.is_true(err.retryable)
    assert.equal(1, #fake.sockets)
  end)

  it("goes to another connection where this one is about to close", function()
    live({}, { OPEN, FIRST, completed("r1", "a") }, { OPEN, FIRST, completed("r2", "b") })
    session:say("one"):result()
    fake.last_socket().current = "closing" -- the peer's close frame has come
    assert.equal("b", session:say("two"):result().text)
    assert.equal(2, #fake.sockets)
  end)

  it("that had output ends an outage, also if it fails", function()
    local unsent = { OPEN, { "unsent", { { "x", false } } }, { "close", 1006, "" } }
    live({ reconnect = { max = 1 } }, join({ FIRST }, unsent),
      { OPEN, FIRST, delta("he"), { "close", 1006, "" } }, join({ FIRST }, unsent),
      { OPEN, FIRST, completed("r1", "a") })
    local _, err = session:say("one"):result()
    assert.equal("he", err.partial.text)
    assert.equal("a", session:say("two"):result().text)
  end)

  it("counts the attempts to open its connections, and those that were lost", function()
    live({ reconnect = { max = 4 } }, { OPEN, FIRST, { "unsent", { { "x", false } } },
      { "close", 1006, "" } }, { OPEN, FIRST, completed("r1", "a") })
    local stream = session:say("one")
    fake.last_socket().trail = { {}, {}, {} }
    assert.equal("a", stream:result().text)
    assert.equal(2, fake.last_socket().spec.retries)
    assert.is_true(fake.last_socket().spec.wait_first) -- which is the third wait
  end)

  it("is not explained by an error that came long before", function()
    live({}, { OPEN, script.failure("odd", "stray words"), FIRST, completed("r1", "a"), SECOND,
      delta("he"), { "close", 1008, "" } })
    session:connect()
    session:say("one"):result()
    local _, err = session:say("two"):result()
    assert.falsy(err.message:find("stray words", 1, true), err.message)
    assert.equal(1008, err.code)
  end)

  it("has an end, after which what comes at once is of no turn", function()
    live({ dialect = "chat" }, join({ OPEN, FIRST }, script.chat("a"), script.chat("late"),
      { SECOND }, script.chat("b")))
    assert.equal("a", session:say("one"):result().text)
    rill.step(0)
    assert.equal(2, session:metrics().strays)
    assert.equal("b", session:say("two"):result().text)
    assert.equal(2, session:metrics().strays)
  end)

  it("that was refused leaves its connection to the next", function()
    live({}, { OPEN, FIRST, delta("he"), script.failure("server_error", "oops"), SECOND,
      completed("r2", "b") })
    local _, err = session:say("one"):result()
    assert.equal("oops", err.message)
    assert.equal("b", session:say("two"):result().text)
    assert.equal(1, #fake.sockets)
  end)

  it("is asked for once more for each question that needs it", function()
    local gone = script.failure("previous_response_not_found", "gone")
    live({}, { OPEN, FIRST, completed("r1", "a"), SECOND, gone, { "sent", 3 },
      completed("r2", "b"), { "sent", 4 }, gone, { "sent", 5 }, completed("r3", "c") })
    session:say("one"):result()
    assert.equal("b", session:say("two"):result().text)
    assert.equal("c", session:say("three"):result().text)
  end)
end)

describe("the pump", function()
  it("that runs out of memory fails the turn in flight, and no other", function()
    live({}, { OPEN, FIRST, delta("he") }, { OPEN, FIRST, completed("r2", "b") })
    local stream = session:say("one")
    local socket = fake.last_socket()
    local take = socket.take
    function socket.take()
      socket.take = take
      error("not enough memory", 0)
    end
    local ok, problem = pcall(stream.next, stream)
    assert.same({ false, "not enough memory" }, { ok, problem })
    local _, err = stream:result()
    assert.equal("interrupted", err.kind)
    assert.equal("uncertain", err.delivery)
    assert.equal(1, socket.drops)
    assert.equal("b", session:say("two"):result().text)
  end)

  it("rests while C hands over what comes, and hears of the end all the same", function()
    live({}, { OPEN, FIRST, { "wait", 1 }, delta("h"), { "wait", 1 }, delta("e"), { "wait", 1 },
      { "close", 1011, "down" } })
    local stream, takes = session:say("one"), 0
    local socket = fake.last_socket()
    assert.equal("h", stream:next().text)
    assert.is_true(socket:attached())
    local take = socket.take
    function socket.take(...)
      takes = takes + 1
      return take(...)
    end
    assert.equal("e", stream:next().text)
    assert.equal(0, takes)
    local _, err = stream:next()
    assert.equal(1011, err.code)
  end)
end)

describe("an interruption", function()
  it("while a tool runs keeps the question alone", function()
    live({ tools = { look = { call = function()
      session:interrupt()
    end } } }, { OPEN, FIRST, calling("let me see") })
    local _, err = session:say("one"):result()
    assert.equal("cancelled", err.kind)
    assert.equal(1, #session.messages)
  end)

  it("says nothing of the stream after it, which is closed", function()
    live({}, { OPEN, FIRST, delta("he") }, { OPEN, FIRST, delta("llo") })
    session:say("one"):next()
    session:interrupt()
    local stream = session:say("two")
    stream:next()
    stream:close()
    assert.equal(2, #session.messages)
  end)

  it("takes back a question that waits for room", function()
    live({}, { OPEN, FIRST, { "full" } })
    local main = session:say("one")
    turn()
    local side = session:lane("side"):say("two")
    side:close()
    local socket = fake.last_socket()
    socket:push({ "room" }, completed("r1", "a"))
    assert.equal("a", main:result().text)
    assert.equal(1, #socket.sent)
    assert.equal(0, socket.drops)
  end)

  it("reaches the lanes when the session is closed", function()
    live({}, { OPEN, SECOND })
    local main, side = session:say("one"), session:lane("side"):say("two")
    session:close()
    local _, first = main:result()
    local _, second = side:result()
    assert.same({ "cancelled", "cancelled" }, { first.kind, second.kind })
  end)
end)

describe("a connection that lanes share", function()
  it("is not given up for one that it takes no more of", function()
    live({}, { OPEN, SECOND, script.failure("websocket_connection_limit_reached", "an hour", "b") },
      { OPEN, FIRST, completed("r2", "c") })
    local main, side = session:say("one"), session:lane("b"):say("two")
    local _, err = side:result()
    assert.equal("websocket_connection_limit_reached", err.code)
    assert.is_true(err.retryable)
    fake.last_socket():push(delta("a"), completed("r1", "a"))
    assert.equal("a", main:result().text)
    assert.equal(1, #fake.sockets)
    assert.equal("c", session:say("three"):result().text) -- idle by now: on another one
    assert.equal(2, #fake.sockets)
  end)

  it("is not replaced for its age while one has its answer from it", function()
    live({ rotate_after = 10 }, { { "open" }, SECOND, completed("r2", "b", "b"),
      completed("r1", "a") })
    session:connect()
    local main = session:say("one")
    fake.clock = fake.clock + 11
    assert.equal("b", session:lane("b"):say("two"):result().text)
    assert.equal("a", main:result().text)
    assert.equal(1, #fake.sockets)
  end)

  it("tells an error without a lane to the one that is still wanted", function()
    live({}, { OPEN, { "sent", 3 }, script.failure("rate_limit_exceeded", "slow down") })
    session:lane("a"):say("one")
    local b, c = session:lane("b"):say("two"), session:lane("c"):say("three")
    session:lane("a"):interrupt()
    c:close()
    local _, err = b:result()
    assert.equal("slow down", err.message)
    assert.is_nil(cjson.decode(fake.last_socket().sent[1][1]).previous_response_id)
  end)
end)
