local fake = require("spec.support.fake_core")

local START = [[{"id":"c1","model":"m-1","choices":[{"index":0,"delta":{"content":""}}]}]]
local STOP = [[{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}]]
local USAGE = [[{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}]]

local function text(piece)
  return ([[{"id":"c1","model":"m-1","choices":[{"index":0,"delta":{"content":"%s"}}]}]])
    :format(piece)
end

local function finish(reason, index)
  return ([[{"choices":[{"index":%d,"delta":{},"finish_reason":"%s"}]}]]):format(index or 0, reason)
end

local rill, ai

local function chat(script, request, callbacks)
  fake.scripts[1] = script
  local full = { model = "m", messages = { { role = "user", content = "hi" } } }
  for name, value in pairs(request or {}) do
    full[name] = value
  end
  return ai:chat(full, callbacks)
end

local function types_of(stream)
  local list = {}
  local event, err = stream:next()
  while event do
    list[#list + 1] = event.type
    event, err = stream:next()
  end
  return table.concat(list, " "), err
end

local function drain_text(stream)
  local pieces = {}
  local ok, err = pcall(function()
    for piece in stream:text() do
      pieces[#pieces + 1] = piece
    end
  end)
  return pieces, not ok and err or nil
end

before_each(function()
  rill = fake.install()
  ai = rill.client({ base_url = "https://x.test/v1", api_key = "sk-secret-key" })
end)

teardown(fake.remove)

describe("stream:text", function()
  it("gives every delta once and in order, whether C or Lua has read it", function()
    local stream = chat({
      { "event", START }, { "text", "He" }, { "wait", 1 }, { "text", "l" }, { "text", "l" },
      { "event", [[{"choices":[{"index":0,"delta":{"content":"o"},"logprobs":{"content":[]}}]}]] },
      { "wait", 1 }, { "text", "!" }, { "event", STOP }, { "end", "done" },
    })
    assert.same({ "He", "l", "l", "o", "!" }, (drain_text(stream)))
    assert.equal("Hello!", stream:result().text)
  end)

  it("asks C not to keep payloads, and events ask for them again", function()
    local stream = chat({ { "text", "a", text("a") }, { "end", "done" } })
    assert.is_true(fake.last().keeping)
    local iterator = stream:text()
    assert.is_false(fake.last().keeping)
    stream:poll()
    assert.is_true(fake.last().keeping)
    assert.equal("function", type(iterator))
  end)

  it("raises the error object if the stream fails, after the text there was", function()
    local stream = chat({ { "event", START }, { "text", "Hel" }, { "end", "eof" } })
    local pieces, err = drain_text(stream)
    assert.same({ "Hel" }, pieces)
    assert.equal("interrupted", err.kind)
    assert.equal("Hel", err.partial.text)
    assert.equal("truncated", err.partial.outcome)
  end)

  it("gives four values, the stream last, so that Lua 5.4 closes it", function()
    local stream = chat({ { "wait", 1 } })
    local values = { n = select("#", stream:text()), stream:text() }
    assert.equal(4, values.n)
    assert.equal(stream, values[2])
    assert.is_nil(values[3])
    assert.equal(stream, values[4])
    assert.equal(4, select("#", stream:events()))
    getmetatable(stream).__close(stream)
    assert.equal(1, fake.last().closes)
  end)

  it("never lets text that C gives overtake text in Lua's queue", function()
    local stream = chat({
      { "text", "a" }, { "text", "b" },
      { "event", [[{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"c"},]]
        .. [[{"type":"text","text":"d"}]}}]}]] },
      { "text", "e" }, { "wait", 1 }, { "text", "f" }, { "event", STOP }, { "end", "done" },
    })
    local pieces = {}
    for piece in stream:text() do
      pieces[#pieces + 1] = piece
      if piece == "d" then
        stream:partial()
        fake.clock = fake.clock + 1
        fake.engine():step(0)
      end
    end
    assert.equal("abcdef", table.concat(pieces))
    assert.equal("abcdef", stream:result().text)
  end)

  it("reads by itself where C gives no iterator", function()
    local class = getmetatable(chat({}).transfer)
    local texts = class.texts
    class.texts = function() return nil end
    local stream = chat(fake.items({ text("a"), text("b"), STOP }))
    local pieces = drain_text(stream)
    class.texts = texts
    assert.same({ "a", "b" }, pieces)
    assert.equal("ab", stream:result().text)
  end)

  it("gives the text of choice 0 when there are several", function()
    local stream = chat({
      { "text", "a" },
      { "event", [[{"choices":[{"index":1,"delta":{"content":"B"}}]}]] },
      { "text", "b" }, { "event", finish("stop") }, { "event", finish("stop", 1) },
      { "end", "done" },
    }, { n = 2 })
    assert.same({ "a", "b" }, (drain_text(stream)))
    local reply = stream:result()
    assert.equal("ab", reply.text)
    assert.equal("ab", reply.choices[1].text)
    assert.equal("B", reply.choices[2].text)
    assert.equal(1, reply.choices[2].index)
    assert.equal("stop", reply.choices[2].finish_reason)
  end)
