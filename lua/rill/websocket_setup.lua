-- SPDX-License-Identifier: MIT
--
-- What a WebSocket is opened with: checks the URL and the options, and makes of them what the
-- engine wants.

local core = require("rill.core")
local headers = require("rill.headers")
local options = require("rill.options")

local setup = {}

---@class rill.WebSocketSetup
---@field url string
---@field host string scheme and host, to be shown
---@field spec table for engine:connect
---@field profile_spec table for core.profile
---@field secrets string[]
---@field bounds table<string, number> seconds, by the phases of timeouts

-- The port is shown only if it is a number: it may be half of a password.
local function problem_of_port(port)
  if port:find("%D") then
    return "must have a number from 1 to 65535 as its port"
  elseif port ~= "" and (tonumber(port) < 1 or tonumber(port) > 65535) then
    return ("must have a number from 1 to 65535 as its port, not %s"):format(port)
  end
end

-- Host and port of a URL; nil where the brackets of an address of IPv6 are wrong.
local function host_and_port(authority)
  if authority:sub(1, 1) == "[" then
    local host, rest = authority:match("^(%[[^%[%]]+%])(.*)$")
    local port = rest and (rest == "" and "" or rest:match("^:(.*)$"))
    return port and host, port
  end
  local host, port = authority:match("^([^:%[%]]*):?([^:%[%]]*)$")
  return host, port
end

-- What is wrong with the host and the port.  The last word on hosts is libcurl's.
local function problem_of_authority(url)
  local host, port = host_and_port(url:match("^%a+://([^/?]*)"))
  if not host then
    return "must have an address of IPv6 in brackets, as in ws://[::1]:8080/"
  end
  local problem = problem_of_port(port)
  if problem or core.takes_url(url) then
    return problem
  elseif host:find("[\128-\255]") then
    return "must have its host in ASCII (\"xn--...\"): letters beyond it cannot be converted here, "
      .. "for which a locale of UTF-8 is needed (os.setlocale)"
  end
  return ("must name a host that can be used, not '%s'"):format(host)
end

--- What is wrong with the URL of a WebSocket.
---@param url any
---@param name string? what to call it, with a blank behind
---@return string?
function setup.problem_of_url(url, name)
  name = name or "the URL "
  if type(url) ~= "string" or not url:lower():match("^wss?://[^/?#:]") then
    return name .. "must begin with ws:// or wss:// and name a host"
  elseif url:find("[%s%c]") then
    return name .. "must not contain blanks or control characters"
  elseif url:find("#", 1, true) then
    return name .. "must not contain '#'"
  elseif url:match("^%a+://[^/?]*@") then
    return name .. "must not contain a user name or password: give them as headers"
  end
  local problem = problem_of_authority(url)
  return problem and name .. problem
end

-- A handshake has no body: with a length the server would take our first frames for one.  C leaves
-- the same ones out (handshake_request.c).
local OF_HANDSHAKE = {
  connection = true, upgrade = true, ["content-type"] = true, ["content-length"] = true,
  ["transfer-encoding"] = true, expect = true,
}

--- What is wrong with the headers of a handshake: some are its own.
---@param given table<string, string|number|false>
---@param has_subprotocols boolean? whether there is an option for those
---@return string?
function setup.problem_of_headers(given, has_subprotocols)
  for name in pairs(given) do
    local lower = tostring(name):lower()
    if lower == "sec-websocket-protocol" and has_subprotocols then
      return "header 'Sec-WebSocket-Protocol' cannot be set: use the option 'subprotocols'"
    elseif OF_HANDSHAKE[lower] or lower:find("^sec%-websocket%-") then
      return ("header '%s' cannot be set: it belongs to the handshake"):format(name)
    end
  end
  return headers.problem(given)
end

--- What is wrong with the arguments of `rill.websocket`.
---@param url any
---@param given any
---@return string?
function setup.problem(url, given)
  local problem = type(url) ~= "string" and "argument 1 must be a URL, not a " .. type(url)
    or setup.problem_of_url(url)
  if problem then
    return problem
  elseif given ~= nil and type(given) ~= "table" then
    return "argument 2 must be a table of options, not a " .. type(given)
  end
  given = given or {}
  return options.problem(given, options.WEBSOCKET)
    or given.headers and setup.problem_of_headers(given.headers, true)
    or require("rill.loops").prepare(given.loop) or nil
end

-- A name such as "openai-insecure-api-key.KEY" is a key.
local function collect_names(secrets, names)
  for _, name in ipairs(names or {}) do
    if headers.is_secret(name) then
      secrets[#secrets + 1] = name
      secrets[#secrets + 1] = name:match("^[^.]*%.(.+)$") or name
    end
  end
end

local function secrets_of(url, given)
  local secrets = {}
  headers.collect_secrets(secrets, given.headers)
  headers.collect_url_secrets(secrets, url)
  headers.collect_url_secrets(secrets, given.proxy or nil)
  collect_names(secrets, given.subprotocols)
  return secrets
end

-- The timeouts of an answer mean nothing here.
local function timeouts(opening)
  local never = math.huge
  return {
    connect = opening.connect, first_byte = opening.first_byte,
    first_output = never, idle = never, progress = never, total = never,
  }
end

--- The retries of an opening.
---@param reconnect table|false|nil the option; false: the first attempt is the last
---@return table
function setup.retry_of(reconnect)
  local retry = options.merge(options.RECONNECT, reconnect or nil)
  if reconnect == false then
    retry.max = 0
  end
  return retry
end

--- What engine:connect is to know.
---@param given table options, of which the heartbeat, `subprotocols` and `deflate` count
---@param send_limit integer
---@return table
function setup.socket_spec(given, send_limit)
  local spec = {
    protocols = given.subprotocols and table.concat(given.subprotocols, ", "),
    deflate = given.deflate or false, send_limit = send_limit, wait_first = false,
  }
  for name, default in pairs(options.HEARTBEAT) do
    local seconds = given[name]
    spec[name] = seconds == nil and default or seconds or math.huge
  end
  return spec
end

--- What the options mean.  Those of `setup.problem` must have been found well.
---@param url string
---@param given table?
---@return rill.WebSocketSetup
function setup.of(url, given)
  given = given or {}
  local limits = options.merge(options.SOCKET_LIMITS, given.limits)
  local opening = options.merge(options.OPENING, given.timeout)
  local spec = setup.socket_spec(given, limits.send)
  return {
    url = url,
    host = url:match("^%a+://[^/?]+"),
    secrets = secrets_of(url, given),
    bounds = {
      connect = opening.connect, first_byte = opening.first_byte,
      ping = spec.ping_timeout, close = spec.close_timeout,
    },
    spec = spec,
    profile_spec = {
      headers = headers.lines({ ["User-Agent"] = "rill/" .. require("rill").version },
        given.headers),
      timeout = timeouts(opening),
      retry = setup.retry_of(given.reconnect),
      limits = {
        buffer = limits.buffer, event = limits.message, error_body = limits.error_body,
      },
      proxy = given.proxy == false and "" or given.proxy,
      ca_file = given.ca_file, ca_path = given.ca_path,
      tls_verify = given.tls_verify ~= false,
      http_version = "auto",
    },
  }
end

return setup
