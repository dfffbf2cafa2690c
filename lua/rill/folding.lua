-- SPDX-License-Identifier: MIT
--
-- What the chunks of a stream mean, and the message that they are folded into, each once; chunks
-- that nobody has asked for yet are put aside undecoded.  The functions take the stream; its fields
-- are listed in stream.lua.

local folding = {}

--- The message that events are folded into; made with the first of them, anew for each attempt.
---@param self rill.Stream
---@return rill.Message
function folding.message(self)
  if not self.message then
    local json = self.setup.json
    self.message = require("rill.message").new(self.choices)
    local state = self.setup.provider.new_state(self.choices > 1)
    state.wanted = self.choices
    state.started = not self.keeping -- `start` would come late, if at all
    state.decode, state.encode = json.decode, json.canonical
    state.decode_base64 = require("rill.core").base64_decode
    self.state = state
  end
  return self.message
end

--- Asks the provider what a chunk means that arrived behind so much text and reasoning.
---@param self rill.Stream
---@param chunk table
---@param text_length integer
---@param reasoning_length integer
---@return rill.Event[]? events nil: the chunk is an error
---@return table? said of the error
function folding.read(self, chunk, text_length, reasoning_length)
  folding.message(self)
  local state = self.state
  state.text_length, state.reasoning_length = text_length, reasoning_length
  return self.setup.provider.events(chunk, state)
end

--- Folds the events of a chunk and gives those that are for the consumer, if there are any: that
--- one choice has finished is not, the stream says `done` once for all.
---@param self rill.Stream
---@param events rill.Event[] is changed
---@return rill.Event[]?
function folding.fold(self, events)
  local whole = folding.message(self)
  local kept, size = 0, #events
  for i = 1, size do
    local event = events[i]
    if self.is_cached and event.type == "usage" then
      require("rill.cache").clear_usage(event)
    end
    whole:fold(event)
    if event.type == "text" and (event.choice or 0) == 0 then
      self.transfer:append(event.text)
    elseif event.type == "reasoning" and (event.choice or 0) == 0 then
      self.transfer:append_reasoning(event.text)
    end
    if event.type ~= "done" then
      kept = kept + 1
      events[kept] = event
    end
  end
  for i = kept + 1, size do
    events[i] = nil
  end
  return kept > 0 and events or nil
end

--- What of a chunk may go back with the next request is decoded with care for what is empty in it.
---@param self rill.Stream
---@param payload string
---@return any chunk
---@return string? problem
function folding.decode(self, payload)
  local json, provider = self.setup.json, self.setup.provider
  local mark, no_mark = provider.mark, provider.no_mark
  if mark and payload:find(mark, 1, true)
    and not (no_mark and payload:find(no_mark, 1, true)) then
    return json.decode_exact(payload)
  end
  return json.decode(payload)
end

--- Takes in the chunks that were put aside.  There is no output in them, and nobody waits for their
--- events.
---@param self rill.Stream
function folding.catch_up(self)
  local deferred = self.deferred
  if not deferred then
    return
  end
  self.deferred = nil
  for i = 1, #deferred, 3 do
    local chunk = folding.decode(self, deferred[i])
    if type(chunk) == "table" then
      folding.fold(self, folding.read(self, chunk, deferred[i + 1], deferred[i + 2]) or {})
    end
  end
end

local DEFERRED_MAX = 16 * 3

--- Puts a chunk aside: its payload, and the lengths of text and reasoning before it.
---@param self rill.Stream
---@param payload string
function folding.defer(self, payload)
  local deferred = self.deferred or {}
  local size = #deferred
  self.deferred = deferred
  deferred[size + 1] = payload
  deferred[size + 2], deferred[size + 3] = self.transfer:lengths()
  if size + 3 >= DEFERRED_MAX then
    folding.catch_up(self)
  end
end

--- The reply as far as events were folded.
---@param self rill.Stream
---@return rill.Reply
function folding.reply(self)
  local reply = folding.message(self):reply({
    text = self.text_at_end or self.transfer:reply(),
    reasoning = self.reasoning_at_end or self.transfer:reasoning(),
    state = self.state, provider = self.setup.provider, outcome = self.outcome,
  })
  reply.cached = self.is_cached or nil
  return reply
end

--- Folds the usage that C has seen in chunks it took whole, and gives its event.
---@param self rill.Stream
---@return rill.Event?
function folding.usage(self)
  local raw = self.transfer:usage()
  local usage = raw and self.setup.json.decode(raw)
  if type(usage) ~= "table" then
    return nil
  end
  local event = self.setup.provider.read_usage(usage)
  if not event then
    return nil -- no count in it
  end
  event.raw = usage
  if self.is_cached then
    require("rill.cache").clear_usage(event)
  end
  folding.message(self):fold(event)
  return event
end

return folding
