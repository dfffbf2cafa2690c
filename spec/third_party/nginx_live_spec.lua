-- Live sessions through a real nginx, to the local gateway behind it.

local ask = require("spec.support.ask")
local best_of = require("spec.support.best_of")
local nginx = require("spec.support.nginx")

package.path = package.path .. ";./examples/?.lua"
local local_gateway = require("support.local_gateway")

local LOCATIONS = [[
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_or_upgrade;
location /patient/ { proxy_pass @url@/; proxy_read_timeout 60s; }
location /hasty/ { proxy_pass @url@/; proxy_read_timeout 1s; }
]]

describe("nginx before a gateway", function()
  local gateway, proxy

  setup(function()
    gateway = local_gateway.start({ rate = 2000, answer = "You said: %s" })
    local url = gateway.base_url:gsub("/v1$", "")
    proxy = nginx.start({ locations = LOCATIONS:gsub("@url@", url) })
  end)

  teardown(function()
    proxy:stop()
    gateway:stop()
  end)

  local function live(address, dialect, options)
    local client = ask.client(address .. "/v1", { ca_file = proxy.ca_file })
    return client:live(ask.merged({
      dialect = dialect, model = "rill-demo", output = dialect == "realtime" and "text" or nil,
      reconnect = { base = 0.01, jitter = 0 },
    }, options))
  end

  for _, dialect in ipairs({ "chat", "completions", "responses", "realtime" }) do
    for _, transport in ipairs({ "plain", "tls" }) do
      it(("passes a conversation on, %s, %s"):format(dialect, transport), function()
        local session = live(proxy[transport] .. "/patient", dialect)
        for _, question in ipairs({ "one", ("long "):rep(20000) .. "two" }) do
          local reply = assert(session:say(question):result())
          assert.equal("You said: " .. question:sub(1, 3), reply.text:sub(1, 13))
        end
        assert.equal(1, session:metrics().connections)
        session:close()
      end)
    end

    -- Who is silent is cut off after a second; whose heart beats is not.
    it("is replaced while idle, and not where the heart beats, " .. dialect, best_of(3, function()
      local silent = live(proxy.plain .. "/hasty", dialect, { ping_interval = false })
      local beating = live(proxy.plain .. "/hasty", dialect, { ping_interval = 0.2 })
      for _, session in ipairs({ silent, beating }) do
        assert(session:say("one"):result())
      end
      local waits = ask.client(gateway.base_url):live({ dialect = "realtime", model = "m" })
      assert.same({ nil, "timeout" }, { waits:listen(1.3) })
      for session, count in pairs({ [silent] = 2, [beating] = 1 }) do
        assert.equal("You said: two", session:say("two"):result().text)
        assert.equal(count, session:metrics().connections)
        assert.equal(4, #session.messages)
        session:close()
      end
      waits:close()
    end))
  end
end)
