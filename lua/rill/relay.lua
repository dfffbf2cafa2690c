-- SPDX-License-Identifier: MIT
--
-- A stream made of several, one after the other: it has every call of a stream, with the same
-- meaning.  What happens where one of them ends is for a policy to say, a table of
--
--   after(relay, reply, err)   a stream has ended: reply or err
--   advance(relay)             called while there is none: by then, or now, the policy calls
--                              relay:open, relay:finish or relay:fail, or returns "pending" and
--                              later calls loops.wake(relay.bell)
--   decorate(relay, reply)     adds what the whole knows to the reply of one stream
--   ended(relay)               the relay has ended, in whatever way; may be left out

local errors = require("rill.errors")
local loops = require("rill.loops")
local reading = require("rill.reading")
local stream = require("rill.stream")

---@class rill.Relay: rill.Stream
local Relay = { __name = "rill.stream" }
Relay.__index = Relay

local relay = {}

--- Makes a relay that begins with a stream.
---@param first rill.Stream
---@param policy table see above
---@param callbacks rill.Callbacks?
---@return rill.Relay
function relay.new(first, policy, callbacks)
  local self = setmetatable({
    engine = first.engine,
    setup = first.setup,
    model = first.model,
    policy = policy,
    lane = nil, -- of a live session's lane: its name
    callbacks = callbacks,
    smoothing = nil, -- what shows its text at a pace, if anything does
    on_given = nil, -- (relay, event): told of each that a reader takes, in whatever way, but for
    -- plain texts that are taken as such
    inner = first, -- the stream that is read, or the last one that was
    is_between = false, -- it has ended, and what follows is not open yet
    past = {}, -- streams that have ended, in order
    turn = 1,
    queue = {}, -- events of the relay's own that were not given yet
    keeping = true, -- whether events are wanted
    iterator = nil, -- C's over the texts, if the newest `text` has given that
    last_done = nil, -- the `done` of the stream that ended last
    bell = nil, -- for who waits for the policy: rung when there are news
    has_ended = false,
    is_closed = false,
    outcome = nil, -- these are set when it has ended
    reply = nil, -- if it did not fail
    err = nil, -- if it did
  }, Relay)
  self.bell = loops.bell(self, Relay.close)
  return self
end