end)

describe("chunks without output", function()
  -- A script whose chunks other than text are marked as C marks them.
  local function quiet(payloads)
    local script = {}
    for i, payload in ipairs(payloads) do
      script[i] = type(payload) == "table" and payload or { "event", payload, nil, true }
    end
    return script
  end

  local function count_decodes()
    local count = { 0 }
    local cjson = require("cjson")
    ai = rill.client({ base_url = "https://x.test", json = {
      encode = cjson.encode,
      decode = function(json)
        count[1] = count[1] + 1
        return cjson.decode(json)
      end,
      null = cjson.null,
    } })
    return count
  end

  it("are not decoded while only text is read, until somebody asks for the reply", function()
    local count = count_decodes()
    local stream = chat(quiet({ START, { "text", "a" }, { "text", "b" }, STOP, USAGE,
      { "end", "done" } }))
    assert.same({ "a", "b" }, (drain_text(stream)))
    assert.equal(0, count[1])
    local reply = stream:result()
    assert.equal(3, count[1])
    assert.same({
      text = "ab", tool_calls = {}, finish_reason = "stop", outcome = "complete", id = "c1",
      model = "m-1", usage = { input_tokens = 7, output_tokens = 2, total_tokens = 9 },
    }, reply)
    assert.equal(reply, stream:result())
    assert.equal(3, count[1])
  end)

  it("are left alone also when the answer was there before anybody read", function()
    local count = count_decodes()
    local stream = chat(quiet({ START, { "text", "a", text("a") }, STOP, { "end", "done" } }))
    fake.engine():step(0)
    assert.same({ "a" }, (drain_text(stream)))
    assert.equal(0, count[1])
  end)

  it("count for metrics, partial and tostring as though they had been read", function()
    local script = { START, { "text", "a" }, STOP, USAGE, { "end", "done" } }
    local stream = chat(quiet(script))
    drain_text(stream)
    assert.equal(7, stream:metrics().input_tokens)
    assert.equal("complete", stream:metrics().outcome)
    stream = chat(quiet(script))
    drain_text(stream)
    assert.equal("rill.stream: m, complete", tostring(stream))
    stream = chat(quiet(script))
    drain_text(stream)
    assert.equal("stop", stream:partial().finish_reason)
    assert.is_nil((stream:next()))
    assert.is_nil(select(2, stream:next()))
  end)

  it("still make an error of the end when they say so", function()
    for _, reason in ipairs({ "error", "insufficient_system_resource", "\\u0065rror" }) do
      local stream = chat(quiet({ { "text", "a" }, finish(reason), { "end", "done" } }))
      local pieces, err = drain_text(stream)
      assert.same({ "a" }, pieces)
      assert.equal("api", err.kind)
      assert.equal("provider_error", err.partial.outcome)
    end
  end)

  it("are not whole if the provider says that it was cancelled", function()
    local pieces, err = drain_text(chat(quiet({ { "text", "a" }, finish("cancelled"),
      { "end", "done" } })))
    assert.same({ "a" }, pieces)
    assert.equal("cancelled", err.kind)
    assert.equal("cancelled", err.partial.outcome)
  end)

  it("do not make a stream whole that was cut", function()
    for _, ending in ipairs({ "eof", "cut" }) do
      local _, err = drain_text(chat(quiet({ START, { "text", "a" }, { "end", ending } })))
      assert.equal("interrupted", err.kind)
      assert.equal("c1", err.partial.id)
    end
    local _, err = drain_text(chat(quiet({ START, { "end", "done" } })))
    assert.equal("interrupted", err.kind)
  end)

  it("are folded now and then, however many there are", function()
    local script = { { "text", "a" } }
    for _ = 1, 100 do
      script[#script + 1] = { "event", USAGE, nil, true }
    end
    script[#script + 1] = { "text", "b" }
    script[#script + 1] = { "wait", 5 }
    local stream = chat(script)
    local iterator = stream:text()
    assert.equal("ab", iterator(stream) .. iterator(stream))
    assert.is_true(#stream.deferred < 20)
    assert.equal(7, stream:metrics().input_tokens)
  end)

  it("are events again once events are asked for", function()
    local stream = chat(quiet({ START, { "text", "a" }, { "wait", 1 }, { "text", "b" }, STOP, USAGE,
      { "end", "done" } }))
    assert.equal("a", stream:text()(stream))
    assert.equal("text usage done", (types_of(stream)))
    assert.equal("c1", stream:result().id)
  end)

  it("are folded in the order of their arrival", function()
    local both = [[{"choices":[{"index":0,"delta":{"reasoning":"r"}}],"usage":]]
      .. [[{"prompt_tokens":70,"completion_tokens":20}}]]
    local stream = chat(quiet({ { "text", "a" }, USAGE, { "event", both }, STOP,
      { "end", "done" } }))
    drain_text(stream)
    assert.equal(70, stream:result().usage.input_tokens)
  end)

  it("of an attempt that failed are forgotten", function()
    local stream = chat(quiet({ START, USAGE, { "retry", 2, 1, "HTTP 503" }, { "text", "a" }, STOP,
      { "end", "done" } }))
    drain_text(stream)
    assert.is_nil(stream:result().id)
    assert.is_nil(stream:result().usage)
  end)
end)

describe("stream:next", function()
  it("gives every event, then nil", function()
    local stream = chat(fake.items({ START, text("Hel"), text("lo"), STOP, USAGE }))
    assert.equal("start text text usage done", (types_of(stream)))
    local event, err = stream:next()
    assert.is_nil(event)
    assert.is_nil(err)
  end)

  it("gives nil and the same error however often it is asked", function()
    local stream = chat({ { "text", "a" }, { "end", "eof" } })
    local _, err = types_of(stream)
    local _, again = stream:next()
    assert.equal("interrupted", err.kind)
    assert.equal(err, again)
  end)

  it("begins with `start` also when the first chunk is text", function()
    local stream = chat(fake.items({ text("Hel"), text("lo"), STOP }))
    local start, first = stream:next(), stream:next()
    assert.same({ "start", "c1", "m-1" }, { start.type, start.id, start.model })
    assert.same({ "text", "Hel" }, { first.type, first.text })
    assert.equal("text done", (types_of(stream)))
    assert.equal("Hello", stream:result().text)
  end)

  it("decodes the payload of a text only when `raw` is asked for", function()
    local decoded = 0
    local cjson = require("cjson")
    ai = rill.client({ base_url = "https://x.test", json = {
      encode = cjson.encode,
      decode = function(json)
        decoded = decoded + 1
        return cjson.decode(json)
      end,
    } })
    decoded = 0 -- what its null is was tried when the client was made
    local stream = chat({ { "event", START }, { "text", "a", text("a") }, { "end", "done" } })
    stream:next()
    local event = stream:next()
    assert.equal(1, decoded)
    assert.equal("c1", event.raw.id)
    assert.equal("c1", event.raw.id)
    assert.equal(2, decoded)
    assert.equal(text("a"), event.raw_text)
  end)

  it("gives up after the seconds it was given, and the stream goes on", function()
    local stream = chat({ { "wait", 5 }, { "text", "a" }, { "event", STOP }, { "end", "done" } })
    local event, err = stream:next(2)
    assert.is_nil(event)
    assert.equal("timeout", err)
    assert.equal(102, fake.clock)
    event, err = stream:next(0)
    assert.is_nil(event)
    assert.equal("timeout", err)
    assert.equal(102, fake.clock)
    assert.equal("a", stream:next(60).text)
    assert.equal(105, fake.clock)
    for _, alarm in ipairs(rill.engine().alarms) do
      assert.equal(math.huge, alarm.at)
    end
  end)

  it("keeps the time of each who waits, however long others want to", function()
    local stream = chat({ { "wait", 9 }, { "text", "a" }, { "event", STOP }, { "end", "done" } })
    local seen = {}
    for i, seconds in ipairs({ 3, 5, 2, math.huge }) do
      rill.go(function()
        local event, err = stream:next(seconds)
        seen[i] = { event and event.text or err, fake.clock - 100 }
      end)
    end
    rill.run()
    assert.same({ { "timeout", 3 }, { "timeout", 5 }, { "timeout", 2 }, { "a", 9 } }, seen)
  end)

  it("does not take news without an event for the end of the wait", function()
    local stream = chat({ { "wait", 5 }, { "text", "a" }, { "end", "done" } })
    local wait, waits = require("rill.loops").wait, 0
    require("rill.loops").wait = function(...)
      waits = waits + 1
      if waits > 1 then
        wait(...)
      end
    end
    assert.equal("a", stream:next(60).text)
  end)

  it("refuses a time that is none", function()
    local stream = chat({})
    assert.has_error(function() stream:next(-1) end,
      "stream:next: argument 1 must be a number of seconds that is not negative")
    assert.has_error(function() stream:next("1") end,
      "stream:next: argument 1 must be a number of seconds that is not negative")
  end)
end)

describe("stream:poll", function()
  it("never waits, and says pending", function()
    local stream = chat({ { "wait", 5 }, { "text", "a" }, { "event", STOP }, { "end", "done" } })
    local event, err = stream:poll()
    assert.is_nil(event)
    assert.equal("pending", err)
    assert.equal(100, fake.clock)
    fake.clock = 105
    assert.equal("a", stream:poll().text)
    assert.equal("done", stream:poll().type)
    event, err = stream:poll()
    assert.is_nil(event)
    assert.is_nil(err)
  end)
end)

describe("stream:result", function()
  it("gives the whole reply, every time it is asked", function()
    local stream = chat(fake.items({ START, text("Hel"), text("lo"), STOP, USAGE }))
    local reply = stream:result()
    assert.same({
      text = "Hello", tool_calls = {}, finish_reason = "stop", outcome = "complete", id = "c1",
      model = "m-1", usage = { input_tokens = 7, output_tokens = 2, total_tokens = 9 },
    }, reply)
    assert.equal(reply, stream:result())
  end)

  it("follows a loop that has read everything, and one that was left early", function()
    local stream = chat(fake.items({ START, text("a"), text("b"), text("c"), STOP }))
    stream:next()
    assert.equal("a", stream:next().text)
    assert.equal("abc", stream:result().text)
  end)

  it("gives nil and the error, with what had arrived", function()
    local stream = chat({ { "text", "Hel" }, { "end", "cut",
      { kind = "interrupted", message = "connection reset", phase = "body", retryable = true } } })
    local reply, err = stream:result()
    assert.is_nil(reply)
    assert.equal("interrupted", err.kind)
    assert.equal("connection reset", err.message)
    assert.equal("Hel", err.partial.text)
    assert.equal("broken", err.partial.outcome)
    assert.is_true(err.retryable)
  end)

  it("joins reasoning, refusals and tool calls", function()
    local reply = chat(fake.items({
      [[{"choices":[{"index":0,"delta":{"reasoning_content":"think"}}]}]],
      [[{"choices":[{"index":0,"delta":{"reasoning_content":"ing"}}]}]],
      [[{"choices":[{"index":0,"delta":{"refusal":"no"}}]}]],
      [[{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":]]
        .. [[{"name":"f","arguments":"{\"x\":"}}]}}]}]],
      [[{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":]]
        .. [[{"arguments":"1}"}}]}}]}]],
      finish("tool_calls"),
    })):result()
    assert.equal("thinking", reply.reasoning)
    assert.equal("no", reply.refusal)
    assert.same({ { id = "a", name = "f", kind = "function", arguments = "{\"x\":1}" } },
      reply.tool_calls)
    assert.equal("tool_calls", reply.finish_reason)
  end)
