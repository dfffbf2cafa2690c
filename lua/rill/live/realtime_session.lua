-- SPDX-License-Identifier: MIT
--
-- What sessions of the dialect realtime can do beyond the others: take in sound, give answers that
-- the server begins by itself, and say what happens meanwhile.

local core = require("rill.core")
local errors = require("rill.errors")
local events = require("rill.live.realtime_events")
local frames = require("rill.live.realtime_frames")
local heard = require("rill.live.realtime_heard")
local items = require("rill.live.realtime_items")
local loops = require("rill.loops")
local notices = require("rill.live.realtime_notices")
local session = require("rill.session")

local realtime_session = {}

---------------------------------------------------------------------------------------------------
-- Sound in

local function closing_error()
  return errors.new({
    kind = "interrupted", message = "the connection is being closed", retryable = true,
  })
end

-- Who speaks is seldom who closes: a session that is closed is no mistake of his.
local function closed_error()
  return errors.new({ kind = "cancelled", message = "the session is closed" })
end

-- Whether frames can be sent: there is a connection, or one was begun.  One that was lost is not
-- replaced without being asked for.
local function is_ready(self, context)
  if self.link.socket then
    loops.turn(core.engine())
    self.link:pump()
  end
  if context.failure then
    return nil, context.failure
  elseif not self.link.socket then
    self.link:connect()
  end
  return true
end

local function offer(self, context, frame)
  if self.link.is_closed then
    return nil, closed_error()
  end
  local is_there, err = is_ready(self, context)
  if not is_there then
    return nil, err
  end
  local sent = self.link:offer(frame)
  if sent == nil then
    return nil, closing_error()
  end
  return sent or nil, not sent and "full" or nil
end

local APPEND = '{"type":"input_audio_buffer.append","event_id":"%s","audio":"%s"}'

