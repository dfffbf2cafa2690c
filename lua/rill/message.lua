-- SPDX-License-Identifier: MIT
--
-- Folds events into a reply, each event once.  The text of choice 0 is not here: the transfer
-- gathers it in C, also for the deltas that Lua never sees.

local message = {}
message.__index = message

--- An empty message.
---@param wanted integer how many choices were asked for
---@return rill.Message
function message.new(wanted)
  return setmetatable({
    wanted = wanted,
    choices = {}, -- by the wire's index; one appears with its first event
    usage = nil, -- set by the last `usage` event
    deltas = 0, -- events with output, without those that C kept to itself
  }, message)
end

local function choice_of(self, event)
  local index = event.choice or 0
  local choice = self.choices[index]
  if not choice then
    choice = { text = {}, reasoning = {}, refusal = {}, calls = {}, finish_reason = nil }
    self.choices[index] = choice
  end
  return choice
end

local function push(list, piece)
  list[#list + 1] = piece
end

local fold = {}

function fold.text(self, event)
  self.deltas = self.deltas + 1
  if (event.choice or 0) > 0 then
    push(choice_of(self, event).text, event.text)
  end
end

function fold.reasoning(self, event)
  self.deltas = self.deltas + 1
  push(choice_of(self, event).reasoning, event.text)
end

function fold.refusal(self, event)
  self.deltas = self.deltas + 1
  push(choice_of(self, event).refusal, event.text)
end

function fold.tool_call(self, event)
  local calls = choice_of(self, event).calls
  local call = calls[event.index + 1]
  if not call then
    call = { pieces = {} }
    calls[event.index + 1] = call
  end
  call.id, call.name, call.kind = event.id, event.name, event.kind
  if event.done then
    call.pieces = { event.arguments }
  else
    self.deltas = self.deltas + 1
    push(call.pieces, event.arguments)
  end
end

function fold.audio(self)
  self.deltas = self.deltas + 1
end

function fold.usage(self, event)
  self.usage = {
    input_tokens = event.input_tokens, output_tokens = event.output_tokens,
    total_tokens = event.total_tokens, cached_tokens = event.cached_tokens,
    reasoning_tokens = event.reasoning_tokens,
  }
end

function fold.done(self, event)
  choice_of(self, event).finish_reason = event.finish_reason
end

--- Takes one event in.
---@param event rill.Event
function message:fold(event)
  local folder = fold[event.type]
  if folder then
    folder(self, event)
  end
end

--- Whether every choice has its finish reason.
---@param has_text boolean whether text of choice 0 has come, seen here or not
---@param wanted integer? how many choices there must be at least; default 1
---@return boolean
function message:is_finished(has_text, wanted)
  local finished = 0
  for _, choice in pairs(self.choices) do
    if not choice.finish_reason then
      return false
    end
    finished = finished + 1
  end
  return finished >= (wanted or 1) and not (has_text and not self.choices[0])
end

--- Whether some choice ended for one of these reasons.
---@param reasons table<string, boolean>
---@return string? reason
function message:finished_for(reasons)
  for _, choice in pairs(self.choices) do
    if choice.finish_reason and reasons[choice.finish_reason] then
      return choice.finish_reason
    end
  end
end

--- The name of a tool call whose arguments are not complete JSON, if there is one.
---@param decode fun(text: string): any
---@return string?
function message:open_call(decode)
  for _, choice in pairs(self.choices) do
    for _, call in ipairs(choice.calls) do
      local arguments = table.concat(call.pieces)
      if call.kind ~= "custom" and arguments:find("%S") and decode(arguments) == nil then
        return call.name or call.id or "without a name"
      end
    end
  end
end

local function joined(pieces)
  return #pieces > 0 and table.concat(pieces) or nil
end

local function calls_of(choice)
  local list = {}
  for i, call in ipairs(choice.calls) do
    list[i] = {
      id = call.id, name = call.name, kind = call.kind, arguments = table.concat(call.pieces),
    }
  end
  return list
end

local EMPTY = { text = {}, reasoning = {}, refusal = {}, calls = {} }

local function reply_of(choice, text)
  return {
    text = text or table.concat(choice.text),
    reasoning = joined(choice.reasoning),
    refusal = joined(choice.refusal),
    tool_calls = calls_of(choice),
    finish_reason = choice.finish_reason,
  }
end

--- The reply so far.
---@param text string the text of choice 0
---@param state table the provider's state: id and model
---@param outcome rill.Outcome? nil while it has not ended
---@return rill.Reply
function message:reply(text, state, outcome)
  local reply = reply_of(self.choices[0] or EMPTY, text)
  reply.outcome, reply.usage = outcome, self.usage
  reply.id, reply.model = state.id, state.model
  local last = self.wanted - 1
  for index in pairs(self.choices) do
    last = math.max(last, index)
  end
  if last > 0 then
    reply.choices = {}
    for index, choice in pairs(self.choices) do
      reply.choices[#reply.choices + 1] = reply_of(choice, index == 0 and text or nil)
      reply.choices[#reply.choices].index = index
    end
    if not self.choices[0] and text ~= "" then
      push(reply.choices, { index = 0, text = text, tool_calls = {} })
    end
    table.sort(reply.choices, function(a, b)
      return a.index < b.index
    end)
  end
  return reply
end

return message
