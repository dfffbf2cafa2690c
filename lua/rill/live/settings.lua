-- SPDX-License-Identifier: MIT
--
-- The options of live sessions: which there are, their defaults, and what the engine makes of them.

local common = require("rill.providers.common")
local core = require("rill.core")
local gateways = require("rill.gateways")
local headers = require("rill.headers")
local options = require("rill.options")
local session = require("rill.session")
local websocket = require("rill.websocket_setup")

local settings = {}

local DIALECTS = {
  chat = "rill.live.chat",
  completions = "rill.live.completions",
  responses = "rill.live.responses",
  realtime = "rill.live.realtime",
}

-- More than a stream has: where a turn has no room left, its connection is held up for the others.
local ROOM = { buffer = 16777216 }

local function fallback(value)
  if value ~= "sse" and value ~= false then
    return "must be \"sse\", or false for none"
  end
end

local function url(value)
  return websocket.problem_of_url(value, "")
end

local function dialect_name(value)
  if type(value) ~= "string" then
    return "must be the name of a dialect"
  end
end

-- What a question may say, in OpenAI's form; whether the dialect has words for it, its request
-- tells.
local FIELDS = {
  model = true, tools = true, tool_choice = true, parallel_tool_calls = true, max_turns = true,
  max_tokens = true, max_completion_tokens = true, temperature = true, top_p = true, stop = true,
  seed = true, n = true, frequency_penalty = true, presence_penalty = true, logit_bias = true,
  logprobs = true, top_logprobs = true, response_format = true, reasoning_effort = true,
  verbosity = true, modalities = true, audio = true, prediction = true, web_search_options = true,
  metadata = true, user = true, safety_identifier = true, store = true, service_tier = true,
  prompt_cache_key = true, prompt_cache_retention = true, stream = true, stream_options = true,
  functions = true, function_call = true,
  extra = true, retry = true, cache = true,
}

local SOCKET = options.WEBSOCKET

local SCHEMA = {
  dialect = dialect_name, url = url, fallback = fallback, deflate = SOCKET.deflate,
  ping_interval = SOCKET.ping_interval, ping_timeout = SOCKET.ping_timeout,
  close_timeout = SOCKET.close_timeout, rotate_after = SOCKET.ping_interval,
  reconnect = SOCKET.reconnect, limits = options.REQUEST.limits,
  timeout = options.REQUEST.timeout, headers = options.REQUEST.headers,
}

local function joined(...)
  local all = {}
  for _, names in ipairs({ ... }) do
    for name, value in pairs(names) do
      all[name] = value
    end
  end
  return all
end

local function is_of_conversation(name)
  return FIELDS[name] or session.own_options[name]
end

-- A name that nothing here knows.
local function problem_of_name(name, dialect, known)
  if not dialect.options and require("rill.live.realtime_options").schema[name] then
    return ("option '%s' is one of the dialect 'realtime', not of '%s'"):format(name, dialect.name)
  end
  local place = dialect.place_of and dialect.place_of(name)
  if place then
    return ("'%s' is no option of its own: it belongs into %s"):format(name, place)
  end
  if options.CLIENT[name] then
    return ("option '%s' is the client's: give it to rill.client"):format(name)
  end
  -- A misspelt option of the client must not be sent to 'extra', where a key is not redacted.
  local problem = options.unknown(name, joined(known, options.CLIENT))
  local where = problem:find("did you mean", 1, true) and ""
    or (" of the dialect '%s';"):format(dialect.name)
  return problem .. where .. " fields that only the server knows go into 'extra'"
end

-- Transfers are what `retry` is about: only those of a fallback are left of them.
local function problem_of_retry(given, has_fallback)
  if given.retry ~= nil and not has_fallback then
    return "option 'retry' means nothing to a socket: 'reconnect' says how often one is opened"
      .. " again ('retry' is for what fallback = \"sse\" asks)"
  end
end

local function problem_of(own, rest, dialect)
  local schema = joined(SCHEMA, dialect.options or {})
  for name in pairs(rest) do
    if not is_of_conversation(name) then
      return problem_of_name(name, dialect, joined(schema, FIELDS, session.own_options))
    end
  end
  return options.problem(own, schema)
    or own.headers and websocket.problem_of_headers(own.headers)
    or problem_of_retry(rest, own.fallback)
end

--- What is wrong with the options of a lane, or nil.
---@param given any
---@param dialect table
---@param has_fallback boolean whether the session has one
---@return string?
function settings.problem_of_lane(given, dialect, has_fallback)
  if type(given) ~= "table" then
    return "argument 2 must be a table of options, not a " .. type(given)
  end
  for name in pairs(given) do
    if SCHEMA[name] then
      return ("option '%s' is the session's: all lanes have it from there"):format(name)
    elseif not is_of_conversation(name) then
      return problem_of_name(name, dialect, joined(FIELDS, session.own_options))
    end
  end
  return problem_of_retry(given, has_fallback)
