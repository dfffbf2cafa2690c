-- The child of spec/net/resolve_spec.lua, with slow_dns.c preloaded.  Called with the base URL of a
-- server that answers "quick" and with what to do; prints one "name value" per line.

local socket = require("socket")
local core = require("rill.core")

local base_url, action = arg[1], arg[2]
local SLOW = "http://x.slow.test/v1/chat/completions"

local function profile(connect)
  return core.profile({
    headers = { "Content-Type: application/json" },
    timeout = { connect = connect, first_byte = 10, first_output = 10, idle = 10, progress = 10,
      total = 10 },
    retry = { max = 0, base = 1, factor = 2, cap = 1, jitter = 0, max_wait = 1 },
    limits = { buffer = 1048576, event = 1048576, error_body = 65536 },
    http_version = "1.1",
  })
end

local function tell(name, value)
  print(name .. " " .. tostring(value))
end

local function measured(name, fn)
  local from = socket.gettime()
  local result = fn()
  tell(name, socket.gettime() - from)
  return result
end

local engine = core.engine()
local longest = 0

-- A step that does not wait must not, whatever is being looked up.
local function step()
  local from = socket.gettime()
  engine:step(0)
  longest = math.max(longest, socket.gettime() - from)
  while engine:ready() do end
  socket.sleep(0.001)
end

local function take_all(transfer)
  while true do
    local kind, what = transfer:take()
    if kind == nil and what == "end" then
      return transfer:ending()
    elseif kind == nil then
      step()
    end
  end
end

local slow = measured("open", function()
  return engine:open(profile(10), SLOW, "{}")
end)
for _ = 1, 20 do
  step()
end

local actions = {
  close = function()
    slow:close()
  end,
  collect = function()
    slow = nil
    collectgarbage()
    collectgarbage()
  end,
  engine_close = function()
    engine:close()
    engine = core.engine()
  end,
  time_out = function()
    local from = socket.gettime()
    local impatient = engine:open(profile(0.2), SLOW, "{}")
    take_all(impatient)
    tell("timed_out", socket.gettime() - from)
    tell("phase", impatient:failure().phase)
  end,
  leave = function() end,
}

local function ask_the_other()
  local other = engine:open(profile(10), base_url .. "/chat/completions", "{}")
  take_all(other)
  tell("other", other:reply())
end

if action ~= "time_out" then
  ask_the_other()
end
measured("action", actions[action])
ask_the_other()
tell("longest_step", longest)
tell("leaves_at", ("%.6f"):format(socket.gettime()))
io.stdout:flush()
if arg[3] == "os.exit" then
  os.exit(0, true)
end
