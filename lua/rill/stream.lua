-- SPDX-License-Identifier: MIT
--
-- A stream, as its user sees it.  `next` is the primitive; the iterators, `result` and the
-- callbacks are sugar over it (reading.lua).  This file, reading.lua and relay.lua alone ask a loop
-- to wait; intake.lua understands what arrives.

local errors = require("rill.errors")
local intake = require("rill.intake")
local loops = require("rill.loops")
local reading = require("rill.reading")

---@class rill.Stream
local Stream = { __name = "rill.stream" }
Stream.__index = Stream

local stream = {}

local pull = intake.pull

-- What a stream is before anything has happened.
Stream.is_cached = false -- the answer was stored
Stream.recorder = nil -- the transfer, where the answer may be stored
Stream.cache_entry = nil -- its place in the cache, where there is one
Stream.link = nil -- the connection of its live session, which feeds the transfer
Stream.sentinel = nil -- tells that connection when the stream is forgotten
Stream.fault = nil -- why that connection failed it
Stream.head = 1 -- where in the queue the next event is
Stream.malformed = 0 -- chunks that were not JSON
Stream.retries = 0
Stream.message = nil -- this and the provider's state are made with the first event, anew for each
Stream.state = nil -- attempt
Stream.deferred = nil -- chunks without output, while only text is wanted; see intake.lua
Stream.has_iterator = false -- C gives plain texts by itself, but while it is told to hold them
Stream.smoothing = nil -- what shows its text at a pace, if anything does
Stream.has_ended = false -- nothing more will come from the transfer
Stream.is_unsettled = false -- it has ended well, and how has not been worked out yet
Stream.is_closed = false
Stream.is_unmarked = false -- complete, though no finish reason came
Stream.outcome = nil -- these are set once it has ended and is settled:
Stream.err = nil -- if it failed
Stream.reply = nil -- if it did not
Stream.text_at_end = nil -- this and the next of choice 0, if the stream was given up
Stream.reasoning_at_end = nil

--- Wraps a transfer that has just been opened.
---@param transfer rill.Transfer
---@param engine rill.Engine
---@param setup table what the client fixed:
--  { provider, json, secrets, timeout, malformed, gateway, prices }
---@param request rill.Request
---@param callbacks rill.Callbacks?
---@return rill.Stream
function stream.new(transfer, engine, setup, request, callbacks)
  return setmetatable({
    transfer = transfer,
    take_text = transfer.text, -- the hot path
    engine = engine,
    id = transfer:id(),
    setup = setup,
    model = request.model,
    choices = request.n or 1,
    callbacks = callbacks,
    queue = false, -- events that were made and not yet given, from `head` on
    keeping = true, -- whether the transfer keeps the payloads of plain texts: events are wanted
  }, Stream)
end

local function set_keeping(self, flag)
  if self.keeping ~= flag then
    self.keeping = flag
    self.transfer:keep(flag)
  end
end

local function wait(self)
  if self.link and self.link:has_news(self.id) then
    return
  end
  loops.wait(self.engine, self.id, self.setup.loop)
end

-- What has come over a live session's connection is not in the transfer before somebody looks.
local function pump(self)
  if self.link then
    self.link:pump(self.id)
  end
end

local function take(self)
  if not self.queue then
    return self.take_text(self.transfer)
  end
end

local read_text = reading.install(Stream, {
  pull = pull,
  wait = wait,
  take = take,
  keep = set_keeping,
  rouse = function(self)
    loops.wake(self.id)
  end,
  progress = function(self)
    loops.turn(self.engine)
  end,
  text_so_far = function(self)
    return self.text_at_end or self.transfer:reply()
  end,
  conclude = function(self)
    intake.settle(self)
    return self.reply
  end,
})

local slow_text = reading.raising(read_text)

-- The iterator where C has none to give (transfer:texts).
local function next_text(self)
  if not self.queue then
    local text = self.take_text(self.transfer)
    if text then
      return text
    end
  end
  return slow_text(self)
end

-- The iterator over texts that C has, where it can have one: what is no plain text slow(argument)
-- gives.  iterator: what this has given for another stream, and will give for this one.
local function texts(self, slow, argument, iterator)
  local transfer = self.transfer
  iterator = transfer:texts(slow, argument, iterator)
  if iterator then
    self.has_iterator = true
    transfer:hold(self.queue ~= false)
  end
  return iterator
end

--- Iterates over the text of choice 0 as it arrives.
-- Raises the error object if the stream fails.  On Lua 5.4 leaving the loop early closes the
-- stream.  Waits for news: a task of `rill.go` yields, everything else waits in C.
---@return fun(stream: rill.Stream): string?
---@return rill.Stream
---@return nil
---@return rill.Stream
function Stream:text()
  reading.check_iterator(self, "text")
  set_keeping(self, false)
  return texts(self, slow_text, self) or next_text, self, nil, self
end

--- The reply as far as it has been received, at any time and after any end.  Events that were not
--- asked for yet still come.
---@return rill.Reply
function Stream:partial()
  pump(self)
  intake.drain(self)
  return intake.reply(self)
end

--- Closes the stream and drops its connection; what was received stays readable by `partial`.
--- Closing twice, or after the end, does nothing.
function Stream:close()
  if self.is_closed then
    return
  end
  self.is_closed = true
  pump(self)
  self.transfer:close() -- what had arrived can still be taken; if it had ended this does nothing
  intake.drain(self)
  intake.drop(self)
  loops.wake(self.id)
end

--- Gives an event of rill's own, after those that came before.
---@param event rill.Event
function Stream:interject(event)
  intake.interject(self, event)
  loops.wake(self.id)
end

--- What the stream has measured so far; see rill.Metrics.
---@return rill.Metrics
function Stream:metrics()
  intake.settle(self)
  return require("rill.metrics")(self)
end

--- The trail of attempts, the first one first; the last may still run.
---@return rill.Attempt[]
function Stream:attempts()
  return errors.redact_attempts(self.transfer:attempts(), self.setup.secrets)
end

function Stream:__tostring()
  if self.is_unsettled then
    intake.settle(self)
  end
  return ("rill.stream: %s, %s"):format(self.model, self.outcome or "running")
end

Stream.__close = Stream.close

-- For relays, which read the streams that they are made of without waiting.
stream.pull, stream.wait, stream.take, stream.keep = pull, wait, take, set_keeping
stream.texts = texts
stream.pump = pump

return stream
