-- SPDX-License-Identifier: MIT
--
-- The answers of a Realtime connection and whose they are.  The server gives one at a time.  Those
-- that were asked for are known by a token that the server repeats in its metadata; one that does
-- not repeat it means the question that waits, unless it has just heard somebody speak.

local common = require("rill.providers.common")
local frames = require("rill.live.realtime_frames")
local items = require("rill.live.realtime_items")

local filled, sub = common.filled, common.sub

local answers = {}

--- What is known of the answers of a connection.
---@return table
function answers.new()
  return {
    asked = {}, -- by id of an event that was sent: the turn it belongs to
    waiting = nil, -- the turn whose request was sent and whose answer has not begun
    repeats = false, -- whether the server has repeated a token
    is_due = false, -- it will begin an answer by itself
    back = {}, -- requests that wait for the end of the answer in flight: { turn, frame }
    turns = {}, -- by id of an answer in flight: its turn, or false: nobody's
    current = nil, -- the id of the newest one in flight, and how it is said in a message
    needle = nil,
    ended = nil, -- the id of the one that ended last
  }
end

--- Notes that an event was sent for a turn.
---@param own table
---@param id string
---@param turn table
function answers.note(own, id, turn)
  own.asked[id] = turn
end

local function begin(own, turn, id)
  own.turns[id] = turn
  own.is_due = false
  own.current, own.needle = id, ("\"response_id\":\"%s\""):format(id)
  if turn then
    turn.response_id = id
  end
end

--- Makes an answer that the server has begun by itself that of a turn.
---@param own table
---@param turn table
---@param id string
function answers.adopt(own, turn, id)
  turn.ordinal = 0 -- nothing has to be sent for it
  begin(own, turn, id)
end

-- Whether another request can be sent.  One that was given up before the connection had room for
-- it has no answer.
local function is_free(own)
  local turn = own.waiting
  if turn and turn.is_dropped and not turn.ordinal then
    own.waiting = nil
  end
  return not own.current and not own.waiting
end

