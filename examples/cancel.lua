-- Stopping an answer half-way: the connection is dropped at once, so that the gateway stops
-- counting, and what has arrived stays readable.
--
--   lua5.4 examples/cancel.lua [PROMPT]

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")

connect(function(ai, model)
  local stream = ai:chat({
    model = model,
    messages = { { role = "user", content = arg[1] or "Tell me a long story." } },
  })
  local deltas = 0
  for delta in stream:text() do
    io.write(delta)
    io.flush()
    deltas = deltas + 1
    if deltas == 20 then
      break -- on Lua 5.4 leaving the loop closes the stream by itself
    end
  end
  stream:close() -- for every other Lua; closing twice does no harm

  local partial = stream:partial()
  print(("\n[%s after %d bytes]"):format(partial.outcome, #partial.text))
end)
