-- WAV files of 16-bit samples, enough for speech in and out.
--
--   local pcm, rate = wav.read("question.wav")   mono: of several channels the mean
--   pcm = wav.resample(pcm, rate, 24000)
--   local file = wav.create("answer.wav", 24000)
--   file:write(pcm) ... file:close()
--
-- `pcm` is a string of little-endian samples, as Realtime takes and gives them.

local unpack = table.unpack or unpack -- luacheck: ignore 113 143 (which one depends on the Lua)

local wav = {}

local BLOCK = 1024 -- samples taken or made at once: string.byte and char have a limit

local function number(bytes)
  local value = 0
  for i = #bytes, 1, -1 do
    value = value * 256 + bytes:byte(i)
  end
  return value
end

local function bytes_of(value, size)
  local list = {}
  for i = 1, size do
    list[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(list)
end

-- The samples of a string as numbers, of `channels` channels their mean.
local function samples_of(pcm, channels)
  local list, count = {}, 0
  local width = channels * 2
  for start = 1, #pcm - width + 1, width * BLOCK do
    local stop = math.min(start + width * BLOCK, #pcm + 1) - 1
    local piece = pcm:sub(start, stop - (stop - start + 1) % width)
    for frame = 1, #piece, width do
      local sum = 0
      for place = frame, frame + width - 1, 2 do
        local low, high = piece:byte(place, place + 1)
        sum = sum + low + (high < 128 and high or high - 256) * 256
      end
      count = count + 1
      list[count] = sum / channels
    end
  end
  return list
end

-- The inverse, for one channel; what is too loud is cut.
local function pcm_of(samples)
  local pieces, block = {}, {}
  for start = 1, #samples, BLOCK do
    local size = 0
    for i = start, math.min(start + BLOCK - 1, #samples) do
      local value = math.floor(math.max(-32768, math.min(32767, samples[i])) + 0.5)
      value = math.min(value, 32767) % 65536
      block[size + 1], block[size + 2] = value % 256, math.floor(value / 256)
      size = size + 2
    end
    pieces[#pieces + 1] = string.char(unpack(block, 1, size))
  end
  return table.concat(pieces)
end

local ADVICE = "; sox INPUT -b 16 -e signed OUTPUT.wav makes one that will do"

local EXTENSIBLE = 65534 -- the format's number stands further behind

local function format_of(chunk)
  local format = number(chunk:sub(1, 2))
  if format == EXTENSIBLE then
    format = number(chunk:sub(25, 26))
  end
  local bits = number(chunk:sub(15, 16))
  local channels, rate = number(chunk:sub(3, 4)), number(chunk:sub(5, 8))
  if format ~= 1 or bits ~= 16 then
    return nil, ("its samples are not PCM of 16 bits (format %d, %d bits)"):format(format, bits)
      .. ADVICE
  elseif channels == 0 or rate == 0 then
    return nil, ("it has %d channels and %d samples a second"):format(channels, rate)
  end
  return { channels = channels, rate = rate }
end

-- The parts that matter: format and samples.  A size beyond the end is that of a file that was
-- written to a pipe.
local function read_chunks(content)
  local format, problem
  local at = 13
  while at + 8 <= #content + 1 do
    local name, size = content:sub(at, at + 3), number(content:sub(at + 4, at + 7))
    local chunk = content:sub(at + 8, at + 7 + math.min(size, #content))
    if name == "fmt " then
      format, problem = format_of(chunk)
      if not format then
        return nil, problem
      end
    elseif name == "data" and #chunk > 1 then
      return format, format and chunk or "its format does not come before its samples"
    end
    at = at + 8 + size + size % 2
  end
  return nil, "it has no samples"
end

--- Reads a file.
---@param path string
---@return string? pcm mono
---@return number|string rate samples a second, or what is wrong
function wav.read(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, problem
  end
  local content
  content, problem = file:read("*a")
  file:close()
  if not content then -- of a folder, for one
    return nil, path .. ": " .. problem
  elseif not content:find("^RIFF....WAVE") then
    return nil, path .. ": it is no WAV file" .. ADVICE
  end
  local format, pcm = read_chunks(content)
  if not format then
    return nil, path .. ": " .. pcm
  elseif format.channels == 1 then
    return pcm:sub(1, #pcm - #pcm % 2), format.rate
  end
  return pcm_of(samples_of(pcm, format.channels)), format.rate
end

--- Changes the rate of samples, in straight lines from each to the next.  To a lower rate it does
--- not filter first: what is too high for that rate then sounds as something lower.
---@param pcm string
---@param from number samples a second
---@param to number
---@return string
function wav.resample(pcm, from, to)
  if from == to then
    return pcm
  end
  local given, made = samples_of(pcm, 1), {}
  local step, last = from / to, #given
  for i = 1, math.floor(last / step) do
    local place = (i - 1) * step + 1
    local before = math.floor(place)
    local left = given[before]
    made[i] = left + (given[math.min(before + 1, last)] - left) * (place - before)
  end
  return pcm_of(made)
end

local Writer = {}
Writer.__index = Writer

local function header(rate, size)
  return "RIFF" .. bytes_of(36 + size, 4) .. "WAVEfmt " .. bytes_of(16, 4) .. bytes_of(1, 2)
    .. bytes_of(1, 2) .. bytes_of(rate, 4) .. bytes_of(rate * 2, 4) .. bytes_of(2, 2)
    .. bytes_of(16, 2) .. "data" .. bytes_of(size, 4)
end

--- Makes a file of one channel.
---@param path string
---@param rate integer samples a second
---@return table? writer `write(pcm)` and `close()`, which writes how long it has become
---@return string? problem
function wav.create(path, rate)
  local file, problem = io.open(path, "wb")
  if not file then
    return nil, problem
  end
  file:write(header(rate, 0))
  return setmetatable({ file = file, rate = rate, size = 0 }, Writer)
end

function Writer:write(pcm)
  self.size = self.size + #pcm
  self.file:write(pcm)
end

function Writer:close()
  self.file:seek("set", 0)
  self.file:write(header(self.rate, self.size))
  self.file:close()
end

return wav
