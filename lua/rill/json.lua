-- SPDX-License-Identifier: MIT
--
-- JSON for the rest of rill: the only file that knows lua-cjson.  A codec is a table of
-- `encode(value)`, `decode(text)` and, if null is not nil when decoded, `null`.  rill uses a cjson
-- of its own (`cjson.new()`), so settings made elsewhere in the program change nothing here and the
-- other way round.  What differs between cjson's lineages is tried, not assumed.

local json = {}

---@class rill.Codec
---@field encode fun(value: any): string
---@field decode fun(text: string): any
---@field null? any what `decode` gives for null; default: it is found out

---@class rill.Json
---@field encode fun(value: table, arrays?: table<string, boolean>, name?: string): string?, string?
---@field decode fun(text: string): any, string?
---@field decode_exact fun(text: string): any, string?
---@field canonical fun(value: table, arrays?: table<string, boolean>): string?

local find = string.find

-- Takes every null out of a decoded value.  A list keeps its positions: it has holes for nulls.
local function strip(value, null)
  for key, member in pairs(value) do
    if member == null then
      value[key] = nil
    elseif type(member) == "table" then
      strip(member, null)
    end
  end
end

local function make_decode(codec, null_of_it)
  local decode = codec.decode
  return function(text)
    local ok, value, second, third = pcall(decode, text)
    if not ok or value == nil then
      local mended = find(text, "\\u[dD]") and require("rill.json_surrogates").mended(text)
      if mended then
        ok, value, second, third = pcall(decode, mended)
      end
    end
    if not ok then
      return nil, tostring(value)
    end
    if value == nil then
      return nil, tostring(third or second or "not a JSON value")
    end
    local null = find(text, "null", 1, true) and null_of_it()
    if null then
      if value == null then
        return nil, "null alone"
      end
      if type(value) == "table" then
        strip(value, null)
      end
    end
    return value
  end
end

local function make_encode(codec, null_of_it)
  local encode = codec.encode
  -- What the fast encoder may have got wrong: an empty table (was it a list, or an object?), a
  -- shortened number.
  local _, empty = pcall(encode, {})
  empty = empty == "[]" and "[]" or "{}"
  return function(value, arrays, name)
    local ok, text = pcall(encode, value)
    if ok and type(text) == "string" and not find(text, empty, 1, true)
      and not find(text, "e+", 1, true) then
      return text
    end
    local exact, problem = require("rill.json_encode")(value, arrays, null_of_it(), name)
    if exact then
      return exact
    end
    return nil, problem
  end
end

local PLAIN = { string = true, number = true, boolean = true }

-- A function that says what the codec gives for null; found out when first asked, where the codec
-- does not say so.
local function null_of(codec)
  local null, is_known = codec.null, codec.null ~= nil
  return function()
    if not is_known then
      is_known = true
      local ok, list = pcall(codec.decode, "[null]")
      null = ok and type(list) == "table" and list[1] or nil
      null = not PLAIN[type(null)] and null or nil
    end
    return null
  end
end

--- Wraps a codec.
-- `encode(value, arrays, name)` gives a string, or nil and a message that names the field; `arrays`
-- is the set of field names whose empty tables are lists, `name` what the message calls the value.
-- `decode(text)` gives the value without nulls, or nil and a message; after `decode_exact(text)`,
-- `encode` gives empty lists and empty objects as what they were.  `canonical(value, arrays)`
-- gives a text that is the same for equal values, or nil.  None raises.
---@param codec rill.Codec
---@return rill.Json
function json.wrap(codec)
  local null = null_of(codec)
  local function canonical(value, arrays)
    local text = require("rill.json_encode")(value, arrays, null())
    return text
  end
  local decode = make_decode(codec, null)
  local function decode_exact(text)
    return require("rill.json_empty").decode(text, decode)
  end
  return {
    encode = make_encode(codec, null), decode = decode, decode_exact = decode_exact,
    canonical = canonical,
  }
end

local function load_cjson()
  local ok, cjson = pcall(require, "cjson")
  local vim = rawget(_G, "vim")
  if not ok and type(vim) == "table" and vim.json then
    return { encode = vim.json.encode, decode = vim.json.decode, null = vim.NIL }
  elseif not ok then
    error("rill needs lua-cjson (Debian: lua-cjson), or another codec given to rill.use_json", 0)
  end
  local own = cjson.new and cjson.new() or cjson
  -- 16 digits give back every number people write; older cjsons stop at 14.
  if not pcall(own.encode_number_precision, 16) then
    pcall(own.encode_number_precision, 14)
  end
  pcall(own.encode_sparse_array, false, 1, 0)
  pcall(own.encode_invalid_numbers, false)
  pcall(own.decode_invalid_numbers, false)
  return { encode = own.encode, decode = own.decode, null = cjson.null }
end

local default

--- The codec in use: the one given to `json.use`, else lua-cjson, else Neovim's own.
---@return rill.Json
function json.default()
  if not default then
    default = json.wrap(load_cjson())
  end
  return default
end

--- Whether a value has what a codec needs; else nil and what is wrong.
---@param codec any
---@return boolean?, string?
function json.check(codec)
  if type(codec) ~= "table" then
    return nil, "must be a table with encode and decode, not a " .. type(codec)
  end
  for _, name in ipairs({ "encode", "decode" }) do
    if type(codec[name]) ~= "function" then
      return nil, "must have a function " .. name
    end
  end
  return true
end

--- Replaces lua-cjson for all clients that have no codec of their own; nil goes back to it.
---@param codec rill.Codec?
function json.use(codec)
  if codec ~= nil then
    local ok, problem = json.check(codec)
    if not ok then
      error("rill.use_json: the codec " .. problem, 3)
    end
  end
  default = codec and json.wrap(codec)
end

return json
