-- SPDX-License-Identifier: MIT
--
-- The scenarios of the bench over WebSocket, for run.lua: one text frame a delta, and an echo.

local SMALL, LARGE = 1000, 300000 -- deltas; the slope between them leaves the start out
local FEW, MANY, BYTES = 1000, 100000, 300 -- messages of an echo, and the size of each
local ALL = { "rill", "floor", "floor, direct", "ws on Node", "lua-http" }

return function(measuring)
  local report, run, check = measuring.report, measuring.run, measuring.check
  local websocket = {}

  local function slope(few, many, count)
    return {
      us = (many.cpu_us - few.cpu_us) / count,
      user = (many.user_us - few.user_us) / count,
      peak = many.peak_kib / 1024,
    }
  end

  local function tell_floor(title, by_name)
    report.target(title .. ": CPU over the floor's",
      (report.ratio(by_name.rill, by_name.floor, "us")), "at most", 1.5)
  end

  local function tell_peer(title, by_name, name, limit)
    if by_name[name] then
      report.target(("%s: CPU of %s over rill's"):format(title, name),
        (report.ratio(by_name[name], by_name.rill, "us")), "at least", limit, "%.1f")
    end
  end

  local function full_speed(title, base)
    local rows, by_name = measuring.measure(ALL, function(name)
      local runs = {}
      for _, deltas in ipairs({ SMALL, LARGE }) do
        local url = ("%s/length/%d%s"):format(base, deltas, measuring.TAIL)
        runs[deltas] = run(name, url)
        check(runs[deltas], name, url, deltas, measuring.text_bytes_of(deltas))
      end
      local result = slope(runs[SMALL], runs[LARGE], LARGE - SMALL)
      result.rate = LARGE / runs[LARGE].wall_us * 1e6
      return result
    end, "ws")
    report.table(title, {
      { "CPU us/delta", "us", "%.3f" }, { "of it user", "user", "%.3f" },
      { "deltas/s", "rate", "%.0f" }, { "peak MiB", "peak", "%.1f" },
    }, rows, "us", { "floor", "rill" })
    tell_floor(title, by_name)
    tell_peer(title, by_name, "ws on Node", 5)
    tell_peer(title, by_name, "lua-http", 20)
  end

  function websocket.full_speed()
    full_speed("WebSocket, one frame a delta", measuring.WS)
  end

  function websocket.tls()
    if measuring.has_tls() then
      full_speed("WebSocket, one frame a delta, TLS by nginx", "wss" .. measuring.TLS)
    end
  end

  local function echo(window)
    local title = ("WebSocket, echo of %d bytes, %d on the way"):format(BYTES, window)
    local url = measuring.WS .. "/echo"
    local rows, by_name = measuring.measure(ALL, function(name)
      local runs = {}
      for _, count in ipairs({ FEW, MANY }) do
        runs[count] = run(name, url, ("--echo %d --window %d"):format(count, window))
        check(runs[count], name, url, count, BYTES * count)
      end
      local result = slope(runs[FEW], runs[MANY], MANY - FEW)
      result.wall = (runs[MANY].wall_us - runs[FEW].wall_us) / (MANY - FEW)
      return result
    end, "ws")
    report.table(title, {
      { "CPU us/message", "us", "%.2f" }, { "of it user", "user", "%.2f" },
      { "wall us/message", "wall", "%.2f" }, { "peak MiB", "peak", "%.1f" },
    }, rows, "us", { "floor", "rill" })
    tell_floor(title, by_name)
  end

  function websocket.echo()
    echo(1)
    echo(64)
  end

  function websocket.paced()
    local streams, rate, seconds = 100, 50, 8
    local count = rate * seconds
    local title = ("WebSocket, %d streams of %d deltas/s, %d s"):format(streams, rate, seconds)
    local rows, by_name = measuring.measure({ "rill", "floor" }, function(name)
      local runs = {}
      for _, deltas in ipairs({ 1, count }) do
        local url = ("%s/paced/%d/%d%s"):format(measuring.WS, deltas, rate, measuring.TAIL)
        runs[deltas] = run(name, url, "--streams " .. streams, seconds * 4 + 20)
        check(runs[deltas], name, url, deltas * streams, 21 * deltas * streams)
      end
      local result = slope(runs[1], runs[count], (count - 1) * streams)
      result.p50, result.p99 = runs[count].p50_us, runs[count].p99_us
      return result
    end, "ws")
    report.table(title, {
      { "CPU us/delta", "us", "%.1f" }, { "p50 us", "p50", "%.0f" }, { "p99 us", "p99", "%.0f" },
      { "peak MiB", "peak", "%.1f" },
    }, rows, "us", { "floor" })
    report.target(title .. ": p50 beyond the floor's, us",
      report.difference(by_name.rill, by_name.floor, "p50"), "at most", 100, "%.0f")
    report.target(title .. ": p99 beyond the floor's, us",
      report.difference(by_name.rill, by_name.floor, "p99"), "at most", 1000, "%.0f")
  end

  return websocket
end
