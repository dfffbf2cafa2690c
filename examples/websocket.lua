-- A WebSocket by itself, without a session above it: sends a message and prints what comes.
--
--   lua5.4 examples/websocket.lua [QUESTION]           -- the local gateway's chat, frame by frame
--   lua5.4 examples/websocket.lua --url URL [TEXT ...] -- any server: each text is one message

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local cjson = require("cjson")
local rill = require("rill")

-- One task writes, another reads; both wait without holding up the other.
local function talk(url, messages, on_message)
  local ws = rill.websocket(url, { ping_interval = 20 })
  local closing
  rill.go(function()
    assert(ws:open())
    for _, message in ipairs(messages) do
      assert(ws:send(message))
    end
  end)
  rill.go(function()
    local message, kind = ws:next()
    while message and on_message(message, kind) ~= "done" do
      message, kind = ws:next()
    end
    if not message and kind then
      error(kind, 0) -- it has not ended as it should
    end
    closing = ws:close()
  end)
  rill.run()
  local metrics = ws:metrics()
  print(("[%d messages in, %d out, open after %.0f ms, closed with %d]"):format(metrics.messages_in,
    metrics.messages_out, metrics.opened * 1000, closing.code))
end

local function print_delta(message)
  local event = cjson.decode(message)
  if event.type == "content.delta" then
    io.write(event.delta)
    io.flush()
  elseif event.type == "error" then
    error(event.message, 0)
  elseif event.type == "chat.done" then
    print(("\n[%d tokens]"):format(event.usage.total_tokens))
    return "done"
  end
end

local function ask_local_gateway(question)
  local gateway = require("support.local_gateway").start()
  local ok, err = pcall(talk, gateway.socket_url .. "/ws/chat", { cjson.encode({
    type = "chat.start", model = gateway.model,
    messages = { { role = "user", content = question } },
  }) }, print_delta)
  gateway:stop()
  if not ok then
    error(err, 0)
  end
end

local function main()
  if arg[1] ~= "--url" then
    return ask_local_gateway(arg[1] and table.concat(arg, " ") or "What is a WebSocket for?")
  elseif not arg[2] then
    error("usage: lua5.4 examples/websocket.lua [QUESTION | --url URL [TEXT ...]]", 0)
  end
  local texts = {}
  for at = 3, #arg do
    texts[at - 2] = arg[at]
  end
  talk(arg[2], texts, function(message, kind)
    print(kind == "text" and message or ("(%d bytes)"):format(#message))
  end)
end

local ok, err = pcall(main)
if not ok then
  local message = tostring(err):gsub("%s*\n%s*", " ")
  message = message:find("interrupted!", 1, true) and "interrupted" or message
  io.stderr:write("\n", message, "\n")
  os.exit(1)
end
