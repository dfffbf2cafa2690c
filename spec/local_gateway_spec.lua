-- The local gateway speaks WebSocket: each dialect frame by frame, by a client that knows nothing
-- of rill.  The Realtime API is in local_gateway_realtime_spec.lua.

package.path = package.path .. ";./examples/?.lua"

local by_name = require("spec.support.by_name")
local cjson = require("cjson").new()
local socket = require("socket")
local local_gateway = require("support.local_gateway")
local shell = require("spec.support.shell")
local socket_client = require("spec.support.socket_client")
local websocket = require("support.websocket")

local gateway

local function connect(path, from)
  return socket_client.connect((from or gateway).socket_url .. path)
end

local joined, types = socket_client.joined, socket_client.types

local function question(text)
  return { { role = "user", content = text } }
end

local TOOL = {
  type = "function", name = "weather",
  parameters = { type = "object", properties = { city = { type = "string" } } },
}

setup(function()
  gateway = local_gateway.start({ rate = 3000, answer = "You asked %s, and I say so." })
end)

teardown(function()
  gateway:stop()
end)

describe("the local gateway as a program", function()
  -- The first line that it says where it listens, and what it has complained of.  The shell waits
  -- for its end, so that its port is free again when this returns.
  local function start()
    local log = os.tmpname()
    local pipe = assert(io.popen(("%s examples/gateway.lua 2>%s & echo $!; wait"):format(
      shell.LUA, log)))
    local id = pipe:read("*l")
    local said = pipe:read("*l")
    shell.assert_runs("kill " .. id)
    pipe:close()
    local complaint = shell.read(log)
    os.remove(log)
    return said, complaint
  end

  -- The listener, or nil if somebody else keeps the port.  The same spec of another Lua, which may
  -- run beside this one, has it only for a moment.
  local function take(port)
    local taken = socket.bind("127.0.0.1", port)
    local deadline = socket.gettime() + 10
    while not taken and socket.gettime() < deadline do
      socket.sleep(0.02)
      taken = socket.bind("127.0.0.1", port)
    end
    return taken
  end

  it("is where the gateway 'local' looks for it, or says that it cannot be", function()
    local said, complaint = start()
    if complaint == "" then -- else somebody else has the port
      assert.truthy(said:find("listening on http://127.0.0.1:8787/v1", 1, true), said)
    end
    local taken = take(8787)
    said, complaint = start()
    assert.truthy(said:find("listening on http://127.0.0.1:%d+/v1"), said)
    assert.falsy(said:find(":8787/", 1, true))
    assert.truthy(complaint:find("port 8787 is taken", 1, true), complaint)
    if taken then
      taken:close()
    end
  end)

  -- It is not to listen, so that whatever begins to do so is ended.
  local function complaint_of(arguments, environment)
    local _, said = shell.run(("%s timeout 5 %s examples/gateway.lua %s"):format(environment or "",
      shell.LUA, arguments))
    return said
  end

  it("says which number is wrong, and how it must be", function()
    for _, port in ipairs({ "99999", "80.5", "-1", "abc", "nan" }) do
      assert.are.equal(("gateway: --port must be a whole number from 0 to 65535, not %s\n")
        :format(port), complaint_of("--port " .. port))
    end
    for _, rate in ipairs({ "0", "-5" }) do
      local problem = "gateway: --rate, or RILL_GATEWAY_RATE, must be a number of tokens a second "
        .. "above 0, not " .. rate .. "\n"
      assert.are.equal(problem, complaint_of("--port 0 --rate " .. rate))
      assert.are.equal(problem, complaint_of("--port 0", "RILL_GATEWAY_RATE=" .. rate))
    end
    assert.are.equal("gateway: --cap must be a number of seconds above 0, not 0\n",
      complaint_of("--port 0 --cap 0"))
    for _, arguments in ipairs({ "--port", "--prot 1", "1" }) do
      assert.truthy(complaint_of(arguments):find("^usage: "))
    end
  end)
end)

describe("an answer of one's own", function()
  local function said_by(text)
    local own = local_gateway.start({ rate = 3000, answer = text })
    finally(function()
      own:stop()
    end)
    local client = connect("/ws/chat", own)
    client:say({ type = "chat.start", model = "m", messages = question("why?") })
    local list = client:upto("chat.done")
    client:close(1000)
    return joined(list, "content.delta")
  end

  it("is said as it stands where the question has no place in it", function()
    assert.are.equal("Hello, I am 100% fixed.", said_by("Hello, I am 100% fixed."))
  end)

  it("has the question in the first place of those that are for it", function()
    assert.are.equal("why? is 100% of %s", said_by("%s is 100% of %s"))
  end)
end)

