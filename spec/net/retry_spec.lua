-- Retries against a real server: what is repeated, when, and what the caller sees of it.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local FINE = sse.answer("fine")

-- A kept connection that breaks would be forgiven once: these are not kept.
local function refusal(status, headers)
  return { status = status, framing = "close", headers = headers,
    steps = { '{"error":{"message":"not now"}}' } }
end

local function events_of(seen, kind)
  local list = {}
  for _, event in ipairs(seen.events) do
    if event.type == kind then
      list[#list + 1] = event
    end
  end
  return list
end

describe("a retry", function()
  it("waits longer each time, up to the cap", function()
    local stream, route = ask.chat({ refusal(503), refusal(500), refusal(429), refusal(502), FINE },
      { retry = { max = 4, base = 0.01, factor = 3, cap = 0.05, jitter = 0 } })
    local seen = ask.read(stream)
    assert.is_nil(seen.err)
    local retries = events_of(seen, "retry")
    local requests = gateway:requests(route)
    assert.are.equal(4, #retries)
    assert.are.equal(5, #requests)
    for i, delay in ipairs({ 0.01, 0.03, 0.05, 0.05 }) do
      assert.is_true(math.abs(retries[i].delay - delay) < 1e-6, retries[i].delay)
      assert.are.equal(i + 1, retries[i].attempt)
      assert.is_true(requests[i + 1].at - requests[i].at >= delay - 0.001)
    end
    assert.are.equal("HTTP 503", retries[1].reason)
    assert.are.equal("retry retry retry retry start text done", seen.types)
  end)

  it("is scattered downwards by the jitter", function()
    local delays = {}
    for i = 1, 8 do
      local stream = ask.chat({ refusal(503) }, { retry = { base = 0.4, jitter = 0.5 } })
      delays[i] = stream:next(5).delay
      stream:close()
      assert.is_true(delays[i] >= 0.2 and delays[i] <= 0.4)
    end
    table.sort(delays)
    assert.is_true(delays[8] > delays[1])
  end)

  it("is announced before the wait, not after it", function()
    local stream, route = ask.chat({ refusal(503), FINE }, { retry = { base = 15 } })
    local event = stream:next(5)
    assert.are.equal("retry", event.type)
    assert.are.equal(2, event.attempt)
    assert.is_true(stream:metrics().duration < 10)
    assert.same({ nil, "timeout" }, { stream:next(0.02) })
    assert.are.equal(1, ask.count(route))
    stream:close()
  end)

  it("leaves a trail: attempts()", function()
    ask.forget_connections()
    local stream, route = ask.chat({
      refusal(503, { ["x-request-id"] = "first" }),
      { before = { { reset = true } } },
      { headers = { ["x-request-id"] = "third" }, steps = { FINE } },
    }, { retry = { base = 0.02 } })
    assert.is_not_nil(stream:result())
    local trail = stream:attempts()
    assert.are.equal(#trail, ask.count(route))
    assert.are.equal(503, trail[1].status)
    assert.are.equal("HTTP 503", trail[1].reason)
    assert.are.equal("first", trail[1].request_id)
    assert.is_true(trail[1].delay >= 0.02 and trail[1].duration > 0)
    local reset, last = trail[#trail - 1], trail[#trail]
    assert.is_nil(reset.status)
    assert.is_truthy(reset.reason:find("%S"))
    assert.are.equal(200, last.status)
    assert.are.equal("third", last.request_id)
    assert.is_nil(last.reason)
    for i = 2, #trail do
      assert.is_true(trail[i].started >= trail[i - 1].started + trail[i - 1].duration)
    end
    assert.are.equal(#trail, stream:metrics().attempts)
    assert.are.equal(2, stream:metrics().retries)
  end)

  it("comes from one budget, whatever went wrong", function()
    ask.forget_connections()
    local stream, route = ask.chat({
      refusal(503), { before = { { reset = true } } }, { steps = { { close = true } } },
      sse.event({ error = { message = "busy", code = 503 } }), refusal(429), FINE,
    }, { retry = { max = 4 } })
    local reply, err = stream:result()
    assert.is_nil(reply)
    assert.are.equal("rate_limit", err.kind)
    assert.are.equal(5, ask.count(route))
    assert.are.equal(4, stream:metrics().retries)
  end)

  it("is not made when there are none: retry.max = 0", function()
    for _, attempt in ipairs({ refusal(503), { steps = { { close = true } } } }) do
      local stream, route = ask.chat({ attempt, FINE }, { retry = { max = 0 } })
      local _, err = stream:result()
      assert.is_true(err.retryable)
      assert.are.equal(1, ask.count(route))
      assert.are.equal(1, err.attempts)
    end
  end)

  it("can be set for one request", function()
    local stream, route = ask.chat({ refusal(503) }, nil, { retry = { max = 1, base = 0.001 } })
    assert.is_nil((stream:result()))
    assert.are.equal(2, ask.count(route))
  end)

  it("follows every break before the first output", function()
    for name, attempt in pairs({
      ["reset before headers"] = { before = { { reset = true } } },
      ["close before headers"] = { before = { { close = true } } },
      ["close inside the headers"] = {
        head = "HTTP/1.1 200 OK\r\nContent-Ty", steps = { { close = true } },
      },
      ["reset after headers"] = { steps = { { reset = true } } },
      ["close after headers"] = { steps = { { close = true } } },
      ["end after headers"] = { framing = "length" },
      ["reset after the role"] = { steps = { sse.role(), { reset = true } } },
      ["end after the role"] = { steps = { sse.role() } },
      ["end inside the first event"] = { steps = { sse.chunk("x"):sub(1, -9) } },
      ["bad framing"] = { steps = { { raw = "nonsense\r\n" }, { stall = true } } },
    }) do
      ask.forget_connections()
      local stream, route = ask.chat({ attempt, FINE })
      local seen = ask.read(stream)
      assert.is_nil(seen.err, name)
      assert.are.equal("fine", seen.reply.text, name)
      assert.are.equal("fine", seen.text, name)
      assert.are.equal(1, #events_of(seen, "retry"), name)
      assert.are.equal(2, ask.count(route), name)
      local metrics = stream:metrics() -- they tell of the answer, not of what was given up
      assert.is_false(metrics.unfinished, name)
      assert.is_true(metrics.headers <= metrics.first_byte, name)
    end
  end)

  it("follows a refused connection", function()
    local stream = ask.client(gateway.refused_url, { retry = { max = 2 } }):chat(ask.request())
    local seen = ask.read(stream)
    assert.are.equal("connect", seen.err.kind)
    assert.are.equal("connect", seen.err.phase)
    assert.are.equal(3, seen.err.attempts)
    assert.are.equal("retry retry", seen.types)
  end)

  it("follows a name that does not exist", function()
    local client = ask.client("http://" .. ask.NO_HOST .. "/v1", { retry = { max = 1 } })
    local stream = client:chat(ask.request())
    local _, err = stream:result()
    assert.are.equal("connect", err.kind)
    assert.are.equal("resolve", err.phase)
    assert.are.equal(2, err.attempts)
  end)

  it("begins the reply anew, so that nothing is there twice", function()
    local first = sse.event('{"id":"one","model":"old","choices":[]}') .. sse.usage(1, 1)
    local second = sse.event('{"id":"two","model":"new","choices":[{"index":0,"delta":'
      .. '{"content":"Hello"}}]}') .. sse.finish() .. sse.done()
    local stream = ask.chat({ { steps = { first, { close = true } } }, second })
    local seen = ask.read(stream)
    assert.is_nil(seen.err)
    assert.are.equal("Hello", seen.reply.text)
    assert.are.equal("two", seen.reply.id)
    assert.are.equal("new", seen.reply.model)
    assert.is_nil(seen.reply.usage)
    assert.are.equal("start usage retry start text done", seen.types)
  end)

  it("never follows output of any sort", function()
    for name, chunk in pairs({
      text = sse.chunk("x"),
      ["text in the first chunk"] = sse.delta('{"role":"assistant","content":"x"}'),
      reasoning = sse.delta('{"reasoning_content":"x"}'),
      refusal = sse.delta('{"refusal":"x"}'),
      ["a tool call"] = sse.delta('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}'),
      audio = sse.delta('{"audio":{"id":"a","data":"QUJD"}}'),
      ["a finish reason"] = sse.finish("stop", 1),
    }) do
      for _, step in ipairs({ { reset = true }, { close = true } }) do
        local stream, route = ask.chat({ { steps = { chunk, { wait = "read" }, step } }, FINE },
          nil, { n = name == "a finish reason" and 2 or nil })
        assert.is_truthy(stream:next(5), name)
        gateway:signal(route, "read")
        local seen = ask.read(stream)
        assert.is_truthy(seen.err, name)
        assert.are.equal("interrupted", seen.err.kind, name)
        assert.are.equal(1, ask.count(route), name)
      end
    end
  end)

  it("does not forget what was counted before it", function()
    local stream = ask.chat({ ": one\n\n: two\n\n", ": three\n\n" .. FINE })
    assert.are.equal("fine", stream:result().text)
    assert.are.equal(3, stream:metrics().comments)
  end)

  it("sends the same request again", function()
    local stream, route = ask.chat({ refusal(503), refusal(503), FINE })
    assert.is_not_nil(stream:result())
    local requests = gateway:requests(route)
    for i = 2, 3 do
      assert.are.equal(requests[1].body, requests[i].body)
      requests[i].headers.at, requests[1].headers.at = nil, nil
      assert.same(requests[1].headers, requests[i].headers)
    end
  end)
end)

describe("a kept connection that dies before an answer", function()
  -- Answers once on a fresh connection, which is then kept.
  local function warm(attempts)
    ask.forget_connections()
    table.insert(attempts, 1, { steps = { FINE }, framing = "length" })
    local route = gateway:script(attempts)
    local client = ask.client(route, { retry = { max = 0 } })
    assert.are.equal("fine", client:chat(ask.request()):result().text)
    return client, route
  end

  it("costs no retry, but is an attempt", function()
    for _, step in ipairs({ { reset = true }, { close = true } }) do
      local client, route = warm({ { before = { step } }, FINE })
      local stream = client:chat(ask.request())
      local seen = ask.read(stream)
      assert.is_nil(seen.err)
      assert.are.equal("fine", seen.reply.text)
      assert.are.equal("start text done", seen.types)
      local requests = gateway:requests(route)
      assert.are.equal(3, #requests)
      assert.are.equal(requests[1].connection, requests[2].connection)
      assert.are_not.equal(requests[2].connection, requests[3].connection)
      assert.are.equal(2, stream:metrics().attempts)
      assert.are.equal(0, stream:metrics().retries)
      assert.are.equal(2, #stream:attempts())
      assert.is_truthy(stream:attempts()[1].reason:find("kept connection", 1, true))
    end
  end)

  it("is forgiven once", function()
    local dies = { before = { { reset = true } } }
    local client, route = warm({ dies, dies, FINE })
    local _, err = client:chat(ask.request()):result()
    assert.are.equal("interrupted", err.kind)
    assert.are.equal(3, ask.count(route))
    assert.are.equal(2, err.attempts)
  end)

  it("is not even tried when it was closed meanwhile", function()
    ask.forget_connections()
    local route = gateway:script({ { steps = { FINE }, after = { { close = true } } }, FINE })
    local client = ask.client(route, { retry = { max = 0 } })
    assert.are.equal("fine", client:chat(ask.request()):result().text)
    assert.is_truthy(gateway:wait(route, "finished", 1, 5)) -- played: the FIN is on its way
    local stream = client:chat(ask.request())
    assert.are.equal("fine", stream:result().text)
    assert.are.equal(1, #stream:attempts())
    assert.are.equal(2, ask.count(route))
  end)
end)
