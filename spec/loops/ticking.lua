-- "Does not block", measured: a timer of the host's own keeps its period while a hundred streams
-- flow at fifty tokens a second each.
--
--   ticking(adapter)   -- as for contract.lua, and
--     adapter.every(period, fn)   -- called in the host: calls fn so often, until it returns false
--
-- Time in which the host was ready to run and others ran does not count, and how late the timer is
-- is compared with the same time without streams and with a program beside it that only sleeps.
-- Nor does the collector, which takes what hundreds of other specs have left in this process into
-- its hands once in a run, a large table in one go: it rests meanwhile.

local ask = require("spec.support.ask")
local assert = require("luassert")
local bench_server = require("spec.support.bench_server")
local busted = require("busted")
local measured = require("spec.support.measured")
local shell = require("spec.support.shell")
local socket = require("socket")

local describe, it = busted.describe, busted.it -- global in the files of specs only

local STREAMS, RATE, SECONDS = 100, 50, 2
local PERIOD, BOUND = 0.01, 0.005
local RUNS = 5

local SERVER = "build/bench/server" -- whichever Lua runs

-- Another process that only sleeps, for as long as a measurement with streams takes.
local SLEEPER = [[
local socket = require("socket")
local lateness, last = {}, socket.gettime()
local stop_at = last + %g
while last < stop_at do
  socket.sleep(%g)
  local now = socket.gettime()
  lateness[#lateness + 1], last = now - last - %g, now
end
table.sort(lateness)
local p99 = lateness[math.max(1, math.floor(#lateness * 0.99))]
io.write(#lateness, " ", p99, " ", lateness[#lateness])]]

local function start_sleeper()
  local code = SLEEPER:format(SECONDS, PERIOD, PERIOD)
  return assert(io.popen("lua5.4 -e " .. shell.quoted(code)))
end

-- Seconds that this process has waited for a processor since it began (proc(5), schedstat).
local function queued()
  local file = io.open("/proc/self/schedstat")
  if not file then
    return 0
  end
  local _, nanoseconds = file:read("*n", "*n")
  file:close()
  return (nanoseconds or 0) / 1e9
end

local function summary(lateness)
  table.sort(lateness)
  local count = #lateness
  return {
    count = count, max = lateness[count] or 0, -- there may be none on a machine that is away
    p99 = lateness[math.max(1, math.floor(count * 0.99))] or 0,
  }
end

local function without_collector(measure, ...)
  collectgarbage()
  collectgarbage("stop")
  local ok, result = pcall(measure, ...)
  collectgarbage("restart")
  if not ok then
    error(result, 0)
  end
  return result
end

return function(adapter)
  -- Sanitizers take too much of the time that is measured.
  if (os.getenv("RILL_VARIANT") or ""):find("san", 1, true) then
    return
  end

  -- How late each tick comes after the one before it, from `has_begun` to `is_over`.
  local function watch(has_begun, is_over)
    local lateness, last = {}, nil
    adapter.every(PERIOD, function()
      local now = socket.gettime() - queued()
      if last then
        lateness[#lateness + 1] = now - last - PERIOD
      end
      last = has_begun() and now or nil
      return not is_over()
    end)
    return lateness
  end

  local function measure_idle()
    local lateness
    local stop_at = socket.gettime() + SECONDS
    assert.same({}, adapter.run(function()
      lateness = watch(function()
        return true
      end, function()
        return socket.gettime() >= stop_at
      end)
    end))
    return summary(lateness)
  end

  local function measure_busy(url)
    local client = ask.client(("%s/paced/%d/%d/v1"):format(url, RATE * SECONDS, RATE))
    local lateness
    local tokens, begun, left = 0, 0, STREAMS
    assert.same({}, adapter.run(function()
      -- To open a hundred at once takes longer than a tick; that they flow does not.
      lateness = watch(function()
        return begun == STREAMS
      end, function()
        return left == 0
      end)
      for _ = 1, STREAMS do
        adapter.spawn(function()
          local stream = client:chat(ask.request())
          local event = stream:next()
          begun = begun + 1
          while event do
            tokens = tokens + (event.type == "text" and 1 or 0)
            event = stream:next()
          end
          left = left - 1
        end)
      end
    end))
    assert.equal(STREAMS * RATE * SECONDS, tokens)
    return summary(lateness)
  end

  local function compare(url)
    local idle = without_collector(measure_idle)
    local sleeper = start_sleeper()
    local busy = without_collector(measure_busy, url)
    local count, p99, max = sleeper:read("*n", "*n", "*n")
    sleeper:close()
    -- Where nobody is let run, who only sleeps has few as well.
    local is_good = busy.count >= count / 2
      and busy.p99 <= BOUND + math.max(idle.p99, p99)
      and busy.max <= BOUND + math.max(idle.max, max)
    local said = ("%s: %d ticks, late by p99 %.1f ms, at most %.1f ms; without streams %d, %.1f "
      .. "and %.1f; a program that sleeps %d, %.1f and %.1f"):format(adapter.name, busy.count,
      busy.p99 * 1e3, busy.max * 1e3, idle.count, idle.p99 * 1e3, idle.max * 1e3, count, p99 * 1e3,
      max * 1e3)
    return is_good, said, p99 <= BOUND
  end

  describe("under " .. adapter.name .. ",", function()
    it("a timer of the host's own keeps ticking while a hundred streams flow", function()
      shell.assert_runs("make -s BENCH_BUILD=build/bench " .. SERVER)
      bench_server.with(SERVER, function(url)
        measured(RUNS, function()
          return compare(url)
        end)()
      end)
    end)
  end)
end
