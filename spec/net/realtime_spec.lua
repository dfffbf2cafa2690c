-- Realtime sessions against the local gateway, and against a scripted server, which does what
-- servers should not.

package.path = "examples/?.lua;" .. package.path

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local cjson = require("cjson").new()
local local_gateway = require("support.local_gateway")
local rill = require("rill")

local gateway = Gateway.start()
local friendly

setup(function()
  friendly = local_gateway.start({ rate = 500 })
end)

teardown(function()
  friendly:stop()
end)

local function talk(options, server)
  return rill.client({ base_url = (server or friendly).base_url, api_key = ask.KEY })
    :live(ask.merged({ dialect = "realtime", model = "rill-demo" }, options))
end

-- A session with a scripted server, of which each connection plays one attempt.
local function scripted(attempts, options)
  return ask.live(attempts, ask.merged({ dialect = "realtime" }, options))
end

-- Samples as loud as speech, or silence.
local function sound(seconds)
  return ("\232\3\24\252"):rep(math.floor(seconds * 12000))
end

local function silence(seconds)
  return ("\0\0"):rep(math.floor(seconds * 24000))
end

-- In pieces of 20 ms, as a microphone has them.
local function append(session, pcm)
  for at = 1, #pcm, 960 do
    assert(session:append(pcm:sub(at, at + 959)))
  end
end

-- The next event of a type.
local function await(session, kind)
  while true do
    local event, err = session:next(5)
    assert(event, tostring(err))
    if event.type == kind then
      return event
    end
  end
end

local function contents(messages)
  local list = {}
  for i, message in ipairs(messages) do
    list[i] = message.content or "-"
  end
  return list
end

