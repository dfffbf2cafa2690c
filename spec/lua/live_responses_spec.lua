-- The dialect `responses` of live sessions, on a fake core: what the server is trusted to remember,
-- lanes, refusals, and what is asked over SSE instead.

local ask = require("spec.support.ask")
local by_name = require("spec.support.by_name")
local fake = require("spec.support.fake_core")
local script = require("spec.support.live_script")

local join, response, delta, completed = script.join, script.response, script.delta,
  script.completed
local sent, play = script.sent, script.play
local rill, ai

-- The input of a question in one line.
local function input(number, which)
  local list = {}
  for i, item in ipairs(sent(number, which).input) do
    local content = item.content or item.output
    list[i] = (item.role or item.type):sub(1, 1) .. ":"
      .. (type(content) == "table" and content[1].text or content or "-")
  end
  return table.concat(list, " ")
end

local function live(options)
  return ai:live(ask.merged({ dialect = "responses", model = "m" }, options))
end

local OPEN, FIRST, SECOND = { "open" }, { "sent", 1 }, { "sent", 2 }

-- A socket that gives one answer to each question.
local function answering(...)
  local items = { OPEN }
  for i, answer in ipairs({ ... }) do
    items = join(items, { { "sent", i } }, answer)
  end
  return items
end

before_each(function()
  rill = fake.install()
  ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-secret-key" })
end)

teardown(fake.remove)

