-- An answer of a Realtime session was interrupted when its end was already on the way: the server
-- refused the stop that was no longer needed, without saying which event that was, and the question
-- that had been asked meanwhile was told so as its own failure.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local cjson = require("cjson").new()

local gateway = Gateway.start()

local function answer(id, text)
  return cjson.encode({ type = "response.created", response = { id = id } }),
    cjson.encode({ type = "response.output_text.delta", response_id = id, delta = text })
end

local function done(id)
  return cjson.encode({ type = "response.done", response = { id = id, status = "completed" } })
end

describe("a stop that comes too late", function()
  it("is no fault of the next question", function()
    local created, delta = answer("a", "one")
    local created_next, delta_next = answer("b", "two")
    local route = gateway:script({ { websocket = true, steps = {
      { receive = 3 }, created, delta, -- settings, question, request
      { receive = 2 }, done("a"), -- the stop and the next question, whose request waits
      { receive = 1 }, cjson.encode({ type = "error", event_id = "e", error = {
        type = "invalid_request_error", code = "response_cancel_not_active", message = "No",
        event_id = cjson.null,
      } }), created_next, delta_next, done("b"),
    } } })
    local session = ask.client(route):live({ dialect = "realtime", model = "m", output = "text" })
    local first = session:say("one")
    repeat until assert(first:next()).type == "text"
    assert.is_true(session:interrupt())
    assert.equal("two", assert(session:say("two"):result()).text)
    session:close()
  end)
end)