end

local function load_dialect(client, name)
  local preset = gateways[client.gateway]
  name = name or preset and preset.dialect
  if name == nil then
    local why = client.gateway and (", the gateway '%s' has none of its own"):format(client.gateway)
    return nil, "option 'dialect' is needed" .. (why or "")
      .. ": \"chat\", \"completions\", \"responses\" or \"realtime\""
  elseif not DIALECTS[name] then
    return nil, options.unknown(tostring(name), DIALECTS, "", "dialect")
  end
  return require(DIALECTS[name])
end

-- The options of the session itself, and those that are for the requests of a conversation.
local function split(given, dialect)
  local own, rest = {}, {}
  for name, value in pairs(given) do
    local is_own = SCHEMA[name] or dialect.options and dialect.options[name]
    local target = is_own and own or rest
    target[name] = value
  end
  return own, rest
end

-- Where the session is, unless its options say so; nil and what is wrong with it.
local function default_url(client, dialect, own)
  local base = client.base_url:gsub("^[hH][tT][tT][pP]", "ws")
  local made = dialect.url and dialect.url(base, own) or base .. dialect.path
  local problem = websocket.problem_of_url(made, "the client's base_url ")
  return not problem and made or nil, problem
end

local NO_SSE = { ["Content-Type"] = false, Accept = false }

-- The bounds of everything.  The answer to an upgrade does not take as long as that of a model.
local function timeouts(client, own, spec)
  local timeout = options.merge(client.timeout, own.timeout)
  if not own.timeout or own.timeout.first_byte == nil then
    timeout.first_byte = math.min(timeout.first_byte, options.OPENING.first_byte)
  end
  timeout.ping, timeout.close = spec.ping_timeout, spec.close_timeout
  return timeout
end

-- What the engine is to open sockets with.
local function socket_profile(client, dialect, own, given)
  local spec = common.copy(client.spec)
  spec.headers = headers.lines(client.base_headers, NO_SSE, dialect.headers, client.headers,
    own.headers)
  spec.timeout, spec.retry = given.timeout, given.retry
  spec.limits = {
    buffer = options.SOCKET_LIMITS.buffer, event = given.limits.event,
    error_body = given.limits.error_body,
  }
  spec.http_version = "1.1"
  return core.profile(spec)
end

local function secrets_of(client, own)
  local list = {}
  headers.collect_secrets(list, own.headers)
  headers.collect_url_secrets(list, own.url)
  for _, secret in ipairs(client.secrets) do
    list[#list + 1] = secret
  end
  return list
end

-- What streams are made with: the profile of their transfers, which only has clocks and limits.
local function stream_profile(client, timeout, limits)
  local spec = common.copy(client.spec)
  spec.timeout, spec.headers = timeout, {}
  spec.limits = { buffer = limits.buffer, event = limits.event, error_body = limits.error_body }
  return core.profile(spec)
end

--- Reads what was given to `client:live`.
---@param client rill.Client
---@param given any
---@return table? read { dialect, own, rest, url, profile, stream_profile, spec, reconnect,
--  rotate_after, buffer, timeout, malformed, secrets }
---@return string? problem
function settings.read(client, given)
  if type(given) ~= "table" then
    return nil, "argument 1 must be a table { model = ... }, not a " .. type(given)
  end
  local dialect, unknown = load_dialect(client, given.dialect)
  if not dialect then
    return nil, unknown
  end
  local own, rest = split(given, dialect)
  local problem = problem_of(own, rest, dialect)
  if problem then
    return nil, problem
  elseif own.fallback and not dialect.fallback then
    return nil, ("option 'fallback': nothing but a socket speaks '%s'"):format(dialect.name)
  end
  local address = own.url
  if not address then
    address, problem = default_url(client, dialect, given)
  end
  if problem then
    return nil, problem
  end
  local spec = websocket.socket_spec(own, options.SOCKET_LIMITS.send)
  local timeout = timeouts(client, own, spec)
  local limits = options.merge(options.merge(client.limits, ROOM), own.limits)
  local retry = websocket.retry_of(own.reconnect)
  return {
    dialect = dialect, own = own, rest = rest,
    url = address,
    profile = socket_profile(client, dialect, own,
      { timeout = timeout, retry = retry, limits = limits }),
    stream_profile = stream_profile(client, timeout, limits),
    spec = spec,
    reconnect = retry.max,
    rotate_after = own.rotate_after == nil and dialect.rotate_after or own.rotate_after or nil,
    buffer = limits.buffer, timeout = timeout, malformed = limits.malformed,
    secrets = secrets_of(client, own),
  }
end

return settings
