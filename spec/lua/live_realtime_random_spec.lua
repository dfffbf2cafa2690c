-- Realtime sessions under calls and events in random order, on a fake core, with a server that
-- keeps to the rules: one answer at a time, and a conversation of its own.  Whatever happens,
-- nobody gets another one's answer, everybody comes to an end, and both conversations are the same
-- then.

local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")
local luck = require("spec.support.luck")
local script = require("spec.support.realtime_script")

local STEPS, SEEDS = 300, 6

-- Of the third there is nothing: the server hears no end.
local DETECTIONS = { "server_vad", { type = "server_vad", interrupt_response = false } }

local rill, session, random
local readers -- streams that are read: { stream, is_asked, mark }
local owners -- by id of an answer: the mark of who was given something of it
local counts -- of questions, answers, items

local function next_id(kind)
  counts[kind] = (counts[kind] or 0) + 1
  return kind .. counts[kind]
end

local function turn()
  require("rill.loops").turn(rill.engine())
end

---------------------------------------------------------------------------------------------------
-- The server, one for each socket

local Server = {}
Server.__index = Server

local function server_of(socket)
  socket.server = socket.server or setmetatable({
    socket = socket,
    heard = 0, -- messages that were read
    items = {}, -- ids in order
    texts = {}, -- by id, of what the client has said
    audio = {}, -- by id: milliseconds
    active = nil, -- the answer in flight: { id, item, left, kind }
    is_spoken_to = false,
  }, Server)
  return socket.server
end

function Server:emit(kind, fields)
  fields.type = kind
  self.socket:push({ "text", cjson.encode(fields) })
end

function Server:refuse(event, code)
  self:emit("error", { error = { code = code, message = code, event_id = event.event_id } })
end

function Server:place_of(id)
  for place, one in ipairs(self.items) do
    if one == id then
      return place
    end
  end
end

function Server:add(id, after, role)
  local place = after == "root" and 0 or after and self:place_of(after) or #self.items
  table.insert(self.items, place + 1, id)
  self:emit("conversation.item.added", { item = { id = id, type = "message", role = role } })
end

function Server:begin(token)
  local answer = {
    id = next_id(token and "asked" or "begun"), item = next_id("said"), left = random(4) - 1,
    kind = random(5) == 1 and "call" or random(2) == 1 and "audio" or "text",
  }
  self.active = answer
  self:emit("response.created", {
    response = { id = answer.id, metadata = token and { rill = token } or nil },
  })
  self:emit("response.output_item.added", { response_id = answer.id, output_index = 0, item = {
    id = answer.item, type = answer.kind == "call" and "function_call" or "message", name = "f",
  } })
  self:add(answer.item, nil, "assistant")
end

function Server:finish(status)
  local answer = self.active
  self.active = nil
  self:emit("response.done", { response = { id = answer.id, status = status } })
end

-- One message more of the answer in flight.
function Server:go_on()
  local answer = self.active
  if not answer then
    return
  elseif answer.kind == "call" then
    self:emit("response.function_call_arguments.done", { response_id = answer.id, output_index = 0,
      call_id = answer.item, item_id = answer.item, name = "f", arguments = "{}" })
    return self:finish("completed")
  elseif answer.left == 0 then
    return self:finish(random(6) == 1 and "incomplete" or "completed")
  end
  answer.left = answer.left - 1
  local fields = { response_id = answer.id, item_id = answer.item, content_index = 0 }
  if answer.kind == "text" then
    fields.delta = "<" .. answer.id .. ">"
    return self:emit("response.output_text.delta", fields)
  end
  self.audio[answer.item] = (self.audio[answer.item] or 0) + 100
  fields.delta = ("A"):rep(4792)
  self:emit("response.output_audio.delta", fields)
  fields.delta = "<" .. answer.id .. ">"
  self:emit("response.output_audio_transcript.delta", fields)
end

-- The user begins to speak, or is at the end.
function Server:speak()
  local settings = session.read.own.turn_detection
  if not settings then
    return
  end
  self.is_spoken_to = not self.is_spoken_to
  if self.is_spoken_to then
    self:emit("input_audio_buffer.speech_started", {})
    if self.active and settings == "server_vad" then
      self:finish("cancelled")
    end
    return
  end
  local id = next_id("spoken")
  self:emit("input_audio_buffer.speech_stopped", { item_id = id })
  self:emit("input_audio_buffer.committed", { item_id = id })
  self:add(id, nil, "user")
  if not self.active then
    self:begin()
  end
end

local hear = {}

hear["conversation.item.create"] = function(self, event)
  assert.is_nil(self:place_of(event.item.id), "an item is said twice")
  local after = event.previous_item_id
  assert.is_true(after == nil or after == "root" or self:place_of(after) ~= nil)
  self.texts[event.item.id] = event.item.role == "user" and event.item.content[1].text or nil
  self:add(event.item.id, after, event.item.role)
end

hear["conversation.item.delete"] = function(self, event)
  local place = self:place_of(event.item_id)
  if not place then
    return self:refuse(event, "item_delete_invalid_item_id")
  end
  table.remove(self.items, place)
end

hear["conversation.item.truncate"] = function(self, event)
  assert.is_true(event.audio_end_ms <= assert(self.audio[event.item_id]))
end

hear["response.create"] = function(self, event)
  if self.active then
    return self:refuse(event, "conversation_already_has_active_response")
  end
  self:begin(event.response.metadata.rill)
end

hear["response.cancel"] = function(self, event)
  local is_meant = self.active and (event.response_id or self.active.id) == self.active.id
  if not is_meant then
    return self:refuse(event, "response_cancel_not_active")
  end
  self:finish("cancelled")
