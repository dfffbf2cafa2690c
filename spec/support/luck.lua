-- What specs in which anything may happen have in common: numbers that are the same on every Lua,
-- choices by weight, and seeds that a failure names.  RILL_SEED=N begins with that one.

local luck = {}

local FIRST = tonumber(os.getenv("RILL_SEED") or "") or os.time() % 1000000

--- Gives random(most): a whole number from 1 to most.
function luck.generator(seed)
  return function(most)
    seed = (seed * 16807) % 2147483647
    return seed % most + 1
  end
end

--- Calls one of a list of { weight, fn }.
function luck.any_of(random, list, ...)
  local total = 0
  for _, item in ipairs(list) do
    total = total + item[1]
  end
  local left = random(total)
  for _, item in ipairs(list) do
    left = left - item[1]
    if left <= 0 then
      return item[2](...)
    end
  end
end

local function traced(err)
  return debug.traceback(tostring(type(err) == "table" and err.message or err), 2)
end

--- Plays with so many seeds, one after the other.
function luck.play(count, play)
  for seed = FIRST, FIRST + count - 1 do
    local ok, problem = xpcall(function()
      play(seed * 7919)
    end, traced)
    if not ok then
      error(("RILL_SEED=%d: %s"):format(seed, problem))
    end
  end
end

return luck
