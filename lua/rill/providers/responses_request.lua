-- SPDX-License-Identifier: MIT
--
-- What is sent to servers that speak OpenAI's Responses.  The conversation itself is translated in
-- responses_input.lua; models and embeddings are those of chat completions.  Pure.

local common = require("rill.providers.common")
local fields = require("rill.providers.fields")
local input = require("rill.providers.responses_input")
local openai = require("rill.providers.openai_request")
local translate = require("rill.providers.translate")

local filled, sub = common.filled, common.sub

local FORMAT = "responses"

local requests = {
  headers = openai.headers,
  models = openai.models,
  embed = openai.embed,
}

--- Fields whose empty tables are lists; every other empty table is an object.
---@type table<string, boolean>
requests.arrays = {
  input = true, tools = true, include = true, content = true, summary = true, output = true,
  required = true, enum = true, anyOf = true, oneOf = true, allOf = true, prefixItems = true,
  annotations = true, logprobs = true, queries = true, results = true, outputs = true,
  sources = true,
  pending_safety_checks = true, acknowledged_safety_checks = true, vector_store_ids = true,
}

local function cannot(name, instead)
  return common.cannot(name, FORMAT, instead)
end

-- Here functions are strict unless said otherwise; in the form of the caller's fields they are not.
local function translate_function(tool, where)
  local flat, problem = translate.flat_function(tool, where, FORMAT)
  if flat then
    flat.strict = tool["function"].strict == true
  end
  return flat, problem
end

local function translate_custom(custom)
  local format = custom.format
  local grammar = sub(sub(format).grammar)
  if grammar.definition then
    format = { type = "grammar", definition = grammar.definition, syntax = grammar.syntax }
  end
  return {
    type = "custom", name = custom.name, description = custom.description, format = format,
  }
end

local function translate_tool(tool, where)
  if type(tool["function"]) == "table" then
    return translate_function(tool, where)
  elseif type(tool.custom) == "table" then
    return translate_custom(tool.custom)
  end
end

local function translate_tools(tools, body)
  local problem
  body.tools, problem = translate.tools(tools, translate_tool)
  return problem
end

-- { type = "function", function = { name } } without the inner table.
local function flat_choice(choice)
  local inner = sub(choice[choice.type])
  return { type = choice.type, name = filled(inner.name) or choice.name }
end

local function translate_tool_choice(choice, body)
  body.tool_choice = choice
  if type(choice) ~= "table" then
    return
  elseif choice.type == "function" or choice.type == "custom" then
    body.tool_choice = flat_choice(choice)
  elseif choice.type == "allowed_tools" and type(choice.allowed_tools) == "table" then
    local tools = {}
    for i, tool in ipairs(sub(choice.allowed_tools.tools)) do
      tool = sub(tool)
      tools[i] = (tool.type == "function" or tool.type == "custom") and flat_choice(tool) or tool
    end
    body.tool_choice = { type = "allowed_tools", mode = choice.allowed_tools.mode, tools = tools }
  end
end

local function text_of(body)
  body.text = body.text or {}
  return body.text
end

local function translate_response_format(format, body)
  format = sub(format)
  local problem = translate.check_response_format(format, FORMAT)
  if problem then
    return problem
  elseif format.type == "json_schema" then
    local inner = sub(format.json_schema)
    text_of(body).format = {
      type = "json_schema", name = inner.name, schema = inner.schema, strict = inner.strict,
      description = inner.description,
    }
  elseif format.type == "json_object" or format.type == "text" then
    text_of(body).format = { type = format.type }
  else
    return cannot("response_format")
  end
end

local function translate_verbosity(verbosity, body)
  text_of(body).verbosity = verbosity
end

local function translate_effort(effort, body)
  body.reasoning = { effort = effort }
end

local function include(body, what)
  body.include = body.include or {}
  body.include[#body.include + 1] = what
end

local function translate_logprobs(logprobs, body)
  if logprobs then
    include(body, "message.output_text.logprobs")
  end
end

local function translate_stream_options(given, body)
  local left = common.copy(sub(given))
  left.include_usage = nil -- it comes unasked
  body.stream_options = next(left) and left or nil
end

local function translate_messages(messages, body, request)
  local problem
  body.input, problem = input.translate(messages, request.store == true)
  return problem
end

local function later() end

local function off(name, instead)
  return fields.only_if(FORMAT, name, fields.is_off, instead)
end

local TRANSLATORS = {
  model = "model", temperature = "temperature", top_p = "top_p", user = "user",
  parallel_tool_calls = "parallel_tool_calls", top_logprobs = "top_logprobs",
  metadata = "metadata", service_tier = "service_tier", store = "store",
  safety_identifier = "safety_identifier", prompt_cache_key = "prompt_cache_key",
  prompt_cache_retention = "prompt_cache_retention",
  max_completion_tokens = "max_output_tokens",
  max_tokens = function(value, body)
    body.max_output_tokens = body.max_output_tokens or value
  end,
  messages = translate_messages,
  tools = translate_tools,
  tool_choice = translate_tool_choice,
  response_format = translate_response_format,
  verbosity = translate_verbosity,
  reasoning_effort = translate_effort,
  logprobs = translate_logprobs,
  stream_options = translate_stream_options,
  stream = later,
  n = fields.only_if(FORMAT, "n", fields.is_one),
  modalities = fields.only_if(FORMAT, "modalities", fields.is_text_alone),
  presence_penalty = off("presence_penalty"), frequency_penalty = off("frequency_penalty"),
  functions = off("functions", "give them as `tools`"),
  function_call = off("function_call", "give `tool_choice`"),
}

-- Models that do not reason refuse to be asked for encrypted reasoning.
local function reasons(request)
  if request.reasoning_effort ~= nil then
    return request.reasoning_effort ~= "none"
  end
  local model = (filled(request.model) or ""):match("[^/]*$")
  if model:find("chat", 1, true) then
    return false
  end
  return model:find("^o%d") ~= nil or model:find("^gpt%-[5-9]") ~= nil
end

--- Makes the request of one chat.
-- Nothing is stored at the server unless `store` is true: the conversation goes along with every
-- request, as in the other formats, and with it the model's encrypted reasoning.
---@param options table { stream, decode }
---@param request table the caller's fields, in OpenAI's form
---@return string? path to append to the base URL; nil if the format cannot say the request
---@return table|string body, or what cannot be said
function requests.request(options, request)
  local body = {}
  local problem = fields.apply(FORMAT, TRANSLATORS, request, body, options)
  if problem then
    return nil, problem
  end
  if body.store == nil then
    body.store = false
  end
  if body.store == false and reasons(request) then
    include(body, "reasoning.encrypted_content")
  end
  body.stream = options.stream ~= false
  return "/responses", body
end

return requests
