-- SPDX-License-Identifier: MIT
--
-- How much later a delta is at hand in each host than in a C program on epoll (floor.c), all on
-- LuaJIT; and how long a step takes in LÖVE, which is bound to its frames.
-- `make bench-hosts BENCH="REPEATS STREAMS RATE SECONDS"`; nginx has a bench of its own,
-- resty.lua.

package.path = "./?.lua;" .. package.path
local report = dofile((arg[0]:match("^(.*/)") or "./") .. "report.lua")
local bench_server = require("spec.support.bench_server")
local love = require("spec.support.love")
local neovim = require("spec.support.neovim")
local shell = require("spec.support.shell")

local REPEATS, STREAMS = tonumber(arg[1]) or 3, tonumber(arg[2]) or 100
local RATE, SECONDS = tonumber(arg[3]) or 50, tonumber(arg[4]) or 6
local DELTAS = RATE * SECONDS
local BUILD = "build/jit/bench"

local CLIENT = ("env LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='build/jit/?.so;;' "
  .. "BENCH_CLOCK=%s/clock.so BENCH_HOST=%%s "):format(BUILD)

local wrongs = 0

local function measure(name, command)
  local pipe = io.popen(("%s/meter 120 %s </dev/null 2>&1"):format(BUILD, command))
  local facts = {}
  for key, value in pipe:read("*a"):gmatch('"([%w_]+)":(%-?[%d.e+]+)') do
    facts[key] = tonumber(value)
  end
  pipe:close()
  if facts.deltas ~= STREAMS * DELTAS or facts.status ~= 0 then
    wrongs = wrongs + 1
    report.note("WRONG: ", name, " saw ", tostring(facts.deltas), " deltas")
    return {}
  end
  return { us = (facts.user_us + facts.system_us) / facts.deltas, p50 = facts.p50_us,
    p99 = facts.p99_us }
end

local function script(host)
  return function(url)
    return measure(host, CLIENT:format(host)
      .. ("luajit bench/host_client.lua --streams %d %s"):format(STREAMS, url))
  end
end

local CASES = {
  { "floor", function(url)
    return measure("floor", ("%s/floor --streams %d %s/chat/completions")
      :format(BUILD, STREAMS, url))
  end },
  { "plain script", script("plain") },
  { "cqueues", script("cqueues") },
  { "luv", script("luv") },
  { "copas", script("copas") },
  { "Neovim", function(url)
    return measure("Neovim", neovim.ENVIRONMENT .. " " .. CLIENT:format("neovim")
      .. ("BENCH_ARGUMENTS='--streams %d %s' "):format(STREAMS, url)
      .. "nvim --headless -u NONE -i NONE -c 'luafile bench/host_client.lua'")
  end },
}

local function measure_all(url)
  local rows, by_name = {}, {}
  for i, case in ipairs(CASES) do
    by_name[case[1]] = {}
    rows[i] = { case[1], by_name[case[1]] }
  end
  for _ = 1, REPEATS do
    for i, case in ipairs(CASES) do
      table.insert(rows[i][2], case[2](url))
    end
  end
  local title = ("hosts, %d streams of %d deltas/s, LuaJIT"):format(STREAMS, RATE)
  report.table(title, {
    { "CPU us/delta", "us", "%.1f" }, { "p50 us", "p50", "%.0f" }, { "p99 us", "p99", "%.0f" },
  }, rows)
  for i = 3, #CASES do
    local name = CASES[i][1]
    report.target(name .. ": p50 beyond the floor's, us",
      report.difference(by_name[name], by_name.floor, "p50"), "at most", 200, "%.0f")
    report.target(name .. ": p99 beyond the floor's, us",
      report.difference(by_name[name], by_name.floor, "p99"), "at most", 2000, "%.0f")
  end
end

-- A step of each frame, sixty a second.
local function measure_frames(url)
  local screen = love.open_screen()
  local cases = { { "1 stream", 1 }, { STREAMS .. " streams", STREAMS },
    { STREAMS .. " streams, budget 2 ms", STREAMS, 0.002 } }
  local rows = {}
  for i, case in ipairs(cases) do
    rows[i] = { case[1], {} }
  end
  for _ = 1, REPEATS do
    for i, case in ipairs(cases) do
      local facts = screen:run("paced", {
        RILL_BASE_URL = url, RILL_STREAMS = case[2], RILL_BUDGET = case[3] or "",
      })
      table.insert(rows[i][2], { p50 = facts.step_p50, p99 = facts.step_p99, max = facts.step_max })
    end
  end
  screen:close()
  report.table(("LÖVE, one rill.step a frame, streams of %d deltas/s"):format(RATE), {
    { "p50 ms", "p50", "%.2f" }, { "p99 ms", "p99", "%.2f" }, { "max ms", "max", "%.2f" },
  }, rows)
  report.target("LÖVE, one stream: p99 of a step, ms", report.median_of(rows[1][2], "p99"),
    "at most", 1)
  report.target("LÖVE, one stream: longest step, ms", report.median_of(rows[1][2], "max"),
    "at most", 1)
end

shell.assert_runs("make -s LUA=jit RILL_SETUP=skip all bench-programs")
local server = bench_server.start(BUILD .. "/server")
local url = ("%s/paced/%d/%d/v1"):format(server.url, DELTAS, RATE)
measure_all(url)
measure_frames(url)
server:close()
report.summary()
io.write(("\nLoad at the end: %s; repeats: %d\n"):format(report.load(), REPEATS))
os.exit(wrongs == 0 and 0 or 1)
