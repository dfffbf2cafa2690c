-- SPDX-License-Identifier: MIT
--
-- What a Realtime server says beside its answers: that the user speaks, what was heard, that
-- something was refused.  It becomes events of the session.

local answers = require("rill.live.realtime_answers")
local common = require("rill.providers.common")
local errors = require("rill.errors")
local items = require("rill.live.realtime_items")
local loops = require("rill.loops")

local filled, sub = common.filled, common.sub

local notices = {}

local MAX = 1000 -- events that nobody has taken; then the oldest go

--- The words that stand for something spoken as long as there is no transcript.
notices.UNKNOWN_WORDS = "[spoken, without a transcript]"

--- Adds an event for the session's reader.
---@param context table
---@param event table
function notices.push(context, event)
  local list = context.events
  list[#list + 1] = event
  if #list > MAX then
    table.remove(list, 1)
  end
  loops.wake(context.link.bell)
end

local function push_error(context, said)
  notices.push(context, {
    type = "error", error = errors.from_event(said, { secrets = context.secrets }),
  })
end

local readers = {}

local function seconds(milliseconds)
  return type(milliseconds) == "number" and milliseconds / 1000 or nil
end

readers["input_audio_buffer.speech_started"] = function(context, chunk)
  notices.push(context, {
    type = "speech_started", id = filled(chunk.item_id), at = seconds(chunk.audio_start_ms),
  })
  local session = context.held.session
  if session and context.is_interrupted then
    session:spoken_over()
  end
end

readers["input_audio_buffer.speech_stopped"] = function(context, chunk)
  context.stopped = filled(chunk.item_id)
  notices.push(context, {
    type = "speech_stopped", id = filled(chunk.item_id), at = seconds(chunk.audio_end_ms),
  })
end

-- What the user has said is a message from now on: the one that `commit` has made, or where the
-- server has found the end by itself a new one.
readers["input_audio_buffer.committed"] = function(context, chunk)
  local session, id = context.held.session, filled(chunk.item_id)
  local is_ours = not id or id ~= context.stopped
  local committed = is_ours and table.remove(context.committed, 1)
  local message = committed and committed.message
  if not message then
    context.answers.is_due = context.begins_answers
  end
  if not message and session then
    message = { role = "user", content = notices.UNKNOWN_WORDS }
    table.insert(session.messages, message)
  end
  if message and id then
    items.note(context.items, id, message)
    context.spoken[id] = message
  end
  notices.push(context, { type = "committed", id = id, message = message })
end

local TRANSCRIPTION = "conversation.item.input_audio_transcription."

readers[TRANSCRIPTION .. "delta"] = function(context, chunk)
  notices.push(context, {
    type = "transcript", id = filled(chunk.item_id), text = filled(chunk.delta) or "",
    done = false,
  })
end

readers[TRANSCRIPTION .. "completed"] = function(context, chunk)
  local id, text = filled(chunk.item_id), filled(chunk.transcript) or ""
  local message = id and context.spoken[id]
  if message and text ~= "" then
    message.content = text
  end
  notices.push(context, { type = "transcript", id = id, text = text, done = true })
end

readers[TRANSCRIPTION .. "failed"] = function(context, chunk)
  notices.push(context, {
    type = "transcript", id = filled(chunk.item_id), text = "", done = true,
    error = errors.from_event(errors.read(chunk) or {}, { secrets = context.secrets }),
  })
end

-- The list of a vendor's tools is no message, and stays.
local function note_item(context, chunk)
  local item = sub(chunk.item)
  local id = item.type ~= "mcp_list_tools" and filled(item.id)
  if id then
    items.note(context.items, id)
  end
  notices.push(context, { type = "other", raw = chunk })
end

readers["conversation.item.created"] = note_item
readers["conversation.item.added"] = note_item

readers["rate_limits.updated"] = function(context, chunk)
  notices.push(context, { type = "limits", limits = sub(chunk.rate_limits), raw = chunk })
end

-- Errors that say no more than that what was asked for has happened by itself.
local LATE = { response_cancel_not_active = true, item_delete_invalid_item_id = true }

-- A commit that was refused was no message.
local function take_back(context, id)
  for i, one in ipairs(context.committed) do
    if one.token == id then
      table.remove(context.committed, i)
      return one.message
    end
  end
end

local function read_error(context, chunk)
  local said = sub(chunk.error)
  if LATE[said.code] or answers.put_off(context, said) then
    return false
  end
  local turn = answers.blame(context, said)
  if turn then
    return turn, true
  end
  local refused = filled(said.event_id) and take_back(context, said.event_id)
  local session = context.held.session
  for i, message in ipairs(refused and session and session.messages or {}) do
    if message == refused then
      table.remove(session.messages, i)
      break
    end
  end
  push_error(context, errors.read(chunk) or {})
end

--- Takes a message that is no answer's.
---@param context table
---@param chunk table
---@return table|false|nil turn an error may be one's; false: it is one that says nothing
---@return boolean? is_last
function notices.take(context, chunk)
  if chunk.type == "error" then
    return read_error(context, chunk)
  end
  local read = readers[chunk.type]
  if read then
    read(context, chunk)
  else
    notices.push(context, { type = "other", raw = chunk })
  end
end

--- The connection is gone.
---@param context table
---@param fault table? why, unless we have ended it
function notices.lost(context, fault)
  context.committed = {}
  if fault then
    context.failure = errors.from_failure(fault, {
      secrets = context.secrets, decode = context.codec.decode,
    })
    notices.push(context, { type = "lost", error = context.failure })
  end
  loops.wake(context.link.bell) -- who waits for events must see that none will come
end

return notices
