-- What is no UTF-8 never becomes a frame, for which a server would close the connection with all
-- answers on it.

local by_name = require("spec.support.by_name")
local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")
local script = require("spec.support.live_script")

local BYTES = "caf\255"

local ai

before_each(function()
  ai = fake.install().client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-x" })
end)

teardown(fake.remove)

local function live(dialect, options)
  script.play({ { "open" } })
  options = options or {}
  options.dialect, options.model = dialect, "m"
  return ai:live(options)
end

-- Everything that was sent, in one text.
local function all_sent()
  local list = {}
  for _, socket in ipairs(fake.sockets) do
    for _, message in ipairs(socket.sent) do
      list[#list + 1] = message[1]
    end
  end
  return table.concat(list, "\n")
end

local function problem_of(session, question)
  local ok, problem = pcall(function() session:say(question) end)
  assert.is_false(ok)
  return tostring(problem):match("session:say: (.*)$")
end

describe("a question that is no UTF-8", function()
  for dialect, place in by_name({
    chat = "request.messages[1].content", completions = "request.messages[1].content",
    responses = "request.input[1].content", realtime = "messages[1].content[1].text",
  }) do
    it("is not sent, and hinders no other, in the dialect " .. dialect, function()
      local session = live(dialect)
      assert.equal(place .. " is not UTF-8", problem_of(session, BYTES))
      assert.equal(0, #session.messages)
      session:say("coffee")
      fake.engine():step(0)
      assert.is_nil(all_sent():find("caf\255", 1, true))
      assert.truthy(all_sent():find("coffee", 1, true))
      assert.equal(1, #fake.sockets)
    end)

    it("may stand in a system message or in further fields as little, in " .. dialect, function()
      local ok, problem = pcall(function() live(dialect, { system = BYTES }):say("x") end)
      assert.is_false(ok)
      assert.truthy(problem:find("not UTF-8", 1, true), problem)
      local session = live(dialect, { extra = { note = { BYTES } } })
      assert.truthy(problem_of(session, "x"):find("note[1] is not UTF-8", 1, true))
      fake.engine():step(0)
      assert.is_nil(all_sent():find("caf\255", 1, true))
    end)
  end

  it("may have no such names of fields either", function()
    for _, dialect in ipairs({ "chat", "realtime" }) do
      local session = live(dialect, { metadata = { [BYTES] = "x" } })
      assert.equal("request.metadata.caf? is not UTF-8", problem_of(session, "x"))
    end
  end)

  it("may be asked with no such key, which is not shown", function()
    ai = require("rill").client({ base_url = "http://127.0.0.1:9/v1", api_key = BYTES })
    assert.equal("api_key is not UTF-8", problem_of(live("chat"), "x"))
  end)

  it("may be bytes, which are encoded", function()
    local session, encode = live("completions"), fake.base64_encode
    finally(function() fake.base64_encode = encode end)
    function fake.base64_encode()
      return "AAAA"
    end
    session:say({ { type = "image", data = "\137PNG\r\n\26\n" .. BYTES } })
    fake.engine():step(0)
    local part = cjson.decode(all_sent()).messages[1].content[1]
    assert.equal("data:image/png;base64,AAAA", part.image_url.url)
  end)
end)
