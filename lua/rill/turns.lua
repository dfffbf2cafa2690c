-- SPDX-License-Identifier: MIT
--
-- A tool loop: asks, makes the calls that the model wants, and asks again with their results.  It
-- is the policy of a relay, so that all turns are one stream.  A session is the same with a history
-- that it keeps; what it wants to know or to change it does by hooks:
--
--   prepare(turns)               before every request
--   recover(turns, err, relay)   a request has failed; true: ask again
--   measured(turns, message, reply)  an answer is whole: its message, and what it was made of
--   ended(turns, relay)          the relay has ended

local errors = require("rill.errors")
local json = require("rill.json")
local loops = require("rill.loops")
local relay = require("rill.relay")
local tools = require("rill.tools")

local turns = {}

local MAX_TURNS = 8

local Turns = {}
Turns.__index = Turns

local NO_HOOKS = {
  prepare = function() end,
  recover = function() end,
  measured = function() end,
  ended = function() end,
}

-- Opens the stream of the next turn; nil and what is wrong with the request.
local function open(self)
  self.hooks:prepare(self)
  self.request.messages = self:transcript()
  local ok, inner = pcall(self.client.chat, self.client, self.request, self.callbacks)
  if ok then
    return inner
  elseif type(inner) ~= "string" then
    error(inner, 0)
  end
  return nil, (inner:gsub("^.-client:chat: ", ""))
end

