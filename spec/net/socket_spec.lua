-- The socket as C gives it to Lua: attempts, messages both ways, heartbeat, closing, limits.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local core = require("rill.core")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local unpack = table.unpack or unpack -- luacheck: ignore

local function connect(attempts, spec, changes)
  local route = gateway:script(attempts)
  local socket = core.engine():connect(raw.profile(changes), route.socket_url, spec)
  return socket, route
end

-- A WebSocket that plays these steps.
local function playing(...)
  return { websocket = true, steps = { ... } }
end

-- Takes until an item of that kind comes, and returns it.
local function take(socket, kind)
  while true do
    local item = raw.take(socket)
    if item[1] == kind or item[1] == nil then
      assert.are.equal(kind, item[1])
      return item
    end
  end
end

-- All items until the end.
local function read(socket)
  local items = raw.items(socket)
  for i, item in ipairs(items) do
    items[i] = item[1] .. " " .. tostring(item[2]) -- %s ends at a NUL on 5.1
  end
  return items
end

-- The program is busy with other things.
local function stall(seconds)
  require("socket").sleep(seconds)
end

-- Steps until the condition holds.
local function wait_until(condition)
  local deadline = core.now() + 10
  while not condition() do
    assert.is_true(core.now() < deadline, "it did not come about")
    while core.engine():ready() do end -- luacheck: ignore
    core.engine():step(0.01)
  end
end