--- Asks for an answer, now or later.
---@param own table
---@param turn table
---@param frame string
---@return string? frame to be sent now
function answers.ask(own, turn, frame)
  own.asked[turn.token], turn.frame = turn, frame
  if own.back[1] or not is_free(own) then
    own.back[#own.back + 1] = { turn = turn, frame = frame }
    return nil
  end
  own.waiting = turn
  return frame
end

local function is_wanted(turn)
  local transfer = turn.held.transfer
  return not turn.is_dropped and transfer ~= nil and transfer:ending() == nil
end

local function forget(own, turn)
  if own.waiting == turn then
    own.waiting = nil
  end
  for id, one in pairs(own.asked) do
    if one == turn then
      own.asked[id] = nil
    end
  end
end

-- Sends the next request that had to wait.
local function go_on(own, link)
  while own.back[1] and is_free(own) do
    local item = table.remove(own.back, 1)
    if is_wanted(item.turn) then
      own.waiting = item.turn
      item.turn.ordinal = link:send(item.frame, item.turn)
    else
      forget(own, item.turn)
    end
  end
end

-- The turn that an answer is for; false: it was asked for, but by a turn that is gone; nil: the
-- server gives it by itself.
local function claimant(context, response)
  local own, turn = context.answers, nil
  local token = filled(sub(response.metadata).rill)
  if token then
    own.repeats = true
    turn = own.asked[token] or false
  elseif not own.is_due and not (own.repeats and context.begins_answers) then
    turn = own.waiting
  end
  if turn and own.waiting == turn then
    own.waiting = nil
  end
  return turn
end

-- An answer that nobody wants any more, or whose question was refused, could not be stopped before
-- it had begun: without its id that would have stopped another one.
local function stop_late(context, id)
  context.link:send(frames.encode(context, { type = "response.cancel", response_id = id }))
end

local function created(context, response)
  local own, id = context.answers, filled(response.id)
  local turn = claimant(context, response)
  context.played, context.newest, context.begun = nil, nil, id
  if not id then
    return turn or nil
  elseif turn == nil then
    begin(own, false, id)
    local session = context.held.session
    if session then
      session:answer_begun(id)
    end
  else
    begin(own, turn, id)
  end
  if turn == false or turn and turn.is_dropped then
    stop_late(context, id)
  end
  return own.turns[id] or nil
end

local function done(context, response)
  local own, id = context.answers, filled(response.id)
  local turn = own.turns[id or ""]
  if turn == nil and (not id or id ~= own.ended) then
    turn = claimant(context, response) -- its beginning was not told
  end
  if id then
    own.turns[id], own.ended = nil, id
  end
  if own.current == id then
    own.current, own.needle, own.is_due = nil, nil, false
  end
  if turn then
    forget(own, turn)
  end
  go_on(own, context.link)
  return turn or nil, true
end

--- Whose a piece of an answer is, without decoding it.
---@param own table
---@param kind string the type of the message
---@param payload string
---@return table|false|nil turn false: nobody's; nil: the message has to be looked into
function answers.of_delta(own, kind, payload)
  if own.needle and kind:find("^response%..*%.delta$") and payload:find(own.needle, 1, true) then
    return own.turns[own.current]
  end
end

--- Whether a message is about an answer.
---@param chunk table
---@return boolean
function answers.is_about(chunk)
  return type(chunk.type) == "string" and chunk.type:find("^response%.") ~= nil
end

--- Whose a message about an answer is, and whether it is the last one of its turn.
---@param context table
---@param chunk table
---@return table? turn
---@return boolean is_last
function answers.owner(context, chunk)
  local own = context.answers
  if chunk.type == "response.created" then
    return created(context, sub(chunk.response)), false
  elseif chunk.type == "response.done" then
    return done(context, sub(chunk.response))
  end
  local item = chunk.type == "response.output_item.added" and filled(sub(chunk.item).id)
  if item then -- not every server tells of it as part of the conversation, too
    items.note(context.items, item)
  end
  local id = filled(chunk.response_id)
  if id and own.turns[id] == nil and id ~= own.ended and own.waiting and not own.current then
    created(context, { id = id }) -- its beginning was not told
  end
  local turn = own.turns[id or own.current or ""]
  return turn or nil, false
end

--- Takes it that a request was refused because another answer is in flight: it is sent again when
--- that one has ended.
---@param context table
---@param said table the error, as the server says it
---@return boolean whether there is such a request
function answers.put_off(context, said)
  local own, id = context.answers, filled(said.event_id)
  local turn = own.waiting
  if said.code ~= "conversation_already_has_active_response" or not own.current or not turn
    or id and own.asked[id] ~= turn or not is_wanted(turn) then
    return false
  end
  own.waiting, turn.ordinal = nil, nil
  table.insert(own.back, 1, { turn = turn, frame = turn.frame })
  return true
end

-- What the server has refused, it does not know.
local function take_back(context, turn, id)
  local item = turn and turn.items and turn.items[id]
  if item then
    items.take_back(context.items, item)
  end
  context.is_unset = context.is_unset or id == frames.SETTINGS
end

--- The turn that an error is about: that of the event it names; and if it names none, the turn
--- that waits for its answer, if there is one.  An answer that has begun nonetheless is stopped, as
--- is one that begins later.
---@param context table
---@param said table the error, as the server says it
---@return table? turn
function answers.blame(context, said)
  local own, id = context.answers, filled(said.event_id)
  local turn
  if id then
    turn = own.asked[id]
    take_back(context, turn, id)
  elseif not own.current then
    turn = own.waiting
  end
  if turn then
    if turn.response_id and own.turns[turn.response_id] == turn then
      stop_late(context, turn.response_id)
    end
    forget(own, turn)
    go_on(own, context.link)
  end
  return turn
end

return answers
