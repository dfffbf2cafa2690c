-- SPDX-License-Identifier: MIT
--
-- What servers say of an error: reads bodies and events of many shapes, and makes short lines of
-- them.  Pure.

local texts = {}

local MESSAGE_MAX = 200

--- One line of text, at most `max` bytes of it and never half a character.
---@param text string
---@param max integer?
---@return string
function texts.shorten(text, max)
  max = max or MESSAGE_MAX
  text = text:gsub("%s+", " "):gsub("%c", "?"):gsub("^ ", ""):gsub(" $", "")
  if #text <= max then
    return text
  end
  local cut = max - 3
  while cut > 0 and (text:byte(cut + 1) or 0) >= 0x80 and text:byte(cut + 1) < 0xC0 do
    cut = cut - 1
  end
  return text:sub(1, cut) .. "..."
end

local function word(value)
  if type(value) == "number" then
    return ("%.14g"):format(value)
  end
  return type(value) == "string" and value ~= "" and value or nil
end

local function count(value)
  return type(value) == "number" and value >= 0 and value < 2^53 and math.floor(value) or nil
end

-- The message of an error object, in the shapes that servers use.
local function message_of(object)
  local text = object.message or object.detail or object.error_description or object.msg
  if type(text) == "table" then -- FastAPI: a list of { loc, msg, type }
    local first = text[1]
    text = type(first) == "table" and first.msg or text.message
  end
  local inner = type(object.metadata) == "table" and object.metadata.raw
  if type(text) == "string" and type(inner) == "string" and #inner <= MESSAGE_MAX then
    text = text .. ": " .. inner -- OpenRouter: what the provider behind it said
  end
  return word(text)
end

-- The status of an error that comes as a message over a WebSocket, and what would be its headers.
local function add_status(said, value, object)
  local status = count(value.status) or count(value.status_code)
  if not status or status < 400 or status > 599 then
    return
  end
  said.status = status
  local given = object.headers or value.headers
  for name, seconds in pairs(type(given) == "table" and given or {}) do
    local lower = type(name) == "string" and name:lower()
    if lower == "retry-after" and not said.retry_after then
      said.retry_after = count(tonumber(seconds)) and tonumber(seconds)
    elseif lower == "retry-after-ms" then
      said.retry_after = count(tonumber(seconds)) and tonumber(seconds) / 1000
    end
  end
end

--- Reads what a server says in an error body or an error event.
-- Understands {"error": {...}}, {"error": "text"}, {"response": {"error": ...}}, {"message": ...},
-- {"detail": ...} and lists of these.
---@param value any decoded JSON
---@return table? said { message, code, type, status, retry_after }; nil if it holds no error
function texts.read(value)
  if type(value) ~= "table" then
    return nil
  end
  if type(value[1]) == "table" then
    value = value[1]
  end
  local inner = value.error
  if inner == nil and type(value.response) == "table" then -- response.failed
    inner = value.response.error
  end
  if type(inner) == "string" then
    return { message = word(inner), code = word(value.code), type = word(value.type) }
  end
  local object = type(inner) == "table" and inner or value
  local kind = word(object.type)
  local said = {
    message = message_of(object),
    code = word(object.code) or (object == inner and word(value.code)) or nil,
    type = kind ~= "error" and kind or nil,
    limit_tokens = count(object.n_ctx), asked_tokens = count(object.n_prompt_tokens), -- llama.cpp
  }
  if type(inner) == "table" then
    said.message = said.message or said.code or said.type or "an error without a message"
    add_status(said, value, object)
  end
  return said.message and said or nil
end

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = "\"", nbsp = " ", ["#39"] = "'" }

local function text_of_html(html)
  local title = html:match("<[tT][iI][tT][lL][eE][^>]*>(.-)</")
  local text = title and title:find("%S") and title
  if not text then
    text = html:gsub("<([sS]%a+)[^>]*>.-</%1>", function(tag)
      local name = tag:lower()
      return (name == "script" or name == "style") and " " or nil
    end)
    text = text:gsub("<!%-%-.-%-%->", " "):gsub("<[^>]*>", " ")
  end
  return (text:gsub("&(#?%w+);", ENTITIES))
end

--- What a body that may be JSON, HTML or text says, in one short line.
---@param body string?
---@param content_type string?
---@param decode? fun(text: string): any
---@return table said { message?, code?, type?, is_error } is_error: it is JSON that holds an error
function texts.read_body(body, content_type, decode)
  body = body or ""
  local first = body:match("^%s*(.)")
  if decode and (first == "{" or first == "[") then
    local said = texts.read((decode(body)))
    if said then
      said.is_error = true
      return said
    end
  end
  local head = body:sub(1, 200):lower()
  if (content_type or ""):lower():find("html", 1, true) or head:find("<!doctype html", 1, true)
    or head:find("<html", 1, true) then
    body = text_of_html(body)
  end
  return { message = body:find("%S") and texts.shorten(body) or nil, is_error = false }
end

return texts
