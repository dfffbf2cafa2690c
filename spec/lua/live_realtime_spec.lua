-- Realtime sessions on a fake core.

local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")
local script = require("spec.support.realtime_script")

local event, created, done, said = script.event, script.created, script.done, script.said
local item, began, audio = script.item, script.began, script.audio
local transcript, speaks, committed = script.transcript, script.speaks, script.committed
local play, frames, kinds = script.play, script.frames, script.kinds
local last_frame, words = script.last_frame, script.words
local talk, push = script.talk, script.push
local rill

local function types_of(session)
  local list = {}
  local one = session:poll()
  while one do
    list[#list + 1] = one.type
    one = session:poll()
  end
  return table.concat(list, " ")
end

before_each(function()
  rill = script.start()
end)

teardown(fake.remove)

describe("a realtime session", function()
  it("says who it is, then what is asked, and knows the server's items by their ids", function()
    play({ { "open" }, { "sent", 3 }, created("a", "rill_1"), began("a"), item("item_a"),
      said("a", "he"), said("a", "llo"), done("a"),
      { "sent", 5 }, created("b", "rill_3"), began("b"), said("b", "yes"), done("b") })
    local session = talk({ system = "brief", voice = "marin", output = "text" })
    local reply = session:say("one"):result()
    assert.equal("hello", reply.text)
    assert.equal(7, reply.usage.total_tokens)
    assert.equal("a", reply.id)
    assert.equal("ws://127.0.0.1:9/v1/realtime?model=gpt-realtime", fake.sockets[1].url)
    local list = frames()
    assert.equal("session.update item.create response.create", kinds())
    assert.same({ "realtime", "brief", "marin", "text" }, { list[1].session.type,
      list[1].session.instructions, list[1].session.audio.output.voice,
      list[1].session.output_modalities[1] })
    assert.equal(cjson.null, list[1].session.audio.input.turn_detection)
    assert.equal("one", list[2].item.content[1].text)
    assert.equal(list[3].event_id, list[3].response.metadata.rill)
    assert.equal("yes", session:say("two"):result().text)
    assert.equal("session.update item.create response.create item.create response.create",
      kinds())
    assert.equal("s:brief u:one a:hello u:two a:yes", words(session.messages))
  end)

  it("tells the server what holds for answers that nobody asks for, too", function()
    play({ { "open" } })
    talk({ max_tokens = 50, tool_choice = "none", session = { tracing = "auto" } }):connect()
    local sent = frames()[1].session
    assert.same({ 50, "none", "auto" }, { sent.max_output_tokens, sent.tool_choice, sent.tracing })
    play({ { "open" } })
    talk({ max_tokens = 50, session = { max_output_tokens = 7 } }):connect()
    assert.equal(7, frames(2)[1].session.max_output_tokens)
  end)

  it("says a message as often as it is asked for, though it is the same table", function()
    play({ { "open" } })
    local session = talk()
    local nudge = { role = "user", content = "Go on." }
    local list = { nudge, nudge, { role = "user", content = "please" } }
    for i, question in ipairs({ nudge, list, { nudge } }) do
      local stream, id = session:say(question), "answer" .. i
      push(created(id, script.token()), began(id), item("item_" .. id), said(id, "so"), done(id))
      stream:result()
    end
    local texts = {}
    for _, frame in ipairs(frames()) do
      texts[#texts + 1] = frame.item and frame.item.content[1].text
    end
    assert.equal(5, #texts)
    assert.is_nil(last_frame("conversation.item.delete"))
    assert.equal(8, #session.messages)
    assert.equal(nudge, list[1])
    assert.equal(nudge, list[2])
    assert.same({ role = "user", content = "Go on." }, nudge)
  end)

  it("knows of an answer's items also where the conversation does not tell of them", function()
    play({ { "open" }, { "sent", 3 }, created("a"), began("a"), said("a", "he"), done("a"),
      { "sent", 5 }, created("b"), said("b", "yes"), done("b") })
    local session = talk()
    session:say("one"):result()
    assert.equal("yes", session:say("two"):result().text)
    assert.equal("two", frames()[4].item.content[1].text)
  end)

  it("tells the server when the system message has changed, and what was taken out", function()
    play({ { "open" }, { "sent", 3 }, created("a", "rill_1"), began("a"), item("item_a"),
      said("a", "he"), done("a"), { "sent", 7 }, created("b"), said("b", "yes"), done("b") })
    local session = talk({ system = "brief" })
    session:say("one"):result()
    session.messages = { { role = "system", content = "verbose" } }
    assert.equal("yes", session:say("two"):result().text)
    local list = frames()
    assert.same({ type = "realtime", instructions = "verbose" }, list[4].session)
    assert.equal("session.update item.create response.create session.update item.delete "
      .. "item.delete item.create response.create", kinds())
  end)

  it("calls tools, whose results are items", function()
    play({ { "open" }, { "sent", 3 }, created("a", "rill_1"),
      event("response.output_item.added", '"response_id":"a","output_index":0,"item":'
        .. '{"id":"item_c","type":"function_call","name":"f","call_id":"call_1"}'),
      event("response.function_call_arguments.done",
        '"response_id":"a","output_index":0,"arguments":"{}"'),
      item("item_c"), done("a"), { "sent", 5 }, created("b"), said("b", "42"), done("b") })
    local session = talk({ tools = { f = { call = function() return "42" end } } })
    assert.equal("42", session:say("one"):result().text)
    local list = frames()
    assert.equal("f", list[1].session.tools[1].name)
    assert.same({ type = "function_call_output", call_id = "call_1", output = "42",
      id = list[4].item.id }, list[4].item)
  end)

  it("says everything again over another connection", function()
    play({ { "open" }, { "sent", 3 }, created("a"), began("a"), item("item_a"), said("a", "he"),
      done("a"), { "wait", 1 }, { "close", 1001, "session expired" } },
      { { "open" }, { "sent", 5 }, created("b"), said("b", "yes"), done("b") })
    local session = talk({ system = "brief" })
    session:say("one"):result()
    assert.equal("lost", (function()
      local one
      repeat one = session:next() until one == nil or one.type ~= "other"
      return one.type
    end)())
    assert.equal("yes", session:say("two"):result().text)
    assert.equal("session.update item.create item.create item.create response.create", kinds(2))
    assert.equal("he", frames(2)[3].item.content[1].text)
  end)

  it("reports a turn that the connection was lost with, and does not say it twice", function()
    play({ { "open" }, { "sent", 3 }, created("a"), said("a", "he"), { "wait", 1 },
      { "end", "cut", { kind = "interrupted", message = "reset", retryable = true } } })
    local reply, err = talk():say("one"):result()
    assert.is_nil(reply)
    assert.equal("interrupted", err.kind)
    assert.equal("uncertain", err.delivery)
    assert.equal("he", err.partial.text)
    assert.equal(1, #fake.sockets)
  end)

  it("refuses what the dialect has no words for, and wrong options", function()
    assert.has_error(function() talk({ temperature = 1 }):say("one") end)
    for _, options in ipairs({ { voice = 7 }, { turn_detection = "vad" }, { output = "smell" },
      { input_format = "mp3" }, { turn_detection = {} }, { fallback = "sse" } }) do
      assert.has_error(function() talk(options) end)
    end
  end)

  it("tells the server each option that it takes", function()
    for option, values in pairs({
      input_format = { pcm16 = "audio/pcm", g711_ulaw = "audio/pcmu", g711_alaw = "audio/pcma" },
      output_format = { pcm16 = "audio/pcm", g711_ulaw = "audio/pcmu", g711_alaw = "audio/pcma" },
      turn_detection = { server_vad = "server_vad", semantic_vad = "semantic_vad" },
    }) do
      for value, wanted in pairs(values) do
        play({ { "open" } })
        assert(talk({ [option] = value }):connect())
        local audio_settings = frames()[1].session.audio
        local told = ({ input_format = audio_settings.input.format,
          output_format = audio_settings.output.format,
          turn_detection = audio_settings.input.turn_detection })[option]
        assert.equal(wanted, told.type)
      end
    end
  end)
end)

describe("an error of a realtime server", function()
  it("is of the turn whose event it names", function()
    play({ { "open" }, { "sent", 3 }, event("error",
      '"error":{"type":"invalid_request_error","code":"bad","message":"No","event_id":"rill_1"}'),
      { "sent", 5 }, created("b"), said("b", "yes"), done("b") })
    local session = talk()
    local _, err = session:say("one"):result()
    assert.same({ "api", "bad", "No" }, { err.kind, err.code, err.message })
    assert.equal("", words(session.messages))
    assert.equal("yes", session:say("two"):result().text)
    assert.equal("item.delete", frames()[4].type:gsub("conversation%.", ""))
  end)

  it("is of an item's turn, and of the turn that waits where it names nothing", function()
    for _, id in ipairs({ ',"event_id":"rill_2"', "" }) do
      play({ { "open" }, { "sent", 3 }, event("error", '"error":{"message":"No"' .. id .. "}") })
      local _, err = talk():say("one"):result()
      assert.equal("No", err.message)
      assert.is_nil(last_frame("response.cancel"))
    end
  end)

  it("stops the answer to what it refuses, whether that has begun or begins later", function()
    local no = event("error", '"error":{"message":"No","event_id":"rill_2"}')
    for _, order in ipairs({ { no, created("a", "rill_1") }, { created("a", "rill_1"), no } }) do
      play({ { "open" }, { "sent", 3 }, order[1], order[2] })
      local session = talk()
      local _, err = session:say("one"):result()
      assert.equal("No", err.message)
      rill.step(0)
      assert.equal("session.update item.create response.create response.cancel", kinds())
      assert.equal("a", last_frame("response.cancel").response_id)
      push(said("a", "unheard"), done("a", "cancelled"))
      local stream = session:say("two")
      push(created("b", script.token()), said("b", "yes"), done("b"))
      assert.equal("yes", stream:result().text)
    end
  end)

  it("is the session's if no turn is meant, and ends nothing", function()
    play({ { "open" }, { "sent", 3 }, created("a"),
      event("error", '"error":{"code":"odd","message":"key sk-secret-key","event_id":"x"}'),
      event("error", '"error":{"code":"response_cancel_not_active","message":"late"}'),
      said("a", "he"), done("a") })
    local session = talk()
    assert.equal("he", session:say("one"):result().text)
    local one = session:poll()
    assert.same({ "error", "odd", "key [redacted]" },
      { one.type, one.error.code, one.error.message })
    assert.is_nil((session:poll()))
  end)

  it("is met by asking once more where an answer was still in flight", function()
    play({ { "open" }, { "sent", 3 }, event("error", '"error":{"code":'
      .. '"conversation_already_has_active_response","message":"busy","event_id":"rill_1"}'),
      { "sent", 4 }, created("b"), said("b", "yes"), done("b") })
    assert.equal("yes", talk():say("one"):result().text)
    assert.equal("session.update item.create response.create response.create", kinds())
  end)
end)

describe("sound", function()
  it("goes to the server in pieces, becomes a message, and is answered when asked", function()
    play({ { "open" }, { "sent", 5 }, committed("item_u"), item("item_u"), created("a"),
      began("a"), item("item_a"), audio("a", "AAAA"), transcript("a", "Hi"), done("a") })
    local session = talk({ transcribe = true })
    assert.is_true(session:append("12"))
    assert.is_true(session:append(""))
    assert.is_true(session:append("34"))
    assert.is_true(session:commit())
    assert.equal("u:[spoken, without a transcript]", words(session.messages))
    local stream = session:respond()
    assert.equal("session.update append append commit response.create", kinds())
    assert.equal("encoded 34", frames()[3].audio)
    local reply = stream:result()
    assert.same({ data = "decoded AAAA", transcript = "Hi", id = "item_a" }, reply.audio)
    push(event("conversation.item.input_audio_transcription.delta",
      '"item_id":"item_u","delta":"He"'),
      event("conversation.item.input_audio_transcription.completed",
        '"item_id":"item_u","transcript":"Hello"'))
    assert.equal("u:Hello a:Hi", words(session.messages))
    assert.equal("committed other other transcript transcript", types_of(session))
  end)

  it("is refused while the connection is full, and after it was lost", function()
    play({ { "open" }, { "sent", 2 }, { "full" }, { "wait", 1 }, { "room" }, { "wait", 1 },
      { "close", 1011, "oops" } }, { { "open" } })
    local session = talk()
    assert.is_true(session:append("12"))
    rill.step(0)
    assert.same({ nil, "full" }, { session:append("34") })
    rill.step(1)
    assert.is_true(session:append("34"))
    rill.step(1)
    for _ = 1, 2 do
      local ok, err = session:append("56")
      assert.is_nil(ok)
      assert.equal("interrupted", err.kind)
    end
    assert.equal(1, #fake.sockets)
    assert.is_true(session:connect())
    assert.is_true(session:append("56"))
    assert.equal("session.update append", kinds())
  end)

  it("that was refused is no message", function()
    play({ { "open" }, { "sent", 2 }, event("error", '"error":{"code":'
      .. '"input_audio_buffer_commit_empty","message":"empty","event_id":"rill_1"}') })
    local session = talk()
    session:commit()
    rill.step(0)
    assert.equal("error", session:poll().type)
    assert.equal("", words(session.messages))
    session:clear()
    assert.equal("input_audio_buffer.clear", last_frame("input_audio_buffer.clear").type)
  end)

  it("is a string", function()
    assert.has_error(function() talk():append(7) end)
  end)
end)

describe("an answer that the server begins by itself", function()
  local function listening(options)
    local given = { turn_detection = "server_vad" }
    for name, value in pairs(options or {}) do
      given[name] = value
    end
    play({ { "open" } })
    local session = talk(given)
    session:append("12")
    push(speaks(), event("input_audio_buffer.speech_stopped", '"audio_end_ms":2500'),
      committed("item_u"), item("item_u"), created("a"), began("a"), item("item_a"))
    return session
  end

  it("is heard by who listens, after what the user has said", function()
    local session = listening()
    local stream = session:listen(1)
    push(audio("a", "AAAA"), transcript("a", "Hi"))
    assert.same({ "start", "other" }, { stream:poll().type, stream:poll().type })
    assert.same({ "audio", "decoded AAAA" }, { stream:poll().type, stream:partial().audio.data })
    push(done("a"))
    assert.equal("Hi", stream:result().audio.transcript)
    assert.equal("u:[spoken, without a transcript] a:Hi", words(session.messages))
    local one = session:poll()
    assert.same({ "speech_started", "item_u", 1.5 }, { one.type, one.id, one.at })
    assert.equal("speech_stopped committed other other", types_of(session))
    assert.same({ nil, "timeout" }, { session:listen(0.5) })
    assert.equal("session.update append", kinds())
  end)

  it("is heard by who listens, also where another one reads the events", function()
    play({ { "open" } })
    local session = talk({ turn_detection = "server_vad" })
    assert.same({ nil, "timeout" }, { session:listen(0.1) })
    push(speaks(), committed("item_u"), created("r"))
    assert.equal("speech_started committed", types_of(session))
    local stream = assert(session:listen(0.1))
    push(said("r", "Hi"), done("r"))
    assert.equal("Hi", stream:result().text)
    session:close()
    assert.same({}, { session:listen() })
  end)

  it("is heard whole and in order where all came at once, and the connection is gone", function()
    play({ { "open" } })
    local session = talk({ turn_detection = "server_vad" })
    session:append("12")
    push(committed("item_u"), created("a"), said("a", "one"), said("a", "two"), done("a"),
      { "close", 1001, "bye" })
    local stream, seen = session:listen(1), {}
    for one in stream:events() do
      seen[#seen + 1] = one.type
    end
    assert.equal("start text text usage done", table.concat(seen, " "))
    assert.equal("onetwo", stream:result().text)
    assert.equal(1, #fake.sockets)
    assert.equal("committed lost", types_of(session))
    assert.equal("interrupted", select(2, session:listen(1)).kind)
  end)

  it("is an event like others, and knows its tools", function()
    local session = listening({ tools = { f = { call = function() return "42" end } } })
    push(event("response.function_call_arguments.done",
      '"response_id":"a","output_index":1,"call_id":"x","item_id":"i","name":"f",'
      .. '"arguments":"{}"'), done("a"))
    local one
    repeat
      one = session:next()
    until one.type == "answer"
    fake.last_socket():push({ "sent", 4 }, created("b", "rill_2"), said("b", "42"), done("b"))
    assert.equal("42", one.stream:result().text)
    assert.equal("session.update append item.create response.create", kinds())
  end)

  it("is nobody's where the turn that asked for it is gone", function()
    local session = listening()
    push(done("a"), created("x", "rill_99"), said("x", "lost"), done("x"))
    session:listen(1):result()
    assert.same({ nil, "timeout" }, { session:listen(1) })
  end)

  it("holds back what is asked meanwhile until it has ended", function()
    local session = listening()
    local stream = session:listen(1)
    push(audio("a", "AAAA"))
    assert.has_error(function() session:say("wait") end)
    push(transcript("a", "Hi"), done("a"))
    stream:result()
    push(created("b"), item("item_b"), said("b", "more")) -- nobody has read it yet
    local other = session:listen(1)
    other:close()
    local answer = session:say("what?")
    assert.equal("session.update append response.cancel item.delete item.create",
      kinds():gsub("item.truncate ", ""))
    push(done("b", "cancelled"))
    assert.equal("response.create", frames()[#frames()].type)
    push(created("c", last_frame("response.create").event_id), said("c", "this"), done("c"))
    assert.equal("this", answer:result().text)
  end)

  it("is interrupted when the user speaks, and what was not heard is cut", function()
    local session = listening()
    local stream = session:listen(1)
    push(transcript("a", "one "), audio("a", ("A"):rep(4792)), transcript("a", "two "),
      audio("a", ("B"):rep(4792)), transcript("a", "three"))
    for _ = 1, 4 do -- start, other, one, the first sound
      assert.truthy(stream:poll())
    end
    push(speaks())
    local event_after, err = stream:poll()
    assert.is_nil(event_after)
    assert.equal("cancelled", err.kind)
    assert.equal("cancelled", err.partial.outcome)
    assert.equal("u:[spoken, without a transcript] a:one ", words(session.messages))
    local frame = last_frame("conversation.item.truncate")
    assert.same({ "item_a", 0, 100 }, { frame.item_id, frame.content_index, frame.audio_end_ms })
    assert.is_nil(last_frame("response.cancel")) -- the server does that by itself
    push(audio("a", "CCCC"), done("a", "cancelled", "turn_detected"), committed("item_v"),
      item("item_v"), created("b"), said("b", "Yes?"), done("b"))
    assert.equal("Yes?", session:listen(1):result().text)
    local one
    repeat
      one = session:poll()
    until one.type == "interrupted"
    assert.same({ "one ", 0.1 }, { one.text, one.heard })
    session:say("next")
    assert.is_nil(last_frame("conversation.item.delete")) -- the server has what was heard
  end)

  it("is cut where it was played to, if that is known, also when it was whole already", function()
    local session = listening()
    local stream = session:listen(1)
    push(transcript("a", "one "), audio("a", ("A"):rep(4792)), transcript("a", "two"),
      audio("a", ("B"):rep(4792)), done("a"))
    for one in stream:events() do
      assert.truthy(one)
    end
    session:played(0.05)
    assert.is_true(session:interrupt())
    assert.equal(50, last_frame("conversation.item.truncate").audio_end_ms)
    assert.equal("u:[spoken, without a transcript] a:one ", words(session.messages))
    assert.is_false(session:interrupt())
    assert.is_nil(last_frame("response.cancel"))
  end)

  it("is cut to nothing if it was whole and nobody had begun to hear it", function()
    local session = listening()
    local stream = session:listen(1)
    push(audio("a", ("A"):rep(4792)), transcript("a", "one"), done("a"), speaks())
    assert.equal(0, last_frame("conversation.item.truncate").audio_end_ms)
    assert.equal("complete", stream:partial().outcome)
    assert.equal("", session.messages[2].content)
  end)

  it("is measured anew each time", function()
    local session = listening()
    local first = session:listen(1)
    push(audio("a", ("A"):rep(4792)), done("a"))
    repeat until not first:next()
    session:played(9)
    push(speaks(), committed("item_v"), created("b"), began("b"), item("item_b"))
    assert.is_nil(last_frame("conversation.item.truncate"))
    local second = session:listen(1)
    push(audio("b", ("A"):rep(4792)))
    session:interrupt()
    assert.equal("cancelled", second:partial().outcome)
    rill.step(0)
    assert.equal(0, last_frame("conversation.item.truncate").audio_end_ms)
  end)

  it("loses the calls that it had begun when it is interrupted", function()
    local session = listening({ tools = { f = { call = function() return "42" end } } })
    local stream = session:listen(1)
    push(said("a", "one"), event("response.output_item.added", '"response_id":"a",'
      .. '"output_index":1,"item":{"id":"item_c","type":"function_call","name":"f"}'),
      item("item_c"))
    repeat
      local one = stream:poll()
    until one.type == "tool_call"
    push(speaks(), done("a", "cancelled", "turn_detected"))
    assert.equal("u:[spoken, without a transcript] a:one", words(session.messages))
    session:say("next")
    assert.equal("item_c", last_frame("conversation.item.delete").item_id)
    assert.equal("next", last_frame("conversation.item.create").item.content[1].text)
  end)

  it("may follow one that its reader has not come to the end of", function()
    local session = listening({
      turn_detection = { type = "server_vad", interrupt_response = false },
    })
    push(said("a", "one"), done("a"), speaks(), committed("item_v"), created("b"), said("b", "two"),
      done("b"))
    assert.equal("one", session:listen(1):result().text)
    assert.equal("two", session:listen(1):result().text)
  end)

  it("is not cut if it was heard to its end", function()
    local session = listening()
    local stream = session:listen(1)
    push(audio("a", ("A"):rep(4792)), transcript("a", "one"), done("a"))
    for one in stream:events() do
      assert.truthy(one)
    end
    push(speaks())
    assert.is_nil(last_frame("conversation.item.truncate"))
    assert.equal("u:[spoken, without a transcript] a:one", words(session.messages))
  end)

  it("goes on where the server was told not to stop", function()
    local session = listening({
      turn_detection = { type = "server_vad", interrupt_response = false },
    })
    local stream = session:listen(1)
    push(said("a", "one"), speaks(), said("a", "two"), done("a"))
    assert.equal("onetwo", stream:result().text)
  end)

  it("is stopped at the server when the application interrupts", function()
    local session = listening()
    local stream = session:listen(1)
    push(said("a", "one"))
    assert.equal("one", stream:text()())
    assert.is_true(session:interrupt())
    rill.step(0)
    assert.equal("a", last_frame("response.cancel").response_id)
    assert.equal("u:[spoken, without a transcript] a:one", words(session.messages))
  end)
end)

describe("words that nobody has read when an answer is interrupted", function()
  it("leave the conversation at the server, which is told those that were read", function()
    play({ { "open" }, { "sent", 3 }, created("a", "rill_1"), began("a"), item("item_a"),
      said("a", "hel"), said("a", "lo, world") })
    local session = talk({ output = "text" })
    local text = session:say("one"):text()
    assert.equal("hel", text())
    assert.is_true(session:interrupt())
    assert.equal("u:one a:hel", words(session.messages))
    push(done("a", "cancelled"))
    session:say("two")
    push()
    local deleted, told
    for _, frame in ipairs(frames()) do
      deleted = deleted or frame.type == "conversation.item.delete" and frame.item_id
      told = told or frame.item and frame.item.role == "assistant" and frame.item.content[1].text
    end
    assert.same({ "item_a", "hel" }, { deleted, told })
  end)
end)

describe("the events of a realtime session", function()
  it("are the newest thousand, and end with the session", function()
    play({ { "open" } })
    local session = talk()
    session:append("1")
    for i = 1, 1005 do
      fake.last_socket():push(event("something.new", '"n":' .. i))
    end
    rill.step(0)
    assert.equal(6, session:poll().raw.n)
    session:close()
    assert.is_nil((session:next()))
    assert.is_nil((session:listen()))
    for _, name in ipairs({ "append", "commit", "clear" }) do -- by who does not know yet
      local ok, err = session[name](session, "1")
      assert.same({ nil, "cancelled", "the session is closed" }, { ok, err.kind, err.message })
    end
    session:played(1)
    assert.has_error(function() session:respond() end)
  end)

  it("end the connection where who waited was killed, unless somebody has an answer", function()
    local loops = require("rill.loops")
    play({ { "open" }, { "sent", 3 }, created("a", "rill_1"), said("a", "hel") },
      { { "open" } })
    local session = talk({ output = "text" })
    local stream = session:say("one")
    assert.equal("start", stream:next().type)
    loops.abandon(rill.engine(), session.link.bell)
    assert.equal(0, fake.sockets[1].drops)
    push(said("a", "lo"), done("a"))
    assert.equal("hello", stream:result().text)
    loops.abandon(rill.engine(), session.link.bell)
    assert.equal(1, fake.sockets[1].drops)
    assert.is_true(session:connect())
    assert.equal(2, #fake.sockets)
  end)

  it("are waited for as long as it is said, and come with the connection", function()
    play({ { "open" }, { "wait", 2 }, event("something.new") })
    local session = talk()
    assert.same({ nil, "timeout" }, { session:next(1) })
    assert.equal("other", session:next(5).type)
    assert.has_error(function() session:next("soon") end)
  end)

  it("tell of limits and of transcripts that failed", function()
    play({ { "open" } })
    local session = talk()
    session:append("1")
    push(event("rate_limits.updated", '"rate_limits":[{"name":"tokens","remaining":5}]'),
      event("conversation.item.input_audio_transcription.failed",
        '"item_id":"item_u","error":{"message":"noise"}'))
    assert.equal(5, session:poll().limits[1].remaining)
    local one = session:poll()
    assert.same({ "transcript", "noise", true }, { one.type, one.error.message, one.done })
  end)
end)
