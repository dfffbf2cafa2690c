-- SPDX-License-Identifier: MIT
--
-- What is sent to servers that speak OpenAI's Realtime: the settings of a session, and a
-- conversation in OpenAI's chat form as its items.  Pure.

local common = require("rill.providers.common")
local fields = require("rill.providers.fields")
local translate = require("rill.providers.translate")

local filled, sub = common.filled, common.sub

local FORMAT = "realtime"

local requests = {}

--- Fields whose empty tables are lists; every other empty table is an object.
---@type table<string, boolean>
requests.arrays = {
  tools = true, output_modalities = true, content = true, include = true, required = true,
  enum = true, anyOf = true, oneOf = true, allOf = true, prefixItems = true,
}

local function cannot(name, instead)
  return common.cannot(name, FORMAT, instead)
end

---------------------------------------------------------------------------------------------------
-- Settings

-- Names of audio formats, as the beta had them and in short.
local AUDIO_FORMATS = {
  pcm16 = { type = "audio/pcm", rate = 24000 },
  g711_ulaw = { type = "audio/pcmu" },
  g711_alaw = { type = "audio/pcma" },
}

-- How many bytes a second of them has.
local BYTE_RATES = { ["audio/pcm"] = 48000, ["audio/pcmu"] = 8000, ["audio/pcma"] = 8000 }

-- What `format` is on the wire.
local function audio_format(format)
  return AUDIO_FORMATS[format or "pcm16"]
end

--- How many bytes a second of audio has.
---@param format string?
---@return integer
function requests.byte_rate(format)
  return BYTE_RATES[audio_format(format).type]
end

local function translate_tool(tool, where)
  if tool.type == "custom" then
    return nil, cannot(where .. ".custom")
  elseif type(tool["function"]) ~= "table" then
    return nil -- as it is: the vendor's own
  end
  return translate.flat_function(tool, where, FORMAT)
end

local TRANSCRIBER = "gpt-4o-mini-transcribe"

local function transcription(given)
  if given == true then
    return { model = TRANSCRIBER }
  elseif type(given) == "string" then
    return { model = given }
  end
  return given or nil
end

-- Detection is on at the server unless it is told otherwise, so that "none" must be said.
local function turn_detection(given, null)
  if type(given) == "string" then
    return { type = given }
  end
  return given or null
end

local function is_object(value)
  return type(value) == "table" and value[1] == nil and not getmetatable(value)
end

-- Settings laid over others: objects are joined, all else is replaced.
local function laid_over(old, new)
  if not is_object(old) or not is_object(new) then
    return new
  end
  local joined = common.copy(old)
  for name, value in pairs(new) do
    joined[name] = laid_over(joined[name], value)
  end
  return joined
end

--- The settings of a session.
---@param options table see docs/live.md; `tools` in the wire's form of chat completions; `answers`:
--  what `requests.response` makes of what holds for every answer; `null`: what will be written as
--  null
---@return table? session nil if the format cannot say it
---@return string? problem
function requests.session(options)
  local wire = {
    type = "realtime", instructions = options.system,
    output_modalities = { options.output or "audio" },
    audio = {
      input = {
        format = audio_format(options.input_format),
        transcription = transcription(options.transcribe),
        turn_detection = turn_detection(options.turn_detection, options.null),
      },
      output = { format = audio_format(options.output_format), voice = options.voice },
    },
  }
  for name, value in pairs(options.answers or {}) do
    wire[name] = value
  end
  local problem
  if options.tools ~= nil then
    wire.tools, problem = translate.tools(options.tools, translate_tool)
  end
  if problem then
    return nil, problem
  end
  return laid_over(wire, options.session or {})
end

---------------------------------------------------------------------------------------------------
-- Asking for an answer

local function of_the_session() end

local function off(name)
  return fields.only_if(FORMAT, name, fields.is_off)
end

