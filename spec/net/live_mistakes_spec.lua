-- Mistakes that people make with live sessions and WebSockets, and what they are told.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local cjson = require("cjson").new()
local responses_socket = require("spec.support.responses_socket")
local rill = require("rill")

local gateway = Gateway.start()

local SOON = { max = 2, base = 0.001, jitter = 0 }

local function live(url, options)
  return rill.client({ base_url = url, api_key = ask.KEY }):live(ask.merged({
    dialect = "chat", model = "m", reconnect = SOON,
  }, options))
end

describe("what is told of a live session", function()
  it("that nobody answers: how often it was tried, by the error of each question", function()
    local session = live(gateway.refused_url)
    for _ = 1, 2 do
      local stream = session:say("hi")
      local _, err = stream:result()
      assert.same({ "connect", "unsent", 3 }, { err.kind, err.delivery, err.attempts })
      assert.truthy(tostring(err):find("(after 3 attempts)", 1, true), tostring(err))
      assert.is_true(stream:attempts()[1].started >= 0)
    end
  end)

  it("of an answer that was cut: nothing of how often the connection was tried before", function()
    local route = gateway:script({ { status = 503 }, { websocket = true, steps = {
      { receive = 1 }, '{"type":"content.delta","delta":"a"}', { close = true } } } })
    local _, err = live(route.base_url):say("hi"):result()
    assert.equal("interrupted", err.kind)
    assert.equal(1, err.attempts)
  end)

  it("of a message that is too long: which option bounds it", function()
    local route = gateway:script({ { websocket = true, steps = { { receive = 1 }, ("x"):rep(101),
      { wait = "never" } } } })
    local _, err = live(route.base_url, { limits = { event = 100 } }):say("hi"):result()
    assert.equal("limit", err.kind)
    assert.equal("a received message is longer than 100 bytes (limits.event)", err.message)
  end)

  it("whether to ask again, by the words of a refusal, before output and after it", function()
    for _, case in ipairs({ { "invalid api key", false }, { "busy, please try again", true } }) do
      local refusal = ('{"type":"error","message":"%s"}'):format(case[1])
      for _, steps in ipairs({ { { receive = 1 }, refusal },
        { { receive = 1 }, '{"type":"content.delta","delta":"a"}', refusal } }) do
        local route = gateway:script({ { websocket = true, steps = steps } })
        local _, err = live(route.base_url):say("hi"):result()
        assert.same({ "api", case[1], case[2] }, { err.kind, err.message, err.retryable })
      end
    end
  end)

  it("that a server does not speak TLS, instead of what the TLS library says alone", function()
    local route = gateway:script({ { websocket = true, steps = { { stall = true } } } })
    local session = live(route.base_url:gsub("^http", "https"), { reconnect = false })
    local _, err = session:say("hi"):result()
    assert.equal("tls", err.kind)
    assert.truthy(err.message:find("does not speak TLS there: did you mean http:// or ws://?", 1,
      true), err.message)
  end)

  it("that it may be the proxy that does not speak TLS, where the server was not to", function()
    local client = rill.client({
      base_url = "http://example.test/v1", api_key = ask.KEY,
      proxy = "https://127.0.0.1:" .. gateway.port,
    })
    local _, err = client:live({ dialect = "chat", model = "m", reconnect = false }):say("hi")
      :result()
    assert.equal("tls", err.kind)
    assert.truthy(err.message:find("^the server %(or its proxy%) does not"), err.message)
  end)
end)

describe("a live session to a URL that cannot be used", function()
  local ASCII = "must have its host in ASCII"
  local URLS = {
    ["m\195\188nchen.invalid"] = ASCII, ["127.0.0.1:99999"] = "as its port, not 99999",
    ["chat.test:abc"] = "as its port", ["[::1"] = "an address of IPv6 in brackets",
    ["chat%20test"] = "a host that can be used",
  }
  local before = os.setlocale()

  setup(function()
    os.setlocale("C") -- where hosts beyond ASCII cannot be converted
  end)

  teardown(function()
    os.setlocale(before)
  end)

  local function assert_refuses(problem, url, options)
    local client = rill.client({ base_url = url, api_key = ask.KEY })
    local ok, said = pcall(function()
      local session = client:live(ask.merged({ dialect = "chat", model = "m" }, options))
      return session
    end)
    assert.is_false(ok)
    assert.truthy(said:find("live_mistakes_spec.lua:%d+: client:live: "), said)
    assert.truthy(said:find(problem, 1, true), said)
  end

  it("is refused when it is made, whether that is its own or is made of the client's", function()
    for host, problem in pairs(URLS) do
      assert_refuses("option 'url' must ", gateway.refused_url, { url = "ws://" .. host .. "/v1" })
      assert_refuses(problem, gateway.refused_url, { url = "ws://" .. host .. "/v1" })
      assert_refuses("the client's base_url must ", "http://" .. host .. "/v1")
      assert_refuses(problem, "http://" .. host .. "/v1")
    end
  end)
end)

