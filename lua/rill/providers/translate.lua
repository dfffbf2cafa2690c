-- SPDX-License-Identifier: MIT
--
-- What the formats need alike to put messages and tools into their own words.
-- Functions that may meet something a format cannot say give a problem that names it.  Pure.

local common = require("rill.providers.common")

local filled, sub, cannot = common.filled, common.sub, common.cannot

local translate = {}

local function sorted_names(value)
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

--- Whether a table has members besides those that are known.
---@param value table
---@param known table<string, boolean>
---@param where string? what a problem calls the table; nil: the request itself
---@param format string
---@return string? problem names the first that is not known
function translate.only(value, known, where, format)
  for _, name in ipairs(sorted_names(value)) do
    if not known[name] then
      return cannot((where and where .. "." or "") .. name, format)
    end
  end
end

-- What stands in a part beside its type is called like the type, and has these members.
local INNER = {
  image_url = { url = true, detail = true },
  input_audio = { data = true, format = true },
  file = { file_data = true, file_url = true, file_id = true, filename = true },
}

--- Whether there is something in a part of a content that a format does not know.
---@param part any
---@param where string
---@param format string
---@param more? string one more name that is known
---@return string? problem
function translate.check_part(part, where, format, more)
  part = sub(part)
  local kind = filled(part.type) or "text"
  local inner = INNER[kind]
  return translate.only(part, { type = true, [kind] = true, [more or kind] = true }, where, format)
    or inner and translate.only(sub(part[kind]), inner, where .. "." .. kind, format) or nil
end

local FUNCTION = { name = true, description = true, parameters = true, strict = true }

--- Whether there is something in a function that a format does not know, or no name.
---@param tool any { type, function = { name, description?, parameters?, strict? } }
---@param where string
---@param format string
---@param more? string one more name that is known, there and in the function
---@return string? problem
function translate.check_function(tool, where, format, more)
  local wire, known = sub(sub(tool)["function"]), FUNCTION
  if not filled(wire.name) then
    return where .. ".function.name must be a string"
  elseif more then
    known = common.copy(FUNCTION)
    known[more] = true
  end
  return translate.only(tool, { type = true, ["function"] = true, [more or "type"] = true }, where,
    format) or translate.only(wire, known, where .. ".function", format)
end

--- A function as newer formats of OpenAI's have it: not wrapped into a table of its own.
---@param tool table { type, function = { name, description?, parameters?, strict? } }
---@param where string
---@param format string
---@return table? flat { type, name, description, parameters }
---@return string? problem
function translate.flat_function(tool, where, format)
  local problem, fn = translate.check_function(tool, where, format), tool["function"]
  if problem then
    return nil, problem
  end
  return {
    type = "function", name = fn.name, description = fn.description,
    parameters = fn.parameters or { type = "object", properties = {} },
  }
end

--- A picture as those formats have it.
---@param part table { type, image_url = { url, detail? } or the URL }
---@param where string
---@return table? flat { type, image_url, detail }
---@return string? problem
function translate.flat_image(part, where)
  local image = type(part.image_url) == "string" and { url = part.image_url } or sub(part.image_url)
  if not filled(image.url) then
    return nil, where .. ".image_url.url must be a string"
  end
  return { type = "input_image", image_url = image.url, detail = image.detail }
end

--- Whether there is something in a request for embeddings that a format does not know.
---@param request table
---@param known table<string, boolean>
---@param format string
---@return string? problem
function translate.check_embed(request, known, format)
  local problem = translate.only(request, known, nil, format)
  if not problem and (request.encoding_format or "float") ~= "float" then
    problem = cannot("encoding_format", format, "it gives floats")
  end
  return problem
end

local JSON_SCHEMA = { name = true, description = true, schema = true, strict = true }

--- Whether there is something in a response_format that a format does not know.
---@param value any
---@param format string
---@return string? problem
function translate.check_response_format(value, format)
  local where = "response_format"
  return translate.only(sub(value), { type = true, json_schema = true }, where, format)
    or translate.only(sub(sub(value).json_schema), JSON_SCHEMA, where .. ".json_schema", format)
end

-- What a message may have: rill's own notes beside the fields that are translated.
local MESSAGE = {
  role = true, content = true, tool_calls = true, tool_call_id = true, native = true,
  reasoning = true, reasoning_content = true, reasoning_details = true, refusal = true,
  annotations = true, citations = true,
}

