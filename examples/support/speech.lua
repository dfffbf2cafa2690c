-- Speech for the local gateway, of a sort: tones for texts, and an ear that tells by loudness when
-- somebody speaks.  All audio is PCM of 16 bits, little endian, mono, 24000 samples a second.

local speech = {}

local RATE = 24000
local WINDOW_MS = 20
local SAMPLES = RATE * WINDOW_MS / 1000
local WINDOW = SAMPLES * 2 -- bytes

-- A window of silence or, of so many hertz, a multiple of 50, of a tone: its waves are whole, so
-- that windows can stand side by side without a click.
local windows = setmetatable({}, {
  __index = function(made, hertz)
    local bytes = {}
    for at = 0, SAMPLES - 1 do
      local angle = 2 * math.pi * hertz * at / RATE
      local level = math.floor(5000 * math.sin(angle) + 2500 * math.sin(2 * angle) + 0.5)
      bytes[#bytes + 1] = string.char(level % 256, math.floor(level % 65536 / 256))
    end
    made[hertz] = table.concat(bytes)
    return made[hertz]
  end,
})

--- A text as audio: each character sounds for 40 ms at a pitch of its own, and a blank is silent.
function speech.say(text)
  local pieces = {}
  for lead, rest in text:gmatch("([%z\1-\127\192-\255])([\128-\191]*)") do
    local is_silent = lead:find("[%s%p]") ~= nil
    local hertz = is_silent and 0 or 150 + (lead:byte() * 7 + (rest:byte(1) or 0)) % 12 * 50
    pieces[#pieces + 1] = windows[hertz]:rep(2)
  end
  return table.concat(pieces)
end

--- How long a piece of audio lasts, in milliseconds.
function speech.duration(bytes)
  return math.floor(bytes / 2 / RATE * 1000 + 0.5)
end

---------------------------------------------------------------------------------------------------
-- Hearing

local Ear = {}
Ear.__index = Ear

-- How many loud windows in a row are speech and no click.
local ONSET = 3

--- An ear.  settings, of the Realtime API: threshold (0 to 1), prefix_padding_ms,
--- silence_duration_ms.
function speech.ear()
  return setmetatable({
    rest = "", -- less than a window
    position = 0, -- milliseconds heard so far
    is_speaking = false,
    loud = 0, -- windows in a row
    quiet = 0, -- milliseconds in a row, while somebody speaks
  }, Ear)
end

-- The mean of what a window's samples are away from silence; every fourth is enough.
local function loudness(window)
  local sum = 0
  for at = 1, #window, 8 do
    local low, high = window:byte(at, at + 1)
    local level = high * 256 + low
    sum = sum + (level < 32768 and level or 65536 - level)
  end
  return sum / (#window / 8)
end

-- Hears a window; tells "started" or "stopped" when that is what it means.
function Ear:window(window, settings)
  self.position = self.position + WINDOW_MS
  local is_loud = loudness(window) > (tonumber(settings.threshold) or 0.5) * 650
  self.loud = is_loud and self.loud + 1 or 0
  self.quiet = is_loud and 0 or self.quiet + WINDOW_MS
  if not self.is_speaking and self.loud >= ONSET then
    self.is_speaking = true
    return "started"
  elseif self.is_speaking and self.quiet >= (tonumber(settings.silence_duration_ms) or 500) then
    self.is_speaking = false
    return "stopped"
  end
end

--- Hears a piece of audio and calls tell("started" or "stopped", at which millisecond).
function Ear:hear(pcm, settings, tell)
  pcm = self.rest .. pcm
  local from = 1
  while from + WINDOW - 1 <= #pcm do
    local what = self:window(pcm:sub(from, from + WINDOW - 1), settings)
    if what == "started" then
      local padding = tonumber(settings.prefix_padding_ms) or 300
      tell(what, math.max(self.position - ONSET * WINDOW_MS - padding, 0))
    elseif what then
      tell(what, self.position)
    end
    from = from + WINDOW
  end
  self.rest = pcm:sub(from)
end

return speech
