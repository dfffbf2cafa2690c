-- Conversations against a real server: what is kept, what is left out when it gets too long.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local cjson = require("cjson").new()
local loops = require("rill.loops")
local rill = require("rill")
local sse = require("spec.support.sse")

local gateway = Gateway.start()

local function session_with(attempts, fields)
  local route = gateway:script(attempts)
  local options = { model = "m", system = "brief" }
  for name, value in pairs(fields or {}) do
    options[name] = value
  end
  return ask.client(route):session(options), route
end

-- What was said in a list of messages, in one line.
local function words(messages)
  local list = {}
  for i, message in ipairs(messages) do
    list[i] = message.role:sub(1, 1) .. ":" .. (type(message.content) == "string"
      and message.content or "-")
  end
  return table.concat(list, " ")
end

local function sent(route, number)
  return words(cjson.decode(gateway:requests(route)[number].body).messages)
end

local function answer(text, input, output)
  return sse.answer(text, { usage = { input, output } })
end

local function too_long(message)
  return { status = 400, steps = { cjson.encode({ error = {
    message = message, code = "context_length_exceeded" } }) } }
end

local CALL = sse.role() .. sse.delta({ tool_calls = { { index = 0, id = "c1", type = "function",
  ["function"] = { name = "look", arguments = "{}" } } } }) .. sse.finish("tool_calls")
  .. sse.usage(50, 5) .. sse.done()

