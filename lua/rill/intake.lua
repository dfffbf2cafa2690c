-- SPDX-License-Identifier: MIT
--
-- What a stream makes of the items of its transfer: events, of which folding.lua makes the reply,
-- and at the end a verdict.  Never waits.  The functions take the stream; its fields are listed in
-- stream.lua.
--
-- Who reads text only has no use for events.  Chunks in which C has seen no output are then put
-- aside undecoded, and the verdict of an end that cannot be an error is left open; `settle` makes
-- good for both when somebody asks for the reply.  Short answers cost half as much that way.

local folding = require("rill.folding")

local intake = {}

-- Loaded when they are first needed: so a process has its first delta sooner.
local function errors()
  return require("rill.errors")
end

local function verdict()
  return require("rill.verdict")
end

-- The class of events whose payload is decoded when `raw` is first asked for.  It lives in the
-- setup: in a table of this file, by codec, it would keep every codec alive on Lua 5.1.
local function lazy_event_class(setup)
  local class, json = {}, setup.json
  function class.__index(event, name)
    if name == "raw" and event.raw_text then
      local raw = json.decode(event.raw_text)
      event.raw = raw
      return raw
    end
  end
  setup.event_class = class
  return class
end

-- Plain texts that C gives by itself would overtake the events in the queue.
local function set_queue(self, queue)
  self.queue, self.head = queue, 1
  if self.has_iterator then
    self.transfer:hold(queue ~= false)
  end
end

--- Drops the events that were not given yet.
---@param self rill.Stream
function intake.drop(self)
  set_queue(self, false)
end

