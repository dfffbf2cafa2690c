-- Several questions at once, in one thread: each task waits for its own answer, and no event loop
-- of one's own is needed.
--
--   lua5.4 examples/many.lua [CITY ...]

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")
local rill = require("rill")

connect(function(ai, model)
  local cities = #arg > 0 and arg or { "กรุงเทพฯ", "Lisbon", "Nairobi", "Quito" }
  local replies = {}
  for _, city in ipairs(cities) do
    rill.go(function()
      local stream = ai:chat({
        model = model,
        messages = { { role = "user", content = "One fact about " .. city .. ", please." } },
        max_tokens = 60,
      })
      -- A failure is a value here: the other tasks go on.
      local reply, err = stream:result()
      replies[city] = reply or err
      print(("%s: %s after %.2f s"):format(city, reply and reply.outcome or "failed",
        stream:metrics().duration))
    end)
  end
  rill.run()

  for _, city in ipairs(cities) do
    local reply = replies[city]
    print(("\n--- %s\n%s"):format(city, reply.text or tostring(reply)))
  end
end)
