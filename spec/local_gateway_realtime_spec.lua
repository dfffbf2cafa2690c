-- The local gateway speaks the Realtime API, event by event, to a client that knows nothing of
-- rill.

package.path = package.path .. ";./examples/?.lua"

local mime = require("mime")
local local_gateway = require("support.local_gateway")
local socket_client = require("spec.support.socket_client")

local gateway, slow

local joined, types = socket_client.joined, socket_client.types

-- A session whose first events are read; with changes, it is updated.
local function connect(changes, from)
  local client = socket_client.connect((from or gateway).socket_url .. "/realtime?model=m")
  assert.are.same({ "session.created", "conversation.created" },
    types(client:upto("conversation.created")))
  if changes then
    changes.type = "realtime"
    client:say({ type = "session.update", session = changes })
    client:upto("session.updated")
  end
  return client
end

local TEXT = { output_modalities = { "text" } }

local function ask(client, text)
  client:say({
    type = "conversation.item.create",
    item = { type = "message", role = "user", content = { { type = "input_text", text = text } } },
  })
  client:say({ type = "response.create" })
end

-- So many milliseconds of a tone, or of silence.
local function audio(milliseconds, level)
  local function half(value)
    return string.char(value % 256, math.floor(value % 65536 / 256)):rep(24)
  end
  return (half(level) .. half(-level)):rep(milliseconds / 2)
end

-- Sends audio in pieces of 20 ms.
local function speak(client, pcm)
  for from = 1, #pcm, 960 do
    client:say({
      type = "input_audio_buffer.append", audio = (mime.b64(pcm:sub(from, from + 959))),
    })
  end
end

