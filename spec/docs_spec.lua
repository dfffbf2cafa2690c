-- The Lua blocks of the pages about WebSockets and live sessions, run as they stand there; and the
-- page about errors and the annotations, compared with what the code knows.

package.path = "examples/?.lua;" .. package.path
local ask = require("spec.support.ask")
local blocks = require("spec.support.blocks")
local local_gateway = require("support.local_gateway")
local rill = require("rill")
local shell = require("spec.support.shell")
local speech = require("support.speech")

-- What a page may use, beside all globals.
local function environment_of(fields)
  return setmetatable(fields, { __index = _G })
end

describe("the page about WebSockets", function()
  local page = blocks.of("docs/websocket.md")

  it("shows one program, which runs", function()
    assert.equal(1, #page)
    local printed, url, ws, route = {}, nil, nil, nil
    local environment = environment_of({
      key = ask.KEY,
      print = function(text)
        printed[#printed + 1] = text
      end,
      rill = {
        websocket = function(wanted, options)
          url = wanted
          ws, route = ask.websocket({
            { { receive = 1 }, "one", "two", { closing = { 1000, "" } } },
          }, options)
          return ws
        end,
      },
    })
    blocks.run(page[1], environment, "websocket.md")
    assert.same({ "one", "two" }, printed)
    assert.equal("wss://example.org/chat", url)
    local request = require("spec.support.gateway").start():requests(route)[1]
    assert.equal("Bearer " .. ask.KEY, request.headers.authorization)
    assert.equal("hello", request.messages[1].data)
    for _, name in ipairs({ "code", "reason", "by", "is_clean", "unsent" }) do
      assert.is_truthy(page[1]:find(name, 1, true))
      assert.is_not_nil(ws:closing()[name], name)
    end
  end)

  it("says that nothing moves unless something of rill's waits", function()
    local idle, route = ask.websocket({ { { receive = 1 }, "one", { stall = true } } })
    local read = ask.websocket({ { { receive = 1 }, "two", { stall = true } } })
    local gateway = require("spec.support.gateway").start()
    assert.same({ "connecting", 0 }, { idle:state(), #gateway:requests(route) })
    idle:send("hello")
    read:send("hello")
    assert.equal("two", read:next())
    while idle:metrics().messages_in == 0 do
      read:poll()
    end
    assert.equal("hello", gateway:requests(route)[1].messages[1].data)
    idle:send("written at once")
    assert.truthy(gateway:wait(route, "messages", 2, 5))
    idle:drop()
    read:drop()
    local text = shell.read("docs/websocket.md")
    assert.truthy(text:find("somebody has to wait", 1, true))
    assert.falsy((text .. shell.read("lua/rill/init.lua")):find("in the background", 1, true))
  end)
end)

describe("the page about live sessions", function()
  local page = blocks.of("docs/live.md")
  local gateway

  before_each(function()
    gateway = local_gateway.start({ rate = 5000 })
  end)

  after_each(function()
    gateway:stop()
  end)

  local function client()
    return rill.client({ base_url = gateway.base_url, api_key = ask.KEY, gateway = "local" })
  end

  it("shows a conversation that runs", function()
    assert.equal(2, #page)
    local written = {}
    local environment = environment_of({
      ai = client(),
      io = {
        write = function(text)
          written[#written + 1] = text
        end,
      },
    })
    blocks.run(page[1]:gsub("local reply", "reply"), environment, "live.md")
    assert.is_truthy(table.concat(written):find("Hello!", 1, true))
    assert.is_truthy(environment.reply.text:find("And now in Thai.", 1, true))
  end)

  it("shows a conversation by voice that runs", function()
    local pieces = { speech.say("how do you do") }
    for at = 2, 50 do
      pieces[at] = ("\0"):rep(960) -- 20 ms of silence, until the server notices
    end
    local played, environment = 0, nil
    environment = environment_of({
      ai = client(),
      rill = rill,
      microphone = function()
        local at = 0
        return function()
          at = at + 1
          return pieces[at]
        end
      end,
      speaker = {
        play = function(_, data)
          local has_ended = played > 50000
          played = played + #data
          if not has_ended and played > 50000 then
            environment.session:close()
          end
        end,
      },
    })
    blocks.run(page[2]:gsub("^local session", "session"), environment, "live.md")
    rill.run()
    assert.is_true(played > 50000, tostring(played))
    assert.equal("user", environment.session.messages[1].role)
  end)
end)

local read = shell.read

local function sources()
  local list = {}
  for path in shell.assert_runs("find lua -name '*.lua'"):gmatch("%S+") do
    list[#list + 1] = read(path)
  end
  return table.concat(list, "\n") .. "\n"
end

describe("the page about errors", function()
  it("names every phase", function()
    local row = assert(read("docs/errors.md"):match("\n| `phase` |([^\n]*)"))
    local phases = { "ping", "headers", "body", "request", "connect" } -- that C says, too
    for phase in sources():gmatch('phase = "(%l+)"') do
      phases[#phases + 1] = phase
    end
    assert.is_true(#phases > 10)
    for _, phase in ipairs(phases) do
      assert.truthy(row:find("`" .. phase .. "`", 1, true), phase)
    end
  end)

  it("names every kind, and no other", function()
    local known, named = {}, {}
    for kind in read("lua/rill/types.lua"):match("@alias rill%.ErrorKind\n(.-)\n\n")
      :gmatch('| "([%l_]+)"') do
      known[kind] = true
    end
    assert.is_true(known.malformed)
    local rows = read("docs/errors.md"):match("\n| kind |[^\n]*(.-)\n\n")
    for kind in rows:gmatch("\n| `([%l_]+)`") do
      named[kind] = true
    end
    assert.same(known, named)
  end)

  it("tells a text that cannot be sent from chunks that cannot be read", function()
    local ws = rill.websocket("ws://127.0.0.1:1", { reconnect = false })
    local _, err = ws:send("\255")
    ws:drop()
    assert.truthy(read("docs/errors.md"):find("\n| `" .. err.kind .. "` of `ws:send` |", 1, true))
  end)
end)

describe("the annotations", function()
  -- The fields of a class.
  local function fields_of(class)
    local names = {}
    local block = read("lua/rill/types.lua")
      :match("\n%-%-%-@class " .. class:gsub("%.", "%%.") .. "%f[^%w][^\n]*(.-)\n\n")
      or error("no class " .. class)
    for name in block:gmatch("\n%-%-%-@field ([%w_]+)") do
      names[name] = true
    end
    return names
  end

  local function names_of(map)
    local names = {}
    for name in pairs(map) do
      names[name] = true
    end
    return names
  end

  it("declare every class that they name", function()
    local text, declared, used = sources(), {}, {}
    for how, name in text:gmatch("%-%-%-@(%l+) (rill%.%u%a*)") do
      declared[name] = declared[name] or how == "class" or how == "alias"
    end
    for line in text:gmatch("%-%-%-@[^\n]*") do
      for name in line:gmatch("rill%.%u%a*") do
        used[name] = declared[name] or false
      end
    end
    for name, how in pairs(used) do
      assert.equal(true, how, name)
    end
  end)

  it("have every option", function()
    local options = require("rill.options")
    for class, known in pairs({
      ["rill.ClientOptions"] = options.CLIENT, ["rill.Timeouts"] = options.REQUEST.timeout,
      ["rill.Retry"] = options.REQUEST.retry, ["rill.Limits"] = options.REQUEST.limits,
      ["rill.WebSocketOptions"] = options.WEBSOCKET,
      ["rill.WebSocketLimits"] = options.WEBSOCKET.limits,
      ["rill.Reconnect"] = options.WEBSOCKET.reconnect,
      ["rill.RealtimeOptions"] = require("rill.live.realtime_options").schema,
    }) do
      assert.same(names_of(known), fields_of(class), class)
    end
  end)

  it("have the methods of the objects that C gives", function()
    local client = rill.client({ base_url = "http://127.0.0.1:9", api_key = ask.KEY })
    local session = client:live({ dialect = "chat", model = "m", reconnect = false })
    session.link:connect()
    for class, object in pairs({
      ["rill.Socket"] = session.link.socket, ["rill.Engine"] = rill.engine(),
    }) do
      for name in pairs(fields_of(class)) do
        assert.equal("function", type(object[name]), class .. "." .. name)
      end
    end
    session:close()
  end)
end)
