-- SPDX-License-Identifier: MIT
--
-- The scenarios of the bench; run.sh starts the servers around it.  Every client in turn, some
-- repeats, medians; CPU is that of the client's whole process.  Ends with 1 if a client counted
-- wrong, never because of a time.

local here = arg[0]:match("^(.*/)") or "./"
local measuring = dofile(here .. "measure.lua")
local report = measuring.report
local websocket = dofile(here .. "ws.lua")(measuring)

local run, check, measure = measuring.run, measuring.check, measuring.measure
local text_bytes_of, stat, wrong = measuring.text_bytes_of, measuring.stat, measuring.wrong
local LUA, BUILD, SERVER, TAIL = measuring.LUA, measuring.BUILD, measuring.HTTP, measuring.TAIL

local env = os.getenv

local SMALL, LARGE = 1000, 300000 -- deltas; the slope between them leaves the start out
local REPLIES = 2000

local USAGE = [=[
usage: make bench BENCH="[--only NAME[,NAME...]] [--repeats R]"

  --repeats R   default 3
  --only NAMES  of: ]=]

---------------------------------------------------------------------------------------------------
-- Scenarios

local ALL = { "rill", "floor", "Lua-cURL + cjson", "openai on Node" }

local function full_speed(title, base, kind)
  local function once(name)
    local runs = {}
    for _, deltas in ipairs({ SMALL, LARGE }) do
      local url = ("%s/%s/%d%s"):format(base, kind, deltas, TAIL)
      runs[deltas] = run(name, url)
      check(runs[deltas], name, url, deltas, text_bytes_of(deltas))
    end
    local small, large, count = runs[SMALL], runs[LARGE], LARGE - SMALL
    return {
      us = (large.cpu_us - small.cpu_us) / count,
      user = (large.user_us - small.user_us) / count,
      rate = LARGE / large.wall_us * 1e6,
      peak = large.peak_kib / 1024,
    }
  end
  local rows, by_name = measure(ALL, once)
  report.table(title, {
    { "CPU us/delta", "us", "%.3f" }, { "of it user", "user", "%.3f" },
    { "deltas/s", "rate", "%.0f" }, { "peak MiB", "peak", "%.1f" },
  }, rows, "us", { "floor", "rill" })
  for _, case in ipairs({ { "Lua-cURL + cjson", 9 }, { "openai on Node", 40 } }) do
    local name, limit = case[1], case[2]
    if by_name[name] then
      report.target(("%s: CPU of %s over rill's"):format(title, name),
        (report.ratio(by_name[name], by_name.rill, "us")), "at least", limit, "%.1f")
    end
  end
end

-- CPU and latency of clients that read paced streams; the rows are printed.
local function measure_paced(title, names, streams, rate, seconds)
  local count = rate * seconds
  local rows, by_name = measure(names, function(name)
    local runs = {}
    for _, deltas in ipairs({ 1, count }) do
      local url = ("%s/paced/%d/%d%s"):format(SERVER, deltas, rate, TAIL)
      runs[deltas] = run(name, url, "--streams " .. streams, seconds * 4 + 20)
      check(runs[deltas], name, url, deltas * streams, 21 * deltas * streams)
    end
    local large = runs[count]
    return {
      us = (large.cpu_us - runs[1].cpu_us) / (count - 1) / streams,
      p50 = large.p50_us, p99 = large.p99_us, peak = large.peak_kib / 1024,
    }
  end)
  report.table(title, {
    { "CPU us/delta", "us", "%.1f" }, { "p50 us", "p50", "%.0f" }, { "p99 us", "p99", "%.0f" },
    { "peak MiB", "peak", "%.1f" },
  }, rows, "us", { "floor" })
  return by_name
end

