-- SPDX-License-Identifier: MIT
--
-- Live sessions: a conversation over one WebSocket.  History, trimming and tools are those of
-- rill.session; what it asks goes through an asker (live/turn.lua) over a link (live/link.lua), in
-- the words of a dialect.

local alarm = require("rill.alarm")
local client = require("rill.client")
local common = require("rill.providers.common")
local core = require("rill.core")
local errors = require("rill.errors")
local link = require("rill.live.link")
local loops = require("rill.loops")
local session = require("rill.session")
local settings = require("rill.live.settings")
local turn = require("rill.live.turn")

local live = {}

---------------------------------------------------------------------------------------------------
-- What a conversation over a socket does otherwise

local hooks = setmetatable({}, { __index = session.class.hooks })
hooks.__index = hooks

function hooks:recover(run, err, relay)
  return session.class.hooks.recover(self, run, err) or run.client:recover(err, relay)
end

function hooks:measured(run, message, reply)
  session.class.hooks.measured(self, run, message, reply)
  run.client:answered(message, reply)
end

-- Of an answer that was interrupted the question stays, what tools have said, and what was heard.
function hooks:kept_of_failed(run)
  local heard = self.session.heard
  if not heard then
    return session.class.hooks.kept_of_failed(self, run)
  end
  local kept = {}
  for i, message in ipairs(run.added) do
    kept[i] = message
  end
  while kept[1] and kept[#kept].tool_calls do -- nobody has answered them
    kept[#kept] = nil
  end
  if heard ~= "" then
    kept[#kept + 1] = {
      role = "assistant", content = heard, native = { format = "live", interrupted = true },
    }
  end
  return kept
end

function hooks:ended(run, relay)
  session.class.hooks.ended(self, run, relay)
  self.session.client.link:settle()
end

---------------------------------------------------------------------------------------------------
-- Conversations

---@class rill.Lane: rill.Session
local Lane = setmetatable({ __name = "rill.live" }, { __index = session.class })
Lane.__index = Lane
Lane.hooks = hooks
Lane.way_out = "call session:interrupt()"
Lane.heard = nil -- while it is interrupted: what was heard of the answer
Lane.name = nil -- of a lane

function Lane:asker()
  return self.client:for_question()
end

--- Says something; the answer comes as a stream, of all turns where there are tools.
-- Otherwise as Session:ask.
---@param question string|table a text, a list of parts, a message, or a list of messages
---@param callbacks rill.Callbacks? called by `stream:run()`
---@return rill.Stream
function Lane:say(question, callbacks)
  if self.client.link.is_closed then
    error("session:say: the session is closed", 2)
  end
  local stream, problem = session.ask(self, question, callbacks)
  if not stream then
    error("session:say: " .. problem, 2)
  end
  stream.lane = self.name
  self:began(stream)
  return stream
end

--- A stream was made; for the dialects that have to look after it.
function Lane.began()
end

Lane.ask = Lane.say

--- Interrupts the answer that is coming, if there is one: its stream ends as cancelled, the server
--- is told to stop, and what was heard stays in the history.  One that has arrived whole is
--- complete by then, however little of it was read, and stays so.
---@return boolean whether there was one
function Lane:interrupt()
  local stream = session.running(self)[1]
  if not stream then
    return false
  end
  self.heard = stream:given()
  stream:close()
  self.heard = nil
  return true
end

function Lane:__tostring()
  local what = self.name and " lane " .. self.name or ""
  return ("rill.live: %s%s, %s, %d messages"):format(self.defaults.model, what,
    self.client.link.dialect.name, #self.messages)
end

---@class rill.LiveSession: rill.Lane
local Live = setmetatable({ __name = "rill.live" }, { __index = Lane })
Live.__index = Live
Live.__tostring = Lane.__tostring

local function new_asker(self, name)
  local read = self.read
  return turn.asker({
    client = self.base, link = self.link, setup = self.setup, profile = read.stream_profile,
    lane = name, fallback = self.fallback, timeout = read.timeout, limits = read.own.limits,
  })
end

local LANE_NAME = "^[%w_.-]+$"

local function problem_of_lane(self, name, options)
  if not self.link.dialect.has_lanes then
    return ("the dialect '%s' has no lanes"):format(self.link.dialect.name)
  elseif type(name) ~= "string" or #name > 256 or not name:find(LANE_NAME) then
    return "argument 1 must be 1 to 256 letters, digits, '_', '.' and '-'"
  elseif options == nil then
    return nil
  end
  return settings.problem_of_lane(options, self.link.dialect, self.fallback ~= nil)
    or self.lanes[name] and ("the lane '%s' has its options already: ask for it by its name alone, "
      .. "or give the options where it is asked for first"):format(name) or nil
end

local function new_lane(self, name, options)
  local merged = common.copy(self.read.rest)
  merged.messages = nil
  for field, value in pairs(options or {}) do
    merged[field] = value
  end
  return session.new(new_asker(self, name), merged, Lane)
end

--- A further conversation over the same connection, with a history of its own.  Asked for by the
--- same name it is the same one, with the options that it was made with: others raise then.
---@param name string 1 to 256 letters, digits, "_", "." and "-"
---@param options rill.SessionOptions? in place of the session's, where it is asked for first
---@return rill.Lane
function Live:lane(name, options)
  local problem = problem_of_lane(self, name, options)
  local lane = not problem and self.lanes[name]
  if not problem and not lane then
    lane, problem = new_lane(self, name, options)
  end
  if not lane then
    error("session:lane: " .. problem, 2)
  end
  lane.name = name
  self.lanes[name] = lane
  return lane
end

--- Opens the connection now, for those who do not want to wait for it with the first question.
---@param seconds number? how long to wait at most; nil: until it is open or has failed
---@return boolean? is_open
---@return rill.Error|"timeout"|nil err
function Live:connect(seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("session:connect: argument 1 must be a number of seconds that is not negative", 2)
  elseif self.link.is_closed then
    error("session:connect: the session is closed", 2)
  end
  local own = self.link
  own:connect()
  local socket = own.socket
  -- Not for the socket itself: a host that kills who waits would drop that, whoever else waits for
  -- an answer.
  alarm.await(own.bell, seconds, function()
    return socket:state() ~= "connecting"
  end, self.setup.loop)
  own:pump()
  if socket:state() == "open" then
    return true
  elseif socket:state() == "connecting" then
    return nil, "timeout"
  end
  return nil, errors.from_failure(socket:failure()
    or { kind = "interrupted", message = "the connection was closed", retryable = true }, {
    secrets = self.setup.secrets, decode = self.setup.json.decode, timeout = self.read.timeout,
    attempts = #socket:attempts(), stats = socket:stats(),
  })
end

local function close_streams(self)
  self:interrupt()
  for _, lane in pairs(self.lanes) do
    lane:interrupt()
  end
end

--- Ends the session: answers that are coming end as cancelled, and the connection is closed with a
--- closing handshake, for which this waits at most `close_timeout`.
--- Closing twice does nothing.
function Live:close()
  if self.link.is_closed then
    return
  end
  close_streams(self)
  local socket = self.link:close()
  local engine = core.engine()
  while socket and socket:state() ~= "ended" do
    loops.wait(engine, socket:id(), self.setup.loop)
  end
end

--- The connection goes at once; nothing is waited for.
function Live:__close()
  close_streams(self)
  self.link:drop()
end

--- What the session has measured; see rill.LiveMetrics.
---@return rill.LiveMetrics
function Live:metrics()
  local own, metrics = self.link, common.copy(self.link.counts)
  local stats = own.socket and own.socket:stats() or {}
  metrics.bytes_in = metrics.bytes_in + (stats.bytes_in or 0)
  metrics.bytes_out = metrics.bytes_out + (stats.bytes_out or 0)
  metrics.round_trip = stats.round_trip
  metrics.state = own.socket and own.socket:state() or "none"
  return metrics
end

---------------------------------------------------------------------------------------------------
-- Making one

local classes = {} -- by dialect, of those that have methods of their own

local function class_of(dialect)
  if not dialect.extend then
    return Live
  elseif not classes[dialect.name] then
    local class = { __name = Live.__name, __tostring = Lane.__tostring, __close = Live.__close }
    class.__index = class
    classes[dialect.name] = setmetatable(class, { __index = Live })
    dialect.extend(class)
  end
  return classes[dialect.name]
end

local function make_setup(base, read)
  local _, _, shared = client.prepare(base, {})
  local setup = common.copy(shared)
  local discreet = read.dialect.discreet
  setup.provider = discreet and discreet(read.secrets, setup.json) or read.dialect.provider
  setup.secrets, setup.timeout = read.secrets, read.timeout
  setup.malformed, setup.event_class = read.malformed, nil
  return setup
end

--- Makes a live session.
---@param base rill.Client
---@param given rill.LiveOptions
---@return rill.LiveSession?
---@return string? problem
function live.new(base, given)
  local read, problem = settings.read(base, given)
  if not read then
    return nil, problem
  end
  local setup, own = make_setup(base, read), link.new(read)
  own.decode = setup.json.decode
  local held = setmetatable({}, { __mode = "v" })
  local self = {
    base = base, read = read, setup = setup, link = own,
    fallback = read.own.fallback and client.with_provider(base, read.dialect.fallback) or nil,
    lanes = {}, -- by name
  }
  own.state = read.dialect.new({
    client = base, codec = setup.json, options = read.own, request = read.rest, link = own,
    accepts_usage = base.accepts_usage, secrets = read.secrets, held = held,
    key = function()
      return client.key(base)
    end,
  })
  local made
  made, problem = session.new(new_asker(self), read.rest, class_of(read.dialect))
  problem = problem or read.dialect.problem and read.dialect.problem(own.state, made.defaults)
  if problem then
    return nil, problem
  end
  held.session = made
  for name, value in pairs(self) do
    made[name] = value
  end
  return made
end

return live