--- All messages up to now, in a list of their own.
---@return table[]
function Turns:transcript()
  local list = {}
  for _, message in ipairs(self.history) do
    list[#list + 1] = message
  end
  for _, message in ipairs(self.added) do
    list[#list + 1] = message
  end
  return list
end

local function add_usage(total, usage)
  if not usage then
    return total
  end
  total = total or {}
  for name, count in pairs(usage) do
    if type(count) == "number" then
      total[name] = (total[name] or 0) + count
    end
  end
  return total
end

--- Adds to the reply of one turn what the run knows.
function Turns:decorate(run, reply)
  local usage = add_usage(nil, self.usage)
  if not run.is_between then -- else its usage is in the sum already
    usage = add_usage(usage, reply.usage)
  end
  reply.usage, reply.messages, reply.turns = usage, self:transcript(), run.turn
  return reply
end

-- Whether an answer is whole but for the arguments of a tool call, which are no JSON: that is for
-- the model to hear.
local function is_garbled(err)
  local partial = err.partial
  return err.kind == "interrupted" and partial.outcome == "truncated"
    and partial.finish_reason ~= nil and partial.tool_calls[1] ~= nil
end

-- The message of an answer.  What is no JSON in it cannot be sent back, nor can the calls of one
-- that was cut: nobody makes them, and a call without a result is refused with all that follows.
local function message_of(reply, garbled, decode)
  local message = reply:message()
  if garbled then
    message.native = nil
    for _, call in ipairs(message.tool_calls or {}) do
      local body = call["function"]
      if body and decode(body.arguments) == nil then
        body.arguments = "{}"
      end
    end
  elseif message.tool_calls and reply.outcome ~= "complete" then
    message.tool_calls, message.native = nil, nil
    message.content = message.content or ""
  end
  return message
end

-- A call without an id could not be answered.
local function add_ids(reply, turn)
  for i, call in ipairs(reply.tool_calls) do
    call.id = call.id or ("call_%d_%d"):format(turn, i - 1)
  end
end

local function limit_error(run, wanted)
  local what = wanted[1] and ("wants to call '%s'"):format(tostring(wanted[1].call.name))
    or "has not finished"
  return errors.new({
    kind = "limit", phase = "turns", attempts = #run:attempts(),
    message = ("the model %s in turn %d, the last one that max_turns allows")
      :format(what, run.turn),
  }, run.setup.secrets)
end

-- Adds an answer to the transcript.
local function add_answer(self, reply, garbled)
  local message = message_of(reply, garbled, self.codec.decode)
  self.added[#self.added + 1] = message
  self.hooks:measured(self, message, reply)
end

-- Takes in what a tool has given.
local function accept(self, run, item, result)
  local call = item.call
  if result.is_error then
    for _, name in ipairs({ "content", "error", "traceback" }) do
      if type(result[name]) == "string" then
        result[name] = errors.redact(result[name], run.setup.secrets)
      end
    end
  end
  self.results[item.place] = {
    role = "tool", tool_call_id = call.id, content = result.content,
  }
  self.running = self.running - 1
  run:push({
    type = "tool_result", index = item.index, id = call.id, name = call.name,
    content = result.content, is_error = result.is_error,
    error = result.error, traceback = result.traceback,
  })
end

-- Makes the calls of a turn, each in a coroutine of its own.
local function call_tools(self, run, wanted)
  self.running, self.results = #wanted, {}
  local function is_cancelled()
    return run.has_ended
  end
  for place, item in ipairs(wanted) do
    local context = {
      id = item.call.id, name = item.call.name, index = item.index, turn = run.turn,
      is_cancelled = is_cancelled,
    }
    item.place = place
    loops.spawn(function()
      if run.has_ended then
        return
      end
      local result = tools.call(self.tools, item.call, context, self.codec)
      if not run.has_ended then
        accept(self, run, item, result)
      end
    end, run.setup.loop)
  end
end

-- Anthropic stops so in the middle of what its own tools do, and goes on when asked again.
local function is_paused(reply)
  return reply.finish_reason == "pause_turn"
end

--- A turn has ended.
function Turns:after(run, reply, err)
  local garbled = err and is_garbled(err) or false
  reply = reply or err.partial
  self.usage = add_usage(self.usage, reply.usage)
  if err and not garbled then
    if run.is_closed or not self.hooks:recover(self, err, run) then
      run:fail(err)
    end
    return
  end
  add_ids(reply, run.turn)
  local wanted, is_ours = tools.wanted(self.tools, reply.tool_calls)
  local goes_on = (reply.outcome == "complete" or garbled) and (wanted[1] or is_paused(reply))
    and is_ours
  if garbled and not goes_on then
    return run:fail(err)
  elseif not goes_on then
    add_answer(self, reply)
    return run:finish(reply)
  elseif run.turn >= self.max_turns then
    reply.outcome = "truncated"
    return run:fail(limit_error(run, wanted), reply)
  end
  add_answer(self, reply, garbled)
  if not run.is_closed then
    call_tools(self, run, wanted)
  end
end

-- The results go into the transcript in the order of the calls, whichever came first.
local function begin_turn(self, run)
  for _, message in ipairs(self.results) do
    self.added[#self.added + 1] = message
  end
  if self.results[1] and self.request.tool_choice ~= "none" then
    self.request.tool_choice = nil -- a forced call would be forced for ever
  end
  self.results = nil
  run.turn = run.turn + 1
  run:push({ type = "turn" })
end

--- The tools run, or the next turn can begin.
function Turns:advance(run)
  if self.running > 0 then
    return "pending"
  elseif self.results then
    begin_turn(self, run)
  end
  local inner, problem = open(self)
  if run.has_ended then -- closed by a hook or a cache
    return inner and inner:close()
  elseif inner then
    return run:open(inner)
  end
  local partial = run.inner:partial()
  partial.outcome = "truncated"
  run:fail(errors.new({ kind = "config", message = problem, attempts = #run:attempts() },
    run.setup.secrets), partial)
end

function Turns:ended(run)
  self.hooks:ended(self, run)
end

local function problem_of_max_turns(max)
  if max ~= nil and not (type(max) == "number" and max >= 1 and max == math.floor(max)) then
    return "field 'max_turns' must be a positive whole number"
  end
end

--- What is wrong with the fields that a tool loop has beside those of a request.
---@param request any
---@return string? problem
function turns.problem(request)
  if type(request) ~= "table" then
    return "argument 1 must be a table { model = ..., messages = ... }, not a " .. type(request)
  elseif request.n ~= nil and request.n ~= 1 then
    return "field 'n' must be 1: a conversation goes on from one answer"
  end
  return problem_of_max_turns(request.max_turns)
    or (request.tools ~= nil and tools.problem(request.tools)) or nil
end

--- Starts a tool loop.
---@param client rill.Client
---@param request table fields that `turns.problem` has passed; `messages` is left out of account
---@param given table { history, added, hooks?, callbacks? }: the messages are those of both lists;
--  what the run adds goes to `added`
---@return rill.Relay?
---@return string? problem
function turns.start(client, request, given)
  local fields = {}
  for name, value in pairs(request) do
    fields[name] = value
  end
  fields.tools = request.tools and tools.wire(request.tools)
  fields.max_turns = nil
  local self = setmetatable({
    client = client,
    codec = client.json or json.default(),
    request = fields, -- `messages` are set before each turn
    tools = request.tools or {},
    max_turns = request.max_turns or MAX_TURNS,
    history = given.history,
    added = given.added,
    hooks = given.hooks or NO_HOOKS,
    usage = nil, -- of the turns that have ended, summed
    running = 0, -- tools that have not come to their end
    results = nil, -- while tools run: their messages, by place
    callbacks = given.callbacks, -- the relay's: only checked here
  }, Turns)
  local inner, problem = open(self)
  if not inner then
    return nil, problem
  end
  return relay.new(inner, self, given.callbacks)
end

--- What `client:run` does.
---@param client rill.Client
---@param request rill.RunRequest
---@param callbacks rill.Callbacks?
---@return rill.Relay?
---@return string? problem
function turns.run(client, request, callbacks)
  local problem = turns.problem(request)
    or require("rill.requests").problem(request, callbacks)
  if problem then
    return nil, problem
  end
  local history = {}
  for i, message in ipairs(request.messages) do
    history[i] = message
  end
  return turns.start(client, request, { history = history, added = {}, callbacks = callbacks })
end

return turns
