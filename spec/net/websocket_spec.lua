-- WebSockets over real connections, to servers that do as they are told.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local connect_proxy = require("spec.support.connect_proxy")
local core = require("rill.core")
local handles = require("spec.support.handles")
local nginx = require("spec.support.nginx")
local rill = require("rill")
local setups = require("rill.websocket_setup")
local shell = require("spec.support.shell")
local socket = require("socket")

local gateway = Gateway.start()

local MIB = 1024 * 1024

local function read_all(ws)
  local seen = {}
  local message, kind = ws:next(10)
  while message do
    seen[#seen + 1] = { message, kind }
    message, kind = ws:next(10)
  end
  return seen, kind
end

-- What the server got, by kinds: "text", "binary", "ping", "pong", "close".
local function received(route, kind)
  local list = {}
  for _, request in ipairs(gateway:requests(route)) do
    for _, message in ipairs(request.messages or {}) do
      if message.kind == kind then
        list[#list + 1] = message
      end
    end
  end
  return list
end

-- Lets the engine work until a condition holds.
local function step_until(condition, what)
  local deadline = socket.gettime() + 10
  while not condition() do
    assert(socket.gettime() < deadline, what)
    rill.step(0.01)
  end
end

local function step_for(seconds)
  local deadline = socket.gettime() + seconds
  repeat
    rill.step(0.005)
  until socket.gettime() >= deadline
end

describe("the host of a WebSocket", function()
  local URL = "ws://m\195\188nchen.invalid/"
  local before = os.setlocale()

  after_each(function()
    os.setlocale(before)
  end)

  local function problem_of(url)
    local ok, err = pcall(function()
      local ws = rill.websocket(url, { reconnect = false })
      return ws
    end)
    assert.is_false(ok)
    assert.truthy(err:find("websocket_spec.lua:%d+: rill.websocket: the URL must "), err)
    return err
  end

  it("may be beyond ASCII where the locale has a way to convert it", function()
    os.setlocale("C")
    local said = problem_of(URL)
    assert.truthy(said:find("have its host in ASCII", 1, true), said)
    assert.truthy(said:find("os.setlocale", 1, true), said)
    assert.is_true(core.takes_url("ws://xn--mnchen-3ya.invalid/"))
    if os.setlocale("C.UTF-8") then
      rill.websocket(URL, { reconnect = false }):drop()
    end
  end)

  it("must be one that libcurl takes", function()
    for _, host in ipairs({ "[zz]", "chat%20test" }) do
      local said = problem_of(("ws://%s/"):format(host))
      assert.truthy(said:find(("name a host that can be used, not '%s'"):format(host), 1, true))
    end
  end)
end)

describe("the headers of a handshake", function()
  -- Names that C compares with, and others that requests have.
  local function names()
    local list = { "Accept", "Authorization", "Cache-Control", "Cookie", "Host", "Keep-Alive",
      "Origin", "Pragma", "Proxy-Authorization", "Range", "Referer", "TE", "Trailer", "User-Agent",
      "Via", "X-Mine", "Sec-Fetch-Mode", "Sec-WebSocket-Key", "Sec-WebSocket-Mine" }
    local body = shell.read("src/core/handshake_request.c")
      :match("static bool is_ours%b()%s*(%b{})")
    for name in body:gmatch('"(%l[%l-]*%l)"') do
      list[#list + 1] = name
    end
    return list
  end

  local function is_refused(name)
    return setups.problem_of_headers({ [name] = "mine" }) ~= nil
  end

  it("are refused by Lua where C would leave them out, and only there", function()
    local given, refused, dropped = {}, {}, {}
    for _, name in ipairs(names()) do
      given[name], refused[name] = "mine", is_refused(name)
    end
    assert.is_true(refused.expect and refused["content-type"])
    local route = gateway:script({ { websocket = true, steps = { { closing = { 1000, "" } } } } })
    local setup = setups.of(route.socket_url, { headers = given })
    local own = core.engine():connect(core.profile(setup.profile_spec), setup.url, setup.spec)
    step_until(function()
      return own:ending()
    end, "the socket has not ended")
    local headers = gateway:requests(route)[1].headers
    for name in pairs(given) do
      dropped[name] = headers[name:lower()] ~= "mine"
    end
    assert.same(refused, dropped)
  end)
end)

describe("a WebSocket", function()
  it("carries messages of both kinds and of any size both ways", function()
    local ws, route = ask.websocket({ { { echo = true } } })
    local sizes = { 0, 1, 125, 126, 65535, 65536, MIB }
    for _, size in ipairs(sizes) do
      assert.is_true(ws:send(("é"):rep(math.floor(size / 2))))
      assert.is_true(ws:send_binary(("\255"):rep(size)))
    end
    for _, size in ipairs(sizes) do
      local message, kind = ws:next(10)
      assert.equal("text", kind)
      assert.is_true(message == ("é"):rep(math.floor(size / 2)))
      message, kind = ws:next(10)
      assert.equal("binary", kind)
      assert.is_true(message == ("\255"):rep(size))
    end
    local closing = ws:close(3000, "genug")
    assert.same({ code = 3000, reason = "genug", by = "us", is_clean = true, unsent = {} }, closing)
    assert.equal(1, #received(route, "close"))
    assert.equal(3000, received(route, "close")[1].code)
    assert.equal("genug", received(route, "close")[1].data)
    local metrics = ws:metrics()
    assert.equal(2 * #sizes, metrics.messages_in)
    assert.equal(2 * #sizes, metrics.messages_out)
    assert.equal(101, metrics.status)
    assert.equal(1, metrics.attempts)
    assert.is_true(metrics.opened >= metrics.connected and metrics.ended >= metrics.opened)
    assert.is_true(metrics.bytes_in > 2 * MIB and metrics.bytes_out > 2 * MIB)
  end)

  it("joins fragments, whatever comes between them", function()
    local ws, route = ask.websocket({ {
      { frame = { opcode = 1, payload = "Gr\195", fin = false } }, { ping = "between" },
      { frame = { opcode = 0, payload = "\188", fin = false } },
      { frame = { opcode = 0, payload = "n" } }, { binary = "\1" }, { closing = { 1000, "bye" } },
    } })
    assert.same({ { "Grün", "text" }, { "\1", "binary" } }, (read_all(ws)))
    assert.same({ code = 1000, reason = "bye", by = "peer", is_clean = true, unsent = {} },
      ws:closing())
    assert.equal("between", received(route, "pong")[1].data)
  end)

  it("sends what was given before it was open, in order", function()
    local ws, route = ask.websocket({ { { receive = 2 }, "got both" } })
    assert.is_true(ws:send("1"))
    assert.is_true(ws:send_binary("2"))
    assert.equal("got both", (ws:next(10)))
    local request = gateway:requests(route)[1]
    assert.equal("1", request.messages[1].data)
    assert.equal("2", request.messages[2].data)
    ws:drop()
  end)

  it("offers subprotocols and sends headers of its user's", function()
    local ws, route = ask.websocket({
      { websocket = true, headers = { ["Sec-WebSocket-Protocol"] = "chat.v1" } },
    }, { subprotocols = { "chat.v2", "chat.v1" }, headers = { ["X-Mine"] = "7", Origin = "me" } })
    assert.is_true(ws:open(10))
    assert.equal("chat.v1", ws:protocol())
    local headers = gateway:requests(route)[1].headers
    assert.equal("chat.v2, chat.v1", headers["sec-websocket-protocol"])
    assert.equal("7", headers["x-mine"])
    assert.equal("me", headers.origin)
    assert.equal("rill/" .. rill.version, headers["user-agent"])
    assert.equal("127.0.0.1:" .. gateway.port, headers.host)
    ws:close()
  end)

  it("is content with a server that chooses no subprotocol", function()
    local ws = ask.websocket({ { "a" } }, { subprotocols = { "chat" } })
    assert.equal("a", (ws:next(10)))
    assert.is_nil(ws:protocol())
    ws:drop()
  end)

  it("refuses a subprotocol that it has not offered", function()
    local ws = ask.websocket({
      { websocket = true, headers = { ["Sec-WebSocket-Protocol"] = "other" } },
    }, { subprotocols = { "chat" } })
    local is_open, err = ws:open(10)
    assert.is_nil(is_open)
    assert.equal("protocol", err.kind)
    assert.equal(1, err.attempts)
  end)

  it("says by its close code how it ends", function()
    for code, is_error in pairs({ [1000] = false, [1001] = false, [1008] = true, [4010] = true }) do
      local ws, route = ask.websocket({ { "last words", { closing = { code, "as told" } } } })
      local seen, err = read_all(ws)
      assert.same({ { "last words", "text" } }, seen)
      assert.equal(is_error and code or nil, err and err.code)
      assert.equal(code, ws:closing().code)
      assert.equal("as told", ws:closing().reason)
      gateway:wait(route, "finished", 1, 5)
      assert.equal(code, received(route, "close")[1].code) -- the answer
    end
  end)

  it("is an error where the connection goes without a close frame", function()
    for _, step in ipairs({ { close = true }, { reset = true } }) do
      local ws, route = ask.websocket({ { { receive = 1 }, "a", step } })
      ws:send("x")
      assert.equal("a", (ws:next(10)))
      local message, err = ws:next(10)
      assert.is_nil(message)
      assert.equal("interrupted", err.kind)
      assert.equal(1006, err.code)
      assert.is_true(err.retryable)
      assert.is_false(ws:closing().is_clean)
      assert.equal(1, ask.count(route)) -- it does not open another by itself
    end
  end)

  it("is closed with 1007 and 1009 by what it cannot take", function()
    local wrong, wrong_route = ask.websocket({ { "caf\233" } })
    assert.equal("protocol", select(2, wrong:next(10)).kind)
    local large, large_route = ask.websocket({ { ("x"):rep(100), ("x"):rep(101) } },
      { limits = { message = 100 } })
    assert.equal(("x"):rep(100), (large:next(10)))
    assert.equal("limit", select(2, large:next(10)).kind)
    for code, route in pairs({ [1007] = wrong_route, [1009] = large_route }) do
      step_until(function()
        return #received(route, "close") > 0
      end, "the server got no close frame")
      assert.equal(code, received(route, "close")[1].code)
    end
  end)

  it("tells a sender why it is being closed here, as it tells a reader", function()
    for code, case in pairs({
      [1007] = { "caf\233", "rill: protocol: a text that is not UTF-8" },
      [1009] = { ("x"):rep(101), "rill: limit: a received message is longer than 100 bytes "
        .. "(limits.message)" },
    }) do
      local ws = ask.websocket({ { websocket = true, on_close = false,
        steps = { case[1], { wait = "never" } } } }, { limits = { message = 100 } })
      step_until(function()
        return ws:state() == "closing"
      end, "it does not close")
      local _, told = ws:send("a")
      assert.equal(case[2], tostring(told))
      assert.equal("closing", ws:state())
      assert.equal(tostring(told), tostring(select(2, ws:next(10))))
      assert.equal(tostring(told), tostring(select(2, ws:send("a"))))
      assert.equal(code, ws:closing().code)
    end
  end)

  it("lets a reader wait for a while, look, or iterate", function()
    local ws, route = ask.websocket({ { "a", { wait = "go" }, "b", { closing = { 1000 } } } })
    assert.equal("a", (ws:next(10)))
    assert.same({ nil, "timeout" }, { ws:next(0.02) })
    assert.same({ nil, "pending" }, { ws:poll() })
    gateway:signal(route, "go")
    local seen = {}
    for message, kind in ws:messages() do
      seen[#seen + 1] = message .. kind
    end
    assert.same({ "btext" }, seen)
  end)

  it("exists a hundred times at once", function()
    local before = handles.count()
    local done = 0
    for i = 1, 100 do
      rill.go(function()
        local ws = ask.websocket({ { { echo = true } } })
        assert(ws:send("hello " .. i))
        assert.equal("hello " .. i, (ws:next(20)))
        assert.is_true(ws:close().is_clean)
        done = done + 1
      end)
    end
    rill.run()
    assert.equal(100, done)
    ask.forget_connections()
    rill.engine()
    assert.is_true(handles.count() <= before + 1)
  end)
end)

describe("a WebSocket is opened", function()
  it("again after failures that will pass, ever later by the same step", function()
    local ws, route = ask.websocket({
      { status = 503 }, { status = 500 }, { status = 429 }, { { echo = true } },
    }, { reconnect = { base = 0.03 } })
    assert.is_true(ws:open(10))
    assert.equal(4, ask.count(route))
    local attempts = ws:attempts()
    assert.equal(4, #attempts)
    for number, status in ipairs({ 503, 500, 429, 101 }) do
      assert.equal(status, attempts[number].status)
    end
    for number = 1, 3 do
      assert.is_true(math.abs(attempts[number].delay - 0.03 * number) < 1e-6)
    end
    ws:drop()
  end)

  it("after as many seconds as the server asks for", function()
    local ws = ask.websocket({ { status = 503, headers = { ["Retry-After"] = "1" } }, { "a" } })
    local started = socket.gettime()
    assert.equal("a", (ws:next(10)))
    assert.is_true(socket.gettime() - started >= 1)
    assert.equal(1, ws:attempts()[1].delay)
    ws:drop()
  end)

  it("not by another address: a redirect is refused, and said once", function()
    local ws = ask.websocket({ { status = 302, framing = "length",
      headers = { Location = "/elsewhere" } } })
    local _, err = ws:open(10)
    assert.equal("rill: protocol: HTTP 302: redirects are not followed", tostring(err))
  end)

  it("once only, where what went wrong stays wrong", function()
    for status, kind in pairs({
      [400] = "bad_request", [401] = "auth", [403] = "auth", [404] = "not_found",
      [302] = "protocol", [200] = "protocol",
    }) do
      local ws, route = ask.websocket({ {
        status = status, framing = "length",
        headers = { ["Content-Type"] = "application/json", ["x-request-id"] = "r7" },
        steps = { [[{"error":{"message":"because","code":"c1"}}]] },
      } })
      local is_open, err = ws:open(10)
      assert.is_nil(is_open)
      assert.equal(kind, err.kind)
      assert.equal(status, err.status)
      assert.equal("r7", err.request_id)
      assert.equal(1, ask.count(route))
      if kind ~= "protocol" then
        assert.equal("because", err.message)
        assert.equal("c1", err.code)
      end
      assert.equal(err, select(2, ws:next()))
    end
  end)

  it("as often as reconnect.max says, and not at all where it is false", function()
    local ws, route = ask.websocket({ { status = 503 } }, { reconnect = { max = 2 } })
    local _, err = ws:open(10)
    assert.equal("overloaded", err.kind)
    assert.equal(3, err.attempts)
    assert.equal(3, ask.count(route))
    ws, route = ask.websocket({ { status = 503 } }, { reconnect = false })
    assert.equal("overloaded", select(2, ws:open(10)).kind)
    assert.equal(1, ask.count(route))
  end)

  it("not where nobody listens, and says so", function()
    local url = gateway.refused_url:gsub("^http", "ws")
    local ws = rill.websocket(url, { reconnect = { max = 1, base = 0.01 } })
    local _, err = ws:open(10)
    assert.equal("connect", err.kind)
    assert.equal(2, err.attempts)
    ws = rill.websocket("ws://" .. ask.NO_HOST, { reconnect = false })
    assert.equal("connect", select(2, ws:open(10)).kind)
  end)

  it("not if no answer to the handshake comes in time", function()
    local ws = rill.websocket("ws://127.0.0.1:" .. gateway.silent_port, {
      timeout = { first_byte = 0.05 }, reconnect = false,
    })
    local _, err = ws:open(10)
    assert.equal("timeout", err.kind)
    assert.equal("first_byte", err.phase)
    assert.equal("no answer within 0.05 s (timeout.first_byte)", err.message)
  end)

  it("not if the answer is no handshake", function()
    for _, attempt in ipairs({
      { websocket = true, headers = { ["Sec-WebSocket-Accept"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } },
      { websocket = true, headers = { ["Upgrade"] = false } },
      { head = "SSH-2.0-OpenSSH_9.2\r\n" },
    }) do
      local ws = ask.websocket({ attempt }, { reconnect = false })
      assert.equal("protocol", select(2, ws:open(10)).kind)
    end
  end)
end)

describe("a WebSocket over TLS", function()
  local server

  setup(function()
    server = nginx.start({ gateway = gateway })
  end)

  teardown(function()
    server:stop()
  end)

  local function url_of(route)
    return server:socket_url("tls", route)
  end

  it("works with a certificate that it trusts", function()
    local ws = ask.websocket({ { { echo = true } } }, { ca_file = server.ca_file }, url_of)
    local text = ("0123456789"):rep(30000)
    assert.is_true(ws:send(text))
    assert.is_true(ws:next(10) == text)
    assert.is_true(ws:close().is_clean)
  end)

  it("works with a folder of certificates that it trusts", function()
    local folder = server.ca_file:match("^(.*)/") .. "/trusted"
    shell.assert_runs(("mkdir -p %s && cp %s %s && openssl rehash %s")
      :format(folder, server.ca_file, folder, folder))
    local ws = ask.websocket({ { "a" } }, { ca_path = folder }, url_of)
    assert.equal("a", (ws:next(10)))
    ws:drop()
  end)

  it("refuses any other certificate, unless it is told not to look", function()
    local ws = ask.websocket({ { "a" } }, nil, url_of)
    local _, err = ws:open(10)
    assert.equal("tls", err.kind)
    ws = ask.websocket({ { "a" } }, { tls_verify = false }, url_of)
    assert.equal("a", (ws:next(10)))
    ws:drop()
  end)
end)

describe("a WebSocket through a proxy", function()
  local proxy, server

  teardown(function()
    if server then
      server:stop()
    end
  end)

  before_each(function()
    proxy = connect_proxy.start()
  end)

  after_each(function()
    proxy:stop()
  end)

  local function step_until_open(ws)
    step_until(function()
      proxy:pump()
      return ws:state() ~= "connecting"
    end, "it did not open")
  end

  it("asks it to connect, also where nothing is encrypted", function()
    local ws, route = ask.websocket({ { { receive = 1 }, "a" } },
      { proxy = proxy.url:gsub("//", "//me:hunter2-password@") })
    ws:send("x")
    local message, kind
    step_until(function()
      proxy:pump()
      message, kind = ws:poll()
      return kind ~= "pending"
    end, "nothing came")
    assert.equal("a", message)
    assert.equal(1, #proxy.heads)
    assert.truthy(proxy.heads[1]:find("^CONNECT 127.0.0.1:" .. gateway.port .. " HTTP/1.1\r\n"))
    assert.truthy(proxy.heads[1]:find("\r\nProxy-Authorization: Basic bWU6aHVudGVyMi1wYXNzd29yZA==",
      1, true))
    assert.is_nil(gateway:requests(route)[1].headers["proxy-authorization"])
    ws:drop()
  end)

  it("speaks TLS with the server behind it", function()
    server = nginx.start({ gateway = gateway })
    local ws = ask.websocket({ { { echo = true } } },
      { proxy = proxy.url, ca_file = server.ca_file }, function(route)
        return server:socket_url("tls", route)
      end)
    local text = ("0123456789"):rep(30000)
    ws:send(text)
    local message, kind
    step_until(function()
      proxy:pump()
      message, kind = ws:poll()
      return kind ~= "pending"
    end, "nothing came")
    assert.is_true(message == text)
    assert.matches("^CONNECT ", proxy.heads[1])
    ws:drop()
  end)

  it("fails where the proxy refuses, without its password", function()
    proxy.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    local ws = ask.websocket({ { "a" } }, {
      proxy = proxy.url:gsub("//", "//me:hunter2-password@"), reconnect = false,
    })
    step_until_open(ws)
    local _, err = ws:open()
    assert.equal("connect", err.kind)
    assert.is_nil(tostring(err):find("hunter2", 1, true))
  end)
end)

describe("the heartbeat of a WebSocket", function()
  it("pings a silent peer, and is content while it answers", function()
    local ws, route = ask.websocket({ { { wait = "go" }, "a" } },
      { ping_interval = 0.03, ping_timeout = 5 })
    step_until(function()
      return ws:metrics().pongs >= 3
    end, "no pongs")
    local metrics = ws:metrics()
    assert.is_true(metrics.round_trip >= 0 and metrics.round_trip < 5)
    assert.is_true(#received(route, "ping") >= 3)
    gateway:signal(route, "go")
    assert.equal("a", (ws:next(10)))
    ws:drop()
  end)

  it("ends the connection to a peer that does not answer", function()
    local deaf = { websocket = true, on_ping = false, steps = { { wait = "never" } } }
    local ws = ask.websocket({ deaf }, { ping_interval = 0.03, ping_timeout = 0.06 })
    local _, err = ws:next(10)
    assert.equal("timeout", err.kind)
    assert.equal("ping", err.phase)
    assert.equal("no answer to a ping within 0.06 s (ping_timeout)", err.message)
    assert.is_true(err.retryable)
  end)

  it("can be left out, and pings of one's own are answered", function()
    local ws, route = ask.websocket({ { { wait = "go" }, "a" } }, { ping_interval = false })
    assert.is_true(ws:open(10))
    assert.is_true(ws:ping("mine"))
    step_until(function()
      return ws:metrics().pongs == 1
    end, "no pong")
    step_for(0.1)
    assert.equal(1, #received(route, "ping"))
    assert.equal("mine", received(route, "ping")[1].data)
    ws:drop()
  end)
end)

describe("a slow peer", function()
  local BIG = ("x"):rep(MIB)

  local function open_deaf(options)
    local ws, route = ask.websocket({ {
      { deaf = true }, { wait = "hear" }, { deaf = false }, { echo = true },
    } }, options)
    assert.is_true(ws:open(10))
    return ws, route
  end

  it("makes send wait, or say full", function()
    local ws, route = open_deaf({ limits = { send = 2 * MIB } })
    local sent = 0
    local is_queued, err = ws:send(BIG, 0)
    while is_queued do
      sent = sent + 1
      is_queued, err = ws:send(BIG, 0.05)
    end
    assert.equal("full", err)
    assert.is_true(ws:metrics().queued_bytes <= 2 * MIB)
    gateway:signal(route, "hear")
    assert.is_true(ws:send(BIG))
    sent = sent + 1
    assert(gateway:wait(route, "requests", 1, 5))
    step_until(function()
      return ws:metrics().queued_messages == 0
    end, "the queue was not sent")
    assert.equal(sent, ws:metrics().messages_out)
    ws:drop()
  end)

  it("gives back what it did not take, in order and whole", function()
    local ws = open_deaf({ limits = { send = 64 * MIB }, close_timeout = 0.1 })
    local names = {}
    for i = 1, 20 do
      names[i] = ("%03d"):format(i)
      assert.is_true(ws:send_binary(names[i] .. BIG))
    end
    local closing = ws:close()
    assert.is_false(closing.is_clean)
    assert.is_true(#closing.unsent > 0)
    for i, message in ipairs(closing.unsent) do
      assert.equal(names[#names - #closing.unsent + i], message[1]:sub(1, 3))
      assert.equal(MIB + 3, #message[1])
      assert.equal("binary", message[2])
    end
  end)
end)

describe("a slow reader", function()
  it("makes the server wait, and gets everything", function()
    local steps = {}
    for i = 1, 32 do
      steps[i] = { binary = ("%03d"):format(i) .. ("x"):rep(MIB) }
    end
    steps[33] = { closing = { 1000, "all" } }
    local ws, route = ask.websocket({ steps }, { limits = { buffer = 65536 } })
    step_until(function()
      return ws:metrics().pauses > 0
    end, "it did not pause")
    local before = ws:metrics().bytes_in
    step_for(0.1)
    local after = ws:metrics().bytes_in
    assert.equal(before, after)
    assert.is_true(after < 4 * MIB)
    assert.is_nil(gateway:requests(route)[1].finished_at)
    local seen, err = read_all(ws)
    assert.is_nil(err)
    assert.equal(32, #seen)
    for i, message in ipairs(seen) do
      assert.equal(("%03d"):format(i), message[1]:sub(1, 3))
    end
  end)

  it("does not hold up the end when it closes", function()
    local steps = {}
    for i = 1, 100 do
      steps[i] = { binary = ("x"):rep(MIB / 4) }
    end
    local ws = ask.websocket({ steps }, { limits = { buffer = 65536 } })
    step_until(function()
      return ws:metrics().pauses > 0
    end, "it did not pause")
    assert.is_true(ws:close().is_clean)
    assert.equal(MIB / 4, #ws:next())
  end)
end)

describe("a WebSocket that is left", function()
  local function assert_gone(route)
    local record = gateway:wait(route, "closed", 1, 5)
    assert.truthy(record, "the connection stayed open")
  end

  it("is dropped by the garbage collector", function()
    local route
    do
      local ws
      ws, route = ask.websocket({ { "a", { wait = "never" } } })
      assert.equal("a", (ws:next(10)))
    end
    collectgarbage()
    collectgarbage()
    assert_gone(route)
  end)

  it("is dropped at the end of its scope, where the Lua has those", function()
    local ws, route = ask.websocket({ { "a", { wait = "never" } } })
    assert.equal("a", (ws:next(10)))
    if _VERSION == "Lua 5.4" then
      assert(load("local ws <close> = ...\nreturn ws:state()"))(ws)
    else
      getmetatable(ws).__close(ws)
    end
    assert.equal("ended", ws:state())
    assert_gone(route)
  end)

  it("ends with an error of kind cancelled when the engine is closed", function()
    local ws = ask.websocket({ { "a", { wait = "never" } } })
    assert.equal("a", (ws:next(10)))
    rill.engine():close()
    assert.equal("cancelled", select(2, ws:next(10)).kind)
  end)

  it("waits no longer than close_timeout for the peer's close frame", function()
    local ws = ask.websocket({ { websocket = true, on_close = false, steps = { { wait = "x" } } } },
      { close_timeout = 0.1 })
    assert.is_true(ws:open(10))
    local started = socket.gettime()
    local closing = ws:close()
    local waited = socket.gettime() - started
    assert.is_true(waited >= 0.09 and waited < 2, tostring(waited))
    assert.is_false(closing.is_clean)
    assert.is_nil((ws:next()))
  end)
end)

describe("the key of a WebSocket", function()
  it("is in no error and no attempt, whatever the server says", function()
    local ws = ask.websocket({
      { status = 503, steps = { "no " .. ask.KEY } },
      { status = 401, headers = { ["x-request-id"] = ask.KEY }, steps = { "no " .. ask.KEY } },
    }, { headers = { Authorization = "Bearer " .. ask.KEY } })
    local _, err = ws:open(10)
    assert.equal("auth", err.kind)
    assert.equal(2, err.attempts)
    local shown = { tostring(err), err.body or "", err.request_id or "", tostring(ws) }
    for _, attempt in ipairs(ws:attempts()) do
      shown[#shown + 1] = attempt.reason
      shown[#shown + 1] = attempt.request_id
    end
    shown = table.concat(shown, "\n")
    assert.is_nil(shown:find(ask.KEY, 1, true))
    assert.truthy(shown:find("[redacted]", 1, true))
  end)
end)
