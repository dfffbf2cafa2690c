-- SPDX-License-Identifier: MIT
--
-- Finds what someone may have meant by a misspelt name.  Loaded only when there is a mistake.

-- The number of letters to insert, remove, replace or swap to get from one word to the other.
local function distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do
    last[j] = j
  end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

--- The known name that is most like a word, or nil if none is.
---@param word string
---@param known table<string, any> a table whose keys are the known names
---@return string?
return function(word, known)
  word = word:lower():sub(1, 40)
  local best, best_distance
  for name in pairs(known) do
    local d = distance(word, name:lower())
    if not best or d < best_distance or (d == best_distance and name < best) then
      best, best_distance = name, d
    end
  end
  if best and best_distance <= math.max(1, math.floor(#best / 3)) then
    return best
  end
  return nil
end
