local fake = require("spec.support.fake_core")

local KEY = "sk-secret-key-1234"

local rill

local function open(script, options, url)
  fake.socket_scripts[1] = script
  local ws = rill.websocket(url or "wss://chat.test/v1", options)
  return ws, fake.last_socket()
end

before_each(function()
  rill = fake.install()
end)

teardown(fake.remove)

describe("rill.websocket", function()
  local function problem_of(url, options)
    local ok, err = pcall(rill.websocket, url, options)
    assert.is_false(ok)
    return (err:gsub("^%S+:%d+: ", ""))
  end

  it("says what is wrong with a URL, and blames the caller's line", function()
    local ws_or_wss = "rill.websocket: the URL must begin with ws:// or wss:// and name a host"
    assert.equal("rill.websocket: argument 1 must be a URL, not a nil", problem_of(nil))
    assert.equal(ws_or_wss, problem_of("https://chat.test"))
    assert.equal(ws_or_wss, problem_of("ws://"))
    assert.equal(ws_or_wss, problem_of("ws:///path"))
    assert.truthy(problem_of("ws://user:pass@chat.test/"):find("user name or password", 1, true))
    assert.truthy(problem_of("ws://chat.test/#part"):find("'#'", 1, true))
    assert.truthy(problem_of("ws://chat.test/a b"):find("blanks", 1, true))
    local _, err = pcall(function()
      rill.websocket("nothing")
    end)
    assert.truthy(err:find("websocket_spec.lua", 1, true))
  end)

  it("says what is wrong with the port or with the brackets of an address", function()
    local port = "rill.websocket: the URL must have a number from 1 to 65535 as its port"
    assert.equal(port .. ", not 99999", problem_of("ws://127.0.0.1:99999/"))
    assert.equal(port .. ", not 0", problem_of("ws://[::1]:0/"))
    assert.equal(port, problem_of("ws://chat.test:abc/"))
    for _, url in ipairs({ "ws://[::1/x", "ws://[::1]x/", "ws://[]/", "ws://fe80::1/",
      "wss://a]b/" }) do
      assert.equal("rill.websocket: the URL must have an address of IPv6 in brackets, as in "
        .. "ws://[::1]:8080/", problem_of(url))
    end
    for _, url in ipairs({ "ws://[::1]", "ws://[::1]:1/", "wss://chat.test:65535?to=[a:b]",
      "ws://chat.test:/a:b" }) do
      assert.is_true(pcall(rill.websocket, url))
    end
  end)

  it("says what is wrong with an option, with a hint", function()
    local url = "ws://chat.test"
    assert.equal("rill.websocket: argument 2 must be a table of options, not a string",
      problem_of(url, "x"))
    assert.equal("rill.websocket: unknown option 'ping_intervall', did you mean 'ping_interval'?",
      problem_of(url, { ping_intervall = 3 }))
    assert.equal("rill.websocket: unknown option 'timeout.idle'",
      problem_of(url, { timeout = { idle = 3 } }))
    assert.equal("rill.websocket: option 'reconnect.growth' must be one of \"linear\", "
      .. "\"exponential\"", problem_of(url, { reconnect = { growth = "fast" } }))
    assert.truthy(problem_of(url, { reconnect = true }):find("option 'reconnect' must be a table",
      1, true))
    assert.truthy(problem_of(url, { limits = false }):find("option 'limits' must be a table", 1,
      true))
    assert.truthy(problem_of(url, { subprotocols = "chat" }):find("must be a list of names", 1,
      true))
    assert.truthy(problem_of(url, { subprotocols = { "a b" } }):find("without blanks", 1, true))
    assert.truthy(problem_of(url, { subprotocols = { "a", "a" } }):find("names 'a' twice", 1, true))
    assert.truthy(problem_of(url, { loop = "cqueue" }):find("did you mean 'cqueues'?", 1, true))
  end)

  it("takes no headers that are the handshake's own", function()
    for _, name in ipairs({ "Upgrade", "connection", "Sec-WebSocket-Key", "Content-Length",
      "transfer-encoding", "Content-Type", "EXPECT" }) do
      assert.equal(("rill.websocket: header '%s' cannot be set: it belongs to the handshake")
        :format(name), problem_of("ws://chat.test", { headers = { [name] = "x" } }))
    end
    assert.truthy(problem_of("ws://chat.test", { headers = { ["Sec-WebSocket-Protocol"] = "x" } })
      :find("use the option 'subprotocols'", 1, true))
    assert.truthy(problem_of("ws://chat.test", { headers = { ["a b"] = "x" } })
      :find("is not a valid name", 1, true))
  end)

  it("has defaults for all that the engine wants to know", function()
    local _, socket = open({})
    assert.equal("wss://chat.test/v1", socket.url)
    assert.same({
      deflate = false, ping_interval = 30, ping_timeout = 10, close_timeout = 10,
      send_limit = 1048576, wait_first = false,
    }, socket.spec)
    local never = math.huge
    assert.same({
      headers = { "User-Agent: rill/" .. rill.version },
      timeout = {
        connect = 10, first_byte = 20, first_output = never, idle = never, progress = never,
        total = never,
      },
      retry = {
        max = 5, base = 1, growth = "linear", factor = 2, cap = 30, jitter = 0.25, max_wait = 60,
      },
      limits = { buffer = 1048576, event = 33554432, error_body = 65536 },
      tls_verify = true, http_version = "auto",
    }, socket.profile)
  end)

  it("tells the engine what the options say", function()
    local _, socket = open({}, {
      headers = { Authorization = "Bearer x", ["User-Agent"] = false }, subprotocols = { "a", "b" },
      timeout = { connect = 1, first_byte = false }, ping_interval = false, ping_timeout = 2,
      close_timeout = 3, deflate = true, proxy = false, tls_verify = false, ca_file = "ca.pem",
      limits = { message = 4, buffer = 5, send = 6, error_body = 7 },
      reconnect = { max = 1, growth = "exponential", max_wait = false },
    })
    assert.same({
      protocols = "a, b", deflate = true, ping_interval = math.huge, ping_timeout = 2,
      close_timeout = 3, send_limit = 6, wait_first = false,
    }, socket.spec)
    local profile = socket.profile
    assert.same({ "Authorization: Bearer x" }, profile.headers)
    assert.equal(1, profile.timeout.connect)
    assert.equal(math.huge, profile.timeout.first_byte)
    assert.same({ buffer = 5, event = 4, error_body = 7 }, profile.limits)
    assert.same({
      max = 1, base = 1, growth = "exponential", factor = 2, cap = 30, jitter = 0.25,
      max_wait = math.huge,
    }, profile.retry)
    assert.equal("", profile.proxy)
    assert.is_false(profile.tls_verify)
    assert.equal("ca.pem", profile.ca_file)
  end)

  it("opens once only where reconnect is false", function()
    local _, socket = open({}, { reconnect = false })
    assert.equal(0, socket.profile.retry.max)
  end)
end)