describe("a realtime session with the local gateway", function()
  it("says text, and goes on", function()
    local session = talk({ output = "text", system = "brief" })
    local pieces = {}
    for text in session:say("one two three"):text() do
      pieces[#pieces + 1] = text
    end
    assert.is_true(#pieces > 3)
    assert.equal(session.messages[3].content, table.concat(pieces))
    local reply = assert(session:say("and now four"):result())
    assert.truthy(reply.text:find("four", 1, true))
    assert.equal("complete", reply.outcome)
    assert.is_true(reply.usage.output_tokens > 5)
    session:close()
    assert.equal(0, rill.engine():step(0))
  end)

  it("gives audio with its transcript", function()
    local session = talk()
    local reply = assert(session:say("hello"):result())
    assert.truthy(reply.audio.transcript:find("You said: hello.", 1, true))
    assert.equal(reply.audio.transcript, session.messages[2].content)
    assert.equal(#reply.audio.transcript * 40 * 48, #reply.audio.data) -- 40 ms a character
    session:close()
  end)

  it("answers what was committed, and has its transcript in the history", function()
    local session = talk({ transcribe = true, output = "text" })
    append(session, sound(0.5))
    assert.is_true(session:commit())
    local reply = assert(session:respond():result())
    assert.truthy(reply.text:find("(0.5 s of speech)", 1, true))
    assert.equal("(0.5 s of speech)", await(session, "transcript").text)
    assert.equal("(0.5 s of speech)", session.messages[1].content)
    assert.equal("complete", assert(session:say("more"):result()).outcome)
    assert.equal(4, #session.messages)
    session:close()
  end)

  it("hears when somebody speaks, and gives the answers that the server begins", function()
    local session = talk({ turn_detection = "server_vad", transcribe = true })
    append(session, sound(0.4) .. silence(0.6))
    local stream = assert(session:listen(5))
    local reply = assert(stream:result())
    assert.truthy(reply.audio.transcript:find("You said: (0.", 1, true))
    assert.equal(reply.audio.transcript, contents(session.messages)[2])
    assert.truthy(session.messages[1].content:find("s of speech", 1, true))
    for _, kind in ipairs({ "speech_started", "speech_stopped", "committed", "transcript" }) do
      assert.equal(kind, await(session, kind).type)
    end
    session:close()
  end)

  it("is silent when it is spoken over, and the server forgets what was not heard", function()
    local slow = local_gateway.start({ rate = 30 })
    local session = talk({ turn_detection = "server_vad" }, slow)
    append(session, sound(0.4) .. silence(0.6))
    local stream = assert(session:listen(5))
    local event = stream:next()
    while not event.data do
      event = stream:next()
    end
    append(session, sound(0.2))
    local err
    repeat
      event, err = stream:next()
    until not event
    assert.equal("cancelled", err.kind)
    local interrupted = await(session, "interrupted")
    assert.is_true(interrupted.heard > 0)
    assert.equal(interrupted.text, session.messages[2].content)
    assert.is_true(#interrupted.text <= #err.partial.audio.transcript)
    local truncated
    repeat
      truncated = await(session, "other").raw
    until truncated.type == "conversation.item.truncated"
    assert.is_true(math.abs(truncated.audio_end_ms / 1000 - interrupted.heard) < 0.001)
    append(session, silence(0.6))
    assert.equal("complete", assert(session:listen(5):result()).outcome)
    assert.equal(4, #session.messages)
    session:close()
    slow:stop()
  end)

  it("gives the answer to what was spoken, and then that to a question meanwhile", function()
    local session = talk({
      output = "text", turn_detection = { type = "server_vad", interrupt_response = false },
    })
    append(session, sound(0.4) .. silence(0.6))
    local question, spoken, asked = session:say("and this?"), nil, nil
    rill.go(function()
      asked = assert(question:result())
    end)
    rill.go(function()
      spoken = assert(assert(session:listen(5)):result())
    end)
    rill.run()
    assert.truthy(spoken.text:find("s of speech)", 1, true))
    assert.truthy(asked.text:find("and this?", 1, true))
    assert.equal(4, #session.messages)
    assert.equal("complete", assert(session:say("more"):result()).outcome)
    assert.equal(1, session:metrics().connections)
    session:close()
  end)

  it("is stopped by the application, and takes the next question at once", function()
    local slow = local_gateway.start({ rate = 30 })
    local session = talk({ output = "text" }, slow)
    local text = session:say("tell me a long story"):text()
    local first = text()
    assert.is_true(session:interrupt())
    assert.same({ "tell me a long story", first }, contents(session.messages))
    local stream = session:say("and now?")
    local event = stream:next()
    while event.type ~= "text" do
      event = assert(stream:next())
    end
    stream:close()
    session:close()
    slow:stop()
  end)

  it("calls tools", function()
    local session = talk({ output = "text", tools = { get_weather = {
      parameters = { type = "object", properties = { city = { type = "string" } } },
      call = function(arguments)
        return { weather = "rain in " .. tostring(arguments.city) }
      end,
    } } })
    local reply = assert(session:say("What is the weather in Pai?"):result())
    assert.equal(2, reply.turns)
    assert.truthy(session.messages[3].content:find("rain", 1, true))
    session:close()
  end)

  it("says everything again when the session had lasted too long", function()
    local short = local_gateway.start({ rate = 2000, cap = 1, answer = "Yes, %s." })
    local session = talk({ output = "text" }, short)
    assert(session:say("one"):result())
    assert.equal("session_expired", await(session, "error").error.code)
    await(session, "lost")
    local ok, err = session:append("12")
    assert.is_nil(ok)
    assert.equal("interrupted", err.kind)
    assert.equal("complete", assert(session:say("two"):result()).outcome)
    assert.equal(2, session:metrics().connections)
    assert.equal(4, #session.messages)
    session:close()
    short:stop()
  end)

  it("is listened to in one task while another speaks", function()
    local session = talk({ turn_detection = "server_vad" })
    local heard, pieces = nil, 0
    rill.go(function()
      local event = assert(session:next(5))
      while event.type ~= "committed" do
        pieces = pieces + (event.type == "speech_started" and 1 or 0)
        event = assert(session:next(5))
      end
      heard = assert(assert(session:listen(5)):result())
    end)
    rill.go(function()
      append(session, sound(0.4))
      assert.is_true(session:append(silence(0.6)))
    end)
    rill.run()
    assert.equal(1, pieces)
    assert.equal("complete", heard.outcome)
    session:close()
  end)

  it("is collected with its connection when nobody has it any more", function()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local session = talk({ turn_detection = "server_vad" })
      append(session, sound(0.1))
      session:next(0.2)
      weak[1] = session
    end
    for _ = 1, 4 do
      collectgarbage()
    end
    assert.is_nil(weak[1])
    rill.step(0)
    assert.equal(0, rill.engine():step(0))
  end)
end)

local CREATED = '{"type":"response.created","response":{"id":"r"}}'
local DONE = '{"type":"response.done","response":{"id":"r","status":"completed"}}'

local function delta(text)
  return cjson.encode({ type = "response.output_text.delta", response_id = "r", delta = text })
end

describe("a realtime session with a server of its own mind", function()
  it("has the names of the beta, and metadata that nobody repeats", function()
    local session = scripted({ { steps = {
      { receive = 3 }, CREATED,
      '{"type":"response.text.delta","response_id":"r","delta":"ho"}',
      '{ "delta": "la", "response_id": "r", "type": "response.text.delta" }', DONE,
    } } })
    assert.equal("hola", assert(session:say("one"):result()).text)
    session:close()
  end)

  it("tells what is uncertain when the connection is lost within an answer", function()
    local session, route = scripted({
      { steps = { { receive = 3 }, CREATED,
        delta("he"), { reset = true } } },
      { steps = { { receive = 3 }, CREATED, delta("yes"), DONE } },
    })
    local reply, err = session:say("one"):result()
    assert.is_nil(reply)
    assert.same({ "interrupted", "uncertain", "he" },
      { err.kind, err.delivery, err.partial.text })
    assert.equal("complete", assert(session:say("two"):result()).outcome)
    assert.equal(2, #gateway:requests(route))
    assert.equal(3, #gateway:requests(route)[2].messages) -- settings, the question, the request
    session:close()
  end)
end)
