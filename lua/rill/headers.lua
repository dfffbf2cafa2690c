-- SPDX-License-Identifier: MIT
--
-- Request headers: checks them, lays them over each other without regard to case, and writes them
-- as the lines the engine sends.

local headers = {}

--- What is wrong with a table of headers, or nil.  A value is never shown: it may be a secret.
---@param given table<string, string|number|false> false takes a header away
---@return string?
function headers.problem(given)
  for name, value in pairs(given) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      return ("header name '%s' is not a valid name"):format(tostring(name):gsub("%c", "?"))
    elseif value == true or not (type(value) == "string" or type(value) == "number"
      or type(value) == "boolean") then
      return ("header '%s' must be a string, or false to leave it out (got a %s)")
        :format(name, type(value))
    elseif tostring(value):find("%c") then
      return ("header '%s' contains a control character (it is %d bytes long)")
        :format(name, #tostring(value))
    end
  end
  return nil
end

--- Lays tables of headers over each other; later ones win, whatever the case of the names.
---@param ... table<string, string|number|false>?
---@return string[] lines "Name: value", in the order of the names
function headers.lines(...)
  local by_name, order = {}, {}
  for i = 1, select("#", ...) do
    for name, value in pairs((select(i, ...)) or {}) do
      local key = name:lower()
      if not by_name[key] then
        order[#order + 1] = key
      end
      by_name[key] = { name = name, value = value }
    end
  end
  table.sort(order)
  local lines = {}
  for _, key in ipairs(order) do
    local header = by_name[key]
    if header.value == "" then
      lines[#lines + 1] = header.name .. ";" -- libcurl's way to send a header without a value
    elseif header.value then
      lines[#lines + 1] = ("%s: %s"):format(header.name, tostring(header.value))
    end
  end
  return lines
end

local SECRET_NAMES = { "auth", "key", "token", "secret", "cookie", "password", "credential" }

--- Whether what a header says must never be shown, by its name.
---@param name string
---@return boolean
function headers.is_secret(name)
  name = name:lower()
  for _, part in ipairs(SECRET_NAMES) do
    if name:find(part, 1, true) then
      return true
    end
  end
  return false
end

--- Adds the values that must never be shown to a list.
---@param secrets string[]
---@param given table<string, string|number|false>?
function headers.collect_secrets(secrets, given)
  for name, value in pairs(given or {}) do
    if value and headers.is_secret(name) then
      local text = tostring(value)
      local key = text:match("^%a+%s+(%S.*)$") -- "Bearer key": the key alone
      secrets[#secrets + 1] = text
      if key then -- never nil at the end of a list: see providers/common.lua
        secrets[#secrets + 1] = key
      end
    end
  end
end

-- Names of query parameters whose values are secret, beside those of headers.
local SECRET_PARAMETERS = { "sig", "pass", "pwd", "jwt" }

local function is_secret_parameter(name)
  for _, part in ipairs(SECRET_PARAMETERS) do
    if name:lower():find(part, 1, true) then
      return true
    end
  end
  return headers.is_secret(name)
end

local function unescaped(text)
  return (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

--- Adds what a URL has that must never be shown: its password, and parameters by their names.
---@param secrets string[]
---@param url string?
function headers.collect_url_secrets(secrets, url)
  local function add(text)
    secrets[#secrets + 1] = text
    secrets[#secrets + 1] = unescaped(text)
  end
  url = url or ""
  local user = url:gsub("^[%w+.-]+://", ""):match("^([^/?#]*)@")
  local password = user and user:match(":(.+)$")
  if password then
    add(password)
  end
  for name, value in url:gmatch("[?&]([^=&#]*)=([^&#]+)") do
    if is_secret_parameter(name) then
      add(value)
    end
  end
end

return headers
