-- SPDX-License-Identifier: MIT
--
-- A client: checks its options once, and makes of each request a transfer and of that a stream.

local core = require("rill.core")
local gateways = require("rill.gateways")
local headers = require("rill.headers")
local json = require("rill.json")
local options = require("rill.options")
local requests = require("rill.requests")
local stream = require("rill.stream")

---@class rill.Client
local Client = { __name = "rill.client" }
Client.__index = Client

local client = {}

-- The keys, by client: not where whoever prints a client would find them.
local keys = setmetatable({}, { __mode = "k" })

local VERSION = "0.1.0"

local PROVIDERS = {
  openai = "rill.providers.openai",
  responses = "rill.providers.responses",
  anthropic = "rill.providers.anthropic",
  gemini = "rill.providers.gemini",
  ollama = "rill.providers.ollama",
}

local function find_key(gateway)
  for _, name in ipairs(gateway.key_variables or {}) do
    local value = os.getenv(name)
    if value and value ~= "" then
      return value, name
    end
  end
end

-- The key: from the options, else from the environment; nil if none is needed.
local function resolve_key(given, gateway)
  if given.api_key ~= nil then
    return given.api_key or nil
  end
  local key, name = find_key(gateway)
  if key then
    local problem = options.problem({ api_key = key }, options.CLIENT)
    if problem then
      return nil, problem:gsub("^option 'api_key'", "the environment variable " .. name)
    end
    return key
  elseif gateway.key_variables then
    return nil, ("no API key: set the environment variable %s, or give the option api_key "
      .. "(false for none)"):format(table.concat(gateway.key_variables, " or "))
  end
end

local function resolve_url(given, gateway)
  local url = given.base_url
  if not url and gateway.url_variable then
    url = os.getenv(gateway.url_variable)
    url = url ~= "" and url or nil
    local problem = url and options.problem({ base_url = url }, options.CLIENT)
    if problem then
      return nil, (problem:gsub("^option 'base_url'",
        "the environment variable " .. gateway.url_variable))
    end
  end
  return ((url or gateway.base_url):gsub("/+$", ""))
end

local function collect_secrets(key, given)
  local list = { key }
  headers.collect_secrets(list, given.headers)
  headers.collect_url_secrets(list, given.proxy or nil)
  return list
end

local function problem_of(given)
  if type(given) ~= "table" then
    return "argument 1 must be a table of options, not a " .. type(given)
  end
  local problem = options.problem(given, options.CLIENT)
    or (given.headers and headers.problem(given.headers))
  if problem then
    return problem
  elseif given.gateway and not gateways[given.gateway] then
    return options.unknown(given.gateway, gateways, "", "gateway")
  elseif not given.gateway and not given.base_url then
    return "give a gateway (such as \"openai\") or a base_url"
  elseif given.provider and not PROVIDERS[given.provider] then
    return options.unknown(given.provider, PROVIDERS, "", "provider")
  end
  local wrong = given.prices and require("rill.prices").problem(given.prices)
  return wrong and "option 'prices' " .. wrong
    or require("rill.loops").prepare(given.loop) or nil
end

-- What all requests of a client have in common, as the engine wants it.
local function make_spec(self, given)
  local limits = self.limits
  return {
    headers = headers.lines(self.base_headers, given.headers),
    timeout = self.timeout,
    retry = self.retry,
    limits = { buffer = limits.buffer, event = limits.event, error_body = limits.error_body },
    proxy = given.proxy == false and "" or given.proxy,
    ca_file = given.ca_file,
    ca_path = given.ca_path,
    tls_verify = given.tls_verify ~= false,
    http_version = given.http_version or "auto",
  }
end

local function raise_config(message)
  error(require("rill.errors").new({ kind = "config", message = message }), 0)
end

local NO_GATEWAY = { provider = "openai" }

