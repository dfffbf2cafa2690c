-- SPDX-License-Identifier: MIT
--
-- The conversation of a Realtime session at the server, made the same as the messages here: what
-- the server lacks is created there, what is no longer among the messages is deleted.  Items that
-- the server has made itself, answers and what it heard, are known by their ids.

local frame_text = require("rill.live.frame_text")
local requests = require("rill.providers.realtime_request")

local items = {}

--- What is known of the server's items.
---@param expand fun(messages: table[]): table[]?, string? puts short forms of attachments into
--  parts
---@return table
function items.new(expand)
  return {
    expand = expand,
    ids = setmetatable({}, { __mode = "k" }), -- by message: the ids of its items
    present = {}, -- by id: whether the server has it
    count = 0, -- items that were created here, on any connection
  }
end

--- The connection is gone, and with it the conversation at the server.
---@param own table
function items.forget(own)
  own.ids = setmetatable({}, { __mode = "k" })
  own.present = {}
end

--- Notes that the server has an item.
---@param own table
---@param id string
---@param message table? of which it is
function items.note(own, id, message)
  own.present[id] = true
  if message then
    own.ids[message] = { id }
  end
end

--- Notes that a message is the server's already, under an id that is not known yet.
---@param own table
---@param message table
function items.expect(own, message)
  own.ids[message] = {}
end

--- Takes it that the server has refused an item that was created here.
---@param own table
---@param id string
function items.take_back(own, id)
  own.present[id] = nil
  for message, ids in pairs(own.ids) do
    for _, one in ipairs(ids) do
      if one == id then
        own.ids[message] = nil
      end
    end
  end
end

-- The ids of a message that the server has whole; nil if it has not.
local function known_ids(own, message)
  local native = message.native
  local ids = own.ids[message]
    or type(native) == "table" and native.format == "realtime" and native.items
  for _, id in ipairs(ids or {}) do
    if not own.present[id] then
      return nil
    end
  end
  return ids or nil
end

-- What the message is on the wire, at whatever place it stands.
local function wire_items(own, message, where)
  local problem
  if type(message.content) == "table" and own.expand then
    local whole
    whole, problem = own.expand({ message })
    message = whole and whole[1]
  end
  if not message then
    return nil, (problem:gsub("^messages%[1%]", where))
  end
  local list
  list, problem = requests.items(message, where)
  for _, item in ipairs(list or {}) do
    problem = problem or frame_text.problem_of(item, where)
  end
  return not problem and list or nil, problem
end

local function create(own, frames, message, where, previous)
  local list, problem = wire_items(own, message, where)
  if not list then
    return nil, problem
  end
  local ids = {}
  for i, item in ipairs(list) do
    own.count = own.count + 1
    item.id = ("rill_item_%d"):format(own.count)
    frames[#frames + 1] = {
      type = "conversation.item.create", previous_item_id = previous, item = item,
    }
    ids[i], previous = item.id, previous and item.id
  end
  return ids
end

-- Where the last message stands that the server has: what comes before it is put in its place,
-- what comes after it is put at the end, which needs no saying.
local function last_known(own, messages)
  for i = #messages, 1, -1 do
    local ids = known_ids(own, messages[i])
    if ids and ids[1] then
      return i
    end
  end
  return 0
end

-- The ids that the server has and that are not wanted.
local function unwanted(own, wanted)
  local list = {}
  for id in pairs(own.present) do
    if not wanted[id] then
      list[#list + 1] = id
    end
  end
  table.sort(list)
  return list
end

-- The server has been told.
local function note_all(own, made, gone)
  for _, id in ipairs(gone) do
    own.present[id] = nil
  end
  for _, one in ipairs(made) do
    own.ids[one.message] = one.ids
    for _, id in ipairs(one.ids) do
      own.present[id] = true
    end
  end
end

--- What makes the server's conversation the same as a list of messages.
---@param own table
---@param messages table[]
---@param first integer where in the list the conversation begins
---@param is_part boolean? the list is not all: what is not in it stays
---@return table[]? frames not encoded; nil if a message cannot be said
---@return function|string note_or_problem to be called once the frames will be sent
function items.sync(own, messages, first, is_part)
  local frames, wanted, made = {}, {}, {}
  local last, previous = last_known(own, messages), "root"
  for i = first, #messages do
    local message = messages[i]
    local ids, problem = known_ids(own, message), nil
    if not ids or wanted[ids[1]] then -- the server has it once, and that is an earlier message
      ids, problem = create(own, frames, message, ("messages[%d]"):format(i),
        i < last and previous or nil)
      made[#made + 1] = { message = message, ids = ids }
    end
    if not ids then
      return nil, problem
    end
    for _, id in ipairs(ids) do
      wanted[id], previous = true, id
    end
  end
  local gone = is_part and {} or unwanted(own, wanted)
  for _, id in ipairs(gone) do
    table.insert(frames, 1, { type = "conversation.item.delete", item_id = id })
  end
  return frames, function()
    note_all(own, made, gone)
  end
end

return items