describe("ws:open", function()
  it("waits until it is open, and says so from then on", function()
    local ws = open({ { "wait", 2 }, { "open", "chat" } })
    assert.equal("connecting", ws:state())
    assert.is_nil(ws:protocol())
    assert.is_true(ws:open())
    assert.equal(102, fake.clock)
    assert.equal("open", ws:state())
    assert.equal("chat", ws:protocol())
    assert.is_true(ws:open(0))
  end)

  it("gives up after its seconds, and the attempt goes on", function()
    local ws = open({ { "wait", 5 }, { "open" } })
    local is_open, err = ws:open(2)
    assert.is_nil(is_open)
    assert.equal("timeout", err)
    assert.equal(102, fake.clock)
    assert.equal("timeout", select(2, ws:open(0)))
    assert.is_true(ws:open(10))
    assert.equal(105, fake.clock)
  end)

  it("waits through retries, which no reader sees", function()
    local ws, socket = open({
      { "retry", 2, 1, "refused" }, { "wait", 1 }, { "retry", 3, 2, "refused" }, { "wait", 2 },
      { "open" }, { "text", "a" },
    })
    socket.trail = { { started = 0 }, { started = 1 }, { started = 3 } }
    assert.is_true(ws:open())
    assert.equal(103, fake.clock)
    assert.same({ "a", "text" }, { ws:next() })
    assert.equal(3, ws:metrics().attempts)
  end)

  it("gives the error of a handshake that was refused", function()
    local ws, socket = open({ { "wait", 1 }, { "end", "failed", {
      kind = "http", status = 429, retry_after = 7, retryable = true, request_id = "r1",
      body = [[{"error":{"message":"slow down","code":"rate_limit"}}]],
    } } })
    socket.trail = { { started = 0 }, { started = 1 } }
    local is_open, err = ws:open()
    assert.is_nil(is_open)
    assert.equal("rate_limit", err.kind)
    assert.equal(429, err.status)
    assert.equal("rill: rate_limit: HTTP 429: slow down (code rate_limit, request r1, after 2 "
      .. "attempts, retry after 7 s)", tostring(err))
    assert.same({ nil, err }, { ws:next() })
    assert.equal(err, select(2, ws:send("x")))
  end)

  it("was open even if it has been closed since", function()
    local ws = open({ { "open" }, { "text", "a" }, { "close", 1000 } })
    rill.engine():step(0)
    assert.equal("ended", ws:state())
    assert.is_true(ws:open())
  end)

  it("names the option of a timeout", function()
    for phase, words in pairs({
      connect = "no connection within 1 s (timeout.connect)",
      first_byte = "no answer within 2 s (timeout.first_byte)",
      ping = "no answer to a ping within 3 s (ping_timeout)",
      close = "no answer to the close frame within 4 s (close_timeout)",
    }) do
      local ws = open({ { "end", "failed", { kind = "timeout", phase = phase } } }, {
        timeout = { connect = 1, first_byte = 2 }, ping_timeout = 3, close_timeout = 4,
      })
      local _, err = ws:next()
      assert.equal("timeout", err.kind)
      assert.equal(phase, err.phase)
      assert.equal(words, err.message)
    end
  end)
end)

