-- SPDX-License-Identifier: MIT
--
-- A conversation in OpenAI's chat form as the items that its Responses format takes.  Pure.

local common = require("rill.providers.common")
local translate = require("rill.providers.translate")

local filled, sub = common.filled, common.sub

local input = {}

local function cannot(where)
  return common.cannot(where, "responses")
end

-- One function for each type of part: what the format takes, or nil and a problem.
local parts = {}

function parts.text(part, where)
  if type(part.text) ~= "string" then
    return nil, where .. ".text must be a string"
  end
  return { type = "input_text", text = part.text }
end

function parts.image_url(part, where)
  local image, problem = translate.flat_image(part, where)
  if image then
    image.detail = image.detail or "auto"
  end
  return image, problem
end

function parts.file(part, where)
  local file = sub(part.file)
  local data, url = filled(file.file_data), filled(file.file_url)
  if data and data:find("^https?://") then
    data, url = nil, data
  end
  if not data and not url and not filled(file.file_id) then
    return nil, where .. ".file must have file_data or file_id"
  end
  return {
    type = "input_file", file_data = data, file_url = url, file_id = filled(file.file_id),
    filename = filled(file.filename),
  }
end

-- Parts in the format's own words.
local OWN_PARTS = { input_text = true, input_image = true, input_file = true }

local function translate_part(part, where)
  part = sub(part)
  if OWN_PARTS[part.type] then
    return part
  elseif not parts[part.type] then
    return nil, cannot(("%s of type '%s'"):format(where, tostring(part.type)))
  end
  local problem = translate.check_part(part, where, "responses")
  if problem then
    return nil, problem
  end
  return parts[part.type](part, where)
end

local NOTHING = { ["nil"] = true, userdata = true } -- a codec's null

-- A string stays one; a list is translated part by part.
local function translate_content(content, where)
  if type(content) == "string" then
    return content
  elseif NOTHING[type(content)] then
    return ""
  elseif type(content) ~= "table" then
    return nil, where .. " must be a string or a list of parts"
  end
  return translate.parts(content, where, translate_part)
end

local function add_message(items, message, where)
  local content, problem = translate_content(message.content, where .. ".content")
  if not content then
    return problem
  end
  items[#items + 1] = { type = "message", role = message.role, content = content }
end

-- What an assistant said, as parts of its output.
local function spoken_parts(message, where)
  local content = message.content
  if type(content) == "string" then
    content = content ~= "" and { { type = "text", text = content } } or {}
  elseif NOTHING[type(content)] then
    content = {}
  elseif type(content) ~= "table" then
    return nil, where .. " must be a string or a list of parts"
  end
  local list = {}
  for i, part in ipairs(content) do
    part = sub(part)
    local refusal = part.type == "refusal" and filled(part.refusal)
    if not refusal and (part.type ~= "text" or type(part.text) ~= "string") then
      return nil, cannot(("%s[%d] of type '%s'"):format(where, i, tostring(part.type)))
    end
    local problem = translate.check_part(part, ("%s[%d]"):format(where, i), "responses")
    if problem then
      return nil, problem
    end
    list[i] = refusal and { type = "refusal", refusal = refusal }
      or { type = "output_text", text = part.text }
  end
  if filled(message.refusal) then
    list[#list + 1] = { type = "refusal", refusal = message.refusal }
  end
  return list
end

-- An output refers to its call by id, and has a type of its own for each type of call.
local OUTPUTS = {
  function_call = "function_call_output", custom_tool_call = "custom_tool_call_output",
  local_shell_call = "local_shell_call_output", apply_patch_call = "apply_patch_call_output",
}

local function translate_call(call, where)
  call = sub(call)
  local body = sub(call.custom or call["function"])
  if not filled(call.id) or not filled(body.name) then
    return nil, where .. " must have an id and a function with a name"
  elseif call.custom then
    return {
      type = "custom_tool_call", call_id = call.id, name = body.name, input = body.input or "",
    }
  end
  return {
    type = "function_call", call_id = call.id, name = body.name,
    arguments = filled(body.arguments) or "{}",
  }
end

-- What was not stored has no id that the server would know, and reasoning that is neither stored
-- nor encrypted nor said cannot be referred to.  Of some calls the id is a part that is needed.
local NEEDS_ID = {
  mcp_call = true, mcp_list_tools = true, mcp_approval_request = true, item_reference = true,
  code_interpreter_call = true, file_search_call = true, image_generation_call = true,
  local_shell_call = true, computer_call = true,
}

local function native_item(item, is_stored)
  item = sub(item)
  if is_stored then
    return item
  elseif item.type == "reasoning" and not item.encrypted_content
    and sub(item.content)[1] == nil then
    return nil
  elseif NEEDS_ID[item.type] then
    return item
  end
  item = common.copy(item)
  item.id = nil
  return item
end

local function add_native(items, native, context)
  for _, item in ipairs(native) do
    local wire = native_item(item, context.is_stored)
    common.add(items, wire)
    if wire and filled(wire.call_id) then
      context.call_types[wire.call_id] = wire.type
    end
  end
end

local roles = { system = add_message, developer = add_message, user = add_message }

function roles.assistant(items, message, where, context)
  local native = sub(message.native)
  if native.format == "responses" and type(native.items) == "table" then
    return add_native(items, native.items, context)
  end
  local said, problem = spoken_parts(message, where .. ".content")
  if not said then
    return problem
  elseif said[1] then
    items[#items + 1] = { type = "message", role = "assistant", content = said }
  end
  for i, call in ipairs(sub(message.tool_calls)) do
    local item, wrong = translate_call(call, ("%s.tool_calls[%d]"):format(where, i))
    if not item then
      return wrong
    end
    items[#items + 1] = item
    context.call_types[item.call_id] = item.type
  end
end

function roles.tool(items, message, where, context)
  local id = filled(message.tool_call_id)
  if not id then
    return where .. ".tool_call_id must be a string"
  end
  local kind = context.call_types[id] or "function_call"
  local content, problem = translate_content(message.content, where .. ".content")
  if not content then
    return problem
  elseif not OUTPUTS[kind] then
    return cannot(("%s, the output of a %s,"):format(where, kind))
  end
  items[#items + 1] = {
    type = OUTPUTS[kind], call_id = id, output = content,
    status = kind == "apply_patch_call" and "completed" or nil,
  }
end

--- Translates a conversation.
---@param messages table[] in OpenAI's form
---@param is_stored boolean whether the server keeps the items, and knows them by their ids
---@return table[]? items
---@return string? problem
function input.translate(messages, is_stored)
  if type(messages) ~= "table" then
    return nil, "messages must be a list"
  end
  local items, context = {}, { is_stored = is_stored, call_types = {} }
  for i, message in ipairs(messages) do
    message = sub(message)
    local where, add = ("messages[%d]"):format(i), roles[message.role]
    if not add then
      return nil, cannot(("%s of role '%s'"):format(where, tostring(message.role)))
    end
    local problem = translate.check_message(message, where, "responses")
      or add(items, message, where, context)
    if problem then
      return nil, problem
    end
  end
  return items
end

return input
