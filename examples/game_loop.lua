-- An answer inside a frame loop, as in a game: rill.step(0) lets the stream progress and never
-- waits.
--
--   lua5.4 examples/game_loop.lua [PROMPT]

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")
local rill = require("rill")
local socket = require("socket") -- for its clock and its sleep, which a game has of its own

local FRAME = 1 / 60

connect(function(ai, model)
  local stream = ai:chat({
    model = model,
    messages = { { role = "user", content = arg[1] or "Greet the hero of this game." } },
    max_tokens = 60,
  })
  local speech, frames, slowest = "", 0, 0
  local has_ended = false

  while not has_ended do
    local started = socket.gettime()

    -- The game's update: take whatever has arrived, and go on.
    rill.step(0)
    while true do
      local event, err = stream:poll()
      if err == "pending" then
        break
      elseif not event then
        has_ended = true
        if err then
          error(err, 0)
        end
        break
      elseif event.type == "text" then
        speech = speech .. event.text
      end
    end

    -- Here a game would draw; the rest of the frame is free.
    frames = frames + 1
    local spent = socket.gettime() - started
    slowest = math.max(slowest, spent)
    socket.sleep(math.max(FRAME - spent, 0))
  end

  print(speech)
  print(("[%d frames, at most %.2f ms of each for the stream]"):format(frames, slowest * 1000))
end)
