-- SPDX-License-Identifier: MIT
--
-- What may be asked of rill: every option with its check and its default.  The checks return what
-- is wrong; raising is left to the caller, who knows whose line to blame.

local options = {}

options.TIMEOUTS = {
  connect = 10, first_byte = 60, first_output = 120, idle = 60, progress = 300, total = 600,
}
options.RETRY = { max = 3, base = 1, factor = 2, cap = 30, jitter = 0.25, max_wait = 60 }
options.LIMITS = { buffer = 1048576, event = 33554432, error_body = 65536, malformed = 3 }

-- Of a WebSocket.
options.OPENING = { connect = 10, first_byte = 20 }
options.HEARTBEAT = { ping_interval = 30, ping_timeout = 10, close_timeout = 10 }
options.RECONNECT = {
  max = 5, base = 1, growth = "linear", factor = 2, cap = 30, jitter = 0.25, max_wait = 60,
}
options.SOCKET_LIMITS = {
  message = 33554432, buffer = 1048576, send = 1048576, error_body = 65536,
}

-- Checks: nil, or what a value must be.

local function seconds(value)
  if value ~= false and not (type(value) == "number" and value > 0) then
    return "must be a positive number of seconds, or false for none"
  end
end

local function positive_seconds(value)
  if not (type(value) == "number" and value > 0 and value < math.huge) then
    return "must be a positive number of seconds"
  end
end

local function is_whole(value, least, most)
  return type(value) == "number" and value >= least and value <= most
    and value == math.floor(value)
end

local function retries(value)
  if not is_whole(value, 0, 1000) then
    return "must be a whole number from 0 to 1000"
  end
end

local function bytes(value)
  if not is_whole(value, 1, 2^40) then
    return "must be a positive whole number of bytes"
  end
end

local function count(value)
  if not is_whole(value, 1, 2^31) then
    return "must be a positive whole number"
  end
end

local function factor(value)
  if not (type(value) == "number" and value >= 1 and value <= 1000) then
    return "must be a number from 1 to 1000"
  end
end

local function part(value)
  if not (type(value) == "number" and value >= 0 and value <= 1) then
    return "must be a number from 0 to 1"
  end
end

local function text(value)
  if type(value) ~= "string" or value == "" then
    return "must be a string that is not empty"
  elseif value:find("%c") then
    return "must not contain control characters"
  end
end

local function text_or_false(value)
  return value ~= false and text(value) or nil
end

-- What libcurl takes; without a scheme it is http.
local PROXIES = {
  http = true, https = true, socks4 = true, socks4a = true, socks5 = true, socks5h = true,
}

-- The URL may hold a password: no more than its scheme is shown.
local function proxy(value)
  local problem = text_or_false(value)
  if problem or not value then
    return problem
  end
  local scheme, rest = value:match("^([^:/@]+)://(.*)$")
  if scheme and not PROXIES[scheme:lower()] then
    return "has an " .. options.unknown(scheme, PROXIES, "", "scheme")
  elseif not (rest or value):match("^[^/?#:]") or value:find("%s") then
    return "must be the URL of a proxy, such as \"http://proxy.example.org:3128\""
  end
end

local function flag(value)
  if type(value) ~= "boolean" then
    return "must be true or false"
  end
end

local function tables(value)
  if type(value) ~= "table" then
    return "must be a table"
  end
end

-- Tokens, as HTTP has them, each once.
local function names(value)
  if type(value) ~= "table" or #value == 0 then
    return "must be a list of names"
  end
  local known = {}
  for _, name in ipairs(value) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      return "must be a list of names, without blanks and commas"
    elseif known[name] then
      return ("names '%s' twice"):format(name)
    end
    known[name] = true
  end
end

local function one_of(...)
  local known, list = {}, {}
  for i, name in ipairs({ ... }) do
    known[name], list[i] = true, ("\"%s\""):format(name)
  end
  return function(value)
    if not known[value] then
      return "must be one of " .. table.concat(list, ", ")
    end
  end
end

