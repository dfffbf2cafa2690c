-- Every way to cut a stream into pieces: a parser has to give the same events for all of them.
--
--   every_cut(bytes, function(pieces, name) ... end)
--
-- calls the function with a list of pieces: the whole, byte by byte, each single cut where that is
-- affordable, and some random cuts.  name says which; where the function raises, it is printed with
-- the seed (RILL_SEED=seed repeats the same cuts), and the error goes on.

local SINGLE_CUTS = 2000 -- inputs up to so many bytes are cut at every place
local RANDOM_CUTS = 20

local seed = tonumber(os.getenv("RILL_SEED") or "") or os.time() % 1000000

-- A generator of our own (Park and Miller's): the same numbers on every Lua.
local function generator(state)
  state = state % 2147483646 + 1
  return function(low, high)
    state = state * 16807 % 2147483647
    return low + state % (high - low + 1)
  end
end

local function in_pieces_of(bytes, size)
  local pieces = {}
  for from = 1, #bytes, size do
    pieces[#pieces + 1] = bytes:sub(from, from + size - 1)
  end
  return pieces
end

local function at_random(bytes, random)
  local pieces, from = {}, 1
  -- Some runs cut fine, some coarse; empty pieces are part of the game.
  local longest = random(1, 3) == 1 and 8 or random(1, math.max(#bytes, 1))
  while from <= #bytes do
    local size = random(0, longest)
    pieces[#pieces + 1] = bytes:sub(from, from + size - 1)
    from = from + size
  end
  return pieces
end

local function try(fn, pieces, name)
  local ok, err = pcall(fn, pieces, name)
  if not ok then
    io.stderr:write("\nthe cut was: ", name, " (RILL_SEED=", seed, ")\n")
    error(err, 0)
  end
end

-- options: random, the number of random cuts; single, the longest input that is cut at every place.
return function(bytes, fn, options)
  options = options or {}
  try(fn, { bytes }, "whole")
  try(fn, in_pieces_of(bytes, 1), "byte by byte")
  if #bytes <= (options.single or SINGLE_CUTS) then
    for at = 1, #bytes - 1 do
      try(fn, { bytes:sub(1, at), bytes:sub(at + 1) }, "in two after byte " .. at)
    end
  end
  local random = generator(seed)
  for round = 1, options.random or RANDOM_CUTS do
    try(fn, at_random(bytes, random), "random, number " .. round)
  end
end