end)

describe("stream:partial", function()
  it("has everything received so far, and takes no event from anyone", function()
    local stream = chat({
      { "event", START }, { "text", "Hel" }, { "text", "lo" }, { "wait", 1 }, { "text", "!" },
      { "event", STOP }, { "end", "done" },
    })
    assert.equal("start", stream:next().type)
    local partial = stream:partial()
    assert.equal("Hello", partial.text)
    assert.is_nil(partial.outcome)
    assert.equal("text text text done", (types_of(stream)))
    assert.equal("Hello!", stream:partial().text)
    assert.equal("complete", stream:partial().outcome)
  end)

  it("leaves the order of the text as it was", function()
    local stream = chat({
      { "text", "a" }, { "text", "b" }, { "wait", 1 }, { "text", "c" }, { "event", STOP },
      { "end", "done" },
    })
    local pieces = {}
    for piece in stream:text() do
      pieces[#pieces + 1] = piece
      assert.truthy(stream:partial().text:find(table.concat(pieces), 1, true) == 1)
      fake.engine():step(0)
      fake.clock = fake.clock + 1
    end
    assert.same({ "a", "b", "c" }, pieces)
  end)

  it("works before the first byte and after a failure", function()
    local stream = chat({ { "wait", 1 }, { "end", "failed",
      { kind = "connect", message = "refused", retryable = true } } })
    assert.equal("", stream:partial().text)
    local _, err = stream:result()
    assert.equal("connect", err.kind)
    assert.equal("", stream:partial().text)
    assert.equal("broken", stream:partial().outcome)
  end)
end)

describe("stream:close", function()
  it("keeps what was received, and is an error to whoever reads on", function()
    local stream = chat({ { "event", START }, { "text", "Hel" }, { "text", "lo" }, { "wait", 9 } })
    stream:next()
    stream:close()
    stream:close()
    assert.equal(1, fake.last().closes)
    assert.equal("Hello", stream:partial().text)
    assert.equal("cancelled", stream:partial().outcome)
    local event, err = stream:next()
    assert.is_nil(event)
    assert.equal("cancelled", err.kind)
    assert.equal("Hello", err.partial.text)
    local reply, same = stream:result()
    assert.is_nil(reply)
    assert.equal(err, same)
  end)

  it("after the end changes nothing", function()
    local stream = chat(fake.items({ text("a"), STOP }))
    stream:result()
    stream:close()
    assert.is_nil((stream:next()))
    assert.is_nil(select(2, stream:next()))
    assert.equal("complete", stream:result().outcome)
  end)
end)

describe("how a stream ended", function()
  local function outcome_of(payloads, ending, failure, request)
    local reply, err = chat(fake.items(payloads, ending, failure), request):result()
    return reply and reply.outcome or err.partial.outcome, err
  end

  local RESET = { kind = "interrupted", message = "reset" }

  it("is complete with finish reason and terminator, or with one of them", function()
    assert.equal("complete", (outcome_of({ text("a"), STOP }, "done")))
    assert.equal("complete", (outcome_of({ text("a"), STOP }, "eof")))
    assert.equal("complete", (outcome_of({ text("a") }, "done")))
  end)

  it("is complete when the connection breaks after the finish reason", function()
    assert.equal("complete", (outcome_of({ text("a"), STOP }, "cut", RESET)))
    assert.equal("complete", (outcome_of({ text("a"), STOP }, "failed",
      { kind = "timeout", phase = "idle" })))
  end)

  it("says in the metrics that no finish reason came", function()
    local stream = chat(fake.items({ text("a") }, "done"))
    stream:result()
    assert.is_true(stream:metrics().unmarked)
    stream = chat(fake.items({ text("a"), STOP }, "done"))
    stream:result()
    assert.is_false(stream:metrics().unmarked)
  end)

  it("is truncated without finish reason and terminator, and without anything", function()
    assert.equal("truncated", (outcome_of({ text("a") }, "eof")))
    assert.equal("truncated", (outcome_of({ START }, "done")))
    assert.equal("truncated", (outcome_of({}, "eof")))
    local outcome, err = outcome_of({}, "done")
    assert.equal("truncated", outcome)
    assert.equal("interrupted", err.kind)
  end)

  it("is broken when the connection broke before the finish reason", function()
    local outcome, err = outcome_of({ text("a") }, "cut", RESET)
    assert.equal("broken", outcome)
    assert.equal("interrupted", err.kind)
    outcome, err = outcome_of({ text("a") }, "failed", { kind = "timeout", phase = "progress" })
    assert.equal("broken", outcome)
    assert.equal("no further output for 300 s (timeout.progress)", err.message)
    outcome, err = outcome_of({ text("a"), STOP }, "failed", { kind = "limit", message = "event" })
    assert.equal("broken", outcome)
    assert.equal("limit", err.kind)
  end)

  it("takes the finish reasons of all choices", function()
    local other = [[{"choices":[{"index":1,"delta":{"content":"B"}}]}]]
    assert.equal("truncated", (outcome_of({ text("a"), other, STOP }, "eof", nil, { n = 2 })))
    assert.equal("truncated", (outcome_of({ text("a"), STOP }, "eof", nil, { n = 2 })))
    assert.equal("truncated", (outcome_of({ text("a"), other, finish("stop", 1) }, "eof")))
    assert.equal("complete",
      (outcome_of({ text("a"), other, STOP, finish("stop", 1) }, "eof", nil, { n = 2 })))
    assert.equal("complete", (outcome_of({ text("a"), STOP }, "done", nil, { n = 2 })))
  end)

  it("is length or filtered by the finish reason, and no error", function()
    assert.equal("length", (outcome_of({ text("a"), finish("length") })))
    local outcome, err = outcome_of({ text("a"), finish("content_filter") })
    assert.equal("filtered", outcome)
    assert.is_nil(err)
  end)

  it("is provider_error when the finish reason says so", function()
    for _, reason in ipairs({ "error", "insufficient_system_resource" }) do
      local outcome, err = outcome_of({ text("a"), finish(reason) })
      assert.equal("provider_error", outcome)
      assert.equal("api", err.kind)
      assert.equal(reason, err.code)
      assert.equal("a", err.partial.text)
    end
  end)

  it("is cancelled when the finish reason says so", function()
    local outcome, err = outcome_of({ text("a"), finish("cancelled") })
    assert.equal("cancelled", outcome)
    assert.equal("cancelled", err.kind)
    assert.equal("a", err.partial.text)
  end)

  it("is provider_error for an HTTP error", function()
    local outcome, err = outcome_of({}, "failed", { kind = "http", status = 401,
      body = [[{"error":{"message":"bad key sk-secret-key"}}]] })
    assert.equal("provider_error", outcome)
    assert.equal("rill: auth: HTTP 401: bad key [redacted]", tostring(err))
  end)

  it("is truncated when a tool call is not whole JSON, unless the length was reached", function()
    local open = [[{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a",]]
      .. [["function":{"name":"f","arguments":"{\"x\":"}}]}}]}]]
    local outcome, err = outcome_of({ open, finish("tool_calls") })
    assert.equal("truncated", outcome)
    assert.equal("the arguments of the tool call 'f' are not complete JSON", err.message)
    assert.equal("{\"x\":", err.partial.tool_calls[1].arguments)
    assert.equal("truncated", (outcome_of({ open }, "done")))
    assert.equal("length", (outcome_of({ open, finish("length") })))
  end)

  it("takes a tool call without arguments, and a custom one, for whole", function()
    assert.equal("complete", (outcome_of({
      [[{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a",]]
        .. [["function":{"name":"f","arguments":""}},{"index":1,"id":"b",]]
        .. [["custom":{"name":"g","input":"not JSON"}}]}}]}]], finish("tool_calls") })))
  end)