describe("an answer that an error breaks off", function()
  local function created(id, lane)
    return cjson.encode({ type = "response.created", stream_id = lane, sequence_number = 0,
      response = { id = id, model = "m", status = "in_progress", output = {} } })
  end

  local delta = responses_socket.delta

  local function completed(id, lane)
    return cjson.encode({ type = "response.completed", stream_id = lane,
      response = { id = id, model = "m", status = "completed", output = {} } })
  end

  -- As OpenAI tells it: by two events.
  local function broken(id, code, lane)
    local said = { code = code, message = "no" }
    return cjson.encode({ type = "error", stream_id = lane, sequence_number = 2,
        error = { type = code, code = code, message = "no" } }),
      cjson.encode({ type = "response.failed", stream_id = lane, sequence_number = 3,
        response = { id = id, model = "m", status = "failed", error = said, output = {} } })
  end

  local ERROR, FAILED = broken("r1", "insufficient_quota")
  local ASKED, HEARD = { receive = 1 }, { wait = "heard" }

  local function chunk(text)
    return ('{"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}'):format(text)
  end

  local FINISHED = '{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
  local REFUSED = '{"error":{"message":"upstream failed","code":502}}'

  -- By dialect: what comes of the first answer before its error and after that, what the others
  -- are.
  local DIALECTS = {
    responses = {
      before = { created("r1") }, error = ERROR, after = FAILED,
      answers = { { created("r2"), delta("two"), completed("r2") },
        { created("r3"), delta("three"), completed("r3") } },
    },
    completions = {
      before = { chunk("he") }, error = REFUSED, after = "[DONE]",
      answers = { { chunk("two"), FINISHED, "[DONE]" }, { chunk("three"), FINISHED, "[DONE]" } },
    },
  }

  -- Steps of all that the parts hold.
  local function steps(...)
    local list = {}
    for _, part in ipairs({ ... }) do
      for _, step in ipairs(type(part) == "table" and part[1] and part or { part }) do
        list[#list + 1] = step
      end
    end
    return list
  end

  -- What comes between the error and what follows it, and the question after it.
  local GAPS = {
    ["at once"] = function(own)
      return steps(own.error, own.after, ASKED)
    end,
    ["once its reader has heard of it"] = function(own)
      return steps(own.error, HEARD, own.after, ASKED)
    end,
    ["once the next question was asked"] = function(own)
      return steps(own.error, ASKED, own.after)
    end,
    ["never"] = function(own)
      return steps(own.error, ASKED)
    end,
  }

  for name, own in by_name(DIALECTS) do
    for when, of in by_name(GAPS) do
      it(("spoils no other one of %s, where its end comes %s"):format(name, when), function()
        local session, route = ask.live({ { steps = steps(ASKED, own.before, of(own),
          own.answers[1], ASKED, own.answers[2]) } }, { dialect = name })
        local _, err = session:say("one"):result()
        assert.equal("api", err.kind)
        gateway:signal(route, "heard")
        assert.equal("two", session:say("two"):result().text)
        assert.equal("three", session:say("three"):result().text)
        assert.equal(1, session:metrics().connections)
        session:close()
      end)
    end
  end

  it("is not the one after it, which ends by no more than its second event", function()
    local _, failed = broken("r2", "server_error")
    local session = ask.live({ { steps = { ASKED, created("r1"), ERROR, ASKED, failed } } },
      { dialect = "responses" })
    session:say("one"):result()
    local _, err = session:say("two"):result()
    assert.equal("api", err.kind)
    session:close()
  end)

  it("spoils none of another lane", function()
    local wrong, failed = broken("ra", "server_error", "a")
    local session, route = ask.live({ { steps = { { receive = 2 }, created("ra", "a"),
      created("rb", "b"), wrong, HEARD, delta("be", "b"), failed, delta("ta", "b"),
      completed("rb", "b") } } }, { dialect = "responses" })
    local a, b = session:lane("a"):say("one"), session:lane("b"):say("two")
    local _, err = a:result()
    assert.equal("api", err.kind)
    gateway:signal(route, "heard")
    assert.equal("beta", b:result().text)
    session:close()
  end)

  it("spoils none of its lane where nobody waits for it any more", function()
    local wrong, failed = broken("ra", "server_error", "a")
    local session, route = ask.live({ { steps = { { receive = 2 }, created("ra", "a"), HEARD,
      wrong, ASKED, failed, created("r2", "a"), delta("two", "a"), completed("r2", "a"),
      completed("rb", "b") } } }, { dialect = "responses" })
    local a, b = session:lane("a"):say("one"), session:lane("b"):say("other")
    a:close()
    gateway:signal(route, "heard")
    assert.equal("two", session:lane("a"):say("two"):result().text)
    assert.equal("complete", b:result().outcome)
    session:close()
  end)

  it("is none that is asked for once more", function()
    local wrong, failed = broken("r1", "context_length_exceeded")
    local session = ask.live({ { steps = { ASKED, created("r1"), wrong, ASKED, failed,
      created("r2"), delta("short"), completed("r2") } } }, { dialect = "responses", messages = {
      { role = "user", content = "a" }, { role = "assistant", content = "b" },
      { role = "user", content = "c" }, { role = "assistant", content = "d" } } })
    assert.equal("short", session:say("one"):result().text)
    assert.equal(4, #session.messages)
    session:close()
  end)
end)
