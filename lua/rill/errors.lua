-- SPDX-License-Identifier: MIT
--
-- Errors as values: a table with a metatable, made from what the engine reports or what a server
-- says (error_texts.lua).  Pure: what it needs of rill is as pure.  A secret never gets into an
-- error, because every string of an error passes through `redact` first.

local texts = require("rill.error_texts")

local errors = {
  shorten = texts.shorten, -- who knows errors needs no more than these of the texts
  read = texts.read,
}

local BODY_MAX = 500

---@class rill.Error
---@field kind rill.ErrorKind
---@field message string one line, without secrets
---@field status integer? the HTTP status
---@field code string|integer? the server's own code; of a WebSocket the code it was closed with
---@field type string? the server's own type
---@field request_id string?
---@field retry_after number? seconds the server asked to wait
---@field attempts integer? how many requests were made
---@field retryable boolean whether the same request may work later
---@field phase string? where it happened; for a timeout the name of the option
---@field limit_tokens integer? context_length: what the model takes, where the server said it
---@field asked_tokens integer? context_length: how long the request was, where the server said it
---@field position integer? malformed: the byte, from 1, at which a text is no JSON
---@field delivery "unsent"|"uncertain"|nil whether the server may have got the turn of a live
--  session that its connection failed
---@field body string? the start of an answer that was no event stream
---@field partial rill.Reply? what had arrived

local Error = { __name = "rill.error" }

