-- The scripted gateway plays WebSocket, frame by frame.

local Gateway = require("spec.support.gateway")
local socket_client = require("spec.support.socket_client")

local gateway

local function connect(attempt, options)
  local route = gateway:script({ attempt })
  return socket_client.connect(route.socket_url .. "/chat", options), route
end

describe("the scripted gateway, over WebSocket,", function()
  setup(function()
    gateway = Gateway.start()
  end)

  it("answers the key of the RFC as the RFC does", function()
    local client = connect({ websocket = true })
    assert.are.equal(101, client.status)
    local value = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert.truthy(client.head:find("Sec-WebSocket-Accept: " .. value .. "\r\n", 1, true))
    assert.truthy(client.head:find("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", 1, true))
    assert.falsy(client.head:find("Content-Type", 1, true))
    assert.are.equal(1000, client:close(1000))
  end)

  it("sends texts, bytes, pings, frames as they were given and bytes past the framing", function()
    local client = connect({
      websocket = true,
      steps = {
        "hällo", { binary = "\0\255" }, { ping = "p" },
        { frame = { opcode = 3, rsv = 5, fin = false, payload = "x" } },
        { frame = {} }, { raw = "\137\0" },
      },
    })
    local function frame(opcode, payload, rsv, fin)
      return { opcode = opcode, payload = payload, rsv = rsv or 0, fin = fin ~= false }
    end
    assert.are.same(frame(1, "hällo"), client:frame())
    assert.are.same(frame(2, "\0\255"), client:frame())
    assert.are.same(frame(9, "p"), client:frame())
    assert.are.same(frame(3, "x", 5, false), client:frame())
    assert.are.same(frame(1, ""), client:frame())
    assert.are.same(frame(9, ""), client:frame())
    client:close(1000)
  end)

  it("notes what the client sent, joined, and how it closed", function()
    local client, route = connect({ websocket = true })
    client:send_frame(false, 1, "one ")
    client:send_frame(true, 9, "in between")
    client:send_frame(true, 0, "message")
    client:send_frame(true, 2, ("\1\2\3"):rep(1000))
    client:close(4001)
    local record = gateway:wait(route, "finished")
    local kinds = {}
    for at, message in ipairs(record.messages) do
      kinds[at] = message.kind
    end
    assert.are.same({ "ping", "text", "binary", "close" }, kinds)
    assert.are.equal("in between", record.messages[1].data)
    assert.are.equal("one message", record.messages[2].data)
    assert.are.equal(("\1\2\3"):rep(1000), record.messages[3].data)
    assert.are.equal(4001, record.messages[4].code)
    assert.are.equal("in between", gateway:wait(route, "messages", 1).data)
  end)

  it("plays on when so many messages have come, and echoes when told", function()
    local client = connect({
      websocket = true,
      steps = { { receive = 1 }, "first", { echo = true }, { receive = 2 }, "third" },
    })
    client:send("one")
    assert.are.equal("first", client:message())
    client:send("two")
    assert.are.equal("two", client:message())
    client:send("three")
    assert.are.equal("three", client:message())
    assert.are.equal("third", client:message())
    client:close(1000)
  end)

  it("closes with a code and waits for the client's close", function()
    local client, route = connect({ websocket = true, steps = { { closing = { 4000, "why" } } } })
    local text, code, reason = client:message()
    assert.are.same({ nil, 4000, "why" }, { text, code, reason })
    client:send_frame(true, 8, "\15\160")
    assert.are.same({ nil, "closed" }, { client:frame() })
    assert.are.equal(4000, gateway:wait(route, "finished").messages[1].code)
  end)

  it("drops the connection without a close frame", function()
    local client, route = connect({ websocket = true, steps = { "a", { close = true } } })
    assert.are.equal("a", client:message())
    assert.are.same({ nil, "closed" }, { client:frame() })
    assert.truthy(gateway:wait(route, "finished"))
  end)

  it("tells when the client dropped it", function()
    local client, route = connect({ websocket = true })
    client.sock:close()
    assert.truthy(gateway:wait(route, "closed"))
  end)

  it("leaves pings and close frames without an answer when told", function()
    local client, route = connect({
      websocket = true, on_ping = false, on_close = false,
      steps = { { receive = 1 }, "still here" },
    })
    client:send_frame(true, 9, "?")
    client:send_frame(true, 8, "\3\232")
    client:send("go on")
    assert.are.equal("still here", client:frame().payload)
    client.sock:close()
    assert.are.equal("close", gateway:wait(route, "closed").messages[2].kind)
  end)

  it("refuses an upgrade with status, headers and a body", function()
    local client = connect({
      status = 401, framing = "length", headers = { ["X-Request-Id"] = "r1" }, steps = { "no key" },
    })
    assert.are.equal(401, client.status)
    assert.truthy(client.head:find("X-Request-Id: r1\r\n", 1, true))
    assert.are.equal("no key", client.sock:receive(6))
    client.sock:close()
  end)

  it("accepts wrongly when told", function()
    local client = connect({
      websocket = true,
      headers = {
        ["Sec-WebSocket-Accept"] = "x", ["Sec-WebSocket-Protocol"] = "a", Upgrade = false,
      },
    })
    assert.truthy(client.head:find("Sec-WebSocket-Accept: x\r\n", 1, true))
    assert.truthy(client.head:find("Sec-WebSocket-Protocol: a\r\n", 1, true))
    assert.falsy(client.head:find("Upgrade: websocket", 1, true))
    client.sock:close()
  end)

  it("writes frames in pieces and never puts a pong among them", function()
    local text = ("slowly "):rep(9)
    local client = connect({ websocket = true, piece = 1, delay = 0.001, steps = { text } })
    assert.are.equal("\129", client.sock:receive(1))
    client:send_frame(true, 9, "?")
    assert.are.equal(string.char(#text) .. text, client.sock:receive(1 + #text))
    assert.are.equal("?", client:frame().payload)
    client:close(1000)
  end)

  it("stops reading when it is deaf", function()
    local client, route = connect({
      websocket = true, steps = { { deaf = true }, "deaf", { wait = "go" }, { deaf = false } },
    })
    assert.are.equal("deaf", client:message())
    client:send("hello")
    assert.is_nil((gateway:wait(route, "messages", 1, 0.05)))
    gateway:signal(route, "go")
    assert.are.equal("hello", gateway:wait(route, "messages", 1, 5).data)
    client:close(1000)
  end)

  it("carries messages of every size", function()
    local client = connect({ websocket = true, steps = { { echo = true } } })
    for _, size in ipairs({ 0, 1, 125, 126, 127, 4095, 4097, 65535, 65536, 1000003 }) do
      local message = ("0123456789abc"):rep(math.ceil(size / 13)):sub(1, size)
      client:send(message)
      local frame = client:frame()
      assert.is_true(message == frame.payload and frame.opcode == 1, "of " .. size .. " bytes")
    end
    client:close(1000)
  end)

  it("refuses frames that a client must not send", function()
    local function code_after(bytes)
      local client = connect({ websocket = true })
      client.sock:send(bytes)
      local text, code = client:message()
      client.sock:close()
      return text or code
    end
    assert.are.equal(1002, code_after("\129\1a")) -- no mask
    assert.are.equal(1002, code_after("\193\129\0\0\0\0a")) -- RSV1
    assert.are.equal(1002, code_after("\131\128\0\0\0\0")) -- opcode 3
    assert.are.equal(1002, code_after("\128\128\0\0\0\0")) -- continues nothing
    assert.are.equal(1002, code_after("\9\128\0\0\0\0")) -- a ping in fragments
    assert.are.equal(1009, code_after("\129\255\0\0\1\0\0\0\0\0")) -- 2^40 bytes
    assert.are.equal(1009, code_after("\129\255\255" .. ("\0"):rep(7))) -- more than 2^63
  end)
end)
