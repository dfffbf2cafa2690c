-- JSON for the local gateway: events whose type stands first, and empty lists, for which the codec
-- has no value of its own.

local cjson = require("cjson").new()

local json = {
  null = cjson.null,
  empty = "\1empty list\1", -- encodes as []
}

local EMPTY = '"\\u0001empty list\\u0001"'

--- A list that is written as one, also when nothing is in it.
function json.list(list)
  return next(list) and list or json.empty
end

function json.encode(value)
  return (cjson.encode(value):gsub(EMPTY, "[]"))
end

--- An object as it came, or nil.
function json.object(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == "table" and value or nil
end

--- The fields as an object that begins with its type.
function json.event(kind, fields)
  local rest = json.encode(fields):sub(2)
  return '{"type":"' .. kind .. '"' .. (rest == "}" and "" or ",") .. rest
end

return json