describe("the dialect responses", function()
  it("sends what is new while the connection lives", function()
    play(answering(response("r1", "a"), response("r2", "b")))
    local session = live({ system = "brief" })
    assert.equal("a", session:say("one"):result().text)
    assert.equal("b", session:say("two"):result().text)
    assert.equal("ws://127.0.0.1:9/v1/responses", fake.last_socket().url)
    local first = sent(1)
    assert.equal("response.create", first.type)
    assert.is_nil(first.stream)
    assert.is_nil(first.previous_response_id)
    assert.is_false(first.store)
    assert.equal("s:brief u:one", input(1))
    assert.equal("r1", sent(2).previous_response_id)
    assert.equal("u:two", input(2))
    assert.equal(4 + 1, #session.messages)
  end)

  it("sends all again on another connection", function()
    play(join(answering(response("r1", "a")), { { "close", 1001, "" } }),
      answering(response("r2", "b")))
    local session = live()
    session:say("one"):result()
    session:say("two"):result()
    assert.is_nil(sent(1).previous_response_id)
    assert.equal("u:one a:a u:two", input(1))
  end)

  it("sends all again where the history was changed", function()
    for _, change in ipairs({
      function(messages) table.remove(messages, 1) end,
      function(messages) messages[2].content = "A" end,
      function(messages) messages[1] = { role = "developer", content = "one" } end,
      function(messages) table.insert(messages, 1, { role = "system", content = "s" }) end,
    }) do
      play(answering(response("r1", "a"), response("r2", "b")))
      local session = live()
      session:say("one"):result()
      change(session.messages)
      session:say("two"):result()
      assert.is_nil(sent(2).previous_response_id)
      assert.equal(#session.messages - 1, #sent(2).input)
    end
  end)

  describe("where a message has parts or calls", function()
    local TOOLS = { f = { call = function() return "42" end } }
    local parts, stream, session

    -- A question of parts, whose answer is a call and then a text, and a further question.
    before_each(function()
      local call = script.text({ type = "response.completed", response = { id = "r1", model = "m",
        status = "completed", output = { { type = "function_call", id = "fc", call_id = "c",
          name = "f", arguments = '{"a":1}' } } } })
      play(answering({ call }, response("r2", "a"), response("r3", "b")))
      session = live({ tools = TOOLS })
      parts = { { type = "text", text = "my password is hunter2" } }
      stream = session:say(parts)
    end)

    local function go_on(change)
      stream:result()
      change(session.messages)
      session:say({ { type = "text", text = "two" } }):result()
      return sent(3)
    end

    it("sends what is new while nothing was changed", function()
      local frame = go_on(function() end)
      assert.equal("r2", frame.previous_response_id)
      assert.equal(1, #frame.input)
    end)

    for what, change in by_name({
      ["a part"] = function(messages) messages[1].content[1].text = "(taken out)" end,
      ["the list of parts"] = function(messages)
        messages[1].content[2] = { type = "text", text = "more" }
      end,
      ["a call"] = function(messages)
        messages[2].tool_calls[1]["function"].arguments = '{"a":2}'
      end,
    }) do
      it("sends all again after a change inside " .. what, function()
        local frame = go_on(change)
        assert.is_nil(frame.previous_response_id)
        assert.equal(#session.messages - 1, #frame.input)
        assert.equal(what == "a part", frame.input[1].content[1].text == "(taken out)")
      end)
    end

    it("sends all again after a change while the answer came", function()
      parts[1].text = "(taken out)"
      stream:result()
      assert.is_nil(sent(2).previous_response_id)
      assert.equal("(taken out)", sent(2).input[1].content[1].text)
    end)
  end)

  it("asks once more with all when the server does not remember", function()
    play(answering(response("r1", "a"),
      { script.failure("previous_response_not_found", "gone") }, response("r2", "b")))
    local session = live()
    session:say("one"):result()
    assert.equal("b", session:say("two"):result().text)
    assert.equal(1, #fake.sockets)
    assert.equal("r1", sent(2).previous_response_id)
    assert.is_nil(sent(3).previous_response_id)
    assert.equal("u:one a:a u:two", input(3))
    assert.equal("u:one a:a u:two a:b", (function()
      local list = {}
      for i, message in ipairs(session.messages) do
        list[i] = message.role:sub(1, 1) .. ":" .. message.content
      end
      return table.concat(list, " ")
    end)())
  end)

  it("asks on another connection when the server takes no more on this one", function()
    play(answering(response("r1", "a"),
      { script.failure("websocket_connection_limit_reached", "an hour") }),
      answering(response("r2", "b")))
    local session = live()
    session:say("one"):result()
    assert.equal("b", session:say("two"):result().text)
    assert.equal("u:one a:a u:two", input(1, 2))
    assert.same({ { 1000, "" } }, fake.sockets[1].closes)
  end)

  it("does so once where the server ends that connection at once", function()
    play(join(answering(response("r1", "a"),
      { script.failure("websocket_connection_limit_reached", "an hour") }),
      { { "close", 1001, "an hour" } }), answering(response("r2", "b"), response("r3", "c")),
      answering(response("r3", "c")))
    local session = live()
    for word, answer in ("one a two b three c"):gmatch("(%a+) (%a)") do
      assert.equal(answer, session:say(word):result().text)
    end
    assert.equal(2, #fake.sockets)
    assert.equal(0, session:metrics().rotations)
  end)

  it("does so only once for a question", function()
    local limit = { script.failure("websocket_connection_limit_reached", "an hour") }
    play(answering(limit), answering(limit), answering(limit))
    local _, err = live():say("one"):result()
    assert.equal("websocket_connection_limit_reached", err.code)
    assert.equal(2, #fake.sockets)
  end)

  it("asks on another connection when this one knows too many names of lanes", function()
    play(answering(response("r1", "a", "x"),
      { script.failure("websocket_stream_limit_reached", "32 names", "y") }),
      answering(response("r2", "b", "y"), response("r3", "c", "x")))
    local session = live()
    session:lane("x"):say("one"):result()
    assert.equal("b", session:lane("y"):say("two"):result().text)
    assert.equal("c", session:lane("x"):say("three"):result().text)
    assert.equal("u:one a:a u:three", input(2, 2))
    assert.is_nil(sent(2, 2).previous_response_id)
  end)

  it("says that it knows too many while others have their answers from it", function()
    play({ OPEN, SECOND, script.failure("websocket_stream_limit_reached", "32 names", "y") },
      answering(response("r2", "b", "y")))
    local session = live()
    local main, side = session:say("one"), session:lane("y"):say("two")
    local _, err = side:result()
    assert.equal("rate_limit", err.kind)
    assert.is_true(err.retryable)
    fake.last_socket():push(completed("r1", "a"))
    assert.equal("a", main:result().text)
    assert.equal("b", session:lane("y"):say("two"):result().text)
    assert.equal(2, #fake.sockets)
  end)

  it("takes another connection while idle, before the server ends the old one", function()
    play(answering(response("r1", "a")), answering(response("r2", "b")))
    local session = live()
    session:say("one"):result()
    fake.clock = fake.clock + 3301
    session:say("two"):result()
    assert.equal(2, #fake.sockets)
    assert.same({ { 1000, "" } }, fake.sockets[1].closes)
    assert.equal("u:one a:a u:two", input(1))
    assert.equal(1, session:metrics().rotations)
  end)

  it("keeps an old connection where rotate_after is false, and no longer than it says", function()
    for _, case in ipairs({ { false, 4000, 1 }, { 50, 49, 1 }, { 50, 51, 2 } }) do
      play(join(answering(response("r1", "a")), { SECOND }, response("r2", "b")),
        answering(response("r3", "c")))
      local session, count = live({ rotate_after = case[1] }), #fake.sockets
      session:say("one"):result()
      fake.clock = fake.clock + case[2]
      session:say("two"):result()
      assert.equal(count + case[3], #fake.sockets)
    end
  end)

  it("runs tools, whose results go on from the answer before", function()
    local call = { type = "function_call", id = "f", call_id = "c1", name = "look",
      arguments = "{}" }
    play(answering({
      script.text({ type = "response.output_item.done", output_index = 0, item = call }),
      script.text({ type = "response.completed", response = { id = "r1", status = "completed",
        output = { call } } }),
    }, response("r2", "seen")))
    local reply = live({ tools = { look = { call = function() return "hills" end } } })
      :say("one"):result()
    assert.equal("seen", reply.text)
    assert.equal(2, reply.turns)
    assert.equal("r1", sent(2).previous_response_id)
    assert.equal("f:hills", input(2))
  end)

  it("ends the connection to stop an answer that is alone", function()
    play({ OPEN, FIRST, delta("he") }, answering(response("r2", "b")))
    local session = live()
    session:say("one"):next()
    session:interrupt()
    assert.equal(1, fake.sockets[1].drops)
    session:say("two"):result()
    assert.equal("u:one a:he u:two", input(1))
  end)
end)

describe("lanes", function()
  it("are conversations side by side, told apart by their names", function()
    play({ OPEN, SECOND, delta("b", "side"), delta("a"), delta("B", "side"),
      completed("r2", "bB", "side"), delta("A"), completed("r1", "aA") })
    local session = live()
    local main, side = session:say("one"), session:lane("side"):say("two")
    local seen = {}
    for event in main:events() do
      seen[#seen + 1] = (event.lane or "-") .. (event.text or event.type)
    end
    for event in side:events() do
      seen[#seen + 1] = (event.lane or "-") .. (event.text or event.type)
    end
    assert.equal("-a -A -usage -done sideb sideB sideusage sidedone", table.concat(seen, " "))
    assert.same({ "one", "aA" }, { session.messages[1].content, session.messages[2].content })
    assert.same({ "two", "bB" }, { session:lane("side").messages[1].content,
      session:lane("side").messages[2].content })
    assert.is_nil(sent(1).stream_id)
    assert.equal("side", sent(2).stream_id)
    assert.equal("rill.live: m lane side, responses, 2 messages", tostring(session:lane("side")))
  end)

  it("remember their own answers", function()
    play(answering(response("r1", "a"), response("r2", "b", "side"), response("r3", "c", "side"),
      response("r4", "d")))
    local session = live()
    session:say("one"):result()
    session:lane("side"):say("two"):result()
    session:lane("side"):say("three"):result()
    session:say("four"):result()
    assert.is_nil(sent(2).previous_response_id)
    assert.equal("r2", sent(3).previous_response_id)
    assert.equal("r1", sent(4).previous_response_id)
  end)

  it("get their messages from C while they are alone", function()
    play({ OPEN })
    local session = live()
    local stream = session:say("one")
    local socket = fake.last_socket()
    rill.engine():step(0)
    require("rill.loops").turn(rill.engine())
    assert.is_true(socket:attached())
    session:lane("side"):say("two")
    assert.is_false(socket:attached())
    socket:push(completed("r2", "b", "side"))
    require("rill.loops").turn(rill.engine())
    assert.is_true(socket:attached())
    socket:push(completed("r1", "a"))
    assert.equal("a", stream:result().text)
    assert.is_false(socket:attached())
  end)

  it("are not mixed up by what a text says", function()
    play({ OPEN, SECOND, delta('"stream_id":"side"'), completed("r1", "x"),
      completed("r2", "y", "side") })
    local session = live()
    local main, side = session:say("one"), session:lane("side"):say("two")
    assert.equal('"stream_id":"side"', main:result().text)
    assert.equal("y", side:result().text)
  end)

  it("pass over what is left of an answer that was interrupted, while others go on", function()
    play({ OPEN, SECOND, delta("b", "side") })
    local session = live()
    local main, side = session:say("one"), session:lane("side"):say("two")
    assert.equal("text", side:next().type)
    session:lane("side"):interrupt()
    local socket = fake.last_socket()
    assert.equal(0, socket.drops)
    local again = session:lane("side"):say("three")
    socket:push(delta("old", "side"), completed("r2", "bold", "side"), delta("new", "side"),
      completed("r3", "new", "side"), completed("r1", "a"))
    assert.equal("new", again:result().text)
    assert.equal("a", main:result().text)
    assert.equal("u:two a:b u:three", input(3))
  end)

  it("end the connection once all that is left is unwanted", function()
    play({ OPEN, SECOND })
    local session = live()
    local main = session:say("one")
    local side = session:lane("side"):say("two")
    side:close()
    assert.equal(0, fake.last_socket().drops)
    main:close()
    assert.equal(1, fake.last_socket().drops)
  end)

  it("fail where nobody reads them and another one waits", function()
    play({ OPEN, SECOND, delta(("x"):rep(2000), "side"), delta("a"), completed("r1", "a") })
    local session = live({ limits = { buffer = 1000 } })
    local main, side = session:say("one"), session:lane("side"):say("two")
    assert.equal("a", main:result().text)
    local _, err = side:result()
    assert.equal("limit", err.kind)
    assert.equal("buffer", err.phase)
    assert.is_nil(err.delivery)
  end)

  it("hold the connection up where nobody reads the only one", function()
    play({ OPEN })
    local session = live({ limits = { buffer = 1000 } })
    local stream, side = session:say("one"), session:lane("side"):say("two")
    local socket = fake.last_socket()
    socket:push(completed("r2", "b", "side"), delta(("x"):rep(2000)), delta("rest"),
      completed("r1", "xrest"))
    assert.equal("b", side:result().text)
    assert.is_nil(stream.inner.transfer:ending())
    assert.is_true(#socket.queue > 0)
    assert.equal(2004, #stream:result().text)
    assert.equal(0, #socket.queue)
  end)

  it("all hear of the end of their connection", function()
    play({ OPEN, SECOND, delta("b", "side"), { "unsent", { { "x", false } } },
      { "close", 1011, "down" } }, answering(response("r3", "c", "side")))
    local session = live()
    local main, side = session:say("one"), session:lane("side"):say("two")
    local _, err = main:result()
    assert.equal("uncertain", err.delivery)
    _, err = side:result()
    assert.equal("unsent", err.delivery)
    assert.equal("b", err.partial.text)
  end)

  it("that were not sent lose one connection together, not one each", function()
    local COUNT = 12
    local answers, unsent, streams = {}, {}, {}
    for i = 1, COUNT do
      answers[i], unsent[i] = completed("r" .. i, "a", "lane" .. i), { "x", false }
    end
    local lost = { OPEN, { "sent", COUNT }, { "unsent", unsent }, { "close", 1012, "restart" } }
    play(lost, lost, join({ OPEN, { "sent", COUNT } }, answers))
    local session = live({ reconnect = { max = 2 } })
    for i = 1, COUNT do
      streams[i] = session:lane("lane" .. i):say("one")
    end
    for i = 1, COUNT do
      rill.go(function()
        streams[i] = assert(streams[i]:result())
      end)
    end
    rill.run()
    assert.equal("a", streams[COUNT].text)
    assert.equal(3, #fake.sockets)
    assert.same({ 0, 0, 1 }, { fake.sockets[1].spec.retries, fake.sockets[2].spec.retries,
      fake.sockets[3].spec.retries })
  end)

  it("share an error that names none with nobody, unless one is alone", function()
    play({ OPEN, SECOND, script.failure("rate_limit_exceeded", "slow down"),
      completed("r1", "a", "other"), completed("r2", "b", "side"), { "sent", 3 },
      script.failure("rate_limit_exceeded", "slow down") })
    local session = live()
    local lane = session:lane("side")
    local side, other = lane:say("two"), session:lane("other"):say("one")
    assert.equal("b", side:result().text)
    assert.equal("a", other:result().text)
    local _, err = lane:say("three"):result()
    assert.equal("rate_limit_exceeded", err.code)
  end)

  it("have options of their own, but for those of the connection", function()
    local session = live()
    for problem, options in pairs({
      ["argument 2 must be a table of options, not a number"] = 7,
      ["unknown option 'temprature', did you mean 'temperature'?"] = { temprature = 1 },
      ["option 'url' is the session's"] = { url = "ws://x" },
    }) do
      local ok, told = pcall(function() session:lane("a", options) end)
      assert.is_false(ok)
      assert.truthy(told:find("_spec.lua:%d+: session:lane: "), told)
      assert.truthy(told:find(problem, 1, true), told)
    end
  end)

  it("have options of their own, and else those of the session", function()
    play({ OPEN })
    local session = live({ system = "You are brief.", temperature = 1, max_tokens = 7 })
    session:lane("x", { system = "You are long.", temperature = 0 }):say("one")
    session:lane("y"):say("two")
    rill.step(0)
    for number, wanted in ipairs({ { "You are long.", 0, 7 }, { "You are brief.", 1, 7 } }) do
      local frame = sent(number)
      assert.same(wanted,
        { frame.input[1].content, frame.temperature, frame.max_output_tokens })
    end
  end)

  it("are given their options where they are asked for first, and never again", function()
    local session = live()
    local brief = session:lane("a", { system = "You are brief." })
    local ok, told = pcall(function() session:lane("a", { system = "You are long." }) end)
    assert.is_false(ok)
    assert.truthy(told:find("session:lane: the lane 'a' has its options already: ask for it by its "
      .. "name alone, ", 1, true), told)
    assert.equal(brief, session:lane("a"))
  end)

  it("have names that fit on the wire", function()
    local session = live()
    for _, name in ipairs({ "", "a b", ("x"):rep(257), 5, "ä" }) do
      assert.is_false((pcall(session.lane, session, name)))
    end
    assert.equal(session:lane("a.b-c_1"), session:lane("a.b-c_1"))
    assert.is_false((pcall(function()
      ai:live({ dialect = "chat", model = "m" }):lane("x")
    end)))
  end)
end)

describe("frames that the socket has no room for", function()
  it("wait until there is room", function()
    play({ OPEN, FIRST, { "full" }, { "wait", 1 }, { "room" }, SECOND,
      completed("r1", "a"), completed("r2", "b", "side") })
    local session = live()
    local main = session:say("one")
    require("rill.loops").turn(rill.engine())
    local side = session:lane("side"):say("two")
    assert.equal(1, #fake.last_socket().sent)
    assert.equal("b", side:result().text)
    assert.equal("a", main:result().text)
  end)

  it("were never sent when the connection is lost", function()
    play({ OPEN, FIRST, { "full" }, { "wait", 1 }, { "close", 1006, "" } },
      answering(response("r2", "b", "side")))
    local session = live()
    local main = session:say("one")
    require("rill.loops").turn(rill.engine())
    local side = session:lane("side"):say("two")
    assert.equal("b", side:result().text)
    local _, err = main:result()
    assert.equal("uncertain", err.delivery)
  end)
end)

describe("falling back to SSE", function()
  local function sse_answer(text)
    return { { "text", text }, { "event", completed("r9", text)[2] }, { "end", "done" } }
  end

  local REFUSED = { { "end", "failed", { kind = "http", status = 404, retryable = false } } }

  it("asks the same question of the same server, and says so", function()
    play(REFUSED, answering(response("r2", "b")))
    local session = live({ fallback = "sse" })
    fake.scripts = { sse_answer("a") }
    local types = {}
    local stream = session:say("one")
    for event in stream:events() do
      types[#types + 1] = event.type
      if event.type == "retry" then
        assert.truthy(event.reason:find("^asked over SSE instead: "), event.reason)
      end
    end
    assert.equal("retry", types[1])
    assert.equal("done", types[#types])
    assert.equal("a", stream:result().text)
    assert.equal("http://127.0.0.1:9/v1/responses", fake.last().spec.url)
    assert.equal("responses", fake.last().spec.format)
    assert.equal(1, session:metrics().fallbacks)
    assert.equal("b", session:say("two"):result().text)
    assert.is_nil(sent(1).previous_response_id)
    assert.equal("u:one a:a u:two", input(1))
  end)

  it("keeps to the session's bounds, and its time goes on", function()
    play({ OPEN, FIRST, { "wait", 5 }, { "close", 1011, "" } })
    local session = live({
      fallback = "sse", timeout = { connect = 1, first_output = 7, total = 20 },
      limits = { event = 1000 },
    })
    fake.scripts = { sse_answer("a") }
    assert.equal("a", session:say("one"):result().text)
    local asked = fake.last().spec
    assert.equal(20 - (fake.last().created - fake.opened[1].created), asked.timeout.total)
    assert.is_true(asked.timeout.total <= 15)
    assert.equal(7, asked.timeout.first_output)
    assert.equal(ai.timeout.connect, asked.timeout.connect)
    assert.equal(1000, asked.limits.event)
  end)

  it("is not done once there was output, nor for a key that is wrong, nor unasked", function()
    for _, case in ipairs({
      { { OPEN, FIRST, delta("he"), { "close", 1011, "" } }, "sse" },
      { { { "end", "failed", { kind = "http", status = 401, retryable = false } } }, "sse" },
      { REFUSED, nil },
      { answering({ script.failure("invalid", "no") }), "sse" },
    }) do
      play(case[1])
      local count = #fake.opened
      local _, err = live({ fallback = case[2] }):say("one"):result()
      assert.is_not_nil(err)
      assert.equal(count + 1, #fake.opened)
    end
  end)

  it("is not done once there was a refusal, sound or a citation", function()
    local function chunk(fields)
      return script.text({ choices = { { index = 0, delta = fields } } })
    end
    for _, case in ipairs({
      { "responses", script.text({ type = "response.refusal.delta", output_index = 0,
        content_index = 0, item_id = "m", delta = "I cannot" }) },
      { "responses", script.text({ type = "response.output_text.annotation.added", item_id = "m",
        output_index = 0, content_index = 0, annotation_index = 0,
        annotation = { type = "url_citation", url = "http://x", title = "x" } }) },
      { "completions", chunk({ refusal = "I cannot" }) },
      { "completions", chunk({ audio = { id = "a", data = "AAAA" } }) },
    }) do
      play({ OPEN, FIRST, case[2], { "close", 1011, "" } })
      local count = #fake.opened
      local _, err = live({ dialect = case[1], fallback = "sse" }):say("one"):result()
      assert.equal("interrupted", err.kind)
      assert.equal(count + 1, #fake.opened)
    end
  end)

  it("is done for a turn that may have been delivered", function()
    play({ OPEN, FIRST, { "close", 1011, "" } })
    local session = live({ fallback = "sse" })
    fake.scripts = { sse_answer("a") }
    assert.equal("a", session:say("one"):result().text)
  end)
end)