-- A key may end with a line break: it was read from a file.  Its value is never shown.
local function api_key(value)
  if value == false then
    return nil
  elseif type(value) ~= "string" or value == "" then
    return "must be a string that is not empty, or false for none"
  elseif value:find("%c") then
    return ("contains a control character (it is %d bytes long; does it end with a line break?)")
      :format(#value)
  elseif value:find("^ ") or value:find(" $") then
    return ("begins or ends with a blank (it is %d bytes long)"):format(#value)
  end
end

local function base_url(value)
  local problem = text(value)
  if problem then
    return problem
  elseif not value:lower():match("^https?://[^/?#]") then
    return "must begin with http:// or https:// and name a host"
  elseif value:match("^%a+://[^/?#]*@") then
    return "must not contain a user name or password: give them as api_key or headers"
  elseif value:find("[%s?#]") then
    return "must not contain blanks, '?' or '#'"
  end
end

local function codec(value)
  local ok, problem = require("rill.json").check(value)
  return not ok and problem or nil
end

local function cache(value)
  if type(value) ~= "table" or type(value.get) ~= "function" or type(value.set) ~= "function" then
    return "must be a table with functions get and set, such as rill.memory_cache()"
  end
end

local TRANSPORT = {
  timeout = {
    connect = seconds, first_byte = seconds, first_output = seconds, idle = seconds,
    progress = seconds, total = seconds,
  },
  retry = {
    max = retries, base = positive_seconds, factor = factor, cap = positive_seconds,
    growth = one_of("exponential", "linear"), jitter = part, max_wait = seconds,
  },
  limits = { buffer = bytes, event = bytes, error_body = bytes, malformed = count },
  headers = tables,
}

options.REQUEST = TRANSPORT

options.CLIENT = {
  timeout = TRANSPORT.timeout, retry = TRANSPORT.retry, limits = TRANSPORT.limits,
  headers = tables, gateway = text, base_url = base_url, api_key = api_key,
  provider = text, prices = tables, json = codec, cache = cache, loop = text,
  proxy = proxy, ca_file = text, ca_path = text, tls_verify = flag,
  http_version = one_of("auto", "1.1", "2"),
}

local RECONNECT = {
  max = retries, base = positive_seconds, growth = one_of("linear", "exponential"),
  factor = factor, cap = positive_seconds, jitter = part, max_wait = seconds,
}

options.WEBSOCKET = {
  headers = tables, subprotocols = names, deflate = flag, loop = text,
  timeout = { connect = seconds, first_byte = seconds },
  ping_interval = seconds, ping_timeout = seconds, close_timeout = seconds,
  limits = { message = bytes, buffer = bytes, send = bytes, error_body = bytes },
  reconnect = RECONNECT,
  proxy = proxy, ca_file = text, ca_path = text, tls_verify = flag,
}

-- Tables of options in whose place may stand false.
local CAN_BE_OFF = { [RECONNECT] = true }

options.CALLBACKS = {
  on_delta = true, on_complete = true, on_error = true,
}

--- What is wrong with a name that is not known: "unknown option 'x', did you mean 'y'?".
---@param word string the name as it was given
---@param known table<string, any> a table whose keys are the known names
---@param prefix string? what to put before the names
---@param noun string? what the names are; default "option"
---@return string
function options.unknown(word, known, prefix, noun)
  prefix = prefix or ""
  local problem = ("unknown %s '%s%s'"):format(noun or "option", prefix, tostring(word))
  local meant = require("rill.hint")(tostring(word), known)
  return meant and ("%s, did you mean '%s%s'?"):format(problem, prefix, meant) or problem
end

local function got(value)
  if type(value) == "number" or type(value) == "boolean" then
    return (" (got %s)"):format(tostring(value))
  end
  return type(value) ~= "string" and (" (got a %s)"):format(type(value)) or ""
end

--- Checks a table of options.
---@param given table
---@param schema table<string, function|table> checks, or for a table of options another schema
---@param prefix string? what to put before the names, such as "timeout."
---@return string? problem nil if all is well
function options.problem(given, schema, prefix)
  prefix = prefix or ""
  for name, value in pairs(given) do
    local check = schema[name]
    local problem
    if not check then
      return options.unknown(name, schema, prefix)
    elseif type(check) == "function" then
      problem = check(value)
    elseif type(value) ~= "table" then
      local is_off = value == false and CAN_BE_OFF[check]
      problem = not is_off and ("must be a table, such as { %s = ... }"):format((next(check)))
        or nil
    else
      local inner = options.problem(value, check, prefix .. name .. ".")
      if inner then
        return inner
      end
    end
    if problem then
      return ("option '%s%s' %s%s"):format(prefix, name, problem, got(value))
    end
  end
  return nil
end

--- Lays options over defaults, in a new table; false means "without a bound".
---@param defaults table<string, number>
---@param given table<string, number|false>?
---@return table<string, number>
function options.merge(defaults, given)
  local merged = {}
  for name, value in pairs(defaults) do
    merged[name] = value
  end
  for name, value in pairs(given or {}) do
    merged[name] = value or math.huge
  end
  return merged
end

return options
