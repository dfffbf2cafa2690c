-- Callbacks instead of a loop: run() calls them until the answer is complete or has failed.
--
--   lua5.4 examples/callbacks.lua [PROMPT]

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")

connect(function(ai, model)
  local request = {
    model = model,
    messages = { { role = "user", content = arg[1] or "Say hello." } },
    max_tokens = 60,
  }
  ai:chat(request, {
    -- The text so far, and what is new in it.
    on_delta = function(_, delta)
      io.write(delta)
      io.flush()
    end,
    on_complete = function(full)
      print(("\n[complete: %d bytes]"):format(#full))
    end,
    -- An answer that was cut comes here, with the part that arrived.
    on_error = function(err)
      print("\n[failed: " .. tostring(err) .. "]")
    end,
  }):run()
end)
