-- The socket and a server whose bytes, and whose end, come exactly as the spec puts them: it lives
-- in the same process, so nothing is left to chance.

local core = require("rill.core")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")
local tcp = require("socket")
package.path = package.path .. ";./examples/?.lua"
local websocket = require("support.websocket")

local TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

local listener

local function step()
  while core.engine():ready() do end -- luacheck: ignore
  core.engine():step(0.01)
end

-- Steps until the function gives something, and returns it.
local function until_there(look)
  local deadline = core.now() + 10
  while true do
    local found = look()
    if found then
      return found
    end
    assert.is_true(core.now() < deadline, "it did not come about")
    step()
  end
end

-- A socket, the server's side of it once the request is there, and the head that accepts it.
local function begin(spec, changes)
  local url = "ws://127.0.0.1:" .. select(2, listener:getsockname()) .. "/"
  local socket = core.engine():connect(raw.profile(changes), url, spec)
  local peer = until_there(function() return listener:accept() end)
  peer:settimeout(0)
  local request = ""
  until_there(function()
    local all, _, part = peer:receive("*a")
    request = request .. (all or part)
    return request:find("\r\n\r\n", 1, true)
  end)
  local key = request:match("Sec%-WebSocket%-Key: (%S+)")
  local head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Accept: " .. websocket.accept_value(key) .. "\r\n\r\n"
  return socket, peer, head
end

-- What the client sends next: the opcode and the payload of a short frame; nil: its end.
local function frame_from(peer)
  local bytes = ""
  until_there(function()
    local all, err, part = peer:receive("*a")
    bytes = bytes .. (all or part)
    return #bytes >= 6 and #bytes >= 6 + bytes:byte(2) % 128 or all or err == "closed"
  end)
  if #bytes < 6 then
    return nil
  end
  local payload = {}
  for i = 1, bytes:byte(2) % 128 do
    local a, b = bytes:byte(6 + i, 6 + i), bytes:byte(3 + (i - 1) % 4, 3 + (i - 1) % 4)
    local sum, bit = 0, 1
    for _ = 1, 8 do
      sum = sum + (a % 2 ~= b % 2 and bit or 0)
      a, b, bit = math.floor(a / 2), math.floor(b / 2), bit * 2
    end
    payload[i] = string.char(sum)
  end
  return bytes:byte(1) % 16, table.concat(payload)
end

local function frame(opcode, payload)
  return websocket.frame(true, opcode, payload)
end

describe("a socket whose server says everything at once", function()
  setup(function()
    listener = assert(tcp.bind("127.0.0.1", 0))
    listener:settimeout(0)
  end)

  teardown(function()
    listener:close()
  end)

  it("hears a refusal that comes before it has asked to the end", function()
    local port = select(2, listener:getsockname())
    local socket = core.engine():connect(raw.profile({ retry = { max = 0 } }),
      "ws://127.0.0.1:" .. port .. "/" .. ("x"):rep(7000000))
    local peer = until_there(function() return listener:accept() end)
    peer:settimeout(0)
    until_there(function() return peer:receive(1000) end)
    assert(peer:send("HTTP/1.1 414 URI Too Long\r\nContent-Length: 8\r\n\r\ntoo long"))
    peer:close()
    until_there(function() return socket:ending() end)
    assert.are.equal("http", socket:failure().kind)
    assert.are.equal(414, socket:failure().status)
    assert.are.equal("too long", socket:failure().body)
  end)

  it("says of a connection that breaks inside the answer that there it broke", function()
    local socket, peer, head = begin({}, { retry = { max = 0 } })
    assert(peer:send(head:sub(1, 40)))
    assert(peer:setoption("linger", { on = true, timeout = 0 }))
    peer:close() -- with RST
    until_there(function() return socket:ending() end)
    assert.are.equal("interrupted", socket:failure().kind)
    assert.are.equal("headers", socket:failure().phase)
  end)

  it("answers the close frame before it reads the end of the connection", function()
    local socket, peer, head = begin()
    assert(peer:send(head .. frame(CLOSE, "\3\232bye")))
    peer:shutdown("send")
    assert.same({ CLOSE, "\3\232" }, { frame_from(peer) })
    until_there(function() return socket:ending() end)
    assert.are.equal("closed", socket:ending())
    assert.same({ 1000, "bye", "peer" }, { socket:closing() })
    peer:close()
  end)

  it("answers a later one likewise", function()
    local socket, peer, head = begin()
    assert(peer:send(head))
    until_there(function() return socket:state() == "open" end)
    assert(peer:send(frame(TEXT, "one") .. frame(CLOSE, "\3\232")))
    peer:shutdown("send")
    assert.same({ CLOSE, "\3\232" }, { frame_from(peer) })
    until_there(function() return socket:ending() end)
    assert.are.equal("closed", socket:ending())
    peer:close()
  end)

  it("says what was wrong before it reads the end of the connection", function()
    local socket, peer, head = begin()
    assert(peer:send(head .. frame(3, "")))
    peer:shutdown("send")
    assert.same({ CLOSE, "\3\234" }, { frame_from(peer) })
    until_there(function() return socket:ending() end)
    assert.are.equal("failed", socket:ending())
    assert.are.equal("protocol", socket:failure().kind)
    peer:close()
  end)

  it("answers a ping although more is queued than its limit", function()
    local socket, peer, head = begin(nil, { limits = { buffer = 300 } })
    assert(peer:send(head .. frame(PING, "there?") .. frame(TEXT, ("x"):rep(500))
      .. frame(TEXT, "more")))
    assert.same({ PONG, "there?" }, { frame_from(peer) })
    assert.are.equal(1, socket:stats().pauses)
    socket:drop()
    peer:close()
  end)

  it("tells who waits for room that the connection has broken, whatever is unread", function()
    local socket, peer, head = begin({ send_limit = 100000, ping_interval = math.huge },
      { limits = { buffer = 300 } })
    assert(peer:send(head .. frame(TEXT, ("x"):rep(500)) .. frame(TEXT, "more")))
    until_there(function() return socket:stats().pauses > 0 end)
    local message = sse.filler(60000)
    until_there(function() return socket:send(message) == false end)
    while core.engine():ready() do end -- luacheck: ignore
    peer:setoption("linger", { on = true, timeout = 0 })
    peer:close()
    until_there(function() return socket:send(message) == nil end)
    assert.are.equal("open", raw.take(socket)[1])
    assert.are.equal("text", raw.take(socket)[1])
    assert.are.equal("more", raw.take(socket)[2])
    assert.same({ nil, "end" }, raw.take(socket))
    assert.are.equal("cut", socket:ending())
  end)

  it("keeps its connection when another one begins, although it reads nothing from it", function()
    local socket, peer, head = begin(nil, { limits = { buffer = 300 } })
    assert(peer:send(head .. frame(TEXT, ("x"):rep(500))))
    until_there(function() return socket:stats().pauses > 0 end)
    peer:shutdown("send")
    -- libcurl looks for connections that it may close once a second at most.
    local later = core.now() + 1.1
    until_there(function() return core.now() > later end)
    local other, other_peer, other_head = begin()
    assert(other_peer:send(other_head .. frame(TEXT, "for the other")))
    assert.are.equal("open", raw.take(socket)[1])
    assert.are.equal("text", raw.take(socket)[1])
    assert.are.equal("cut", until_there(function() return socket:ending() end))
    assert.are.equal("open", raw.take(other)[1])
    assert.are.equal("for the other", raw.take(other)[2])
    other:drop()
    peer:close()
    other_peer:close()
  end)
end)