local function texts_of(route)
  local texts = {}
  for _, message in ipairs(gateway:requests(route)[1].messages) do
    texts[#texts + 1] = message.kind .. " " .. message.data
  end
  return texts
end

describe("a socket", function()
  it("gives what it received, in order, and closes with both frames", function()
    local socket = connect({ playing("one", { binary = "\0two" }, { closing = { 1000, "bye" } }) })
    assert.are.equal("connecting", socket:state())
    assert.same({ "open nil", "text one", "binary \0two" }, read(socket))
    assert.are.equal("ended", socket:state())
    assert.are.equal("closed", socket:ending())
    assert.same({ 1000, "bye", "peer" }, { socket:closing() })
    assert.is_nil(socket:failure())
    assert.same({}, socket:unsent())
  end)

  it("sends what was queued before it was open", function()
    local socket, route = connect({ playing({ receive = 3 }, { closing = { 1000, "" } }) })
    assert.is_true(socket:send("early"))
    assert.is_true(socket:send("\255\0", true))
    assert.same({ 7, 2 }, { socket:queued() })
    take(socket, "open")
    assert.is_true(socket:send("late"))
    read(socket)
    local texts = texts_of(route)
    assert.are.equal("text early", texts[1])
    assert.are.equal("binary \255\0", texts[2])
    assert.are.equal("text late", texts[3])
    assert.same({ 0, 0 }, { socket:queued() })
    assert.are.equal(3, socket:stats().messages_out)
  end)

  it("asks for protocols, sends the profile's headers, and says what was agreed on", function()
    local attempt = playing({ closing = { 1000, "" } })
    attempt.headers = { ["Sec-WebSocket-Protocol"] = "b" }
    local socket, route = connect({ attempt }, { protocols = "a, b" },
      { headers = { "Authorization: Bearer spec" } })
    assert.are.equal("b", take(socket, "open")[2])
    local asked = gateway:requests(route)[1]
    assert.are.equal("a, b", asked.headers["sec-websocket-protocol"])
    assert.are.equal("Bearer spec", asked.headers.authorization)
    assert.are.equal("127.0.0.1:" .. gateway.port, asked.headers.host)
    assert.are.equal("GET", asked.method)
    assert.are.equal("b", socket:stats().protocol)
  end)

  it("echoes messages of every size", function()
    local socket = connect({ playing({ echo = true }) })
    take(socket, "open")
    for _, size in ipairs({ 0, 1, 125, 126, 127, 65535, 65536, 300000 }) do
      local message = sse.filler(size)
      assert.is_true(socket:send(message))
      assert.are.equal(message, take(socket, "text")[2])
    end
    socket:drop()
  end)

  it("closes from our side behind what is queued", function()
    local socket, route = connect({ playing() })
    take(socket, "open")
    socket:send("last words")
    socket:close(3001, "enough")
    assert.are.equal("closing", socket:state())
    assert.is_nil(socket:send("more"))
    assert.is_nil(socket:ping())
    socket:close(1000)
    assert.same({}, read(socket))
    assert.are.equal("closed", socket:ending())
    assert.same({ 3001, "enough", "us" }, { socket:closing() })
    local messages = gateway:requests(route)[1].messages
    assert.are.equal("last words", messages[1].data)
    assert.are.equal("close", messages[2].kind)
    assert.are.equal(3001, messages[2].code)
    assert.are.equal("enough", messages[2].data)
  end)

  it("says 1005 of a close frame without a code", function()
    local socket = connect({ playing({ frame = { opcode = 8, payload = "" } }) })
    read(socket)
    assert.same({ 1005, "", "peer" }, { socket:closing() })
    assert.are.equal("closed", socket:ending())
  end)

  it("is cut when the connection ends without a close frame", function()
    for _, step in ipairs({ { close = true }, { reset = true } }) do
      local socket = connect({ playing("one", step) })
      take(socket, "open")
      wait_until(function() return socket:ending() end)
      assert.are.equal("cut", socket:ending())
      assert.are.equal("interrupted", socket:failure().kind)
      assert.is_true(socket:failure().retryable)
      assert.same({ 1006, "" }, { socket:closing() })
    end
  end)

  it("tells the peer what it did wrong, and fails", function()
    for _, case in ipairs({
      { { opcode = 1, payload = "x", rsv = 2 }, 1002, "protocol" },
      { { opcode = 3, payload = "" }, 1002, "protocol" },
      { { opcode = 1, payload = "\255" }, 1007, "protocol" },
      { { opcode = 2, payload = sse.filler(2000) }, 1009, "limit" },
    }) do
      local socket, route = connect({ playing({ frame = case[1] }) }, nil,
        { limits = { event = 1000 } })
      read(socket)
      assert.are.equal("failed", socket:ending())
      assert.are.equal(case[3], socket:failure().kind)
      assert.are.equal(case[2], (socket:closing()))
      local messages = gateway:requests(route)[1].messages
      assert.are.equal(case[2], messages[#messages].code)
    end
  end)

  it("ends at once when it is dropped, with a word to the peer", function()
    for _, drop in ipairs({
      function(socket) socket:drop() end,
      function(socket) core.engine():drop(socket:id()) end,
    }) do
      local socket, route = connect({ playing() })
      take(socket, "open")
      drop(socket)
      socket:drop()
      assert.are.equal("dropped", socket:ending())
      assert.same({ 1001, "", "us" }, { socket:closing() })
      assert.same({ nil, "end" }, { socket:take() })
      gateway:wait(route, "requests", 1, 5)
      wait_until(function() return #gateway:requests(route)[1].messages > 0 end)
      assert.are.equal(1001, gateway:requests(route)[1].messages[1].code)
    end
  end)

  it("may be dropped or closed before it is open", function()
    for _, how in ipairs({ "drop", "close" }) do
      local socket = connect({ playing() })
      socket:send("never")
      socket[how](socket)
      assert.are.equal("dropped", socket:ending())
      assert.is_nil((socket:closing()))
      assert.same({ { "never", false } }, socket:unsent())
    end
  end)

  it("answers pings, sends pings and measures their way", function()
    local socket, route = connect({ playing({ ping = "are you there" }, { receive = 1 },
      { closing = { 1000, "" } }) })
    take(socket, "open")
    assert.is_true(socket:ping("and you"))
    wait_until(function() return socket:stats().round_trip end)
    assert.is_true(socket:stats().round_trip > 0)
    assert.are.equal(1, socket:stats().pings)
    assert.are.equal(1, socket:stats().pongs)
    assert.has_error(function() socket:ping(("x"):rep(126)) end)
    socket:send("go on")
    read(socket)
    local texts = table.concat(texts_of(route), ", ")
    assert.is_truthy(texts:find("pong are you there", 1, true))
    assert.is_truthy(texts:find("ping and you", 1, true))
  end)

  it("refuses wrong arguments", function()
    local profile, engine = raw.profile(), core.engine()
    for _, url in ipairs({ "http://127.0.0.1/", "ws:/x", "ws://me:secret@127.0.0.1/", "ws://",
      "ws://127.0.0.1/\0" }) do
      assert.has_error(function() engine:connect(profile, url) end)
    end
    for _, spec in ipairs({ { ping_interval = 0 }, { close_timeout = "x" }, { send_limit = -1 },
      { protocols = "a\r\nb" }, 7 }) do
      assert.has_error(function() engine:connect(profile, "ws://127.0.0.1:1/", spec) end)
    end
    local socket = connect({ playing() })
    for _, code in ipairs({ 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5 }) do
      assert.has_error(function() socket:close(code) end)
    end
    assert.has_error(function() socket:close(1000, ("x"):rep(124)) end)
    assert.has_error(function() socket:close(1000, "\255") end)
    assert.has_error(function() socket:send() end)
    socket:drop()
  end)
end)

describe("the opening of a socket", function()
  it("fails with status and body when the upgrade is refused", function()
    local socket = connect({ { status = 401, framing = "length",
      headers = { ["Content-Type"] = "application/json", ["x-request-id"] = "req_1" },
      steps = { '{"error":{"message":"no key"}}' } } })
    assert.same({}, read(socket))
    local failure = socket:failure()
    assert.are.equal("failed", socket:ending())
    assert.are.equal("http", failure.kind)
    assert.are.equal(401, failure.status)
    assert.are.equal('{"error":{"message":"no key"}}', failure.body)
    assert.are.equal("application/json", failure.content_type)
    assert.are.equal("req_1", failure.request_id)
    assert.is_false(failure.retryable)
    assert.is_nil((socket:closing()))
  end)

  it("follows no redirect, and says so", function()
    local socket, route = connect({ { status = 307, framing = "length",
      headers = { Location = "/elsewhere" } } })
    read(socket)
    assert.are.equal(307, socket:failure().status)
    assert.is_truthy(socket:failure().message:find("redirect", 1, true))
    assert.are.equal(1, #gateway:requests(route))
  end)

  it("is tried again after what may pass, with a record of all attempts", function()
    local socket = connect({ { status = 503, framing = "length" },
      { before = { { close = true } } }, playing({ closing = { 1000, "" } }) })
    local first, second = raw.take(socket), raw.take(socket)
    assert.same({ "retry", 2, 0.001, "HTTP 503" }, first)
    assert.are.equal("retry", second[1])
    assert.are.equal(3, second[2])
    assert.same({ "open nil" }, read(socket))
    local attempts = socket:attempts()
    assert.are.equal(3, #attempts)
    assert.are.equal(503, attempts[1].status)
    assert.are.equal("HTTP 503", attempts[1].reason)
    assert.are.equal(101, attempts[3].status)
    assert.is_nil(attempts[3].reason)
  end)

  it("waits longer by the first wait each time where growth is linear", function()
    local socket = connect({ { status = 503, framing = "length" } }, nil,
      { retry = { max = 3, base = 0.004, growth = "linear", cap = 1 } })
    for i = 1, 3 do
      assert.is_true(math.abs(raw.take(socket)[3] - i * 0.004) < 1e-9)
    end
    assert.same({}, read(socket))
    assert.are.equal("failed", socket:ending())
    assert.are.equal(4, #socket:attempts())
  end)

  it("waits as long as the server asks", function()
    local socket = connect({ { status = 429, framing = "length",
      headers = { ["Retry-After"] = "0.02" } }, playing({ closing = { 1000, "" } }) })
    assert.are.equal(0.02, raw.take(socket)[3])
    assert.same({ "open nil" }, read(socket))
  end)

  it("waits before its first attempt if told so", function()
    local socket, route = connect({ playing({ closing = { 1000, "" } }) }, { wait_first = true },
      { retry = { base = 0.02, cap = 1 } })
    local item = raw.take(socket)
    assert.are.equal("retry", item[1])
    assert.are.equal(1, item[2])
    assert.are.equal(0.02, item[3])
    assert.are.equal(0, #gateway:requests(route))
    assert.same({ "open nil" }, read(socket))
    assert.are.equal(1, #socket:attempts())
  end)

  it("counts the retries of connections before", function()
    local socket = connect({ { status = 503 }, { status = 503 } },
      { wait_first = true, retries = 1 },
      { retry = { base = 0.01, growth = "linear", cap = 1, max = 3 } })
    local waits = {}
    local item = raw.take(socket)
    while item[1] == "retry" do
      waits[#waits + 1] = item[3]
      item = raw.take(socket)
    end
    assert.same({ 0.02, 0.03 }, waits)
    assert.are.equal(2, #socket:attempts())
    assert.is_false((pcall(connect, {}, { retries = -1 })))
  end)

  it("is not answered for ever", function()
    local socket = connect({ { before = { { stall = true } } } }, nil,
      { timeout = { first_byte = 0.03 }, retry = { max = 0 } })
    read(socket)
    assert.are.equal("timeout", socket:failure().kind)
    assert.are.equal("first_byte", socket:failure().phase)
  end)

  it("hears a refusal to its end where the answer may take for ever", function()
    local socket, route = connect({ { status = 403, framing = "length",
      steps = { '{"error":{"m', { wait = "go" }, 'essage":"not yours"}}' } } }, nil,
      { timeout = { first_byte = math.huge }, retry = { max = 0 } })
    wait_until(function() return socket:stats().bytes_in > 0 end)
    for _ = 1, 10 do
      socket:wake(0)
      core.engine():step(0.02)
    end
    assert.are.equal("connecting", socket:state())
    gateway:signal(route, "go")
    read(socket)
    assert.are.equal('{"error":{"message":"not yours"}}', socket:failure().body)
  end)

  it("has one time limit for all attempts together", function()
    local socket = connect({ { before = { { stall = true } } } }, nil,
      { timeout = { total = 0.03 } })
    read(socket)
    assert.are.equal("total", socket:failure().phase)
    assert.are.equal(1, #socket:attempts())
  end)

  it("is in time where the program is late", function()
    local socket = connect({ playing({ closing = { 1000, "" } }) }, nil,
      { timeout = { connect = 0.05, first_byte = 10 }, retry = { max = 0 } })
    stall(0.1)
    assert.same({ "open nil" }, read(socket))
  end)

  it("fails where nobody listens, and where the server speaks something else", function()
    local listener = require("socket").bind("127.0.0.1", 0)
    local _, port = listener:getsockname()
    listener:close()
    local closed = core.engine():connect(raw.profile(), "ws://127.0.0.1:" .. port .. "/")
    assert.are.equal(2, #read(closed))
    assert.are.equal("connect", closed:failure().kind)
    local odd = connect({ { head = "SSH-2.0-OpenSSH_9.2\r\n\r\n" } })
    read(odd)
    assert.are.equal("protocol", odd:failure().kind)
    local wrong = connect({ { websocket = true, headers = { ["Sec-WebSocket-Accept"] = "bm8=" } } })
    read(wrong)
    assert.are.equal("protocol", wrong:failure().kind)
  end)
end)

-- Only LuaJIT can ask the system for options of a descriptor.
local has_ffi, ffi = pcall(require, "ffi")
if has_ffi then
  local IPPROTO_TCP, TCP_USER_TIMEOUT = 6, 18 -- Linux

  -- How many connections of this process end when their peer takes no bytes for long.
  local function count_impatient()
    local count, value, size = 0, ffi.new("int[1]"), ffi.new("unsigned[1]", 4)
    for fd = 3, 255 do
      if ffi.C.getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value, size) == 0 then
        count = count + (value[0] > 0 and 1 or 0)
      end
    end
    return count
  end

  describe("a peer that takes no bytes for long", function()
    it("is no fault of a socket's connection, which its heartbeat watches", function()
      ffi.cdef("int getsockopt(int, int, int, void *, unsigned *)")
      ask.forget_connections() -- or one of them would serve below
      local before = count_impatient()
      local socket = connect({ playing() })
      take(socket, "open")
      assert.are.equal(before, count_impatient())
      socket:drop()
      local transfer = raw.open({ { steps = { { stall = true } } } })
      wait_until(function() return count_impatient() == before + 1 end)
      transfer:close()
    end)
  end)
end

describe("the heartbeat", function()
  it("asks after silence, and goes on while it is answered", function()
    local socket, route = connect({ playing() }, { ping_interval = 0.02, ping_timeout = 5 })
    take(socket, "open")
    wait_until(function() return socket:stats().pongs >= 3 end)
    assert.are.equal("open", socket:state())
    socket:drop()
    assert.are.equal("ping", gateway:requests(route)[1].messages[1].kind)
  end)

  it("fails when nobody answers", function()
    local attempt = playing()
    attempt.on_ping = false
    local socket = connect({ attempt }, { ping_interval = 0.02, ping_timeout = 0.03 })
    read(socket)
    assert.are.equal("failed", socket:ending())
    assert.are.equal("timeout", socket:failure().kind)
    assert.are.equal("ping", socket:failure().phase)
  end)

  it("is content with any sign of life", function()
    local attempt = playing({ wait = "1" }, "alive", { wait = "2" }, "alive", { wait = "3" },
      { closing = { 1000, "" } })
    attempt.on_ping = false
    local socket, route = connect({ attempt }, { ping_interval = 0.02, ping_timeout = 5 })
    for number = 1, 3 do
      wait_until(function() return socket:stats().pings == number end)
      gateway:signal(route, tostring(number))
    end
    assert.same({ "open nil", "text alive", "text alive" }, read(socket))
    assert.are.equal("closed", socket:ending())
    assert.are.equal(0, socket:stats().pongs)
  end)

  it("hears all who have answered, however late the program listens", best_of(3, function()
    local route = gateway:script({ playing() })
    local sockets = {}
    for i = 1, 100 do -- more than one step looks at
      sockets[i] = core.engine():connect(raw.profile(), route.socket_url,
        { ping_interval = 0.3, ping_timeout = 1.5 })
    end
    local function count(holds)
      local number = 0
      for _, socket in ipairs(sockets) do
        number = number + (holds(socket) and 1 or 0)
      end
      return number
    end
    local function is_open(socket)
      return socket:state() == "open"
    end
    wait_until(function() return count(is_open) == 100 end)
    stall(0.4)
    core.engine():step(0)
    assert.are.equal(100, count(function(socket) return socket:stats().pings > 0 end))
    stall(1.7)
    core.engine():step(0, 0.0001)
    core.engine():step(0)
    assert.are.equal(100, count(is_open))
    for _, socket in ipairs(sockets) do
      socket:drop()
    end
  end))

  it("does not take for a sign of life that the peer's system takes the ping", best_of(3, function()
    local attempt = playing({ echo = true }, { receive = 20 }, { echo = false })
    attempt.on_ping = false
    local socket = connect({ attempt }, { ping_interval = 0.2, ping_timeout = 0.4 })
    take(socket, "open")
    for i = 1, 20 do
      socket:send(tostring(i))
      take(socket, "text")
    end
    local heard = core.now()
    read(socket)
    assert.are.equal("ping", socket:failure().phase)
    assert.is_true(core.now() - heard < 0.9, core.now() - heard)
  end))

  it("gives a peer time that is slow to take what stands before the ping", best_of(3, function()
    local steps = {}
    for at = 1, 24, 4 do
      steps[at], steps[at + 1] = { deaf = true }, { sleep = 0.15 }
      steps[at + 2], steps[at + 3] = { deaf = false }, { sleep = 0.01 }
    end
    steps[25] = { deaf = true }
    local attempt = playing(unpack(steps))
    attempt.on_ping = false
    local socket = connect({ attempt },
      { ping_interval = 0.02, ping_timeout = 0.45, send_limit = 1e9 })
    take(socket, "open")
    for _ = 1, 20 do
      socket:send(sse.filler(2000000))
    end
    local opened = core.now()
    read(socket)
    assert.are.equal("ping", socket:failure().phase)
    assert.is_true(core.now() - opened > 0.9)
    assert.is_nil(socket:failure().status)
  end))

  it("does not wait for a peer that never closes", function()
    local attempt = playing()
    attempt.on_close = false
    local socket = connect({ attempt }, { close_timeout = 0.03 })
    take(socket, "open")
    socket:close()
    read(socket)
    assert.are.equal("failed", socket:ending())
    assert.are.equal("close", socket:failure().phase)
    assert.same({ 1000, "", "us" }, { socket:closing() })
  end)
end)

describe("the limits of a socket", function()
  it("stop reading while the consumer takes nothing, and lose nothing", function()
    local message = sse.filler(50000)
    local steps = {}
    for i = 1, 100 do
      steps[i] = message
    end
    steps[101] = { closing = { 1000, "" } }
    local socket = connect({ { websocket = true, steps = steps } }, nil,
      { limits = { buffer = 100000 } })
    take(socket, "open")
    wait_until(function() return socket:stats().pauses > 0 end)
    for _ = 1, 5 do
      core.engine():step(0.01)
    end
    assert.is_true(socket:stats().bytes_in < 300000)
    assert.are.equal(1, socket:stats().pauses)
    local items = read(socket)
    assert.are.equal(100, #items)
    assert.are.equal("text " .. message, items[100])
    assert.are.equal("closed", socket:ending())
  end)

  it("rest the heartbeat meanwhile", best_of(3, function()
    local attempt = playing("one", "two")
    attempt.on_ping = false
    local socket = connect({ attempt }, { ping_interval = 0.1, ping_timeout = 0.1 },
      { limits = { buffer = 1 } })
    wait_until(function() return socket:stats().pauses > 0 or socket:ending() end)
    local until_when = core.now() + 0.5
    wait_until(function() return core.now() > until_when end)
    assert.are.equal("open", socket:state())
    socket:drop()
  end))

  it("say when the send queue is full, and when it has room again", function()
    local attempt = playing({ deaf = true }, { wait = "hear" }, { deaf = false },
      { wait = "close" }, { closing = { 1000, "" } })
    local socket, route = connect({ attempt },
      { send_limit = 100000, ping_interval = math.huge })
    take(socket, "open")
    local message, sent = sse.filler(60000), 0
    while socket:send(message) do
      sent = sent + 1
      core.engine():step(0)
      assert.is_true(sent < 10000)
    end
    assert.is_false(socket:send(message))
    while core.engine():ready() do end -- luacheck: ignore
    gateway:signal(route, "hear")
    repeat
      core.engine():step(1)
    until core.engine():ready() == socket:id()
    assert.is_true(socket:send("room again"))
    wait_until(function()
      local _, count = socket:queued()
      return count == 0 -- the peer's close frame would leave the rest unsent
    end)
    gateway:wait(route, "messages", sent + 1)
    gateway:signal(route, "close")
    read(socket)
    local got = 0
    for _, received in ipairs(gateway:requests(route)[1].messages) do
      got = got + (received.data == message and 1 or 0)
    end
    assert.are.equal(sent, got)
  end)

  it("take a message of any size while the queue is empty, and hand back what was not sent",
    function()
      local socket = connect({ playing({ deaf = true }, { stall = true }) },
        { send_limit = 10, ping_interval = math.huge })
      take(socket, "open")
      local big = sse.filler(20000000)
      assert.is_true(socket:send(big))
      assert.is_false(socket:send("x"))
      socket:drop()
      assert.are.equal(1, #socket:unsent())
      assert.are.equal(big, socket:unsent()[1][1])
      assert.is_false(socket:unsent()[1][2])
      assert.same({ #big, 1 }, { socket:queued() })
    end)
end)

describe("a transfer attached to a socket", function()
  local function piece(text)
    return (sse.chunk(text):match("^data: (.-)\n\n$"))
  end
  local ROLE, DONE = (sse.role():match("^data: (.-)\n\n$")), "[DONE]"

  local function answer(changes)
    return core.engine():answer(raw.profile(changes))
  end

  it("gets the text messages, until it ends", function()
    local socket = connect({ playing({ receive = 1 }, ROLE, piece("Hel"), piece("lo"), DONE,
      "for the next", { closing = { 1000, "" } }) })
    take(socket, "open")
    local transfer = answer()
    socket:attach(transfer)
    assert.is_true(socket:attached())
    socket:send("ask")
    local seen = raw.read(transfer)
    assert.are.equal("Hello", seen.reply)
    assert.are.equal("done", seen.ending)
    assert.is_false(socket:attached())
    assert.same({ "text for the next" }, read(socket))
    assert.are.equal(5, socket:stats().messages_in)
    assert.are.equal(4, transfer:stats().events)
  end)

  it("leaves binary messages, and what came before, to the socket", function()
    local socket = connect({ playing("early", { receive = 1 }, { binary = "b" }, ROLE,
      piece("Hi"), DONE, { closing = { 1000, "" } }) })
    wait_until(function() return socket:stats().messages_in == 1 end)
    local transfer = answer()
    socket:attach(transfer)
    socket:send("ask")
    assert.are.equal("Hi", raw.read(transfer).reply)
    assert.same({ "open nil", "text early", "binary b" }, read(socket))
  end)

  it("stops its socket while it is full, and both go on when there is room", function()
    local steps = { { receive = 1 }, ROLE }
    for i = 1, 2000 do
      steps[#steps + 1] = piece(("%04d "):format(i) .. sse.filler(200))
    end
    steps[#steps + 1] = DONE
    steps[#steps + 1] = { closing = { 1000, "" } }
    local socket = connect({ { websocket = true, steps = steps } }, nil)
    take(socket, "open")
    local transfer = answer({ limits = { buffer = 20000 }, timeout = { idle = 0.5 } })
    socket:attach(transfer)
    socket:send("ask")
    wait_until(function() return socket:stats().pauses > 0 end)
    local until_when = core.now() + 0.7
    wait_until(function() return core.now() > until_when end)
    assert.is_nil(transfer:ending())
    assert.is_true(transfer:queued() < 100000)
    assert.are.equal(2000 * 205, #raw.read(transfer).reply)
    assert.are.equal("done", transfer:ending())
    read(socket)
    assert.are.equal("closed", socket:ending())
  end)

  it("is left by a socket that ends, and leaves one when it is closed or collected", function()
    local socket = connect({ playing({ receive = 1 }, { close = true }) })
    take(socket, "open")
    local transfer = answer()
    socket:attach(transfer)
    socket:send("go")
    read(socket)
    assert.is_false(socket:attached())
    assert.is_nil(transfer:ending())
    transfer:close()

    local other = connect({ playing({ receive = 1 }, "mine", { closing = { 1000, "" } }) })
    take(other, "open")
    other:attach(answer())
    other:attach(answer())
    collectgarbage()
    collectgarbage()
    assert.is_false(other:attached())
    local closed = answer()
    other:attach(closed)
    closed:close()
    assert.is_false(other:attached())
    other:send("go")
    assert.same({ "text mine" }, read(other))
  end)

  it("is attached to one socket at a time, and must be fed", function()
    local one, two = connect({ playing() }), connect({ playing() })
    local transfer = answer()
    one:attach(transfer)
    assert.has_error(function() two:attach(transfer) end)
    one:attach(transfer)
    one:attach(nil)
    two:attach(transfer)
    assert.is_false(one:attached())
    assert.is_true(two:attached())
    assert.has_error(function() two:attach(raw.open({ sse.answer("own") })) end)
    one:drop()
    two:drop()
    transfer:close()
    two:attach(transfer)
    assert.is_false(two:attached())
  end)
end)

describe("the engine with sockets", function()
  it("has many at once", function()
    local sockets = {}
    for i = 1, 200 do
      sockets[i] = connect({ playing({ echo = true }) })
      sockets[i]:send("socket " .. i)
    end
    for i, socket in ipairs(sockets) do
      assert.are.equal("socket " .. i, take(socket, "text")[2])
    end
    for _, socket in ipairs(sockets) do
      socket:close()
    end
    for _, socket in ipairs(sockets) do
      read(socket)
      assert.are.equal("closed", socket:ending())
    end
  end)

  it("names one that has news, or was asked to wake", function()
    local engine, socket = core.engine(), connect({ playing() })
    take(socket, "open")
    while engine:ready() do end -- luacheck: ignore
    socket:wake(0.01)
    local named
    repeat -- what other specs have left may still end
      engine:step(1)
      named = engine:ready()
    until named == socket:id()
    engine:drop(socket:id())
    assert.are.equal("dropped", socket:ending())
  end)

  it("reads from sockets within a budget as well", function()
    local steps = {}
    for i = 1, 300 do
      steps[i] = sse.filler(1000)
    end
    steps[301] = { closing = { 1000, "" } }
    local socket = connect({ { websocket = true, steps = steps } })
    local engine, count = core.engine(), 0
    local deadline = core.now() + 10
    while not socket:ending() and core.now() < deadline do
      while engine:ready() do end -- luacheck: ignore
      engine:step(0.1, 0)
    end
    while socket:take() do
      count = count + 1
    end
    assert.are.equal(301, count)
    assert.are.equal("closed", socket:ending())
  end)

  it("goes on with other requests beside an idle socket", function()
    local socket = connect({ playing({ receive = 1 }, "still here", { closing = { 1000, "" } }) })
    take(socket, "open")
    for _ = 1, 3 do
      assert.are.equal("hi", raw.play({ sse.answer("hi") }).reply)
    end
    socket:send("go")
    assert.same({ "text still here" }, read(socket))
  end)
end)
