-- What the local gateway makes up where a model would think: JSON of a given schema, and vectors.

local cjson = require("cjson").new()

local made_up = {}

local PHRASES = {
  "ต้มยำกุ้ง", "three stalks of lemongrass", "two limes", "prawns, as many as there are guests",
  "as much chilli as you dare 🌶️", "crush the lemongrass", "simmer, never boil", "serve at once 🍲",
}

-- A list is no longer than that, whatever its schema wants.
local MOST_ITEMS = 100

local function table_or_empty(value)
  return type(value) == "table" and value or {}
end

-- The names of an object's fields: in the order of `required`, then the others.
local function field_names(schema)
  local names, seen = {}, {}
  for _, name in ipairs(table_or_empty(schema.required)) do
    names[#names + 1], seen[name] = tostring(name), true
  end
  local others = {}
  for name in pairs(table_or_empty(schema.properties)) do
    if not seen[name] then
      others[#others + 1] = tostring(name)
    end
  end
  table.sort(others)
  for _, name in ipairs(others) do
    names[#names + 1] = name
  end
  return names
end

local written

local function written_object(schema, state)
  local fields = {}
  for i, name in ipairs(field_names(schema)) do
    local inner = table_or_empty(table_or_empty(schema.properties)[name])
    fields[i] = cjson.encode(name) .. ": " .. written(inner, state)
  end
  return "{" .. table.concat(fields, ", ") .. "}"
end

local function written_list(schema, state)
  local items = {}
  for i = 1, math.min(math.max(3, tonumber(schema.minItems) or 0), MOST_ITEMS) do
    items[i] = written(table_or_empty(schema.items), state)
  end
  return "[" .. table.concat(items, ", ") .. "]"
end

-- A value of the schema as JSON; state.count tells how many have been made up before.
function written(schema, state)
  local kind = type(schema.type) == "table" and schema.type[1] or schema.type
  if type(schema.enum) == "table" then
    return cjson.encode(schema.enum[1])
  elseif kind == "object" or (not kind and schema.properties) then
    return written_object(schema, state)
  elseif kind == "array" then
    return written_list(schema, state)
  end
  state.count = state.count + 1
  if kind == "integer" or kind == "number" then
    return tostring(state.count * 5)
  elseif kind == "boolean" then
    return "true"
  end
  return cjson.encode(PHRASES[(state.count - 1) % #PHRASES + 1])
end

--- The JSON text that a request's `response_format` asks for, or nil.
function made_up.json(format)
  if type(format) ~= "table" then
    return nil
  elseif format.type == "json_object" then
    return '{"answer": "ครับ"}'
  elseif format.type == "json_schema" and type(format.json_schema) == "table" then
    local schema = format.json_schema.schema
    return written(table_or_empty(schema), { count = 0 })
  end
end

--- A vector of length 1 for a text: texts that share words have vectors that are alike.
function made_up.vector(text, dimensions)
  local vector, sum = {}, 0
  for i = 1, dimensions do
    vector[i] = 0
  end
  for word in text:lower():gmatch("[%w\128-\255]+") do
    local place = 0
    for i = 1, #word do
      place = (place * 31 + word:byte(i)) % 65521
    end
    place = place % dimensions + 1
    vector[place] = vector[place] + 1
  end
  for i = 1, dimensions do
    sum = sum + vector[i] ^ 2
  end
  for i = 1, dimensions do
    vector[i] = sum > 0 and vector[i] / math.sqrt(sum) or 0
  end
  return vector
end

return made_up
