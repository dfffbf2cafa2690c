-- SPDX-License-Identifier: MIT
--
-- Something to put into a table that wants to be missed: a function is called when it is collected.
-- That may be at any moment, so the function should do no more than ring a bell.

local new_proxy = rawget(_G, "newproxy") -- before Lua 5.2 tables cannot be finalized

---@param fn fun()
---@return any
return function(fn)
  local function ring()
    pcall(fn)
  end
  if not new_proxy then
    return setmetatable({}, { __gc = ring })
  end
  local proxy = new_proxy(true)
  getmetatable(proxy).__gc = ring
  return proxy
end
