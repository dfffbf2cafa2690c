-- SPDX-License-Identifier: MIT
--
-- lua-http's WebSocket client and lua-cjson in the bench; common.lua has the arguments.

local common = dofile((arg[0]:match("^(.*/)") or "./") .. "common.lua")
local cqueues = require("cqueues")
local decode = require("cjson").decode
local websocket = require("http.websocket")

local function read_replies(socket)
  for _ = 1, common.requests do
    assert(socket:send(common.question, "text"))
    for payload in socket:each() do
      if payload == "[DONE]" then
        break
      end
      common.take_chunk(decode(payload))
    end
  end
end

local function send_echoes(socket)
  for i = 0, common.window - 1 do
    assert(socket:send(common.message(i), "text"))
  end
  for i = 0, common.echo - 1 do
    common.take_echo(assert(socket:receive()), i)
    if i + common.window < common.echo then
      assert(socket:send(common.message(i + common.window), "text"))
    end
  end
end

local controller = cqueues.new()
for _ = 1, common.streams do
  controller:wrap(function()
    local socket = websocket.new_from_uri(common.url)
    assert(socket:connect(30))
    local talk = common.echo and send_echoes or read_replies
    talk(socket)
    socket:close(1000)
  end)
end
assert(controller:loop())
common.report()
