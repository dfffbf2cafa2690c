local feed = require("spec.support.feed")
local mutants = require("spec.support.mutants")
local realtime = require("rill.providers.realtime")

local CREATED = '{"type":"response.created","response":{"id":"resp_1","status":"in_progress"}}'

-- An event by its type without "response." and its other members.
local function event(kind, fields)
  return ('{"type":"response.%s","response_id":"resp_1"%s}')
    :format(kind, fields and "," .. fields or "")
end

-- An event of the first part of the first item.
local function in_part(kind, name, text)
  return event(kind, ('"item_id":"item_1","output_index":0,"content_index":0,"%s":"%s"')
    :format(name, text))
end

local function done(status, fields, output)
  return ([[{"type":"response.done","response":{"id":"resp_1","status":"%s"%s,"output":[%s],
    "usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,
    "input_token_details":{"cached_tokens":4,"text_tokens":6}}}}]])
    :format(status, fields and "," .. fields or "", output or "")
end

local function message(part)
  return ('{"id":"item_1","type":"message","role":"assistant","content":[%s]}'):format(part)
end

local function item_done(item)
  return event("output_item.done", '"output_index":0,"item":' .. item)
end

-- What C keeps to itself while only text is wanted.
local function is_plain(chunk)
  if chunk.type == "response.output_text.delta" or chunk.type == "response.text.delta" then
    return "text", chunk.delta
  end
end

local function reply_of(chunks)
  local seen, hidden = feed(realtime, chunks), feed(realtime, chunks, { is_plain = is_plain })
  assert.equal(seen.reply.text, hidden.reply.text)
  return seen.reply, seen
end

