-- Streams from a real nginx: HTTP/1.1 with keep-alive, TLS, HTTP/2 and compression.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local fixtures = require("spec.support.fixtures")
local nginx = require("spec.support.nginx")
local rill = require("rill")
local socket = require("socket")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local own = {} -- by the file's name

local function texts_of(count, size)
  local texts = {}
  for i = 1, count do
    texts[i] = sse.filler(size)
  end
  return texts
end

local function is_whole(fixture)
  return fixture.expected.outcome == "complete" or fixture.expected.outcome == "length"
end

describe("nginx", function()
  local server

  -- Options of a client for one of nginx's three ports.
  local function options_of(transport, more)
    local options = { ca_file = transport ~= "plain" and server.ca_file or nil,
      http_version = transport == "h2" and "2" or nil }
    for name, value in pairs(more or {}) do
      options[name] = value
    end
    return options
  end

  local function chat(transport, what, way, more)
    local url = server:base_url(transport, what, way)
    return ask.client(url, options_of(transport, more)):chat(ask.request())
  end

  local function status_line(stream)
    return stream.transfer:stats().headers_text:match("^[^\r\n]*")
  end

  setup(function()
    local files = {
      answer = sse.answer({ "fine", " ", "☕" }), big = sse.answer(sse.filler(3000000)),
    }
    for i, fixture in ipairs(fixtures.own()) do
      if fixture.api == "openai-chat" then
        own["own" .. i] = fixture
        files["own" .. i] = fixture.body
      end
    end
    for i, fixture in ipairs(fixtures.recorded("openai-chat")) do
      own["recorded" .. i] = fixture
      files["recorded" .. i] = fixture.body
    end
    files.records = sse.answer(texts_of(3000, 100)) -- many TLS records
    server = nginx.start({ files = files, gateway = gateway })
  end)

  teardown(function()
    server:stop()
    ask.forget_connections()
  end)

  for _, transport in ipairs({ "plain", "tls", "h2" }) do
    it("serves every fixture, over " .. transport, function()
      for name, fixture in pairs(own) do
        local seen = ask.read(chat(transport, name))
        local expected = fixture.is_own and fixture.expected or fixture.expected.openai
        assert.is_true(fixtures.is_text(expected.choices["0"].text, seen.reply.text), fixture.name)
        local reason = expected.choices["0"].finish_reason
        assert.are.equal(reason, seen.reply.finish_reason, fixture.name)
        if not fixture.is_own or is_whole(fixture) then
          assert.is_nil(seen.err, fixture.name)
        else
          assert.are.equal(fixture.expected.outcome, seen.reply.outcome, fixture.name)
        end
      end
    end)

    it("keeps its connection, over " .. transport, function()
      ask.forget_connections() -- one that another spec opened may speak another version
      for i = 1, 10 do
        local stream = chat(transport, "answer")
        assert.are.equal("fine ☕", stream:result().text)
        assert.is_true(i == 1 or stream:metrics().reused_connection)
        assert.are.equal(transport == "h2" and "HTTP/2 200 " or "HTTP/1.1 200 OK",
          status_line(stream))
      end
    end)

    it("slows down for a slow reader, over " .. transport, function()
      local chunk = sse.chunk(sse.filler(1000))
      local route = gateway:script({ { steps = { sse.role(), chunk:rep(4000), sse.finish(),
        sse.done() } } })
      local stream = chat(transport, route, nil, { limits = { buffer = 20000 } })
      local engine = rill.engine()
      repeat
        engine:step(0.02)
        engine:ready()
      until stream:metrics().pauses > 0
      local other = chat(transport, gateway:script({ sse.answer("quick") }))
      assert.are.equal("quick", other:result().text)
      local seen = ask.read(stream)
      assert.is_nil(seen.err)
      assert.are.equal(4000000, #seen.reply.text)
    end)

    -- All of it has left the socket while the reader is slow: nothing but the engine's own timer
    -- can say that there is more.
    it("is read to the end by the descriptor alone, over " .. transport, function()
      local engine = rill.engine()
      if not engine:fd() then
        return -- there is none where it waits with poll()
      end
      local stream = chat(transport, "records", nil, { limits = { buffer = 300 } })
      local selectable = { getfd = function()
        return engine:fd()
      end }
      local count = 0
      local event, err = stream:poll()
      while event or err == "pending" do
        if event then
          count = count + 1
        else
          local readable = socket.select({ selectable }, nil, 5)
          assert.is_truthy(readable[1], "the descriptor stayed silent")
          engine:step(0)
          while engine:ready() do end -- luacheck: ignore
        end
        event, err = stream:poll()
      end
      assert.is_nil(err)
      assert.are.equal(3002, count)
      assert.is_true(stream:metrics().pauses > 5, tostring(stream:metrics().pauses))
    end)

    it("passes deltas on as they come, over " .. transport, function()
      local route = gateway:script({ { steps = { sse.role() .. sse.chunk("a"), { wait = "go" },
        sse.chunk("b") .. sse.finish() .. sse.done() } } })
      local stream = chat(transport, route)
      assert.are.equal("start", stream:next(5).type)
      assert.are.equal("a", stream:next(5).text)
      assert.same({ nil, "timeout" }, { stream:next(0.02) })
      gateway:signal(route, "go")
      assert.are.equal("b", stream:next(5).text)
      assert.are.equal("complete", stream:result().outcome)
    end)

    it("that loses its server makes no short success, over " .. transport, function()
      for _, step in ipairs({ { reset = true }, { close = true } }) do
        local route = gateway:script({ { steps = { sse.role() .. sse.chunk("Hel"), { wait = "go" },
          step } } })
        local stream = chat(transport, route)
        assert.are.equal("start", stream:next(5).type)
        assert.are.equal("Hel", stream:next(5).text)
        gateway:signal(route, "go")
        local _, err = stream:result()
        assert.are.equal("interrupted", err and err.kind)
        assert.are.equal("Hel", err.partial.text)
      end
    end)

    it("hears at once that a stream was closed, over " .. transport, function()
      ask.forget_connections()
      local route = gateway:script({
        { steps = { sse.role() .. sse.chunk("x"), { stall = true } } },
      })
      local stream = chat(transport, route)
      assert.is_truthy(stream:next(5))
      stream:close() -- the engine does nothing after this
      assert.is_truthy(gateway:wait(route, "closed", 1, 10))
    end)

    it("goes on with other streams when one is closed, over " .. transport, function()
      ask.forget_connections()
      local route = gateway:script({
        { steps = { sse.role() .. sse.chunk("x"), { stall = true } } },
        { steps = { sse.role() .. sse.chunk("x"), { wait = "go" }, sse.chunk("y"),
          { wait = "on" }, sse.finish() .. sse.done() } },
      })
      local one = chat(transport, route)
      assert.are.equal("start", one:next(5).type)
      local two = chat(transport, route)
      assert.are.equal("start", two:next(5).type)
      assert.are.equal("x", two:next(5).text)
      one:close()
      gateway:signal(route, "go")
      assert.are.equal("y", two:next(5).text)
      -- Over HTTP/2 libcurl 7.88 tells the server with the next thing it does there.
      assert.is_truthy(gateway:wait(route, "closed", 1, 10))
      gateway:signal(route, "on")
      assert.are.equal("xy", two:result().text)
    end)
  end

  it("answers many at once over one HTTP/2 connection", function()
    ask.forget_connections()
    local route = gateway:script({ { steps = { sse.role(), { wait = "go" }, sse.answer("x") } } })
    local client = ask.client(server:base_url("h2", route), options_of("h2"))
    local streams, count = {}, 0
    for i = 1, 30 do
      rill.go(function()
        streams[i] = client:chat(ask.request())
        local reply = streams[i]:result()
        count = count + (reply and 1 or 0)
      end)
    end
    assert.is_truthy(gateway:wait(route, "requests", 30, 10, function()
      rill.step(0)
    end))
    gateway:signal(route, "go")
    rill.run()
    assert.are.equal(30, count)
    local new = 0
    for i = 1, 30 do
      new = new + (streams[i]:metrics().reused_connection and 0 or 1)
    end
    assert.are.equal(1, new)
  end)

  it("speaks HTTP/2 only to who asks for it", function()
    local stream = ask.client(server:base_url("h2", "answer"), { ca_file = server.ca_file })
      :chat(ask.request())
    assert.are.equal("fine ☕", stream:result().text)
    assert.are.equal("HTTP/1.1 200 OK", status_line(stream))
    stream = ask.client(server:base_url("plain", "answer"), { http_version = "2" })
      :chat(ask.request())
    assert.are.equal("fine ☕", stream:result().text)
    assert.are.equal("HTTP/1.1 200 OK", status_line(stream))
  end)

  it("is not trusted without its certificate: kind tls, no retry, no request", function()
    local route = gateway:script({ sse.answer("never") })
    for _, transport in ipairs({ "tls", "h2" }) do
      local stream = ask.client(server:base_url(transport, route)):chat(ask.request())
      local seen = ask.read(stream)
      assert.are.equal("tls", seen.err.kind)
      assert.is_false(seen.err.retryable)
      assert.are.equal("", seen.types)
      assert.are.equal(1, seen.err.attempts)
    end
    assert.are.equal(0, ask.count(route))
  end)

  it("is not trusted under a name that is not its own", function()
    local url = server:base_url("tls", "answer"):gsub("localhost", "127.0.0.2")
    local _, err = ask.client(url, { ca_file = server.ca_file, retry = { max = 0 } })
      :chat(ask.request()):result()
    assert.is_truthy(err)
    assert.is_true(err.kind == "tls" or err.kind == "connect", err.kind)
    url = server:base_url("tls", "answer"):gsub("localhost", "127.0.0.1")
    assert.are.equal("fine ☕", ask.client(url, { ca_file = server.ca_file })
      :chat(ask.request()):result().text)
  end)

  it("is trusted without proof when that is said by name, and only then", function()
    local url = server:base_url("tls", "answer")
    assert.are.equal("fine ☕", ask.client(url, { tls_verify = false })
      :chat(ask.request()):result().text)
    -- The connection that was not verified is not used for who wants it verified.
    local _, err = ask.client(url):chat(ask.request()):result()
    assert.are.equal("tls", err and err.kind)
  end)

  it("is refused with a certificate file that is not there", function()
    local _, err = ask.client(server:base_url("tls", "answer"), { ca_file = "/no/such/file" })
      :chat(ask.request()):result()
    assert.are.equal("tls", err.kind)
    assert.is_false(err.retryable)
  end)

  it("is spoken to without TLS by mistake, or with TLS where there is none", function()
    local url = server.tls:gsub("^https", "http") .. "/file/answer/v1"
    local _, err = ask.client(url):chat(ask.request()):result()
    assert.are.equal("bad_request", err.kind)
    assert.is_truthy(err.message:find("HTTPS", 1, true))
    url = server.plain:gsub("^http", "https") .. "/file/answer/v1"
    _, err = ask.client(url, { retry = { max = 1 } }):chat(ask.request()):result()
    assert.are.equal("tls", err.kind)
  end)

  for _, transport in ipairs({ "plain", "tls", "h2" }) do
    it("compresses only for who asks, over " .. transport, function()
      local function encoding(headers)
        local stream = chat(transport, "big", "gzip", { headers = headers })
        assert.are.equal(sse.filler(3000000), stream:result().text)
        return stream.transfer:stats().headers_text:lower():match("content%-encoding: (%w+)")
      end
      assert.is_nil(encoding(nil))
      assert.are.equal("gzip", encoding({ ["Accept-Encoding"] = "gzip" }))
    end)
  end
end)
