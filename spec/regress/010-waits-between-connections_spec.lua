-- A connection that the server opened and then lost, question unsent, was opened anew one time less
-- than `reconnect.max` says, and after the first wait each time, not after a longer one.  From then
-- on no question was asked at all: "no attempt is left to connect anew".

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")

local gateway = Gateway.start()

local DONE = '{"type":"response.completed","response":{"id":"r1","status":"completed","output":[]}}'
local DELTA = '{"type":"response.output_text.delta","item_id":"m","output_index":0,'
  .. '"content_index":0,"delta":"a"}'

-- More than the system's buffers take, so that it is certain that the server has not got it.
local LONG = ("word "):rep(2000000)

-- A session whose server loses the first connections, so many of them.
local function session_after(losses)
  local attempts = {}
  for i = 1, losses do
    attempts[i] = { websocket = true, steps = { { deaf = true }, { closing = { 1011, "" } } } }
  end
  attempts[losses + 1] = { websocket = true, steps = { { receive = 1 }, DELTA, DONE } }
  local route = gateway:script(attempts)
  return ask.client(route):live({
    dialect = "responses", model = "m", close_timeout = 0.05,
    reconnect = { max = 2, base = 0.01, jitter = 0 },
  }), route
end

-- What a question comes to, and the waits that its stream was told of, in hundredths of a second.
local function ask_it(session, question)
  local waits, stream = {}, session:say(question)
  local event = stream:next()
  while event do
    if event.type == "retry" then
      waits[#waits + 1] = math.floor(event.delay * 100 + 0.5)
    end
    event = stream:next()
  end
  local reply, err = stream:result()
  return reply, err, waits
end

describe("the connection of a live session that is lost before the question was sent", function()
  it("is opened anew as often as reconnect.max says, after longer and longer waits", function()
    local session, route = session_after(2)
    local reply, _, waits = ask_it(session, LONG)
    assert.equal("a", reply and reply.text)
    assert.same({ 1, 2 }, waits)
    assert.equal(3, #gateway:requests(route))
    session:close()
  end)

  it("is opened once for each question that comes after that", function()
    local session, route = session_after(4)
    for number = 3, 4 do
      local _, err, waits = ask_it(session, LONG)
      assert.equal("unsent", err.delivery)
      assert.same(number == 3 and { 1, 2 } or { 2 }, waits)
      assert.equal(number, #gateway:requests(route))
    end
    local reply, _, waits = ask_it(session, "short")
    assert.equal("a", reply and reply.text)
    assert.same({ 2 }, waits)
    session:close()
  end)
end)
