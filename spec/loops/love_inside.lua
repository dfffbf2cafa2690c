-- What love_spec.lua runs inside of LÖVE: scenes by name, which print what they have seen.  Those
-- of the game load examples/love as it is, draw it and press its keys.

local root, name = os.getenv("RILL_ROOT"), os.getenv("RILL_SCENE")

package.path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/examples/?.lua;%s/examples/love/?.lua;%s/?.lua;")
  :format(root, root, root, root, root) .. package.path
package.cpath = root .. "/build/jit/?.so;" .. package.cpath

local rill = require("rill")
local utf8 = require("utf8") -- LÖVE's

local REQUEST = { model = "m", messages = { { role = "user", content = "hi" } } }

local function say(key, value)
  print(("%s = %s"):format(key, tostring(value)))
end

local function client()
  return rill.client({ base_url = os.getenv("RILL_BASE_URL"), api_key = "sk-spec" })
end

---------------------------------------------------------------------------------------------------
-- The game

-- What the last frame drew, and the game's own time then: the sum of what its updates were told.
local seen = { text = "", is_talking = false, at = 0 }

-- Loads the game.  Its own gateways unless a URL is given; director is called after each update.
local function play(director)
  if os.getenv("RILL_BASE_URL") then
    package.loaded["support.gateways"] = {
      open = function()
        return client(), "spec-model", function()
          say("stopped", true)
        end
      end,
    }
  end
  dofile(root .. "/examples/love/main.lua")
  local scene = require("scene")
  local draw, update, at = scene.draw, love.update, 0
  function scene.draw(text, is_talking)
    seen.text, seen.is_talking, seen.at = text, is_talking, at
    draw(text, is_talking)
  end
  local direct = coroutine.wrap(function()
    director(scene)
    love.event.quit()
    while true do
      coroutine.yield()
    end
  end)
  function love.update(dt)
    at = at + dt
    update(dt)
    direct()
  end
end

local function until_true(condition)
  while not condition() do
    coroutine.yield()
  end
end

local function press(key)
  love.event.push("keypressed", key, key, false)
  coroutine.yield()
  coroutine.yield()
end

-- How many pixels of the bubble are paper, and how many are ink.
local function look(image, box)
  local paper, ink = 0, 0
  for y = box.y + 10, box.y + 50 do
    for x = box.x + 10, box.x + box.width - 10 do
      local red, green, blue = image:getPixel(x, y)
      if red > 0.95 and green > 0.95 and blue > 0.9 then
        paper = paper + 1
      elseif red < 0.3 and green < 0.3 and blue < 0.35 then
        ink = ink + 1
      end
    end
  end
  return paper, ink
end

local function take_picture()
  local picture
  love.graphics.captureScreenshot(function(image)
    picture = image
  end)
  until_true(function()
    return picture
  end)
  return picture
end

local function describe_picture(key, image, box)
  local paper, ink = look(image, box)
  say(key .. "_paper", paper)
  say(key .. "_ink", ink)
end

local scenes = {}