local function paced(streams, rate, seconds)
  local title = ("paced, %d stream%s of %d deltas/s, %d s"):format(streams,
    streams > 1 and "s" or "", rate, seconds)
  local by_name = measure_paced(title, { "rill", "floor" }, streams, rate, seconds)
  report.target(title .. ": CPU a delta over the floor's",
    (report.ratio(by_name.rill, by_name.floor, "us")), "at most", 1.6)
  report.target(title .. ": p50 beyond the floor's, us",
    report.difference(by_name.rill, by_name.floor, "p50"), "at most", 100, "%.0f")
  report.target(title .. ": p99 beyond the floor's, us",
    report.difference(by_name.rill, by_name.floor, "p99"), "at most", 1000, "%.0f")
end

local function count_calls(name, deltas)
  local environment, command = measuring.command(name, SERVER)
  local log = env("BENCH_TMP") .. "/strace"
  local url = ("%s/paced/%d/100%s"):format(SERVER, deltas, TAIL)
  local is_good = measuring.succeeds(("%s strace -f -qq -e signal=none -o %s %s %s"):format(
    environment, log, command, url))
  local calls = 0
  for line in is_good and io.lines(log) or function() end do
    calls = calls + (line:find("resumed>", 1, true) and 0 or 1)
  end
  return is_good and calls or nil
end

local function syscalls()
  if not measuring.succeeds("strace -qq -o /dev/null true") then
    report.note("strace is not installed, or may not trace here: no system calls are counted")
    return
  end
  local rows, by_name = measure({ "rill", "floor" }, function(name)
    local few, many = count_calls(name, 50), count_calls(name, 250)
    if not few or not many then
      wrong(name, " failed under strace")
      return {}
    end
    return { calls = (many - few) / 200, start = few }
  end)
  report.table("system calls, one stream of 100 deltas/s", {
    { "calls/delta", "calls", "%.2f" }, { "calls for 50 deltas", "start", "%.0f" },
  }, rows)
  report.target("system calls a delta", report.median_of(by_name.rill, "calls"), "at most", 4)
end

local function short()
  local rows, by_name = measure(ALL, function(name)
    local url, runs = SERVER .. "/short" .. TAIL, {}
    local connections
    for _, replies in ipairs({ 100, REPLIES + 100 }) do
      local before = stat("connections")
      runs[replies] = run(name, url, "--requests " .. replies)
      connections = stat("connections") - before
      check(runs[replies], name, url, 20 * replies, text_bytes_of(20) * replies)
    end
    local few, many = runs[100], runs[REPLIES + 100]
    return {
      us = (many.cpu_us - few.cpu_us) / REPLIES, wall = (many.wall_us - few.wall_us) / REPLIES,
      peak = many.peak_kib / 1024, connections = connections,
    }
  end)
  report.table(("short replies, %d of 20 deltas one after another"):format(REPLIES), {
    { "CPU us/request", "us", "%.1f" }, { "wall us/request", "wall", "%.1f" },
    { "peak MiB", "peak", "%.1f" }, { "connections", "connections", "%.0f" },
  }, rows, "us", { "floor" })
  report.target("short replies: CPU a request over the floor's",
    (report.ratio(by_name.rill, by_name.floor, "us")), "at most", 1.6)
  local connections = report.median_of(by_name.rill, "connections")
  report.target("short replies: connections used", connections, "exactly", 1, "%.0f")
  if connections ~= 1 then
    wrong("rill did not use one connection for all")
  end
end

local function start()
  local url = SERVER .. "/length/1" .. TAIL
  local rows, by_name = measure({ "rill", "floor" }, function()
    return { ms = {}, cpu = {} }
  end)
  for i = 1, measuring.repeats do
    for _ = 1, 11 do
      for _, row in ipairs(rows) do
        local facts = run(row[1], url)
        check(facts, row[1], url, 1, text_bytes_of(1))
        table.insert(row[2][i].ms, (facts.first_ns - facts.started_ns) / 1e6)
        table.insert(row[2][i].cpu, facts.cpu_us / 1e3)
      end
    end
    for _, row in ipairs(rows) do
      row[2][i] = { ms = report.median(row[2][i].ms), cpu = report.median(row[2][i].cpu) }
    end
  end
  report.table("process start to first delta", {
    { "first delta ms", "ms", "%.2f" }, { "CPU ms of the whole run", "cpu", "%.2f" },
  }, rows, "ms", { "floor" })
  report.target("process start to first delta over the floor's",
    (report.ratio(by_name.rill, by_name.floor, "ms")), "at most", 14 / 9)
