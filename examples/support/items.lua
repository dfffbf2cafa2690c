-- Conversations as the Responses and the Realtime API write them, turned into chat completions.

local items = {}

-- The text of a content: a string, or parts with a text or a transcript.
local function text_of(content)
  if type(content) ~= "table" then
    return type(content) == "string" and content or ""
  end
  local texts = {}
  for _, part in ipairs(content) do
    local text = type(part) == "table" and (part.text or part.transcript)
    if type(text) == "string" then
      texts[#texts + 1] = text
    end
  end
  return table.concat(texts, " ")
end

-- One item as a message; nil for those that say nothing here, such as reasoning.
local function message_of(item)
  if item.type == "function_call_output" then
    return { role = "tool", content = text_of(item.output) }
  elseif item.type == "function_call" then
    return { role = "assistant", content = tostring(item.arguments) }
  elseif item.role then
    return { role = item.role, content = text_of(item.content) }
  end
end

--- The messages of a list of items; there is at least one.
function items.messages(list)
  local messages = {}
  for _, item in ipairs(list) do
    local message = type(item) == "table" and message_of(item)
    if message then
      messages[#messages + 1] = message
    end
  end
  if not messages[1] then
    messages[1] = { role = "user", content = "" }
  end
  return messages
end

--- Function tools, which have their name beside their type here.
function items.tools(list)
  local tools = {}
  for _, tool in ipairs(type(list) == "table" and list or {}) do
    if type(tool) == "table" and tool.type == "function" then
      tools[#tools + 1] = { type = "function", ["function"] = tool }
    end
  end
  return tools
end

return items
