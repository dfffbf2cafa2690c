-- What the local gateway says, in whatever dialect it is asked: the friendly answer, its tokens,
-- the calls that it makes of tools; and the pace at which it says it.
--
--   local answer = answering.plan({ messages, tools, response_format, limit, is_spoken })
--   answering.pace(connection, answer, function(token) ... end)
--
-- Messages and tools are those of chat completions; other dialects are turned into them.

local cjson = require("cjson").new()
local socket = require("socket")
local made_up = require("support.made_up")

local answering = {
  model = "rill-demo",
  rate = tonumber(os.getenv("RILL_GATEWAY_RATE") or "") or 60, -- tokens a second
  cap = 3600, -- seconds that a connection of a live session may last
}

local given = os.getenv("RILL_GATEWAY_ANSWER")

local ANSWER = given or [[
สวัสดี! 👋 You asked: “%s”

I am the local gateway that comes with rill. There is no model behind me, but every piece of this
text reaches you as a delta of its own, in the wire format that the real gateways speak.

ข้อความนี้ไหลมาทีละน้อย เหมือนลำธารสายเล็ก ๆ 🏞️ ไม่มีคำใดหายไประหว่างทาง

```lua
for delta in ai:chat({ model = "gpt-4.1", messages = messages }):text() do
  io.write(delta) -- a few bytes at a time ☕
end
```

With HOLYSHEEP_API_KEY or OPENAI_API_KEY set, the same program talks to a model. ขอให้สนุกนะ 🎉
]]

-- What it says aloud.
local SPOKEN = given or "You said: %s. I am the local gateway that comes with rill. There is no "
  .. "model behind me, and these tones are no voice, but they reach you as the real ones do: a few "
  .. "at a time, each with its words beside it. Interrupt me whenever you like."

-- One UTF-8 character: a first byte, and those that continue it.
local CHARACTER = "[%z\1-\127\192-\255][\128-\191]*"

--- Cuts a text as a model does: words with the blank before them, pieces of long runs, single
--- signs.
function answering.tokens_of(text)
  local tokens, at = {}, 1
  while at <= #text do
    local token = text:match("^ ?%a%w?%w?%w?%w?%w?%w?", at) or text:match("^ +", at)
    if not token then
      token = text:match("^" .. CHARACTER, at) or text:sub(at, at)
      -- Letters beyond ASCII go by three.
      while #token >= 3 and #token < 9 and text:find("^\224[\184-\187]", at + #token) do
        token = token .. text:match("^" .. CHARACTER, at + #token)
      end
    end
    tokens[#tokens + 1] = token
    at = at + #token
  end
  return tokens
end

--- What a message says: a text, or the texts among its parts.
function answering.prompt_of(message)
  local content = message.content
  if type(content) == "table" then
    local texts = {}
    for _, part in ipairs(content) do
      texts[#texts + 1] = type(part) == "table" and type(part.text) == "string" and part.text or nil
    end
    content = table.concat(texts, " ")
  end
  return type(content) == "string" and content or ""
end

-- At most so many characters of a text.
local function shortened(text, most)
  local count = 0
  for at in text:gmatch("()" .. CHARACTER) do
    count = count + 1
    if count > most then
      return text:sub(1, at - 1) .. "…"
    end
  end
  return text
end

---------------------------------------------------------------------------------------------------
-- What it makes of tools

-- What a question names: its last words with a capital, but for those that begin a sentence.
local function named_in(prompt)
  local name, may_go_on, begins = nil, false, true
  for word in prompt:gmatch("%S+") do
    local bare = word:gsub("[%p]", "")
    local is_name = bare:find("^%u%l") and not begins
    if is_name then
      name = may_go_on and name .. " " .. bare or bare
    end
    begins = word:find("[.!?]$") ~= nil
    may_go_on = is_name and bare == word
  end
  return name
end

local PLAUSIBLE = { number = 1, integer = 1, boolean = true }

-- A value for a parameter.
local function value_for(schema, name)
  if type(schema.enum) == "table" then
    return schema.enum[1]
  end
  return PLAUSIBLE[schema.type] or name
end

-- The call that a question asks for: { id, name, arguments }, or nil.
local function call_for(tools, prompt)
  local name = named_in(prompt)
  local tool = type(tools) == "table" and type(tools[1]) == "table" and tools[1]["function"]
  if not name or type(tool) ~= "table" then
    return nil
  end
  local arguments = {}
  local properties = type(tool.parameters) == "table" and tool.parameters.properties
  for field, schema in pairs(type(properties) == "table" and properties or {}) do
    arguments[field] = value_for(type(schema) == "table" and schema or {}, name)
  end
  return { id = "call_local", name = tool.name, arguments = cjson.encode(arguments) }
end

-- What it says when a tool has given its result.
local TOLD = "The tool says: %s 🌦️ That is all I know."

local function answer_to(role, prompt, request)
  local json = made_up.json(request.response_format)
  if json then
    return json
  elseif role == "tool" then
    return (TOLD:gsub("%%s", function()
      return prompt
    end))
  end
  local text = request.is_spoken and SPOKEN or ANSWER
  local before, after = text:match("^(.-)%%s(.*)$")
  return before and before .. shortened(prompt, 300) .. after or text
end

--- What is said to a conversation: { tokens, count, call, finish_reason, input }.  count: how many
--- of the tokens are said; call: { id, name, arguments }, then the tokens are those of its
--- arguments; input: how many tokens the messages have.
function answering.plan(request)
  local messages = request.messages
  local last = messages[#messages]
  local prompt = answering.prompt_of(last)
  local call = last.role == "user" and call_for(request.tools, prompt) or nil
  local tokens = answering.tokens_of(call and call.arguments
    or answer_to(last.role, prompt, request))
  local count = math.floor(math.max(math.min(#tokens, tonumber(request.limit) or #tokens), 0))
  local input = 8
  for _, message in ipairs(messages) do
    input = input + #answering.tokens_of(answering.prompt_of(message))
  end
  return {
    tokens = tokens,
    count = count,
    call = call,
    finish_reason = count < #tokens and "length" or call and "tool_calls" or "stop",
    input = input,
    is_stopped = false, -- set by whoever wants no more of it; see answering.stop
  }
end

--- Stops an answer that is being said.
function answering.stop(connection, answer)
  answer.is_stopped = true
  connection.server.changed = true
end

--- Calls say(token, at) for each token of an answer at its moment, whatever those before it cost.
--- true when all is said; false when it was stopped; nil when the client has gone.
function answering.pace(connection, answer, say)
  local function is_stopped()
    return answer.is_stopped
  end
  local started = socket.gettime()
  for at = 1, answer.count do
    local moment = started + at / answering.rate
    if moment > socket.gettime() then
      connection:wait_for(is_stopped, moment)
    end
    if connection.is_gone or not connection.sock then
      return nil -- nobody pays for the rest
    elseif answer.is_stopped then
      return false
    end
    say(answer.tokens[at], at)
  end
  return true
end

--- What was said of an answer, or of its first so many tokens.
function answering.said(answer, count)
  return table.concat(answer.tokens, "", 1, count or answer.count)
end

return answering
