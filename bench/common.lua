-- SPDX-License-Identifier: MIT
--
-- What the clients in Lua share: arguments, counting, the report line.
--
--   CLIENT [--idle SECONDS] [--streams N] [--requests K] [--provider NAME] [--events TYPE]
--     [--echo N] [--window W] URL
--
-- --idle lets the streams be for so long and reports then; --events reads events instead of texts
-- and counts those of one type; --echo, over WebSocket, sends so many messages and gets each back,
-- W of them on their way at once (default 1).  The report is one line of JSON: deltas,
-- text_bytes, first_ns (when the first text was at hand), rss_kib, and for paced streams the
-- latencies.

local common = { streams = 1, requests = 1, window = 1 } -- and idle, provider, events, echo, url

-- bench/clock.c; it is built for one Lua, and whoever starts another leaves it out.
local clock_path = os.getenv("BENCH_CLOCK")
local function now_ns()
  return 0
end
if clock_path then
  now_ns = assert(package.loadlib(clock_path, "luaopen_clock"))()
end

local numbers = {
  ["--streams"] = "streams", ["--requests"] = "requests", ["--idle"] = "idle",
  ["--echo"] = "echo", ["--window"] = "window",
}
local words = { ["--provider"] = "provider", ["--events"] = "events" }
local at = 1
while arg[at] do
  local name = numbers[arg[at]]
  if name then
    common[name] = assert(tonumber(arg[at + 1]), "a number must follow " .. arg[at])
    at = at + 2
  elseif words[arg[at]] then
    common[words[arg[at]]] = arg[at + 1]
    at = at + 2
  else
    common.url = arg[at]
    at = at + 1
  end
end
assert(common.url, "an URL is missing")

local deltas, text_bytes, first_ns = 0, 0, 0
local latencies = {}

if common.url:find("/paced/", 1, true) then
  local sub, tonumber = string.sub, tonumber
  --- Called with each text.
  function common.text(text)
    local now = now_ns()
    if deltas == 0 then
      first_ns = now
    end
    deltas = deltas + 1
    text_bytes = text_bytes + #text
    -- The first second, in which the streams are opened, does not count.
    local stamp = tonumber(sub(text, 2, 20))
    if stamp - first_ns >= 1e9 then
      latencies[#latencies + 1] = now - stamp
    end
  end
else
  function common.text(text)
    if deltas == 0 then
      first_ns = now_ns()
    end
    deltas = deltas + 1
    text_bytes = text_bytes + #text
  end
end

--- Counts the text of a decoded chunk, if it has one.
function common.take_chunk(chunk)
  local choice = chunk.choices[1]
  local content = choice and choice.delta.content
  if content and content ~= "" then
    common.text(content)
  end
end

--- What is asked over WebSocket where the client makes no request of its own.
common.question = '{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}'

local filler = ("x"):rep(292)

--- Message number i of an echo, from 0: its number and what makes it 300 bytes.
function common.message(i)
  return ("%08d"):format(i) .. filler
end

--- Counts message number i that came back, and looks whether it is that.
function common.take_echo(message, i)
  assert(tonumber(message:sub(1, 8)) == i, "another message came back")
  common.text(message)
end

local function resident_kib()
  local file = assert(io.open("/proc/self/status"))
  local kib = file:read("*a"):match("VmRSS:%s*(%d+)")
  file:close()
  return tonumber(kib)
end

local function latency_us(part)
  return latencies[1 + math.floor((#latencies - 1) * part)] / 1e3
end

function common.report()
  local rss = resident_kib()
  local fields = ('"deltas":%d,"text_bytes":%d,"first_ns":%.0f,"rss_kib":%d')
    :format(deltas, text_bytes, first_ns, rss)
  if #latencies > 0 then
    table.sort(latencies)
    fields = fields .. (',"p50_us":%.1f,"p99_us":%.1f'):format(latency_us(0.5), latency_us(0.99))
  end
  io.write("{", fields, "}\n")
end

--- Seconds of a clock that only goes forward.
function common.seconds()
  return now_ns() / 1e9
end

return common
