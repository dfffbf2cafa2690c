-- A loudspeaker that plays into a WAV file: it knows by the clock how much of what it was given has
-- sounded, and when it is stopped the rest is never heard.

local socket = require("socket")

local speaker = {}

local Speaker = {}
Speaker.__index = Speaker

--- A clock that runs `speed` times as fast as others.
---@param speed number
---@return fun(): number seconds
function speaker.clock(speed)
  local start = socket.gettime()
  return function()
    return (socket.gettime() - start) * speed
  end
end

--- Makes a loudspeaker.
---@param file table from `wav.create`
---@param rate integer samples a second
---@param clock fun(): number
function speaker.new(file, rate, clock)
  return setmetatable({
    file = file, byte_rate = rate * 2, clock = clock,
    pieces = {}, -- of the answer that sounds
    size = 0, -- their bytes
    until_bytes = 0, -- how much of it had sounded at `since`
    since = nil, -- when it began to sound; nil: it is silent
    heard = 0, -- bytes of the answers before
  }, Speaker)
end

local function played_bytes(self)
  local bytes = self.until_bytes
  if self.since then
    bytes = bytes + math.floor((self.clock() - self.since) * self.byte_rate / 2) * 2
  end
  return math.min(bytes, self.size)
end

--- Adds to the answer.
---@param pcm string
function Speaker:play(pcm)
  local played = played_bytes(self)
  if not self.since or played == self.size then -- it had run dry, or begins
    self.until_bytes, self.since = played, self.clock()
  end
  self.pieces[#self.pieces + 1] = pcm
  self.size = self.size + #pcm
end

--- How many seconds of the answer have sounded.
---@return number
function Speaker:played()
  return played_bytes(self) / self.byte_rate
end

--- Whether nothing sounds: all of the answer has been heard.
---@return boolean
function Speaker:is_silent()
  return played_bytes(self) == self.size
end

-- The answer is over: so many bytes of it were heard.
local function keep(self, bytes)
  self.file:write(table.concat(self.pieces):sub(1, bytes))
  self.heard = self.heard + bytes
  self.pieces, self.size, self.until_bytes, self.since = {}, 0, 0, nil
end

--- Is silent at once.
function Speaker:stop()
  keep(self, played_bytes(self))
end

--- Plays the answer to its end; what follows is another one.
function Speaker:finish()
  keep(self, self.size)
end

--- Ends the file.
---@return number seconds that were heard
function Speaker:close()
  self:finish()
  self.file:close()
  return self.heard / self.byte_rate
end

return speaker
