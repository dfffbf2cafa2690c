-- What HTTP statuses and headers mean: the kind of error, whether it is retried, and when.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

local FINE = sse.answer("fine")

local function refusal(status, body, headers)
  headers = headers or {}
  headers["Content-Type"] = headers["Content-Type"] or "application/json"
  headers["x-request-id"] = "req_" .. status
  return { status = status, framing = "length", headers = headers, steps = {
    body or ('{"error":{"message":"because %d","type":"some_type","code":"some_code"}}')
      :format(status),
  } }
end

-- status = { kind, whether it is retried }
local STATUSES = {
  [400] = { "bad_request", false }, [401] = { "auth", false }, [402] = { "quota", false },
  [403] = { "auth", false }, [404] = { "not_found", false }, [405] = { "bad_request", false },
  [408] = { "timeout", true }, [409] = { "bad_request", true }, [413] = { "bad_request", false },
  [422] = { "bad_request", false }, [425] = { "bad_request", true },
  [429] = { "rate_limit", true }, [500] = { "server", true }, [501] = { "server", true },
  [502] = { "server", true }, [503] = { "overloaded", true }, [504] = { "server", true },
  [529] = { "overloaded", true },
}

describe("HTTP status", function()
  for status, expected in by_name(STATUSES) do
    it(status .. " is of kind " .. expected[1] .. (expected[2] and ", retried" or ""), function()
      local stream, route = ask.chat({ refusal(status) }, { retry = { max = 2 } })
      local seen = ask.read(stream)
      local err = seen.err
      assert.are.equal(expected[1], err.kind)
      assert.are.equal(status, err.status)
      assert.are.equal("because " .. status, err.message)
      assert.are.equal("some_code", err.code)
      assert.are.equal("some_type", err.type)
      assert.are.equal("req_" .. status, err.request_id)
      assert.are.equal(expected[2], err.retryable)
      assert.are.equal(expected[2] and 3 or 1, ask.count(route))
      assert.are.equal(ask.count(route), err.attempts)
      assert.are.equal("provider_error", err.partial.outcome)
      assert.are.equal("", err.partial.text)
      local line = tostring(err)
      assert.is_truthy(line:find("HTTP " .. status .. ": because " .. status, 1, true))
      assert.is_falsy(line:find("\n", 1, true))
    end)

    it(status .. (expected[2] and " is over" or " is not tried again") .. " at the next answer",
      function()
        local stream, route = ask.chat({ refusal(status), FINE })
        local reply, err = stream:result()
        assert.are.equal(expected[2] and "fine" or nil, reply and reply.text)
        assert.are.equal(not expected[2] and expected[1] or nil, err and err.kind)
        assert.are.equal(expected[2] and 2 or 1, ask.count(route))
      end)
  end

  it("429 is permanent when it is about money", function()
    for _, body in ipairs({
      '{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}',
      '{"error":{"message":"pay","code":"billing_hard_limit_reached"}}',
      '{"error":{"message":"pay","type":"insufficient_balance"}}',
    }) do
      local stream, route = ask.chat({ refusal(429, body, { ["Retry-After"] = "0" }), FINE })
      local _, err = stream:result()
      assert.are.equal("quota", err.kind)
      assert.is_false(err.retryable)
      assert.are.equal(1, ask.count(route))
    end
  end)

  it("400 and 413 about the context are of their own kind", function()
    for _, status in ipairs({ 400, 413, 422 }) do
      local _, err = ask.chat({
        refusal(status, '{"error":{"message":"too long","code":"context_length_exceeded"}}'),
      }):result()
      assert.are.equal("context_length", err.kind)
    end
    local _, err = ask.chat({
      refusal(400, '{"error":{"message":"maximum context length is 8192 tokens"}}'),
    }):result()
    assert.are.equal("context_length", err.kind)
  end)

  it("needs no JSON: a page, a text and nothing say what they can", function()
    local function message(body, kind)
      local _, err = ask.chat({ refusal(502, body, { ["Content-Type"] = kind }) },
        { retry = { max = 0 } }):result()
      assert.are.equal("server", err.kind)
      assert.are.equal(502, err.status)
      return err.message
    end
    assert.are.equal("502 Bad Gateway", message("<html>\r\n<head><title>502 Bad Gateway</title>"
      .. "</head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center></body></html>",
      "text/html"))
    assert.are.equal("upstream connect error", message("upstream connect error\n", "text/plain"))
    assert.are.equal("bad gateway", message("", "text/plain"))
    assert.are.equal('{"error":', message('{"error":', "application/json"))
  end)

  it("needs no body at all", function()
    for status, kind in pairs({ [429] = "rate_limit", [500] = "server", [404] = "not_found" }) do
      local _, err = ask.chat({ { status = status, framing = "length" } },
        { retry = { max = 0 } }):result()
      assert.are.equal(kind, err.kind)
      assert.is_truthy(err.message:find("%S"))
    end
  end)

  it("is what counts when the body is an event stream or breaks off", function()
    local _, err = ask.chat({ { status = 401, steps = { sse.error("no", "x", "y") } } }):result()
    assert.are.equal("auth", err.kind)
    _, err = ask.chat({
      { status = 400, steps = { '{"error":{"mess', { close = true } } },
    }):result()
    assert.are.equal("bad_request", err.kind)
    assert.are.equal(400, err.status)
  end)

  it("204 is no answer", function()
    local stream, route = ask.chat({ { status = 204 } })
    local _, err = stream:result()
    assert.are.equal("protocol", err.kind)
    assert.are.equal(204, err.status)
    assert.are.equal(1, ask.count(route))
  end)

  it("is missing where the server speaks no HTTP: kind protocol", function()
    for _, head in ipairs({ "hello\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\0\1\2\3\4\r\n" }) do
      local stream, route = ask.chat({ { head = head, steps = { { stall = true } } } })
      local _, err = stream:result()
      assert.are.equal("protocol", err.kind)
      assert.are.equal("headers", err.phase)
      assert.are.equal(1, ask.count(route))
    end
  end)

  it("100 and 103 before the answer change nothing", function()
    local stream = ask.chat({ {
      head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        .. "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n",
      steps = { FINE },
    } })
    assert.are.equal("fine", stream:result().text)
  end)
end)

