-- pairs, in the order of the keys: where specs are made in a loop, so that a seed repeats their
-- order.  (Lua's own order is another one in each process.)
--
--   for name, case in by_name(CASES) do
--     it(name, function() ... end)
--   end

return function(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  local at = 0
  return function()
    at = at + 1
    return keys[at], map[keys[at]]
  end
end
