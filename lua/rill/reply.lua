-- SPDX-License-Identifier: MIT
--
-- A reply: plain fields, and the message it becomes when the conversation goes on.

---@class rill.Reply
local Reply = { __name = "rill.reply" }
Reply.__index = Reply

-- What the provider remembers of each reply.
local sources = setmetatable({}, { __mode = "k" })

local function wire_calls(tool_calls)
  local list = {}
  for _, call in ipairs(tool_calls) do
    if call.kind == "custom" then
      list[#list + 1] = {
        id = call.id, type = "custom", custom = { name = call.name, input = call.arguments },
      }
    elseif call.kind ~= "server" then -- what the provider ran itself is not ours to repeat
      list[#list + 1] = {
        id = call.id, type = "function",
        ["function"] = { name = call.name, arguments = call.arguments },
      }
    end
  end
  return list[1] and list or nil
end

-- The server made no error of empty arguments; not every server takes them back.
local function filled_arguments(tool_calls)
  for _, call in ipairs(tool_calls or {}) do
    local body = call["function"]
    if body and not body.arguments:find("%S") then
      body.arguments = "{}"
    end
  end
  return tool_calls
end

--- The reply as a message that can be appended to `messages`, for this provider or any other.
-- `native` in it holds what only this provider needs to go on (signatures, reasoning); the others
-- leave it out.  A field `native` is never sent as it is.
---@return table message { role = "assistant", content, tool_calls?, native? }
function Reply:message()
  local source = sources[self]
  local tool_calls = filled_arguments(wire_calls(self.tool_calls))
  local content = self.text ~= "" and self.text or self.audio and self.audio.transcript
    or self.refusal
  local native = source and source.provider.native
    and source.provider.native(source.state, self) or nil
  if native then
    native.format = source.provider.name
  end
  return {
    role = "assistant",
    content = content or not tool_calls and "" or nil,
    tool_calls = tool_calls,
    native = native,
  }
end

--- Makes a reply of its fields (the table is kept).
---@param fields table
---@param provider table? the wire format it came in
---@param state table? what that remembers
---@return rill.Reply
return function(fields, provider, state)
  local reply = setmetatable(fields, Reply)
  if provider then
    sources[reply] = { provider = provider, state = state }
  end
  return reply
end