end

-- Title, whether it is WebSocket, bytes a piece, whether the scan is in it, limit in ns.
local FRAMING = {
  { "SSE, pieces of 64 bytes", 0, 64, 0, 150 }, { "SSE, pieces of 16 KiB", 0, 16384, 0, 60 },
  { "SSE and scan, pieces of 64 bytes", 0, 64, 1 },
  { "SSE and scan, pieces of 16 KiB", 0, 16384, 1 },
  { "WebSocket, pieces of 64 bytes", 1, 64, 0 }, { "WebSocket, pieces of 16 KiB", 1, 16384, 0 },
  { "WebSocket and scan, pieces of 64 bytes", 1, 64, 1 },
  { "WebSocket and scan, pieces of 16 KiB", 1, 16384, 1 },
}

local function framing()
  local rows, by_case = {}, {}
  for i, case in ipairs(FRAMING) do
    rows[i] = { case[1], {} }
    by_case[table.concat({ case[2], case[3], case[4] }, " ")] = rows[i][2]
  end
  for _ = 1, measuring.repeats do
    local pipe = io.popen(BUILD .. "/framing")
    for line in pipe:lines() do
      local facts = {}
      for key, value in line:gmatch('"(%w+)":([%d.]+)') do
        facts[key] = tonumber(value)
      end
      table.insert(by_case[("%d %d %d"):format(facts.ws, facts.piece, facts.scan)], facts)
      if facts.ok ~= 1 then
        wrong("framing in pieces of ", facts.piece)
      end
    end
    pipe:close()
  end
  report.table("framing in memory, no network", {
    { "CPU ns/event", "ns", "%.1f" }, { "allocations once warm", "allocations", "%.0f" },
  }, rows)
  for i, case in ipairs(FRAMING) do
    if case[5] then
      report.target(case[1] .. ": ns an event", report.median_of(rows[i][2], "ns"), "at most",
        case[5], "%.0f")
    end
    report.target(case[1] .. ": allocations", report.median_of(rows[i][2], "allocations"),
      "exactly", 0, "%.0f")
  end
end

local function idle()
  local rows, by_name = measure({ "rill", "floor" }, function(name)
    local resident = {}
    for _, streams in ipairs({ 1, 1000 }) do
      stat("idle") -- begins anew
      local facts = run(name, SERVER .. "/idle" .. TAIL, "--idle 3 --streams " .. streams)
      resident[streams] = facts.rss_kib
      local open = stat("idle")
      if open ~= streams then
        wrong(("%s had %d idle streams open instead of %d"):format(name, open, streams))
      end
    end
    return {
      one = resident[1] / 1024, many = resident[1000] / 1024,
      each = (resident[1000] - resident[1]) / 999,
    }
  end)
  report.table("1000 open idle streams", {
    { "MiB with 1", "one", "%.1f" }, { "MiB with 1000", "many", "%.1f" },
    { "KiB each", "each", "%.1f" },
  }, rows, "each", { "floor" })
  report.target("idle stream: KiB resident", report.median_of(by_name.rill, "each"), "at most",
    40, "%.1f")
end

-- Wire formats beside chat completions: by the path of the server's formats, provider, and the type
-- of the events that are read, none where it is texts.
local FORMATS = {
  { "openai", "openai" }, { "responses", "responses" }, { "anthropic", "anthropic" },
  { "gemini", "gemini" }, { "ollama", "ollama" },
}
local EVENTS = { { "openai", "openai", "text" }, { "openai-reasoning", "openai", "reasoning" } }

