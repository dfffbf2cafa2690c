-- SPDX-License-Identifier: MIT
--
-- What tokens cost: US dollars per million tokens, by gateway and model, and the arithmetic.  A
-- client's option `prices` takes the place of its gateway's table.  A price that is not here makes
-- a cost of nil, never of 0.

local prices = {}

-- A gateway that quotes one price for tokens of either direction.
local function flat(price)
  return { input = price, cached_input = price, output = price }
end

---@class rill.Price
---@field input number US dollars per million input tokens that were not cached
---@field cached_input number? the same for cached ones; nil: not known
---@field output number US dollars per million output tokens

---@type table<string, table<string, rill.Price>>
prices.by_gateway = {
  -- holysheep quotes one flat price per million tokens, input, cached input and output alike.
  holysheep = {
    ["gpt-4.1"] = flat(8),
    ["claude-sonnet-4.5"] = flat(15),
    ["gemini-2.5-flash"] = flat(2.50),
    ["deepseek-v3.2"] = flat(0.42),
  },
}

-- One US dollar per million tokens is a million pico-dollars per token.
local PICO_PER_TOKEN = 1e6
local PICO = 1e12

local function pico(price)
  return price and math.floor(price * PICO_PER_TOKEN + 0.5)
end

--- The price of a model: by its exact name, then without a date at the end of it.
---@param by_model table<string, rill.Price>?
---@param model string?
---@return rill.Price?
function prices.find(by_model, model)
  if not by_model or not model then
    return nil
  end
  return by_model[model] or by_model[model:match("^(.+)%-%d%d%d%d%-?%d%d%-?%d%d$") or model]
end

--- What a request cost, counted in whole pico-dollars.
---@param price rill.Price?
---@param usage rill.Usage?
---@return number? dollars US dollars; nil if a price or a count that it takes is missing
function prices.cost(price, usage)
  if not price or not usage or not usage.input_tokens or not usage.output_tokens then
    return nil
  end
  local cached = math.min(usage.cached_tokens or 0, usage.input_tokens)
  local fresh = usage.input_tokens - cached
  local total = 0
  for _, item in ipairs({
    { fresh, pico(price.input) or false },
    { cached, pico(price.cached_input) or false },
    { usage.output_tokens, pico(price.output) or false },
  }) do
    if item[1] > 0 then
      if not item[2] then
        return nil
      end
      total = total + item[1] * item[2]
    end
  end
  return total / PICO
end

--- What is wrong with a table of prices, or nil.
---@param by_model table
---@return string?
function prices.problem(by_model)
  for model, price in pairs(by_model) do
    if type(model) ~= "string" or type(price) ~= "table" then
      return "must be a table by model, such as { [\"gpt-4.1\"] = { input = 2, output = 8 } }"
    end
    for name, value in pairs(price) do
      if name ~= "input" and name ~= "cached_input" and name ~= "output" then
        return ("has an unknown price '%s' for '%s': input, cached_input and output are known")
          :format(tostring(name), model)
      elseif not (type(value) == "number" and value >= 0 and value < 1e6) then
        return ("must have numbers of US dollars per million tokens for '%s'"):format(model)
      end
    end
  end
  return nil
end

return prices
