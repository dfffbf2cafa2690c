-- What the fake core makes of payloads: the items that C would have queued.  Only as much of each
-- format is known as specs need.

local answers = {}

-- By format: a function that gives the text of a plain delta, or nil.
local TEXTS = {
  chat = function(chunk)
    return chunk.type == "content.delta" and chunk.delta or nil
  end,
  responses = function(chunk)
    return chunk.type == "response.output_text.delta" and chunk.delta or nil
  end,
  realtime = function(chunk)
    return chunk.type == "response.output_text.delta" and chunk.delta or nil
  end,
}

-- By format: the events after which an answer is complete.
local LAST = {
  chat = { ["chat.done"] = true, error = true },
  responses = {
    ["response.completed"] = true, ["response.incomplete"] = true, ["response.failed"] = true,
    error = true,
  },
  realtime = { ["response.done"] = true },
}

--- The script of payloads, as C would pass them on: plain texts recognised, the others as they are.
function answers.script(payloads, ending, failure)
  local decode = require("cjson").decode
  local script = {}
  for _, payload in ipairs(payloads) do
    local ok, chunk = pcall(decode, payload)
    local choice = ok and type(chunk) == "table" and type(chunk.choices) == "table"
      and #chunk.choices == 1 and chunk.choices[1]
    local delta = choice and choice.delta
    local only = type(delta) == "table" and type(delta.content) == "string" and delta.content ~= ""
      and (choice.index or 0) == 0 and type(choice.finish_reason) ~= "string"
      and type(chunk.usage) ~= "table" and type(choice.logprobs) ~= "table" and not chunk.error
    for name, value in pairs(only and delta or {}) do
      local is_empty = type(value) ~= "string" and type(value) ~= "table" or value == ""
        or type(value) == "table" and next(value) == nil
      only = only and (name == "content" or name == "role" or is_empty)
    end
    local is_quiet = ok and type(chunk) == "table" and not chunk.error
      and (choice and type(delta) == "table" and next(delta) == nil
        or type(chunk.choices) == "table" and #chunk.choices == 0)
    table.insert(script, only and { "text", delta.content, payload }
      or { "event", payload, nil, is_quiet })
  end
  table.insert(script, { "end", ending or "done", failure })
  return script
end

-- Whether a message that is no plain text is output: a refusal, sound or what stands beside a text.
local function is_output(chunk)
  local choice = type(chunk.choices) == "table" and chunk.choices[1]
  local delta = type(choice) == "table" and type(choice.delta) == "table" and choice.delta or {}
  local kind = type(chunk.type) == "string" and chunk.type or ""
  return delta.refusal ~= nil or delta.audio ~= nil or delta.annotations ~= nil
    or kind:find("^response%.refusal%.") ~= nil or kind:find("^response%.output_audio") ~= nil
    or kind:find("^response%.output_text%.annotation%.") ~= nil
end

local function event(payload, chunk)
  return { "event", payload, is_output = is_output(chunk) }
end

--- The items of one message that is fed to a transfer of engine:answer.
function answers.items(format, payload)
  local ok, chunk = pcall(require("cjson").decode, payload)
  chunk = ok and type(chunk) == "table" and chunk or {}
  if format == "openai" then
    if payload == "[DONE]" then
      return { { "end", "done" } }
    end
    local item = answers.script({ payload })[1]
    item.is_output = is_output(chunk)
    return { item }
  end
  local text = TEXTS[format] and TEXTS[format](chunk)
  if type(text) == "string" and text ~= "" then
    return { { "text", text, payload } }
  end
  local items = { event(payload, chunk) }
  if LAST[format] and LAST[format][chunk.type] then
    items[2] = { "end", "done" }
  end
  return items
end

return answers
