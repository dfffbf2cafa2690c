-- rill.websocket through a real nginx, to the package ws behind it.

local Gateway = require("spec.support.gateway")
local best_of = require("spec.support.best_of")
local nginx = require("spec.support.nginx")
local node = require("spec.support.node")
local rill = require("rill")
local socket = require("socket")

local missing = node.missing("ws")

local LOCATION = [[
location @path@ {
  proxy_pass @to@/;
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_or_upgrade;
  @more@
}
]]

-- /ws/ leads to the server, /short/ too, with little patience, /away/ to where nobody listens.
local function locations_of(backend)
  local away = Gateway.start().refused_url
  local text = {}
  for i, location in ipairs({
    { path = "/ws/", to = backend.url, more = "" },
    { path = "/short/", to = backend.url, more = "proxy_read_timeout 1s;" },
    { path = "/away/", to = away, more = "" },
  }) do
    text[i] = LOCATION:gsub("@(%w+)@", location)
  end
  return table.concat(text)
end

describe("nginx before the package ws", function()
  local backend, proxy

  setup(function()
    if missing then
      return
    end
    backend = node.start("spec/third_party/ws_server.mjs")
    proxy = nginx.start({ locations = locations_of(backend) })
  end)

  teardown(function()
    if backend then
      proxy:stop()
      backend:stop()
    end
  end)

  local function through_nginx(title, fn)
    it(title, missing and function()
      pending(missing)
    end or fn)
  end

  local function open(server, transport, path, options)
    options = options or {}
    options.ca_file = transport == "tls" and server.ca_file or nil
    options.reconnect = options.reconnect or false
    return rill.websocket((server[transport]:gsub("^http", "ws")) .. path, options)
  end

  for _, transport in ipairs({ "plain", "tls" }) do
    through_nginx("passes messages of every size, " .. transport, function()
      local ws = open(proxy, transport, "/ws/echo")
      for _, size in ipairs({ 0, 1, 125, 126, 65535, 65536, 3000000 }) do
        assert.is_true(ws:send(("x"):rep(size)))
        assert.is_true(ws:next(20) == ("x"):rep(size), size .. " bytes")
      end
      for i = 1, 1000 do
        ws:send("message " .. i)
      end
      for i = 1, 1000 do
        assert.are.equal("message " .. i, ws:next(10))
      end
      assert.is_true(ws:close().is_clean)
    end)

    through_nginx("passes close codes on, " .. transport, function()
      local ws = open(proxy, transport, "/ws/echo")
      ws:send("!close 4001 as agreed")
      local _, err = ws:next(10)
      assert.are.equal(4001, err.code)
      assert.are.equal("as agreed", ws:closing().reason)
      assert.is_true(ws:closing().is_clean)
    end)

    -- Whose heart does not beat is silent for longer than the second that /short/ waits.
    local function cuts_off_who_is_silent()
      local beating = open(proxy, transport, "/short/echo", { ping_interval = 0.2 })
      local silent = open(proxy, transport, "/short/echo", { ping_interval = false })
      assert.is_true(beating:open(10))
      local _, err = silent:next(10)
      assert.are.equal("interrupted", err.kind)
      assert.are.equal(1006, silent:closing().code)
      assert.is_true(beating:send("still here"))
      assert.are.equal("still here", beating:next(10))
      repeat
        assert.are.equal("timeout", select(2, beating:next(0.2)))
      until beating:metrics().pongs >= 3
      beating:close()
    end

    through_nginx("cuts off who is silent, and nobody whose heart beats, " .. transport,
      best_of(3, cuts_off_who_is_silent))

    through_nginx("is asked again while what is behind it is away, " .. transport, function()
      local ws = open(proxy, transport, "/away/echo", {
        reconnect = { max = 2, base = 0.01, jitter = 0 },
      })
      local is_open, err = ws:open(10)
      assert.is_nil(is_open)
      assert.are.equal(502, err.status)
      assert.are.equal(3, #ws:attempts())
      assert.is_true(err.retryable)
    end)

    -- The old worker serves the connections that it has; those to come have the new configuration.
    through_nginx("keeps what is open when its configuration changes, " .. transport, function()
      local other = nginx.start({ locations = locations_of(backend), has_workers = true })
      local ws = open(other, transport, "/ws/echo")
      assert.is_true(ws:send("before"))
      assert.are.equal("before", ws:next(10))
      other:reload(locations_of(backend):gsub("/ws/", "/new/"))
      local fresh
      local deadline = socket.gettime() + 10
      repeat
        fresh = open(other, transport, "/new/echo")
      until fresh:open(10) or socket.gettime() > deadline
      for _, one in ipairs({ ws, fresh }) do
        assert.is_true(one:send("after"))
        assert.are.equal("after", one:next(10))
        assert.is_true(one:close().is_clean)
      end
      other:stop()
    end)

    through_nginx("ends, which is no normal end of a session, " .. transport, function()
      local other = nginx.start({ locations = locations_of(backend) })
      local ws = open(other, transport, "/ws/echo")
      ws:send("before")
      assert.are.equal("before", ws:next(10))
      other:stop()
      local _, err = ws:next(10)
      assert.are.equal("interrupted", err.kind)
      assert.is_true(err.retryable)
      assert.is_false(ws:closing().is_clean)
    end)
  end
end)