end)

describe("an error inside the stream", function()
  it("ends it with kind api, the server's words and the partial reply", function()
    local stream = chat({ { "text", "Hel" },
      { "event", [[{"error":{"message":"upstream died, sk-secret-key","code":502}}]] },
      { "text", "never" }, { "end", "done" } })
    local pieces, err = drain_text(stream)
    assert.same({ "Hel" }, pieces)
    assert.equal("api", err.kind)
    assert.equal("upstream died, [redacted]", err.message)
    assert.equal("502", err.code)
    assert.equal("Hel", err.partial.text)
    assert.equal("provider_error", err.partial.outcome)
    assert.is_true(fake.last().closes > 0)
    assert.equal("Hel", stream:partial().text)
    assert.is_nil((stream:next()))
    assert.same({}, (drain_text(stream)))
  end)

  it("may be an event named error, flat, nested or text", function()
    for payload, message in pairs({
      [ [[{"message":"m","code":"c"}]] ] = "m", [ [[{"error":{"message":"m"}}]] ] = "m",
      ["it broke"] = "it broke",
    }) do
      local reply, err = chat({ { "text", "a" }, { "event", payload, "error" } }):result()
      assert.is_nil(reply)
      assert.equal("api", err.kind)
      assert.equal(message, err.message)
    end
  end)

  it("does not keep what came before it from being read", function()
    local stream = chat({ { "event", START }, { "text", "a" },
      { "event", [[{"error":{"message":"m"}}]] } })
    fake.engine():step(0)
    assert.equal("a", stream:partial().text)
    local types, err = types_of(stream)
    assert.equal("start text", types)
    assert.equal("m", err.message)
  end)
end)

