-- Chunks of every shape that the providers behind the openai format send.

local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

-- An answer around some chunks, each a JSON text or a table.
local function answer(...)
  local parts = { sse.role() }
  for _, chunk in ipairs({ ... }) do
    parts[#parts + 1] = sse.event(chunk)
  end
  parts[#parts + 1] = sse.finish() .. sse.done()
  return table.concat(parts)
end

local function choice(delta, rest)
  return ('{"id":"c1","model":"m1","choices":[{"index":0,"delta":%s%s}]}'):format(delta, rest or "")
end

local function assert_fine(seen, text)
  assert.is_nil(seen.err)
  assert.are.equal("complete", seen.reply.outcome)
  assert.are.equal(text, seen.text)
  assert.are.equal(text, seen.reply.text)
end

describe("a chunk", function()
  it("may have content null, missing or empty", function()
    local seen = ask.play(sse.event(choice('{"role":"assistant","content":null}'))
      .. answer(choice('{"content":null}'), choice("{}"), choice('{"content":""}'),
        choice('{"content":"x"}'), choice("null"), '{"choices":[{"index":0}]}'))
    assert_fine(seen, "x")
    assert.are.equal("c1", seen.reply.id)
    assert.are.equal("m1", seen.reply.model)
  end)

  it("may be without choices: Azure's filter results, usage, nothing at all", function()
    local seen = ask.play(
      sse.event('{"choices":[],"prompt_filter_results":[{"prompt_index":0}],"id":"","model":""}')
      .. answer(choice('{"content":"x"}'), '{"choices":null}', "{}",
        '{"choices":[{"content_filter_offsets":{"check_offset":1},"content_filter_results":{},'
        .. '"finish_reason":null,"index":0}]}')
    )
    assert_fine(seen, "x")
    assert.are.equal("chatcmpl-spec", seen.reply.id)
  end)

  it("may carry usage each time; the last one counts, and is told at the end", function()
    local function with_usage(text, count)
      return ('{"choices":[{"index":0,"delta":{"content":"%s"}}],"usage":{"prompt_tokens":5,'
        .. '"completion_tokens":%d,"total_tokens":%d}}'):format(text, count, 5 + count)
    end
    local seen = ask.play(answer(with_usage("a", 1), with_usage("b", 2), with_usage("c", 3)))
    assert_fine(seen, "abc")
    assert.are.equal("start text text text usage done", seen.types)
    assert.same({ input_tokens = 5, output_tokens = 3, total_tokens = 8 }, seen.reply.usage)
  end)

  it("may hide its usage where Groq and Moonshot put it", function()
    local groq = '{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":7,'
      .. '"completion_tokens":2,"total_tokens":9}}}'
    assert.are.equal(9, ask.play(answer(choice('{"content":"x"}'), groq)).reply.usage.total_tokens)
    local moonshot = choice("{}", ',"usage":{"prompt_tokens":3,"completion_tokens":1}')
    local usage = ask.play(answer(choice('{"content":"x"}'), moonshot)).reply.usage
    assert.same({ input_tokens = 3, output_tokens = 1, total_tokens = 4 }, usage)
  end)

  it("may carry usage before the finish reason, after it and after nothing", function()
    local usage = sse.usage(4, 2, 3, 1)
    for _, bytes in ipairs({
      sse.role() .. sse.chunk("x") .. usage .. sse.finish() .. sse.done(),
      sse.role() .. sse.chunk("x") .. sse.finish() .. usage .. sse.done(),
      sse.role() .. sse.chunk("x") .. sse.finish() .. usage,
    }) do
      local seen = ask.play(bytes)
      assert_fine(seen, "x")
      assert.same({
        input_tokens = 4, output_tokens = 2, total_tokens = 6, cached_tokens = 3,
        reasoning_tokens = 1,
      }, seen.reply.usage)
    end
  end)

  it("may carry reasoning by three names", function()
    for _, name in ipairs({ "reasoning_content", "reasoning", "reasoning_text" }) do
      local seen = ask.play(answer(
        choice(('{"%s":"Let me "}'):format(name)),
        choice(('{"content":null,"%s":"see."}'):format(name)),
        choice(('{"content":"42","%s":null}'):format(name))
      ))
      assert_fine(seen, "42")
      assert.are.equal("start reasoning reasoning text done", seen.types)
      assert.are.equal("Let me see.", seen.reply.reasoning)
    end
  end)

  it("may carry reasoning and text at once, in that order", function()
    local seen = ask.play(answer(choice('{"content":"b","reasoning_content":"a"}')))
    assert_fine(seen, "b")
    assert.are.equal("start reasoning text done", seen.types)
  end)

  it("may carry a list of parts in place of a text, thoughts among them", function()
    local seen = ask.play(answer(
      choice('{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Let me "}]}]}'),
      choice('{"content":[{"type":"thinking","thinking":"see."},{"type":"text","text":"4"}]}'),
      choice('{"content":"2"}')
    ))
    assert_fine(seen, "42")
    assert.are.equal("Let me see.", seen.reply.reasoning)
  end)

  it("may be padded with obfuscation of any length", function()
    local chunks = {}
    for i = 1, 20 do
      chunks[i] = ('{"choices":[{"index":0,"delta":{"content":"%d,"}}],"obfuscation":"%s"}')
        :format(i, ("aZ9"):rep(i))
    end
    local unpack = table.unpack or unpack -- luacheck: ignore
    local seen = ask.play(answer(unpack(chunks)))
    assert_fine(seen, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,")
  end)

  it("may be of a type nobody knows: an event of type other, with its payload", function()
    local seen = ask.play(answer(
      '{"type":"keepalive","sequence_number":3}', '{"object":"ping"}', choice('{"content":"x"}')
    ))
    assert_fine(seen, "x")
    assert.are.equal("start other other text done", seen.types)
    assert.are.equal("keepalive", seen.events[2].raw.type)
  end)

  it("may carry several choices, in one chunk and in several", function()
    local stream = ask.chat({
      sse.role(0) .. sse.role(1) .. sse.chunk("a", 0) .. sse.chunk("A", 1)
      .. sse.event('{"choices":[{"index":1,"delta":{"content":"B"}},'
        .. '{"index":0,"delta":{"content":"b"}}]}')
      .. sse.finish("stop", 1) .. sse.finish("stop", 0) .. sse.done(),
    }, nil, { n = 2 })
    local seen = ask.read(stream)
    assert.is_nil(seen.err)
    assert.are.equal("ab", seen.reply.text)
    assert.are.equal("ab", seen.reply.choices[1].text)
    assert.are.equal("AB", seen.reply.choices[2].text)
    local order = {}
    for _, event in ipairs(seen.events) do
      order[#order + 1] = event.type == "text" and event.choice .. event.text or nil
    end
    assert.are.equal("0a 1A 1B 0b", table.concat(order, " "))
  end)

  it("may hold escapes, surrogate pairs, NUL and other scripts", function()
    local seen = ask.play(answer(
      choice([[{"content":"\"\\\/\b\f\n\r\t"}]]), choice([[{"content":"\ud83d\ude00"}]]),
      choice([[{"content":"\u0e0a\u0e32\u0000\u001f"}]]), choice('{"content":"ชา ☕"}')
    ))
    assert_fine(seen, "\"\\/\b\f\n\r\t😀ชา\0\31ชา ☕")
  end)

  it("may hold half a surrogate pair, for which no text beside it is lost", function()
    local seen = ask.play(answer(choice([[{"content":"a\ud83d"}]]),
      choice([[{"content":"\ude00b\\ud83d"}]]), choice([[{"content":"\ud83d\u0041\ud83d\ude00"}]])))
    assert_fine(seen, "a\239\191\189\239\191\189b\\ud83d\239\191\189A😀")
  end)

  it("may be 12 MiB long", function()
    local image = ("QUJD"):rep(3 * 1024 * 1024)
    local seen = ask.play(answer(choice('{"content":"x"}'),
      choice('{"images":[{"b64":"' .. image .. '"}]}'), choice('{"content":"y"}')))
    assert_fine(seen, "xy")
    assert.are.equal("start text other text done", seen.types)
    assert.are.equal(#image, #seen.events[3].raw.choices[1].delta.images[1].b64)
  end)
end)

describe("a tool call", function()
  local function tool(json)
    return choice('{"tool_calls":[' .. json .. "]}")
  end

  local function calls_of(...)
    local parts = { sse.role() }
    for _, chunk in ipairs({ ... }) do
      parts[#parts + 1] = sse.event(chunk)
    end
    parts[#parts + 1] = sse.finish("tool_calls") .. sse.done()
    local seen = ask.play(table.concat(parts))
    assert.is_nil(seen.err)
    local list = {}
    for i, call in ipairs(seen.reply.tool_calls) do
      list[i] = ("%s %s %s"):format(call.id or "-", call.name or "-", call.arguments)
    end
    return table.concat(list, " | "), seen
  end

  it("comes in pieces, and once more when it is whole", function()
    local calls, seen = calls_of(
      tool('{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}'),
      tool('{"index":0,"function":{"arguments":"{\\"x\\":"}}'),
      tool('{"index":0,"function":{"arguments":"1}"}}')
    )
    assert.are.equal('a f {"x":1}', calls)
    assert.are.equal("start tool_call tool_call tool_call tool_call done", seen.types)
    local last = seen.events[#seen.events - 1]
    assert.is_true(last.done)
    assert.are.equal('{"x":1}', last.arguments)
    assert.are.equal("tool_calls", seen.reply.finish_reason)
  end)

  it("is told from its neighbour by the index, whatever the order of the pieces", function()
    assert.are.equal('a f {"x":1} | b g {"y":2}', (calls_of(
      tool('{"index":0,"id":"a","function":{"name":"f","arguments":"{\\"x\\""}}'),
      tool('{"index":1,"id":"b","function":{"name":"g","arguments":"{\\"y\\""}}'),
      tool('{"index":0,"function":{"arguments":":1}"}}'),
      tool('{"index":1,"function":{"arguments":":2}"}}')
    )))
  end)

  it("is told from its neighbour by the id where every index is 0 or none is there", function()
    for _, index in ipairs({ '"index":0,', "", '"index":null,' }) do
      assert.are.equal("a f {} | b g []", (calls_of(
        tool("{" .. index .. '"id":"a","function":{"name":"f","arguments":"{}"}}'),
        tool("{" .. index .. '"id":"b","function":{"name":"g","arguments":"[]"}}')
      )), index)
    end
  end)

  it("may be without an id, without a name, without both", function()
    assert.are.equal("- f {}", (calls_of(
      tool('{"index":0,"function":{"name":"f","arguments":"{}"}}'))))
    assert.are.equal("a - {}", (calls_of(
      tool('{"index":0,"id":"a","function":{"arguments":"{}"}}'))))
    assert.are.equal("- - {}", (calls_of(
      tool('{"index":0,"function":{"arguments":"{"}}'),
      tool('{"index":0,"function":{"arguments":"}"}}'))))
  end)

  it("may have an empty id or null in the pieces that follow", function()
    assert.are.equal("a f {}", (calls_of(
      tool('{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}'),
      tool('{"index":0,"id":"","type":null,"function":{"name":null,"arguments":"}"}}')
    )))
  end)

  it("may be custom, whose input need not be JSON", function()
    local calls, seen = calls_of(
      tool('{"index":0,"id":"a","type":"custom","custom":{"name":"sql","input":"select "}}'),
      tool('{"index":0,"custom":{"input":"1"}}')
    )
    assert.are.equal("a sql select 1", calls)
    assert.are.equal("custom", seen.reply.tool_calls[1].kind)
  end)

  it("may be a function_call, as before there were tools", function()
    assert.are.equal("- f {}", (calls_of(choice('{"function_call":{"name":"f","arguments":"{"}}'),
      choice('{"function_call":{"arguments":"}"}}'))))
  end)
end)
