-- Stands in for `rill.core` in specs that need no network: an engine whose transfers play scripts,
-- and whose clock moves only when somebody waits.
--
-- A script is a list of { "text", text, payload }, { "reasoning", text, payload },
-- { "usage", json } (C has seen it in a chunk that it took whole), { "event", payload, name,
-- is_quiet }, { "retry", attempt, delay, reason }, { "wait", seconds } and, last,
-- { "end", ending, failure }.  Sockets play `fake.socket_scripts`; see fake_socket.lua.  Transfers
-- of engine:answer have no script, but are fed.

local answers = require("spec.support.fake_answers")
local fake_socket = require("spec.support.fake_socket")

local fake = {
  clock = 100, opened = {}, scripts = {}, sockets = {}, socket_scripts = {}, steps = 0,
}

local Transfer = { __name = "rill.transfer" }
Transfer.__index = Transfer

local Engine = {}
Engine.__index = Engine

local engine = setmetatable({ ready_ids = {}, transfers = {}, alarms = {} }, Engine)

local function mark_ready(transfer)
  if not transfer.is_ready then
    transfer.is_ready = true
    table.insert(engine.ready_ids, transfer.number)
  end
end

-- Moves what is due by now from the script to the queue.
local function deliver(transfer)
  local has_news = false
  while transfer.at <= #transfer.script and not transfer.state do
    local item = transfer.script[transfer.at]
    if item[1] == "wait" then
      transfer.due = transfer.due or transfer.last + item[2]
      if transfer.due > fake.clock then
        break
      end
      transfer.last, transfer.due = transfer.due, nil
    elseif item[1] == "usage" then
      transfer.last_usage = item[2]
    elseif item[1] == "end" then
      transfer.state, transfer.reason, transfer.ended = item[2], item[3], fake.clock
      has_news = true
    else
      has_news = true
      local counted = item[1] == "text" and "texts" or item[1] == "reasoning" and "reasonings"
      if counted then
        transfer.counts[counted] = transfer.counts[counted] + 1
      end
      if counted or item.is_output then
        transfer.first_output = transfer.first_output or fake.clock
        transfer.last_output = fake.clock
      end
      table.insert(transfer.queue, { item[1], item[2], item[3], item[4], keep = transfer.keeping })
    end
    transfer.at = transfer.at + 1
  end
  if has_news then
    mark_ready(transfer)
  end
end

local function next_moment(transfer)
  local moment = math.huge
  local item = not transfer.state and transfer.script[transfer.at]
  if item and item[1] == "wait" then
    moment = transfer.due or transfer.last + item[2]
  elseif item then
    moment = fake.clock
  end
  return moment
end

-- What C makes of a table; the fake keeps a copy of it.
function fake.profile(spec)
  local copy = {}
  for name, value in pairs(spec) do
    copy[name] = value
  end
  return copy
end

local function open(self, copy, script)
  local transfer = setmetatable({
    number = #fake.opened + 1, spec = copy, script = script, at = 1,
    queue = {}, text_parts = {}, reasoning_parts = {}, keeping = true, last = fake.clock,
    created = fake.clock,
    counts = { texts = 0, reasonings = 0, bytes = 0, comments = 0 }, trail = { { started = 0 } },
    closes = 0,
  }, Transfer)
  fake.opened[transfer.number] = transfer
  self.transfers[transfer.number] = transfer
  return transfer
end

function Engine:open(profile, url, body, format)
  local copy = fake.profile(profile)
  copy.url, copy.body, copy.format = url, body, format
  return open(self, copy, table.remove(fake.scripts, 1) or {})
end

function Engine:answer(profile, format, age, source)
  local copy = fake.profile(profile)
  copy.format, copy.age, copy.source = format, age, source
  return open(self, copy, {})
end

function Engine:connect(profile, url, spec)
  local socket = fake_socket.new(fake, self, profile, url, spec)
  table.insert(fake.sockets, socket)
  return socket
end

function Engine:await(id)
  local count = self:step(nil)
  if self.ready_ids[1] == id and not self.ready_ids[2] then
    self:ready()
    return true
  end
  return count
end