describe("a malformed chunk", function()
  it("is counted and reported, and the stream goes on", function()
    local stream = chat({ { "text", "a" }, { "event", "{\"choices\":[" }, { "event", "7" },
      { "text", "b" }, { "event", STOP }, { "end", "done" } })
    assert.equal("a", stream:next().text)
    local event = stream:next()
    assert.equal("other", event.type)
    assert.is_true(event.malformed)
    assert.equal("{\"choices\":[", event.raw_text)
    assert.truthy(event.message:find("Expected", 1, true))
    assert.is_nil(event.raw)
    assert.is_true(stream:next().malformed)
    assert.equal("b", stream:next().text)
    assert.equal("ab", stream:result().text)
    assert.equal(2, stream:metrics().malformed)
  end)

  it("ends the stream at the limit, with the partial reply", function()
    local stream = chat({ { "text", "a" }, { "event", "{" }, { "event", "{" }, { "event", "{" },
      { "text", "b" }, { "end", "done" } })
    local pieces, err = drain_text(stream)
    assert.same({ "a" }, pieces)
    assert.equal("malformed", err.kind)
    assert.equal("a", err.partial.text)
    assert.truthy(err.message:find("3 chunks were not JSON (limits.malformed)", 1, true))
    assert.is_true(fake.last().closes > 0)
    assert.equal("a", stream:partial().text)
  end)

  it("ends the stream sooner if the request says so", function()
    local _, err = chat({ { "event", "{" } }, { limits = { malformed = 1 } }):result()
    assert.equal("malformed", err.kind)
  end)
end)

