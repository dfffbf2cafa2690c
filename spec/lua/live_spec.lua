-- Live sessions on a fake core: what is sent, what becomes of it, and what stays.

local ask = require("spec.support.ask")
local fake = require("spec.support.fake_core")
local script = require("spec.support.live_script")

local sent, play = script.sent, script.play

local unpack = unpack or table.unpack -- luacheck: ignore 113 143 (which one depends on the Lua)

local KEY = "sk-secret-key"
local rill, ai

-- What was said in a list of messages, in one line.
local function words(messages)
  local list = {}
  for i, message in ipairs(messages) do
    list[i] = message.role:sub(1, 1) .. ":" .. (message.content or "-")
  end
  return table.concat(list, " ")
end

local function chat(options)
  return ai:live(ask.merged({ dialect = "chat", model = "m" }, options))
end

before_each(function()
  rill = fake.install()
  ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = KEY })
end)

teardown(fake.remove)

describe("a live session", function()
  it("opens its connection with the first question and keeps it", function()
    play(script.join({ { "open" }, { "sent", 1 } }, script.chat("he", "llo"), { { "sent", 2 } },
      script.chat("again")))
    local session = chat({ system = "brief", temperature = 0.5 })
    assert.equal(0, #fake.sockets)
    local reply = session:say("one"):result()
    assert.equal("hello", reply.text)
    assert.equal("complete", reply.outcome)
    assert.equal(9, reply.usage.total_tokens)
    assert.equal("again", session:say("two"):result().text)
    assert.equal(1, #fake.sockets)
    assert.equal("ws://127.0.0.1:9/v1/ws/chat", fake.sockets[1].url)
    assert.equal("s:brief u:one a:hello u:two a:again", words(session.messages))
    assert.same({ "chat.start", 0.5, "m", KEY, "s:brief u:one" }, { sent(1).type,
      sent(1).temperature, sent(1).model, sent(1).api_key, words(sent(1).messages) })
    assert.equal("s:brief u:one a:hello u:two", words(sent(2).messages))
    assert.is_nil(sent(1).stream)
  end)

  it("is told several messages at once", function()
    play(script.join({ { "open" }, { "sent", 1 } }, script.chat("a")))
    local session = chat()
    session:say({ { role = "system", content = "brief" }, { role = "user", content = "one" } })
      :result()
    assert.equal("s:brief u:one", words(sent(1).messages))
    assert.equal("s:brief u:one a:a", words(session.messages))
  end)

  it("gives the events that a stream gives", function()
    play(script.join({ { "open" }, { "sent", 1 } }, script.chat("a", "b")))
    local types = {}
    for event in chat():say("one"):events() do
      types[#types + 1] = event.type
    end
    assert.equal("text text usage done", table.concat(types, " "))
  end)
end)

describe("an answer that is interrupted", function()
  local function interrupted(finish)
    play(script.join({ { "open" }, { "sent", 1 }, script.chat("he")[1] }),
      script.join({ { "open" }, { "sent", 1 } }, script.chat("yes")))
    local session = chat()
    local stream = session:say("one")
    local text = stream:text()
    assert.equal("he", text())
    finish(session, stream)
    return session, stream
  end

  it("ends as cancelled, and what was heard stays in the history", function()
    local session, stream = interrupted(function(session)
      fake.last_socket():push(script.chat("llo")[1]) -- nobody has heard that
      assert.is_true(session:interrupt())
      assert.is_false(session:interrupt())
    end)
    local _, err = stream:result()
    assert.equal("cancelled", err.kind)
    assert.equal("cancelled", err.partial.outcome)
    assert.equal("hello", err.partial.text)
    assert.equal("u:one a:he", words(session.messages))
    assert.is_true(session.messages[2].native.interrupted)
    assert.equal(1, fake.sockets[1].drops)
    assert.equal("yes", session:say("two"):result().text)
    assert.equal("u:one a:he u:two", words(sent(1, 2).messages))
    assert.is_nil(sent(1, 2).messages[2].native)
  end)

  it("was heard as far as it was shown, where it comes at a pace", function()
    play(script.join({ { "open" }, { "sent", 1 } }, { script.chat("hello, w\195\182rld")[1] }))
    local session = chat()
    local smooth = session:say("one"):smooth({ rate = 10, lag = math.huge })
    repeat
      require("rill.loops").turn(rill.engine())
    until smooth:update(0.1) ~= ""
    local shown = smooth:update(0.8)
    assert.equal("hello, w\195\182", shown)
    assert.equal("rld", smooth:unseen())
    assert.is_true(session:interrupt())
    assert.equal("u:one a:" .. shown, words(session.messages))
  end)

  it("leaves nothing in the history when its stream is closed", function()
    local session = interrupted(function(_, stream)
      stream:close()
    end)
    assert.equal("", words(session.messages))
    assert.equal(1, fake.sockets[1].drops)
  end)

  it("ends the connection when its stream is forgotten", function()
    local session = chat()
    play(script.join({ { "open" }, { "sent", 1 }, script.chat("he")[1] }))
    session:say("one"):next()
    collectgarbage()
    collectgarbage()
    require("rill.loops").turn(rill.engine())
    assert.equal(1, fake.sockets[1].drops)
  end)

  it("is complete where all of it has come, though not all was heard", function()
    local session, stream = interrupted(function(session)
      fake.last_socket():push(unpack(script.chat("llo", "!")))
      require("rill.loops").turn(rill.engine())
      assert.is_true(session:interrupt())
    end)
    assert.equal("complete", stream:result().outcome)
    assert.equal("u:one a:hello!", words(session.messages))
    assert.equal(0, fake.last_socket().drops)
  end)

  it("is what has to be ended before the next question", function()
    play({ { "open" } })
    local session = chat()
    local stream = session:say("one")
    local ok, said = pcall(function()
      session:say("two")
    end)
    assert.is_false(ok)
    assert.truthy(said:find("live_spec.lua:%d+: session:say: .*or call session:interrupt"), said)
    stream:close()
  end)

  it("is nothing when no answer is coming", function()
    assert.is_false(chat():interrupt())
  end)
end)

describe("a session that nobody uses any more", function()
  it("is collected with its connection, whatever waits for that", function()
    play({ { "open" } })
    local held = setmetatable({ session = chat() }, { __mode = "v" })
    held.session:connect()
    assert.equal("open", fake.last_socket():state())
    collectgarbage()
    collectgarbage()
    assert.is_nil(held.session)
  end)
end)

-- All texts in a value.
local function texts_of(value)
  local list, seen = {}, {}
  local function look(item)
    if type(item) == "string" then
      list[#list + 1] = item
    elseif type(item) == "table" and not seen[item] and item ~= ai.secrets then
      seen[item] = true
      for key, member in pairs(item) do
        look(key)
        look(member)
      end
    end
  end
  look(value)
  return table.concat(list, "\n")
end

describe("the key", function()
  it("is not shown where a server repeats what it was sent", function()
    local echo = '{"type":"chat.start","model":"m","api_key":"' .. KEY .. '"}'
    for _, ending in ipairs({
      script.chat("a")[2], { "close", 1008, echo }, script.text({ type = "error", message = echo }),
      { "end", "cut", { kind = "interrupted", message = echo } },
      { "end", "failed", { kind = "protocol", message = echo } },
    }) do
      play({ { "retry", 2, 1, echo }, { "open" }, { "sent", 1 }, { "text", echo }, { "text",
        "no JSON: " .. echo }, { "text", '{"nested":[' .. echo .. "]}" },
        { "text", '{"type":"content.delta","delta":"a","of":' .. echo .. "}" }, ending })
      local session = chat()
      local stream, events = session:say("one"), {}
      local event, err = stream:next()
      while event do
        events[#events + 1] = event
        event, err = stream:next()
      end
      assert.equal("a", stream:partial().text)
      local seen = texts_of({ events, err or {}, stream:partial(), stream:metrics(),
        stream:attempts(), session:metrics(), session.messages, tostring(err), tostring(stream),
        tostring(session) })
      assert.truthy(seen:find("[redacted]", 1, true))
      assert.falsy(seen:find(KEY, 1, true), seen)
    end
  end)

  it("is shown in no raw form of a piece of an answer, however it is written", function()
    local escaped = KEY:gsub("%-", "\\u002d")
    local function delta(key)
      return { "text", ('{"type":"content.delta","delta":"%s","sent":{"api_key":"%s"}}')
        :format("a\\u00e9", key) }
    end
    play(script.join({ { "open" }, { "sent", 1 } }, delta(KEY), delta(escaped), delta("none"),
      script.chat()))
    local wanted = { "[redacted]", "[redacted]", "none" }
    for event in chat():say("one"):events() do
      if event.type == "text" then
        assert.equal("aé", event.text)
        assert.falsy(event.raw_text:find("secret", 1, true), event.raw_text)
        assert.equal(table.remove(wanted, 1), event.raw.sent.api_key)
        assert.equal("aé", event.raw.delta)
      end
    end
    assert.same({}, wanted)
  end)

  it("is shown where a server says it as its answer, which is not changed", function()
    play(script.join({ { "open" }, { "sent", 1 } }, script.chat("it is ", KEY)))
    assert.equal("it is " .. KEY, chat():say("one"):result().text)
  end)

  it("stands in the question that is sent and nowhere else", function()
    play(script.join({ { "open" }, { "sent", 1 },
      script.text({ type = "error", message = "no such key: " .. KEY }) }))
    local session = chat({ keep_failed = true })
    local stream = session:say("one")
    local _, err = stream:result()
    assert.equal("provider_error", err.partial.outcome)
    assert.equal("no such key: [redacted]", err.message)
    assert.equal(KEY, sent(1).api_key)
    assert.falsy(texts_of({ session.messages, err, session.link.turns, session.link.outbox,
      tostring(session), tostring(stream), tostring(err) }):find(KEY, 1, true))
    for _, line in ipairs(fake.last_socket().profile.headers) do
      assert.falsy(line:find(KEY, 1, true), line)
    end
  end)
end)

describe("a connection that is hard to open", function()
  it("tells the waiting stream of each further attempt", function()
    play(script.join({ { "retry", 2, 1, "refused by " .. KEY }, { "wait", 1 },
      { "retry", 3, 2, "refused" }, { "wait", 2 }, { "open" }, { "sent", 1 } }, script.chat("a")))
    local seen = {}
    local stream = chat():say("one")
    for event in stream:events() do
      seen[#seen + 1] = event.type .. (event.attempt and
        (" %d %d %s"):format(event.attempt, event.delay, event.reason) or "")
    end
    assert.same({ "retry 2 1 refused by [redacted]", "retry 3 2 refused", "text", "usage", "done" },
      seen)
    assert.equal(2, stream:metrics().retries)
  end)

  it("fails the turn with what the server said of the upgrade", function()
    play({ { "end", "failed", { kind = "http", status = 401, retryable = false,
      body = '{"error":{"message":"bad key ' .. KEY .. '"}}' } } })
    local session = chat()
    local _, err = session:say("one"):result()
    assert.equal("auth", err.kind)
    assert.equal(401, err.status)
    assert.equal("bad key [redacted]", err.message)
    assert.equal("unsent", err.delivery)
    assert.equal("provider_error", err.partial.outcome)
    assert.equal(1, #fake.sockets)
    assert.equal("", words(session.messages))
  end)

  it("is opened with linear waits, five times, unless told otherwise", function()
    play({ { "open" } }, { { "open" } })
    chat():connect()
    local retry = fake.last_socket().profile.retry
    assert.same({ 5, 1, "linear" }, { retry.max, retry.base, retry.growth })
    chat({ reconnect = { max = 2, growth = "exponential" } }):connect()
    retry = fake.last_socket().profile.retry
    assert.same({ 2, 1, "exponential" }, { retry.max, retry.base, retry.growth })
    assert.is_false(fake.last_socket().spec.wait_first)
  end)
end)

describe("a connection that is lost", function()
  local function ask_once(ending, options)
    play(script.join({ { "open" }, { "sent", 1 } }, ending),
      script.join({ { "open" }, { "sent", 1 } }, script.chat("again")))
    local session = chat(options)
    local reply, err = session:say("one"):result()
    return session, reply, err
  end

  local function unsent(code)
    return { { "unsent", { { "x", false } } }, { "close", code, "why" } }
  end

  it("while idle is forgotten, and the next question opens another at once", function()
    local session = ask_once(script.join(script.chat("a"), { { "wait", 60 },
      { "end", "cut", { kind = "interrupted", message = "gone", retryable = true } } }))
    fake.clock = fake.clock + 100
    assert.equal("again", session:say("two"):result().text)
    assert.equal(2, #fake.sockets)
    assert.is_false(fake.sockets[2].spec.wait_first)
    assert.equal("u:one a:a u:two", words(sent(1).messages))
    assert.equal(1, session:metrics().reconnects)
  end)

  it("after 1000 while idle is a normal end", function()
    local session = ask_once(script.join(script.chat("a"), { { "close", 1000 } }))
    assert.equal("again", session:say("two"):result().text)
  end)

  it("before the question was handed over whole: it is sent again after a wait", function()
    for _, code in ipairs({ 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015 }) do
      local session, reply = ask_once(unsent(code))
      assert.equal("again", reply.text)
      assert.is_true(fake.last_socket().spec.wait_first)
      assert.equal("u:one a:again", words(session.messages))
    end
  end)

  it("is not tried again after codes that say it is no use", function()
    for _, code in ipairs({ 1000, 1002, 1003, 1007, 1008, 1009, 1010, 4000 }) do
      local count = #fake.sockets
      local _, _, err = ask_once(unsent(code))
      assert.equal("interrupted", err.kind)
      assert.equal(code, err.code)
      assert.equal("unsent", err.delivery)
      assert.is_false(err.retryable)
      assert.equal(count + 1, #fake.sockets)
    end
  end)

  it("within an answer makes that an error with its partial reply, and asks nothing again",
    function()
      for _, ending in ipairs({
        { "close", 1011, "why" }, { "close", 1000, "" },
        { "end", "cut", { kind = "interrupted", message = "gone", retryable = true } },
      }) do
        local count = #fake.sockets
        local session, _, err = ask_once({ script.chat("he")[1], ending })
        assert.equal("interrupted", err.kind)
        assert.equal("uncertain", err.delivery)
        assert.equal("he", err.partial.text)
        assert.equal("broken", err.partial.outcome)
        assert.equal(ending[2] == 1011, err.message:find("why", 1, true) ~= nil)
        assert.equal(count + 1, #fake.sockets)
        assert.equal("", words(session.messages))
      end
    end)

  it("after the question was sent fails the turn, though nothing was answered", function()
    local session, _, err = ask_once({ { "close", 1006 } })
    assert.equal("uncertain", err.delivery)
    assert.equal(1, #fake.sockets)
    assert.equal("again", session:say("two"):result().text)
  end)

  it("is not opened again for a turn when that is switched off", function()
    local _, _, err = ask_once(unsent(1006), { reconnect = false })
    assert.equal("unsent", err.delivery)
    assert.equal(1, #fake.sockets)
  end)

  it("again and again, is given up; an answer ends the outage", function()
    local lost = script.join({ { "open" }, { "sent", 1 } }, unsent(1006))
    play(lost, lost, script.join({ { "open" }, { "sent", 1 } }, script.chat("a")), lost, lost, lost)
    local session = chat({ reconnect = { max = 2 } })
    assert.equal("a", session:say("one"):result().text)
    local waits = {}
    for i = 1, 3 do
      waits[i] = fake.sockets[i].spec.retries
    end
    assert.same({ 0, 0, 1 }, waits)
    fake.sockets[3]:push({ "end", "cut", { kind = "interrupted", message = "gone" } })
    local _, err = session:say("two"):result()
    assert.equal("unsent", err.delivery)
    assert.equal(6, #fake.sockets)
  end)

  it("with a word of the server's before tells that word", function()
    play({ { "open" } })
    local session = chat()
    session:connect()
    fake.last_socket():push(script.text({ type = "error", message = "shutting down" }))
    local stream = session:say("one")
    fake.last_socket():push({ "close", 1008, "policy" })
    local _, err = stream:result()
    assert.truthy(err.message:find("shutting down", 1, true), err.message)
  end)
end)

describe("a message of bytes", function()
  it("is a breach of the dialect, and ends the connection", function()
    play({ { "open" }, { "sent", 1 }, { "binary", "\0" } })
    local _, err = chat():say("one"):result()
    assert.equal("protocol", err.kind)
    assert.same({ 1003, "" }, fake.last_socket().closes[1])
  end)

  it("takes along what has not been sent: it is not sent over the next connection", function()
    play({ { "open" }, { "sent", 1 }, { "full" }, { "wait", 1 }, { "binary", "\0" } },
      script.join({ { "open" }, { "sent", 1 } }, { script.completed("r3", "c") }))
    local session = ai:live({ dialect = "responses", model = "m" })
    local main = session:say("one")
    rill.engine():step(0)
    require("rill.loops").turn(rill.engine())
    local side = session:lane("side"):say("two")
    local _, err = main:result()
    assert.equal("uncertain", err.delivery)
    _, err = side:result()
    assert.equal("unsent", err.delivery)
    assert.equal("c", session:say("three"):result().text)
    assert.equal(1, #fake.last_socket().sent)
    assert.equal("three", sent(1).input[1].content)
  end)
end)

describe("the end of a session", function()
  it("cancels what is coming, shakes hands and is final", function()
    play({ { "open" }, { "sent", 1 }, script.chat("he")[1] })
    local session = chat()
    local stream = session:say("one")
    stream:next()
    session:close()
    session:close()
    local _, err = stream:result()
    assert.equal("cancelled", err.kind)
    assert.equal("ended", fake.last_socket():state())
    local ok, said = pcall(function()
      session:say("two")
    end)
    assert.is_false(ok)
    assert.truthy(said:find("live_spec.lua:%d+: session:say: the session is closed"), said)
    assert.is_false((pcall(session.connect, session)))
  end)

  it("waits for the closing handshake where nothing is coming", function()
    play(script.join({ { "open" }, { "sent", 1 } }, script.chat("a")))
    local session = chat()
    session:say("one"):result()
    session:close()
    assert.same({ { 1000, "" } }, fake.last_socket().closes)
    assert.equal("ended", fake.last_socket():state())
    assert.equal("closed", fake.last_socket():ending())
  end)

  it("waits no longer than close_timeout", function()
    play({ { "open" }, { "deaf" } })
    local session = chat({ close_timeout = 3 })
    session:connect()
    local before = fake.clock
    session:close()
    assert.equal(3, fake.clock - before)
  end)

  it("is nothing where no connection was opened", function()
    chat():close()
    assert.equal(0, #fake.sockets)
  end)
end)

describe("session:connect", function()
  it("gives true, an error, or \"timeout\"", function()
    play({ { "open" } }, { { "wait", 9 }, { "open" } },
      { { "end", "failed", { kind = "connect", message = "refused", retryable = true } } })
    assert.is_true(chat():connect())
    local before = fake.clock
    assert.same({ nil, "timeout" }, { chat():connect(2) })
    assert.equal(2, fake.clock - before)
    local ok, err = chat():connect()
    assert.is_nil(ok)
    assert.equal("connect", err.kind)
  end)

  it("keeps the time of each who waits, however long others want to", function()
    play({ { "wait", 9 }, { "open" } })
    local session, before, seen = chat(), fake.clock, {}
    for i, seconds in ipairs({ 3, 5, 2, math.huge, false }) do
      rill.go(function()
        local is_open, err = session:connect(seconds or nil)
        seen[i] = { is_open or err, fake.clock - before }
      end)
    end
    rill.run()
    assert.same({ { "timeout", 3 }, { "timeout", 5 }, { "timeout", 2 }, { true, 9 }, { true, 9 } },
      seen)
  end)

  it("ends the connection where a host kills who waits, unless somebody has asked", function()
    local loops = require("rill.loops")
    local wait, awaited = loops.wait, nil
    loops.wait = function(engine, id, name)
      awaited = id
      return wait(engine, id, name)
    end
    play(script.join({ { "wait", 9 }, { "open" }, { "sent", 1 } }, script.chat("a")),
      { { "wait", 9 } })
    local session = chat()
    assert.same({ nil, "timeout" }, { session:connect(1) })
    local opening, stream = awaited, session:say("one")
    loops.abandon(rill.engine(), opening)
    assert.equal("a", stream:result().text)
    assert.equal(1, #fake.sockets)
    local other = chat()
    assert.same({ nil, "timeout" }, { other:connect(1) })
    loops.abandon(rill.engine(), awaited)
    assert.equal("ended", fake.sockets[2]:state())
  end)

  it("looks once where it is to wait for no time at all", function()
    play({ { "wait", 9 }, { "open" } })
    local session, before = chat(), fake.clock
    assert.same({ nil, "timeout" }, { session:connect(0) })
    assert.equal(before, fake.clock)
    assert.is_true(session:connect(9))
  end)
end)

local function assert_raises(problem, call, ...)
  local ok, said = pcall(call, ...)
  assert.is_false(ok)
  assert.truthy(said:find(problem, 1, true), said)
end

describe("the history that a live session is given", function()
  local HISTORY = {
    ["field 'messages' must be a list of messages, not one message"] = {
      role = "user", content = "one" },
    ["field 'messages' must be a list such as"] = "one",
    ["messages[2] must be a table, not a string"] = { { role = "user", content = "one" }, "two" },
  }

  it("is a list of messages", function()
    for problem, messages in pairs(HISTORY) do
      local given = { dialect = "responses", model = "m", messages = messages }
      assert_raises("client:live: " .. problem, ai.live, ai, given)
      assert_raises("client:session: " .. problem, ai.session, ai,
        { model = "m", messages = messages })
      given.messages = {}
      local session = ai:live(given)
      assert_raises("session:lane: " .. problem, session.lane, session, "a",
        { messages = messages })
    end
    assert.equal("u:one", words(chat({ messages = { { role = "user", content = "one" } } })
      .messages))
  end)
end)

describe("the options of a live session", function()
  it("say which gateway has no dialect of its own", function()
    local other = rill.client({ gateway = "deepseek", api_key = KEY })
    local _, said = pcall(other.live, other, { model = "m" })
    assert.truthy(said:find("option 'dialect' is needed, the gateway 'deepseek' has none", 1, true),
      said)
  end)

  it("are checked", function()
    for problem, given in pairs({
      ["argument 1 must be a table"] = 5,
      ["unknown dialect 'chta', did you mean 'chat'?"] = { dialect = "chta", model = "m" },
      ["option 'dialect' is needed: "] = { model = "m" },
      ["field 'model' must be"] = { dialect = "chat" },
      ["option 'url' must begin with ws://"] = { dialect = "chat", model = "m", url = "http://x" },
      ["user name or password"] = { dialect = "chat", model = "m", url = "ws://a:b@x" },
      ["option 'fallback' must be"] = { dialect = "chat", model = "m", fallback = "http" },
      ["option 'ping_interval' must be"] = { dialect = "chat", model = "m", ping_interval = 0 },
      ["option 'reconnect.growth' must be"] = { dialect = "chat", model = "m",
        reconnect = { growth = "wild" } },
      ["unknown option 'reconnect.maxx', did you mean"] = { dialect = "chat", model = "m",
        reconnect = { maxx = 1 } },
      ["unknown option 'fallbck', did you mean 'fallback'? fields that only the server knows"
        .. " go into 'extra'"]
        = { dialect = "chat", model = "m", fallbck = "sse" },
      ["option 'turn_detection' is one of the dialect 'realtime', not of 'chat'"] = {
        dialect = "chat", model = "m", turn_detection = "server_vad" },
      ["header 'X' contains a control"] = { dialect = "chat", model = "m",
        headers = { X = "a\nb" } },
      ["header 'Upgrade' cannot be set: it belongs to the handshake"] = { dialect = "chat",
        model = "m", headers = { Upgrade = "x" } },
      ["header 'Sec-WebSocket-Protocol' cannot be set: it belongs to the handshake"] = {
        dialect = "realtime", model = "m", headers = { ["Sec-WebSocket-Protocol"] = "realtime" } },
      ["header 'Content-Type' cannot be set: it belongs to the handshake"] = {
        dialect = "responses", model = "m", headers = { ["Content-Type"] = "application/json" } },
      ["field 'cache' must be false"] = { dialect = "chat", model = "m", cache = 3 },
      ["field 'extra' must be a table"] = { dialect = "responses", model = "m", extra = "top_k" },
      ["field 'stream' cannot be switched off"] = { dialect = "chat", model = "m",
        stream = false },
      ["option 'retry' means nothing to a socket: 'reconnect' says"] = { dialect = "chat",
        model = "m", retry = { max = 0 } },
      ["unknown option 'retry.maxx', did you mean 'retry.max'?"] = { dialect = "chat",
        model = "m", fallback = "sse", retry = { maxx = 0 } },
      ["'interrupt_response' is no option of its own: it belongs into turn_detection = { type = "
        .. "\"server_vad\", interrupt_response = false }"] = { dialect = "realtime", model = "m",
        turn_detection = "server_vad", interrupt_response = false },
      ["belongs into turn_detection = { type = \"semantic_vad\", eagerness = \"low\" }"] = {
        dialect = "realtime", model = "m", eagerness = "high" },
      ["unknown option 'turn_detecton', did you mean 'turn_detection'?"] = { dialect = "realtime",
        model = "m", turn_detecton = "server_vad" },
      ["unknown option 'temprature', did you mean 'temperature'?"] = { dialect = "responses",
        model = "m", temprature = 1 },
      ["unknown option 'max_contxt', did you mean 'max_context'?"] = { dialect = "completions",
        model = "m", max_contxt = 1 },
      ["session.instructions is not UTF-8"] = { dialect = "realtime", model = "m",
        system = "caf\255" },
      ["session.session.x is a function"] = { dialect = "realtime", model = "m",
        session = { x = print } },
      ["option 'tools': the dialect 'chat' has no words for calls"] = { dialect = "chat",
        model = "m", tools = { look = { call = print } } },
      ["field 'temperature' cannot be said"] = { dialect = "realtime", model = "m",
        temperature = 0.8 },
      ["unknown option 'colour' of the dialect 'chat'; fields that only the server knows go into "
        .. "'extra'"] = { dialect = "chat", model = "m", colour = "green" },
    }) do
      local ok, said = pcall(function()
        ai:live(given)
      end)
      assert.is_false(ok)
      assert.truthy(said:find("live_spec.lua:%d+: client:live: "), said)
      assert.truthy(said:find(problem, 1, true), said)
    end
  end)

  it("are not those of the client, which nobody is told to put into extra", function()
    local live = ai:live({ dialect = "responses", model = "m" })
    for _, name in ipairs({ "api_key", "base_url", "ca_file", "ca_path", "gateway",
      "http_version", "json", "loop", "prices", "provider", "proxy", "tls_verify" }) do
      local problem = (": option '%s' is the client's: give it to rill.client"):format(name)
      local given = { dialect = "chat", model = "m", [name] = "x" }
      assert_raises("client:live" .. problem, ai.live, ai, given)
      assert_raises("session:lane" .. problem, live.lane, live, "a", { [name] = "x" })
    end
    assert_raises("unknown option 'apikey', did you mean 'api_key'?", ai.live, ai,
      { dialect = "chat", model = "m", apikey = "x" })
  end)

  it("are fields of each question, and those that only the server knows stand in extra", function()
    play({ { "open" } }, { { "open" } })
    chat({ temperature = 0.5, extra = { top_k = 40 } }):say("one")
    assert.same({ 0.5, 40 }, { script.sent().temperature, script.sent().top_k })
    ai:live({ dialect = "realtime", model = "m", extra = { conversation = "none" } }):say("one")
    assert.equal("none", script.sent().response.conversation)
  end)

  it("have retries only for what a fallback asks, in lanes too", function()
    local given = { dialect = "responses", model = "m" }
    local ok, said = pcall(function()
      ai:live(given):lane("a", { retry = { max = 0 } })
    end)
    assert.is_false(ok)
    assert.truthy(said:find("live_spec.lua:%d+: session:lane: option 'retry' means nothing"), said)
    given.fallback, given.retry = "sse", { max = 1 }
    local refused = { kind = "connect", message = "refused", retryable = false }
    fake.scripts = { { { "end", "failed", refused } } }
    play({ { "end", "failed", refused } })
    ai:live(given):lane("a", { retry = { max = 2 } }):say("one"):result()
    assert.equal(2, fake.last().spec.retry.max)
  end)

  it("leave those headers of the client out that are of no use for a socket", function()
    local other = rill.client({
      base_url = "http://127.0.0.1:9/v1", api_key = KEY,
      headers = { ["Content-Type"] = "text/plain", ["X-Team"] = "docs" },
    })
    play({ { "open" } })
    assert.is_true(other:live({ dialect = "chat", model = "m" }):connect())
    assert.truthy(table.concat(fake.last_socket().profile.headers, "\n"):find("X-Team: docs", 1,
      true))
  end)

  it("have defaults by gateway", function()
    for gateway, url in pairs({
      holysheep = "wss://api.holysheep.ai/v1/ws/chat", openai = "wss://api.openai.com/v1/responses",
      ["local"] = "ws://127.0.0.1:8787/v1/ws/chat",
    }) do
      play({ { "open" } })
      rill.client({ gateway = gateway, api_key = KEY }):live({ model = "m" }):connect()
      assert.equal(url, fake.last_socket().url)
    end
  end)

  it("reach the socket", function()
    play({ { "open" } })
    chat({ ping_interval = false, ping_timeout = 3, deflate = true, url = "ws://other/x",
      headers = { ["X-Team"] = "docs" }, limits = { event = 1000 }, timeout = { connect = 3 } })
      :connect()
    local socket = fake.last_socket()
    assert.same({ math.huge, 3, 10, true }, { socket.spec.ping_interval, socket.spec.ping_timeout,
      socket.spec.close_timeout, socket.spec.deflate })
    assert.equal("ws://other/x", socket.url)
    assert.equal(1000, socket.profile.limits.event)
    assert.equal(3, socket.profile.timeout.connect)
    assert.equal(20, socket.profile.timeout.first_byte)
    local lines = table.concat(socket.profile.headers, "\n")
    assert.truthy(lines:find("X-Team: docs", 1, true))
    assert.falsy(lines:find("event-stream", 1, true))
  end)

  it("reach the socket from the client where the session has none, but for the buffer", function()
    ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = KEY,
      limits = { buffer = 2000, event = 3000, error_body = 4000, malformed = 2 } })
    play({ { "open" }, { "sent", 1 }, { "text", "no JSON" }, { "text", "nor this" } })
    local _, err = chat({ limits = { event = 5000 } }):say("one"):result()
    assert.truthy(err.message:find("^2 chunks were not JSON"), err.message)
    local of_socket, of_turn = fake.last_socket().profile.limits, fake.last().spec.limits
    assert.same({ 5000, 4000 }, { of_socket.event, of_socket.error_body })
    assert.same({ buffer = 16777216, event = 5000, error_body = 4000 }, of_turn)
  end)
end)
