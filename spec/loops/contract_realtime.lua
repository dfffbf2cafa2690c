-- What Realtime sessions do in every host: the part of contract.lua that is about them.
--
--   realtime(inside, spawn, pump)   -- inside a describe; contract.lua says what they are

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local assert = require("luassert")
local busted = require("busted")
local cjson = require("cjson").new()

local it = busted.it -- global in the files of specs only

local gateway = Gateway.start()

local function delta(text)
  return cjson.encode({ type = "response.output_text.delta", response_id = "r", delta = text })
end

-- A session whose server hears two pieces of sound and answers.
local function open()
  local route = gateway:script({ { websocket = true, steps = {
    { receive = 3 }, '{"type":"input_audio_buffer.committed","item_id":"item_u"}',
    '{"type":"response.created","response":{"id":"r"}}', delta("I "), { wait = "go" },
    delta("hear"), '{"type":"response.done","response":{"id":"r","status":"completed"}}',
    { stall = true },
  } } })
  return ask.client(route):live({
    dialect = "realtime", model = "m", output = "text", turn_detection = "server_vad",
  }), route
end

-- A session whose server answers what it has heard first, and then the question that it had
-- refused meanwhile.
local function open_crossed()
  local busy = '{"type":"error","error":{"code":"conversation_already_has_active_response",'
    .. '"message":"No"}}'
  return ask.client(gateway:script({ { websocket = true, steps = {
    { receive = 3 }, '{"type":"input_audio_buffer.committed","item_id":"item_u"}',
    '{"type":"response.created","response":{"id":"r"}}', busy, delta("I hear"),
    '{"type":"response.done","response":{"id":"r","status":"completed"}}', { receive = 1 },
    '{"type":"response.created","response":{"id":"q"}}',
    '{"type":"response.output_text.delta","response_id":"q","delta":"four"}',
    '{"type":"response.done","response":{"id":"q","status":"completed"}}',
  } } })):live({
    dialect = "realtime", model = "m", output = "text", turn_detection = "server_vad",
  })
end

return function(inside, spawn, pump)
  local function pump_until(is_so)
    for _ = 1, 5000 do
      if not is_so() then
        pump()
      end
    end
    assert.is_true(is_so())
  end

  it("a realtime session is spoken to and listened to by a coroutine each", function()
    local pieces, reply, event, has_ended = {}, nil, nil, false
    inside(function()
      local session, route = open()
      spawn(function()
        local stream = assert(session:listen())
        event = stream:next()
        while event do
          pieces[#pieces + 1] = event.text
          gateway:signal(route, "go")
          event = stream:next()
        end
        reply = stream:result()
      end)
      for _ = 1, 2 do
        assert(session:append(("\0"):rep(960)))
        pump()
      end
      pump_until(function()
        return reply ~= nil
      end)
      assert.equal("committed", session:next().type)
      assert.same({ nil, "timeout" }, { session:next(0.01) })
      spawn(function()
        event = session:next()
        has_ended = true
      end)
      pump()
      session:close()
      pump_until(function()
        return has_ended
      end)
      assert.equal(2, #session.messages)
    end)
    assert.equal("I hear", table.concat(pieces))
    assert.equal("complete", reply.outcome)
    assert.is_nil(event)
  end)

  it("a realtime session answers what was spoken, then a question, for a coroutine each", function()
    local asked, heard
    inside(function()
      local session = open_crossed()
      spawn(function()
        asked = assert(session:say("two and two?"):result())
      end)
      spawn(function()
        heard = assert(assert(session:listen()):result())
      end)
      pump_until(function()
        return asked ~= nil and heard ~= nil
      end)
      assert.equal(4, #session.messages)
      session:close()
    end)
    assert.same({ "four", "I hear" }, { asked.text, heard.text })
  end)
end
