local by_name = require("spec.support.by_name")
local expected_of = require("spec.support.expected")
local fixtures = require("spec.support.fixtures")
local gemini = require("rill.providers.gemini")
local json = require("rill.json").default()
local reading = require("spec.support.reading")

-- The events of chunks, and what an error says.
local function events(chunks, options)
  local read = reading.read(gemini, chunks, options)
  return read.events, read.said
end

local function parts(list, rest)
  return "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" .. list .. "]}"
    .. (rest or "") .. "}]}"
end

local function finish(word)
  return "{\"candidates\":[{\"finishReason\":\"" .. word .. "\"}],\"responseId\":\"r\"}"
end

-- Of a type, without it.
local function only(list, kind)
  local found = {}
  for _, event in ipairs(list) do
    if event.type == kind then
      event.type = nil
      found[#found + 1] = event
    end
  end
  return found
end

describe("the start of a Gemini stream", function()
  it("is said once, with id and model", function()
    assert.same({ { type = "start", id = "r", model = "m" }, { type = "other" } }, events({
      "{\"responseId\":\"r\",\"modelVersion\":\"m\"}", "{\"responseId\":\"r\"}",
    }))
  end)
end)

describe("a part", function()
  it("is text, or reasoning if it is a thought", function()
    assert.same({ { type = "reasoning", text = "hm" }, { type = "text", text = "a" } },
      events({ parts("{\"text\":\"hm\",\"thought\":true},{\"text\":\"a\"}") }))
  end)

  it("without any text says nothing", function()
    assert.same({ { type = "other" } }, events({ parts("{\"text\":\"\"}") }))
  end)

  it("may be audio, which is decoded", function()
    assert.same({ { type = "audio", data = "beep" } }, events({
      parts("{\"inlineData\":{\"mimeType\":\"audio/L16;rate=24000\",\"data\":\"YmVlcA==\"}}"),
    }))
  end)

  it("that is an image or unknown is passed on as other", function()
    assert.same({ { type = "other" }, { type = "other" } }, events({
      parts("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"YQ==\"}},"
        .. "{\"brand\":{\"new\":1}}"),
    }))
  end)

  it("of code that the provider runs is a call of its own kind, its result other", function()
    local list = events({ parts("{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}},"
      .. "{\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\",\"output\":\"1\"}}"),
      finish("STOP") })
    local function call(is_done)
      return { type = "tool_call", index = 0, id = list[1].id, name = "code_execution",
        kind = "server", arguments = "{\"code\":\"1\",\"language\":\"PYTHON\"}", done = is_done }
    end
    assert.same({ call(false), call(true), { type = "other" } }, { list[1], list[2], list[3] })
    assert.equal("stop", list[#list].finish_reason)
  end)

  it("of another tool of the provider's carries the tool's name", function()
    local list = only(events({
      parts("{\"toolCall\":{\"toolType\":\"GOOGLE_SEARCH\",\"id\":\"t\",\"args\":{\"q\":\"x\"}}}"),
    }), "tool_call")
    assert.same({ index = 0, id = "t", name = "GOOGLE_SEARCH", kind = "server",
      arguments = "{\"q\":\"x\"}", done = true }, list[2])
  end)
end)

describe("a function call", function()
  it("comes whole, once in pieces and once done", function()
    local function call(is_done)
      return {
        index = 0, id = "c", name = "f", kind = "function", arguments = "{\"a\":1}", done = is_done,
      }
    end
    local list = events({
      parts("{\"functionCall\":{\"id\":\"c\",\"name\":\"f\",\"args\":{\"a\":1}}}"),
    })
    assert.same({ call(false), call(true) }, only(list, "tool_call"))
  end)

  it("without an id gets one of its own, and without arguments empty ones", function()
    local list = only(events({ "{\"responseId\":\"r\"}",
      parts("{\"functionCall\":{\"name\":\"f\"}},{\"functionCall\":{\"name\":\"f\",\"args\":{}}}"),
    }), "tool_call")
    assert.same({ "call_r_0", 0, "{}" }, { list[2].id, list[2].index, list[2].arguments })
    assert.same({ "call_r_1", 1, "{}" }, { list[4].id, list[4].index, list[4].arguments })
  end)

  it("makes STOP mean tool_calls, and MAX_TOKENS still length", function()
    local call = parts("{\"functionCall\":{\"name\":\"f\"}}")
    local list = events({ call, finish("STOP") })
    assert.same({ "tool_calls", "STOP" },
      { list[#list].finish_reason, list[#list].native_finish_reason })
    list = events({ call, finish("MAX_TOKENS") })
    assert.equal("length", list[#list].finish_reason)
  end)

  it("may come in parts, each with its place in the arguments", function()
    local function piece(partial, goes_on)
      return parts("{\"functionCall\":{\"partialArgs\":[" .. partial .. "]"
        .. (goes_on and ",\"willContinue\":true" or "") .. "}}")
    end
    local list = only(events({
      parts("{\"functionCall\":{\"name\":\"f\",\"id\":\"c\",\"willContinue\":true}}"),
      piece("{\"jsonPath\":\"$.a.b[1].c\",\"stringValue\":\"x\",\"willContinue\":true}", true),
      piece("{\"jsonPath\":\"$.a.b[1].c\",\"stringValue\":\"y\"},"
        .. "{\"jsonPath\":\"$.a.b[0]\",\"boolValue\":false}", true),
      piece("{\"jsonPath\":\"$['d e'].f\",\"numberValue\":2},{\"jsonPath\":\"$.g\"}"),
    }), "tool_call")
    assert.equal(3, #list)
    assert.same({ false, false, true }, { list[1].done, list[2].done, list[3].done })
    assert.equal("", list[1].arguments)
    assert.equal(list[3].arguments, list[2].arguments)
    assert.same({ a = { b = { false, { c = "xy" } } }, ["d e"] = { f = 2 } },
      json.decode(list[3].arguments))
  end)

  it("that nothing closes is closed by the next one, or by the end", function()
    local open = parts("{\"functionCall\":{\"name\":\"f\",\"willContinue\":true}}")
    local list = only(events({ open, open, finish("STOP") }), "tool_call")
    local done = {}
    for _, event in ipairs(list) do
      if event.done then
        done[#done + 1] = { event.index, event.arguments }
      end
    end
    assert.same({ { 0, "{}" }, { 1, "{}" } }, done)
  end)
end)

describe("the end of a choice", function()
  local reasons = {
    STOP = "stop", MAX_TOKENS = "length", SAFETY = "content_filter", RECITATION = "content_filter",
    BLOCKLIST = "content_filter", PROHIBITED_CONTENT = "content_filter", SPII = "content_filter",
    LANGUAGE = "content_filter", IMAGE_SAFETY = "content_filter",
    MALFORMED_FUNCTION_CALL = "error", UNEXPECTED_TOOL_CALL = "error",
    TOO_MANY_TOOL_CALLS = "error", NO_IMAGE = "error", OTHER = "error",
  }
  for word, meaning in by_name(reasons) do
    it(word .. " means " .. meaning, function()
      assert.same({ { finish_reason = meaning, native_finish_reason = word } },
        only(events({ finish(word) }), "done"))
    end)
  end

  it("by a reason that is new keeps its word", function()
    assert.same({ { finish_reason = "TIRED" } }, only(events({ finish("TIRED") }), "done"))
  end)

  it("is said by a blocked prompt too, which has no candidates", function()
    assert.same({ { finish_reason = "content_filter", native_finish_reason = "SAFETY" } },
      only(events({ "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}" }), "done"))
  end)

  it("is of its choice where there are several, and a missing index is 0", function()
    local chunk = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}},"
      .. "{\"index\":1,\"content\":{\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\"}]}"
    assert.same({
      { type = "text", text = "a", choice = 0 }, { type = "text", text = "b", choice = 1 },
      { type = "done", choice = 1, finish_reason = "stop", native_finish_reason = "STOP" },
    }, events({ chunk }, { has_several = true }))
  end)
end)

describe("sources", function()
  it("are told once though every chunk repeats them", function()
    local chunk = parts("", ",\"groundingMetadata\":{\"groundingChunks\":["
      .. "{\"web\":{\"uri\":\"u\",\"title\":\"t\"}},{\"web\":{\"uri\":\"v\"}}]},"
      .. "\"citationMetadata\":{\"citationSources\":[{\"uri\":\"w\",\"startIndex\":1}]}")
    assert.same({ { citation = { web = { uri = "u", title = "t" } } },
      { citation = { web = { uri = "v" } } }, { citation = { uri = "w", startIndex = 1 } } },
      only(events({ chunk, chunk }), "citation"))
  end)
end)

describe("log probabilities", function()
  it("go with the text of their chunk, in OpenAI's words", function()
    local list = events({ parts("{\"text\":\"a\"}", ",\"logprobsResult\":{\"chosenCandidates\":["
      .. "{\"token\":\"a\",\"logProbability\":-0.5}],\"topCandidates\":[{\"candidates\":["
      .. "{\"token\":\"a\",\"logProbability\":-0.5},{\"token\":\"b\",\"logProbability\":-2}]}]}") })
    assert.same({ { type = "text", text = "a", logprobs = { { token = "a", logprob = -0.5,
      top_logprobs = { { token = "a", logprob = -0.5 }, { token = "b", logprob = -2 } } } } } },
      list)
  end)
end)

describe("usage", function()
  it("counts tool prompts as input and thoughts as output", function()
    assert.same({ { input_tokens = 15, output_tokens = 27, total_tokens = 42, cached_tokens = 4,
      reasoning_tokens = 20 } }, only(events({ "{\"usageMetadata\":{\"promptTokenCount\":10,"
      .. "\"toolUsePromptTokenCount\":5,\"candidatesTokenCount\":7,\"thoughtsTokenCount\":20,"
      .. "\"cachedContentTokenCount\":4,\"totalTokenCount\":42}}" }), "usage"))
  end)

  it("takes a count that is left out for zero, and no counts at all for no usage", function()
    assert.equal(0, gemini.read_usage({ promptTokenCount = 3 }).output_tokens)
    assert.equal(3, gemini.read_usage({ promptTokenCount = 3 }).total_tokens)
    assert.is_nil(gemini.read_usage({ trafficType = "ON_DEMAND" }))
  end)
end)

describe("an error", function()
  it("says what Google says, also as the element of a list", function()
    local error_json = "{\"error\":{\"code\":429,\"message\":\"slow down\","
      .. "\"status\":\"RESOURCE_EXHAUSTED\"}}"
    local said = { message = "slow down", code = "429", type = "RESOURCE_EXHAUSTED" }
    assert.same(said, select(2, events({ error_json })))
    assert.same(said, select(2, events({ "[" .. error_json .. "]" })))
    assert.same({}, select(2, events({ "{\"error\":7}" })))
  end)
end)

describe("an answer that was not streamed", function()
  it("is read like a chunk, and a list of chunks one after another", function()
    local state = gemini.new_state(false)
    local list = gemini.whole(json.decode("[" .. parts("{\"text\":\"a\"}") .. ","
      .. parts("{\"text\":\"b\"}", ",\"finishReason\":\"STOP\"") .. "]"), state)
    assert.same({ "text", "text", "done" }, { list[1].type, list[2].type, list[3].type })
    assert.same({ "a", "b", "stop" }, { list[1].text, list[2].text, list[3].finish_reason })
  end)
end)

describe("what goes back to Gemini", function()
  local function native_of(chunks, hides_plain)
    local message = reading.read(gemini, chunks, { hides_plain = hides_plain }).reply:message()
    return message.native, message
  end

  it("is nothing for an answer of plain text", function()
    local native, message = native_of({ parts("{\"text\":\"a\"}"), finish("STOP") })
    assert.is_nil(native)
    assert.same({ role = "assistant", content = "a" }, message)
  end)

  local CHUNKS = {
    parts("{\"text\":\"hm\",\"thought\":true}"), parts("{\"text\":\" so\",\"thought\":true}"),
    parts("{\"text\":\"Both\"}"), parts("{\"text\":\" of\"}"),
    parts("{\"text\":\" them\",\"thoughtSignature\":\"S1\"},{\"text\":\"!\"}"),
    parts("{\"text\":\"?\"}"),
    parts("{\"functionCall\":{\"id\":\"c\",\"name\":\"f\",\"args\":{\"a\":1}},"
      .. "\"thoughtSignature\":\"S2\"},{\"functionCall\":{\"name\":\"g\",\"args\":{}}}"),
    parts("{\"text\":\" Well.\"}"),
    parts("{\"text\":\"\",\"thoughtSignature\":\"S3\"}", ",\"finishReason\":\"STOP\""),
  }

  for _, hides_plain in ipairs({ false, true }) do
    it("is every part in its place with its signature, " .. (hides_plain
      and "though plain text was not seen here" or "as events saw them"), function()
      local native, message = native_of(CHUNKS, hides_plain)
      assert.same({ format = "gemini", parts = {
        { text = "hm so", thought = true }, { text = "Both of" },
        { text = " them", thoughtSignature = "S1" }, { text = "!?" },
        { functionCall = { id = "c", name = "f", args = { a = 1 } }, thoughtSignature = "S2" },
        { functionCall = { name = "g", args = {} } },
        { text = " Well." }, { text = "", thoughtSignature = "S3" },
      } }, native)
      assert.equal("Both of them!? Well.", message.content)
    end)
  end

  it("keeps a signature of a thought with its thought", function()
    local native = native_of({
      parts("{\"text\":\"hm\",\"thought\":true,\"thoughtSignature\":\"S\"}"),
      parts("{\"text\":\" so\",\"thought\":true}"),
    })
    assert.same({ { text = "hm", thought = true, thoughtSignature = "S" },
      { text = " so", thought = true } }, native.parts)
  end)

  it("is a call that came in parts as one part, with its signature", function()
    local native = native_of({
      parts("{\"functionCall\":{\"name\":\"f\",\"willContinue\":true},\"thoughtSignature\":\"S\"}"),
      parts("{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.a\",\"stringValue\":\"x\"}],"
        .. "\"willContinue\":true}}"),
      parts("{\"functionCall\":{}}"),
    })
    assert.same({ { functionCall = { name = "f", args = { a = "x" } }, thoughtSignature = "S" } },
      native.parts)
  end)

  it("goes back verbatim, and its results carry the ids that Gemini gave", function()
    local read = reading.read(gemini, CHUNKS)
    local message = read.reply:message()
    local _, body = gemini.request({ decode = json.decode }, { model = "gemini-3-pro", messages = {
      { role = "user", content = "go" }, message,
      { role = "tool", tool_call_id = message.tool_calls[1].id, content = "1" },
      { role = "tool", tool_call_id = message.tool_calls[2].id, content = "2" },
    } })
    assert.same({
      { role = "user", parts = { { text = "go" } } },
      { role = "model", parts = message.native.parts },
      { role = "user", parts = {
        { functionResponse = { id = "c", name = "f", response = { output = "1" } } },
        { functionResponse = { name = "g", response = { output = "2" } } },
      } },
    }, body.contents)
  end)
end)

-- What a fixture's reply must be; arguments are compared as values.
local function check_totals(fixture, hides_plain)
  local expected = expected_of(fixture)
  local has_several = expected.choices["1"] ~= nil
  local read = reading.read(gemini, reading.lines(fixture.body),
    { has_several = has_several, hides_plain = hides_plain and not has_several })
  local choices = read.reply.choices or { read.reply }
  for index, choice in ipairs(choices) do
    local want = expected.choices[tostring(index - 1)]
    assert.is_true(fixtures.is_text(want.text, choice.text), fixture.name)
    assert.equal(want.reasoning or "", choice.reasoning or "", fixture.name)
    assert.equal(want.finish_reason, choice.finish_reason, fixture.name)
    assert.equal(#want.tool_calls, #choice.tool_calls, fixture.name)
    for i, call in ipairs(want.tool_calls) do
      local got = choice.tool_calls[i]
      assert.same({ call.name, json.decode(call.arguments) },
        { got.name, json.decode(got.arguments) })
      assert.equal(call.id or got.id, got.id)
    end
  end
  for name, value in pairs(hides_plain and {} or expected.usage or {}) do
    assert.equal(value, read.reply.usage[name], fixture.name .. ": " .. name)
  end
  assert.equal(expected.error and expected.error.message, read.said and read.said.message)
end

describe("a stream of Gemini's", function()
  local list = fixtures.recorded("gemini")
  for _, fixture in ipairs(fixtures.own()) do
    if fixture.api == "gemini" then
      list[#list + 1] = fixture
    end
  end

  for _, fixture in ipairs(list) do
    it(fixture.name .. " gives the totals that stand beside it", function()
      check_totals(fixture, false)
      check_totals(fixture, true)
    end)
  end

  it("in which anything is wrong never raises and always gives events", function()
    local seed = os.time()
    math.randomseed(seed)
    for _, fixture in ipairs(list) do
      for _ = 1, 200 do
        local state = gemini.new_state(math.random(2) == 1)
        state.encode = json.encode
        for _, line in ipairs(reading.lines(fixture.body)) do
          local chunk = reading.mutate(json.decode(line), math.random)
          local ok, result, said = pcall(gemini.events, chunk, state)
          assert.is_true(ok, ("seed %d: %s"):format(seed, tostring(result)))
          assert.truthy(result and result[1].type or said, "seed " .. seed)
        end
        local ok, problem = pcall(gemini.native, state, { text = "t", tool_calls = {} })
        assert.is_true(ok, ("seed %d: %s"):format(seed, tostring(problem)))
      end
    end
  end)
end)