local TRANSLATORS = {
  model = of_the_session, messages = of_the_session, tools = of_the_session,
  stream = of_the_session, max_completion_tokens = "max_output_tokens",
  max_tokens = function(value, body)
    body.max_output_tokens = body.max_output_tokens or value
  end,
  tool_choice = function(choice, body)
    local name = type(choice) == "table" and filled(sub(choice["function"]).name)
    body.tool_choice = name and { type = "function", name = name } or choice
  end,
  metadata = "metadata",
  n = fields.only_if(FORMAT, "n", fields.is_one),
  parallel_tool_calls = "parallel_tool_calls",
  presence_penalty = off("presence_penalty"), frequency_penalty = off("frequency_penalty"),
}

--- What of a request belongs to the answer that is asked for.
---@param request table the caller's fields, in OpenAI's form
---@return table? response nil if the format cannot say it
---@return string? problem
function requests.response(request)
  local response = {}
  local problem = fields.apply(FORMAT, TRANSLATORS, request, response, {})
  return not problem and response or nil, problem
end

---------------------------------------------------------------------------------------------------
-- Conversation

local parts = {}

function parts.text(part)
  return { type = "input_text", text = filled(part.text) or "" }
end

parts.image_url = translate.flat_image

function parts.input_audio(part, where)
  local audio = sub(part.input_audio)
  if not filled(audio.data) then
    return nil, where .. ".input_audio.data must be a string"
  elseif audio.format == "mp3" or audio.format == "wav" then
    return nil, cannot(where, "send the samples with session:append")
  end
  return { type = "input_audio", audio = audio.data }
end

-- Parts in the format's own words.
local OWN_PARTS = { input_text = true, input_image = true, input_audio = true }

local function translate_part(part, where)
  part = sub(part)
  if OWN_PARTS[part.type] and type(part[part.type]) ~= "table" then
    return part
  elseif not parts[part.type] then
    return nil, cannot(("%s of type '%s'"):format(where, tostring(part.type)))
  end
  local problem = translate.check_part(part, where, FORMAT)
  if problem then
    return nil, problem
  end
  return parts[part.type](part, where)
end

local function translate_content(content, where)
  if type(content) ~= "table" then
    return { { type = "input_text", text = filled(content) or "" } }
  end
  return translate.parts(content, where, translate_part)
end

local function add_message(list, message, where, role)
  local content, problem = translate_content(message.content, where .. ".content")
  if not content then
    return problem
  end
  list[#list + 1] = { type = "message", role = role or message.role, content = content }
end

local roles = { user = add_message, system = add_message }

function roles.developer(list, message, where)
  return add_message(list, message, where, "system")
end

function roles.assistant(list, message, where)
  local text, problem = translate.text(message.content, where, FORMAT)
  if not text then
    return problem
  elseif text ~= "" then
    list[#list + 1] = {
      type = "message", role = "assistant", content = { { type = "output_text", text = text } },
    }
  end
  for i, call in ipairs(sub(message.tool_calls)) do
    local body = sub(sub(call)["function"])
    if not filled(sub(call).id) or not filled(body.name) then
      return ("%s.tool_calls[%d] must have an id and a function with a name"):format(where, i)
    end
    list[#list + 1] = {
      type = "function_call", call_id = call.id, name = body.name,
      arguments = filled(body.arguments) or "{}",
    }
  end
end

function roles.tool(list, message, where)
  local id = filled(message.tool_call_id)
  if not id then
    return where .. ".tool_call_id must be a string"
  end
  local output, problem = translate.text(message.content, where, FORMAT)
  if not output then
    return problem
  end
  list[#list + 1] = { type = "function_call_output", call_id = id, output = output }
end

--- A message as the items that it is in a conversation.
---@param message table in OpenAI's chat form
---@param where string such as "messages[2]"
---@return table[]? items
---@return string? problem
function requests.items(message, where)
  local list, add = {}, roles[message.role]
  if not add then
    return nil, cannot(("%s of role '%s'"):format(where, tostring(message.role)))
  end
  local problem = translate.check_message(message, where, FORMAT)
    or add(list, message, where)
  if problem then
    return nil, problem
  end
  return list
end

return requests
