-- SPDX-License-Identifier: MIT
--
-- How a stream ended, decided from evidence and not from one marker: the finish reasons of all
-- choices, the terminator, how the transport ended, unfinished tool calls.

local verdict = {}

local PROVIDER_ERRORS = { error = true, insufficient_system_resource = true }
local FILTERED = { content_filter = true }
local LENGTH = { length = true }
local CANCELLED = { cancelled = true }

--- Whether a whole answer is an error because of this finish reason.
---@param reason string?
---@return boolean
function verdict.is_error(reason)
  return PROVIDER_ERRORS[reason] or CANCELLED[reason] or false
end

local function interrupted(outcome, message)
  return outcome, { kind = "interrupted", message = message, phase = "stream", retryable = true }
end

-- The message is whole as far as the transport can tell; now what the provider says of it.
local function of_whole(message, decode)
  local reason = message:finished_for(PROVIDER_ERRORS)
  if reason then
    return "provider_error", {
      kind = "api", phase = "stream", code = reason, retryable = true,
      message = ("the provider broke the answer off with finish_reason \"%s\""):format(reason),
    }
  elseif message:finished_for(CANCELLED) then
    return "cancelled", {
      kind = "cancelled", phase = "stream", message = "the provider says that it was cancelled",
    }
  elseif message:finished_for(FILTERED) then
    return "filtered"
  elseif message:finished_for(LENGTH) then
    return "length"
  end
  local call = message:open_call(decode)
  if call then
    return interrupted("truncated",
      ("the arguments of the tool call '%s' are not complete JSON"):format(call))
  end
  return "complete"
end

--- The outcome of a failure that nothing of an answer came before.
---@param failure table as a transfer gives it
---@return "provider_error"|"broken"
function verdict.of_failure(failure)
  local kind = failure.kind
  local is_theirs = kind == "http" or kind == "body" or kind == "api"
  return is_theirs and "provider_error" or "broken"
end

--- Judges a stream that has ended by itself.
---@param evidence table
--  { ending, failure?, message, has_text, has_unfinished, decode }: ending and failure as the
--  transfer gives them; has_text: C has seen text of choice 0
---@return rill.Outcome outcome
---@return table? fault why that is an error, in the shape of a failure; nil if it is none
---@return boolean? is_unmarked complete, though no finish reason came
function verdict.judge(evidence)
  local message, ending = evidence.message, evidence.ending
  local wanted = ending ~= "done" and message.wanted or 1
  if message:is_finished(evidence.has_text, wanted) then
    -- A finish reason comes after all text: what broke later has cost nothing of the answer.
    local kind = evidence.failure and evidence.failure.kind
    if ending ~= "failed" or kind == "timeout" or kind == "interrupted" then
      return of_whole(message, evidence.decode)
    end
  end
  if ending == "done" then
    if not evidence.has_text and message.deltas == 0 then
      return interrupted("truncated", "the stream ended without any output or finish reason")
    end
    local outcome, fault = of_whole(message, evidence.decode)
    return outcome, fault, true
  elseif ending == "eof" then
    return interrupted("truncated", evidence.has_unfinished
      and "the connection was closed inside an event, before the answer's end"
      or "the connection was closed before the answer's end")
  elseif ending == "closed" then
    return "cancelled", { kind = "cancelled", message = "the stream was closed" }
  end
  local failure = evidence.failure
    or { kind = "interrupted", message = "the connection broke", retryable = true }
  return ending == "cut" and "broken" or verdict.of_failure(failure), failure
end

return verdict