describe("the server's word on retries", function()
  -- The wait before the second attempt, as the retry event says; the stream is then closed.
  local function delay_of(headers, options)
    local stream = ask.chat({ refusal(503, nil, headers), FINE },
      options or { retry = { base = 7, jitter = 0 } })
    local event, err = stream:next(5)
    stream:close()
    assert.are.equal("retry", event and event.type, tostring(err))
    return event.delay
  end

  it("is Retry-After in seconds, with fractions", function()
    assert.are.equal(0, delay_of({ ["Retry-After"] = "0" }))
    assert.are.equal(1.5, delay_of({ ["Retry-After"] = "1.5" }))
    assert.are.equal(30, delay_of({ ["Retry-After"] = "30" }, { timeout = { total = 60 } }))
  end)

  it("is Retry-After as a date", function()
    local function date(offset)
      return os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + offset)
    end
    assert.are.equal(0, delay_of({ ["Retry-After"] = date(-3600) }))
    local delay = delay_of({ ["Retry-After"] = date(10) })
    assert.is_true(delay > 7.9 and delay <= 10, tostring(delay))
  end)

  it("is retry-after-ms before Retry-After", function()
    assert.are.equal(0.25, delay_of({ ["Retry-After"] = "9", ["retry-after-ms"] = "250" }))
  end)

  it("is not heard when it is garbage", function()
    for _, value in ipairs({ "soon", "-1", "", "1e9x", "Mon, 99 Foo 2020" }) do
      assert.are.equal(7, delay_of({ ["Retry-After"] = value }), value)
    end
  end)

  it("is followed at once when it says 0", function()
    local stream, route = ask.chat({ refusal(429, nil, { ["Retry-After"] = "0" }), FINE },
      { retry = { base = 60 } })
    assert.are.equal("fine", stream:result().text)
    assert.are.equal(2, ask.count(route))
  end)

  it("is an error at once when the wait would be too long", function()
    for value, seconds in pairs({ ["86400"] = 86400, ["3.5"] = 3.5 }) do
      local stream, route = ask.chat({ refusal(429, nil, { ["Retry-After"] = value }), FINE },
        { retry = { max_wait = 3 } })
      local _, err = stream:result()
      assert.are.equal("rate_limit", err.kind)
      assert.are.equal(seconds, err.retry_after)
      assert.is_true(err.retryable)
      assert.are.equal(1, ask.count(route))
      assert.is_truthy(tostring(err):find("retry after " .. value .. " s", 1, true))
      assert.is_true(stream:metrics().duration < 1)
    end
  end)

  it("is an error at once when the wait would outlast timeout.total", function()
    local stream, route = ask.chat({ refusal(503, nil, { ["Retry-After"] = "5" }), FINE },
      { timeout = { total = 2 } })
    local _, err = stream:result()
    assert.are.equal("overloaded", err.kind)
    assert.are.equal(5, err.retry_after)
    assert.are.equal(1, ask.count(route))
    assert.is_true(stream:metrics().duration < 1)
  end)

  it("is x-should-retry, against the status", function()
    local stream, route = ask.chat({ refusal(400, nil, { ["x-should-retry"] = "true" }), FINE })
    assert.are.equal("fine", stream:result().text)
    assert.are.equal(2, ask.count(route))
    stream, route = ask.chat({ refusal(503, nil, { ["x-should-retry"] = "false" }), FINE })
    local _, err = stream:result()
    assert.are.equal("overloaded", err.kind)
    assert.is_false(err.retryable)
    assert.are.equal(1, ask.count(route))
  end)

  it("is not asked of an answer that gives none", function()
    local _, err = ask.chat({ refusal(401) }):result()
    assert.is_nil(err.retry_after)
  end)
