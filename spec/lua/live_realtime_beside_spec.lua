-- Answers that a Realtime server begins by itself while a question of the session's waits for its
-- own, on a fake core.

local ask = require("spec.support.ask")
local fake = require("spec.support.fake_core")
local script = require("spec.support.realtime_script")

local event, created, done, said = script.event, script.created, script.done, script.said
local item, began, speaks, committed = script.item, script.began, script.speaks, script.committed
local frames, kinds, last_frame, words = script.frames, script.kinds, script.last_frame,
  script.words
local push, token, refusal = script.push, script.token, script.refusal
local rill

local SPOKEN = "u:[spoken, without a transcript]"

local function talk(options)
  return script.talk(ask.merged({ turn_detection = "server_vad" }, options))
end

local function push_all(list)
  for _, one in ipairs(list) do
    push(one)
  end
end

local BUSY = "conversation_already_has_active_response"

-- A session that was asked something while the user spoke: the server answers the user first, and
-- refuses the question meanwhile.  Gives the session and both streams.
local function crossed(options, refused)
  local session = talk(options)
  local question = session:say("two")
  push(committed("item_u"), item("item_u"), created("v"), began("v"), item("item_v"),
    refused or refusal(BUSY, token()))
  return session, question, assert(session:listen(0))
end

before_each(function()
  rill = script.start()
  script.play({ { "open" } })
end)

teardown(fake.remove)