describe("a session", function()
  it("sends what was said before, and keeps question and answer", function()
    local session, route = session_with({ answer("a", 10, 2), answer("b", 20, 2) })
    assert.equal("a", session:ask("one"):result().text)
    for _ in session:ask({ { type = "text", text = "two" } }):text() do
      assert.equal("s:brief u:one a:a", words(session.messages)) -- not before it is complete
    end
    assert.equal("s:brief u:one a:a u:- a:b", words(session.messages))
    assert.equal("s:brief u:one a:a u:-", sent(route, 2))
    assert.equal("rill.session: m, 5 messages", tostring(session))
  end)

  it("gives the text of all turns of an answer, however they come", function()
    local function chunked(...)
      local steps = { sse.role() }
      for _, text in ipairs({ ... }) do
        steps[#steps + 1] = { sleep = 0.002 }
        steps[#steps + 1] = sse.chunk(text)
      end
      return steps
    end
    local first, second = chunked("a", "b"), chunked("c", "d", "e")
    first[#first + 1] = CALL
    second[#second + 1] = sse.finish() .. sse.done()
    local session = session_with({ { steps = first }, { steps = second } },
      { tools = { look = { call = function() return "hills" end } } })
    local pieces = {}
    for text in session:ask("one"):text() do
      pieces[#pieces + 1] = text
    end
    assert.equal("abcde", table.concat(pieces))
    assert.equal("s:brief u:one a:ab t:hills a:cde", words(session.messages))
  end)

  it("is asked several messages at once, which all are kept, or none", function()
    local session, route = session_with({ answer("a", 10, 2), { status = 404 }, { status = 404 } })
    local asked = { { role = "user", content = "one" }, { role = "assistant", content = "b" },
      { role = "user", content = "two" } }
    assert.equal("a", session:ask(asked):result().text)
    assert.equal("s:brief u:one a:b u:two", sent(route, 1))
    assert.equal("s:brief u:one a:b u:two a:a", words(session.messages))
    assert.equal(3, #asked)
    session:ask(asked):result()
    assert.equal("s:brief u:one a:b u:two a:a", words(session.messages))
    session.keep_failed = true
    session:ask(asked):result()
    assert.equal("s:brief u:one a:b u:two a:a u:one a:b u:two", words(session.messages))
    session.max_context = 1000
    local ok, problem = pcall(function() session:ask({ asked[1], 5 }) end)
    assert.is_false(ok)
    assert.truthy(problem:find("session:ask: argument 1: messages[2] must be a table", 1, true))
  end)

  it("may be asked again when a host has killed who read its answer", function()
    local session = session_with({ { steps = { sse.chunk("x"), { stall = true } } },
      answer("b", 1, 1) })
    local stream = session:ask("one")
    stream:next()
    loops.abandon(rill.engine(), stream.inner.id)
    assert.equal("b", session:ask("two"):result().text)
    assert.equal("s:brief u:two a:b", words(session.messages))
    assert.equal("cancelled", stream.outcome)
  end)

  it("may be asked again when a host has killed who waited for its tools", function()
    local is_called, is_free = false, false
    local session = session_with({ CALL, answer("b", 1, 1) }, { tools = { look = {
      parameters = { type = "object" }, call = function()
        is_called = true
        while not is_free do
          coroutine.yield()
        end
        return "too late"
      end,
    } } })
    local stream = session:ask("one")
    rill.go(function()
      stream:result()
    end)
    while not is_called do
      rill.step(1)
    end
    loops.abandon(rill.engine(), stream.bell)
    is_free = true
    assert.equal("b", session:ask("two"):result().text)
    assert.equal("s:brief u:two a:b", words(session.messages))
    rill.run()
    assert.equal("cancelled", stream.outcome)
  end)

  it("takes the question back when the answer fails or is closed", function()
    local session = session_with({ { status = 404 },
      { steps = { sse.chunk("x"), { stall = true } } }, answer("b", 1, 1) })
    assert.is_nil((session:ask("one"):result()))
    assert.equal("s:brief", words(session.messages))
    local stream = session:ask("two")
    repeat
      local event = stream:next()
    until event.type == "text"
    stream:close()
    assert.equal("s:brief", words(session.messages))
    assert.equal("b", session:ask({ role = "user", content = "three" }):result().text)
    assert.equal("s:brief u:three a:b", words(session.messages))
  end)

  it("keeps the question of a failed answer if told so", function()
    local session = session_with({ { status = 404 } }, { keep_failed = true })
    assert.is_nil((session:ask("one"):result()))
    assert.equal("s:brief u:one", words(session.messages))
  end)

  it("raises while the answer before has not ended, but not once it is forgotten", function()
    local session = session_with({ { steps = { { stall = true } } } })
    local stream = session:ask("one")
    local ok, said = pcall(function()
      session:ask("two")
    end)
    assert.is_false(ok)
    assert.truthy(said:find("session_spec.lua:%d+: session:ask: the answer before has not ended"))
    stream:close()
    session:ask("two") -- and nobody reads it
    collectgarbage()
    collectgarbage()
    session:ask("three"):close()
    assert.equal("s:brief", words(session.messages))
  end)

  it("runs its tools, and keeps what they said", function()
    local session, route = session_with({ CALL, answer("seen", 60, 2), answer("b", 70, 2) },
      { tools = { look = { call = function() return "hills" end } }, temperature = 0.5 })
    local reply = session:ask("one"):result()
    assert.equal("seen", reply.text)
    assert.equal("s:brief u:one a:- t:hills a:seen", words(session.messages))
    assert.equal("s:brief u:one a:- t:hills a:seen", words(reply.messages))
    session:ask("two"):result()
    assert.equal("s:brief u:one a:- t:hills a:seen u:two", sent(route, 3))
    local body = cjson.decode(gateway:requests(route)[3].body)
    assert.equal(0.5, body.temperature)
    assert.is_nil(body.system)
  end)

  it("keeps no calls of an answer that was cut: nobody would answer them", function()
    for reason, outcome in pairs({ length = "length", content_filter = "filtered" }) do
      local cut = sse.role() .. sse.chunk("Let me see") .. sse.delta({ tool_calls = { { index = 0,
        id = "c1", type = "function", ["function"] = { name = "look",
        arguments = '{"place":"Chi' } } } }) .. sse.finish(reason) .. sse.done()
      local session, route = session_with({ cut, answer("b", 70, 2) },
        { tools = { look = { call = error } } })
      local reply = session:ask("one"):result()
      assert.same({ outcome, "look" }, { reply.outcome, reply.tool_calls[1].name })
      session:ask("two"):result()
      assert.equal("s:brief u:one a:Let me see u:two", sent(route, 2))
      assert.is_nil(cjson.decode(gateway:requests(route)[2].body).messages[3].tool_calls)
    end
  end)

  it("works in tasks", function()
    local texts = {}
    for i = 1, 2 do
      local session = session_with({ answer("a", 1, 1), answer("b", 1, 1) })
      rill.go(function()
        texts[i] = session:ask("one"):result().text .. session:ask("two"):result().text
      end)
    end
    rill.run()
    assert.same({ "ab", "ab" }, texts)
  end)

  it("raises for wrong options and questions", function()
    local ai = ask.client("http://127.0.0.1:9")
    for problem, options in pairs({
      ["argument 1 must be a table"] = 5, ["field 'model' must be"] = {},
      ["field 'system' must be a string"] = { model = "m", system = 5 },
      ["field 'max_context' must be a positive"] = { model = "m", max_context = 0 },
      ["field 'max_tokens' must be a number"] = { model = "m", max_tokens = "5" },
      ["field 'on_trim' must be a function"] = { model = "m", on_trim = 1 },
      ["field 'keep_failed' must be"] = { model = "m", keep_failed = 1 },
      ["tools.a must be a table"] = { model = "m", tools = { a = 1 } },
      ["field 'stream' cannot be switched off"] = { model = "m", stream = false },
      ["unknown option 'retry.maxx'"] = { model = "m", retry = { maxx = 1 } },
    }) do
      local ok, said = pcall(function()
        ai:session(options)
      end)
      assert.is_false(ok)
      assert.truthy(said:find("session_spec.lua:%d+: client:session: "), said)
      assert.truthy(said:find(problem, 1, true), said)
    end
    local session = ai:session({ model = "m" })
    for _, question in ipairs({ 5, {}, true }) do
      assert.is_false((pcall(session.ask, session, question)))
    end
    for problem, history in pairs({
      ["messages[1] must be a table, not a number"] = { 5 },
      ["messages[1].role must be a string"] = { { content = "one" } },
      ["messages[1].tool_calls must be a list"] = { { role = "assistant", tool_calls = "c" } },
      ["messages[1].tool_calls[1] must be a table"] = { { role = "user", tool_calls = { "c" } } },
    }) do
      local broken = ai:session({ model = "m" })
      broken.messages = history
      local ok, said = pcall(function()
        broken:ask("two")
      end)
      assert.is_false(ok)
      assert.truthy(said:find("session_spec.lua:%d+: session:ask: "), said)
      assert.truthy(said:find(problem, 1, true), said)
    end
  end)
end)

describe("a session that gets too long", function()
  local dropped

  local function on_trim(messages, reason)
    dropped[#dropped + 1] = reason .. "(" .. words(messages) .. ")"
  end

  before_each(function()
    dropped = {}
  end)

  it("leaves out the oldest turns by what the server has counted", function()
    local session, route = session_with({ answer("a", 40, 10), answer("b", 80, 10),
      answer("c", 60, 10), answer("d", 60, 10) }, { max_context = 100, on_trim = on_trim })
    session:ask("one"):result()
    session:ask("two"):result() -- 50 so far, and about 5 for the question
    assert.same({}, dropped)
    session:ask("three"):result() -- 90 so far
    assert.same({}, dropped)
    assert.equal("s:brief u:one a:a u:two a:b u:three", sent(route, 3))
    session:ask(("x"):rep(160)):result() -- 70, and 44 for the question
    assert.same({ "max_context(u:one a:a)" }, dropped)
    assert.truthy(sent(route, 4):find("^s:brief u:two a:b u:three a:c u:x"))
  end)

  it("does not take what was counted for several turns at once for that of one", function()
    local session = session_with({ answer("a", 60, 10), answer("c", 60, 10) },
      { max_context = 100, on_trim = on_trim })
    session:ask({ { role = "user", content = "one" }, { role = "assistant", content = "b" },
      { role = "user", content = "two" } }):result()
    session:ask(("x"):rep(160)):result() -- 70, and 44 for the question
    assert.same({ "max_context(u:one a:b u:two a:a)" }, dropped)
  end)

  it("leaves out the turn before a question that begins with a system message", function()
    local session, route = session_with({ answer("a", 1, 1) }, {
      messages = { { role = "user", content = ("q"):rep(400) } }, max_context = 50,
      on_trim = on_trim,
    })
    session:ask({ { role = "system", content = "be kind" }, { role = "user", content = "two" } })
      :result()
    assert.equal(1, #dropped)
    assert.equal("s:brief s:be kind u:two", sent(route, 1))
  end)

  it("counts by estimate where nothing was counted, and keeps room for the answer", function()
    local history = {}
    for i = 1, 3 do
      history[2 * i - 1] = { role = "user", content = ("q"):rep(400) }
      history[2 * i] = { role = "assistant", content = "a" .. i }
    end
    local session = session_with({ answer("d", 1, 1) },
      { messages = history, max_context = 350, max_tokens = 100, on_trim = on_trim })
    session:ask("now"):result()
    assert.equal(1, #dropped)
    assert.equal(4 + 2 + 1, #session.messages)
    assert.equal(6, #history)
  end)

  it("leaves tool calls out with their results, and never a system message", function()
    local history = {
      { role = "user", content = "one" },
      { role = "assistant", tool_calls = { { id = "c", type = "function",
        ["function"] = { name = "look", arguments = "{}" } } } },
      { role = "tool", tool_call_id = "c", content = "hills" },
      { role = "system", content = "be kind" },
      { role = "assistant", content = "seen" },
    }
    local session, route = session_with({ too_long("no"), answer("b", 1, 1) },
      { messages = history, on_trim = on_trim })
    assert.equal("b", session:ask("two"):result().text)
    assert.same({ "context_length(u:one a:- t:hills a:seen)" }, dropped)
    assert.equal("s:brief s:be kind u:two", sent(route, 2))
  end)

  it("never leaves out the call that the question gives the result of", function()
    local history = {
      { role = "user", content = ("q"):rep(400) },
      { role = "assistant", content = "a" },
      { role = "user", content = ("q"):rep(400) },
      { role = "assistant", tool_calls = { { id = "c", type = "function",
        ["function"] = { name = "look", arguments = "{}" } } } },
    }
    local session, route = session_with({ answer("b", 1, 1) },
      { messages = history, max_context = 50, on_trim = on_trim })
    assert.equal("b", session:ask({ role = "tool", tool_call_id = "c", content = "hills" })
      :result().text)
    assert.equal(1, #dropped)
    assert.truthy(sent(route, 1):find("^s:brief u:q+ a:%- t:hills$"))
  end)

  it("leaves out as much as the server says is too much, and asks again", function()
    local history = {}
    for i = 1, 5 do
      history[i] = { role = "user", content = ("%d"):format(i) .. ("q"):rep(383) } -- 100 tokens
    end
    local session, route = session_with({ too_long("This model's maximum context length is 400 "
      .. "tokens. However, your messages resulted in 590 tokens."), answer("b", 1, 1) },
      { messages = history, on_trim = on_trim })
    local stream = session:ask("now")
    local seen = ask.read(stream)
    assert.equal("start text usage done", seen.types)
    assert.equal(2, ask.count(route))
    assert.equal(1, #dropped)
    assert.equal(1 + 3 + 2, #session.messages)
    assert.equal(2, #stream:attempts())
  end)

  it("leaves out more each time where the server says no numbers", function()
    local history = {}
    for i = 1, 8 do
      history[i] = { role = "user", content = tostring(i) }
    end
    local session, route = session_with({ too_long("no"), too_long("no"), too_long("no"),
      answer("b", 1, 1) }, { messages = history, on_trim = on_trim })
    session:ask("now"):result()
    assert.equal("s:brief u:2 u:3 u:4 u:5 u:6 u:7 u:8 u:now", sent(route, 2))
    assert.equal("s:brief u:4 u:5 u:6 u:7 u:8 u:now", sent(route, 3))
    assert.equal("s:brief u:8 u:now", sent(route, 4))
    assert.equal(3, #dropped)
  end)

  it("fails with the provider's error when nothing is left to leave out", function()
    local said = "prompt is too long: 210 tokens > 200 maximum"
    local session, route = session_with({ too_long(said) }, {
      messages = { { role = "user", content = "one" } }, on_trim = on_trim,
    })
    local _, err = session:ask("now"):result()
    assert.equal("context_length", err.kind)
    assert.equal(200, err.limit_tokens)
    assert.equal(210, err.asked_tokens)
    assert.equal(2, ask.count(route))
    assert.equal("s:brief", words(session.messages))
  end)

  it("does not ask again once the model has answered something", function()
    local session, route = session_with({ sse.role() .. sse.chunk("x")
      .. sse.error("prompt is too long: 3 tokens > 2 maximum") },
      { messages = { { role = "user", content = "one" } } })
    local _, err = session:ask("now"):result()
    assert.equal("context_length", err.kind)
    assert.equal("x", err.partial.text)
    assert.equal(1, ask.count(route))
  end)
end)