describe("an answer of the Realtime format", function()
  it("starts with its id, once", function()
    local seen = feed(realtime, { CREATED, event("output_item.added") })
    assert.same({ { type = "start", id = "resp_1" }, { type = "other" } }, seen.events)
  end)

  it("is text under the names of today and of the beta, and told once", function()
    for _, name in ipairs({ "output_text", "text" }) do
      local reply = reply_of({
        CREATED,
        in_part(name .. ".delta", "delta", "Sa"), in_part(name .. ".delta", "delta", "wat"),
        in_part(name .. ".done", "text", "Sawat"),
        event("content_part.done", '"output_index":0,"content_index":0,'
          .. '"part":{"type":"text","text":"Sawat"}'),
        item_done(message('{"type":"' .. name .. '","text":"Sawat"}')),
        done("completed", nil, message('{"type":"output_text","text":"Sawat"}')),
      })
      assert.equal("Sawat", reply.text)
      assert.equal("stop", reply.finish_reason)
    end
  end)

  it("is text also if no delta came", function()
    for _, chunk in ipairs({
      in_part("output_text.done", "text", "Sawat"),
      event("content_part.done", '"output_index":0,"part":{"type":"text","text":"Sawat"}'),
      item_done(message('{"type":"output_text","text":"Sawat"}')),
      done("completed", nil, message('{"type":"text","text":"Sawat"}')),
    }) do
      assert.equal("Sawat", reply_of({ CREATED, chunk }).text)
    end
  end)

  it("is audio with its transcript, under the names of today and of the beta", function()
    for _, prefix in ipairs({ "output_", "" }) do
      local reply, seen = reply_of({
        CREATED, in_part(prefix .. "audio.delta", "delta", "AAAA"),
        in_part(prefix .. "audio_transcript.delta", "delta", "Sa"),
        in_part(prefix .. "audio.delta", "delta", "BBBB"),
        in_part(prefix .. "audio_transcript.delta", "delta", "wat"),
        event(prefix .. "audio.done"),
        in_part(prefix .. "audio_transcript.done", "transcript", "Sawat"),
        event("content_part.done", '"item_id":"item_1","output_index":0,"content_index":0,'
          .. '"part":{"type":"audio","transcript":"Sawat"}'),
        item_done(message('{"type":"output_audio","transcript":"Sawat"}')),
        done("completed", nil, message('{"type":"output_audio","transcript":"Sawat"}')),
      })
      assert.same({ data = "decoded AAAAdecoded BBBB", transcript = "Sawat", id = "item_1" },
        reply.audio)
      assert.same({ type = "audio", data = "decoded AAAA", id = "item_1" }, seen.events[2])
      assert.same({ type = "audio", transcript = "Sa", id = "item_1" }, seen.events[3])
      assert.equal("", reply.text)
    end
  end)

  it("is no audio where it is no base64", function()
    local reply, seen = reply_of({
      CREATED, in_part("output_audio.delta", "delta", "no base64!"),
      in_part("output_audio.delta", "delta", "AAAA"), done("completed"),
    })
    assert.equal("decoded AAAA", reply.audio.data)
    assert.equal("other", seen.events[2].type)
  end)

  it("has its transcript also if no delta of it came", function()
    for _, chunk in ipairs({
      in_part("output_audio_transcript.done", "transcript", "Sawat"),
      event("content_part.done", '"output_index":0,"part":{"type":"audio","transcript":"Sawat"}'),
      item_done(message('{"type":"output_audio","transcript":"Sawat"}')),
      done("completed", nil, message('{"type":"audio","transcript":"Sawat"}')),
    }) do
      assert.equal("Sawat", reply_of({ CREATED, chunk }).audio.transcript)
    end
  end)

  it("has its transcript once, also where events name the item and not its place", function()
    local reply = reply_of({
      CREATED, event("output_audio_transcript.delta", '"item_id":"item_1","delta":"Sawat"'),
      done("completed", nil, message('{"type":"output_audio","transcript":"Sawat"}')),
    })
    assert.equal("Sawat", reply.audio.transcript)
  end)

  it("calls functions, whose arguments come in pieces", function()
    local item = '{"id":"item_1","type":"function_call","name":"weather","call_id":"call_9"%s}'
    local chunks = {
      CREATED,
      event("output_item.added", '"output_index":0,"item":' .. item:format(',"arguments":""')),
      in_part("function_call_arguments.delta", "delta", "{\\\"a\\\":"),
      in_part("function_call_arguments.delta", "delta", "1}"),
      in_part("function_call_arguments.done", "arguments", "{\\\"a\\\":1}"),
      item_done(item:format(',"arguments":"{\\"a\\":1}"')),
      done("completed", nil, item:format(',"arguments":"{\\"a\\":1}"')),
    }
    local whole = { { id = "call_9", name = "weather", kind = "function", arguments = '{"a":1}' } }
    local reply = reply_of(chunks)
    assert.same(whole, reply.tool_calls)
    assert.equal("tool_calls", reply.finish_reason)
    assert.equal("completed", reply.native_finish_reason)
    assert.same(whole, reply_of({ CREATED, chunks[7] }).tool_calls)
  end)

  it("knows its items by their ids, for those who refer to it", function()
    local reply = reply_of({ CREATED,
      event("output_item.added", '"output_index":0,"item":{"id":"item_1","type":"message"}'),
      item_done(message("")), done("completed", nil, message("") .. ',{"id":"item_2"},{"id":7}'),
    })
    assert.same({ format = "realtime", items = { "item_1", "item_2" } }, reply:message().native)
    assert.is_nil(reply_of({ CREATED, done("completed") }):message().native)
  end)

  it("notes which words came with which audio", function()
    local _, seen = reply_of({
      CREATED, in_part("output_audio_transcript.delta", "delta", "one "),
      in_part("output_audio.delta", "delta", "AAAA"),
      in_part("output_audio_transcript.delta", "delta", "two"),
      event("output_audio.delta", '"item_id":"item_1","content_index":1,"delta":"BBBB"'),
    })
    local size = #"decoded AAAA"
    assert.same({
      { id = "item_1", index = 0, bytes = size, given = 0,
        words = { { text = "one ", at = 0 }, { text = "two", at = size } } },
      { id = "item_1", index = 1, bytes = size, given = 0, words = {} },
    }, seen.state.audio)
  end)

  it("counts its tokens", function()
    assert.same({ input_tokens = 10, output_tokens = 5, total_tokens = 15, cached_tokens = 4 },
      reply_of({ CREATED, done("completed") }).usage)
    assert.is_nil(realtime.read_usage({}))
    assert.is_nil(realtime.read_usage("many"))
  end)

  it("says why it has ended", function()
    local function reasons(status, details)
      local reply = reply_of({ CREATED, done(status, details) })
      return reply.finish_reason, reply.native_finish_reason
    end
    local details = '"status_details":{"reason":"%s"}'
    assert.same({ "stop", "completed" }, { reasons("completed") })
    assert.same({ "length", "max_output_tokens" },
      { reasons("incomplete", details:format("max_output_tokens")) })
    assert.same({ "content_filter" }, { reasons("incomplete", details:format("content_filter")) })
    assert.same({ "cancelled", "turn_detected" },
      { reasons("cancelled", details:format("turn_detected")) })
    assert.same({ "cancelled" }, { reasons("cancelled") })
  end)

  it("is an error if it failed, or if the event is one", function()
    local seen = feed(realtime, { CREATED, done("failed",
      '"status_details":{"error":{"type":"server_error","code":"boom","message":"It broke"}}') })
    assert.same({ type = "server_error", code = "boom", message = "It broke" }, seen.said)
    assert.equal("the response failed", feed(realtime, { done("failed") }).said.message)
    seen = feed(realtime, { '{"type":"error","event_id":"event_1","error":'
      .. '{"type":"invalid_request_error","code":"bad","message":"No","event_id":"ask_1"}}' })
    assert.same({ type = "invalid_request_error", code = "bad", message = "No" }, seen.said)
  end)

  it("passes on as other what says nothing of the answer", function()
    for _, name in ipairs({
      "session.created", "session.updated", "conversation.created", "conversation.item.added",
      "conversation.item.done", "conversation.item.truncated", "input_audio_buffer.committed",
      "input_audio_buffer.speech_started", "output_audio_buffer.started", "rate_limits.updated",
      "response.output_item.added", "response.content_part.added", "response.output_audio.done",
      "response.mcp_call.in_progress", "from_the_future",
    }) do
      local seen = feed(realtime, { ('{"type":"%s"}'):format(name) })
      assert.same({ { type = "other" } }, seen.events, name)
    end
  end)

  it("never makes the provider raise, whatever is wrong in it", function()
    local pool = {
      CREATED, in_part("output_text.delta", "delta", "a"), in_part("output_text.done", "text", "a"),
      in_part("output_audio.delta", "delta", "AAAA"),
      in_part("output_audio_transcript.delta", "delta", "a"),
      in_part("output_audio_transcript.done", "transcript", "a"),
      in_part("function_call_arguments.delta", "delta", "{"),
      in_part("function_call_arguments.done", "arguments", "{}"),
      event("content_part.done", '"part":{"type":"audio","transcript":"a"}'),
      item_done(message('{"type":"text","text":"a"}')),
      done("completed", '"status_details":{"reason":"x","error":{"message":"m"}}',
        message('{"type":"audio","transcript":"a"}')),
      '{"type":"error","error":{"message":"m","code":"c"}}',
    }
    local state = realtime.new_state()
    for chunk, note in mutants(pool, 4000) do
      if math.random(50) == 1 then
        state = realtime.new_state()
      end
      state.text_length = math.random(0, 9)
      local ok, events, said = pcall(realtime.events, chunk, state)
      assert.is_true(ok, ("%s: %s"):format(note, tostring(events)))
      assert.is_truthy(events and events[1].type or said, note)
    end
  end)
end)
