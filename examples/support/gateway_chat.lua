-- The local gateway's own dialect over WebSocket, at /v1/ws/chat:
--
--   {"type":"chat.start","model":...,"messages":[...],"api_key":...}     from the client
--   {"type":"content.delta","delta":"..."}                               many times, then
--   {"type":"chat.done","usage":{"total_tokens":n}}
--   {"type":"error","message":"..."}
--
-- One answer at a time; who wants no more of it closes the connection.

local answering = require("support.answering")
local completions = require("support.gateway_completions")
local json = require("support.json")

local function say(ws, answer)
  local is_whole = answering.pace(ws.connection, answer, function(token)
    ws:send('{"type":"content.delta","delta":' .. json.encode(token) .. "}")
  end)
  if is_whole then
    ws:send(json.event("chat.done", { usage = { total_tokens = answer.usage.total_tokens } }))
  end
end

local function refuse(ws, message)
  return ws:send(json.event("error", { message = message }))
end

return function(ws)
  local is_busy = false
  local function start(request)
    request.tools = nil -- the dialect has no way to say a call
    local answer, problem = completions.plan(request)
    if not answer then
      return refuse(ws, problem)
    end
    is_busy = true
    ws.connection:spawn(function()
      say(ws, answer)
      is_busy = false
    end)
  end
  while true do
    local message = ws:receive()
    if not message then
      return
    end
    local request = json.object(message)
    if not request or request.type ~= "chat.start" then
      refuse(ws, "A frame must be a JSON object whose type is chat.start.")
    elseif is_busy then
      refuse(ws, "An answer is still being given on this connection.")
    else
      start(request)
    end
  end
end
