-- Sockets over TLS, with a real nginx in between, whose buffers and records are its own.

local Gateway = require("spec.support.gateway")
local core = require("rill.core")
local nginx = require("spec.support.nginx")
local raw = require("spec.support.raw")
local sse = require("spec.support.sse")

local gateway = Gateway.start()

describe("a socket over TLS", function()
  local server

  setup(function()
    server = nginx.start({ gateway = gateway })
  end)

  teardown(function()
    server:stop()
  end)

  local function connect(steps, spec, changes, ca_file)
    local route = gateway:script({ { websocket = true, steps = steps } })
    local profile = raw.profile(changes, { ca_file = ca_file or server.ca_file })
    return core.engine():connect(profile, server:socket_url("tls", route), spec), route
  end

  it("gives what it received, and closes with both frames", function()
    local socket = connect({ "one", { binary = "two" }, { closing = { 1000, "bye" } } })
    local items = raw.items(socket)
    assert.same({ "open", "text", "binary" }, { items[1][1], items[2][1], items[3][1] })
    assert.are.equal("closed", socket:ending())
    assert.same({ 1000, "bye", "peer" }, { socket:closing() })
  end)

  it("fails where nobody vouches for the server", function()
    local socket = core.engine():connect(raw.profile({ retry = { max = 0 } }),
      server:socket_url("tls", gateway:script({ { websocket = true } })))
    raw.items(socket)
    assert.are.equal("tls", socket:failure().kind)
    assert.is_false(socket:failure().retryable)
  end)

  it("fails at once where the server speaks no TLS, as a request does", function()
    local profile = raw.profile()
    local url = server:socket_url("plain", gateway:script({ { websocket = true } }))
    local socket = core.engine():connect(profile, (url:gsub("^ws:", "wss:")))
    local transfer = core.engine():open(profile, (url:gsub("^ws:", "https:")), "{}")
    for _, one in ipairs({ socket, transfer }) do
      raw.wait(one)
      assert.are.equal("tls", one:failure().kind)
      assert.is_false(one:failure().retryable)
      assert.are.equal(1, #one:attempts())
    end
  end)

  it("offers blocked bytes again as they were, whatever is sent meanwhile", function()
    local socket, route = connect({ { deaf = true }, { wait = "hear" }, { deaf = false },
      { receive = 200 }, { closing = { 1000, "" } } },
      { send_limit = 40000000, ping_interval = 0.01, ping_timeout = 10 })
    assert.are.equal("open", raw.take(socket)[1])
    local message, sent = sse.filler(100000), 0
    for _ = 1, 200 do
      assert.is_true(socket:send(message .. sent))
      sent = sent + 1
      core.engine():step(0)
    end
    local until_when = core.now() + 0.1
    while core.now() < until_when do
      core.engine():step(0.01)
    end
    assert.is_true((socket:queued()) > 0)
    gateway:signal(route, "hear")
    raw.items(socket)
    local number = 0
    for _, received in ipairs(gateway:requests(route)[1].messages) do
      if received.kind == "text" then
        assert.are.equal(message .. number, received.data)
        number = number + 1
      end
    end
    assert.are.equal(sent, number)
  end)

  it("reads on through records that poll cannot see, and stops when it is full", function()
    local steps, message = {}, sse.filler(30000)
    for i = 1, 100 do
      steps[i] = message
    end
    steps[101] = { closing = { 1000, "" } }
    local socket = connect(steps, nil, { limits = { buffer = 50000 } })
    while socket:stats().pauses == 0 do
      core.engine():step(1)
    end
    local count = 0
    for _, item in ipairs(raw.items(socket)) do
      count = count + (item[2] == message and 1 or 0)
    end
    assert.are.equal(100, count)
    assert.are.equal("closed", socket:ending())
  end)

  it("does so within a budget, too", function()
    local steps, message = {}, sse.filler(30000)
    for i = 1, 50 do
      steps[i] = message
    end
    steps[51] = { closing = { 1000, "" } }
    local socket = connect(steps, nil, { limits = { buffer = 10000000 } })
    local engine, deadline = core.engine(), core.now() + 10
    while not socket:ending() do
      assert.is_true(core.now() < deadline)
      while engine:ready() do end -- luacheck: ignore
      engine:step(0.1, 0)
    end
    assert.are.equal(51, #raw.items(socket))
  end)
end)
