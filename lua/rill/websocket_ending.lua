-- SPDX-License-Identifier: MIT
--
-- How a WebSocket ended: what of it is an error, and what is told of it.

local errors = require("rill.errors")

local endings = {}

local function decode(text)
  local ok, codec = pcall(require("rill.json").default)
  if ok then
    return codec.decode(text)
  end
end

-- The core knows the number, and not the option it comes from.
local function name_limit(failure)
  if failure.kind == "limit" and failure.phase == "body" then
    failure.message = failure.message .. " (limits.message)"
  end
  return failure
end

local function failure_of(self)
  local failure = self.socket:failure()
  return errors.from_failure(failure and name_limit(failure) or { kind = "interrupted" }, {
    secrets = self.secrets, attempts = #self.socket:attempts(), timeout = self.bounds,
    decode = decode,
  })
end

-- Close codes of a normal end: done, going away, none given.
local NORMAL = { [1000] = true, [1001] = true, [1005] = true }

-- Those after which a new connection may fare better.
local PASSING = {
  [1006] = true, [1011] = true, [1012] = true, [1013] = true, [1014] = true, [1015] = true,
}

local function closed_error(code, reason)
  return errors.new({
    kind = "interrupted", phase = "close", code = code, retryable = PASSING[code] or false,
    message = reason ~= "" and "closed by the peer: " .. reason
      or "closed by the peer without a reason",
  })
end

-- Why reading ends; nil: as it should.  reason: without secrets.
local function error_of(self, ending, code, reason)
  if ending == "closed" then
    return not NORMAL[code] and closed_error(code, reason) or nil
  elseif ending == "dropped" then
    return errors.new({ kind = "cancelled", message = "the connection was dropped here" })
  end
  local err = failure_of(self)
  err.code = err.code or ending == "cut" and 1006 or nil
  return err
end

--- Works out how it ended: sets `result` and `err`.
---@param self rill.WebSocket
---@return boolean has_ended
function endings.settle(self)
  if self.result then
    return true
  end
  local socket = self.socket
  local ending = socket:ending()
  if not ending then
    return false
  end
  local code, reason, by = socket:closing()
  local unsent = {}
  for i, message in ipairs(socket:unsent()) do
    unsent[i] = { message[1], message[2] and "binary" or "text" }
  end
  reason = errors.redact(reason or "", self.secrets)
  self.result = {
    code = code or 1006, reason = reason, by = by, is_clean = ending == "closed", unsent = unsent,
  }
  self.err = not self.is_left and error_of(self, ending, code, reason) or nil
  return true
end

--- Why nothing more can be sent.
---@param self rill.WebSocket
---@return rill.Error
function endings.unsendable(self)
  if endings.settle(self) and self.err then
    return self.err
  elseif self.is_left then
    return errors.new({ kind = "cancelled", message = "it was closed here" })
  end
  local code, _, by = self.socket:closing()
  if by == "us" then
    return failure_of(self) -- what the peer did is why it is closed here
  end
  return errors.new({
    kind = "interrupted", phase = "close", code = code, message = "the peer has closed it",
  })
end

return endings