describe("the local gateway's own dialect", function()
  it("answers with deltas and what they cost", function()
    local client = connect("/ws/chat")
    client:say({ type = "chat.start", model = "m", messages = question("why?"), api_key = "k" })
    local list = client:upto("chat.done")
    assert.are.same({ "content.delta", "chat.done" }, types(list))
    assert.are.equal("You asked why?, and I say so.", joined(list, "content.delta"))
    local done = list[#list]
    assert.are.equal(#list - 1 + 8 + 2, done.usage.total_tokens)
    assert.are.equal(1000, client:close(1000))
  end)

  it("refuses a list in which not all are messages, and goes on", function()
    for _, path in ipairs({ "/ws/chat", "/chat/completions" }) do
      local client = connect(path)
      for _, wrong in ipairs({ 3, cjson.null, true, "text" }) do
        client:say({ type = "chat.start", model = "m",
          messages = { question("one")[1], wrong, question("two")[1] } })
        assert.truthy(assert(client:message()):find("must be a list of messages", 1, true))
      end
      assert.are.equal(1000, client:close(1000))
    end
  end)

  it("answers one question at a time, and several on one connection", function()
    local client = connect("/ws/chat")
    local start = { type = "chat.start", model = "m", messages = question("one") }
    client:say(start, start)
    local list = client:upto("chat.done")
    local errors = 0
    for _, event in ipairs(list) do
      errors = errors + (event.type == "error" and 1 or 0)
    end
    assert.are.equal(1, errors)
    assert.are.equal("You asked one, and I say so.", joined(list, "content.delta"))
    client:say(start)
    assert.are.equal("You asked one, and I say so.",
      joined(client:upto("chat.done"), "content.delta"))
    client:close(1000)
  end)

  it("says what is wrong with a frame", function()
    local client = connect("/ws/chat")
    for _, frame in ipairs({ "x", "{}", '{"type":"chat.start","model":"m"}' }) do
      client:send(frame)
      local event = client:event()
      assert.are.equal("error", event.type)
      assert.are.equal("string", type(event.message))
    end
    client:close(1000)
  end)

  it("refuses a request that is no upgrade", function()
    local host, port = gateway.base_url:match("//([^:]+):(%d+)")
    local sock = assert(socket.connect(host, tonumber(port)))
    sock:send("GET /v1/ws/chat HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.are.equal("HTTP/1.1 426 Upgrade Required", (sock:receive("*l")))
    sock:close()
  end)
end)

describe("the local gateway's chat completions over WebSocket", function()
  it("send a chunk a frame, and the terminator", function()
    local client = connect("/chat/completions")
    for _ = 1, 2 do
      client:say({ model = "m", messages = question("why?") })
      local said, text = {}, client:message()
      while text ~= "[DONE]" do
        local chunk = cjson.decode(text)
        assert.are.equal("chat.completion.chunk", chunk.object)
        said[#said + 1] = chunk.choices[1].delta.content or ""
        text = client:message()
      end
      assert.are.equal("You asked why?, and I say so.", table.concat(said))
    end
    client:close(1000)
  end)
end)

describe("the local gateway's chat completions", function()
  it("survive schemas that are none, and lists without end", function()
    local client = connect("/chat/completions")
    for _, schema in ipairs({
      { type = "array", minItems = 1e300 }, { type = "object", required = 5, properties = 6 },
      { properties = { a = 7 } }, { type = "array", items = 8 },
    }) do
      client:say({
        model = "m", messages = question("To Rome now"), max_tokens = 1,
        response_format = { type = "json_schema", json_schema = { schema = schema } },
      })
      repeat
        local text = assert(client:message())
      until text == "[DONE]"
      client:say({
        model = "m", messages = question("To Rome now"),
        tools = { { type = "function", ["function"] = { name = "f", parameters = schema } } },
      })
      repeat
        local text = assert(client:message())
      until text == "[DONE]"
    end
    client:close(1000)
  end)
end)

describe("the local gateway's Responses over WebSocket", function()
  local function create(fields)
    fields.type, fields.model = "response.create", "m"
    return fields
  end

  it("streams a text as the real API does", function()
    local client = connect("/responses")
    client:say(create({ input = "why?" }))
    local list = client:upto("response.completed")
    assert.are.same({
      "response.created", "response.in_progress", "response.output_item.added",
      "response.content_part.added", "response.output_text.delta", "response.output_text.done",
      "response.content_part.done", "response.output_item.done", "response.completed",
    }, types(list))
    for at, event in ipairs(list) do
      assert.are.equal(at - 1, event.sequence_number)
      assert.is_nil(event.stream_id)
    end
    local text = "You asked why?, and I say so."
    assert.are.equal(text, joined(list, "response.output_text.delta"))
    local response = list[#list].response
    assert.are.equal("completed", response.status)
    assert.are.equal(text, response.output[1].content[1].text)
    assert.are.equal(list[1].response.id, response.id)
    assert.are.equal(response.usage.input_tokens + response.usage.output_tokens,
      response.usage.total_tokens)
    client:close(1000)
  end)

  it("goes on from a response that it gave, and from no other", function()
    local client = connect("/responses")
    client:say(create({ input = "one two three" }))
    local first = client:upto("response.completed")
    first = first[#first].response
    client:say(create({ input = "four", previous_response_id = first.id }))
    local second = client:upto("response.completed")
    second = second[#second].response
    assert.are.equal(first.id, second.previous_response_id)
    -- The conversation counts: 8, three words, the answer, one word.
    assert.is_true(second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens)
    client:say(create({ input = "five", previous_response_id = "resp_x", stream_id = "a" }))
    local err = client:event()
    assert.are.equal("error", err.type)
    assert.are.equal(400, err.status)
    assert.are.equal("a", err.stream_id)
    assert.are.equal("previous_response_not_found", err.error.code)
    local other = connect("/responses")
    other:say(create({ input = "six", previous_response_id = second.id }))
    assert.are.equal("previous_response_not_found", other:event().error.code)
    client:close(1000)
    other:close(1000)
  end)

  it("keeps only the latest response of a lane that is not stored", function()
    local client = connect("/responses")
    local ids = {}
    for at = 1, 2 do
      client:say(create({ input = "x", store = false, previous_response_id = ids[at - 1] }))
      ids[at] = client:upto("response.completed")[1].response.id
    end
    client:say(create({ input = "x", store = false, previous_response_id = ids[1] }))
    assert.are.equal("previous_response_not_found", client:event().error.code)
    client:say(create({ input = "x", store = false, previous_response_id = ids[2] }))
    client:upto("response.completed")
    client:close(1000)
  end)

  it("answers lanes side by side, and within a lane one after the other", function()
    local slow = local_gateway.start({ rate = 100, answer = "one two three four %s" })
    local client = connect("/responses", slow)
    client:say(create({ input = "a1", stream_id = "a" }), create({ input = "a2", stream_id = "a" }),
      create({ input = "b1", stream_id = "b" }))
    local order, done = {}, 0
    while done < 3 do
      local event = client:event()
      assert.truthy(event.stream_id)
      if event.type == "response.created" or event.type == "response.completed" then
        order[#order + 1] = event.stream_id .. " " .. event.type:match("%w+$")
        done = done + (event.type == "response.completed" and 1 or 0)
      end
    end
    slow:stop()
    local lane_a = {}
    for _, what in ipairs(order) do
      if what:find("^a ") then
        lane_a[#lane_a + 1] = what:sub(3)
      end
    end
    assert.are.same({ "created", "completed", "created", "completed" }, lane_a)
    assert.are.same({ "a created", "b created" }, { order[1], order[2] })
    client.sock:close()
  end)

  it("has so many lanes and no more, and wants their names well-formed", function()
    local client = connect("/responses")
    for at = 1, 32 do
      client:say(create({ input = "x", stream_id = "lane-" .. at, max_output_tokens = 1 }))
      client:upto("response.incomplete")
    end
    client:say(create({ input = "x", stream_id = "one-more" }))
    local err = client:event()
    assert.are.equal("websocket_stream_limit_reached", err.error.code)
    assert.are.equal("one-more", err.stream_id)
    client:say(create({ input = "x", stream_id = "a b" }))
    assert.are.equal("invalid_stream_id", client:event().error.code)
    client:say(create({ input = "x", stream_id = "lane-1", max_output_tokens = 1 }))
    client:upto("response.incomplete")
    client:close(1000)
  end)

  it("calls a function and takes its result", function()
    local client = connect("/responses")
    client:say(create({ input = "How is it in Chiang Mai?", tools = { TOOL } }))
    local list = client:upto("response.completed")
    assert.are.same({
      "response.created", "response.in_progress", "response.output_item.added",
      "response.function_call_arguments.delta", "response.function_call_arguments.done",
      "response.output_item.done", "response.completed",
    }, types(list))
    local response = list[#list].response
    local call = response.output[1]
    assert.are.same({ "function_call", "weather" }, { call.type, call.name })
    assert.are.same({ city = "Chiang Mai" }, cjson.decode(call.arguments))
    assert.are.equal(call.arguments, joined(list, "response.function_call_arguments.delta"))
    client:say(create({
      previous_response_id = response.id, tools = { TOOL },
      input = { { type = "function_call_output", call_id = call.call_id, output = "sunny" } },
    }))
    assert.truthy(joined(client:upto("response.completed"), "response.output_text.delta")
      :find("The tool says: sunny", 1, true))
    client:close(1000)
  end)

  it("is incomplete when the tokens run out", function()
    local client = connect("/responses")
    client:say(create({ input = "x", max_output_tokens = 2 }))
    local list = client:upto("response.incomplete")
    assert.are.equal("You asked", joined(list, "response.output_text.delta"))
    assert.are.same({ reason = "max_output_tokens" }, list[#list].response.incomplete_details)
    client:close(1000)
  end)

  it("is as long as the whole tokens that are left to it", function()
    local client = connect("/responses")
    for limit, said in pairs({ [2.5] = "You asked", [-1] = "" }) do
      client:say(create({ input = "x", max_output_tokens = limit }))
      local list = client:upto("response.incomplete")
      assert.are.equal(said, joined(list, "response.output_text.delta"))
      assert.are.equal(said == "" and 0 or 2, list[#list].response.usage.output_tokens)
    end
    client:close(1000)
  end)

  it("knows no other frame than response.create", function()
    local client = connect("/responses")
    for _, frame in ipairs({ "x", '{"type":"response.cancel"}' }) do
      client:send(frame)
      assert.are.equal("invalid_message_type", client:event().error.code)
    end
    client:say({ type = "response.create", input = "x" })
    assert.are.equal("model", client:event().error.param)
    client:close(1000)
  end)

  it("ends a connection at its limit, once the answers are given", function()
    local capped = local_gateway.start({ rate = 5, cap = 0.5, answer = "1 2 3 4 %s" })
    local client = connect("/responses", capped)
    client:say(create({ input = "5", stream_id = "a" }))
    local list = client:upto("error")
    assert.are.equal("websocket_connection_limit_reached", list[#list].error.code)
    assert.is_nil(list[#list].stream_id)
    client:say(create({ input = "6", stream_id = "b" }))
    list = client:upto("error")
    assert.are.equal("b", list[#list].stream_id)
    list = client:upto("response.completed")
    local event, code = client:event()
    capped:stop()
    assert.are.same({ nil, 1001 }, { event, code })
    assert.are.equal("1 2 3 4 5", list[#list].response.output[1].content[1].text)
    client.sock:close()
  end)
end)

describe("the local gateway within an answer", function()
  local PING, PONG, CLOSE = 9, 10, 8

  -- By path: what is asked there.
  local ASKED = {
    ["/ws/chat"] = { type = "chat.start", model = "m", messages = question("why?") },
    ["/chat/completions"] = { model = "m", messages = question("why?") },
    ["/responses"] = { type = "response.create", model = "m", input = "why?" },
    ["/realtime?model=m"] = {
      type = "response.create", response = { output_modalities = { "text" } },
    },
  }

  local slow

  setup(function()
    slow = local_gateway.start({ rate = 0.01 }) -- far slower than a client waits for a frame
  end)

  teardown(function()
    slow:stop()
  end)

  local function upto(client, opcode)
    local frame
    repeat
      frame = assert(client:frame())
    until frame.opcode == opcode
    return frame.payload
  end

  for path, asked in by_name(ASKED) do
    it("hears a ping and a close frame at " .. path, function()
      local client = connect(path, slow)
      client:say(asked)
      client:send_frame(true, PING, "are you there?")
      assert.are.equal("are you there?", upto(client, PONG))
      client:send_frame(true, CLOSE, websocket.close_payload(1000))
      assert.are.equal(websocket.close_payload(1000), upto(client, CLOSE))
      assert.are.same({ nil, "closed" }, { client:frame() })
      client.sock:close()
    end)
  end

  it("keeps what is asked next over chat completions", function()
    local client = connect("/chat/completions")
    client:say({ model = "m", messages = question("one") }, {}, { model = "m",
      messages = question("two") })
    local said = {}
    for _ = 1, 2 do
      local text = assert(client:message())
      while text ~= "[DONE]" do
        local event = cjson.decode(text)
        said[#said + 1] = event.error and "(refused) " or event.choices[1].delta.content
        text = assert(client:message())
      end
    end
    assert.are.equal("You asked one, and I say so.(refused) You asked two, and I say so.",
      table.concat(said))
    client:close(1000)
  end)
end)

describe("the local gateway's Responses over HTTP", function()
  local function post(fields)
    local host, port = gateway.base_url:match("//([^:]+):(%d+)")
    local sock = assert(socket.connect(host, tonumber(port)))
    local body = cjson.encode(fields)
    sock:send("POST /v1/responses HTTP/1.1\r\nContent-Length: " .. #body .. "\r\n\r\n"
      .. body)
    sock:settimeout(5)
    local bytes, length = "", nil
    repeat
      local line = assert(sock:receive("*l")) .. "\n"
      length = length or tonumber(line:match("^Content%-Length: (%d+)"))
      bytes = bytes .. line
    until line == "\n"
    if length then
      bytes = bytes .. sock:receive(length)
    end
    while not length and bytes:sub(-6) ~= "\n0\r\n\r\n" do
      bytes = bytes .. assert(sock:receive(1))
    end
    sock:close()
    return bytes
  end

  it("stream the same events", function()
    local bytes = post({ model = "m", input = "why?", stream = true })
    local said = {}
    for kind, data in bytes:gmatch("event: (%S+)\ndata: ([^\n]+)\n\n") do
      local event = cjson.decode(data)
      assert.are.equal(kind, event.type)
      said[#said + 1] = kind == "response.output_text.delta" and event.delta or ""
    end
    assert.are.equal("You asked why?, and I say so.", table.concat(said))
    assert.truthy(bytes:find("event: response.completed", 1, true))
  end)

  it("give the whole response, and refuse one whose predecessor nobody knows", function()
    local response = cjson.decode(post({ model = "m", input = "why?" }):match("\n\n(.*)$"))
    assert.are.equal("You asked why?, and I say so.", response.output[1].content[1].text)
    local refused = post({ model = "m", input = "why?", previous_response_id = "resp_1" })
    assert.truthy(refused:find("^HTTP/1.1 400"))
    assert.truthy(refused:find("previous_response_not_found", 1, true))
  end)
end)

describe("the local gateway", function()
  it("carries many sessions at once, and outlives those that break off", function()
    local clients = {}
    for at = 1, 60 do
      clients[at] = connect("/ws/chat")
      clients[at]:say({ type = "chat.start", model = "m", messages = question("no. " .. at) })
    end
    for at, client in ipairs(clients) do
      if at % 3 == 0 then
        client.sock:close()
      else
        assert.are.equal("You asked no. " .. at .. ", and I say so.",
          joined(client:upto("chat.done"), "content.delta"))
        client:close(1000)
      end
    end
  end)

  it("is understood by the package ws, in every dialect", function()
    if not shell.run("test -d build/npm/node_modules/ws && command -v node") then
      pending("the package ws is not installed")
      return
    end
    local said = cjson.decode((shell.assert_runs(
      "node spec/support/gateway_client.mjs " .. gateway.socket_url)))
    for _, dialect in ipairs({ "chat", "responses", "realtime" }) do
      local told = said[dialect]
      assert.are.equal("You asked why?, and I say so.", told.text)
      assert.are.equal("are you there?", told.pong)
      -- Compression is not spoken, and not agreed on.
      assert.are.equal("", told.extensions)
      assert.are.same({ 1000, "" }, { told.code, told.reason })
    end
    assert.are.same({ "content.delta", "chat.done" }, said.chat.kinds)
  end)
end)
