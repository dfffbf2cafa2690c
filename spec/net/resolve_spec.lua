-- A name server that takes seconds holds up nothing: not another stream, not closing, not the exit.
-- The lookups are made slow by spec/torture/slow_dns.c, preloaded into a process of its own.

local Gateway = require("spec.support.gateway")
local socket = require("socket")
local sse = require("spec.support.sse")

local PROMPT = 0.5 -- seconds, for what must not wait for a lookup
local EXIT = 2
local TRIES = 3 -- a busy machine may make one run slow, but not three

local function run(command)
  local ok = os.execute(command)
  return ok == true or ok == 0
end

describe("a name that takes five seconds to look up", function()
  local shim, route

  setup(function()
    shim = os.tmpname()
    local command = "cc -O1 -D_GNU_SOURCE -shared -fPIC -o %s spec/torture/slow_dns.c -ldl"
    assert(run(command:format(shim)), "spec/torture/slow_dns.c does not compile")
    route = Gateway.start():script({ sse.answer("quick") })
  end)

  teardown(function()
    os.remove(shim)
  end)

  -- What the child says by name, its status and how long it took to end after its last word.
  local function child(action, how, environment)
    -- A sanitizer has to come first; see support/unpreload.c.
    local preload = os.getenv("RILL_PRELOAD")
    local command = "env %s LD_PRELOAD='%s' %s spec/torture/slow_dns.lua %s %s %s 2>&1;"
      .. " echo status $?"
    local pipe = assert(io.popen(command:format(environment or "",
      preload and preload .. " " .. shim or shim, os.getenv("RILL_LUA_BIN") or "lua5.4",
      route.base_url, action, how or "")))
    local said, lines = {}, {}
    for line in pipe:lines() do
      local name, value = line:match("^(%S+) (.*)$")
      said[name or line] = tonumber(value) or value
      lines[#lines + 1] = line
    end
    pipe:close()
    said.all = table.concat(lines, "\n")
    said.exit = socket.gettime() - (said.leaves_at or 0)
    return said
  end

  local function is_prompt(said)
    return said.open < PROMPT and said.action < PROMPT and said.longest_step < PROMPT
      and said.exit < EXIT
  end

  local function check(action, how, environment)
    local said
    for _ = 1, TRIES do
      said = child(action, how, environment)
      assert.are.equal(0, said.status, said.all)
      assert.are.equal("quick", said.other, said.all)
      if action == "time_out" or is_prompt(said) then
        return said
      end
    end
    error("three times too slow, the last time:\n" .. said.all .. "\nexit " .. said.exit)
  end

  it("does not hold up close, other streams and the end of the process", function()
    check("close")
  end)

  it("does not hold up the collection of the stream", function()
    check("collect")
  end)

  it("does not hold up the engine's close", function()
    check("engine_close")
  end)

  it("does not hold up a process that leaves it running", function()
    check("leave")
    check("leave", "os.exit")
  end)

  it("counts against timeout.connect", function()
    local said = check("time_out")
    assert.are.equal("connect", said.phase)
    assert.is_true(said.timed_out >= 0.2 and said.timed_out < 5, said.all)
  end)

  it("may come to its end after the Lua state has", function()
    -- The module's code must still be there for the thread that was left behind.
    for _, action in ipairs({ "close", "leave" }) do
      local said = child(action, "os.exit", "RILL_SLOW_DNS_MS=400 RILL_LINGER_MS=800")
      assert.are.equal(0, said.status, said.all)
    end
  end)
end)
