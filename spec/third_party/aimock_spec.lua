-- Live sessions against aimock, which speaks OpenAI's Responses and Realtime over WebSocket and
-- which nobody here wrote.

local ask = require("spec.support.ask")
local node = require("spec.support.node")

local PACKAGE = "@copilotkit/aimock"
local missing = node.missing(PACKAGE) or node.too_old(PACKAGE)

local WEATHER = {
  description = "the weather of a city",
  parameters = {
    type = "object", properties = { city = { type = "string" } }, required = { "city" },
  },
  call = function(arguments)
    return "rain in " .. arguments.city
  end,
}

describe("aimock", function()
  local server

  setup(function()
    server = not missing and node.start("spec/third_party/aimock_server.mjs")
  end)

  teardown(function()
    if server then
      server:stop()
    end
  end)

  local function with_aimock(title, fn)
    it(title, missing and function()
      pending(missing)
    end or fn)
  end

  local function live(dialect, fields, options)
    fields = fields or {}
    fields.dialect = dialect
    fields.model = "gpt-4.1"
    fields.url = ("ws://127.0.0.1:%d/v1/%s"):format(server.port,
      dialect == "realtime" and "realtime?model=gpt-realtime" or dialect)
    fields.reconnect = { max = 2, base = 0.01, jitter = 0 }
    if dialect == "realtime" then
      fields.output = "text"
    end
    return ask.client(server.url .. "/v1", options):live(fields)
  end

  for _, dialect in ipairs({ "responses", "realtime" }) do
    with_aimock("answers a question in pieces, " .. dialect, function()
      local session = live(dialect)
      local stream = session:say("hello")
      local seen = ask.read(stream)
      assert.is_nil(seen.err)
      assert.are.equal("Hello! How can I help you today? ☕", seen.reply.text)
      assert.are.equal("complete", seen.reply.outcome)
      assert.is_true(#seen.texts >= 7, tostring(#seen.texts))
      session:close()
    end)

    with_aimock("answers several questions over one connection, " .. dialect, function()
      local session = live(dialect, { system = "You are brief." })
      for i = 1, 5 do
        local question, answer = "hello", "Hello! How can I help you today? ☕"
        if i % 2 == 0 then
          question, answer = "and again", "The second answer."
        end
        assert.are.equal(answer, session:say(question):result().text)
      end
      assert.are.equal(1, session:metrics().connections)
      assert.are.equal(5, session:metrics().turns)
      assert.are.equal(0, session:metrics().reconnects)
      session:close()
    end)

    with_aimock("calls a tool and goes on with what it gave, " .. dialect, function()
      local session = live(dialect, { tools = { weather = WEATHER } })
      local reply, err = session:say("weather"):result()
      assert.is_nil(err)
      assert.are.equal("It rains in Riga.", reply.text)
      session:close()
    end)

    with_aimock("says why a turn fails, after which the connection goes on, " .. dialect, function()
      local session = live(dialect)
      local _, err = session:say("fail"):result()
      assert.is_truthy(err.message:find("overloaded", 1, true), err.message)
      assert.are.equal("overloaded", err.code)
      assert.are.equal("The second answer.", session:say("and again"):result().text)
      assert.are.equal(1, session:metrics().connections)
      session:close()
    end)

    with_aimock("breaks off inside an answer, which is no whole one, " .. dialect, function()
      local session = live(dialect)
      local reply, err = session:say("break off"):result()
      assert.is_nil(reply)
      assert.are.equal("interrupted", err.kind)
      assert.are.equal("uncertain", err.delivery)
      local said = err.partial.text
      assert.are.equal(("This is never said to its end."):sub(1, #said), said)
      assert.are.equal("The second answer.", session:say("and again"):result().text)
      assert.are.equal(2, session:metrics().connections)
      session:close()
    end)

    with_aimock("is interrupted, and answers the next question, " .. dialect, function()
      -- Its Realtime heeds no cancel: the next answer waits for the end of the first one.
      local session = live(dialect, nil, { timeout = { total = 60 } })
      local stream = session:say("long")
      local event = stream:next(10)
      while event and event.type ~= "text" do
        event = stream:next(10)
      end
      assert.is_true(session:interrupt())
      local seen = ask.read(stream)
      assert.are.equal("cancelled", seen.err and seen.err.kind or seen.reply.outcome)
      assert.are.equal("The second answer.", session:say("and again"):result().text)
      session:close()
    end)

    with_aimock("refuses another key, " .. dialect, function()
      local session = live(dialect, nil, { api_key = "sk-wrong-1234567890" })
      local _, err = session:say("hello"):result()
      assert.are.equal(401, err.status)
      assert.are.equal("auth", err.kind)
      assert.is_nil(tostring(err):find("sk-wrong-1234567890", 1, true))
      session:close()
    end)
  end
end)
