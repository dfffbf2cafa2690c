-- Realtime sessions when things happen in an order that nobody wishes for, on a fake core.

local by_name = require("spec.support.by_name")
local fake = require("spec.support.fake_core")
local script = require("spec.support.realtime_script")

local event, created, done, said = script.event, script.created, script.done, script.said
local item, began, audio = script.item, script.began, script.audio
local transcript, speaks, committed = script.transcript, script.speaks, script.committed
local play, frames, kinds = script.play, script.frames, script.kinds
local last_frame, words = script.last_frame, script.words
local talk, push, find = script.talk, script.push, script.find
local token, refusal = script.token, script.refusal
local rill

before_each(function()
  rill = script.start()
  play({ { "open" } })
end)

teardown(fake.remove)

describe("a realtime session that interrupts", function()
  -- A session whose first answer was interrupted after a word, or before any.
  local function interrupted(options, ...)
    local session = talk(options)
    local stream = session:say("one")
    push(created("a", token()), began("a"), item("item_a"), ...)
    repeat until not stream:poll()
    assert.is_true(session:interrupt())
    rill.step(0)
    return session
  end

  it("takes a stop that came too late for no fault of the next question", function()
    local session = interrupted({}, said("a", "he"))
    local stream = session:say("two")
    push(done("a"))
    push(refusal("response_cancel_not_active"), created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", assert(stream:result()).text)
    assert.is_nil(find(session, "error"))
  end)

  it("takes it for no reason of a later end of the connection either", function()
    local session = interrupted({}, said("a", "he"))
    push(done("a"), refusal("response_cancel_not_active"))
    local stream = session:say("two")
    push(created("b", token()), said("b", "yes"), { "close", 1001, "" })
    local _, err = stream:result()
    assert.same({ "interrupted", 1001 }, { err.kind, err.code })
    assert.is_nil(err.message:find("the server said", 1, true))
  end)

  it("takes a cut that the server refuses for no fault of the next question", function()
    local session = interrupted({}, audio("a", ("A"):rep(4792)))
    local stream = session:say("two")
    push(done("a"))
    local cut = last_frame("conversation.item.truncate")
    push(refusal("invalid_value", cut.event_id), created("b", token()), said("b", "yes"),
      done("b"))
    assert.equal("yes", assert(stream:result()).text)
    assert.equal("invalid_value", find(session, "error").error.code)
  end)

  it("deletes an item once, also when the server still speaks of it", function()
    local session = interrupted({})
    local stream = session:say("two")
    assert.equal("item_a", last_frame("conversation.item.delete").item_id)
    push(event("response.output_item.done",
      '"response_id":"a","output_index":0,"item":{"id":"item_a","type":"message"}'),
      done("a", "cancelled"))
    push(created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", stream:result().text)
    local count = #frames()
    session:say("three")
    assert.equal("conversation.item.create", frames()[count + 1].type)
  end)

  it("takes a deletion that the server refuses for no fault of a question", function()
    local session = talk()
    local stream = session:say("one")
    push(created("a", token()), item("item_a"), item("item_x"), said("a", "he"), done("a"))
    stream:result()
    stream = session:say("two")
    push(refusal("item_delete_invalid_item_id", last_frame("conversation.item.delete").event_id),
      created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", assert(stream:result()).text)
  end)

  it("stops nothing for a question that was held back, and does not keep it", function()
    local session = interrupted({}, said("a", "he"))
    session:say("two")
    local count = #frames()
    assert.is_true(session:interrupt())
    rill.step(0)
    assert.equal(count, #frames())
    assert.equal(1, #session.link.turns)
    push(done("a", "cancelled"))
    assert.equal(count, #frames())
    assert.equal(0, #session.link.turns)
    local stream = session:say("three")
    push(created("c", token()), said("c", "yes"), done("c"))
    assert.equal("yes", stream:result().text)
  end)

  describe("while a voice has come that nobody has looked at yet", function()
    local session

    -- A second answer is coming, and the user speaks.
    local function overtaken(...)
      play({ { "open" } })
      session = talk({ output = "text", turn_detection = "server_vad" })
      for id, word in ("a one b two"):gmatch("(%a) (%a+)") do
        local stream = session:say(word)
        push(created(id, token()), began(id), item("item_" .. id), said(id, "re " .. word))
        if id == "a" then
          push(done(id))
        end
        repeat until not stream:poll()
      end
      fake.last_socket():push(...)
    end

    local WHOLE = "u:one a:re one u:two a:re two"

    it("keeps question and answer, and takes none for another", function()
      overtaken(speaks())
      session:interrupt()
      rill.step(0)
      assert.equal(WHOLE, words(session.messages))
      assert.same({ "item_a" }, session.messages[2].native.items)
      assert.same({ "item_b" }, session.messages[4].native.items)
      assert.truthy(find(session, "interrupted"))
      session:say("three")
      assert.is_nil(last_frame("conversation.item.delete"))
    end)

    it("keeps them when it is closed, and closes", function()
      overtaken(speaks(), committed("item_u"))
      session:close()
      assert.is_true(session.link.is_closed)
      assert.equal(WHOLE, words(session.messages):sub(1, #WHOLE))
      assert.is_nil(session.messages[5].native)
    end)

    it("does so also where it comes while the stream is being closed", function()
      overtaken()
      local pump = session.link.pump
      session.link.pump = function(link, id)
        if id then -- that of the stream
          fake.last_socket():push(speaks())
        end
        return pump(link, id)
      end
      assert.is_true(session:interrupt())
      assert.equal(WHOLE, words(session.messages))
      assert.same({ "item_b" }, session.messages[4].native.items)
    end)
  end)

  it("leaves nothing of a question that the server then refuses for another answer", function()
    local session = talk({ turn_detection = "server_vad" })
    session:say("one")
    push(committed("item_u"), created("v"))
    session:interrupt()
    push(refusal("conversation_already_has_active_response", token()), done("v", "cancelled"))
    assert.same({}, session.link.turns)
    local stream = session:say("two")
    push(created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", stream:result().text)
  end)

  it("goes on after a question that the connection had no room for", function()
    local session = talk()
    session:connect()
    fake.last_socket().is_full = true
    local stream = session:say("one")
    stream:close()
    rill.step(0)
    push({ "room" })
    stream = session:say("two")
    push(created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", stream:result().text)
  end)

  it("cuts an answer that has come whole, but was not read to its end", function()
    local session = talk()
    local stream = session:say("one")
    push(created("a", token()), began("a"), item("item_a"), transcript("a", "one "),
      audio("a", ("A"):rep(4792)), transcript("a", "two "), audio("a", ("B"):rep(4792)), done("a"))
    repeat
      local one = stream:next()
    until one.data
    assert.is_true(session:interrupt())
    rill.step(0)
    assert.equal("u:one a:one ", words(session.messages))
    local cut = last_frame("conversation.item.truncate")
    assert.same({ "item_a", 100 }, { cut.item_id, cut.audio_end_ms })
    assert.is_nil(last_frame("response.cancel"))
  end)

  it("cuts an answer that was taken in one piece where it was played to", function()
    local session = talk()
    local stream = session:say("one")
    push(created("a", token()), began("a"), item("item_a"), transcript("a", "one "),
      audio("a", ("A"):rep(4792)), transcript("a", "two "), audio("a", ("B"):rep(4792)), done("a"))
    assert.equal(9600, #stream:result().audio.data)
    assert.is_false(session:interrupt())
    session:played(0.05)
    assert.is_true(session:interrupt())
    assert.equal(50, last_frame("conversation.item.truncate").audio_end_ms)
    assert.equal("u:one a:one ", words(session.messages))
  end)

  -- Two words with their sounds, a tenth of a second each; the text of an answer that has one, too,
  -- stands between them.
  local function spoken(...)
    return created("a", token()), began("a"), item("item_a"), transcript("a", "one "),
      audio("a", ("A"):rep(4792)), said("a", "7"), transcript("a", "two "),
      audio("a", ("B"):rep(4792)), ...
  end

  local function cut_at()
    local cut = last_frame("conversation.item.truncate")
    return cut and cut.audio_end_ms
  end

  for name, read in by_name({
    next = function(stream) repeat until not stream:next() end,
    poll = function(stream) repeat until not stream:poll() end,
    events = function(stream) for one in stream:events() do assert(one) end end,
    text = function(stream) for one in stream:text() do assert(one) end end,
    json = function(stream) for one in stream:json() do assert(one) end end,
    smooth = function(stream) for one in stream:smooth():text() do assert(one) end end,
    ["smooth:update"] = function(stream)
      local smooth = stream:smooth()
      repeat until select(2, smooth:update(1))
    end,
    result = function(stream) assert(stream:result()) end,
    run = function(stream) assert(stream:run()) end,
  }) do
    it("cuts an answer that was read by " .. name .. " where it was played to", function()
      local session = talk()
      local stream = session:say("one")
      push(spoken(done("a")))
      read(stream)
      assert.is_false(session:interrupt()) -- it counts as heard
      session:played(0.05)
      assert.is_true(session:interrupt())
      assert.equal(50, cut_at())
      assert.equal("u:one a:one ", words(session.messages))
    end)
  end

  it("cuts an answer from within its callbacks: where it was played to, or was read to", function()
    for _, case in ipairs({
      { 0.05, 50, nil, "7one " }, { nil, 100, nil, "7one " },
      { 0.05, 50, done("a"), "one " }, { nil, 100, done("a"), "one " },
    }) do
      play({ { "open" } })
      local session = talk()
      local stream = session:say("one", { on_delta = function()
        if case[1] then
          session:played(case[1])
        end
        assert.is_true(session:interrupt())
      end })
      push(spoken(case[3]))
      local reply = stream:run()
      rill.step(0)
      assert.equal(case[3] ~= nil, reply ~= nil)
      assert.equal(case[2], cut_at())
      assert.equal("u:one a:" .. case[4], words(session.messages))
      assert.equal(case[3] == nil, last_frame("response.cancel") ~= nil)
    end
  end)

  it("does not cut on one connection what was said on another", function()
    play({ { "open" } }, { { "open" } })
    local session = talk()
    local stream = session:say("one")
    push(created("a", token()), began("a"), item("item_a"), transcript("a", "one "),
      audio("a", ("A"):rep(4792)), transcript("a", "two "), audio("a", ("B"):rep(4792)), done("a"))
    repeat until not stream:next()
    session:played(0.05)
    push({ "close", 1001, "bye" })
    session:connect()
    assert.is_true(session:interrupt())
    assert.equal("session.update", kinds(2))
    assert.equal("u:one a:one ", words(session.messages))
  end)

  it("stops also an answer that has not begun when the user speaks", function()
    local session = talk({ turn_detection = "server_vad" })
    session:say("one")
    local asked = token()
    push(speaks())
    assert.is_nil(last_frame("response.cancel")) -- it would stop whatever is in flight by then
    push(created("a", asked))
    assert.equal("a", last_frame("response.cancel").response_id)
  end)
end)

describe("an answer whose beginning is not told", function()
  it("is that of the question which waits, with all that comes of it", function()
    play({ { "open" } })
    local session = talk({ output = "text" })
    for i, id in ipairs({ "a", "b" }) do
      local stream = session:say("question " .. i)
      push(said(id, "hel"), said(id, "lo"), done(id), said(id, "late"))
      assert.equal("hello", stream:result().text)
    end
    assert.equal("u:question 1 a:hello u:question 2 a:hello", words(session.messages))
  end)
end)

describe("an answer that nobody asked for", function()
  -- A question that the server refuses, since it answers already to what it has heard.
  local function asks_while_it_is_heard(session)
    local stream = session:say("two")
    push(committed("item_u"), created("v"), said("v", "heard you"),
      refusal("conversation_already_has_active_response", token()))
    repeat until not stream:poll()
    push(done("v"))
    push(created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", assert(stream:result()).text)
  end

  it("is not that of a question which waits, once the server has repeated a token", function()
    local session = talk({ turn_detection = "server_vad" })
    local stream = session:say("one")
    push(created("a", token()), said("a", "he"), done("a"))
    stream:result()
    asks_while_it_is_heard(session)
  end)

  it("is not that of a question either where the server has just heard somebody", function()
    asks_while_it_is_heard(talk({ turn_detection = "server_vad" }))
  end)

  it("is known from what the server has heard the end of, though a commit waits too", function()
    local session = talk({ turn_detection = "server_vad" })
    session:append("12")
    session:commit()
    local stream = session:say("two")
    push(event("input_audio_buffer.speech_stopped", '"item_id":"item_u"'), committed("item_u"),
      created("v"), said("v", "heard you"), done("v"), committed("item_c"),
      created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", stream:result().text)
    assert.equal("heard you", session:listen(0):result().text)
  end)

  it("is heard also where nothing was said before and nobody has listened yet", function()
    local session = talk({ turn_detection = "server_vad" })
    session:connect()
    push(created("v"), said("v", "welcome"), done("v"))
    assert.equal("welcome", assert(session:listen(0)):result().text)
    assert.equal("a:welcome", words(session.messages))
  end)

  it("may be asked for where nothing was said before", function()
    local session = talk({ extra = { instructions = "Greet the caller." } })
    local stream = session:respond()
    push(created("a", token()), said("a", "welcome"), done("a"))
    assert.equal("welcome", assert(stream:result()).text)
    assert.equal("session.update response.create", kinds())
  end)

  it("ends no other one by an end that is told twice", function()
    local session = talk()
    local stream = session:say("one")
    push(created("a", token()), said("a", "he"), done("a"))
    stream:result()
    stream = session:say("two")
    push(done("a"), created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", stream:result().text)
  end)
end)

describe("who waits for a realtime session's events", function()
  it("is told when another task closes it", function()
    local session = talk()
    session:connect()
    local result, has_ended
    rill.go(function()
      result = session:next()
      has_ended = true
    end)
    rill.step(0)
    rill.go(function()
      session:close()
    end)
    for _ = 1, 5 do
      rill.step(0)
    end
    assert.is_true(has_ended)
    assert.is_nil(result)
  end)

  it("is told when the server has sent what nobody understands", function()
    local session = talk()
    session:connect()
    local err
    rill.go(function()
      repeat
        local one
        one, err = session:next()
      until not one
    end)
    rill.step(0)
    push({ "binary", "?" })
    for _ = 1, 5 do
      rill.step(0)
    end
    assert.equal("protocol", err and err.kind)
  end)
end)

describe("the settings of a realtime session", function()
  it("are laid over those that the options make, not put in their place", function()
    local session = talk({ voice = "marin", session = {
      audio = { output = { speed = 1.2 }, input = { noise_reduction = { type = "near_field" } } },
      tracing = "auto",
    } })
    session:connect()
    local sent = frames()[1].session
    assert.same({ "marin", 1.2, "audio/pcm" }, { sent.audio.output.voice, sent.audio.output.speed,
      sent.audio.input.format.type })
    assert.equal("near_field", sent.audio.input.noise_reduction.type)
    assert.is_not_nil(sent.audio.input.turn_detection)
    assert.equal("auto", sent.tracing)
  end)

  it("keep the list of a vendor's tools in the conversation", function()
    local session = talk({ tools = { { type = "mcp", server_label = "x" } } })
    local stream = session:say("one")
    push(event("conversation.item.added", '"item":{"id":"mcpl_1","type":"mcp_list_tools"}'),
      created("a", token()), began("a"), said("a", "he"), done("a"))
    stream:result()
    session:say("two")
    assert.is_nil(last_frame("conversation.item.delete"))
  end)
end)

describe("a question that cannot be said", function()
  it("leaves all to be said that would have been said with it", function()
    local session = talk({ output = "text", messages = {
      { role = "system", content = "brief" }, { role = "user", content = "before" },
    } })
    local image = { type = "input_image", image_url = "data:", detail = print }
    local question = { role = "user", content = { image } }
    local ok, problem = pcall(function() session:say(question) end)
    assert.is_false(ok)
    assert.truthy(problem:find("detail is a function", 1, true))
    image.detail = "high"
    session:say(question)
    push()
    assert.equal("session.update session.update item.create item.create response.create", kinds())
    assert.equal("high", last_frame("conversation.item.create").item.content[1].detail)
  end)
end)

describe("metadata of a question", function()
  it("stays the caller's own", function()
    local metadata = { mine = "1" }
    local session = talk({ extra = { metadata = metadata } })
    session:say("one")
    assert.same({ mine = "1" }, metadata)
    local sent = last_frame("response.create").response.metadata
    assert.same({ "1", token() }, { sent.mine, sent.rill })
  end)

  it("is a table", function()
    local ok, problem = pcall(function()
      talk({ metadata = "x" }):say("one")
    end)
    assert.is_false(ok)
    assert.truthy(problem:find("metadata", 1, true), problem)
    assert.falsy(problem:find("attempt", 1, true), problem)
  end)
end)

describe("what a realtime server has refused", function()
  it("is said again where it was a message", function()
    local session = talk({ output = "text", messages = {
      { role = "user", content = "I am Ann." }, { role = "assistant", content = "Hi Ann." } } })
    local stream = session:say("one")
    local first = frames()[2]
    assert.equal("I am Ann.", first.item.content[1].text)
    push(refusal("server_error", first.event_id))
    local _, err = stream:result()
    assert.equal("server_error", err.code)
    local count = #frames()
    session:say("one")
    local again = {}
    for i = count + 1, #frames() do
      local one = frames()[i].item
      again[#again + 1] = one and one.content[1].text
    end
    assert.same({ "I am Ann.", "one" }, again)
  end)

  it("is said again, all of it, where it was settings, and fails the question", function()
    local session = talk({ output = "text", voice = "nobody", system = "Answer in Thai." })
    for count = 1, 2 do
      local stream = session:say("one")
      local settings = {}
      for _, frame in ipairs(frames()) do
        settings[#settings + 1] = frame.type == "session.update" and frame or nil
      end
      assert.equal(count, #settings)
      assert.same(settings[1], settings[count])
      assert.equal("Answer in Thai.", settings[count].session.instructions)
      push(refusal("invalid_value", settings[count].event_id))
      local _, err = stream:result()
      assert.equal("invalid_value", err.code)
    end
    local stream = session:say("two")
    push(created("a", token()), said("a", "yes"), done("a"))
    assert.equal("yes", stream:result().text)
    local count = #frames()
    session:say("three")
    assert.equal("conversation.item.create", frames()[count + 1].type)
  end)
end)
