-- After a fork the child has an engine of its own, and the parent's streams go on undisturbed.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local core = require("rill.core")
local nginx = require("spec.support.nginx")
local raw = require("spec.support.raw")
local rill = require("rill")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local forking

local function compile()
  local name = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
  local path = os.tmpname()
  local ok = os.execute(("cc -shared -fPIC -o %s $(pkg-config --cflags %s) spec/support/forking.c")
    :format(path, name))
  assert(ok == true or ok == 0, "spec/support/forking.c does not compile")
  local open = assert(package.loadlib(path, "luaopen_forking"))
  os.remove(path)
  return open()
end

-- Runs a function in a forked child, which leaves without a word to the parent's objects; what it
-- returns, a string, is returned here.
local function in_child(fn)
  local path = os.tmpname()
  local pid = forking.fork()
  if pid == 0 then
    local ok, answer = pcall(fn)
    local file = io.open(path, "w")
    file:write(ok and "" or "error: ", tostring(answer))
    file:close()
    forking.exit(0)
  end
  local status = forking.wait(pid)
  local file = io.open(path)
  local answer = file:read("*a")
  file:close()
  os.remove(path)
  assert.are.equal(0, status)
  return answer
end

describe("after a fork", function()
  local server, routes, streams

  setup(function()
    forking = compile()
    server = nginx.start({ gateway = gateway })
  end)

  teardown(function()
    server:stop()
  end)

  -- A stream in the middle of its answer, by http and by https.
  before_each(function()
    ask.forget_connections()
    routes, streams = {}, {}
    for i, transport in ipairs({ "plain", "tls", "h2" }) do
      routes[i] = gateway:script({
        { steps = { sse.role() .. sse.chunk("Hel"), { wait = "go" }, sse.chunk("lo") .. sse.finish()
          .. sse.done() } },
      })
      streams[i] = ask.client(server:base_url(transport, routes[i]), {
        ca_file = transport ~= "plain" and server.ca_file or nil,
        http_version = transport == "h2" and "2" or nil,
      }):chat(ask.request())
      assert.are.equal("start", streams[i]:next(5).type)
      assert.are.equal("Hel", streams[i]:next(5).text)
    end
  end)

  local function assert_parent_goes_on()
    for i, stream in ipairs(streams) do
      assert.same({ nil, "timeout" }, { stream:next(0.01) })
      gateway:signal(routes[i], "go")
      assert.are.equal("lo", stream:next(5).text)
      assert.are.equal("complete", stream:result().outcome)
      assert.are.equal("Hello", stream:result().text)
      assert.is_nil(gateway:requests(routes[i])[1].closed_at)
      assert.are.equal(1, ask.count(routes[i]))
    end
    assert.are.equal("after", ask.chat({ sse.answer("after") }):result().text)
  end

  it("the child has an engine of its own, which works", function()
    local other = gateway:script({ sse.answer("child") })
    local parents = rill.engine()
    assert.are.equal("child true", in_child(function()
      local mine = rill.engine()
      local reply = assert(ask.client(other):chat(ask.request()):result())
      return reply.text .. " " .. tostring(mine ~= parents)
    end))
    assert_parent_goes_on()
  end)

  it("the parent's streams are cancelled for the child, which cannot hurt them", function()
    assert.are.equal("cancelled Hel cancelled Hel cancelled Hel", in_child(function()
      local words = {}
      for i, stream in ipairs(streams) do
        local _, err = stream:result()
        words[i] = err.kind .. " " .. stream:partial().text
        stream:close()
      end
      return table.concat(words, " ")
    end))
    assert_parent_goes_on()
  end)

  it("the child may step, close and collect what was its parent's", function()
    local other = gateway:script({ sse.answer("child") })
    assert.are.equal("child", in_child(function()
      local old = streams[1].engine
      old:step(0)
      streams[2]:close()
      streams = nil
      collectgarbage()
      collectgarbage()
      old:close()
      old = nil -- luacheck: ignore
      collectgarbage()
      return ask.client(other):chat(ask.request()):result().text
    end))
    assert_parent_goes_on()
  end)

  it("the child does not use the parent's kept connections", function()
    local other = gateway:script({
      sse.answer("parent"), sse.answer("child"), sse.answer("parent"),
    })
    local client = ask.client(other)
    assert.are.equal("parent", client:chat(ask.request()):result().text)
    assert.are.equal("child", in_child(function()
      return client:chat(ask.request()):result().text
    end))
    assert.are.equal("parent", client:chat(ask.request()):result().text)
    local requests = gateway:requests(other)
    assert.are_not.equal(requests[1].connection, requests[2].connection)
    assert.are_not.equal(requests[2].connection, requests[3].connection)
    assert_parent_goes_on()
  end)

  it("a request that waits to be retried is the parent's alone", function()
    local route = gateway:script({ { status = 503, framing = "length" }, sse.answer("again") })
    local stream = ask.client(route, { retry = { base = 0.05 } }):chat(ask.request())
    assert.are.equal("retry", stream:next(5).type)
    assert.are.equal("cancelled", in_child(function()
      local _, err = stream:result()
      return err.kind
    end))
    assert.are.equal("again", stream:result().text)
    assert.are.equal(2, ask.count(route))
    assert_parent_goes_on()
  end)

  it("a socket is the parent's alone, and the child cannot write to it", function()
    local route = gateway:script({ { websocket = true, steps = { "one", { wait = "go" }, "two",
      { receive = 1 }, { closing = { 1000, "" } } } } })
    local socket = core.engine():connect(raw.profile(), route.socket_url,
      { ping_interval = 0.05 })
    assert.are.equal("open", raw.take(socket)[1])
    assert.same({ "text", "one" }, raw.take(socket))
    local transfer = core.engine():answer(raw.profile())
    socket:attach(transfer)
    assert.are.equal("nil nil dropped closed false", in_child(function()
      local sent, pinged = socket:send("from the child"), socket:ping()
      socket:close()
      local words = { tostring(sent), tostring(pinged), socket:ending(), transfer:ending(),
        tostring(transfer:feed("{}")) }
      socket, transfer = nil, nil
      collectgarbage()
      collectgarbage()
      return table.concat(words, " ")
    end))
    assert.are.equal("fresh ended", in_child(function()
      local other = core.engine():connect(raw.profile(), gateway:script({ { websocket = true,
        steps = { "fresh", { closing = { 1000, "" } } } } }).socket_url)
      raw.take(other)
      local text = raw.take(other)[2]
      raw.take(other)
      return text .. " " .. other:state()
    end))
    socket:attach(nil)
    gateway:signal(route, "go")
    assert.same({ "text", "two" }, raw.take(socket))
    socket:send("from the parent")
    assert.same({ nil, "end" }, raw.take(socket))
    assert.are.equal("closed", socket:ending())
    local messages = {}
    for _, message in ipairs(gateway:requests(route)[1].messages) do
      messages[#messages + 1] = message.kind ~= "ping" and message.data or nil
    end
    assert.are.equal("from the parent", messages[1])
    transfer:close()
    assert_parent_goes_on()
  end)

  it("a live session goes on in both, each over a connection of its own", function()
    local function answer(text)
      return '{"type":"response.output_text.delta","output_index":0,"delta":"' .. text .. '"}',
        '{"type":"response.completed","response":{"id":"r","status":"completed"}}'
    end
    local one, last = answer("one")
    local route = gateway:script({
      { websocket = true, steps = { { receive = 1 }, one, last, { receive = 1 },
        (answer("three")), last } },
      { websocket = true, steps = { { receive = 1 }, (answer("two")), last } },
    })
    local session = ask.client(route):live({ dialect = "responses", model = "m" })
    assert.are.equal("one", assert(session:say("one"):result()).text)
    assert.are.equal("two 2", in_child(function()
      return ("%s %d"):format(assert(session:say("two"):result()).text,
        session:metrics().connections)
    end))
    assert.are.equal("three", assert(session:say("three"):result()).text)
    assert.are.equal(1, session:metrics().connections)
    session:close()
    assert_parent_goes_on()
  end)
end)
