-- SPDX-License-Identifier: MIT
--
-- The turns of a link that are in flight: which have ended, which nobody wants any more, whose a
-- message is.  The functions take the link; its fields are listed in link.lua.

local faults = require("rill.live.faults")
local loops = require("rill.loops")

local in_flight = {}

local function take_out(list, turn)
  for i, one in ipairs(list) do
    if one == turn then
      table.remove(list, i)
      break
    end
  end
end

local function remove(self, turn)
  loops.fed_by(turn.id, nil)
  take_out(self.turns, turn)
  if self.attached == turn then
    self.attached = nil
  end
  if self.stalled == turn then
    self.stalled = nil
  end
end

-- Whether the server has said its last word of a turn.
local function is_over(turn)
  local transfer, stream = turn.held.transfer, turn.held.stream
  local ending = transfer and transfer:ending()
  if ending == "done" or turn.has_all and (ending or not transfer) then
    return true
  elseif ending == "failed" then
    local failure = transfer:failure()
    return failure ~= nil and failure.kind == "api"
  end
  return ending == "closed" and stream ~= nil and stream.outcome == "provider_error"
end

-- A turn has its end.  Of an answer that was begun, an error need not be the last message.
local function conclude(self, turn)
  local transfer = turn.held.transfer
  self.losses, self.tried, self.said = 0, 0, nil
  remove(self, turn)
  if self.dialect.afterword and transfer and transfer:ending() ~= "done"
    and (transfer:stats().events or 0) > 1 then
    self.ended[#self.ended + 1] = turn
  end
end

-- Whether a message is the end of an answer that has ended by an error already.  Whatever comes
-- first after that error shows that no such end will follow.
local function is_afterword(self, payload)
  if not self.ended[1] then
    return false
  end
  local turn, is_its = self.dialect.afterword(self.state, payload, self.ended)
  take_out(self.ended, turn)
  return is_its
end

-- Whether nobody wants to hear of a turn any more.
local function is_given_up(turn)
  local transfer = turn.held.transfer
  return not transfer or not turn.held.stream or transfer:ending() ~= nil
end

-- Whether somebody waits for another turn than this one.
local function has_others(self, turn)
  for _, other in ipairs(self.turns) do
    if other ~= turn and not other.is_dropped and not is_over(other)
      and not is_given_up(other) then
      return true
    end
  end
  return false
end

--- The connection fails a turn.
---@param self rill.Link
---@param turn table
---@param fault table see faults.lua
---@param delivery "unsent"|"uncertain"|"delivered"
function in_flight.fail(self, turn, fault, delivery)
  local stream, transfer = turn.held.stream, turn.held.transfer
  if turn.is_dropped or not transfer or transfer:ending() then
    return
  end
  if transfer:stats().first_output then
    self.losses, self.tried = 0, 0
  end
  turn.fault = faults.of_turn(fault, delivery)
  if stream then
    stream.fault = turn.fault
  end
  transfer:finish(fault.ending, fault.kind, fault.phase, fault.message, fault.retryable)
  self.news[transfer:id()] = true
  loops.wake(transfer:id())
end

-- The server need not go on with a turn.
local function stop(self, turn)
  turn.is_dropped = true
  if turn.held.transfer then
    turn.held.transfer:close()
  end
  for i = #self.outbox, 1, -1 do
    if self.outbox[i].turn == turn then
      table.remove(self.outbox, i)
    end
  end
  if not turn.ordinal then -- it was never sent
    return remove(self, turn)
  end
  turn.frames = self.dialect.stop and self.dialect.stop(self.state, turn)
  for _, frame in ipairs(turn.frames or {}) do
    self:send(frame)
  end
end

--- Looks which turns have ended, and tells the server to stop those that were given up.
---@param self rill.Link
---@return boolean is_idle_talk whether all that can still come is of turns that nobody wants, and
--  that only the end of the connection stops
function in_flight.settle(self)
  local is_idle_talk = true
  for i = #self.turns, 1, -1 do
    local turn = self.turns[i]
    if not turn.is_dropped and is_over(turn) then
      conclude(self, turn)
    else
      if not turn.is_dropped and is_given_up(turn) then
        stop(self, turn)
      end
      is_idle_talk = is_idle_talk and turn.is_dropped and not turn.frames
    end
  end
  return is_idle_talk and #self.turns > 0
end

local function owner(self, payload)
  local dialect = self.dialect
  if dialect.owner then
    return dialect.owner(self.state, payload, self.turns)
  end
  return self.turns[1]
end

-- A turn whose reader is too slow holds the connection up, unless others wait for it too.
local function check_room(self, turn, transfer)
  if transfer:ending() or transfer:queued() <= self.buffer then
    self.stalled = nil
  elseif not has_others(self, turn) then
    self.stalled = turn
  else
    in_flight.fail(self, turn, faults.of_slow_reader(self.buffer), "delivered")
    stop(self, turn)
  end
end

-- A message of no turn.
local function note_stray(self, payload, may_explain)
  self.counts.strays = self.counts.strays + 1
  self.said = may_explain and faults.read_error(payload, self.decode) or self.said
end

--- Hands a message to its turn.
---@param self rill.Link
---@param payload string
function in_flight.route(self, payload)
  local turn, is_last = owner(self, payload)
  if turn and not turn.is_dropped and is_over(turn) then
    conclude(self, turn)
    turn = nil
  end
  if is_afterword(self, payload) or not turn then
    return note_stray(self, payload, turn ~= false)
  elseif turn.is_dropped then
    if is_last then
      remove(self, turn)
      self.ended[#self.ended + 1] = is_last == "perhaps" and turn or nil
    end
    return
  end
  turn.has_all = is_last
  local transfer = turn.held.transfer
  if transfer and transfer:feed(payload) then
    self.news[transfer:id()] = true
    check_room(self, turn, transfer)
  end
end

--- Whether a further message may be taken.
---@param self rill.Link
---@return boolean
function in_flight.has_room(self)
  local turn = self.stalled
  local transfer = turn and turn.held.transfer
  if transfer and not transfer:ending() then
    check_room(self, turn, transfer)
  else
    self.stalled = nil
  end
  return not self.stalled
end

--- The turn whose messages C may hand over: one that is alone.
---@param self rill.Link
---@return table? turn
function in_flight.alone(self)
  local only = #self.turns == 1 and self.turns[1]
  if not only or only.is_dropped or not only.ordinal or self.dialect.attaches == false
    or self.ended[1] or is_given_up(only) then
    return nil
  end
  return only
end

return in_flight
