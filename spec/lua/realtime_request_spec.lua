local json_encode = require("rill.json_encode")
local requests = require("rill.providers.realtime_request")

local NULL = {}

local function settings(options)
  options.null = NULL
  return assert(requests.session(options))
end

local function items(message)
  return assert(requests.items(message, "messages[1]"))
end

local PCM = { type = "audio/pcm", rate = 24000 }

describe("the settings of a Realtime session", function()
  it("are audio both ways, without detection of turns, unless said otherwise", function()
    assert.same({
      type = "realtime", output_modalities = { "audio" },
      audio = { input = { format = PCM, turn_detection = NULL }, output = { format = PCM } },
    }, settings({}))
    local text = json_encode(settings({}), requests.arrays, NULL)
    assert.truthy(text:find('"turn_detection":null', 1, true))
  end)

  it("say who it is, how it speaks and what is wanted of it", function()
    assert.same({
      type = "realtime", instructions = "Be brief.", output_modalities = { "text" },
      audio = {
        input = {
          format = { type = "audio/pcmu" }, turn_detection = { type = "server_vad" },
          transcription = { model = "whisper-1" },
        },
        output = { format = { type = "audio/pcma" }, voice = "marin" },
      },
      speed = 2,
    }, settings({
      system = "Be brief.", output = "text", input_format = "g711_ulaw",
      turn_detection = "server_vad", transcribe = "whisper-1", output_format = "g711_alaw",
      voice = "marin", session = { speed = 2 },
    }))
  end)

  it("take detection as a table, and a transcriber that is good enough", function()
    local input = settings({
      transcribe = true, turn_detection = { type = "semantic_vad", eagerness = "low" },
    }).audio.input
    assert.same({ type = "semantic_vad", eagerness = "low" }, input.turn_detection)
    assert.same({ model = "gpt-4o-mini-transcribe" }, input.transcription)
  end)

  it("name functions without a wrapping, and leave the vendor's own tools as they are", function()
    local wire = settings({
      tools = {
        { type = "function", ["function"] = { name = "f", description = "d" } },
        { type = "mcp", server_label = "s" },
      },
    })
    assert.same({
      { type = "function", name = "f", description = "d",
        parameters = { type = "object", properties = {} } },
      { type = "mcp", server_label = "s" },
    }, wire.tools)
    local session, problem = requests.session({
      tools = { { type = "function", ["function"] = { name = "f", shape = 1 } } },
    })
    assert.is_nil(session)
    assert.truthy(problem:find("tools[1].function.shape", 1, true))
    assert.is_nil((requests.session({ tools = { { type = "custom", custom = { name = "f" } } } })))
  end)

  it("say how long a second of audio is", function()
    assert.equal(48000, requests.byte_rate(nil))
    assert.equal(8000, requests.byte_rate("g711_ulaw"))
  end)
end)

describe("an answer that a Realtime session asks for", function()
  it("has what of the request is not the session's", function()
    assert.same({
      tool_choice = { type = "function", name = "f" }, max_output_tokens = 50,
      metadata = { a = "b" },
    }, requests.response({
      model = "m", messages = {}, tools = {}, max_tokens = 50, metadata = { a = "b" }, n = 1,
      tool_choice = { type = "function", ["function"] = { name = "f" } },
    }))
    assert.same({ max_output_tokens = 9, tool_choice = "none" },
      requests.response({ max_tokens = 50, max_completion_tokens = 9, tool_choice = "none" }))
  end)

  it("says what it has no words for", function()
    local response, problem = requests.response({ temperature = 0.5 })
    assert.is_nil(response)
    assert.truthy(problem:find("'temperature' cannot be said in the realtime format", 1, true))
    assert.is_nil((requests.response({ n = 2 })))
  end)
end)

describe("a message of a Realtime conversation", function()
  it("is an item of text", function()
    local function message(role, kind)
      return { { type = "message", role = role, content = { { type = kind, text = "a" } } } }
    end
    assert.same(message("user", "input_text"), items({ role = "user", content = "a" }))
    assert.same(message("system", "input_text"), items({ role = "system", content = "a" }))
    assert.same(message("system", "input_text"), items({ role = "developer", content = "a" }))
    assert.same(message("assistant", "output_text"), items({ role = "assistant", content = "a" }))
  end)

  it("has pictures and audio for parts", function()
    assert.same({
      { type = "input_text", text = "a" },
      { type = "input_image", image_url = "data:image/png;base64,AA", detail = "low" },
      { type = "input_audio", audio = "AAAA" },
      { type = "input_audio", audio = "BBBB", transcript = "b" },
    }, items({ role = "user", content = {
      { type = "text", text = "a" },
      { type = "image_url", image_url = { url = "data:image/png;base64,AA", detail = "low" } },
      { type = "input_audio", input_audio = { data = "AAAA", format = "pcm16" } },
      { type = "input_audio", audio = "BBBB", transcript = "b" },
    } })[1].content)
  end)

  it("is a call, or the result of one", function()
    assert.same({
      { type = "message", role = "assistant", content = { { type = "output_text", text = "a" } } },
      { type = "function_call", call_id = "x", name = "f", arguments = "{}" },
    }, items({ role = "assistant", content = "a", tool_calls = {
      { id = "x", type = "function", ["function"] = { name = "f", arguments = "" } },
    } }))
    assert.same({ { type = "function_call_output", call_id = "x", output = "42" } },
      items({ role = "tool", tool_call_id = "x", content = "42" }))
  end)

  it("says where it cannot be said", function()
    for _, case in ipairs({
      { { role = "critic", content = "a" }, "messages[1] of role 'critic'" },
      { { role = "user", content = { { type = "video" } } }, "content[1] of type 'video'" },
      { { role = "user", content = { { type = "input_audio", input_audio = {
        data = "AA", format = "wav" } } } }, "session:append" },
      { { role = "user", content = "a", mood = 1 }, "messages[1].mood" },
      { { role = "tool", content = "a" }, "tool_call_id must be a string" },
      { { role = "assistant", tool_calls = { { id = "x" } } }, "tool_calls[1] must have" },
      { { role = "assistant", content = { { type = "image_url" } } }, "content[1]" },
    }) do
      local list, problem = requests.items(case[1], "messages[1]")
      assert.is_nil(list)
      assert.truthy(problem:find(case[2], 1, true), problem)
    end
  end)
end)