describe("ws:next", function()
  it("gives text and binary messages in order, then nil", function()
    local ws = open({
      { "open" }, { "text", "a" }, { "wait", 1 }, { "binary", "\0\1" }, { "text", "" },
      { "wait", 1 }, { "close", 1000, "bye" },
    })
    assert.same({ "a", "text" }, { ws:next() })
    assert.same({ "\0\1", "binary" }, { ws:next() })
    assert.same({ "", "text" }, { ws:next() })
    assert.equal(101, fake.clock)
    assert.same({ n = 2 }, { n = select("#", ws:next()), ws:next() })
    assert.equal(102, fake.clock)
    assert.same({ code = 1000, reason = "bye", by = "peer", is_clean = true, unsent = {} },
      ws:closing())
  end)

  it("gives up after its seconds, and the message comes later", function()
    local ws = open({ { "open" }, { "wait", 3 }, { "text", "a" } })
    assert.same({ nil, "timeout" }, { ws:next(0) })
    assert.same({ nil, "timeout" }, { ws:next(1) })
    assert.equal(101, fake.clock)
    assert.same({ "a", "text" }, { ws:next(10) })
    assert.equal(103, fake.clock)
  end)

  it("ends without an error by the codes 1000, 1001 and 1005, and with one by any other", function()
    for _, code in ipairs({ 1000, 1001, 1005 }) do
      local ws = open({ { "open" }, { "close", code } })
      local message, err = ws:next()
      assert.is_nil(message)
      assert.is_nil(err)
    end
    for code, is_retryable in pairs({
      [1002] = false, [1003] = false, [1007] = false, [1008] = false, [1009] = false,
      [1010] = false, [1011] = true, [1012] = true, [1013] = true, [1014] = true, [4000] = false,
    }) do
      local ws = open({ { "open" }, { "text", "a" }, { "close", code, "busy" } })
      assert.equal("a", (ws:next()))
      local message, err = ws:next()
      assert.is_nil(message)
      assert.equal("interrupted", err.kind)
      assert.equal(code, err.code)
      assert.equal(is_retryable, err.retryable)
      assert.equal(("rill: interrupted: closed by the peer: busy (code %d)"):format(code),
        tostring(err))
      assert.same({ nil, err }, { ws:next() })
    end
  end)

  it("ends with an error if the connection went without a close frame", function()
    local ws = open({ { "open" }, { "end", "cut", {
      kind = "interrupted", message = "the connection was lost", retryable = true,
    } } })
    local _, err = ws:next()
    assert.equal("interrupted", err.kind)
    assert.equal(1006, err.code)
    assert.is_true(err.retryable)
    assert.same({ code = 1006, reason = "", is_clean = false, unsent = {} }, ws:closing())
  end)

  it("ends with an error if somebody else has dropped the connection", function()
    local ws = open({ { "open" }, { "end", "dropped" } })
    assert.equal("cancelled", select(2, ws:next()).kind)
  end)

  it("refuses seconds that are none", function()
    local ws = open({})
    for name, number in pairs({ next = 1, open = 1 }) do
      local ok, err = pcall(ws[name], ws, -1)
      assert.is_false(ok)
      assert.truthy(err:find(("ws:%s: argument %d must be a number of seconds")
        :format(name, number), 1, true))
    end
  end)
end)