local function read_format(case, kind)
  local flags = "--provider " .. case[2] .. (case[3] and " --events " .. case[3] or "")
  local runs = {}
  for _, deltas in ipairs({ SMALL, LARGE }) do
    local url = ("%s/format/%s/%s/%d"):format(SERVER, case[1], kind, deltas)
    runs[deltas] = run("rill", url, flags)
    check(runs[deltas], case[1], url, deltas, text_bytes_of(deltas))
  end
  local small, large = runs[SMALL], runs[LARGE]
  return {
    us = (large.cpu_us - small.cpu_us) / (LARGE - SMALL),
    rate = LARGE / large.wall_us * 1e6,
    peak = large.peak_kib / 1024,
  }
end

local function compare_formats(title, cases, kind)
  local rows = {}
  for i, case in ipairs(cases) do
    rows[i] = { case[1], {} }
  end
  for _ = 1, measuring.repeats do
    for i, case in ipairs(cases) do
      table.insert(rows[i][2], read_format(case, kind))
    end
  end
  report.table(title, {
    { "CPU us/delta", "us", "%.3f" }, { "deltas/s", "rate", "%.0f" },
    { "peak MiB", "peak", "%.1f" },
  }, rows, "us", { "openai" })
  for i = 2, #rows do
    if not cases[i][3] then
      report.target(("%s: CPU of %s over openai's"):format(title, cases[i][1]),
        (report.ratio(rows[i][2], rows[1][2], "us")), "at most", 1.5)
    end
  end
end

local function formats()
  compare_formats("formats, Content-Length", FORMATS, "length")
  compare_formats("formats, one chunk an event", FORMATS, "chunked")
  compare_formats("events of text and of reasoning, Content-Length", EVENTS, "length")
end

local scenarios = {
  { "length", function() full_speed("full speed, Content-Length", SERVER, "length") end },
  { "chunked", function() full_speed("full speed, one chunk an event", SERVER, "chunked") end },
  { "tls", function()
    if measuring.has_tls() then
      full_speed("full speed, TLS by nginx", "https" .. measuring.TLS, "length")
    end
  end },
  { "formats", formats },
  { "paced1", function() paced(1, 50, 20) end },
  { "paced100", function() paced(100, 50, 8) end },
  { "syscalls", syscalls },
  { "short", short },
  { "start", start },
  { "framing", framing },
  { "idle", idle },
  { "ws", websocket.full_speed },
  { "ws-tls", websocket.tls },
  { "ws-echo", websocket.echo },
  { "ws-paced", websocket.paced },
}

---------------------------------------------------------------------------------------------------

local only -- a set of names; nil: all

local function read_arguments()
  local known = {}
  for i, scenario in ipairs(scenarios) do
    known[i] = scenario[1]
    known[scenario[1]] = true
  end
  local at = 1
  while arg[at] do
    local value = arg[at + 1]
    if arg[at] == "--repeats" and tonumber(value) and tonumber(value) >= 1 then
      measuring.repeats = math.floor(tonumber(value))
    elseif arg[at] == "--only" and value then
      only = {}
      for name in value:gmatch("[^, ]+") do
        if not known[name] then
          io.stderr:write("no scenario is named ", name, "\n")
          os.exit(2)
        end
        only[name] = true
      end
    else
      io.write(USAGE, table.concat(known, ", "), "\n")
      os.exit(arg[at] == "--help" and 0 or 2)
    end
    at = at + 2
  end
end

read_arguments()
report.header({ "curl-config --version", LUA .. " -v", "nginx -v", "node --version",
  "gcc --version" })
io.write("\n")
local has_found = {}
for _, scenario in ipairs(scenarios) do
  local transport = scenario[1]:find("^ws") and "ws" or "http"
  if not only or only[scenario[1]] then
    if not has_found[transport] then
      has_found[transport] = true
      measuring.find_clients(transport)
    end
    scenario[2]()
  end
end
report.summary()
io.write(("\nLoad at the end: %s; repeats: %d\n"):format(report.load(),
  measuring.repeats))
os.exit(measuring.wrongs == 0 and 0 or 1)
