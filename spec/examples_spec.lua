-- The examples run as they are, against the local gateway that comes with them.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local measured = require("spec.support.measured")
local cjson = require("cjson").new()
local http = require("socket.http")
local ltn12 = require("ltn12")
local shell = require("spec.support.shell")
local socket = require("socket")

local LUA = os.getenv("RILL_LUA") or "5.4"

-- At ten times the demo's pace.
local PREFIX = shell.KEYLESS .. "RILL_GATEWAY_RATE=600 " .. shell.LUA .. "examples/"

-- An answer's lines of prose come from examples/gateway.lua.
local SAID = "You asked: “%s”"

describe("the example", function()
  it("chat streams an answer and ends with its metrics", function()
    local output = shell.assert_runs(PREFIX .. "chat.lua "
      .. shell.quoted([[it's "ชา" for $5 & 100%, `really`]]))
    assert.truthy(output:find(SAID:format([[it's "ชา" for $5 & 100%, `really`]]), 1, true))
    assert.truthy(output:find("🎉", 1, true))
    assert.truthy(output:find("%[first token %d+ ms, [%d.]+ tokens/s, %d+ tokens in, %d+ out, "
      .. "1 attempt, cost %$0%.000000%]\n$"))
  end)

  it("chat takes a model and a prompt of several words", function()
    local output = shell.assert_runs(PREFIX .. "chat.lua --model some/model -- --say it")
    assert.truthy(output:find("^%[some/model from the local gateway%]\n"))
    assert.truthy(output:find(SAID:format("--say it"), 1, true))
  end)

  it("chat says in one line what is wrong, and fails", function()
    local ok, output = shell.run(PREFIX .. "chat.lua --gateway openai hello")
    assert.is_false(ok)
    assert.truthy(output:find("OPENAI_API_KEY", 1, true))
    assert.are.equal(1, select(2, output:gsub("[^\n]+", "")))
    ok, output = shell.run(PREFIX .. "chat.lua --gateway opanai hello")
    assert.is_false(ok)
    assert.truthy(output:find("opanai", 1, true))
    assert.falsy(output:find("traceback", 1, true))
    assert.is_false((shell.run(PREFIX .. "chat.lua --speed 3 hello")))
  end)

  it("events shows every event and what was measured", function()
    local output = shell.assert_runs(PREFIX .. "events.lua")
    for _, word in ipairs({ "start ", "text ", "usage ", "done ", "ttft ", "outcome length" }) do
      assert.truthy(output:find(word, 1, true), word)
    end
  end)

  it("callbacks ends with on_complete or on_error", function()
    local output = shell.assert_runs(PREFIX .. "callbacks.lua hello")
    assert.truthy(output:find(SAID:format("hello"), 1, true))
    assert.truthy(output:find("\n[complete: ", 1, true) or output:find("\n[failed: ", 1, true))
  end)

  it("many asks for several cities at once", function()
    local output = shell.assert_runs(PREFIX .. "many.lua Pai Nan")
    assert.truthy(output:find(SAID:format("One fact about Pai, please."), 1, true))
    assert.truthy(output:find(SAID:format("One fact about Nan, please."), 1, true))
  end)

  for name, whose in by_name({ with_cqueues = "the controller's", with_luv = "libuv's" }) do
    it(name .. " asks for several cities while a timer ticks", measured(3, function()
      local output = shell.assert_runs(PREFIX .. name .. ".lua Pai Nan")
      assert.truthy(output:find(SAID:format("One fact about Pai, please."), 1, true))
      assert.truthy(output:find(SAID:format("One fact about Nan, please."), 1, true))
      local ticks = tonumber(output:match("%[(%d+) ticks of " .. whose .. " timer"))
      return ticks > 2, ticks .. " ticks"
    end))
  end

  -- Debian's copas is for Lua 5.1, and so for LuaJIT.
  if LUA == "5.1" or LUA == "jit" then
    it("with_copas answers several clients at once", function()
      local output = shell.assert_runs(PREFIX .. "with_copas.lua Pai Nan")
      assert.truthy(output:find(SAID:format("Pai"), 1, true))
      assert.truthy(output:find(SAID:format("Nan"), 1, true))
    end)
  end

  it("websocket asks the local gateway, or sends texts to any server", function()
    local output = shell.assert_runs(PREFIX .. "websocket.lua hello there")
    assert.truthy(output:find(SAID:format("hello there"), 1, true))
    assert.truthy(output:find("\n%[%d+ tokens%]\n%[%d+ messages in, 1 out, open after %d+ ms, "
      .. "closed with 1000%]\n$"))
    local route = Gateway.start():script({ { websocket = true, steps = {
      { receive = 2 }, "both", { binary = "\0\1\2" }, { closing = { 1000 } },
    } } })
    output = shell.assert_runs(PREFIX .. "websocket.lua --url " .. route.socket_url .. " one two")
    assert.truthy(output:find("^both\n%(3 bytes%)\n%[2 messages in, 2 out"))
    local ok, said = shell.run(PREFIX .. "websocket.lua --url ftp://x.test")
    assert.is_false(ok)
    assert.truthy(said:find("must begin with ws:// or wss://", 1, true))
  end)

  it("websocket says in one word that it was interrupted", function()
    local log = os.tmpname()
    finally(function()
      os.remove(log)
    end)
    shell.run(("%sRILL_GATEWAY_RATE=20 %sexamples/websocket.lua >%s 2>&1 & pid=$!\n"
      .. "until grep -q 'You asked' %s || ! kill -0 $pid; do sleep 0.05; done\n"
      .. "kill -INT $pid; wait $pid"):format(shell.KEYLESS, shell.LUA, log, log))
    local said = shell.read(log)
    assert.truthy(said:find("\ninterrupted\n$"), said)
  end)

  it("cancel keeps what had arrived", function()
    local output = shell.assert_runs(PREFIX .. "cancel.lua")
    assert.truthy(output:find("[cancelled after %d+ bytes]"))
    assert.falsy(output:find("🎉", 1, true))
  end)

  it("game_loop draws frames while the answer arrives", function()
    local output = shell.assert_runs(PREFIX .. "game_loop.lua hero")
    assert.truthy(output:find(SAID:format("hero"), 1, true))
    assert.truthy(output:find("%[%d+ frames"))
  end)

  it("tools lets the model call Lua functions", function()
    local output = shell.assert_runs(PREFIX .. "tools.lua 'Is it cool in Chiang Mai, or not?'")
    assert.truthy(output:find('[get_weather {"city":"Chiang Mai"}]\n[get_weather -> {', 1, true))
    assert.truthy(output:find('"weather":"24 °C, clear"', 1, true))
    assert.truthy(output:find("%[2 turns, 4 messages, %d+ tokens%]\n$"))
    output = shell.assert_runs(PREFIX .. "tools.lua 'What of Pai?'")
    assert.truthy(output:find("[get_weather -> Error: no station in Pai]", 1, true))
  end)

  it("session keeps a conversation, and leaves out what is too old", function()
    local output = shell.assert_runs("printf 'one\\ntwo\\nthree\\n' | " .. PREFIX
      .. "session.lua")
    for _, words in ipairs({ "one", "two", "three" }) do
      assert.truthy(output:find(SAID:format(words), 1, true), words)
    end
    assert.truthy(output:find("[3 messages]", 1, true))
    assert.truthy(output:find("[2 old messages left out]", 1, true))
  end)

  it("live talks over one connection, and takes another after an interruption", function()
    local output = shell.assert_runs("printf 'one\\ntwo\\n' | " .. PREFIX .. "live.lua")
    for _, words in ipairs({ "one", "two" }) do
      assert.truthy(output:find(SAID:format(words), 1, true), words)
    end
    assert.truthy(output:find("[complete, 5 messages]", 1, true))
    assert.truthy(output:find("2 turns, 1 connections\n", 1, true))
    output = shell.assert_runs("printf 'one\\ntwo\\n' | " .. PREFIX .. "live.lua 20")
    assert.truthy(output:find("[cancelled, 5 messages]", 1, true))
    assert.truthy(output:find("2 turns, 2 connections\n", 1, true))
  end)

  -- The proxy is not there, so that nothing but the local gateway can be reached.
  local KEYS_WITHOUT_LIVE = shell.KEYLESS .. "DEEPSEEK_API_KEY=k OPENROUTER_API_KEY=k "
    .. "https_proxy=http://127.0.0.1:1 RILL_GATEWAY_RATE=600 " .. shell.LUA .. "examples/"

  it("live passes over gateways without live sessions", function()
    local output = shell.assert_runs("echo one | " .. KEYS_WITHOUT_LIVE .. "live.lua")
    assert.truthy(output:find(SAID:format("one"), 1, true))
  end)

  it("json shows a recipe while it is being written", function()
    local output = shell.assert_runs(PREFIX .. "json.lua")
    assert.truthy(output:find("\27[Kต้มยำกุ้ง: 1 ingredients, 0 steps", 1, true))
    assert.truthy(output:find("\27[Kต้มยำกุ้ง: 3 ingredients, 1 steps as much", 1, true))
    assert.truthy(output:find("\n1. as much chilli as you dare 🌶️ (30 min)\n", 1, true))
    assert.truthy(output:find("\n3. [^\n]+ %(%d+ min%)\n$"))
  end)

  it("cache has the second answer at once and for nothing", function()
    local output = shell.assert_runs(PREFIX .. "cache.lua hello")
    assert.truthy(output:find("^from the model: %d+ bytes after [%d.]+ s, 1 attempts, %d+ tokens"
      .. " paid, 0 saved\n"))
    assert.truthy(output:find("\nfrom the cache: %d+ bytes after 0.000 s, 0 attempts, 0 tokens "
      .. "paid, [1-9]%d* saved\n"))
    assert.truthy(output:find("\n1 entry of %d+ bytes, 1 hit\n$"))
  end)

  it("complete lists models, answers in one piece and compares texts", function()
    local output = shell.assert_runs(PREFIX .. "complete.lua hello")
    assert.truthy(output:find("^1 models, the first is rill%-demo\n"))
    assert.truthy(output:find(SAID:format("hello"), 1, true))
    assert.truthy(output:find("\n%[complete, %d+ tokens%]\n"))
    local near = tonumber(output:match("([%d.]+)  A delta is"))
    local far = tonumber(output:match("([%d.]+)  What is for dinner"))
    assert.is_true(near > far)
  end)

  it("sse parses events from any transport", function()
    assert.are.equal('greeting, id 7: สวัสดี / and hello\nmessage, id 7: {"n":1}\n'
      .. "message, id 7: the last one lacks its blank line\n",
      shell.assert_runs(PREFIX .. "sse.lua"))
  end)
end)

describe("make demo", function()
  it("hands a prompt on as it was typed", function()
    local mark = os.tmpname()
    os.remove(mark)
    local prompt = [[$HOME $(shell touch ]] .. mark .. [[) `touch ]] .. mark .. [[` "it's" \ % ชา]]
    local output = shell.assert_runs(shell.CLEAN .. "RILL_GATEWAY_RATE=600 make demo LUA=" .. LUA
      .. " MODEL='a model' PROMPT=" .. shell.quoted(prompt))
    assert.truthy(output:find(SAID:format(prompt), 1, true))
    assert.truthy(output:find("[a model from the local gateway]", 1, true))
    assert.is_nil((io.open(mark)))
  end)
end)

describe("the local gateway", function()
  local gateway, old_path

  setup(function()
    old_path = package.path
    package.path = "examples/?.lua;" .. package.path
    gateway = require("support.local_gateway").start()
  end)

  teardown(function()
    gateway:stop()
    package.path = old_path
  end)

  local function ask(method, path, body)
    local parts = {}
    local _, status, headers = http.request({
      method = method,
      url = gateway.base_url .. path,
      headers = body and { ["content-length"] = #body },
      source = body and ltn12.source.string(body),
      sink = ltn12.sink.table(parts),
    })
    return status, table.concat(parts), headers
  end

  local function chat(fields)
    fields.model = "rill-demo"
    fields.messages = { { role = "user", content = "Hello" } }
    return ask("POST", "/chat/completions", cjson.encode(fields))
  end

  it("streams the role, the text, the finish, the usage and [DONE]", function()
    local status, body, headers = chat({
      stream = true, max_tokens = 3, stream_options = { include_usage = true },
    })
    assert.are.equal(200, status)
    assert.truthy(headers["content-type"]:find("^text/event%-stream"))
    local chunks = {}
    for payload in body:gmatch("data: ([^\n]+)\n\n") do
      chunks[#chunks + 1] = payload ~= "[DONE]" and cjson.decode(payload) or payload
    end
    assert.are.equal(7, #chunks)
    assert.are.equal("assistant", chunks[1].choices[1].delta.role)
    assert.are.equal("สวั", chunks[2].choices[1].delta.content)
    assert.are.equal("length", chunks[5].choices[1].finish_reason)
    assert.are.equal(3, chunks[6].usage.completion_tokens)
    assert.are.equal(0, #chunks[6].choices)
    assert.are.equal("[DONE]", chunks[7])
  end)

  it("calls the first tool with what the question names, and tells the result", function()
    local tools = { { type = "function", ["function"] = { name = "look", parameters = {
      type = "object", properties = { at = { type = "string" }, times = { type = "integer" },
        how = { type = "string", enum = { "closely" } } },
    } } } }
    local function say(messages)
      local _, body = ask("POST", "/chat/completions", cjson.encode({
        model = "rill-demo", messages = messages, tools = tools,
      }))
      return cjson.decode(body).choices[1]
    end
    local choice = say({ { role = "user", content = "Well. See Doi Suthep?" } })
    assert.are.equal("tool_calls", choice.finish_reason)
    local call = choice.message.tool_calls[1]
    assert.are.equal("look", call["function"].name)
    assert.are.same({ at = "Doi Suthep", times = 1, how = "closely" },
      cjson.decode(call["function"].arguments))
    choice = say({ { role = "user", content = "See?" }, choice.message,
      { role = "tool", tool_call_id = call.id, content = "100% green" } })
    assert.are.equal("stop", choice.finish_reason)
    assert.truthy(choice.message.content:find("100% green", 1, true))
    assert.are.equal("stop", say({ { role = "user", content = "Name nothing." } }).finish_reason)
  end)

  it("leaves the usage out unless it is asked for", function()
    local _, body = chat({ stream = true, max_tokens = 1 })
    assert.falsy(body:find("usage", 1, true))
  end)

  it("answers in one piece, too", function()
    local status, body = chat({ max_tokens = 2 })
    assert.are.equal(200, status)
    assert.are.equal("chat.completion", cjson.decode(body).object)
  end)

  it("lists its model", function()
    local status, body = ask("GET", "/models")
    assert.are.equal(200, status)
    assert.are.equal("rill-demo", cjson.decode(body).data[1].id)
  end)

  it("refuses what it does not understand, as the real ones do", function()
    for _, body in ipairs({ "{", "[]", "{}", '{"model":"m"}', '{"model":"m","messages":[]}' }) do
      local status, answer = ask("POST", "/chat/completions", body)
      assert.are.equal(400, status)
      assert.are.equal("invalid_request_error", cjson.decode(answer).error.type)
    end
    local status, answer = ask("GET", "/nothing")
    assert.are.equal(404, status)
    assert.are.equal("not_found", cjson.decode(answer).error.code)
  end)

  it("goes when whoever started it is killed", function()
    local code = [[package.path = "examples/?.lua;" .. package.path
      io.write(require("support.local_gateway").start().base_url, "\n")
      io.flush()
      os.execute("kill -9 $PPID")]]
    local _, output = shell.run(shell.LUA .. "-e " .. shell.quoted(code))
    local port = tonumber(output:match("^http://127.0.0.1:(%d+)/v1\n"))
    local deadline = socket.gettime() + 5
    local sock
    repeat
      if sock then
        sock:close()
        socket.sleep(0.02)
      end
      sock = socket.connect("127.0.0.1", port)
    until not sock or socket.gettime() > deadline
    assert.is_nil(sock)
  end)
end)