describe("an answer of the server's beside a question that waits", function()
  it("is heard, and the question is answered after it", function()
    local session, question, spontaneous = crossed()
    repeat until not question:poll()
    push(said("v", "heard you"), done("v"))
    assert.equal("heard you", assert(spontaneous:result()).text)
    push(created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", assert(question:result()).text)
    assert.equal(SPOKEN .. " a:heard you u:two a:yes", words(session.messages))
    assert.equal("session.update item.create response.create response.create", kinds())
  end)

  it("is waited for by the question also where the refusal names no event", function()
    local _, question, spontaneous = crossed(nil, refusal(BUSY))
    push(said("v", "heard you"), done("v"))
    assert.equal("heard you", assert(spontaneous:result()).text)
    repeat until not question:poll()
    push(created("b", token()), said("b", "yes"), done("b"))
    assert.equal("yes", assert(question:result()).text)
  end)

  it("keeps what the question has said when it goes on after a tool", function()
    local session, question, spontaneous = crossed({
      tools = { f = { call = function() return "42" end } },
    })
    repeat until not question:poll()
    push(event("response.function_call_arguments.done", '"response_id":"v","output_index":1,'
      .. '"call_id":"x","item_id":"item_v","name":"f","arguments":"{}"'), done("v"))
    for _ = 1, 9 do
      spontaneous:poll()
    end
    assert.is_nil(last_frame("conversation.item.delete"))
    push(created("b", token()), said("b", "yes"), done("b")) -- the question was first
    assert.equal("yes", assert(question:result()).text)
    push(created("c", token()), said("c", "it is 42"), done("c"))
    assert.equal("it is 42", assert(spontaneous:result()).text)
    assert.equal(SPOKEN .. " u:two a:yes a:- t:42 a:it is 42", words(session.messages))
  end)

  it("is not counted for the question's when turns are left out", function()
    local dropped
    local function counted(id, input, output)
      return event("response.done", ('"response":{"id":"%s","status":"completed","usage":'
        .. '{"input_tokens":%d,"output_tokens":%d}}'):format(id, input, output))
    end
    local session, question, spontaneous = crossed({ max_context = 100, on_trim = function(messages)
      dropped = words(messages)
    end })
    repeat until not question:poll()
    push(said("v", "heard you"), counted("v", 20, 5))
    assert(spontaneous:result())
    push(created("b", token()), said("b", "yes"), counted("b", 85, 5))
    assert(question:result())
    local third = session:say("three")
    push(created("c", token()), said("c", "no"), counted("c", 95, 5))
    assert(third:result())
    session:say(("x"):rep(160)) -- 100 so far, and 44
    assert.equal(SPOKEN .. " a:heard you u:two a:yes u:three a:no", dropped)
  end)

  it("is interrupted together with the question", function()
    local session, question, spontaneous = crossed()
    push(said("v", "heard"))
    assert.equal("heard", spontaneous:text()())
    assert.is_true(session:interrupt())
    assert.is_false(session:interrupt())
    rill.step(0)
    assert.same({ "cancelled", "cancelled" },
      { question:partial().outcome, spontaneous:partial().outcome })
    assert.equal(SPOKEN .. " a:heard u:two", words(session.messages))
    assert.equal("v", last_frame("response.cancel").response_id)
    push(done("v", "cancelled"))
    local count = #frames()
    session:say("three")
    push()
    assert.equal("item.create response.create",
      kinds():match(("%S+ "):rep(count) .. "(.*)"))
  end)

  it("is interrupted together with the question when the user speaks again", function()
    local session, question, spontaneous = crossed()
    push(said("v", "heard"))
    assert.equal("heard", spontaneous:text()())
    push(speaks())
    assert.same({ "cancelled", "cancelled" },
      { question:partial().outcome, spontaneous:partial().outcome })
    local one
    repeat
      one = assert(session:poll())
    until one.type == "interrupted"
    assert.equal("heard", one.text)
    assert.is_nil(last_frame("response.cancel")) -- the server stops by itself
  end)

  it("is not stopped with the question, if that alone is closed", function()
    local _, question, spontaneous = crossed({}, item("item_w"))
    question:close()
    push(refusal(BUSY, token()), said("v", "heard you"), done("v"))
    assert.is_nil(last_frame("response.cancel"))
    assert.equal("heard you", assert(spontaneous:result()).text)
  end)

  it("keeps further questions waiting as long as one of both goes on", function()
    local session, question, spontaneous = crossed()
    repeat until not question:poll()
    push(done("v"))
    spontaneous:result()
    assert.has_error(function() session:say("three") end)
    question:close()
    session:say("three")
  end)

  it("ends with the session as the question does", function()
    local session, question, spontaneous = crossed()
    session:close()
    for _, stream in ipairs({ question, spontaneous }) do
      assert.equal("cancelled", select(2, stream:result()).kind)
    end
  end)

  it("is nobody's fault when the connection is lost: the question that was not sent is asked again",
    function()
      script.play({ { "open" } }, { { "open" } })
      local _, question, spontaneous = crossed()
      repeat until not question:poll() -- refused, and held back
      fake.last_socket():push({ "close", 1001, "bye" })
      rill.step(0)
      local _, err = spontaneous:result()
      assert.same({ "interrupted", "uncertain" }, { err.kind, err.delivery })
      repeat until not question:poll()
      rill.step(0)
      push(created("b", token()), said("b", "yes"), done("b"))
      assert.equal("yes", assert(question:result()).text)
    end)
end)

describe("an answer of the server's while a tool of a question runs", function()
  it("is heard, and the question goes on after it", function()
    local loops, is_done = require("rill.loops"), false
    local session = talk({
      turn_detection = { type = "server_vad", interrupt_response = false },
      tools = { f = { call = function()
        repeat
          loops.wait(rill.engine(), "the tool")
        until is_done
        return "42"
      end } },
    })
    local question = session:say("two")
    push(created("a", token()), event("response.function_call_arguments.done",
      '"response_id":"a","output_index":0,"call_id":"x","item_id":"i","name":"f",'
      .. '"arguments":"{}"'), done("a"))
    repeat until not question:poll()
    push(committed("item_u"), created("v"), began("v"), said("v", "heard you"))
    local spontaneous = assert(session:listen(0))
    is_done = true
    loops.wake("the tool")
    for _ = 1, 9 do
      rill.step(0)
      question:poll()
    end
    assert.is_nil(last_frame("conversation.item.delete"))
    push(done("v"))
    assert.equal("heard you", assert(spontaneous:result()).text)
    push(created("b", token()), said("b", "it is 42"), done("b"))
    assert.equal("it is 42", assert(question:result()).text)
  end)
end)

describe("what was heard", function()
  local audio, transcript = script.audio, script.transcript

  -- An answer that has come whole: two words and their sounds, a tenth of a second each.
  local function spoken(id)
    return { began(id), item("item_" .. id), transcript(id, "one "), audio(id, ("A"):rep(4792)),
      transcript(id, "two "), audio(id, ("B"):rep(4792)), done(id) }
  end

  it("of an answer that still plays is cut also where the next question waits already", function()
    local session = talk()
    local stream = session:say("one")
    push(created("a", token()))
    push_all(spoken("a"))
    repeat until not stream:next()
    local question = session:say("two")
    session:played(0.05)
    assert.is_true(session:interrupt())
    assert.equal("cancelled", question:partial().outcome)
    assert.equal(50, last_frame("conversation.item.truncate").audio_end_ms)
    assert.equal("u:one a:one  u:two", words(session.messages))
  end)

  it("of an answer is no message where it is nothing, nor one of another session's", function()
    local session = talk({ turn_detection = false, messages = {
      { role = "user", content = "one" },
      { role = "assistant", content = "ye", native = { format = "live", interrupted = true } },
    } })
    session:respond()
    push(created("a", token()), began("a"), item("item_a"))
    session:interrupt()
    assert.equal("u:one a:ye", words(session.messages))
    assert.same({ format = "live", interrupted = true }, session.messages[2].native)
  end)

  it("of the newest answer is cut also where it was asked for before the one that was spoken",
    function()
      local session, question, spontaneous = crossed()
      repeat until not question:poll()
      push(said("v", "heard you"), done("v"))
      assert(spontaneous:result())
      push(created("b", token()))
      push_all(spoken("b"))
      assert(question:result())
      session:played(0.05)
      assert.is_true(session:interrupt())
      assert.equal(50, last_frame("conversation.item.truncate").audio_end_ms)
      assert.equal(SPOKEN .. " a:heard you u:two a:one ", words(session.messages))
    end)

  it("is not said of the answer before by who says it of the newest", function()
    local session = talk({ turn_detection = { type = "server_vad", interrupt_response = false } })
    session:append("12")
    push(committed("item_u"), created("a"))
    push_all(spoken("a"))
    push(committed("item_v"), created("b"))
    push_all(spoken("b"))
    local first, second = session:listen(0), session:listen(0)
    repeat until not second:next()
    session:played(0.15)
    assert.is_true(session:interrupt())
    assert.equal("complete", first:partial().outcome)
    local cuts = {}
    for _, frame in ipairs(frames()) do
      if frame.type == "conversation.item.truncate" then
        cuts[#cuts + 1] = ("%s %d"):format(frame.item_id, frame.audio_end_ms)
      end
    end
    table.sort(cuts)
    assert.equal("item_a 0, item_b 150", table.concat(cuts, ", "))
  end)

  it("of the newest answer is cut also where the one before is read after it", function()
    local session = talk({ turn_detection = { type = "server_vad", interrupt_response = false } })
    session:append("12")
    for _, id in ipairs({ "a", "b" }) do
      push(committed("item_of_" .. id), created(id))
      push_all(spoken(id))
    end
    local first, second = session:listen(0), session:listen(0)
    assert(second:result())
    repeat until not first:next()
    session:played(0.05)
    assert.is_true(session:interrupt())
    local cut = last_frame("conversation.item.truncate")
    assert.same({ "item_b", 50 }, { cut.item_id, cut.audio_end_ms })
  end)

  it("of an answer stays with the server when the next one is interrupted before a word", function()
    local session = talk({ turn_detection = false })
    local stream = session:say("one")
    push(created("a", token()), began("a"), item("item_a"), said("a", "he"))
    assert.equal("he", stream:text()())
    session:interrupt()
    push(done("a", "cancelled"))
    session:respond()
    push(created("b", token()), began("b"), item("item_b"))
    session:interrupt()
    push(done("b", "cancelled"))
    session:say("two")
    assert.equal("item_b", last_frame("conversation.item.delete").item_id)
    assert.equal("u:one a:he", words(session.messages))
    local deletions = select(2, kinds():gsub("item.delete", ""))
    assert.equal(1, deletions)
  end)
end)
