-- SPDX-License-Identifier: MIT
--
-- Reads streams one after another in one process, in several lengths, and tells callgrind where
-- each reading begins and ends; instructions.sh takes the counts.
--
--   BENCH_CLOCK=clock.so instructions.lua URL STREAM...
--
-- A stream is KIND:FORMAT:PROVIDER:TYPE: how it is sent, by which path of the server's formats, and
-- what is read, as `stream:text()` (TYPE is texts) or as events of a type.

local rill = require("rill")

local mark = assert(package.loadlib(os.getenv("BENCH_CLOCK"), "bench_mark"))
local request = { model = "m", messages = { { role = "user", content = "hi" } } }

local function count_texts(stream)
  local count = 0
  for _ in stream:text() do
    count = count + 1
  end
  return count
end

local function count_events(stream, wanted)
  local count = 0
  for event in stream:events() do
    count = count + (event.type == wanted and 1 or 0)
  end
  return count
end

local function measure(url, stream, deltas)
  local kind, format, provider, wanted = stream:match("^(.-):(.-):(.-):(.-)$")
  local ai = rill.client({
    base_url = ("%s/format/%s/%s/%d"):format(url, format, kind, deltas),
    provider = provider, api_key = "sk-bench", retry = { max = 0 },
  })
  local count = wanted == "texts" and count_texts or count_events
  collectgarbage() -- so that all begin alike
  collectgarbage()
  mark()
  local counted = count(ai:chat(request), wanted)
  mark()
  assert(counted == deltas, ("%s: %d deltas instead of %d"):format(stream, counted, deltas))
end

-- The first loads what it needs.  The slope between the two lengths is what counts.  Each is read
-- five times: what arrives before `text` is called is kept as if events were wanted, and how much
-- that is, is chance.
local LENGTHS = { 100, 500, 500, 500, 500, 500, 8000, 8000, 8000, 8000, 8000 }

for i = 2, #arg do
  for _, deltas in ipairs(LENGTHS) do
    measure(arg[1], arg[i], deltas)
  end
end
