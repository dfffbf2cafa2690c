local core = require("rill.core")

describe("core.is_utf8", function()
  it("says yes to every length of character, and to nothing at all", function()
    for _, text in ipairs({
      "", "a\0b", "\127", "\194\128", "\223\191", "\224\160\128", "\237\159\191", "\238\128\128",
      "\239\191\191", "\240\144\128\128", "\244\143\191\191", "ชา 🎉",
    }) do
      assert.is_true(core.is_utf8(text), (text:gsub(".", function(byte)
        return ("\\%d"):format(byte:byte())
      end)))
    end
  end)

  it("says no to stray bytes, overlong forms, surrogates and what is cut", function()
    for _, text in ipairs({
      "\128", "a\191", "\192\128", "\193\191", "\224\159\191", "\237\160\128", "\240\143\191\191",
      "\244\144\128\128", "\245\128\128\128", "\255", "\194", "a\226\130", "\240\159\142", "\194a",
    }) do
      assert.is_false(core.is_utf8(text), (text:gsub(".", function(byte)
        return ("\\%d"):format(byte:byte())
      end)))
    end
  end)

  it("wants a string", function()
    assert.is_false((pcall(core.is_utf8, {})))
  end)
end)