end)

describe("a redirect", function()
  local gateway = Gateway.start()

  local function redirect(status, to)
    return { status = status, framing = "length", headers = { Location = to } }
  end

  it("307 and 308 within the origin are followed, body and key with them", function()
    for _, status in ipairs({ 307, 308 }) do
      local target = gateway:script({ FINE })
      local path = target.path .. "/v2/chat"
      for _, to in ipairs({ path, gateway.url .. path, "//127.0.0.1:" .. gateway.port .. path }) do
        local before = ask.count(target)
        local stream, route = ask.chat({ redirect(status, to) })
        assert.are.equal("fine", stream:result().text)
        local asked, got = gateway:requests(route)[1], gateway:requests(target)[before + 1]
        assert.are.equal("POST", got.method)
        assert.are.equal(asked.body, got.body)
        assert.are.equal("Bearer " .. ask.KEY, got.headers.authorization)
        assert.are.equal(2, stream:metrics().attempts)
        assert.are.equal("redirected", stream:attempts()[1].reason)
        assert.are.equal(status, stream:attempts()[1].status)
      end
    end
  end)

  it("to another origin is refused, and nothing is sent there", function()
    local target = gateway:script({ FINE })
    for _, origin in ipairs({
      "http://localhost:" .. gateway.port, -- the same server by another name
      "http://127.0.0.1:" .. gateway.silent_port, "https://127.0.0.1:" .. gateway.port,
    }) do
      for _, status in ipairs({ 307, 308 }) do
        local stream, route = ask.chat({ redirect(status, origin .. target.path .. "/v1?q=1") })
        local _, err = stream:result()
        assert.are.equal("protocol", err.kind)
        assert.are.equal(status, err.status)
        assert.is_false(err.retryable)
        assert.is_truthy(err.message:find(origin, 1, true))
        assert.are.equal(1, ask.count(route))
      end
    end
    assert.are.equal(0, ask.count(target))
  end)

  it("to another scheme than http and https is refused", function()
    for _, to in ipairs({ "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/" }) do
      local _, err = ask.chat({ redirect(307, to) }):result()
      assert.are.equal("protocol", err.kind)
    end
  end)

  it("301, 302 and 303 are not followed: they would turn the POST into a GET", function()
    local target = gateway:script({ FINE })
    for _, status in ipairs({ 301, 302, 303 }) do
      local stream, route = ask.chat({ redirect(status, target.path .. "/v1?session=hush") })
      local _, err = stream:result()
      assert.are.equal("protocol", err.kind)
      assert.are.equal(status, err.status)
      assert.is_truthy(err.message:find(target.path, 1, true))
      assert.is_falsy(tostring(err):find("hush", 1, true))
      assert.are.equal(1, ask.count(route))
    end
    assert.are.equal(0, ask.count(target))
  end)

  it("without a place to go is an error", function()
    local _, err = ask.chat({ { status = 307, framing = "length" } }):result()
    assert.are.equal("protocol", err.kind)
    _, err = ask.chat({ { status = 304 } }):result()
    assert.are.equal("protocol", err.kind)
  end)

  it("that leads round in a circle ends", function()
    local id = gateway.routes + 1
    local stream, route = ask.chat({ redirect(307, "/s/" .. id .. "/v1/chat/completions") })
    local _, err = stream:result()
    assert.are.equal("protocol", err.kind)
    assert.is_truthy(err.message:find("redirects", 1, true))
    assert.are.equal(6, ask.count(route))
  end)
end)