function Engine:step(seconds)
  fake.steps = fake.steps + 1
  local earliest = math.huge
  for _, transfer in ipairs(self.transfers) do
    earliest = math.min(earliest, next_moment(transfer))
  end
  for _, alarm in ipairs(self.alarms) do
    earliest = math.min(earliest, alarm.at)
  end
  for _, socket in ipairs(fake.sockets) do
    earliest = math.min(earliest, socket:next_moment())
  end
  if self.ready_ids[1] then
    seconds = 0
  end
  if seconds == nil and earliest == math.huge and self:count() > 0 then
    error("the fake engine would wait for ever")
  end
  if earliest < math.huge and earliest > fake.clock then
    fake.clock = math.min(earliest, fake.clock + (seconds or math.huge))
  elseif earliest == math.huge then
    fake.clock = fake.clock + (seconds or 0)
  end
  for _, transfer in ipairs(self.transfers) do
    deliver(transfer)
  end
  for _, alarm in ipairs(self.alarms) do
    fake.ring(alarm)
  end
  for _, socket in ipairs(fake.sockets) do
    socket:deliver()
  end
  return self:count()
end

-- Alarms ring by the same clock; their ids are negative, a new one each time they are set.
local Alarm = {}
Alarm.__index = Alarm

local alarm_count = 0

function fake.alarm()
  local alarm = setmetatable({ number = nil, at = math.huge }, Alarm)
  table.insert(engine.alarms, alarm)
  return alarm
end

function Alarm:set(seconds)
  self.at = seconds and fake.clock + seconds or math.huge
  if seconds then
    alarm_count = alarm_count + 1
    self.number = -alarm_count
    return self.number
  end
end

function fake.ring(alarm)
  if alarm.at <= fake.clock then
    alarm.at = math.huge
    table.insert(engine.ready_ids, alarm.number)
  end
end

function Engine:count()
  local count = 0
  for _, transfer in ipairs(self.transfers) do
    count = count + (transfer.state and 0 or 1)
  end
  for _, alarm in ipairs(self.alarms) do
    count = count + (alarm.at == math.huge and 0 or 1)
  end
  for _, socket in ipairs(fake.sockets) do
    count = count + (socket:state() == "ended" and 0 or 1)
  end
  return count
end

function Engine:ready()
  local id = table.remove(self.ready_ids, 1)
  local named = id and (self.transfers[id] or fake.socket(id))
  if named then
    named.is_ready = false
  end
  return id
end

function Transfer:id()
  return self.number
end

function Transfer:text()
  local item = self.queue[1]
  while item and item[1] == "reasoning" and not self.keeping do
    self:take()
    item = self.queue[1]
  end
  if item and item[1] == "text" and not self.is_held then
    table.remove(self.queue, 1)
    self:append(item[2])
    return item[2]
  end
end

local leads = setmetatable({}, { __mode = "k" }) -- of iterators: what each gives

function Transfer:texts(slow, argument, iterator)
  local made
  made = iterator or function()
    local lead = leads[made]
    return lead.transfer:text() or lead.slow(lead.argument)
  end
  leads[made] = { transfer = self, slow = slow, argument = argument }
  self.iterator = made
  return made
end

function Transfer:hold(flag)
  assert(type(flag) == "boolean")
  self.is_held = flag
end

-- As C reads it: from chunks without output only.
function Transfer:finish_reason()
  return self.said_finish
end

function Transfer:take()
  local item = table.remove(self.queue, 1)
  if not item then
    return nil, self.state and "end" or "pending"
  elseif item[1] == "text" then
    self:append(item[2])
    return "text", item[2], item.keep and item[3] or nil
  elseif item[1] == "reasoning" then
    self:append_reasoning(item[2])
    return "reasoning", item[2], item.keep and item[3] or nil
  end
  if item[4] == true then
    self.said_finish = item[2]:match('"finish_reason":"([^"\\]*)"') or self.said_finish
  end
  return item[1], item[2], item[3], item[4]
end

function Transfer:append(text)
  table.insert(self.text_parts, text)
end

function Transfer:reply()
  return table.concat(self.text_parts)
end

function Transfer:append_reasoning(text)
  table.insert(self.reasoning_parts, text)
end

function Transfer:reasoning()
  return table.concat(self.reasoning_parts)
end

function Transfer:lengths()
  return #self:reply(), #self:reasoning()
end

function Transfer:usage()
  return self.last_usage
end

function Transfer:restart()
  self.text_parts, self.reasoning_parts = {}, {}
end

function Transfer:keep(flag)
  assert(type(flag) == "boolean")
  self.keeping = flag
end

function Transfer:ending()
  return self.state
