-- SPDX-License-Identifier: MIT
--
-- The connection of a live session: opens it, sends the turns, and moves what arrives to the turns
-- it belongs to.  Its pump never waits: whoever lets the engine progress calls it, by a waiter that
-- is parked for the socket.
--
-- A turn is one answer that is asked for, a table
--
--   request     the fields in OpenAI's form, with `messages`
--   lane        the name of its lane; nil: the conversation of the session itself
--   held        { stream, transfer }, weakly: who abandons a stream, abandons its turn
--   is_dropped  nobody wants to hear the rest of it, which still comes
--   has_all     its last message has come, as far as the dialect's `owner` tells
--   fault       set when the connection failed it: a failure, with `delivery`
--   id          that of its transfer
--   generation  that of its connection
--   ordinal     the place of its last frame among those the connection has taken; nil: it has not
--
-- What is said on the wire is for a dialect to know, a table of
--
--   name            as in the option `dialect`
--   format          that of `engine:answer`, by which C reads the messages of a turn
--   provider        what reads them in Lua, as rill/providers/NAME.lua does
--   discreet(secrets, codec)  another such, of a dialect that sends the key: it keeps the key out
--                   of raw messages, and by conceal(payload) out of those that it is not given to
--                   read; may be left out
--   fallback        the name of the provider that asks the same over SSE; nil: there is none
--   path            what is appended to the client's base_url; or url(base_url, options)
--   headers         of the upgrade, false takes one away; may be left out
--   options         a schema of its own options (see options.lua); may be left out
--   place_of(name)  where a name belongs that is no option; may be left out
--   has_lanes       whether several turns may be in flight on one connection
--   rotate_after    seconds after which an idle connection is replaced; nil: never
--   attaches        whether C may hand the messages to a turn that is alone; default true
--   takes_nothing   whether an answer may be asked for where nothing was said yet
--   new(context)    the state: what the other functions get first.  context: { client, key, codec,
--                   options, request, secrets, link, held }; held: { session }, weakly
--   problem(state)  what is wrong with the session's options, or nil; may be left out
--   ask(state, turn)         the frames that ask for it, a list; or nil and what cannot be said
--   hello(state)             the frames that every connection begins with; may be left out
--   stop(state, turn)        the frames by which the server stops; nil: only closing stops it
--   owner(state, payload, turns)  whose message that is, and whether it is its last one; nil:
--                            no turn's (the dialect has dealt with it); false: nor does it tell
--                            why a connection ends.  Where there are no lanes it may be left
--                            out: it is the first turn's.  "perhaps": it is an error, after
--                            which the last one may come
--   afterword(state, payload, ended)  of which turn that an error has ended nothing will come after
--                            this message, and whether this is its last one; may be left out
--   answered(state, turn, message, reply)  an answer is whole; may be left out
--   again(state, turn, err)  a turn has failed before any output: "again" on this connection,
--                            "renew" on another, nil not at all; may be left out
--   lost(state, fault)       the connection is gone, with what the server knew; may be left out.
--                            fault: why, unless we have ended it
--   extend(class)            adds methods to the class of its sessions; may be left out

local connection = require("rill.live.connection")
local core = require("rill.core")
local faults = require("rill.live.faults")
local in_flight = require("rill.live.in_flight")
local loops = require("rill.loops")
local sentinel = require("rill.sentinel")

---@class rill.Link
local Link = {}
Link.__index = Link

local link = {}

