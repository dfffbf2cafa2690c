-- SPDX-License-Identifier: MIT
--
-- A conversation: keeps the messages, and takes the oldest turns out when they are too long for the
-- model.  What it counts with is what the server has counted for the turns so far, and an estimate
-- for what is new (history.lua).

local common = require("rill.providers.common")
local history = require("rill.history")
local json = require("rill.json")
local requests = require("rill.requests")
local tools = require("rill.tools")
local turns = require("rill.turns")

---@class rill.Session
---@field messages table[] the history; it may be changed between two questions
local Session = { __name = "rill.session" }
Session.__index = Session

local session = {}

local OWN = {
  system = true, messages = true, max_context = true, on_trim = true, keep_failed = true,
}

--- Options that are for the session alone; any other is a field of every request.
---@type table<string, boolean>
session.own_options = OWN

--- In place of a question: an answer to the messages as they are.
session.NOTHING = {}

Session.way_out = "close it" -- of an answer that is still coming

-- Who asks: what the tool loop of one question takes for a client.
function Session:asker()
  return self.client
end

local function problem_of(options)
  if type(options) ~= "table" then
    return "argument 1 must be a table { model = ... }, not a " .. type(options)
  elseif type(options.model) ~= "string" or options.model == "" then
    return "field 'model' must be a string that is not empty"
  elseif options.system ~= nil and type(options.system) ~= "string" then
    return "field 'system' must be a string"
  elseif options.on_trim ~= nil and type(options.on_trim) ~= "function" then
    return "field 'on_trim' must be a function"
  elseif options.keep_failed ~= nil and type(options.keep_failed) ~= "boolean" then
    return "field 'keep_failed' must be true or false"
  end
  for _, name in ipairs({ "max_tokens", "max_completion_tokens" }) do
    if options[name] ~= nil and type(options[name]) ~= "number" then
      return ("field '%s' must be a number"):format(name)
    end
  end
  local max = options.max_context
  if max ~= nil and not (type(max) == "number" and max > 0) then
    return "field 'max_context' must be a positive number of tokens"
  end
  return turns.problem(options) or requests.problem_of_manner(options)
    or requests.problem_of_overrides(options)
    or options.messages ~= nil and requests.problem_of_messages(options.messages, true) or nil
end

