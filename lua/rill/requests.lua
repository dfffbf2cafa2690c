-- SPDX-License-Identifier: MIT
--
-- A request, from the caller's table to the body that is sent: checks it, takes out what is for
-- rill, has the provider translate the rest, and encodes it.  The checks return what is wrong;
-- raising is left to the caller, who knows whose line to blame.

local headers = require("rill.headers")
local options = require("rill.options")

local requests = {}

-- Fields of a request that are for rill; the others go to the server as they are.
local OWN_FIELDS = {
  timeout = true, retry = true, limits = true, headers = true, extra = true, cache = true,
}

local function problem_of_calls(calls, i)
  if type(calls) ~= "table" then
    return type(calls) ~= "userdata"
      and ("messages[%d].tool_calls must be a list, not a %s"):format(i, type(calls)) or nil
  end
  for j, call in ipairs(calls) do
    if type(call) ~= "table" then
      return ("messages[%d].tool_calls[%d] must be a table, not a %s"):format(i, j, type(call))
    end
  end
end

--- What is wrong with a list of messages, or nil.
---@param messages any
---@param may_be_empty boolean?
---@return string?
function requests.problem_of_messages(messages, may_be_empty)
  if type(messages) ~= "table" then
    return "field 'messages' must be a list such as { { role = \"user\", content = \"...\" } }"
      .. ", not a " .. type(messages)
  elseif messages[1] == nil and next(messages) ~= nil then
    return "field 'messages' must be a list of messages, not one message"
  elseif messages[1] == nil and not may_be_empty then
    return "field 'messages' must not be empty"
  end
  for i = 1, #messages do
    local message = messages[i]
    local kind = type(message)
    if kind ~= "table" then
      return ("messages[%d] must be a table, not a %s"):format(i, kind)
    elseif type(message.role) ~= "string" then
      return ("messages[%d].role must be a string such as \"user\", not a %s")
        :format(i, type(message.role))
    end
    kind = type(message.content)
    if kind ~= "string" and kind ~= "table" and kind ~= "nil" and kind ~= "userdata" then
      return ("messages[%d].content must be a string or a list of parts, not a %s")
        :format(i, kind)
    end
    local problem = message.tool_calls ~= nil and problem_of_calls(message.tool_calls, i)
    if problem then
      return problem
    end
  end
end

--- What is wrong with the fields that are added to a body as they are, or nil.
---@param request table
---@return string?
function requests.problem_of_extra(request)
  if request.extra ~= nil and type(request.extra) ~= "table" then
    return "field 'extra' must be a table of further fields"
  end
end

--- What is wrong with the fields of a request that say how it is asked, or nil.
---@param request table
---@return string?
function requests.problem_of_manner(request)
  if request.stream ~= nil and request.stream ~= true then
    return "field 'stream' cannot be switched off; call :result() to have the answer in one piece"
  elseif request.n ~= nil and not (type(request.n) == "number" and request.n >= 1
    and request.n == math.floor(request.n)) then
    return "field 'n' must be a positive whole number"
  elseif request.cache ~= nil and type(request.cache) ~= "boolean" then
    return "field 'cache' must be false, which leaves the client's cache alone, or true"
  end
  return requests.problem_of_extra(request)
end

local function problem_of_request(request, may_be_empty)
  if type(request) ~= "table" then
    return "argument 1 must be a table { model = ..., messages = ... }, not a " .. type(request)
  elseif type(request.model) ~= "string" or request.model == "" then
    return "field 'model' must be a string that is not empty"
  end
  return requests.problem_of_manner(request)
    or requests.problem_of_messages(request.messages, may_be_empty)
end

--- What is wrong with what a request says for the transport, or nil.
---@param request table
---@return string?
function requests.problem_of_overrides(request)
  local given = {
    timeout = request.timeout, retry = request.retry, limits = request.limits,
    headers = request.headers,
  }
  return options.problem(given, options.REQUEST)
    or (given.headers and headers.problem(given.headers))
end

local function problem_of_callbacks(callbacks)
  if type(callbacks) ~= "table" then
    return "argument 2 must be a table of callbacks, not a " .. type(callbacks)
  end
  for name, callback in pairs(callbacks) do
    if not options.CALLBACKS[name] then
      return options.unknown(name, options.CALLBACKS, "", "callback")
    elseif type(callback) ~= "function" then
      return ("callback '%s' must be a function, not a %s"):format(name, type(callback))
    end
  end
end

--- Whether a request has options of its own for the transport.
---@param request table
---@return boolean
function requests.has_overrides(request)
  return request.timeout ~= nil or request.retry ~= nil or request.limits ~= nil
    or request.headers ~= nil
end

--- What is wrong with a request and its callbacks, or nil.
---@param request any
---@param callbacks any
---@param may_be_empty boolean? whether nothing need have been said
---@return string?
function requests.problem(request, callbacks, may_be_empty)
  local problem = problem_of_request(request, may_be_empty)
  if not problem and requests.has_overrides(request) then
    problem = requests.problem_of_overrides(request)
  end
  return problem or (callbacks ~= nil and problem_of_callbacks(callbacks)) or nil
end

--- The request as the provider gets it: a copy without what is for rill.
---@param request table
---@return table
function requests.bare(request)
  -- Named here what nearly every request has, so that the table need not grow.
  local bare = { model = nil, messages = nil, stream = nil, stream_options = nil }
  for name, value in pairs(request) do
    if not OWN_FIELDS[name] then
      bare[name] = value
    end
  end
  return bare
end

-- Attachments in their short forms, where there are any, become parts of OpenAI's form.
local function expand_attachments(bare)
  for _, message in ipairs(bare.messages) do
    if type(message.content) == "table" then
      local problem
      bare.messages, problem = require("rill.attachments").expand(bare.messages,
        require("rill.core").base64_encode)
      return problem
    end
  end
end

--- The body of a request with its `extra` fields, encoded; or nil and what is wrong with it.
---@param provider table
---@param request table as the caller gave it
---@param codec rill.Json
---@param fields table the body; is changed
---@return string? body
---@return string? problem
function requests.encode_body(provider, request, codec, fields)
  for name, value in pairs(request.extra or {}) do
    fields[name] = value
  end
  return codec.encode(fields, provider.arrays, "request")
end

--- Path and encoded body of a request; or nil and what is wrong with it.
---@param provider table
---@param request rill.Request
---@param codec rill.Json
---@param given table what the provider wants to know: { accepts_usage, stream, decode, encode }
---@return string? path
---@return string body_or_problem
---@return table? fields the body before it was encoded
function requests.encode(provider, request, codec, given)
  local bare = requests.bare(request)
  local problem = expand_attachments(bare)
  if problem then
    return nil, problem
  end
  local path, fields = provider.request(given, bare)
  if not path then
    return nil, fields
  end
  local body, wrong = requests.encode_body(provider, request, codec, fields)
  return body and path, body or wrong, fields
end

return requests
