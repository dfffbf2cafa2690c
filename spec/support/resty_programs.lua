-- What specs of connections in nginx share: programs at paths of their own, a gateway that these
-- talk to, and a server whose log is looked through after each spec.  Made inside of `describe`.
--
--   local nginx = programs.new(OPEN, { talk = TALK }, "base_url")
--
-- OPEN is the module "chat" that the programs require; "base_url" or "socket_url" says which of a
-- route's addresses they find in their argument `base`.
--
--   nginx.start()                        -- begins every spec
--   nginx.get("talk", attempt)           -- what the program prints; attempt: the gateway's part
--   nginx.with_and_without_bell(fn)      -- starts it twice
--   nginx.abort("waits", route)          -- goes away once the log says "it waits" and the gateway
--                                        -- was asked; gives when
--   nginx.is_let_go("waits", attempt)    -- aborting the request there closes its connection
--   nginx.route(first, second)           -- instead of an attempt, as a third argument

local Gateway = require("spec.support.gateway")
local assert = require("luassert")
local busted = require("busted")
local openresty = require("spec.support.openresty")

local setup, after_each = busted.setup, busted.after_each -- global in the files of specs only

local WITHOUT_BELL = 'init_worker_by_lua_block { require("rill").use("resty", { bell = false }) }\n'

local programs = {}

local function configuration(codes)
  local parts = { "lua_check_client_abort on;\nserver { listen 127.0.0.1:@port@;\n" }
  for name, code in pairs(codes) do
    parts[#parts + 1] = ("location /%s { content_by_lua_block { %s } }\n"):format(name, code)
  end
  return table.concat(parts) .. "}"
end

function programs.new(open, codes, address)
  local gateway = Gateway.start()
  local http = configuration(codes)
  local server
  local nginx = {}

  setup(openresty.prepare)

  after_each(function()
    local problems = server:problems()
    server:stop()
    assert.equal("", problems)
  end)

  function nginx.start(init)
    server = openresty.start({ http = (init or "") .. http, files = { ["chat.lua"] = open } })
  end

  function nginx.with_and_without_bell(fn)
    nginx.start()
    fn()
    server:stop()
    nginx.start(WITHOUT_BELL)
    fn()
  end

  -- route: made by `nginx.route`, where several requests share it.
  function nginx.get(name, attempt, route)
    route = route or nginx.route(attempt)
    local _, body = server:get(("/%s?base=%s"):format(name, route[address]))
    return body
  end

  function nginx.route(...)
    return gateway:script({ ... })
  end

  function nginx.abort(name, route)
    return server:abort("/" .. name, route[address], function()
      assert(gateway:wait(route, "requests", 1, 5)) -- a session says that it waits before it opens
    end)
  end

  function nginx.is_let_go(name, attempt, route)
    route = route or nginx.route(attempt)
    local left = nginx.abort(name, route)
    local record = assert(gateway:wait(route, "closed", 1, 5))
    assert.is_true(record.closed_at - left < 2, tostring(record.closed_at - left))
  end

  return nginx
end

return programs