local function first_messages(options)
  local messages = {}
  if options.system then
    messages[1] = { role = "system", content = options.system }
  end
  for _, message in ipairs(options.messages or {}) do
    messages[#messages + 1] = message
  end
  return messages
end

local function overhead(client, given)
  local wire = given and tools.wire(given)
  local text = wire and (client.json or json.default()).encode(wire, nil, "tools")
  return text and history.estimate_text(text) or 0
end

--- Makes a session.
---@param client rill.Client
---@param options rill.SessionOptions
---@param class table? in place of a plain session's: what rill/live.lua adds to it
---@return rill.Session?
---@return string? problem
function session.new(client, options, class)
  local problem = problem_of(options)
  if problem then
    return nil, problem
  end
  local defaults = {}
  for name, value in pairs(options) do
    if not OWN[name] then
      defaults[name] = value
    end
  end
  return setmetatable({
    client = client,
    defaults = defaults, -- fields of every request
    messages = first_messages(options),
    max_context = options.max_context,
    on_trim = options.on_trim,
    keep_failed = options.keep_failed or false,
    open = setmetatable({}, { __mode = "v" }), -- streams by number, while they live
    count = 0, -- how many streams there were
    measured = nil, -- since the first answer: { upto, tokens }: the last message that was counted,
    -- and the tokens of all up to it
    costs = setmetatable({}, { __mode = "k" }), -- tokens of a turn, by its first message
    overhead = overhead(client, options.tools), -- tokens of what is sent beside the messages
  }, class or Session)
end

-- The messages that a question is, in a list of their own, and whether their tables are the
-- asker's; nil: it is none.
local function messages_of(question)
  if question == session.NOTHING then
    return {}
  elseif type(question) == "string" then
    return { { role = "user", content = question } }
  elseif type(question) ~= "table" then
    return nil
  elseif question.role ~= nil then
    return { question }, true
  elseif type(question[1]) == "table" and question[1].role ~= nil then
    return common.copy(question), true
  end
  return question[1] ~= nil and { { role = "user", content = question } } or nil
end

-- A message is known by its table, so what is said once more becomes another one.
local function tell_apart(asked, messages)
  local known = {}
  for _, message in ipairs(messages) do
    known[message] = true
  end
  for i, message in ipairs(asked) do
    asked[i] = known[message] and common.copy(message) or message
    known[message] = true
  end
end

local function problem_of_question(asked)
  local problem = requests.problem_of_messages(asked, true)
  return problem and "argument 1: " .. problem
end

-- How long a list of messages is, with the tools: counted as far as the server has counted,
-- estimated beyond.
local function size_of(self, messages)
  local measured = self.measured
  for i = #messages, 1, -1 do
    if measured and messages[i] == measured.upto then
      return measured.tokens + history.estimate_all(messages, i + 1)
    end
  end
  return self.overhead + history.estimate_all(messages)
end

-- Takes the oldest turn out; its messages and how many tokens they had; nil if there is none.
local function drop_oldest(question)
  local own = question.session
  local turn = history.oldest(own.messages, question.goes_on)
  if not turn[1] then
    return nil
  end
  local tokens = own.costs[turn[1]] or history.estimate_all(turn)
  history.remove(own.messages, turn)
  if own.measured then
    own.measured.tokens = math.max(own.measured.tokens - tokens, 0)
  end
  question.start = math.max(question.start - tokens, 0)
  return turn, tokens
end

-- Takes turns out while is_enough(tokens, turns), of those that went, is not true.
local function trim(question, reason, is_enough)
  local dropped, tokens, count = {}, 0, 0
  while not is_enough(tokens, count) do
    local turn, size = drop_oldest(question)
    if not turn then
      break
    end
    tokens, count = tokens + size, count + 1
    for _, message in ipairs(turn) do
      dropped[#dropped + 1] = message
    end
  end
  local on_trim = question.session.on_trim
  if count > 0 and on_trim then
    on_trim(dropped, reason)
  end
  return count > 0
end

-- One question: the hooks of its tool loop, see turns.lua.  There may be several at a time.
local hooks = {}
hooks.__index = hooks
Session.hooks = hooks

local function new_question(self, asked)
  return setmetatable({
    session = self,
    asked = #asked, -- how many messages it is
    goes_on = history.goes_on(asked), -- whether it is none, but belongs to the turn before it
    after = self.messages[#self.messages], -- the message that it follows, if there is one
    start = size_of(self, self.messages), -- tokens there were before it
    step = 1, -- how many turns go when the server does not say how many tokens are too many
  }, self.hooks)
end

function hooks:prepare(run)
  local own = self.session
  if not own.max_context then
    return
  end
  local request = run.request
  local room = own.max_context - (request.max_completion_tokens or request.max_tokens or 0)
  local size = size_of(own, run:transcript())
  trim(self, "max_context", function(tokens)
    return size - tokens <= room
  end)
end

--- Whether a reply has anything of an answer.
function session.has_output(reply)
  return reply.text ~= "" or reply.reasoning ~= nil or reply.tool_calls[1] ~= nil
end

function hooks:recover(_, err)
  if err.kind ~= "context_length" or session.has_output(err.partial) then
    return false
  end
  local excess = err.asked_tokens and err.limit_tokens and err.asked_tokens - err.limit_tokens
  local step = self.step
  self.step = step * 2
  return trim(self, "context_length", function(tokens, count)
    if excess and excess > 0 then
      return tokens >= excess and count > 0
    end
    return count >= step
  end)
end

function hooks:measured(_, message, reply)
  local usage = reply.usage
  if not usage or not usage.input_tokens or not usage.output_tokens then
    return
  end
  -- What the model thought is not sent back.
  local answer = math.max(usage.output_tokens - (usage.reasoning_tokens or 0), 0)
  self.session.measured = { upto = message, tokens = usage.input_tokens + answer }
end

--- What stays of a turn that failed or was closed.
function hooks:kept_of_failed(run)
  local kept = {}
  for i = 1, self.session.keep_failed and self.asked or 0 do
    kept[i] = run.added[i]
  end
  return kept
end

-- Whether what was counted since the question began is that of one turn, and of nothing else: other
-- answers may have come meanwhile.
local function is_one_turn(question, added)
  local messages = question.session.messages
  return messages[#messages] == question.after and not history.oldest(added, true)[1]
end

function hooks:ended(run, stream)
  local own, added = self.session, run.added
  local measured = own.measured
  if stream.err then
    added = self:kept_of_failed(run, stream)
  elseif measured and measured.upto == added[#added] and is_one_turn(self, added) then
    own.costs[added[1]] = math.max(measured.tokens - self.start, 0)
  end
  for _, message in ipairs(added) do
    own.messages[#own.messages + 1] = message
  end
end

-- Whether its reader was killed while it waited: the loop has dropped what was read (see
-- loops.abandon), and nobody is left to learn of that by reading.
local function is_abandoned(stream)
  local inner = stream.inner
  return not inner.has_ended and inner.transfer:ending() == "closed"
end

-- A stream that is closed may make the server's next answer begin: none is in a traversal of those
-- that are open.
local function close_abandoned(self)
  local abandoned = {}
  for _, stream in pairs(self.open) do
    if is_abandoned(stream) then
      abandoned[#abandoned + 1] = stream
    end
  end
  for _, stream in ipairs(abandoned) do
    stream:close()
  end
end

--- The streams that have not ended, the newest first.  There are several only where a server
--- begins answers by itself.
---@param self rill.Session
---@return rill.Relay[]
function session.running(self)
  close_abandoned(self)
  local streams, numbers = {}, {}
  for number, stream in pairs(self.open) do
    if stream.has_ended then
      self.open[number] = nil
    else
      streams[#streams + 1], numbers[stream] = stream, number
    end
  end
  table.sort(streams, function(a, b)
    return numbers[a] > numbers[b]
  end)
  return streams
end

--- Asks, whatever else is running; nil and what is wrong with the question.
---@param self rill.Session
---@param question any
---@param callbacks rill.Callbacks?
---@return rill.Relay?
---@return string? problem
function session.begin(self, question, callbacks)
  local asked, is_given = messages_of(question)
  local wrong = not asked
    and "argument 1 must be a text, a list of parts, a message, or a list of messages"
    or self.messages[1] ~= nil and requests.problem_of_messages(self.messages)
    or problem_of_question(asked)
  if wrong then
    return nil, wrong
  elseif is_given then
    tell_apart(asked, self.messages)
  end
  local stream, problem = turns.start(self:asker(), self.defaults, {
    history = self.messages, added = asked, callbacks = callbacks,
    hooks = new_question(self, asked),
  })
  if stream then
    self.count = self.count + 1
    self.open[self.count] = stream
  end
  return stream, problem
end

--- Asks, for the methods that do so; nil and what is wrong with the question.
---@param self rill.Session
---@param question any
---@param callbacks rill.Callbacks?
---@return rill.Relay?
---@return string? problem
function session.ask(self, question, callbacks)
  if session.running(self)[1] then
    return nil, "the answer before has not ended: read it to its end, or " .. self.way_out
  end
  return session.begin(self, question, callbacks)
end

--- Asks a question; the answer comes as a stream, of all turns where there are tools.
-- Question and answer become part of `session.messages` when the answer is complete: nothing of an
-- answer that failed or was closed stays, nor does its question, unless the session was made with
-- `keep_failed`: then the question does.  Raises while the answer before has not ended.
---@param question string|table a text, a list of parts, a message, or a list of messages
---@param callbacks rill.Callbacks? called by `stream:run()`
---@return rill.Stream
function Session:ask(question, callbacks)
  local stream, problem = session.ask(self, question, callbacks)
  if not stream then
    error("session:ask: " .. problem, 2)
  end
  return stream
end

function Session:__tostring()
  return ("rill.session: %s, %d messages"):format(self.defaults.model, #self.messages)
end

session.class = Session

return session
