-- What live sessions do in every host: the part of contract.lua that is about them.
--
--   live(inside, spawn, pump)   -- inside a describe; contract.lua says what they are

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local assert = require("luassert")
local busted = require("busted")
local responses_socket = require("spec.support.responses_socket")

local it = busted.it -- global in the files of specs only

local gateway = Gateway.start()

local delta, completed = responses_socket.delta, responses_socket.completed

-- A session whose connections play lists of steps, and the route they come by.
local function open(...)
  local attempts = {}
  for i, steps in ipairs({ ... }) do
    attempts[i] = { websocket = true, steps = steps }
  end
  local route = gateway:script(attempts)
  return ask.client(route):live({ dialect = "responses", model = "m" }), route
end

return function(inside, spawn, pump)
  it("a live session tells its lanes apart, each read by a coroutine of its own", function()
    local texts, err = {}, nil
    inside(function()
      local session, route = open({ { receive = 3 }, delta("1", "a"), delta("2", "b"),
        delta("3", "c"), { wait = "go" }, delta("3", "c"), completed("c"), delta("1", "a"),
        completed("a"), delta("2", "b"), completed("b") })
      local count = 0
      for _, name in ipairs({ "a", "b", "c" }) do
        spawn(function()
          local stream = session:lane(name):say("hi")
          local seen = {}
          local event
          repeat
            event, err = stream:next()
            if event and event.type == "text" then
              assert.equal(name, event.lane)
              seen[#seen + 1] = event.text
              count = count + 1
              if count == 3 then
                gateway:signal(route, "go")
              end
            end
          until not event
          texts[name] = table.concat(seen)
          count = count + 10
        end)
      end
      for _ = 1, 5000 do
        if count < 36 then
          pump()
        end
      end
      session:close()
    end)
    assert.is_nil(err)
    assert.same({ a = "11", b = "22", c = "33" }, texts)
  end)

  it("a live session is interrupted by another coroutine than the one that waits", function()
    local result, text
    inside(function()
      local session = open({ { receive = 1 }, delta("he"), { stall = true } },
        { { receive = 1 }, delta("again"), completed() })
      local stream = session:say("one")
      local is_waiting = false
      spawn(function()
        local event, err = stream:next()
        while event do
          is_waiting = is_waiting or event.type == "text"
          event, err = stream:next()
        end
        result = err
      end)
      for _ = 1, 5000 do
        if not is_waiting then
          pump()
        end
      end
      pump()
      assert.is_true(session:interrupt())
      for _ = 1, 5000 do
        if not result then
          pump()
        end
      end
      assert.equal("he", session.messages[2].content)
      text = assert(session:say("two"):result()).text
      session:close()
    end)
    assert.equal("cancelled", result.kind)
    assert.equal("again", text)
  end)
end
