-- SPDX-License-Identifier: MIT
--
-- rill over WebSocket in the bench: a live session's `say` and `stream:text()`, or an echo by
-- `rill.websocket`; common.lua has the arguments.

local common = dofile((arg[0]:match("^(.*/)") or "./") .. "common.lua")
local rill = require("rill")

local text, message, take_echo = common.text, common.message, common.take_echo
local ai = rill.client({
  base_url = "http://127.0.0.1/v1", api_key = "sk-bench", ca_file = os.getenv("BENCH_CACERT"),
})

local function read_replies()
  local session = ai:live({ dialect = "completions", url = common.url, model = "m" })
  for _ = 1, common.requests do
    for delta in session:say("hi"):text() do
      text(delta)
    end
  end
  session:close()
end

local function send_echoes()
  local socket = rill.websocket(common.url)
  local window, echo = common.window, common.echo
  for i = 0, window - 1 do
    assert(socket:send(message(i)))
  end
  for i = 0, echo - 1 do
    take_echo(assert(socket:next()), i)
    if i + window < echo then
      assert(socket:send(message(i + window)))
    end
  end
  socket:close()
end

local talk = common.echo and send_echoes or read_replies
if common.streams == 1 then
  talk()
else
  for _ = 1, common.streams do
    rill.go(talk)
  end
  rill.run()
end
common.report()
