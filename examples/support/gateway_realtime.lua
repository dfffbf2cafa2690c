-- The local gateway's Realtime API, at /v1/realtime: texts and audio in both directions, an ear
-- that notices when somebody speaks, and answers that can be interrupted.  What was said is made up
-- from how long it took: "(2.3 s of speech)".

local mime = require("mime")
local answering = require("support.answering")
local json = require("support.json")
local realtime_answer = require("support.realtime_answer")
local realtime_settings = require("support.realtime_settings")
local speech = require("support.speech")

local Session = {}
Session.__index = Session

local made = 0 -- sessions so far, for their ids

-- As much audio as a commit wants, in milliseconds.
local MIN_COMMIT = 100

---------------------------------------------------------------------------------------------------
-- Events

function Session:new_id(form)
  self.count = self.count + 1
  return form:format(self.count)
end

function Session:emit(kind, fields)
  fields.event_id = self:new_id("event_local_%d")
  return self.ws:send(json.event(kind, fields))
end

-- Tells the client what is wrong with one of its events.
function Session:refuse(event, code, message, param)
  return self:emit("error", {
    error = {
      type = "invalid_request_error", code = code, message = message, param = param or json.null,
      event_id = event and event.event_id or json.null,
    },
  })
end

---------------------------------------------------------------------------------------------------
-- The conversation

function Session:index_of(id)
  for at, item in ipairs(self.items) do
    if item.id == id then
      return at
    end
  end
end

-- Puts an item into the conversation, at its end or after another one, and says so.  "root" stands
-- before the first.
function Session:add_item(item, after)
  local at = #self.items
  if after == "root" then
    at = 0
  elseif after then
    at = self:index_of(after)
  end
  table.insert(self.items, at + 1, item)
  self:emit("conversation.item.added", {
    item = item, previous_item_id = self.items[at] and self.items[at].id or json.null,
  })
end

-- About how many tokens the client's audio has.
function Session:heard_tokens()
  return math.floor(self.heard_ms / 100)
end

---------------------------------------------------------------------------------------------------
-- Answers

-- Gives an answer, and then the one that became due meanwhile.
function Session:work(fields)
  local is_there = true
  while fields and is_there do
    self.active = realtime_answer.new(self, fields)
    is_there = self.active:run() ~= nil
    self.active = nil
    fields, self.due = self.due, nil
  end
  self.ws.connection.server.changed = true
end

function Session:respond(fields)
  self.ws.connection:spawn(function()
    self:work(fields)
  end)
end

---------------------------------------------------------------------------------------------------
-- What is heard

function Session:turn_detection()
  local settings = self.settings.audio.input.turn_detection
  return type(settings) == "table" and settings or nil
end

local function emit_transcript(self, item)
  local transcription = self.settings.audio.input.transcription
  if type(transcription) ~= "table" then
    return
  end
  local kind = "conversation.item.input_audio_transcription."
  local said = item.content[1].transcript
  self:emit(kind .. "delta", { item_id = item.id, content_index = 0, delta = said })
  self:emit(kind .. "completed", {
    item_id = item.id, content_index = 0, transcript = said,
    usage = { type = "duration", seconds = self.heard_ms / 1000 },
  })
end

