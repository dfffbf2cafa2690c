-- How the local gateway's Realtime API gives an answer: its events, from response.created to
-- response.done.

local mime = require("mime")
local answering = require("support.answering")
local items = require("support.items")
local json = require("support.json")
local speech = require("support.speech")

local realtime_answer = {}

local Answer = {}
Answer.__index = Answer

local made = 0 -- answers so far, for their ids

-- The item in which it is said.
local function new_item(call)
  if call then
    return {
      id = ("call_item_%d"):format(made), object = "realtime.item", type = "function_call",
      status = "in_progress", name = call.name, call_id = call.id, arguments = "",
    }
  end
  return {
    id = ("msg_local_%d"):format(made), object = "realtime.item", type = "message",
    status = "in_progress", role = "assistant", content = json.empty,
  }
end

--- An answer to the conversation of a session; fields: those of response.create.
function realtime_answer.new(session, fields)
  made = made + 1
  local settings = session.settings
  local modalities = fields.output_modalities or settings.output_modalities
  local plain = answering.plan({
    messages = items.messages(fields.input or session.items),
    tools = items.tools(fields.tools or settings.tools),
    limit = tonumber(fields.max_output_tokens) or tonumber(settings.max_output_tokens),
    is_spoken = modalities[1] == "audio",
  })
  return setmetatable({
    session = session,
    plain = plain, -- the tokens, as answering.plan gives them
    id = ("resp_local_%d"):format(made),
    modalities = modalities,
    kind = plain.call and "call" or modalities[1], -- "call", "audio" or "text"
    metadata = fields.metadata or json.null,
    is_aside = fields.conversation == "none", -- not part of the conversation
    item = new_item(plain.call),
    said = 0, -- tokens so far
    audio_bytes = 0, -- so far
    stop_reason = nil, -- set by stop
  }, Answer)
end

--- Stops it; reason: "client_cancelled" or "turn_detected".
function Answer:stop(reason)
  self.stop_reason = self.stop_reason or reason
  answering.stop(self.session.ws.connection, self.plain)
end

---------------------------------------------------------------------------------------------------
-- Its objects

-- The status of the end and why, as response.done tells it.
function Answer:outcome()
  if self.stop_reason then
    return "cancelled", { type = "cancelled", reason = self.stop_reason }
  elseif self.plain.finish_reason == "length" then
    return "incomplete", { type = "incomplete", reason = "max_output_tokens" }
  end
  return "completed", json.null
end

function Answer:usage()
  local heard = self.session:heard_tokens()
  local spoken = math.floor(speech.duration(self.audio_bytes) / 50)
  local input, output = self.plain.input + heard, self.said + spoken
  return {
    total_tokens = input + output, input_tokens = input, output_tokens = output,
    input_token_details = {
      text_tokens = self.plain.input, audio_tokens = heard, cached_tokens = 0,
    },
    output_token_details = { text_tokens = self.said, audio_tokens = spoken },
  }
end

-- status: "in_progress", or that of the end.
function Answer:object(status, details)
  local is_over = status ~= "in_progress"
  return {
    object = "realtime.response", id = self.id, status = status,
    status_details = details or json.null,
    output = json.list(is_over and { self.item } or {}),
    conversation_id = self.is_aside and json.null or self.session.conversation_id,
    output_modalities = self.modalities, metadata = self.metadata,
    usage = is_over and self:usage() or json.null,
  }
end

-- The content that was said so far.  Its type in an item begins with "output_", in events not.
function Answer:part(prefix)
  local said = answering.said(self.plain, self.said)
  return {
    type = prefix .. self.kind,
    transcript = self.kind == "audio" and said or nil,
    text = self.kind == "text" and said or nil,
  }
end

---------------------------------------------------------------------------------------------------
-- Saying it

-- Emits an event about its content.
function Answer:emit(kind, fields)
  fields = fields or {}
  fields.response_id, fields.item_id, fields.output_index = self.id, self.item.id, 0
  if self.kind ~= "call" then
    fields.content_index = 0
  end
  self.session:emit(kind, fields)
end

function Answer:emit_item(kind)
  self.session:emit(kind, { response_id = self.id, output_index = 0, item = self.item })
end

function Answer:begin()
  local session = self.session
  session:emit("response.created", { response = self:object("in_progress") })
  self:emit_item("response.output_item.added")
  if not self.is_aside then
    session:add_item(self.item)
  end
  if self.kind ~= "call" then
    self:emit("response.content_part.added", { part = self:part("") })
  end
end

function Answer:say(token)
  self.said = self.said + 1
  if self.kind == "call" then
    return self:emit("response.function_call_arguments.delta", {
      call_id = self.item.call_id, delta = token,
    })
  elseif self.kind == "text" then
    return self:emit("response.output_text.delta", { delta = token })
  end
  local audio = speech.say(token)
  self.audio_bytes = self.audio_bytes + #audio
  self.session.audio_ms[self.item.id] = speech.duration(self.audio_bytes)
  self:emit("response.output_audio_transcript.delta", { delta = token })
  return self:emit("response.output_audio.delta", { delta = (mime.b64(audio)) })
end

-- Says that each part of the content is at its end.
function Answer:end_content()
  local said = answering.said(self.plain, self.said)
  if self.kind == "call" then
    self.item.arguments = said
    return self:emit("response.function_call_arguments.done", {
      call_id = self.item.call_id, name = self.item.name, arguments = said,
    })
  elseif self.kind == "audio" then
    self:emit("response.output_audio.done")
    self:emit("response.output_audio_transcript.done", { transcript = said })
  else
    self:emit("response.output_text.done", { text = said })
  end
  if not self.session.is_truncated[self.item.id] then
    self.item.content = { self:part("output_") }
  end
  return self:emit("response.content_part.done", { part = self:part("") })
end

function Answer:finish()
  local status, details = self:outcome()
  self.item.status = status == "completed" and "completed" or "incomplete"
  self:end_content()
  if not self.is_aside then
    self.session:emit("conversation.item.done", { item = self.item })
  end
  self:emit_item("response.output_item.done")
  self.session:emit("response.done", { response = self:object(status, details) })
end

--- Gives it; nil if the client has gone.
function Answer:run()
  self:begin()
  local is_whole = answering.pace(self.session.ws.connection, self.plain, function(token)
    self:say(token)
  end)
  if is_whole ~= nil then
    self:finish()
  end
  return is_whole
end

return realtime_answer