end

hear["input_audio_buffer.commit"] = function(self, event)
  if random(4) == 1 then
    return self:refuse(event, "input_audio_buffer_commit_empty")
  end
  local id = next_id("spoken")
  self:emit("input_audio_buffer.committed", { item_id = id })
  self:add(id, nil, "user")
end

-- Reads one message.
function Server:hear()
  local message = self.socket.sent[self.heard + 1]
  if message then
    self.heard = self.heard + 1
    local event = cjson.decode(message[1])
    if hear[event.type] then
      hear[event.type](self, event)
    end
  end
end

local function with_server(name)
  return function()
    local socket = fake.last_socket("open")
    if socket then
      local server = server_of(socket)
      server[name](server)
    end
  end
end

---------------------------------------------------------------------------------------------------
-- What may happen

local function read(place)
  local item = readers[place]
  local event, err = item.stream:poll()
  local words = event and (event.text or event.transcript)
  if words then
    local id = words:match("^<(.*)>$")
    owners[id] = owners[id] or item.mark
    assert.equal(item.mark, owners[id])
    assert.is_true(item.is_asked == (id:find("^asked") ~= nil) or item.stream.turn > 1)
  elseif not event and err ~= "pending" then
    table.remove(readers, place)
  end
end

local function add(stream, is_asked)
  readers[#readers + 1] = { stream = stream, is_asked = is_asked, mark = {} }
end

local function any_reader()
  return #readers > 0 and random(#readers) or nil
end

local function ask(way, ...)
  if session.link.is_closed then
    return
  end
  local ok, stream = pcall(session[way], session, ...)
  if ok then
    return add(stream, true)
  end
  assert.truthy(tostring(stream):find("the answer before has not ended", 1, true), stream)
end

-- Takes an event of the session's; answers are read.
local function take()
  local event = session:poll()
  if event and event.type == "answer" then
    add(event.stream, false)
  end
  return event
end

local function append()
  session:append("1234")
end

local CALLS = {
  { 12, function()
    ask("say", next_id("q"))
  end },
  { 3, function()
    ask("respond")
  end },
  { 30, function()
    local place = any_reader()
    return place and read(place)
  end },
  { 12, take },
  { 4, function()
    session:interrupt()
  end },
  { 2, function()
    local place = any_reader()
    if place then
      table.remove(readers, place).stream:close()
    end
  end },
  { 2, function()
    local place = any_reader()
    if place then
      table.remove(readers, place)
      collectgarbage()
    end
  end },
  { 3, append },
  { 3, function()
    session:commit()
  end },
  { 2, function()
    session:played(random(30) / 100)
  end },
  { 1, function()
    session:connect(0)
  end },
  { 1, function()
    table.remove(session.messages, 1)
  end },
}

local EVENTS = {
  { 30, with_server("hear") },
  { 30, with_server("go_on") },
  { 6, with_server("speak") },
  { 10, turn },
  { 10, function()
    local socket = fake.last_socket("connecting")
    if socket then
      socket:push({ "open" })
    end
  end },
  { 1, function()
    local socket = fake.last_socket("open")
    if socket then
      socket:push({ "close", ({ 1000, 1001, 1006, 1011 })[random(4)], "why" })
    end
  end },
  { 2, fake.fill_or_empty },
}

---------------------------------------------------------------------------------------------------
-- The end

-- From here on everything goes well: who still waits must come to an end.
local function calm_down()
  for _ = 1, 1000 do
    fake.let_through()
    with_server("hear")()
    with_server("go_on")()
    turn()
    while take() do
    end
    for place = #readers, 1, -1 do
      read(place)
    end
    fake.clock = fake.clock + 0.1
  end
  assert.equal(0, #readers, "somebody waits for ever")
end

-- What the client has said is what it has sent, once, and the server's items are of its messages.
local function compare()
  local server, there, here = server_of(fake.last_socket()), {}, {}
  for _, id in ipairs(server.items) do
    if server.texts[id] and server.texts[id]:find("^q") then
      there[#there + 1] = server.texts[id]
    end
  end
  for _, message in ipairs(session.messages) do
    if message.role == "user" and message.content:find("^q") then
      here[#here + 1] = message.content
    end
    for _, id in ipairs(message.native and message.native.items or {}) do
      here[id] = true
    end
  end
  table.sort(there)
  table.sort(here)
  for place, text in ipairs(here) do
    assert.equal(text, there[place])
  end
  for _, id in ipairs(server.items) do
    assert.is_true(not id:find("^said") or here[id], id .. " is in no message")
  end
end

local function play(seed)
  readers, owners, counts, random = {}, {}, {}, luck.generator(seed)
  rill = script.start()
  session = script.talk({
    turn_detection = DETECTIONS[random(3)],
    reconnect = { max = 3, jitter = 0 }, keep_failed = random(2) == 1,
    tools = { f = { call = function()
      return "42"
    end } },
  })
  for _ = 1, STEPS do
    luck.any_of(random, random(2) == 1 and CALLS or EVENTS)
  end
  calm_down()
  collectgarbage()
  collectgarbage()
  for _ = 1, 2 do -- the second one knows of all that the first has left
    add(session:say(next_id("q")), true)
    calm_down()
  end
  assert.same({}, session.link.turns)
  compare()
  session:close()
end

describe("a realtime session to which anything may happen", function()
  teardown(fake.remove)

  it("mixes up no answers, leaves nobody waiting, and is of one mind with its server", function()
    luck.play(SEEDS, play)
  end)
end)
