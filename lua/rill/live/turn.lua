-- SPDX-License-Identifier: MIT
--
-- Stands in the place of a client for the tool loop of a live session: what it asks goes over the
-- session's connection, or over SSE where that has failed and the session may fall back.

local common = require("rill.providers.common")
local core = require("rill.core")
local errors = require("rill.errors")
local requests = require("rill.requests")
local sentinel = require("rill.sentinel")
local session = require("rill.session")
local stream = require("rill.stream")

---@class rill.Asker
local Asker = {}
Asker.__index = Asker

local turn = {}

--- Makes the asker of one conversation.
---@param given table { client, link, setup, profile, lane, fallback, timeout, limits }: setup and
--  profile of the streams; lane: its name or nil; fallback: a client that asks over SSE, or nil, by
--  these timeouts and limits
---@return rill.Asker
function turn.asker(given)
  return setmetatable({
    json = given.client.json, -- a tool loop looks for it in its client
    client = given.client,
    link = given.link,
    setup = given.setup,
    profile = given.profile,
    lane = given.lane,
    fallback = given.fallback,
    timeout = given.timeout,
    limits = given.limits,
    turn = nil, -- of a question: its turn that was asked for last
    asked_at = nil, -- when that was asked for first, by core.now
    has_repeated = nil, -- what was done once already for it: "again", "renew"
    is_fallen = false, -- it was asked over SSE, as will be what else belongs to it
  }, Asker)
end

--- The asker of one question, with all its turns.
---@return rill.Asker
function Asker:for_question()
  local own = setmetatable(common.copy(self), Asker)
  own.has_repeated = {}
  return own
end

-- Seconds since the turn was asked for first.
local function age_of(self)
  return self.asked_at and core.now() - self.asked_at or 0
end

local function over_socket(self, request, callbacks)
  local link = self.link
  link:connect()
  local asked = {
    request = request, lane = self.lane, is_dropped = false, fault = nil,
    held = setmetatable({}, { __mode = "v" }),
  }
  local frames, problem = link.dialect.ask(link.state, asked)
  if not frames then
    return nil, problem
  end
  local engine = core.engine()
  local transfer = engine:answer(self.profile, link.dialect.format, age_of(self),
    link.socket and link.socket:id())
  local made = stream.new(transfer, engine, self.setup, request, callbacks)
  made.link = link
  made.sentinel = sentinel(function()
    link:ring()
  end)
  asked.held.transfer, asked.held.stream = transfer, made
  self.turn, self.asked_at = asked, self.asked_at or core.now()
  link:add(asked, frames)
  return made
end

-- What a turn is asked with over SSE: the bounds are the session's there, too, as far as they are
-- not of the upgrade, and its time goes on.
local function over_sse(self, request)
  local copy = common.copy(request)
  local timeout = self.timeout
  copy.timeout = {
    first_output = timeout.first_output, idle = timeout.idle, progress = timeout.progress,
    total = timeout.total and math.max(timeout.total - age_of(self), 0.001),
  }
  copy.limits = self.limits
  return copy
end

--- Does what `client:chat` does.
---@param request rill.Request
---@param callbacks rill.Callbacks?
---@return rill.Stream
function Asker:chat(request, callbacks)
  if self.is_fallen then
    return self.fallback:chat(over_sse(self, request), callbacks)
  end
  local problem = requests.problem(request, callbacks, self.link.dialect.takes_nothing)
  local made
  if not problem then
    made, problem = over_socket(self, request, callbacks)
  end
  if not made then
    error("client:chat: " .. problem, 2)
  end
  return made
end

-- Whether an answer had begun, be it with a refusal or with sound: another one would follow on it.
local function had_output(asked)
  local transfer = asked.held.transfer
  return transfer ~= nil and transfer:stats().first_output ~= nil
end

-- What a failure of the connection is, that SSE may not have.
local function may_fall_back(self, asked, err)
  local fault = asked.fault
  return self.fallback ~= nil and fault ~= nil and fault.is_link and err.kind ~= "auth"
    and not had_output(asked)
end

local function fall_back(self, relay, err)
  local counts = self.link.counts
  counts.fallbacks = counts.fallbacks + 1
  self.is_fallen = true
  relay:push({
    type = "retry", attempt = #relay:attempts() + 1, delay = 0,
    reason = errors.redact("asked over SSE instead: " .. err.message, self.client.secrets),
  })
end

--- A turn has failed: whether it is to be asked for again.
---@param err rill.Error
---@param relay rill.Relay
---@return boolean
function Asker:recover(err, relay)
  local asked, link = self.turn, self.link
  if self.is_fallen or not asked then
    return false
  end
  link:settle()
  if link.is_closed or session.has_output(err.partial) then
    return false
  end
  local again = not asked.fault and link.dialect.again
    and link.dialect.again(link.state, asked, err)
  if again and not self.has_repeated[again] then
    self.has_repeated[again] = true
    return again == "again" or link:renew(asked)
  elseif link:may_resend(asked) then
    return true
  elseif may_fall_back(self, asked, err) then
    fall_back(self, relay, err)
    return true
  end
  return false
end

--- An answer is whole.
---@param message table
---@param reply rill.Reply
function Asker:answered(message, reply)
  local link = self.link
  self.asked_at = nil
  link:settle()
  local is_here = not self.is_fallen and self.turn.generation == link.generation
  if is_here and link.dialect.answered then
    link.dialect.answered(link.state, self.turn, message, reply)
  end
end

return turn
