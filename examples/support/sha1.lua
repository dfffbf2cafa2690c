-- SHA-1 by arithmetic alone: it runs on every Lua, with and without operators on bits.  It is slow,
-- and meant for the handshake of WebSocket, which takes one digest of sixty bytes.
--
--   sha1(bytes)      the twenty bytes of the digest

local floor = math.floor

local WORD = 2 ^ 32

-- The exclusive or of two numbers below 16, at a * 16 + b.
local XOR = {}
for a = 0, 15 do
  for b = 0, 15 do
    local result, bit = 0, 1
    while bit < 16 do
      if floor(a / bit) % 2 ~= floor(b / bit) % 2 then
        result = result + bit
      end
      bit = bit * 2
    end
    XOR[a * 16 + b] = result
  end
end

local function xor(a, b)
  local result, unit = 0, 1
  for _ = 1, 8 do
    result = result + XOR[a % 16 * 16 + b % 16] * unit
    a, b, unit = floor(a / 16), floor(b / 16), unit * 16
  end
  return result
end

-- a + b is (a xor b) + 2 (a and b).
local function band(a, b)
  return (a + b - xor(a, b)) / 2
end

local function rotated(word, count)
  local high = 2 ^ (32 - count)
  return word % high * 2 ^ count + floor(word / high)
end

-- The function and the constant of a round.
local function mixed(round, b, c, d)
  if round < 20 then
    return xor(d, band(b, xor(c, d))), 0x5A827999
  elseif round < 40 then
    return xor(xor(b, c), d), 0x6ED9EBA1
  elseif round < 60 then
    -- The two terms have no bit in common, so a sum is as good as an or.
    return band(b, c) + band(d, xor(b, c)), 0x8F1BBCDC
  end
  return xor(xor(b, c), d), 0xCA62C1D6
end

local function words_of(block)
  local words = {}
  for at = 0, 15 do
    local b1, b2, b3, b4 = block:byte(at * 4 + 1, at * 4 + 4)
    words[at] = ((b1 * 256 + b2) * 256 + b3) * 256 + b4
  end
  for at = 16, 79 do
    local word = xor(xor(words[at - 3], words[at - 8]), xor(words[at - 14], words[at - 16]))
    words[at] = rotated(word, 1)
  end
  return words
end

local function add_block(state, block)
  local words = words_of(block)
  local a, b, c, d, e = state[1], state[2], state[3], state[4], state[5]
  for round = 0, 79 do
    local value, constant = mixed(round, b, c, d)
    a, b, c, d, e = (rotated(a, 5) + value + e + constant + words[round]) % WORD,
      a, rotated(b, 30), c, d
  end
  for at, value in ipairs({ a, b, c, d, e }) do
    state[at] = (state[at] + value) % WORD
  end
end

-- A number as so many bytes, the highest first.
local function bytes_of(number, count)
  local bytes = {}
  for at = count, 1, -1 do
    bytes[at] = string.char(number % 256)
    number = floor(number / 256)
  end
  return table.concat(bytes)
end

return function(bytes)
  local padded = bytes .. "\128" .. ("\0"):rep((55 - #bytes) % 64) .. bytes_of(#bytes * 8, 8)
  local state = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 }
  for from = 1, #padded, 64 do
    add_block(state, padded:sub(from, from + 63))
  end
  for at, word in ipairs(state) do
    state[at] = bytes_of(word, 4)
  end
  return table.concat(state)
end
