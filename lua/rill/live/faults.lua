-- SPDX-License-Identifier: MIT
--
-- What the end of a connection means for a turn that was in flight.  Pure.

local common = require("rill.providers.common")
local errors = require("rill.errors")

local faults = {}

-- The close codes after which another connection may do better.
local RECOVERABLE = {
  [1001] = true, [1005] = true, [1006] = true, [1011] = true, [1012] = true, [1013] = true,
  [1014] = true, [1015] = true,
}

local function closed_message(code, reason, by)
  local who = by == "us" and "the connection was closed" or "the server closed the connection"
  local why = reason and reason ~= "" and ": " .. reason or ""
  return ("%s before the answer's end (close code %d%s)"):format(who, code, why)
end

-- A connection that ended with a close frame, or will soon.
local function of_close(code, reason, by)
  local is_recoverable = RECOVERABLE[code] or false
  return {
    ending = "cut", kind = "interrupted", phase = "stream", close_code = code,
    message = closed_message(code, reason, by),
    retryable = is_recoverable, is_recoverable = is_recoverable, is_link = true,
  }
end

--- What became of a connection that ended, or that the server has closed.
---@param socket rill.Socket
---@param said table? the server's last word that belonged to no turn: { message?, code?, type? }
---@return table fault a failure, with `ending` and `is_recoverable`
function faults.of_socket(socket, said)
  local failure = socket:failure()
  local code, reason, by = socket:closing()
  local fault
  if failure then
    fault = common.copy(failure)
    if fault.kind == "limit" and fault.phase == "body" then
      fault.message = fault.message .. " (limits.event)" -- the core knows the number alone
    end
    fault.ending = socket:ending() == "cut" and "cut" or "failed"
    fault.is_recoverable = fault.ending == "cut"
      or (failure.retryable and socket:stats().opened ~= nil) or false
    fault.is_link = true
    fault.attempts = not socket:stats().opened and #socket:attempts() or nil -- to open it
  else
    fault = of_close(code or 1006, reason, by)
  end
  if said and said.message then
    fault.message = ("%s; the server said: %s"):format(fault.message, said.message)
    fault.code, fault.close_code = said.code, not said.code and fault.close_code or nil
  end
  return fault
end

--- The fault as one turn has it.
---@param fault table
---@param delivery "unsent"|"uncertain"|"delivered"
---@return table
function faults.of_turn(fault, delivery)
  local own = common.copy(fault)
  own.delivery = delivery ~= "delivered" and delivery or nil
  return own
end

--- A turn whose reader is too slow, while others wait.
---@param buffer integer
---@return table
function faults.of_slow_reader(buffer)
  return {
    ending = "failed", kind = "limit", phase = "buffer", retryable = false,
    message = ("more than %d bytes (limits.buffer) were not read, and other turns wait")
      :format(buffer),
  }
end

--- A message that no dialect knows.
---@return table
function faults.of_binary()
  return {
    ending = "failed", kind = "protocol", phase = "stream", retryable = false, is_link = true,
    message = "the server sent a binary message",
  }
end

--- What an error message says that belongs to no turn.
---@param payload string
---@param decode fun(text: string): any
---@return table? said
function faults.read_error(payload, decode)
  if not payload:find("error", 1, true) then
    return nil
  end
  local chunk = decode(payload)
  return type(chunk) == "table" and chunk.type == "error" and errors.read(chunk) or nil
end

return faults
