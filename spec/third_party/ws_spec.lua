-- rill.websocket against the package ws on Node, a server that nobody here wrote.

local node = require("spec.support.node")
local rill = require("rill")
local socket = require("socket")

local missing = node.missing("ws")

local function words(size)
  return ("the quick brown fox jumps over the lazy dog "):rep(math.ceil(size / 44)):sub(1, size)
end

describe("The package ws as a server", function()
  local server

  setup(function()
    server = not missing and node.start("spec/third_party/ws_server.mjs")
  end)

  teardown(function()
    if server then
      server:stop()
    end
  end)

  -- A spec that has to have the package.
  local function with_ws(title, fn)
    it(title, missing and function()
      pending(missing)
    end or fn)
  end

  local function open(path, options)
    options = options or {}
    if options.reconnect == nil then
      options.reconnect = false
    end
    return rill.websocket(("ws://127.0.0.1:%d%s"):format(server.port, path), options)
  end

  -- How ws says that the last connection was closed; it hears of it a little later than we do.
  local function closed_there()
    local deadline = socket.gettime() + 5
    repeat
      local closed = server:get("/closed").closed
      if type(closed) == "table" then
        return closed
      end
      socket.sleep(0.002)
    until socket.gettime() > deadline
  end

  for _, path in ipairs({ "/echo", "/deflate" }) do
    with_ws("sends back texts and bytes of every size, " .. path, function()
      local ws = open(path, { deflate = path == "/deflate" })
      assert.is_true(ws:open(10))
      assert.are.equal(path == "/deflate", ws:metrics().deflate)
      for _, size in ipairs({ 0, 1, 125, 126, 127, 65535, 65536, 1000000, 5000000 }) do
        local text = words(size)
        for _ = 1, 2 do -- the second is compressed by what the first has left
          assert.is_true(ws:send(text))
          local message, kind = ws:next(20)
          assert.are.equal("text", kind)
          assert.is_true(message == text, size .. " bytes of text")
        end
        assert.is_true(ws:send_binary(text))
        local message, kind = ws:next(20)
        assert.are.equal("binary", kind)
        assert.is_true(message == text, size .. " bytes")
      end
      assert.is_true(ws:close().is_clean)
      assert.are.equal(1000, closed_there().code)
    end)
  end

  with_ws("agrees on compression, which makes fewer bytes of the same", function()
    local counts = {}
    for _, path in ipairs({ "/echo", "/deflate" }) do
      local ws = open(path, { deflate = true })
      assert.is_true(ws:open(10))
      assert.are.equal(path == "/deflate", ws:metrics().deflate)
      for _ = 1, 10 do
        ws:send(words(10000))
        assert.are.equal(words(10000), ws:next(10))
      end
      counts[path] = ws:metrics()
      ws:close()
    end
    assert.is_true(counts["/echo"].bytes_in > 100000)
    assert.is_true(counts["/deflate"].bytes_in < 10000)
    assert.is_true(counts["/deflate"].bytes_out < 10000)
  end)

  with_ws("gets many messages in order while it sends as many", function()
    local ws = open("/echo")
    for i = 1, 2000 do
      assert.is_true(ws:send("message " .. i))
    end
    for i = 1, 2000 do
      assert.are.equal("message " .. i, ws:next(10))
    end
    ws:close()
  end)

  with_ws("sends fragments, which are joined", function()
    local ws = open("/echo")
    ws:send("!fragments 4")
    assert.same({ "part 1 part 2 part 3 part 4 ", "text" }, { ws:next(10) })
    ws:close()
  end)

  with_ws("pings, and gets the pong that belongs to it", function()
    local ws = open("/echo")
    ws:send("!ping payload")
    assert.are.equal("pong payload", ws:next(10))
    ws:close()
  end)

  with_ws("answers pings of ours", function()
    local ws = open("/echo")
    assert.is_true(ws:open(10))
    assert.is_true(ws:ping("are you there?"))
    ws:send("x")
    assert.are.equal("x", ws:next(10))
    assert.are.equal(1, ws:metrics().pongs)
    ws:close()
  end)

  for _, case in ipairs({
    { 1000, "" }, { 1000, "done" }, { 1001, "going" }, { 1011, "broken" }, { 1012, "restart" },
    { 1013, "later" }, { 3000, "ours" }, { 4999, ("ü"):rep(61) },
  }) do
    with_ws(("closes with %d '%s'"):format(case[1], case[2]:sub(1, 8)), function()
      local ws = open("/echo")
      ws:send(("!close %d %s"):format(case[1], case[2]))
      local message, err = ws:next(10)
      assert.is_nil(message)
      assert.are.equal(case[1] >= 1002, err ~= nil)
      local closing = ws:closing()
      assert.are.equal(case[1], closing.code)
      assert.are.equal(case[2], closing.reason)
      assert.are.equal("peer", closing.by)
      assert.is_true(closing.is_clean)
      assert.are.equal(case[1], closed_there().code)
    end)

    with_ws(("hears that we close with %d '%s'"):format(case[1], case[2]:sub(1, 8)), function()
      local ws = open("/echo")
      ws:send("x")
      assert.are.equal("x", ws:next(10))
      local closing = ws:close(case[1], case[2])
      assert.is_true(closing.is_clean)
      assert.are.equal("us", closing.by)
      assert.same({ code = case[1], reason = case[2] }, closed_there())
    end)
  end

  with_ws("closes without a code", function()
    local ws = open("/echo")
    ws:send("!close")
    assert.same({}, { ws:next(10) })
    assert.are.equal(1005, ws:closing().code)
  end)

  with_ws("is cut off without a close frame", function()
    local ws = open("/echo")
    ws:send("!terminate")
    local _, err = ws:next(10)
    assert.are.equal("interrupted", err.kind)
    assert.are.equal(1006, ws:closing().code)
    assert.is_false(ws:closing().is_clean)
  end)

  with_ws("refuses a message beyond its maxPayload with 1009", function()
    local ws = open("/small")
    ws:send(words(1000))
    assert.are.equal(words(1000), ws:next(10))
    ws:send(words(1001))
    local _, err = ws:next(10)
    assert.are.equal(1009, err.code)
    assert.is_false(err.retryable)
    assert.are.equal("peer", ws:closing().by)
  end)

  with_ws("gets 1009 from us for a message beyond ours", function()
    local ws = open("/echo", { limits = { message = 1000 } })
    ws:send(words(1001))
    local _, err = ws:next(10)
    assert.are.equal("limit", err.kind)
    assert.are.equal(1009, closed_there().code)
  end)

  with_ws("chooses one of the subprotocols", function()
    local ws = open("/protocol", { subprotocols = { "first", "second", "third" } })
    assert.is_true(ws:open(10))
    assert.are.equal("second", ws:protocol())
    ws:close()
    ws = open("/protocol")
    assert.is_true(ws:open(10))
    assert.is_nil(ws:protocol())
    ws:close()
  end)

  with_ws("refuses the upgrade with a status and a body", function()
    local ws = open("/refuse")
    local is_open, err = ws:open(10)
    assert.is_nil(is_open)
    assert.are.equal(401, err.status)
    assert.are.equal("auth", err.kind)
    assert.is_truthy(err.message:find("no such key", 1, true))
    assert.are.equal("req-1", err.request_id)
    assert.is_false(err.retryable)
  end)

  with_ws("is asked again while it is busy", function()
    local ws = open("/drop?" .. socket.gettime(), {
      reconnect = { max = 5, base = 0.01, jitter = 0 },
    })
    assert.is_true(ws:open(10))
    local attempts = ws:attempts()
    assert.are.equal(3, #attempts)
    assert.are.equal(503, attempts[1].status)
    assert.are.equal(503, attempts[2].status)
    ws:close()
  end)
end)
