local prices = require("rill.prices")

describe("a price", function()
  local table_of_prices = {
    ["gpt-4.1"] = { input = 2, cached_input = 0.5, output = 8 },
    ["gpt-4.1-2025-01-01"] = { input = 3, output = 9 },
  }

  it("is found by the exact name first, then without a date at its end", function()
    assert.equal(3, prices.find(table_of_prices, "gpt-4.1-2025-01-01").input)
    assert.equal(2, prices.find(table_of_prices, "gpt-4.1-2025-04-14").input)
    assert.equal(2, prices.find(table_of_prices, "gpt-4.1-20250414").input)
    assert.is_nil(prices.find(table_of_prices, "gpt-4.1-mini"))
    assert.is_nil(prices.find(table_of_prices, nil))
    assert.is_nil(prices.find(nil, "gpt-4.1"))
  end)

  it("is the quoted one on the holysheep preset", function()
    local quoted = {
      ["gpt-4.1"] = 8, ["claude-sonnet-4.5"] = 15, ["gemini-2.5-flash"] = 2.5,
      ["deepseek-v3.2"] = 0.42,
    }
    for model, price in pairs(quoted) do
      assert.same({ input = price, cached_input = price, output = price },
        prices.find(prices.by_gateway.holysheep, model))
    end
  end)
end)

describe("a cost", function()
  local price = { input = 2, cached_input = 0.5, output = 8 }

  it("counts fresh input, cached input and output", function()
    assert.equal((900 * 2 + 100 * 0.5 + 50 * 8) / 1e6,
      prices.cost(price, { input_tokens = 1000, cached_tokens = 100, output_tokens = 50 }))
  end)

  it("adds up exactly however many tokens there are", function()
    local flat = { input = 0.42, cached_input = 0.42, output = 0.42 }
    assert.equal(0.42, prices.cost(flat, { input_tokens = 999999, output_tokens = 1 }))
    assert.equal(420, prices.cost(flat, { input_tokens = 999999999, output_tokens = 1 }))
    assert.equal(0.00000126, prices.cost(flat, { input_tokens = 1, output_tokens = 2 }))
    -- 1.001 * 1e6 is a little less than a whole number
    assert.equal(1.001, prices.cost({ input = 1.001, output = 1 },
      { input_tokens = 1000000, output_tokens = 0 }))
  end)

  it("is nil and never 0 where a price or a count is missing", function()
    local usage = { input_tokens = 10, output_tokens = 10 }
    assert.is_nil(prices.cost(nil, usage))
    assert.is_nil(prices.cost(price, nil))
    assert.is_nil(prices.cost(price, { input_tokens = 10 }))
    assert.is_nil(prices.cost({ input = 1 }, usage))
    assert.is_nil(prices.cost({ input = 1, output = 1 },
      { input_tokens = 10, cached_tokens = 5, output_tokens = 10 }))
  end)

  it("needs no price for tokens there were none of", function()
    assert.equal(2e-5, prices.cost({ input = 1, output = 1 },
      { input_tokens = 10, cached_tokens = 0, output_tokens = 10 }))
  end)

  it("takes no more cached tokens than there was input", function()
    assert.equal(5e-6, prices.cost(price,
      { input_tokens = 10, cached_tokens = 20, output_tokens = 0 }))
  end)
end)
