-- Live sessions with the options of the client and of the upgrade: TLS, a proxy, secrets.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local connect_proxy = require("spec.support.connect_proxy")
local nginx = require("spec.support.nginx")

local gateway = Gateway.start()

local DELTA = '{"type":"content.delta","delta":"a"}'
local ANSWER = { websocket = true, steps = { { receive = 1 }, DELTA, '{"type":"chat.done"}' } }

local function live(route, options, fields)
  return ask.client(route, options):live(ask.merged({
    dialect = "chat", model = "m", reconnect = { max = 1, base = 0.01, jitter = 0 },
  }, fields))
end

describe("a live session over TLS", function()
  local server

  setup(function()
    server = nginx.start({ gateway = gateway })
  end)

  teardown(function()
    server:stop()
  end)

  local function ask_once(options)
    local route = gateway:script({ ANSWER })
    local session = live(route, options, { url = server:socket_url("tls", route) })
    local reply, err = session:say("hi"):result()
    session:close()
    return reply and reply.text, err and err.kind
  end

  it("trusts whom its client trusts", function()
    assert.same({ nil, "tls" }, { ask_once() })
    assert.same({ "a" }, { ask_once({ ca_file = server.ca_file }) })
    assert.same({ "a" }, { ask_once({ tls_verify = false }) })
  end)
end)

describe("a live session through a proxy", function()
  it("has its client's proxy connect it", function()
    local proxy = connect_proxy.start()
    local route = gateway:script({ ANSWER })
    local stream = live(route, { proxy = proxy.url }):say("hi")
    local deadline = os.time() + 10
    local event, why
    repeat
      proxy:pump()
      event, why = stream:poll()
    until not event and why ~= "pending" or os.time() > deadline
    assert.equal("a", assert(stream:result()).text)
    assert.matches("^CONNECT 127.0.0.1:" .. gateway.port .. " ", proxy.heads[1])
    proxy:stop()
  end)
end)

describe("a secret of the upgrade", function()
  it("is in no error, no event and no attempt, though the server repeats it", function()
    local in_url, in_header = "url-secret-0123456789", "header-secret-0123456789"
    local both = in_url .. " " .. in_header
    local route = gateway:script({ { status = 503, steps = { both } },
      { status = 403, steps = { '{"error":{"message":"not with ' .. both .. '"}}' } } })
    local session = live(route, nil, {
      url = route.socket_url .. "?token=" .. in_url, headers = { ["X-Api-Key"] = in_header },
    })
    local stream = session:say("hi")
    local seen = ask.read(stream)
    assert.equal("not with [redacted] [redacted]", seen.err.message)
    local shown = { tostring(seen.err), tostring(session), tostring(stream) }
    for _, list in ipairs({ seen.events, stream:attempts() }) do
      for _, one in ipairs(list) do
        shown[#shown + 1] = one.reason
      end
    end
    assert.equal("retry", seen.types)
    assert.truthy(#shown >= 4)
    assert.is_nil(table.concat(shown, "\n"):find("secret-0123456789", 1, true))
  end)
end)
