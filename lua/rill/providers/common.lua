-- SPDX-License-Identifier: MIT
--
-- What the wire formats have in common: readers that take a value of any shape, and the wording of
-- what a format cannot say.  Pure.

local common = {}

--- The value if it is a string with something in it.
---@param value any
---@return string?
function common.filled(value)
  return type(value) == "string" and value ~= "" and value or nil
end

--- The value if it is a whole number from 0 on.
---@param value any
---@return integer?
function common.whole(value)
  if type(value) == "number" and value >= 0 and value < 2^53 then
    return (math.floor(value))
  end
end

--- The value if it is a table, else an empty one: what is looked up in it may not be there.
---@param value any
---@return table
function common.sub(value)
  return type(value) == "table" and value or {}
end

--- Adds a value to a list, unless it is nil.
-- Never `list[#list + 1] = nil`: compiled by LuaJIT 2.1 as Debian 12 has it, the length is wrong
-- afterwards, and the next value but one overwrites the next (spec/regress/004).
---@param list table
---@param value any
function common.add(list, value)
  if value ~= nil then
    list[#list + 1] = value
  end
end

--- Adds an event of a choice to a list.
---@param events rill.Event[]
---@param choice integer? nil where there is only one
---@param event rill.Event
function common.put(events, choice, event)
  event.choice = choice
  events[#events + 1] = event
end

--- Marks the events of a chunk with it; a chunk that says nothing is an `other`.
---@param events rill.Event[]
---@param chunk table
---@return rill.Event[] events never empty
function common.with_raw(events, chunk)
  if not events[1] then
    events[1] = { type = "other" }
  end
  for i = 1, #events do
    events[i].raw = chunk
  end
  return events
end

--- Reads a chunk whose `type` says what it is.
---@param provider table its `identify` gives the `start` event
---@param readers table<string, fun(events: rill.Event[], chunk: table, state: table)> by type
---@param chunk table
---@param state table
---@return rill.Event[] events each with `raw`; never empty
function common.read_by_type(provider, readers, chunk, state)
  local events = {}
  common.add(events, provider.identify(chunk, state))
  local read = readers[chunk.type]
  if read then
    read(events, chunk, state)
  end
  return common.with_raw(events, chunk)
end

local FINISH_REASONS = { completed = "stop", max_output_tokens = "length" }

--- The status of a response, or the reason why it is incomplete, in the words that all formats
--- share.
---@param word string
---@return string
function common.reason_of_response(word)
  return FINISH_REASONS[word] or word
end

--- Notes who answers; gives the `start` event if it was not given yet.
---@param state table
---@param id any
---@param model any
---@return rill.Event?
function common.start(state, id, model)
  state.id = state.id or common.filled(id)
  state.model = state.model or common.filled(model)
  if not state.started and (state.id or state.model) then
    state.started = true
    return { type = "start", id = state.id, model = state.model }
  end
end

--- Media type and base64 text of a data URL; nil if the URL is none.
---@param url any
---@return string? media_type
---@return string? base64
function common.data_url(url)
  if type(url) ~= "string" then
    return nil
  end
  return url:match("^data:([^;,]+)[^,]*;base64,(.*)$")
end

--- A copy of a table, one level deep.
---@param value table
---@return table
function common.copy(value)
  local copy = {}
  for name, member in pairs(value) do
    copy[name] = member
  end
  return copy
end

--- What is said of a field that a format has no words for.
---@param field string such as "seed" or "messages[2].content[1]"
---@param format string
---@param instead string? what to do
---@return string
function common.cannot(field, format, instead)
  return ("field '%s' cannot be said in the %s format%s"):format(field, format,
    instead and ": " .. instead or "; what only this provider knows goes into `extra`")
end

--- Reads a list of models.
---@param list any
---@param read fun(model: table): table? one model; nil: it is none
---@return table[]? models nil: it is no list
function common.read_models(list, read)
  if type(list) ~= "table" then
    return nil
  end
  local models = {}
  for _, model in ipairs(list) do
    common.add(models, read(common.sub(model)))
  end
  return models
end

--- The text of a message's content: a string, or the texts of its parts, one after the other.
---@param content any
---@return string
function common.text_of(content)
  if type(content) ~= "table" then
    return common.filled(content) or ""
  end
  local texts = {}
  for _, part in ipairs(content) do
    common.add(texts, common.filled(common.sub(part).text))
  end
  return table.concat(texts)
end

return common