local function add_sound(class)
  --- Adds sound to what the user is saying.  Never waits.
  ---@param bytes string samples in the session's `input_format`
  ---@return boolean? ok
  ---@return rill.Error|"full"|nil err "full": the connection is slower than the sound, nothing was
  --  taken; an error: it is lost, until `connect` or the next question opens another, or the
  --  session is closed
  function class:append(bytes)
    if type(bytes) ~= "string" then
      error("session:append: argument 1 must be a string of samples, not a " .. type(bytes), 2)
    end
    local context = self.link.state
    if bytes == "" then
      return true
    end
    return offer(self, context, APPEND:format(frames.next_id(context), core.base64_encode(bytes)))
  end

  --- Ends what the user is saying, where the server does not find the end by itself: it becomes a
  --- message, and `respond` asks for the answer.
  ---@return boolean? ok
  ---@return rill.Error|"full"|nil err
  function class:commit()
    local context = self.link.state
    local token = frames.next_id(context)
    local ok, err = offer(self, context,
      frames.encode(context, { type = "input_audio_buffer.commit", event_id = token }))
    if not ok then
      return nil, err
    end
    local message = { role = "user", content = notices.UNKNOWN_WORDS }
    items.expect(context.items, message)
    context.committed[#context.committed + 1] = { message = message, token = token }
    self.messages[#self.messages + 1] = message
    return true
  end

  --- Throws away what was appended and not committed.
  ---@return boolean? ok
  ---@return rill.Error|"full"|nil err
  function class:clear()
    local context = self.link.state
    return offer(self, context, frames.encode(context, { type = "input_audio_buffer.clear" }))
  end
end

---------------------------------------------------------------------------------------------------
-- Answers

-- Counts what the reader of a stream is given, also where he asks for text alone.
local function watch(context, stream)
  function stream.on_given(own, event)
    heard.note(context, event, own.inner.state)
  end
end

-- A stream for an answer that the server has begun.  What was asked before it and waits for its own
-- answer, or was not read yet, is left to its reader.
local function adopt(self, context, id)
  context.adopted = id
  local ok, stream, problem = pcall(session.begin, self, session.NOTHING)
  context.adopted = nil
  if ok and stream then
    self:began(stream)
    notices.push(context, { type = "answer", stream = stream })
  else
    notices.push(context, { type = "error", error = errors.new({
      kind = "api", message = "an answer of the server's is not heard: "
        .. tostring(ok and problem or stream),
    }, context.secrets) })
  end
end

local function add_answers(class)
  function class:began(stream)
    watch(self.link.state, stream)
  end

  --- Asks for an answer to what was said: what was committed last, and all before.
  ---@param callbacks rill.Callbacks? called by `stream:run()`
  ---@return rill.Stream
  function class:respond(callbacks)
    if self.link.is_closed then
      error("session:respond: the session is closed", 2)
    end
    local stream, problem = session.ask(self, session.NOTHING, callbacks)
    if not stream then
      error("session:respond: " .. problem, 2)
    end
    self:began(stream)
    return stream
  end

  -- The server has begun an answer.
  function class:answer_begun(id)
    adopt(self, self.link.state, id)
  end
end

---------------------------------------------------------------------------------------------------
-- Interrupting

-- Sends what is about items that the server has.
local function send(self, list)
  local context = self.link.state
  for _, frame in ipairs(list) do
    if context.items.present[frame.item_id] then
      self.link:send(frames.encode(context, frame))
    end
  end
end

-- The message of an answer, by the id of one of its items.
local function message_with(messages, id)
  for i = #messages, 1, -1 do
    local native = messages[i].native
    for _, item in ipairs(type(native) == "table" and native.items or {}) do
      if item == id then
        return messages[i]
      end
    end
  end
end

-- Takes what was not heard of a whole answer out of the conversation.
local function cut(self, state)
  local context = self.link.state
  local list = heard.cuts(context, state, true)
  if not list[1] then
    return false
  end
  send(self, list)
  local message = message_with(self.messages, list[1].item_id)
  if message then
    message.content = heard.of(context, state, true)
  end
  return true
end

-- The items of the message that was just kept, by which the server has it.
local function name_items(self, state)
  local last, ids = self.messages[#self.messages], {}
  for _, id in ipairs(state.item_ids) do
    if not state.items.call_named[id] then -- a call that nobody answers goes
      ids[#ids + 1] = id
    end
  end
  last.native = { format = "realtime", items = ids, interrupted = true }
end

-- Ends a stream; gives what was heard of its answer: { state, words, seconds }.
local function silence(self, stream)
  local context, inner = self.link.state, not stream.is_between and stream.inner
  local text = stream:given()
  local kept = text .. heard.of(context, inner and inner.state, false)
  self.heard = kept
  stream:close()
  self.heard = nil
  local state, is_whole = inner and inner.state, stream.outcome ~= "cancelled"
  if is_whole then
    cut(self, state)
  elseif state and kept ~= "" and stream:partial().text == text then
    name_items(self, state)
  end -- else the server has words that nobody read, and is told those that were
  local words, seconds = heard.of(context, state, is_whole)
  return { state = state, words = text .. words, seconds = seconds }
end

-- Ends all that is coming, and cuts what is whole and still played.  Gives what was heard of the
-- newest answer; nil: there is nothing to interrupt.
local function interrupt(self)
  if self.heard then -- what comes while a stream is closed finds that in hand
    return nil
  end
  local context, found = self.link.state, nil
  local playing = context.newest
  for _, stream in ipairs(session.running(self)) do
    local one = silence(self, stream)
    found = found and found.state and found or one
    playing = playing ~= one.state and playing or nil
  end
  if cut(self, playing) and not (found and found.state) then
    local words, seconds = heard.of(context, playing, true)
    return { state = playing, words = words, seconds = seconds }
  end
  return found
end

local function add_interrupting(class)
  --- Interrupts the answer that is coming, if there is one, or that was not played to its end: its
  --- stream ends as cancelled, the server is told to stop and forgets what was not heard, and what
  --- was heard stays in the history.
  ---@return boolean whether there was one
  function class:interrupt()
    self.link:pump() -- the user's voice may have ended it already
    return not self.link.is_closed and interrupt(self) ~= nil
  end

  --- Says how much of the newest answer was played.  Without it, what was read of the stream, in
  --- whatever way, counts as heard.
  ---@param seconds number
  function class:played(seconds)
    if type(seconds) ~= "number" or seconds < 0 then
      error("session:played: argument 1 must be a number of seconds that is not negative", 2)
    end
    self.link.state.played = seconds
  end

  -- The user speaks, and the server stops by itself.
  function class:spoken_over()
    for _, stream in ipairs(session.running(self)) do
      local turn = stream.policy.client.turn
      if turn then
        turn.is_spoken_over = true
      end
    end
    local found = interrupt(self)
    if found then
      notices.push(self.link.state, {
        type = "interrupted", text = found.words, heard = found.seconds,
      })
    end
  end
end

--- Adds the methods.
---@param class table
function realtime_session.extend(class)
  add_sound(class)
  add_answers(class)
  add_interrupting(class)
  events.extend(class)
end

return realtime_session