end

function Transfer:failure()
  return self.reason
end

function Transfer:unfinished()
  return self.has_unfinished or false
end

local function since(transfer, moment)
  return moment and moment - transfer.created
end

function Transfer:stats()
  local counts = self.counts
  return {
    texts = counts.texts, reasonings = counts.reasonings, bytes = counts.bytes,
    comments = counts.comments, events = 0, pauses = 0,
    started = self.created, elapsed = (self.ended or fake.clock) - self.created,
    ended = since(self, self.ended), first_output = since(self, self.first_output),
    last_output = since(self, self.last_output), reused = false,
  }
end

function Transfer:attempts()
  return self.trail
end

local function detach(transfer)
  if transfer.attached_to then
    transfer.attached_to:attach(nil)
  end
end

function Transfer:close()
  self.closes = self.closes + 1
  if not self.state then
    self.state, self.ended = "closed", fake.clock
  end
  detach(self)
end

-- The next two are those of engine:answer.
function Transfer:feed(payload)
  if self.state then
    return false
  end
  self.counts.bytes = self.counts.bytes + #payload
  for _, item in ipairs(answers.items(self.spec.format, payload)) do
    table.insert(self.script, item)
  end
  deliver(self)
  if self.state then
    detach(self)
  end
  return true
end

function Transfer:finish(how, kind, phase, message, retryable)
  if self.state then
    return
  end
  local failure = kind and {
    kind = kind, phase = phase, message = message, retryable = retryable or false,
  }
  table.insert(self.script, { "end", how, failure })
  deliver(self)
  detach(self)
end

function Transfer:rest(flag)
  assert(type(flag) == "boolean")
  self.at_rest = flag
end

function Transfer:queued()
  local bytes = 0
  for _, item in ipairs(self.queue) do
    bytes = bytes + #item[2]
  end
  return bytes
end

function fake.engine()
  return engine
end

function fake.now()
  return fake.clock
end

-- Enough of the rule for specs that do not test it.
function fake.is_utf8(text)
  return not text:find("[\192\193\245-\255]")
end

-- That of hosts is libcurl's.
function fake.takes_url()
  return true
end

-- Enough of the rule for specs that do not test it.
function fake.is_transient(code)
  local status = tonumber(code)
  return status ~= nil and (status == 408 or status == 409 or status == 429 or status >= 500)
end

function fake.base64_decode(text)
  return "decoded " .. text
end

-- The text itself, so that specs can look into what was to be digested.
function fake.sha256(text)
  return text
end

function fake.base64_encode(bytes)
  return "encoded " .. bytes
end

function fake.sse_parser(...)
  return { arguments = { ... } }
end

-- The socket with that id, or nil.
function fake.socket(id)
  for _, socket in ipairs(fake.sockets) do
    if socket.number == id then
      return socket
    end
  end
end

-- The newest socket, or nil where it is not in that state.
function fake.last_socket(state)
  local socket = fake.sockets[#fake.sockets]
  return socket and (not state or socket:state() == state) and socket or nil
end

-- The newest socket is full, or no longer so.
function fake.fill_or_empty()
  local socket = fake.last_socket("open")
  if socket then
    socket:push({ socket.is_full and "room" or "full" })
  end
end

-- Nothing stands in the way of the newest socket: it opens, and has room.
function fake.let_through()
  local socket = fake.last_socket()
  if socket and socket:state() == "connecting" then
    socket:push({ "open" })
  elseif socket and socket.is_full then
    socket:push({ "room" })
  end
end

-- The newest transfer.
function fake.last()
  return fake.opened[#fake.opened]
end

fake.items = answers.script

-- Puts the fake in the place of rill.core and gives rill anew, so that nothing is left of other
-- specs.
function fake.install()
  for name in pairs(package.loaded) do
    if name == "rill" or name:find("^rill%.") then
      package.loaded[name] = nil
    end
  end
  fake.clock, fake.opened, fake.scripts, fake.steps = 100, {}, {}, 0
  fake.sockets, fake.socket_scripts = {}, {}
  engine.ready_ids, engine.transfers, engine.alarms = {}, {}, {}
  package.loaded["rill.core"] = fake
  return require("rill")
end

-- Takes it away again.
function fake.remove()
  for name in pairs(package.loaded) do
    if name == "rill" or name:find("^rill%.") then
      package.loaded[name] = nil
    end
  end
end

return fake
