-- SPDX-License-Identifier: MIT
--
-- Halves of surrogate pairs.  JSON's grammar allows "\ud83d" without its other half (RFC 8259,
-- section 8.2), and servers that cut texts by UTF-16 units write it; lua-cjson refuses the whole
-- text for it.  The halves become U+FFFD, as they would in a browser's TextDecoder.

local json_surrogates = {}

local REPLACEMENT = "\\ufffd"

-- The end of the escape that begins at a backslash, and what is to stand there; nil: as it is.
local function escape_at(text, at)
  local unit = text:match("^u([dD]%x%x%x)", at + 1)
  if not unit then
    return at + 1
  elseif unit:find("^.[89abAB]") and text:find("^\\u[dD][c-fC-F]%x%x", at + 6) then
    return at + 11
  elseif unit:find("^.[0-7]") then
    return at + 5
  end
  return at + 5, REPLACEMENT
end

--- The JSON text with U+FFFD for each half; nil where there is none.
---@param text string
---@return string?
function json_surrogates.mended(text)
  local parts, from = {}, 1
  local at = text:find("\\", 1, true)
  while at do
    local last, replacement = escape_at(text, at)
    if replacement then
      parts[#parts + 1] = text:sub(from, at - 1) .. replacement
      from = last + 1
    end
    at = text:find("\\", last + 1, true)
  end
  return from > 1 and table.concat(parts) .. text:sub(from) or nil
end

return json_surrogates