--- Makes a link; nothing is opened yet.
---@param given table { dialect, url, profile, spec, reconnect, rotate_after, buffer }: profile and
--  spec are those of `engine:connect`; reconnect: how many retries the profile allows; buffer: how
--  many bytes a turn may have unread
---@return rill.Link
function link.new(given)
  local parked = { id = false }
  local self = setmetatable({
    dialect = given.dialect,
    state = nil, -- the dialect's; set by who makes the link
    url = given.url,
    profile = given.profile,
    spec = given.spec,
    max_retries = given.reconnect,
    rotate_after = given.rotate_after,
    buffer = given.buffer,
    socket = nil, -- while there is a connection, or one is being opened
    parting = nil, -- the one before, while it says good-bye
    opened_at = nil, -- when it was open
    generation = 0, -- which connection it is
    sent = 0, -- frames that this socket has taken
    ended = {}, -- turns that an error has ended, and of which more may come
    turns = {}, -- in flight, in the order in which they were asked for
    outbox = {}, -- frames that the socket had no room for: { frame, turn }
    attached = nil, -- the turn whose messages C hands over by itself
    stalled = nil, -- the turn whose reader is too slow
    losses = 0, -- connections lost since a turn has had output
    counted = -1, -- the generation of the newest that was counted
    tried = 0, -- and further attempts that it took to open them
    said = nil, -- an error of the server's that belongs to no turn, and may explain the end
    news = {}, -- transfers that have got something, by id, until their readers are woken
    waiter = nil, -- that is parked for the socket
    parked = parked, -- by which id
    sentinel = sentinel(function() -- a socket that is collected wakes nobody
      loops.forget(parked.id)
    end),
    is_parked = false,
    is_worn = false, -- the server takes no more on this connection
    is_pumping = false, -- a dialect that begins a turn by itself comes here again
    is_closed = false,
    bell = nil, -- for those who have no answer to wait for: rung when the connection is open or
    -- lost, and when a dialect has something to say by itself
    counts = { connections = 0, reconnects = 0, rotations = 0, retries = 0, turns = 0,
      fallbacks = 0, strays = 0, bytes_in = 0, bytes_out = 0 },
  }, Link)
  self.bell = loops.bell(self, Link.abandon)
  return self
end

---------------------------------------------------------------------------------------------------
-- The connection

--- Has the pump look for news with the next step of the engine.
function Link:ring()
  if self.socket then
    self.socket:wake(0)
  end
end

-- Hears what has come, and lets a connection go that is too old or will not take anything.
local function refresh(self)
  if self.socket then
    loops.turn(core.engine())
    self:pump()
    self:settle()
  end
  local socket = self.socket
  if not socket then
    return
  end
  local state = socket:state()
  if state == "closing" or state == "ended" then
    self.parting = socket
    connection.lost(self)
  elseif #self.turns == 0 and connection.is_too_old(self) then
    self.counts.rotations = self.counts.rotations + 1
    connection.retire(self)
  end
end

--- The server takes no more on a turn's connection: the next one gets another, unless others still
--- have their answers from it.
---@param turn table
---@return boolean whether there will be another one now
function Link:renew(turn)
  if turn.generation ~= self.generation then
    return true -- it is gone already
  end
  self.is_worn = true
  return #self.turns == 0
end

--- Opens the connection if there is none.
function Link:connect()
  if self.is_pumping then -- there is one: something has just come over it
    return
  end
  refresh(self)
  if not self.socket then
    connection.open(self)
  end
end

---------------------------------------------------------------------------------------------------
-- Sending