--- Whether there is something in a message that a format does not know.
---@param message any
---@param where string
---@param format string
---@param more? table<string, boolean> further names that are known
---@return string? problem
function translate.check_message(message, where, format, more)
  if type(message) ~= "table" then
    return where .. " must be a table with role and content"
  end
  for _, name in ipairs(sorted_names(message)) do
    -- The name in a result is the function's, which the id of its call says as well.
    local is_known = MESSAGE[name] or more and more[name]
      or name == "name" and message.role == "tool"
    if not is_known then
      return cannot(where .. "." .. name, format)
    end
  end
end

--- The arguments of a tool call, as an object.
---@param call any { type?, function = { name, arguments } }
---@param where string
---@param format string
---@param decode fun(text: string): any
---@return table? arguments
---@return string? problem
function translate.arguments(call, where, format, decode)
  local kind = sub(call).type
  if kind ~= nil and kind ~= "function" then
    return nil, cannot(("%s.type = %q"):format(where, tostring(kind)), format)
  end
  local wire = sub(sub(call)["function"])
  if not filled(wire.name) then
    return nil, where .. ".function.name is missing"
  end
  local text = wire.arguments
  if type(text) == "table" then
    return text
  elseif not filled(text) or not text:find("%S") then
    return {}
  end
  local value = decode(text)
  if type(value) ~= "table" or value[1] ~= nil then
    return nil, where .. ".function.arguments is not a JSON object"
  end
  return value
end

--- The text of a content that may have nothing but text in it.
---@param content any
---@param where string
---@param format string
---@return string? text
---@return string? problem
function translate.text(content, where, format)
  if type(content) ~= "table" then
    return filled(content) or ""
  end
  for i, part in ipairs(content) do
    local place = ("%s.content[%d]"):format(where, i)
    if type(sub(part).text) ~= "string" then
      return nil, cannot(place, format, "only text can stand there")
    end
    local problem = translate.check_part(part, place, format)
    if problem then
      return nil, problem
    end
  end
  return common.text_of(content)
end

--- The schema of a response_format, with the description that stands beside it.
---@param value table { type = "json_schema", json_schema = { schema, description? } }
---@return table? schema nil if there is none
function translate.schema(value)
  local wrapped = sub(value.json_schema)
  local schema = wrapped.schema
  if type(schema) ~= "table" or schema.description ~= nil or wrapped.description == nil then
    return type(schema) == "table" and schema or nil
  end
  schema = common.copy(schema)
  schema.description = wrapped.description
  return schema
end

--- Texts that end an answer, as a list.
---@param value string|string[]
---@return string[]
function translate.list(value)
  return type(value) == "table" and value or { value }
end

--- Notes which function each call of an assistant message is of, for the results that follow.
---@param names table<string, string> by id of the call
---@param message table
function translate.note_calls(names, message)
  for _, call in ipairs(sub(message.tool_calls)) do
    local id = filled(sub(call).id)
    if id then
      names[id] = filled(sub(call["function"]).name)
    end
  end
end

--- The function that a tool message is the result of.
---@param names table<string, string> from `note_calls`
---@param message table
---@param where string
---@return string? name
---@return string? problem
function translate.name_of_result(names, message, where)
  local name = names[message.tool_call_id or ""]
  if name then
    return name
  end
  return nil, ("%s.tool_call_id %q names no tool call of a message before it"):format(where,
    tostring(message.tool_call_id))
end

--- The tools of a request, each translated.
---@param tools any
---@param translate_one fun(tool: table, where: string): table?, string? nil and no problem: it goes
--  as it is, a tool of the vendor's in its own form
---@return table[]? list
---@return string? problem
function translate.tools(tools, translate_one)
  if type(tools) ~= "table" then
    return nil, "tools must be a list"
  end
  local list = {}
  for i, tool in ipairs(tools) do
    local translated, problem = translate_one(sub(tool), ("tools[%d]"):format(i))
    if problem then
      return nil, problem
    end
    list[i] = translated or tool
  end
  return list
end

--- The parts of a content, each translated.
---@param content table[]
---@param where string such as "messages[2].content"
---@param translate_one fun(part: any, where: string): table?, string?
---@return table[]? parts nil if the format cannot say one of them
---@return string? problem
function translate.parts(content, where, translate_one)
  local list = {}
  for i, part in ipairs(content) do
    local translated, problem = translate_one(part, ("%s[%d]"):format(where, i))
    if not translated then
      return nil, problem
    end
    list[i] = translated
  end
  return list
end

return translate
