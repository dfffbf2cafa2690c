-- SPDX-License-Identifier: MIT
--
-- rill in nginx beside the plain script and the floor: CPU of the whole process for a delta, and
-- how much later a delta is at hand.  `make bench-resty BENCH="REPEATS STREAMS RATE SECONDS"`.
-- One worker.  "relays" writes each delta to the browser and flushes; "writes only" does the same
-- by a timer, without any model: what that alone costs in nginx.

package.path = "./?.lua;" .. package.path
local here = arg[0]:match("^(.*/)") or "./"
local report = dofile(here .. "report.lua")
local bench_server = require("spec.support.bench_server")
local openresty = require("spec.support.openresty")
local socket = require("socket")

local REPEATS, STREAMS = tonumber(arg[1]) or 3, tonumber(arg[2]) or 200
local RATE, SECONDS = tonumber(arg[3]) or 50, tonumber(arg[4]) or 6
local DELTAS = RATE * SECONDS
local BUILD = "build/jit/bench"

local NGINX = [[
server {
  listen 127.0.0.1:@port@;
  location /ping { content_by_lua_block { ngx.say("pong") } }
  location /reads { content_by_lua_block { require("model").reads() } }
  location /relays { content_by_lua_block { require("model").relays() } }
  location /writes { content_by_lua_block { require("model").writes(]] .. DELTAS .. ", " .. RATE
  .. [[) } }
  location /latency { content_by_lua_block { require("model").latency() } }
}
]]

local MODEL = [[
local rill = require("rill")
local now_ns = package.loadlib(os.getenv("RILL_FOLDER") .. "/clock.so", "luaopen_clock")()
local client = rill.client({ base_url = os.getenv("RILL_BASE_URL"), api_key = "sk-bench" })
local request = { model = "m", messages = { { role = "user", content = "hi" } } }
local latencies, first = {}, nil
local model = {}
function model.reads()
  local count = 0
  for delta in client:chat(request):text() do
    local now = now_ns()
    first, count = first or now, count + 1
    local stamp = tonumber(delta:sub(2, 20))
    if stamp - first >= 1e9 then latencies[#latencies + 1] = (now - stamp) / 1e3 end
  end
  ngx.say(count)
end
function model.relays()
  for delta in client:chat(request):text() do
    ngx.print(delta)
    ngx.flush(true)
  end
end
function model.writes(deltas, rate)
  for _ = 1, deltas do
    ngx.sleep(1 / rate)
    ngx.print("@0000000000000000000 ")
    ngx.flush(true)
  end
end
function model.latency()
  table.sort(latencies)
  local count = #latencies
  ngx.say(latencies[1 + math.floor((count - 1) * 0.5)], " ",
    latencies[1 + math.floor((count - 1) * 0.99)])
  latencies, first = {}, nil
end
return model
]]

local function cpu_us(pid)
  local file = assert(io.open(("/proc/%d/stat"):format(pid)))
  local fields = file:read("*a"):match("%) (.*)")
  file:close()
  local user, system = fields:match("^" .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) * 1e4 -- the kernel counts in ticks of 10 ms
end

local function facts_of(command)
  local pipe = io.popen(command .. " </dev/null")
  local facts = {}
  for key, value in pipe:read("*a"):gmatch('"([%w_]+)":(%-?[%d.e+]+)') do
    facts[key] = tonumber(value)
  end
  pipe:close()
  return facts
end

local wrongs = 0

local function check(name, count)
  if count ~= STREAMS * DELTAS then
    wrongs = wrongs + 1
    report.note("WRONG: ", name, " saw ", tostring(count), " deltas")
  end
end

local function client(name, command)
  return name, function(url)
    local facts = facts_of(("%s/meter 120 %s --streams %d %s/chat/completions"):format(BUILD,
      command, STREAMS, url))
    check(name, facts.deltas)
    return { us = (facts.user_us + facts.system_us) / STREAMS / DELTAS, p50 = facts.p50_us,
      p99 = facts.p99_us }
  end
end

local function worker(name, path)
  return name, function(_, server)
    local pid = server:workers()[1]
    local before = cpu_us(pid)
    local facts = facts_of(("build/jit/load %d %s %d /ping"):format(server.port, path, STREAMS))
    local us = (cpu_us(pid) - before) / STREAMS / DELTAS
    if path == "/reads" then
      check(name, facts.whole * DELTAS)
      local _, body = server:get("/latency")
      local p50, p99 = body:match("(%S+) (%S+)")
      return { us = us, p50 = tonumber(p50), p99 = tonumber(p99), ping = facts.ping_p99_ms }
    end
    check(name, facts.deltas)
    return { us = us, ping = facts.ping_p99_ms }
  end
end

local PLAIN = ("env LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='build/jit/?.so;;' "
  .. "BENCH_CLOCK=%s/clock.so luajit bench/client.lua"):format(BUILD)

local CASES = {
  { client("floor", BUILD .. "/floor") }, { client("plain script", PLAIN) },
  { worker("nginx, reads", "/reads") }, { worker("nginx, relays", "/relays") },
  { worker("nginx, writes only", "/writes") },
}

openresty.prepare()
local model = bench_server.start(BUILD .. "/server")
local url = ("%s/paced/%d/%d"):format(model.url, DELTAS, RATE)
local server = openresty.start({ http = NGINX, files = { ["model.lua"] = MODEL }, base_url = url,
  bell_folder = io.popen("pwd"):read("*l") .. "/" .. BUILD })
socket.sleep(0.1)
server:get("/ping")
local rows, by_name = {}, {}
for i, case in ipairs(CASES) do
  by_name[case[1]] = {}
  rows[i] = { case[1], by_name[case[1]] }
end
for _ = 1, REPEATS do
  for i, case in ipairs(CASES) do
    table.insert(rows[i][2], case[2](url, server))
  end
end
server:stop()
model:close()
local title = ("nginx, %d streams of %d deltas/s, one worker"):format(STREAMS, RATE)
report.table(title, {
  { "CPU us/delta", "us", "%.1f" }, { "p50 us", "p50", "%.0f" }, { "p99 us", "p99", "%.0f" },
  { "p99 of /ping, ms", "ping", "%.1f" },
}, rows)
report.target(title .. ": CPU a delta over the plain script's",
  (report.ratio(by_name["nginx, reads"], by_name["plain script"], "us")), "at most", 2)
report.target(title .. ": p50 beyond the floor's, us",
  report.difference(by_name["nginx, reads"], by_name.floor, "p50"), "at most", 200, "%.0f")
report.target(title .. ": p99 beyond the floor's, us",
  report.difference(by_name["nginx, reads"], by_name.floor, "p99"), "at most", 2000, "%.0f")
report.summary()
io.write(("\nLoad at the end: %s; repeats: %d\n"):format(report.load(), REPEATS))
os.exit(wrongs == 0 and 0 or 1)