--- Sends a frame, or keeps it until there is room.
---@param frame string
---@param turn table? whose it is
function Link:send(frame, turn)
  if not self.outbox[1] and self.socket and self.socket:send(frame) then
    self.sent = self.sent + 1
    return self.sent
  end
  self.outbox[#self.outbox + 1] = { frame = frame, turn = turn }
end

--- Sends a frame if there is room for it now; it is no turn's.
---@param frame string
---@return boolean? sent false: there is no room; nil: the connection is closing
function Link:offer(frame)
  if self.outbox[1] then
    return false
  end
  local sent = self.socket:send(frame)
  if sent then
    self.sent = self.sent + 1
  end
  return sent
end

local function flush(self)
  while self.outbox[1] and self.socket:send(self.outbox[1].frame) do
    local item = table.remove(self.outbox, 1)
    self.sent = self.sent + 1
    if item.turn then
      item.turn.ordinal = self.sent
    end
  end
end

--- Asks for a turn whose frames the dialect has made.
---@param turn table
---@param frames string[]
function Link:add(turn, frames)
  self.counts.turns = self.counts.turns + 1
  self.turns[#self.turns + 1] = turn
  local transfer = turn.held.transfer
  turn.generation, turn.id = self.generation, transfer:id()
  loops.fed_by(turn.id, self)
  if not self.opened_at then
    transfer:rest(true) -- the answer's clocks are not the connection's
  end
  for _, frame in ipairs(frames) do
    turn.ordinal = self:send(frame, turn)
  end
  self:pump()
end

---------------------------------------------------------------------------------------------------
-- Receiving

-- C hands over the messages of a turn that is alone: nothing of another one can come, and nothing
-- waits to be taken.
local function arrange(self)
  local wanted = in_flight.alone(self)
  if self.attached ~= wanted then
    self.attached = wanted
    self.socket:attach(wanted and wanted.held.transfer or nil)
  end
end

-- The turns that wait for the connection are told of a further attempt to have it.
local function tell_retry(self, attempt, delay, reason)
  self.counts.retries = self.counts.retries + 1
  for _, turn in ipairs(self.turns) do
    local stream = turn.held.stream
    if stream and not turn.is_dropped then
      stream:interject({ type = "retry", attempt = attempt, delay = delay, reason = reason })
      self.news[stream.id] = true
    end
  end
end

local function refuse_binary(self)
  self.parting = self.socket
  self.socket:close(1003)
  connection.fail(self, faults.of_binary())
end

-- From here on the server may answer: the clocks of the turns begin.
local function begin(self, socket)
  self.opened_at = core.now()
  self.tried = self.tried + #socket:attempts() - 1
  for _, turn in ipairs(self.turns) do
    if turn.held.transfer then
      turn.held.transfer:rest(false)
    end
  end
  loops.wake(self.bell)
end

-- Takes one item; gives whether there may be more.
local function take(self, socket)
  local kind, first, second, third = socket:take()
  if kind == "text" then
    in_flight.route(self, first)
  elseif kind == "open" then
    begin(self, socket)
  elseif kind == "retry" then
    tell_retry(self, first, second, third)
  elseif kind == "binary" then
    refuse_binary(self)
  elseif first == "pending" then
    flush(self)
    self:settle()
    if self.socket then
      arrange(self)
    end
  else
    self:settle()
    if self.socket then
      connection.lost(self)
    end
  end
  return kind ~= nil
end

local function take_all(self, socket)
  local goes_on = true
  while goes_on and self.socket == socket and in_flight.has_room(self) do
    goes_on = take(self, socket)
  end
end

--- Moves what has arrived to the turns.  Never waits and never yields.  Raises where memory runs
--- out: a message may be lost then, so that the connection has to go.
---@param id integer? a transfer's
---@return boolean whether there are news for that transfer
function Link:pump(id)
  local socket = self.socket
  if self.is_pumping then
    return false
  elseif socket then
    connection.park(self)
    self.is_pumping = true
    local ok, problem = pcall(take_all, self, socket)
    self.is_pumping = false
    if not ok then
      socket:drop() -- the next pump hears of that, and fails the turns
      error(problem, 0)
    end
  end
  local news = self.news
  if next(news) == nil then
    return false
  end
  self.news = {}
  for number in pairs(news) do
    loops.wake(number)
  end
  return news[id] or false
end

--- The same for a stream that is about to wait.  What C hands over by itself is in its transfer
--- already, and of anything else the socket tells while it is waited for.
---@param id integer
---@return boolean
function Link:has_news(id)
  if self.attached and self.is_parked and next(self.news) == nil then
    return false
  end
  return self:pump(id)
end

--- Looks which turns have ended, and tells the server to stop those that were given up.
function Link:settle()
  if in_flight.settle(self) and self.socket then
    connection.drop(self)
  end
end

-- Whether the loss of a connection leaves an attempt to have another.  It is counted once, however
-- many turns it took along.
local function may_lose(self, generation)
  if generation <= self.counted then
    return true
  elseif self.losses + self.tried >= self.max_retries then
    return false
  end
  self.losses, self.counted = self.losses + 1, generation
  return true
end

--- Whether a turn that failed before any output may be sent once more; counts the loss.
---@param turn table
---@return boolean
function Link:may_resend(turn)
  local fault = turn.fault
  if not fault or fault.delivery ~= "unsent" or not fault.is_recoverable then
    return false
  end
  return may_lose(self, turn.generation)
end

---------------------------------------------------------------------------------------------------
-- The end

--- Begins the closing handshake; gives the socket that is closing, if there is one.
---@return rill.Socket?
function Link:close()
  self.is_closed = true
  local socket = self.socket or self.parting
  connection.retire(self)
  return socket
end

--- Whoever waited for the connection, or for what the server may say by itself, was killed.  Unless
--- somebody has an answer from it, the connection goes; the next question opens another.
function Link:abandon()
  self:settle()
  for _, turn in ipairs(self.turns) do
    if not turn.is_dropped then
      return
    end
  end
  if self.socket then
    self.socket:drop() -- the pump hears of that
  end
end

--- The connection goes at once.
function Link:drop()
  self.is_closed = true
  if self.socket then
    connection.drop(self)
  end
end

return link