local function enqueue(self, events)
  local queue = self.queue
  if not queue then
    set_queue(self, events)
    return
  end
  for _, event in ipairs(events) do
    queue[#queue + 1] = event
  end
end

--- What errors.lua wants to know about a request.
---@param transfer rill.Transfer
---@param setup table
---@return table
function intake.error_context(transfer, setup)
  local attempts = transfer:attempts()
  local last = attempts[#attempts]
  return {
    secrets = setup.secrets, decode = setup.json.decode, timeout = setup.timeout,
    attempts = #attempts, request_id = last and last.request_id, stats = transfer:stats(),
  }
end

local function error_context(self)
  local context = intake.error_context(self.transfer, self.setup)
  context.attempts = self.fault and self.fault.attempts or context.attempts -- a connection's
  return context
end

local function end_with(self, outcome, err)
  self.has_ended, self.outcome = true, outcome
  if err then
    self.err, err.partial = err, folding.reply(self)
  else
    self.reply = folding.reply(self)
    if self.recorder then
      self.recorder:finished(outcome, self.reply)
    end
  end
end

-- The stream is given up because of what it said; what follows that is not looked at.
local function give_up(self, outcome, err)
  local transfer = self.transfer
  self.text_at_end, self.reasoning_at_end = transfer:reply(), transfer:reasoning()
  folding.usage(self)
  end_with(self, outcome, err)
  transfer:close()
  while transfer:take() do
  end
end

local function accept_malformed(self, payload, problem)
  self.malformed = self.malformed + 1
  local text = errors().shorten(errors().redact(problem, self.setup.secrets))
  enqueue(self, { {
    type = "other", malformed = true, message = text,
    raw_text = errors().redact(payload, self.setup.secrets),
  } })
  if self.malformed >= self.setup.malformed then
    local context = error_context(self)
    give_up(self, "broken", errors().new({
      kind = "malformed", phase = "stream", attempts = context.attempts,
      request_id = context.request_id,
      message = ("%d chunks were not JSON (limits.malformed); the last: %s")
        :format(self.malformed, text),
    }, self.setup.secrets))
  end
end

local function accept_event(self, payload, name)
  folding.catch_up(self) -- in the order of their arrival
  if name == "error" then
    return give_up(self, "provider_error", errors().from_payload(payload, error_context(self)))
  end
  local chunk, problem = folding.decode(self, payload)
  if type(chunk) ~= "table" then
    return accept_malformed(self, payload, problem or "it is no object")
  end
  local events, said = folding.read(self, chunk, self.transfer:lengths())
  if not events then
    return give_up(self, "provider_error", errors().from_event(said, error_context(self)))
  end
  events = folding.fold(self, events)
  if events then
    enqueue(self, events)
  end
end

-- How it ended: sets outcome and reply, or the error.  Gives the event of the usage that is left.
local function judge(self)
  local transfer = self.transfer
  folding.catch_up(self)
  local usage = folding.usage(self)
  local text_length, reasoning_length = transfer:lengths()
  local outcome, fault, is_unmarked = verdict().judge({
    ending = transfer:ending(),
    failure = self.fault or transfer:failure(),
    message = folding.message(self),
    has_text = text_length > 0 or reasoning_length > 0,
    has_unfinished = transfer:unfinished(),
    decode = self.setup.json.decode,
  })
  self.is_unmarked = is_unmarked or false
  end_with(self, outcome, fault and errors().from_failure(fault, error_context(self)))
  return usage
end

-- The terminator came, after text, and all other chunks were such that C could read them: none has
-- any output or error in it, and C knows the finish reason.
local function is_certainly_fine(self)
  local transfer = self.transfer
  if self.keeping or self.message or transfer:ending() ~= "done" then
    return false
  end
  local reason = transfer:finish_reason()
  return reason ~= nil
    and not verdict().is_error(self.setup.provider.finish_reason(reason))
end

-- The transfer has nothing more.
local function conclude(self)
  if is_certainly_fine(self) then
    self.has_ended, self.is_unsettled = true, true
    return
  end
  local usage = judge(self)
  if usage then
    enqueue(self, { usage })
  end
  if not self.err then
    enqueue(self, { {
      type = "done", finish_reason = self.reply.finish_reason,
      native_finish_reason = self.reply.native_finish_reason, outcome = self.outcome,
    } })
  end
end

--- Catches up with what was put aside.
---@param self rill.Stream
function intake.settle(self)
  if self.is_unsettled then
    self.is_unsettled = false
    judge(self)
  else
    folding.catch_up(self)
  end
  folding.message(self)
end

--- The reply as far as items were taken in.
---@param self rill.Stream
---@return rill.Reply
function intake.reply(self)
  intake.settle(self)
  if not self.has_ended then
    folding.usage(self)
  end
  return folding.reply(self)
end

local function accept_retry(self, attempt, delay, reason)
  self.retries = self.retries + 1
  self.transfer:restart()
  self.message, self.state, self.deferred = nil, nil, nil
  local text = errors().redact(reason or "", self.setup.secrets)
  return { type = "retry", attempt = attempt, delay = delay, reason = text }
end

-- The event of a plain text or reasoning that C has recognised and already added to the reply.
local function text_event(self, kind, text, payload)
  local setup = self.setup
  local conceal = payload and setup.provider.conceal -- where a server may repeat the key
  if conceal then
    payload = conceal(payload)
  end
  local event = setmetatable({
    type = kind,
    text = text,
    choice = self.choices > 1 and 0 or nil,
    raw_text = payload,
  }, setup.event_class or lazy_event_class(setup))
  if not payload or not self.keeping then
    return event
  end
  folding.message(self)
  if self.state.started then
    return event
  end
  local start = type(event.raw) == "table" and self.setup.provider.identify(event.raw, self.state)
  self.state.started = true
  if not start then
    return event
  end
  start.raw = event.raw
  enqueue(self, { start, event })
end

-- Takes one item from the transfer.  Gives its event, or nothing when it was put into the queue or
-- made none; and "pending" when there is no item.
local function take_item(self)
  local kind, first, second, third = self.transfer:take()
  if kind == "text" or kind == "reasoning" then
    return text_event(self, kind, first, second)
  elseif kind == "event" then
    if third and not self.keeping then -- quiet, and only text is wanted
      folding.defer(self, first)
    else
      accept_event(self, first, second)
    end
  elseif kind == "retry" then
    return accept_retry(self, first, second, third)
  elseif first == "pending" then
    return nil, "pending"
  else
    conclude(self)
  end
end

--- Gives one event without waiting.
---@param self rill.Stream
---@return rill.Event? event
---@return rill.Error|"pending"|nil err nil at the end
function intake.pull(self)
  while true do
    local queue = self.queue
    if queue then
      local head = self.head
      local event = queue[head]
      queue[head] = false
      if queue[head + 1] == nil then
        set_queue(self, false)
      else
        self.head = head + 1
      end
      event.cached = self.is_cached or nil
      return event
    end
    if self.has_ended then
      return nil, self.err
    end
    local event, pending = take_item(self)
    if event then
      event.cached = self.is_cached or nil
      return event
    elseif pending then
      return nil, pending
    end
  end
end

--- Puts an event of rill's own behind what has been received so far.
---@param self rill.Stream
---@param event rill.Event
function intake.interject(self, event)
  if self.has_ended then
    return
  end
  intake.drain(self)
  if event.type == "retry" then
    self.retries = self.retries + 1
    event.reason = errors().redact(event.reason or "", self.setup.secrets)
  end
  enqueue(self, { event })
end

--- Takes in everything that has been received; the events stay in the queue.
---@param self rill.Stream
function intake.drain(self)
  while not self.has_ended do
    local event, pending = take_item(self)
    if pending then
      return
    elseif event then
      enqueue(self, { event })
    end
  end
end

return intake