-- Types an answer, of which two pictures are made.
function scenes.types()
  play(function(scene)
    until_true(function()
      return seen.is_talking and seen.text == ""
    end)
    describe_picture("empty", take_picture(), scene.BUBBLE)
    local sign = client():chat(REQUEST) -- for the gateway, that it may answer the game now
    until_true(function()
      return seen.text ~= ""
    end)
    local first, started, frames, last = utf8.len(seen.text), seen.at, 0, ""
    until_true(function()
      assert(utf8.len(seen.text), "half a character is shown")
      assert(seen.text:sub(1, #last) == last, "what was shown has changed")
      last, frames = seen.text, frames + 1
      return utf8.len(seen.text) >= 88
    end)
    say("rate", (utf8.len(seen.text) - first) / (seen.at - started))
    say("frames", frames)
    local picture = take_picture()
    describe_picture("typed", picture, scene.BUBBLE)
    local file = assert(io.open(os.getenv("RILL_SHOT"), "wb"))
    file:write(picture:encode("png"):getString())
    file:close()
    until_true(function()
      return not seen.is_talking
    end)
    sign:close()
    say("text", seen.text)
  end)
end

-- Is interrupted, asked anew, told to hurry, and left.
function scenes.keys()
  play(function()
    until_true(function()
      return seen.text:find("^one")
    end)
    press("escape")
    say("interrupted", seen.text)
    say("is_talking", seen.is_talking)
    press("2")
    until_true(function()
      return seen.text:find("^two")
    end)
    press("space")
    say("skipped", seen.text)
    press("3")
    until_true(function()
      return not seen.is_talking
    end)
    say("failed", seen.text)
    press("escape") -- and now it leaves
    until_true(function() end)
  end)
end

-- As a newcomer sees it; the local gateway answers.
function scenes.newcomer()
  play(function()
    until_true(function()
      return seen.text ~= ""
    end)
    press("space")
    until_true(function()
      press("space")
      return not seen.is_talking
    end)
    say("text", seen.text)
  end)
end

---------------------------------------------------------------------------------------------------
-- How long a step takes

local FRAME = 1 / 60

local function tell_durations(key, list)
  table.sort(list)
  say(key .. "_count", #list)
  say(key .. "_p50", list[math.ceil(#list * 0.5)] * 1e3)
  say(key .. "_p90", list[math.ceil(#list * 0.9)] * 1e3)
  say(key .. "_p99", list[math.ceil(#list * 0.99)] * 1e3)
  say(key .. "_max", list[#list] * 1e3)
end

-- Sixty frames a second: calls fn in each, until it returns true; gives how long each call took.
local function frames(fn)
  local list = {}
  repeat
    local started = love.timer.getTime()
    local is_over = fn()
    local spent = love.timer.getTime() - started
    list[#list + 1] = spent
    love.timer.sleep(math.max(FRAME - spent, 0))
  until is_over
  return list
end

local function quit_after(fn)
  function love.update()
    fn()
    love.event.quit()
  end
end

-- Streams at their pace, from their opening to their end; one, unless the environment says more.
function scenes.paced()
  local count = tonumber(os.getenv("RILL_STREAMS")) or 1
  local budget = tonumber(os.getenv("RILL_BUDGET") or "")
  local options = budget and { budget = budget } or nil
  quit_after(function()
    local ai, tokens, left = client(), 0, count
    for _ = 1, count do
      local stream = ai:chat(REQUEST)
      rill.go(function()
        for _ in stream:text() do
          tokens = tokens + 1
        end
        left = left - 1
      end)
    end
    tell_durations("step", frames(function()
      rill.step(0, options)
      return left == 0
    end))
    say("tokens", tokens)
    local frames_left = 120
    tell_durations("empty", frames(function()
      frames_left = frames_left - 1
      return frames_left == 0
    end))
  end)
end

-- Many streams as fast as they come, for so many frames, with or without a budget.
local function measure_many(key, count, frame_count, options)
  local ai, counts, streams = client(), {}, {}
  for i = 1, count do
    counts[i] = 0
    streams[i] = ai:chat(REQUEST)
    rill.go(function()
      pcall(function()
        for _ in streams[i]:text() do
          counts[i] = counts[i] + 1
        end
      end)
    end)
  end
  local begun, left_most, number = 0, 0, 0
  while begun < count do -- opening is not what is measured
    rill.step(0.01, { budget = 0.002 })
    begun = 0
    for i = 1, count do
      begun = begun + (counts[i] > 0 and 1 or 0)
    end
  end
  for i = 1, count do
    counts[i] = 0
  end
  tell_durations(key, frames(function()
    local _, left = rill.step(0, options)
    left_most = math.max(left_most, left)
    number = number + 1
    return number == frame_count
  end))
  table.sort(counts)
  say(key .. "_fewest", counts[1])
  say(key .. "_most", counts[count])
  say(key .. "_left", left_most)
  for i = 1, count do
    streams[i]:close()
  end
  rill.run()
end

function scenes.many()
  quit_after(function()
    measure_many("free", 50, 10, nil)
    measure_many("bounded", 50, 300, { budget = 0.002 })
  end)
end

-- An echo read by a task, after a time that ran out, and another by frames that look.
function scenes.websocket()
  quit_after(function()
    local url = os.getenv("RILL_SOCKET_URL")
    local ws, polled = rill.websocket(url), rill.websocket(url)
    local heard, looks, echoed, why = {}, 0, nil, nil
    rill.go(function()
      why = select(2, ws:next(0.05))
      for at = 1, 3 do
        assert(ws:send("m" .. at))
        heard[at] = assert(ws:next())
      end
      heard[4] = ws:close().code
    end)
    polled:send("polled")
    frames(function()
      rill.step(0)
      if not echoed then
        echoed, looks = polled:poll(), looks + 1
      end
      return heard[4] and echoed
    end)
    say("heard", table.concat(heard, " "))
    say("why", why)
    say("echoed", echoed)
    say("looks", looks)
  end)
end

-- A live session: one lane read by a task, the other by frames that look; the main conversation is
-- interrupted by a frame.
function scenes.live()
  quit_after(function()
    local session = client():live({ dialect = "responses", model = "m" })
    local read, looked, err = nil, "", nil
    local main, side = session:say("hi"), session:lane("side"):say("hi")
    rill.go(function()
      read = assert(session:lane("task"):say("hi"):result()).text
    end)
    frames(function()
      rill.step(0)
      local event = side:poll()
      looked = looked .. (event and event.type == "text" and event.text or "")
      if main:poll() then
        say("interrupted", session:interrupt())
      end
      err = err or main.err
      return err and read and side.outcome
    end)
    say("read", read)
    say("looked", looked)
    say("main", err.kind .. " " .. err.partial.text)
    session:close()
    say("state", session:metrics().state)
  end)
end

-- A Realtime session: frames are the microphone and look what happens, a task listens.
function scenes.realtime()
  quit_after(function()
    local session = client():live({
      dialect = "realtime", model = "m", output = "text", turn_detection = "server_vad",
    })
    local heard, outcome, happened = {}, nil, {}
    rill.go(function()
      local stream = assert(session:listen())
      local event, err = stream:next()
      while event do
        heard[#heard + 1] = event.text
        event, err = stream:next()
      end
      outcome = err and err.kind or stream.outcome
    end)
    frames(function()
      rill.step(0)
      assert(session:append(("\0"):rep(800)))
      local event = session:poll()
      while event do
        happened[#happened + 1] = event.type
        event = session:poll()
      end
      return outcome
    end)
    say("heard", table.concat(heard))
    say("outcome", outcome)
    say("happened", table.concat(happened, " "))
    say("messages", #session.messages)
    session:close()
    say("state", session:metrics().state)
  end)
end

scenes[name]()
