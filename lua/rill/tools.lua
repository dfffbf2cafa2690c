-- SPDX-License-Identifier: MIT
--
-- Tools as a program gives them: what of them is sent to the model, and what a call of one comes
-- to.  Knows nothing of streams.

local arguments = require("rill.arguments")
local errors = require("rill.errors")
local is_utf8 = require("rill.core").is_utf8
local loops = require("rill.loops")

local tools = {}

---@class rill.Tool
---@field description string?
---@field parameters table? a JSON Schema of the arguments; nil: there are none
---@field strict boolean? passed on
---@field type "function"|"custom"|nil "custom": it takes a text in place of arguments
---@field format table? custom: passed on
---@field call? fun(arguments: table|string, context: rill.ToolContext): any, any a result, or nil
--  and an error; without it a call ends the run

---@class rill.ToolContext
---@field id string? of the call
---@field name string
---@field index integer of the call in its turn, from 0
---@field turn integer
---@field is_cancelled fun(): boolean whether nobody waits for the result any more

local FIELDS = {
  description = "string", parameters = "table", strict = "boolean", type = "string",
  format = "table", call = "function",
}

local function problem_of_tool(name, tool)
  if type(tool) ~= "table" then
    return ("tools.%s must be a table such as { description, parameters, call }, not a %s")
      :format(name, type(tool))
  end
  for field, value in pairs(tool) do
    if not FIELDS[field] then
      return require("rill.options").unknown(field, FIELDS, ("tools.%s."):format(name), "field")
    elseif type(value) ~= FIELDS[field] then
      return ("tools.%s.%s must be a %s, not a %s"):format(name, field, FIELDS[field], type(value))
    end
  end
  if tool.type and tool.type ~= "function" and tool.type ~= "custom" then
    return ("tools.%s.type must be \"function\" or \"custom\""):format(name)
  end
end

--- What is wrong with a table of tools.
---@param given any
---@return string? problem
function tools.problem(given)
  if type(given) ~= "table" then
    return "field 'tools' must be a table by name, such as { get_time = { call = function() end } }"
  end
  for name, tool in pairs(given) do
    local problem
    if type(name) == "string" then
      problem = problem_of_tool(name, tool)
    elseif type(tool) ~= "table" then
      problem = ("tools[%s] must be a table, not a %s"):format(tostring(name), type(tool))
    end
    if problem then
      return problem
    end
  end
end

local function wire_form(name, tool)
  if tool.type == "custom" then
    return {
      type = "custom",
      custom = { name = name, description = tool.description, format = tool.format },
    }
  end
  return {
    type = "function",
    ["function"] = {
      name = name, description = tool.description, strict = tool.strict,
      parameters = tool.parameters or { type = "object", properties = {} },
    },
  }
end

-- The names of the tools that were given by name, in order.
local function names_of(given)
  local names = {}
  for name in pairs(given) do
    if type(name) == "string" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- The tools in the form in which they are sent: in order of their names, so that equal tools make
--- equal requests; behind them those that were given in a list, as they are.
---@param given table<string|integer, rill.Tool|table>
---@return table[]?
function tools.wire(given)
  local list = {}
  for i, name in ipairs(names_of(given)) do
    list[i] = wire_form(name, given[name])
  end
  for _, tool in ipairs(given) do
    list[#list + 1] = tool
  end
  return list[1] and list or nil
end

-- The names of the tools that were given in a list: the caller runs them, or the server.
local function listed(given)
  local names = {}
  for _, tool in ipairs(given) do
    local body = tool["function"] or tool.custom or tool
    if type(body) == "table" and type(body.name) == "string" then
      names[body.name] = true
    end
  end
  return names
end

--- The calls of a reply that are to be made, in order.
---@param given table<string|integer, rill.Tool|table>
---@param calls rill.ToolCall[]
---@return { call: rill.ToolCall, index: integer }[]
---@return boolean is_ours false: one of them is for the caller to make
function tools.wanted(given, calls)
  local list, others = {}, listed(given)
  for i, call in ipairs(calls) do
    if call.kind ~= "server" then
      local tool = type(call.name) == "string" and given[call.name]
      if (tool and not tool.call) or (not tool and others[call.name]) then
        return {}, false
      end
      list[#list + 1] = { call = call, index = i - 1 }
    end
  end
  return list, true
end

-- The text for the model of what a tool raised or gave as its error.
local function text_of_error(value)
  if type(value) == "string" then
    return (value:gsub("^[^\n]-:%d+: ", "")) -- where it was raised is not for the model
  elseif type(value) == "table" and not (getmetatable(value) or {}).__tostring then
    return type(value.message) == "string" and value.message or "the tool failed"
  end
  local ok, text = pcall(tostring, value)
  return ok and text or "the tool failed"
end

-- What is wrong goes to the model, which can only be sent UTF-8.
local function failed(text, value, traceback)
  if not is_utf8(text) then
    text = "the tool failed, and says why in what is not UTF-8"
  end
  return { content = "Error: " .. text, is_error = true, error = value, traceback = traceback }
end

-- What the tool's function is called with, or nil and why it cannot be called.
local function input_of(tool, call, codec)
  if tool.type == "custom" or call.kind == "custom" then
    return call.arguments or ""
  end
  local text = call.arguments or ""
  local value, wrong = codec.decode(text:find("%S") and text or "{}")
  if value == nil then
    return nil, ("the arguments are not valid JSON (%s): %s")
      :format(tostring(wrong), errors.shorten(text))
  end
  local problem = arguments.problem(value, tool.parameters)
  if problem then
    return nil, "wrong arguments: " .. problem
  end
  return value
end

local function known_names(given)
  local names = names_of(given)
  return #names > 0 and "; there are: " .. table.concat(names, ", ") or ""
end

-- The text of what a tool has returned.
local function text_of_result(value, codec)
  if type(value) == "string" then
    return value
  elseif value == nil then
    return "null"
  end
  return codec.encode(value, nil, "result")
end

--- Makes a call, waiting for the tool; it never raises.
---@param given table<string, rill.Tool>
---@param call rill.ToolCall
---@param context rill.ToolContext
---@param codec rill.Json
---@return table result { content, is_error, error?, traceback? }: content is for the model, error
--  what the tool raised or gave in place of a result
function tools.call(given, call, context, codec)
  local tool = type(call.name) == "string" and given[call.name]
  if not tool then
    return failed(("there is no tool '%s'%s"):format(tostring(call.name), known_names(given)))
  end
  local input, problem = input_of(tool, call, codec)
  if problem then
    return failed(problem)
  end
  local ok, value, second = loops.protect(function()
    return tool.call(input, context)
  end)
  if not ok then
    return failed(text_of_error(value), value, second)
  elseif value == nil and second ~= nil then
    return failed(text_of_error(second), second)
  end
  local text, wrong = text_of_result(value, codec)
  if text and not is_utf8(text) then
    text, wrong = nil, "it is not UTF-8"
  end
  if not text then
    return failed("the tool's result cannot be sent: " .. wrong, wrong)
  end
  return { content = text, is_error = false }
end

return tools
