-- SPDX-License-Identifier: MIT
--
-- What is sent as a text frame must be UTF-8 (RFC 6455, section 5.6): a server closes the whole
-- connection over one byte that is not, with the answers of everybody who shares it.  So it is
-- found here, and named.

local is_utf8 = require("rill.core").is_utf8

local frame_text = {}

local function is_no_text(value)
  return type(value) == "string" and not is_utf8(value)
end

-- Where a string that is no UTF-8 stands below a value, such as `[2].content`; nil: nowhere.  The
-- name of a field is shown without what is wrong with it.
local function place_in(value, seen)
  if is_no_text(value) then
    return ""
  elseif type(value) ~= "table" or seen[value] then
    return nil
  end
  seen[value] = true
  for key, member in pairs(value) do
    if is_no_text(key) then
      return "." .. key:gsub("[\128-\255]", "?")
    end
    local place = place_in(member, seen)
    if place then
      return (type(key) == "number" and "[%s]%s" or ".%s%s"):format(tostring(key), place)
    end
  end
end

--- What is wrong with a value that is to be sent, or nil.
---@param value any what is encoded
---@param name string what the message calls the value
---@return string?
function frame_text.problem_of(value, name)
  local place = place_in(value, {})
  return place and ("%s is not UTF-8"):format(name .. place) or nil
end

return frame_text