local function details(err)
  local list = {}
  if err.code then
    list[#list + 1] = "code " .. err.code
  end
  if err.request_id then
    list[#list + 1] = "request " .. err.request_id
  end
  if err.attempts and err.attempts > 1 then
    list[#list + 1] = ("after %d attempts"):format(err.attempts)
  end
  if err.retry_after then
    list[#list + 1] = ("retry after %.14g s"):format(err.retry_after)
  end
  return #list > 0 and " (" .. table.concat(list, ", ") .. ")" or ""
end

-- What to put before a message that does not begin with the status by itself.
local function status_of(err)
  local status = err.status and err.status >= 300 and ("HTTP %d"):format(err.status)
  local has_status = status and err.message:sub(1, #status) == status
  return status and not has_status and status .. ": " or ""
end

function Error:__tostring()
  local text = ("rill: %s: %s%s%s"):format(self.kind, status_of(self), self.message, details(self))
  return (text:gsub("%s+", " "))
end

-- What to look for, by list of secrets.
local patterns_by_list = setmetatable({}, { __mode = "k" })

-- The longest first, so that none hides in another.
local function patterns_of(secrets)
  local sorted, patterns = {}, {}
  for _, secret in ipairs(secrets) do
    if #secret >= 4 then
      sorted[#sorted + 1] = secret
      if secret:find("/", 1, true) then
        sorted[#sorted + 1] = (secret:gsub("/", "\\/")) -- as JSON may write it
      end
    end
  end
  table.sort(sorted, function(a, b)
    return #a > #b
  end)
  for i, secret in ipairs(sorted) do
    patterns[i] = secret:gsub("%W", "%%%0")
  end
  patterns_by_list[secrets] = patterns
  return patterns
end

local SHOWN_MAX = 7 -- bytes of a secret that may stand at the end of a text that was cut

-- A text that was cut may end with the first part of a secret.
local function redact_end(text, secret)
  for size = math.min(#secret - 1, #text), SHOWN_MAX + 1, -1 do
    if text:sub(-size) == secret:sub(1, size) then
      return text:sub(1, -size - 1) .. "[redacted]"
    end
  end
  return text
end

--- A text in which every secret is replaced, also one that the text's end cut.  Those of less than
--- four bytes are not looked for.
---@param text string
---@param secrets string[]? a list that does not change
---@return string
function errors.redact(text, secrets)
  local patterns = secrets and (patterns_by_list[secrets] or patterns_of(secrets)) or {}
  for i = 1, #patterns do
    text = text:gsub(patterns[i], "[redacted]")
    text = redact_end(text, (patterns[i]:gsub("%%(%W)", "%1")))
  end
  return text
end

--- Makes an error of its fields (the table is kept), with the secrets taken out.
---@param fields table `kind` and `message` are needed
---@param secrets string[]? a list that does not change
---@return rill.Error
function errors.new(fields, secrets)
  for name, value in pairs(fields) do
    if type(value) == "string" then
      fields[name] = errors.redact(value, secrets)
    end
  end
  fields.message = texts.shorten(fields.message, 1000)
  fields.body = fields.body and texts.shorten(fields.body, BODY_MAX)
  fields.retryable = fields.retryable or false
  return setmetatable(fields, Error)
end

--- Takes the secrets out of a trail of attempts.
---@param attempts rill.Attempt[]
---@param secrets string[]?
---@return rill.Attempt[] attempts the same
function errors.redact_attempts(attempts, secrets)
  for _, attempt in ipairs(attempts) do
    attempt.reason = attempt.reason and errors.redact(attempt.reason, secrets)
    attempt.request_id = attempt.request_id and errors.redact(attempt.request_id, secrets)
  end
  return attempts
end

--- Whether a value is an error of rill.
---@param value any
---@return boolean
function errors.is(value)
  return getmetatable(value) == Error
end

local KIND_OF_STATUS = {
  [401] = "auth", [403] = "auth", [402] = "quota", [404] = "not_found", [408] = "timeout",
  [429] = "rate_limit", [503] = "overloaded", [529] = "overloaded",
}

local REASONS = {
  [400] = "bad request", [401] = "unauthorized", [403] = "forbidden", [404] = "not found",
  [408] = "request timeout", [413] = "request too large", [429] = "too many requests",
  [500] = "internal server error", [502] = "bad gateway", [503] = "service unavailable",
  [504] = "gateway timeout", [529] = "overloaded",
}

local QUOTA_CODES = {
  insufficient_quota = true, billing_hard_limit_reached = true, billing_not_active = true,
  insufficient_balance = true, quota_exceeded = true,
}

-- What servers say of requests that are too long; loaded with the first error.
local function context_length()
  return require("rill.context_length")
end

--- The kind of error that an HTTP status and the server's words make.
---@param status integer
---@param said table { message?, code?, type? }
---@param is_quota boolean?
---@return rill.ErrorKind
function errors.kind_of_status(status, said, is_quota)
  if is_quota or QUOTA_CODES[said.code or ""] or QUOTA_CODES[said.type or ""] then
    return "quota"
  end
  if (status == 400 or status == 413 or status == 422) and context_length().is_meant(said) then
    return "context_length"
  end
  if KIND_OF_STATUS[status] then
    return KIND_OF_STATUS[status]
  end
  return status >= 500 and "server" or status >= 400 and "bad_request" or "protocol"
end

local TIMEOUT_WORDS = {
  connect = "no connection within %s s (timeout.connect)",
  first_byte = "no answer within %s s (timeout.first_byte)",
  first_output = "no output for %s s (timeout.first_output)",
  idle = "no byte for %s s (timeout.idle)",
  progress = "no further output for %s s (timeout.progress)",
  total = "not finished within %s s (timeout.total)",
  ping = "no answer to a ping within %s s (ping_timeout)",
  close = "no answer to the close frame within %s s (close_timeout)",
}

-- The clocks of a connection on which nothing comes: what came before is no sign of life.
local OF_SILENCE = { connect = true, idle = true, ping = true, close = true }

local function timeout_message(failure, context)
  local words = TIMEOUT_WORDS[failure.phase or ""]
  local seconds = context.timeout and context.timeout[failure.phase or ""]
  if not words or not seconds then
    return failure.message or "a timeout"
  end
  local message = words:format(("%.14g"):format(seconds))
  local stats = context.stats or {}
  if OF_SILENCE[failure.phase] then
    return message
  elseif (stats.comments or 0) > 0 then
    return ("%s; the connection was alive: %d comments received"):format(message, stats.comments)
  elseif (stats.bytes or 0) > 0 then
    return ("%s; the connection was alive: %d bytes received"):format(message, stats.bytes)
  end
  return message
end

-- The kind of an error event, or of an error in place of a stream.
local function kind_of_said(said)
  if said.status then
    return errors.kind_of_status(said.status, said)
  end
  return context_length().is_meant(said) and "context_length" or "api"
end

-- What an error event says beside its kind.
local function add_said(fields, said)
  fields.code, fields.type = said.code or fields.code, said.type
  fields.status, fields.retry_after = said.status, said.retry_after
  if said.status then
    fields.retryable = fields.kind ~= "quota"
      and require("rill.core").is_transient(tostring(said.status), said.type)
  end
end

-- The numbers of an error that says that the request is too long.
local function add_lengths(fields, said)
  if fields.kind == "context_length" then
    local limit, asked = context_length().read(said.message)
    fields.limit_tokens = said.limit_tokens or limit
    fields.asked_tokens = said.asked_tokens or asked
  end
end

local function describe_http(fields, failure, context, body)
  local said = texts.read_body(body, failure.content_type, context.decode)
  fields.kind = errors.kind_of_status(failure.status or 0, said, failure.quota)
  fields.message = said.message or REASONS[failure.status] or failure.message
    or "the server gave no reason"
  fields.code, fields.type = said.code or failure.code, said.type
  add_lengths(fields, said)
  if fields.kind == "protocol" then
    fields.message, fields.body = failure.message or fields.message, body
  end
end

local function describe_body(fields, failure, context, body)
  local said = texts.read_body(body, failure.content_type, context.decode)
  if said.is_error then
    fields.kind, fields.message = kind_of_said(said), said.message
    fields.code, fields.type = said.code, said.type
    return add_lengths(fields, said)
  end
  fields.kind, fields.body = "protocol", body
  local instead = failure.content_type
    and ("with %s instead of an event stream"):format(failure.content_type)
    or "without an event stream"
  fields.message = ("the server answered %d %s%s"):format(failure.status or 200, instead,
    said.message and ": " .. said.message or "")
end

local function describe_event(fields, failure, context, body)
  local said = texts.read_body(body, nil, context.decode)
  fields.kind = kind_of_said(said)
  fields.message = said.message or failure.message or "an error event without a message"
  add_said(fields, said)
  add_lengths(fields, said)
end

-- What OpenSSL and GnuTLS say of who answers in plain text: the server, or a proxy that was to be
-- spoken to by TLS.
local function describe_tls(fields)
  local said = fields.message
  if said:find("wrong version number", 1, true) or said:find("unexpected TLS packet", 1, true) then
    fields.message = "the server (or its proxy) does not speak TLS there: did you mean http:// or "
      .. "ws://? " .. said
  end
end

local DESCRIBE = {
  http = describe_http, body = describe_body, api = describe_event, tls = describe_tls,
}

--- Makes the public error of what the engine reports.
---@param failure table see `failure` in docs/architecture.md
---@param context table { secrets?, attempts?, timeout?, stats?, decode?, partial? }
---@return rill.Error
function errors.from_failure(failure, context)
  local fields = {
    kind = failure.kind, message = failure.message or "the stream failed", phase = failure.phase,
    status = failure.status ~= 0 and failure.status or nil,
    code = failure.close_code or failure.code,
    request_id = failure.request_id, retry_after = failure.retry_after,
    retryable = failure.retryable, attempts = context.attempts, partial = context.partial,
    delivery = failure.delivery,
  }
  if failure.kind == "memory" then
    fields.kind, fields.message = "limit", "out of memory"
  elseif failure.kind == "timeout" then
    fields.message = timeout_message(failure, context)
  elseif DESCRIBE[failure.kind] then
    -- Secrets go before anything is cut, or half of one could be left at the end.
    local body = failure.body and errors.redact(failure.body, context.secrets)
    DESCRIBE[failure.kind](fields, failure, context, body)
  end
  return errors.new(fields, context.secrets)
end

--- Makes the public error of an error event that came inside the stream.
---@param said table from `errors.read`
---@param context table { secrets?, attempts?, partial?, request_id? }
---@return rill.Error
function errors.from_event(said, context)
  local fields = {
    kind = kind_of_said(said), message = said.message or "an error event without a message",
    retryable = require("rill.core").is_transient(said.code, said.type, said.message),
    attempts = context.attempts, partial = context.partial, request_id = context.request_id,
    phase = "stream",
  }
  add_said(fields, said)
  add_lengths(fields, said)
  return errors.new(fields, context.secrets)
end

--- The same for an event named "error", whose payload may be JSON or text.
---@param payload string
---@param context table { decode, secrets?, attempts?, partial?, request_id? }
---@return rill.Error
function errors.from_payload(payload, context)
  local body = errors.redact(payload, context.secrets)
  return errors.from_event(texts.read_body(body, nil, context.decode), context)
end

return errors
