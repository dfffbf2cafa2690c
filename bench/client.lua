-- SPDX-License-Identifier: MIT
--
-- rill in the bench: `stream:text()`, as a program would use it; common.lua has the arguments.

local common = dofile((arg[0]:match("^(.*/)") or "./") .. "common.lua")
local rill = require("rill")

local text = common.text
local ai = rill.client({
  base_url = (common.url:gsub("/chat/completions$", "")),
  api_key = "sk-bench",
  ca_file = os.getenv("BENCH_CACERT"),
  retry = { max = 0 },
})
local request = { model = "m", messages = { { role = "user", content = "hi" } } }

local function read_replies()
  for _ = 1, common.requests do
    for delta in ai:chat(request):text() do
      text(delta)
    end
  end
end

if common.streams == 1 and not common.idle then
  read_replies()
else
  for _ = 1, common.streams do
    rill.go(read_replies)
  end
  if common.idle then
    local deadline = common.seconds() + common.idle
    while common.seconds() < deadline do
      rill.step(0.1)
    end
    common.report()
    os.exit(0, false)
  end
  rill.run()
end
common.report()