-- Makes an item of so many milliseconds of audio.
function Session:commit(milliseconds, id)
  local last = self.items[#self.items]
  local item = {
    id = id or self:new_id("item_local_%d"), object = "realtime.item", type = "message",
    role = "user", status = "completed",
    content = { {
      type = "input_audio", transcript = ("(%.1f s of speech)"):format(milliseconds / 1000),
    } },
  }
  self.buffered_ms = 0
  self.heard_ms = self.heard_ms + milliseconds
  self:emit("input_audio_buffer.committed", {
    item_id = item.id, previous_item_id = last and last.id or json.null,
  })
  self:add_item(item)
  self:emit("conversation.item.done", { item = item })
  emit_transcript(self, item)
end

function Session:speech_started(at, settings)
  self.turn = { id = self:new_id("item_local_%d"), at = at }
  self:emit("input_audio_buffer.speech_started", { audio_start_ms = at, item_id = self.turn.id })
  if self.active and settings.interrupt_response ~= false then
    self.active:stop("turn_detected")
  end
end

function Session:speech_stopped(at, settings)
  local turn = self.turn
  self.turn = nil
  self:emit("input_audio_buffer.speech_stopped", { audio_end_ms = at, item_id = turn.id })
  self:commit(at - turn.at, turn.id)
  if settings.create_response == false then
    return
  elseif self.active then
    self.due = {}
  else
    self:respond({})
  end
end

---------------------------------------------------------------------------------------------------
-- What the client may say

local handlers = {}

handlers["session.update"] = function(self, event)
  local settings = event.session
  if type(settings) ~= "table" or settings.type ~= "realtime" then
    return self:refuse(event, "missing_required_parameter",
      "Missing required parameter: 'session.type'.", "session.type")
  end
  local message, param = realtime_settings.problem_of(settings)
  if message then
    return self:refuse(event, "invalid_value", message, param)
  end
  realtime_settings.change(self.settings, settings)
  return self:emit("session.updated", { session = self.settings })
end

handlers["conversation.item.create"] = function(self, event)
  local item, after = event.item, event.previous_item_id
  if type(item) ~= "table" or type(item.type) ~= "string" then
    return self:refuse(event, "missing_required_parameter",
      "Missing required parameter: 'item.type'.", "item.type")
  elseif after == json.null then
    after = nil
  elseif after and after ~= "root" and not self:index_of(after) then
    return self:refuse(event, "invalid_value",
      "Item with id '" .. tostring(after) .. "' not found.", "previous_item_id")
  elseif item.id and self:index_of(item.id) then
    return self:refuse(event, "invalid_value",
      "Item with id '" .. tostring(item.id) .. "' already exists.", "item.id")
  end
  item.id = item.id or self:new_id("item_local_%d")
  item.object, item.status = "realtime.item", "completed"
  self:add_item(item, after)
  return self:emit("conversation.item.done", { item = item })
end

-- The place of the item that an event names; or nil, and the client has been told.
local function named_item(self, event)
  local at = self:index_of(event.item_id)
  if not at then
    self:refuse(event, "item_" .. event.type:match("%w+$") .. "_invalid_item_id",
      "Item with item_id '" .. tostring(event.item_id) .. "' not found.", "item_id")
  end
  return at
end

handlers["conversation.item.retrieve"] = function(self, event)
  local at = named_item(self, event)
  return at and self:emit("conversation.item.retrieved", { item = self.items[at] })
end

handlers["conversation.item.delete"] = function(self, event)
  local at = named_item(self, event)
  if at then
    table.remove(self.items, at)
    self:emit("conversation.item.deleted", { item_id = event.item_id })
  end
end

handlers["conversation.item.truncate"] = function(self, event)
  local at = named_item(self, event)
  if not at then
    return
  end
  local length = self.audio_ms[event.item_id]
  local upto = tonumber(event.audio_end_ms)
  if not length then
    return self:refuse(event, "invalid_value", "Only the audio of an answer can be truncated.",
      "item_id")
  elseif not upto or upto < 0 or upto > length then
    return self:refuse(event, "invalid_value", ("Audio content of %dms is already shorter than "
      .. "%sms."):format(length, tostring(event.audio_end_ms)), "audio_end_ms")
  end
  self.audio_ms[event.item_id] = upto
  -- What was not heard shall not be known.  The answer may be about to end.
  self.is_truncated[event.item_id] = true
  self.items[at].content = { { type = "output_audio" } }
  return self:emit("conversation.item.truncated", {
    item_id = event.item_id, content_index = 0, audio_end_ms = upto,
  })
end

handlers["input_audio_buffer.append"] = function(self, event)
  local text = event.audio
  if type(text) ~= "string" or #text % 4 ~= 0 or not text:find("^[%w+/]*=?=?$") then
    return self:refuse(event, "invalid_value", "Invalid 'audio'. Expected base64-encoded audio.",
      "audio")
  end
  local pcm = mime.unb64(text) or ""
  self.buffered_ms = self.buffered_ms + #pcm / 48
  local settings = self:turn_detection()
  if settings then
    self.ear:hear(pcm, settings, function(what, at)
      if what == "started" then
        self:speech_started(at, settings)
      else
        self:speech_stopped(at, settings)
      end
    end)
  end
end

handlers["input_audio_buffer.commit"] = function(self, event)
  if self.buffered_ms < MIN_COMMIT then
    return self:refuse(event, "input_audio_buffer_commit_empty", ("Error committing input audio "
      .. "buffer: buffer too small. Expected at least %dms of audio, but buffer only has %.2fms of "
      .. "audio."):format(MIN_COMMIT, self.buffered_ms))
  end
  local turn = self.turn
  self.turn, self.ear.is_speaking = nil, false
  self:commit(math.floor(self.buffered_ms), turn and turn.id)
end

handlers["input_audio_buffer.clear"] = function(self)
  self.buffered_ms, self.turn, self.ear.is_speaking = 0, nil, false
  return self:emit("input_audio_buffer.cleared", {})
end

handlers["response.create"] = function(self, event)
  local fields = {}
  for key, value in pairs(type(event.response) == "table" and event.response or {}) do
    fields[key] = value ~= json.null and value or nil
  end
  local message, param = realtime_settings.problem_of(fields)
  if fields.input and type(fields.input) ~= "table" then
    message, param = "Invalid type for 'response.input': expected a list.", "response.input"
  end
  if message then
    return self:refuse(event, "invalid_value", message, param)
  elseif self.active then
    return self:refuse(event, "conversation_already_has_active_response", "Conversation already "
      .. "has an active response in progress: " .. self.active.id .. ". Wait until the response is "
      .. "finished before creating a new one.")
  end
  return self:respond(fields)
end

handlers["response.cancel"] = function(self, event)
  local id = event.response_id
  if not self.active or (type(id) == "string" and id ~= self.active.id) then
    return self:refuse(event, "response_cancel_not_active",
      "Cancellation failed: no active response found")
  end
  return self.active:stop("client_cancelled")
end

---------------------------------------------------------------------------------------------------

function Session:take(message)
  local event = json.object(message)
  local handler = event and handlers[event.type]
  if not event then
    return self:refuse(nil, "invalid_json", "An event must be a JSON object.")
  elseif not handler then
    return self:refuse(event, "invalid_value", "Invalid value: '" .. tostring(event.type) .. "'.",
      "type")
  end
  return handler(self, event)
end

-- Ends the session when it has lasted as long as it may.
function Session:age()
  if self.ws.connection:sleep(answering.cap) then
    self:refuse(nil, "session_expired", ("Your session hit the maximum duration of %g minutes.")
      :format(answering.cap / 60))
    self.ws:close(1001, "session expired")
  end
end

--- GET /v1/realtime, upgraded.
return function(ws, request)
  made = made + 1
  local model = request.target:match("[?&]model=([^&]*)") or answering.model
  local self = setmetatable({
    ws = ws,
    settings = realtime_settings.new(model, made),
    conversation_id = ("conv_local_%d"):format(made),
    items = {}, -- the conversation
    audio_ms = {}, -- by the id of an answer's item: how long its audio is
    is_truncated = {}, -- by the same
    count = 0, -- ids given
    ear = speech.ear(),
    buffered_ms = 0, -- audio that is not committed
    heard_ms = 0, -- audio that is
    turn = nil, -- while somebody speaks: the id of the item that it will be, and since when
    active = nil, -- the answer that is being given
    due = nil, -- fields of the one to give next
  }, Session)
  self:emit("session.created", { session = self.settings })
  self:emit("conversation.created", {
    conversation = { id = self.conversation_id, object = "realtime.conversation" },
  })
  ws.connection:spawn(function()
    self:age()
  end)
  while true do
    local message = ws:receive()
    if not message then
      return
    end
    self:take(message)
  end
end