--- Makes a client.  Wrong options raise, with a hint; a missing key raises an error of kind
--- `config`.
---@param given rill.ClientOptions
---@return rill.Client
function client.new(given)
  local problem = problem_of(given)
  if problem then
    error("rill.client: " .. problem, 3)
  end
  local gateway = gateways[given.gateway] or NO_GATEWAY
  local url, wrong_url = resolve_url(given, gateway)
  local key, wrong_key = resolve_key(given, gateway)
  if wrong_url or wrong_key then
    raise_config(wrong_url or wrong_key)
  end
  local provider = require(PROVIDERS[given.provider or gateway.provider])
  local self = setmetatable({
    gateway = given.gateway,
    base_url = url,
    provider = provider,
    accepts_usage = not gateway.refuses_usage,
    base_headers = provider.headers({ api_key = key }),
    headers = given.headers,
    json = given.json and json.wrap(given.json), -- nil: the codec in use when a chat begins
    prices = given.prices, -- nil: the gateway's
    loop = given.loop, -- nil: rill.use, or it is found out
    cache = given.cache, -- nil: none
    secrets = collect_secrets(key, given),
    timeout = options.merge(options.TIMEOUTS, given.timeout),
    retry = options.merge(options.RETRY, given.retry),
    limits = options.merge(options.LIMITS, given.limits),
    spec = nil, -- these two are set below: the table and what C made of it
    profile = nil,
    urls = {}, -- by path
    setups = setmetatable({}, { __mode = "k" }), -- what streams share, by codec
  }, Client)
  self.base_headers["User-Agent"] = "rill/" .. VERSION
  self.spec = make_spec(self, given)
  self.profile = core.profile(self.spec)
  keys[self] = key
  return self
end

--- The key of a client, for the dialects that send it inside of a message.
---@param self rill.Client
---@return string?
function client.key(self)
  return keys[self]
end

--- A client that differs in its wire format alone.
---@param self rill.Client
---@param name string
---@return rill.Client
function client.with_provider(self, name)
  if self.provider.name == name then
    return self
  end
  local other = setmetatable({}, Client)
  for field, value in pairs(self) do
    other[field] = value
  end
  other.provider = require(PROVIDERS[name])
  other.setups = setmetatable({}, { __mode = "k" })
  return other
end

local function make_setup(self, codec)
  local setup = {
    provider = self.provider, json = codec, secrets = self.secrets, timeout = self.timeout,
    malformed = self.limits.malformed, gateway = self.gateway, prices = self.prices,
    loop = self.loop,
    event_class = nil, -- made by intake.lua with the first event of a plain text
    provider_options = {
      stream = true, accepts_usage = self.accepts_usage, decode = codec.decode_exact,
      encode = codec.encode,
    },
  }
  self.setups[codec] = setup
  return setup
end

