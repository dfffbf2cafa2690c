-- Every event of a stream, and what was measured.
--
--   lua5.4 examples/events.lua [PROMPT]

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")

-- One event as "type  field=value ...", without its provider's payload.
local function describe(event)
  local fields = {}
  for name, value in pairs(event) do
    if name ~= "type" and name ~= "raw" and type(value) ~= "table" then
      fields[#fields + 1] = name .. "=" .. tostring(value):gsub("\n", "\\n")
    end
  end
  table.sort(fields)
  return ("%-10s %s"):format(event.type, table.concat(fields, " "))
end

connect(function(ai, model)
  local stream = ai:chat({
    model = model,
    messages = { { role = "user", content = arg[1] or "Say hello." } },
    max_tokens = 40,
  })
  for event in stream:events() do
    print(describe(event))
  end

  -- The stream has ended: the reply as a whole, how it ended, and what it took.
  local reply = stream:result()
  print(("\n%d bytes of text, outcome %s, finish reason %s"):format(
    #reply.text, reply.outcome, tostring(reply.finish_reason)))
  for name, value in pairs(stream:metrics()) do
    print(("  %-18s %s"):format(name, tostring(value)))
  end
end)