describe("a retry", function()
  it("is an event, and the reply begins anew", function()
    local stream = chat({
      { "event", START }, { "event", USAGE }, { "text", "lost" },
      { "retry", 2, 1.5, "HTTP 503 sk-secret-key" },
      { "event", [[{"id":"c2","choices":[{"index":0,"delta":{"content":""}}]}]] },
      { "text", "a" }, { "event", STOP }, { "end", "done" },
    })
    local types = {}
    local event = stream:next()
    while event.type ~= "retry" do
      types[#types + 1] = event.type
      event = stream:next()
    end
    assert.same({ "start", "usage", "text" }, types)
    assert.same({ 2, 1.5, "HTTP 503 [redacted]" }, { event.attempt, event.delay, event.reason })
    assert.equal("start text done", (types_of(stream)))
    local reply = stream:result()
    assert.equal("c2", reply.id)
    assert.equal("a", reply.text)
    assert.is_nil(reply.usage)
    assert.equal(1, stream:metrics().retries)
  end)
end)

describe("stream:metrics", function()
  it("has times, counts, tokens and the cost", function()
    ai = rill.client({ gateway = "holysheep", api_key = "k" })
    local stream = chat({
      { "event", START }, { "wait", 2 }, { "text", "a" }, { "wait", 1 }, { "text", "b" },
      { "wait", 1 }, { "event", STOP }, { "event", USAGE }, { "end", "done" },
    }, { model = "gpt-4.1" })
    stream:result()
    local m = stream:metrics()
    assert.equal(2, m.ttft)
    assert.equal(4, m.duration)
    assert.equal(2, m.deltas)
    assert.equal(2, m.tokens_per_second)
    assert.equal(7, m.input_tokens)
    assert.equal(2, m.output_tokens)
    assert.equal(9 * 8 / 1e6, m.cost)
    assert.equal(1, m.attempts)
    assert.equal(0, m.retries)
    assert.equal("complete", m.outcome)
  end)

  it("has the times that Ollama has measured", function()
    ai = rill.client({ base_url = "https://x.test", provider = "ollama" })
    local stream = chat({
      { "event", [[{"model":"m","message":{"content":"a"},"done":false}]] },
      { "event", [[{"message":{"content":""},"done":true,"eval_count":2,]]
        .. [["eval_duration":3000000000,"total_duration":4500000000}]] },
      { "end", "done" },
    })
    assert.equal("complete", stream:result().outcome)
    assert.same({ eval = 3, total = 4.5 }, stream:metrics().durations)
  end)

  it("has no cost and no rate where the price or the usage is missing", function()
    local stream = chat(fake.items({ text("a"), STOP, USAGE }))
    stream:result()
    assert.is_nil(stream:metrics().cost)
    ai = rill.client({ gateway = "holysheep", api_key = "k" })
    stream = chat(fake.items({ text("a"), STOP }), { model = "gpt-4.1" })
    stream:result()
    assert.is_nil(stream:metrics().cost)
    assert.is_nil(stream:metrics().tokens_per_second)
  end)

  it("takes the caller's prices, and the answering model's where the asked one has none", function()
    ai = rill.client({ gateway = "holysheep", api_key = "k",
      prices = { ["m-1"] = { input = 1, output = 10 } } })
    local stream = chat(fake.items({ text("a"), STOP, USAGE, START }), { model = "gpt-4.1" })
    stream:result()
    assert.equal((7 + 20) / 1e6, stream:metrics().cost)
  end)

  it("counts what Lua has decoded too", function()
    local stream = chat(fake.items({ text("a"),
      [[{"choices":[{"index":0,"delta":{"reasoning_content":"r","content":"b"}}]}]], STOP }))
    stream:result()
    assert.equal(3, stream:metrics().deltas)
  end)

  it("can be had while the stream runs", function()
    local stream = chat({ { "wait", 5 }, { "text", "a" } })
    fake.clock = 103
    assert.equal(3, stream:metrics().duration)
    assert.is_nil(stream:metrics().ttft)
    assert.same({ { started = 0 } }, stream:attempts())
  end)
end)

describe("stream:run", function()
  it("calls on_delta with the text so far and its last piece, then on_complete", function()
    local calls = {}
    local function note(name)
      return function(...)
        calls[#calls + 1] = { name, ... }
      end
    end
    local stream = chat(fake.items({ START, text("Hel"), text("lo"), STOP }), nil,
      { on_delta = note("delta"), on_complete = note("complete"), on_error = note("error") })
    local reply = stream:run()
    assert.same({ { "delta", "Hel", "Hel" }, { "delta", "Hello", "lo" },
      { "complete", "Hello", reply } }, calls)
  end)

  it("calls on_error and returns nil and the error", function()
    local seen
    local reply, err = chat({ { "text", "a" }, { "end", "eof" } }, nil,
      { on_error = function(e) seen = e end }):run()
    assert.is_nil(reply)
    assert.equal("interrupted", err.kind)
    assert.equal(err, seen)
  end)

  it("needs no callback", function()
    assert.equal("a", chat(fake.items({ text("a"), STOP })):run().text)
  end)
end)

describe("a stream", function()
  it("says what it is, without secrets", function()
    local stream = chat(fake.items({ text("a"), STOP }))
    assert.equal("rill.stream: m, running", tostring(stream))
    stream:result()
    assert.equal("rill.stream: m, complete", tostring(stream))
    assert.equal("rill.stream", getmetatable(stream).__name)
  end)
end)