--- Gives an event of the relay's own, after those that came before.
---@param event rill.Event
function Relay:push(event)
  event.turn = event.turn or self.turn
  self.queue[#self.queue + 1] = event
  loops.wake(self.bell)
end

local function end_with(self, outcome)
  self.has_ended, self.outcome = true, outcome
  if self.policy.ended then
    self.policy:ended(self)
  end
end

--- Ends the relay with a reply.
---@param reply rill.Reply
function Relay:finish(reply)
  self.reply = self.policy:decorate(self, reply)
  if self.last_done then
    self:push(self.last_done)
  end
  end_with(self, reply.outcome)
end

--- Ends the relay with an error.
---@param err rill.Error
---@param reply rill.Reply? how far it had come; default: the error's own
function Relay:fail(err, reply)
  err.partial = self.policy:decorate(self, reply or err.partial)
  self.err = err
  end_with(self, err.partial.outcome)
end

local function cancel(self)
  local partial = self.inner:partial()
  partial.outcome = "cancelled"
  self:fail(errors.new({
    kind = "cancelled", message = "the stream was closed", attempts = #self:attempts(),
  }), partial)
end

local function end_inner(self)
  local inner = self.inner
  self.is_between = true
  self.past[#self.past + 1] = { stream = inner, turn = self.turn }
  self.policy:after(self, inner:result()) -- it has ended: this does not wait
end

local function pull(self)
  while true do
    local event = table.remove(self.queue, 1)
    if event then
      event.lane = self.lane
      return event
    elseif self.has_ended then
      return nil, self.err
    elseif not self.is_between then
      local pending
      event, pending = stream.pull(self.inner)
      if pending == "pending" then
        return nil, pending
      elseif not event then
        end_inner(self)
      elseif event.type == "done" then
        self.last_done = event
      else
        event.turn, event.lane = self.turn, self.lane
        return event
      end
    elseif self.is_closed then
      cancel(self)
    elseif self.policy:advance(self) == "pending" then
      return nil, "pending"
    end
  end
end

local function give(self)
  local event, err = pull(self)
  if event and self.on_given then
    self:on_given(event)
  end
  return event, err
end

local function wait(self)
  if self.is_between then
    return loops.wait(self.engine, self.bell, self.setup.loop)
  end
  return stream.wait(self.inner)
end

local function take(self)
  if not self.is_between and not self.queue[1] then
    return stream.take(self.inner)
  end
end

local function keep(self, flag)
  if self.keeping ~= flag then
    self.keeping = flag
    stream.keep(self.inner, flag)
  end
end

local read_text = reading.install(Relay, {
  pull = give,
  wait = wait,
  take = take,
  keep = keep,
  rouse = function(self)
    loops.wake(self.bell)
    loops.wake(self.inner.id)
  end,
  progress = function(self)
    loops.progress(self.engine) -- what it waits for may be a task
    stream.pump(self.inner)
  end,
  text_so_far = function(self)
    return self.inner.text_at_end or self.inner.transfer:reply()
  end,
  conclude = function(self)
    return self.reply
  end,
})

local next_text = reading.raising(read_text)

--- Goes on with a further stream.
---@param inner rill.Stream
function Relay:open(inner)
  self.inner, self.is_between, self.last_done = inner, false, nil
  stream.keep(inner, self.keeping)
  if self.iterator then
    stream.texts(inner, next_text, self, self.iterator)
  end
end

--- Iterates over the text as it arrives; see Stream:text.
---@return fun(stream: rill.Stream): string?
---@return rill.Stream
---@return nil
---@return rill.Stream
function Relay:text()
  reading.check_iterator(self, "text")
  keep(self, false)
  self.iterator = not self.is_between and stream.texts(self.inner, next_text, self) or nil
  return self.iterator or function()
    return take(self) or next_text(self)
  end, self, nil, self
end

--- The reply as far as it has been received, at any time and after any end.
---@return rill.Reply
function Relay:partial()
  if self.has_ended then
    return self.reply or self.err.partial
  end
  local partial = self.inner:partial()
  partial.outcome = nil -- that of the stream, if it has ended, is not the relay's
  return self.policy:decorate(self, partial)
end

--- The text that its reader was given of the stream that is read: what was taken, or shown where it
--- comes at a pace.
---@return string
function Relay:given()
  if self.is_between then
    return ""
  end
  local inner, smoothing = self.inner, self.smoothing
  local taken = inner.text_at_end or inner.transfer:reply()
  return smoothing and taken:sub(1, math.max(#taken - #smoothing:unseen(), 0)) or taken
end

--- Closes the relay: drops the connection, and goes on with nothing.
--- Closing twice, or after the end, does nothing.
function Relay:close()
  if self.is_closed then
    return
  end
  self.is_closed = true
  self.inner:close()
  repeat -- what had arrived may have been the whole
    self.queue = {}
    local _, pending = pull(self)
  until self.has_ended or pending == "pending"
  self.queue = {}
  loops.wake(self.bell)
end

-- The streams in order, with their turns.
local function parts_of(self)
  local parts = {}
  for i, part in ipairs(self.past) do
    parts[i] = part
  end
  if not self.is_between then
    parts[#parts + 1] = { stream = self.inner, turn = self.turn }
  end
  return parts
end

--- What all streams together have measured; see rill.Metrics.
---@return rill.Metrics
function Relay:metrics()
  return require("rill.relay_metrics")(parts_of(self), self.outcome, self.turn)
end

--- The trail of attempts of all streams, in order.
---@return rill.Attempt[]
function Relay:attempts()
  local list, start = {}, nil
  for _, part in ipairs(parts_of(self)) do
    local started = part.stream.transfer:stats().started
    start = start or started
    for _, attempt in ipairs(part.stream:attempts()) do
      attempt.started, attempt.turn = attempt.started + (started - start), part.turn
      list[#list + 1] = attempt
    end
  end
  return list
end

function Relay:__tostring()
  return ("rill.stream: %s, %s"):format(self.model, self.outcome or "running")
end

Relay.__close = Relay.close

return relay
