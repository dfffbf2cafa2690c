-- A conversation over one WebSocket: one question a line, until the input ends.  An answer is
-- interrupted after so many characters; the model is told what was heard of it.
--
--   lua5.4 examples/live.lua [CHARACTERS]
--
-- It asks a gateway that speaks WebSocket, by HOLYSHEEP_API_KEY or OPENAI_API_KEY; without either
-- the local one.

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")

local patience = tonumber(arg[1]) or math.huge

connect(function(ai, model)
  local session = ai:live({ model = model, system = "You are brief.", fallback = "sse" })
  io.write("> ")
  for question in io.lines() do
    local stream, size = session:say(question), 0
    for event in stream:events() do
      if event.type == "text" then
        size = size + #event.text
        io.write(event.text)
        io.flush()
      elseif event.type == "retry" then
        io.write(("[%s]\n"):format(event.reason))
      end
      if size > patience then
        session:interrupt()
        break
      end
    end
    print(("\n[%s, %d messages]"):format(stream:partial().outcome, #session.messages))
    io.write("> ")
  end
  print()
  local metrics = session:metrics()
  print(("%d turns, %d connections"):format(metrics.turns, metrics.connections))
  session:close()
end, { dialects = { "chat", "responses" } })