local function last(list)
  return list[#list]
end

setup(function()
  gateway = local_gateway.start({ rate = 3000, answer = "You asked %s, and I say so." })
  slow = local_gateway.start({ rate = 40, answer = "%s " .. ("word "):rep(400) })
end)

teardown(function()
  gateway:stop()
  slow:stop()
end)

describe("a Realtime session of the local gateway", function()
  it("tells its settings, and how they were changed", function()
    local client = socket_client.connect(gateway.socket_url .. "/realtime?model=gpt-x")
    local session = client:event().session
    assert.are.equal("gpt-x", session.model)
    assert.are.same({ "audio" }, session.output_modalities)
    assert.are.equal("server_vad", session.audio.input.turn_detection.type)
    client:say({ type = "session.update", session = {
      type = "realtime", instructions = "be brief", output_modalities = { "text" },
      audio = { input = { turn_detection = { silence_duration_ms = 200 } } },
    } })
    session = last(client:upto("session.updated")).session
    assert.are.equal("be brief", session.instructions)
    assert.are.same({ "text" }, session.output_modalities)
    assert.are.equal(200, session.audio.input.turn_detection.silence_duration_ms)
    assert.are.equal(300, session.audio.input.turn_detection.prefix_padding_ms)
    assert.are.equal("audio/pcm", session.audio.output.format.type)
    client:close(1000)
  end)

  it("agrees on the subprotocol that browsers offer", function()
    local client = socket_client.connect(gateway.socket_url .. "/realtime", {
      headers = { "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.k" },
    })
    assert.truthy(client.head:find("Sec-WebSocket-Protocol: realtime\r\n", 1, true))
    client:close(1000)
  end)

  it("answers in text", function()
    local client = connect(TEXT)
    ask(client, "why?")
    local list = client:upto("response.done")
    assert.are.same({
      "conversation.item.added", "conversation.item.done", "response.created",
      "response.output_item.added", "conversation.item.added", "response.content_part.added",
      "response.output_text.delta", "response.output_text.done", "response.content_part.done",
      "conversation.item.done", "response.output_item.done", "response.done",
    }, types(list))
    local text = "You asked why?, and I say so."
    assert.are.equal(text, joined(list, "response.output_text.delta"))
    local response = last(list).response
    assert.are.equal("completed", response.status)
    assert.are.same({ { type = "output_text", text = text } }, response.output[1].content)
    assert.are.equal(response.usage.input_tokens + response.usage.output_tokens,
      response.usage.total_tokens)
    local ids = {}
    for _, event in ipairs(list) do
      assert.is_nil(ids[event.event_id])
      ids[event.event_id] = true
    end
    client:close(1000)
  end)

  it("answers in audio, with the words beside it", function()
    local client = connect()
    ask(client, "why?")
    local list = client:upto("response.done")
    local text = "You asked why?, and I say so."
    assert.are.equal(text, joined(list, "response.output_audio_transcript.delta"))
    local bytes, pieces = 0, 0
    for _, event in ipairs(list) do
      if event.type == "response.output_audio.delta" then
        local pcm = mime.unb64(event.delta)
        assert.are.equal(0, #pcm % 960)
        bytes, pieces = bytes + #pcm, pieces + 1
      end
    end
    -- Each character takes 40 ms.
    assert.are.equal(#text * 40 * 48, bytes)
    assert.is_true(bytes / pieces / 48 >= 100 and bytes / pieces / 48 <= 250)
    assert.are.same({ { type = "output_audio", transcript = text } },
      last(list).response.output[1].content)
    assert.is_true(last(list).response.usage.output_token_details.audio_tokens > 0)
    client:close(1000)
  end)

  it("hears when somebody speaks, and answers what it heard", function()
    local client = connect({ audio = { input = { transcription = { model = "x" } } } })
    speak(client, audio(400, 0) .. audio(1000, 3000) .. audio(700, 0))
    local list = client:upto("response.done")
    local started, stopped = list[1], list[2]
    assert.are.same({ "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
      "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
      "conversation.item.input_audio_transcription.delta",
      "conversation.item.input_audio_transcription.completed", "response.created",
    }, types({ list[1], list[2], list[3], list[4], list[5], list[6], list[7], list[8] }))
    assert.are.equal(100, started.audio_start_ms)
    assert.are.equal(1900, stopped.audio_end_ms)
    assert.are.equal(started.item_id, list[3].item_id)
    assert.are.equal("(1.8 s of speech)", list[7].transcript)
    assert.truthy(joined(list, "response.output_audio_transcript.delta")
      :find("(1.8 s of speech)", 1, true))
    client:close(1000)
  end)

  it("is deaf to silence and to a click", function()
    local client = connect()
    speak(client, audio(300, 0) .. audio(40, 9000) .. audio(900, 0) .. audio(300, 20))
    client:say({ type = "input_audio_buffer.clear" })
    assert.are.equal("input_audio_buffer.cleared", client:event().type)
    client:close(1000)
  end)

  it("takes audio by hand when turn detection is off", function()
    local client = connect({ output_modalities = { "text" },
      audio = { input = { turn_detection = require("cjson").null } } })
    client:say({ type = "input_audio_buffer.commit", event_id = "e1" })
    local err = client:event().error
    assert.are.same({ "input_audio_buffer_commit_empty", "e1" }, { err.code, err.event_id })
    speak(client, audio(500, 5000))
    client:say({ type = "input_audio_buffer.commit" })
    assert.are.same({ "input_audio_buffer.committed", "conversation.item.added",
      "conversation.item.done" }, types(client:upto("conversation.item.done")))
    client:say({ type = "response.create" })
    assert.are.equal("You asked (0.5 s of speech), and I say so.",
      joined(client:upto("response.done"), "response.output_text.delta"))
    client:close(1000)
  end)

  it("stops an answer that is cancelled, and goes on with the next", function()
    local client = connect(TEXT, slow)
    ask(client, "one")
    client:upto("response.output_text.delta")
    client:say({ type = "response.cancel" })
    local response = last(client:upto("response.done")).response
    assert.are.equal("cancelled", response.status)
    assert.are.same({ type = "cancelled", reason = "client_cancelled" }, response.status_details)
    assert.are.equal("incomplete", response.output[1].status)
    assert.is_true(#response.output[1].content[1].text < 100)
    client:say({ type = "response.cancel", event_id = "again" })
    local err = client:event().error
    assert.are.same({ "response_cancel_not_active", "again" }, { err.code, err.event_id })
    ask(client, "two")
    client:upto("response.output_text.delta")
    client:say({ type = "response.create" })
    local list = client:upto("error")
    assert.are.equal("conversation_already_has_active_response", last(list).error.code)
    client.sock:close()
  end)

  it("falls silent when the user speaks, and forgets what was not heard", function()
    local client = connect(nil, slow)
    ask(client, "one")
    local id = last(client:upto("response.output_audio.delta")).item_id
    speak(client, audio(200, 3000))
    local list = client:upto("response.done")
    assert.are.same({ type = "cancelled", reason = "turn_detected" },
      last(list).response.status_details)
    local function truncate(upto)
      client:say({
        type = "conversation.item.truncate", item_id = id, content_index = 0, audio_end_ms = upto,
      })
      return client:event()
    end
    assert.are.equal("invalid_value", truncate(3600000).error.code)
    assert.are.equal(40, truncate(40).audio_end_ms)
    client:say({ type = "conversation.item.retrieve", item_id = id })
    assert.are.same({ { type = "output_audio" } }, client:event().item.content)
    client.sock:close()
  end)

  it("may be told to truncate before the answer has ended", function()
    local client = connect(nil, slow)
    ask(client, "one")
    local id = last(client:upto("response.output_audio.delta")).item_id
    client:say({ type = "response.cancel" }, {
      type = "conversation.item.truncate", item_id = id, content_index = 0, audio_end_ms = 0,
    })
    local kinds = types(client:upto("response.done"))
    local seen = {}
    for at, kind in ipairs(kinds) do
      seen[kind] = at
    end
    assert.is_true(seen["conversation.item.truncated"] < seen["response.output_item.done"])
    client:say({ type = "conversation.item.retrieve", item_id = id })
    assert.are.same({ { type = "output_audio" } }, client:event().item.content)
    client.sock:close()
  end)

  it("stops at once, not with the next word", function()
    local lazy = local_gateway.start({ rate = 0.1, answer = "%s words" })
    local client = connect(TEXT, lazy)
    ask(client, "one")
    client:upto("response.content_part.added")
    client.sock:settimeout(5)
    client:say({ type = "response.cancel" })
    assert.are.equal("cancelled", last(client:upto("response.done")).response.status)
    client.sock:close()
    lazy:stop()
  end)

  it("calls a function and takes its result", function()
    local client = connect({ output_modalities = { "text" }, tools = { {
      type = "function", name = "weather",
      parameters = { type = "object", properties = { city = { type = "string" } } },
    } } })
    ask(client, "How is it in Chiang Mai?")
    local list = client:upto("response.done")
    local call = last(list).response.output[1]
    assert.are.same({ "function_call", "weather", '{"city":"Chiang Mai"}' },
      { call.type, call.name, call.arguments })
    assert.are.equal(call.arguments, joined(list, "response.function_call_arguments.delta"))
    client:say({ type = "conversation.item.create", item = {
      type = "function_call_output", call_id = call.call_id, output = "sunny",
    } })
    client:say({ type = "response.create" })
    assert.truthy(joined(client:upto("response.done"), "response.output_text.delta")
      :find("The tool says: sunny", 1, true))
    client:close(1000)
  end)

  it("keeps its items in order, and deletes them", function()
    local client = connect(TEXT)
    local function create(id, previous)
      client:say({ type = "conversation.item.create", previous_item_id = previous, item = {
        id = id, type = "message", role = "user", content = { { type = "input_text", text = id } },
      } })
      return last(client:upto("conversation.item.added")).previous_item_id
    end
    assert.are.equal(require("cjson").null, create("a"))
    assert.are.equal("a", create("b"))
    assert.are.equal("a", create("c", "a"))
    assert.are.equal(require("cjson").null, create("d", "root"))
    client:say({ type = "conversation.item.delete", item_id = "b" })
    client:upto("conversation.item.deleted")
    -- The last one is the question now.
    client:say({ type = "response.create" })
    assert.are.equal("You asked c, and I say so.",
      joined(client:upto("response.done"), "response.output_text.delta"))
    client:say({ type = "conversation.item.delete", item_id = "b", event_id = "e" })
    local err = client:event().error
    assert.are.same({ "item_delete_invalid_item_id", "e" }, { err.code, err.event_id })
    client:close(1000)
  end)

  it("answers beside the conversation when asked to, and no longer than asked to", function()
    local client = connect(TEXT)
    client:say({ type = "response.create", response = {
      conversation = "none", max_output_tokens = 2, metadata = { topic = "aside" },
      input = { { type = "message", role = "user",
        content = { { type = "input_text", text = "x" } } } },
    } })
    local list = client:upto("response.done")
    for _, event in ipairs(list) do
      assert.are_not.equal("conversation.item.added", event.type)
    end
    local response = last(list).response
    assert.are.equal("You asked", response.output[1].content[1].text)
    assert.are.same({ "incomplete", { type = "incomplete", reason = "max_output_tokens" } },
      { response.status, response.status_details })
    assert.are.same({ topic = "aside" }, response.metadata)
    client:close(1000)
  end)

  it("says what is wrong with an event, by its id, and lives on", function()
    local client = connect(TEXT)
    local function code_of(event)
      event.event_id = "e7"
      client:say(event)
      local err = client:event()
      assert.are.equal("error", err.type)
      assert.are.equal("e7", err.error.event_id)
      return err.error.code
    end
    assert.are.equal("invalid_value", code_of({ type = "no.such.event" }))
    assert.are.equal("missing_required_parameter", code_of({ type = "session.update" }))
    assert.are.equal("invalid_value", code_of({ type = "session.update", session = {
      type = "realtime", output_modalities = { "text", "audio" },
    } }))
    assert.are.equal("invalid_value", code_of({ type = "session.update", session = {
      type = "realtime", audio = { input = { format = { type = "audio/pcmu" } } },
    } }))
    for _, audio_settings in ipairs({ 1, { 1 }, { input = 5 }, { output = { "x" } } }) do
      assert.are.equal("invalid_value", code_of({ type = "session.update", session = {
        type = "realtime", audio = audio_settings,
      } }))
    end
    assert.are.equal("invalid_value",
      code_of({ type = "input_audio_buffer.append", audio = "no base64" }))
    client:send("no json")
    assert.are.equal("invalid_json", client:event().error.code)
    ask(client, "why?")
    client:upto("response.done")
    client:close(1000)
  end)

  it("ends when it has lasted long enough", function()
    local capped = local_gateway.start({ cap = 0.05 })
    local client = connect(nil, capped)
    assert.are.equal("session_expired", client:event().error.code)
    local event, code = client:event()
    assert.are.same({ nil, 1001 }, { event, code })
    client.sock:close()
    capped:stop()
  end)
end)