describe("ws:poll", function()
  it("never waits", function()
    local ws = open({ { "open" }, { "text", "a" }, { "wait", 1 }, { "close", 1011 } })
    assert.same({ "a", "text" }, { ws:poll() })
    assert.same({ nil, "pending" }, { ws:poll() })
    assert.equal(100, fake.clock)
    fake.clock = 101
    assert.equal(1011, select(2, ws:poll()).code)
  end)
end)

describe("ws:messages", function()
  it("gives all messages and ends with the connection", function()
    local ws = open({ { "open" }, { "text", "a" }, { "wait", 1 }, { "binary", "b" }, { "close" } })
    local seen = {}
    for message, kind in ws:messages() do
      seen[#seen + 1] = kind .. " " .. message
    end
    assert.same({ "text a", "binary b" }, seen)
  end)

  it("raises the error object", function()
    local ws = open({ { "open" }, { "text", "a" }, { "close", 1008, "no" } })
    local seen = 0
    local ok, err = pcall(function()
      for _ in ws:messages() do
        seen = seen + 1
      end
    end)
    assert.is_false(ok)
    assert.equal(1008, err.code)
    assert.equal(1, seen)
  end)

  it("names next where this Lua cannot wait in an iterator", function()
    local ws = open({ { "open" }, { "wait", 1 }, { "text", "a" } })
    local ok, result
    rill.go(function()
      ok, result = pcall(function()
        return ws:messages()
      end)
    end)
    rill.run()
    local is_puc_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
    assert.equal(not is_puc_51, ok)
    assert.truthy(ok or result:find("ws:messages: this Lua cannot wait inside `for ... in` in a "
      .. "task: call ws:next() in a loop", 1, true))
  end)

  it("may be left, and the rest is read by another loop", function()
    local ws, socket = open({ { "open" }, { "text", "a" }, { "text", "b" }, { "close" } })
    for message in ws:messages() do
      if message == "a" then
        break
      end
    end
    assert.equal(0, socket.drops)
    for message in ws:messages() do
      assert.equal("b", message)
    end
    assert.equal("closed", (socket:ending()))
    assert.equal("function", type(getmetatable(ws).__close))
  end)
end)

describe("ws:send", function()
  it("queues texts and bytes, also before it is open", function()
    local ws, socket = open({ { "sent", 2 }, { "open" }, { "text", "a" } })
    assert.is_true(ws:send("héllo"))
    assert.is_true(ws:send_binary("\255\0"))
    assert.same({ { "héllo", false }, { "\255\0", true } }, socket.sent)
    assert.equal("a", (ws:next()))
  end)

  it("waits while the queue is full", function()
    local ws, socket = open({ { "open" }, { "full" }, { "wait", 2 }, { "room" } })
    ws:open()
    assert.is_true(ws:send("a"))
    assert.equal(102, fake.clock)
    assert.equal(1, #socket.sent)
  end)

  it("says full when its seconds are over, and has taken nothing then", function()
    local ws, socket = open({ { "open" }, { "full" } })
    ws:open()
    assert.same({ nil, "full" }, { ws:send("a", 0) })
    assert.equal(100, fake.clock)
    assert.same({ nil, "full" }, { ws:send_binary("a", 1.5) })
    assert.equal(101.5, fake.clock)
    assert.equal(0, #socket.sent)
  end)

  it("gives the error if the connection ends while it waits", function()
    local ws = open({ { "open" }, { "full" }, { "wait", 1 }, { "close", 1011, "broken" } })
    ws:open()
    local is_queued, err = ws:send("a")
    assert.is_nil(is_queued)
    assert.equal(1011, err.code)
    assert.equal(101, fake.clock)
  end)

  it("gives an error after a normal end, whoever closed it", function()
    local ws = open({ { "open" }, { "close", 1000 } })
    ws:open()
    local _, err = ws:send("a")
    assert.equal("interrupted", err.kind)
    assert.equal("the peer has closed it", err.message)
    ws = open({ { "open" } })
    ws:open()
    ws:close()
    assert.equal("cancelled", select(2, ws:send("a")).kind)
    assert.equal("cancelled", select(2, ws:ping()).kind)
  end)

  it("does not send as text what is no UTF-8", function()
    local ws, socket = open({ { "open" } })
    local is_queued, err = ws:send("a\255b")
    assert.is_nil(is_queued)
    assert.equal("malformed", err.kind)
    assert.equal(0, #socket.sent)
  end)

  it("takes strings only", function()
    local ws = open({})
    for _, name in ipairs({ "send", "send_binary" }) do
      local ok, err = pcall(function()
        ws[name](ws, { "a" })
      end)
      assert.is_false(ok)
      assert.truthy(err:find("websocket_spec.lua:%d+: ws:" .. name
        .. ": argument 1 must be a string, not a table"))
      assert.is_false((pcall(ws[name], ws, "a", -1)))
    end
  end)
end)

describe("ws:ping", function()
  it("sends at most 125 bytes once it is open", function()
    local ws, socket = open({ { "open" } })
    assert.same({ nil, "pending" }, { ws:ping() })
    ws:open()
    assert.is_true(ws:ping())
    assert.is_true(ws:ping(("x"):rep(125)))
    assert.same({ "", ("x"):rep(125) }, socket.pinged)
    assert.is_false((pcall(ws.ping, ws, ("x"):rep(126))))
    assert.is_false((pcall(ws.ping, ws, 1)))
  end)
end)

describe("ws:close", function()
  it("closes with 1000, waits for the end and says how it was", function()
    local ws, socket = open({ { "open" } })
    ws:open()
    local closing = ws:close()
    assert.same({ code = 1000, reason = "", by = "us", is_clean = true, unsent = {} }, closing)
    assert.same({ { 1000, "" } }, socket.closes)
    assert.equal(closing, ws:close(4000, "again"))
    assert.equal(closing, ws:closing())
    assert.equal(1, #socket.closes)
    assert.same({ nil, nil }, { ws:next() })
  end)

  it("sends a code and a reason of one's own", function()
    local ws, socket = open({ { "open" } })
    ws:open()
    assert.equal(4001, ws:close(4001, "done").code)
    assert.same({ { 4001, "done" } }, socket.closes)
  end)

  it("takes codes that may stand in a close frame, and short reasons", function()
    local ws = open({})
    for _, code in ipairs({ 0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, "1000" }) do
      local ok, err = pcall(function()
        ws:close(code)
      end)
      assert.is_false(ok)
      assert.truthy(err:find("websocket_spec.lua:%d+: ws:close: argument 1 must be a close code"))
    end
    for _, reason in ipairs({ ("x"):rep(124), "\255", 1 }) do
      assert.is_false((pcall(ws.close, ws, 1000, reason)))
    end
    assert.equal("connecting", ws:state())
  end)

  it("waits no longer than close_timeout, and is not clean then", function()
    local ws = open({ { "open" }, { "deaf" } }, { close_timeout = 4 })
    ws:open()
    local closing = ws:close()
    assert.equal(104, fake.clock)
    assert.is_false(closing.is_clean)
    assert.same({ nil, nil }, { ws:next() }) -- it was closed, as its user wanted
  end)

  it("gives back what was not sent, with its kinds", function()
    local ws = open({ { "open" }, { "unsent", { { "a", false }, { "\0", true } } } })
    ws:open()
    assert.same({ { "a", "text" }, { "\0", "binary" } }, ws:close().unsent)
  end)

  it("ends the opening, and what is queued is unsent", function()
    local ws = open({ { "unsent", { { "a", false } } }, { "wait", 5 }, { "open" } })
    ws:send("a")
    rill.engine():step(0)
    assert.same({ code = 1006, reason = "", is_clean = false, unsent = { { "a", "text" } } },
      ws:close())
    assert.equal(100, fake.clock)
  end)

  it("leaves readable what arrives before the end", function()
    local ws = open({ { "open" }, { "deaf" }, { "text", "a" }, { "wait", 1 }, { "binary", "b" } },
      { close_timeout = 2 })
    ws:open()
    ws:close()
    assert.same({ "a", "text" }, { ws:next() })
    assert.same({ "b", "binary" }, { ws:poll() })
    assert.same({ nil, nil }, { ws:next() })
  end)

  it("after a failure gives what is known, and the error stays", function()
    local ws = open({ { "open" }, { "close", 1011, "x" } })
    rill.engine():step(0)
    assert.equal(1011, ws:close().code)
    assert.equal(1011, select(2, ws:next()).code)
  end)

  it("by drop ends at once", function()
    local ws, socket = open({ { "open" }, { "deaf" } })
    ws:open()
    ws:drop()
    ws:drop()
    assert.equal(1, socket.drops)
    assert.equal("ended", ws:state())
    assert.same({ nil, nil }, { ws:next() })
    assert.is_false(ws:closing().is_clean)
  end)
end)

describe("a WebSocket", function()
  it("may be read by one task and written by another", function()
    local ws = open({ { "open" }, { "full" }, { "wait", 1 }, { "text", "a" }, { "wait", 1 },
      { "room" }, { "sent", 1 }, { "text", "b" }, { "close", 1000 } })
    local log = {}
    rill.go(function()
      local message = ws:next()
      while message do
        log[#log + 1] = message
        message = ws:next()
      end
    end)
    rill.go(function()
      ws:open()
      assert(ws:send("x"))
      log[#log + 1] = "sent"
    end)
    rill.run()
    assert.same({ "a", "sent", "b" }, log)
  end)

  it("keeps the time of each of those who wait", function()
    local ws = open({ { "open" }, { "full" }, { "wait", 10 }, { "close" } })
    ws:open()
    local log = {}
    local function note(name, _, err)
      log[#log + 1] = ("%s %s %g"):format(name, tostring(err), fake.clock - 100)
    end
    rill.go(function()
      note("slow", ws:next(5))
    end)
    rill.go(function()
      note("quick", ws:next(1))
      note("again", ws:next(3))
    end)
    rill.go(function()
      note("sender", ws:send("x", 2))
    end)
    rill.run()
    assert.same({ "quick timeout 1", "sender full 2", "again timeout 4", "slow timeout 5" }, log)
  end)

  it("keeps no time when nobody waits any more", function()
    local ws, socket = open({ { "open" }, { "wait", 1 }, { "text", "a" } })
    assert.equal("a", (ws:next(10)))
    assert.is_nil(socket.wake_at)
    assert.is_nil(next(ws.deadlines))
  end)

  it("does not ring for somebody who was killed while he waited", function()
    local ws, socket = open({ { "open" } })
    ws:open()
    ws.deadlines[{ at = fake.clock - 5 }] = true
    local rings = 0
    local set = socket.wake
    socket.wake = function(self, seconds)
      rings = rings + 1
      assert(rings < 10 and (not seconds or seconds > 0))
      return set(self, seconds)
    end
    assert.same({ nil, "timeout" }, { ws:next(2) })
    assert.equal(102, fake.clock)
  end)

  it("wakes those who wait when another task ends it", function()
    for _, how in ipairs({ "close", "drop" }) do
      local ws = open({})
      local results
      rill.go(function()
        results = { n = select("#", ws:next()), ws:state() }
      end)
      rill.go(function()
        ws[how](ws)
      end)
      rill.run()
      assert.same({ n = 2, "ended" }, results)
    end
  end)

  it("shows no secret: of headers, URL, proxy and subprotocols", function()
    local password, protocol = "hunter2-password", "sk-protocol-key"
    local url_key, signature = "url-key-123456", "a%2Fsigned%3Dvalue"
    local ws, socket = open({ { "end", "failed", {
      kind = "http", status = 401, request_id = KEY,
      body = table.concat({ KEY, password, protocol, url_key, signature, "a/signed=value" }, " "),
    } } }, {
      headers = { Authorization = "Bearer " .. KEY },
      subprotocols = { "realtime", "openai-insecure-api-key." .. protocol },
      proxy = "http://me:" .. password .. "@proxy.test",
    }, "wss://chat.test/?api_key=" .. url_key .. "&model=m&X-Sig=" .. signature)
    socket.trail = { { started = 0, reason = "not " .. KEY, request_id = KEY } }
    local _, err = ws:next()
    assert.equal("auth", err.kind)
    assert.equal("[redacted] [redacted] [redacted] [redacted] [redacted] [redacted]", err.message)
    local attempt = ws:attempts()[1]
    local shown = table.concat({ tostring(err), err.request_id, tostring(ws), attempt.reason,
      attempt.request_id }, "\n")
    for _, secret in ipairs({ KEY, password, protocol, url_key, signature, "a/signed=value" }) do
      assert.is_nil(shown:find(secret, 1, true))
    end
    assert.equal("not [redacted]", attempt.reason)
    assert.equal("rill.websocket: wss://chat.test, ended", tostring(ws))
  end)

  it("shows no secret that the peer says in its reason", function()
    local ws = open({ { "open" }, { "close", 1008, "bad key " .. KEY } },
      { headers = { ["X-Api-Key"] = KEY } })
    local _, err = ws:next()
    assert.equal("closed by the peer: bad key [redacted]", err.message)
    assert.equal("bad key [redacted]", ws:closing().reason)
  end)
end)