-- The profile and the shared setup of a request that has options of its own.
local function overridden(self, request, setup)
  local timeout = options.merge(self.timeout, request.timeout)
  local limits = options.merge(self.limits, request.limits)
  local spec = {}
  for name, value in pairs(self.spec) do
    spec[name] = value
  end
  spec.timeout, spec.retry = timeout, options.merge(self.retry, request.retry)
  spec.limits = { buffer = limits.buffer, event = limits.event, error_body = limits.error_body }
  local own = { timeout = timeout, malformed = limits.malformed }
  if request.headers then
    spec.headers = headers.lines(self.base_headers, self.headers, request.headers)
    own.secrets = {}
    headers.collect_secrets(own.secrets, request.headers)
    for _, secret in ipairs(self.secrets) do
      own.secrets[#own.secrets + 1] = secret
    end
  end
  for name, value in pairs(setup) do
    if own[name] == nil then
      own[name] = value
    end
  end
  return core.profile(spec), own
end

--- What a request is sent with.
---@param self rill.Client
---@param request table its `timeout`, `retry`, `limits` and `headers` count
---@return rill.Json codec
---@return any profile
---@return table setup
function client.prepare(self, request)
  local codec = self.json or json.default()
  local profile, setup = self.profile, self.setups[codec] or make_setup(self, codec)
  if requests.has_overrides(request) then
    profile, setup = overridden(self, request, setup)
  end
  return codec, profile, setup
end

local function make_url(self, path)
  local url = self.base_url .. path
  self.urls[path] = url
  return url
end

--- Asks for a chat completion; the answer comes as a stream.
-- The request has the form of OpenAI's chat completions, whatever the provider: each translates it
-- into its own, and what that has no words for raises.  `timeout`, `retry`, `limits` and `headers`
-- take the place of the client's options for this request; the fields of `extra` are added to the
-- body as they are.  Empty tables are sent as lists in the fields that hold lists (`tools`, `stop`,
-- `content`, `required` ...) and as objects elsewhere.  Wrong arguments raise at once; whatever
-- fails later is the stream's to say.
---@param request rill.Request
---@param callbacks rill.Callbacks? called by `stream:run()`
---@return rill.Stream
function Client:chat(request, callbacks)
  local problem = requests.problem(request, callbacks)
  if problem then
    error("client:chat: " .. problem, 2)
  end
  local codec, profile, shared = client.prepare(self, request)
  local path, body, fields = requests.encode(self.provider, request, codec,
    shared.provider_options)
  if not path then
    error("client:chat: " .. body, 2)
  end
  local url = self.urls[path] or make_url(self, path)
  local engine = core.engine()
  if self.cache and request.cache ~= false then
    local entry = require("rill.cache").entry(self, request, shared, path, fields)
    if entry then
      return entry:stream(function()
        return engine:open(profile, url, body, self.provider.name)
      end, engine, shared, request, callbacks)
    end
  end
  local transfer = engine:open(profile, url, body, self.provider.name)
  return stream.new(transfer, engine, shared, request, callbacks)
end

--- Asks, makes the calls of tools that the model wants, and asks again with their results, until it
--- answers without one: all as one stream.
-- The request is that of `chat`, but for `tools` and `max_turns`; see rill.RunRequest.  The reply
-- has the whole conversation in `messages`, and its usage is that of all turns.
---@param request rill.RunRequest
---@param callbacks rill.Callbacks? called by `stream:run()`
---@return rill.Stream
function Client:run(request, callbacks)
  local stream_of_turns, problem = require("rill.turns").run(self, request, callbacks)
  if not stream_of_turns then
    error("client:run: " .. problem, 2)
  end
  return stream_of_turns
end

--- Begins a conversation; see rill.SessionOptions and Session:ask.
---@param given rill.SessionOptions
---@return rill.Session
function Client:session(given)
  local session, problem = require("rill.session").new(self, given)
  if not session then
    error("client:session: " .. problem, 2)
  end
  return session
end

--- Begins a conversation over one WebSocket; see docs/live.md.
---@param given rill.LiveOptions
---@return rill.LiveSession
---@overload fun(self: rill.Client, given: rill.RealtimeOptions): rill.RealtimeSession
function Client:live(given)
  local session, problem = require("rill.live").new(self, given)
  if not session then
    error("client:live: " .. problem, 2)
  end
  return session
end

--- Asks for a chat completion in one piece: no stream.  The request is that of `chat`.
---@param request rill.Request
---@return rill.Reply? reply
---@return rill.Error? err
function Client:complete(request)
  local reply, err = require("rill.whole").complete(self, request)
  return reply, err
end

--- Lists the models that the gateway offers.
---@param given table? { timeout?, retry?, limits?, headers? }
---@return rill.Model[]? models
---@return rill.Error? err
function Client:models(given)
  local models, err = require("rill.whole").models(self, given)
  return models, err
end

--- Makes vectors of texts.
---@param request rill.EmbedRequest
---@return rill.Embeddings? embeddings
---@return rill.Error? err
function Client:embed(request)
  local embeddings, err = require("rill.whole").embed(self, request)
  return embeddings, err
end

function Client:__tostring()
  local host = self.base_url:match("^%a+://([^/]+)")
  return ("rill.client: %s (%s)"):format(self.gateway or "custom", host)
end

return client
