local items = require("rill.live.realtime_items")

local function user(text)
  return { role = "user", content = text }
end

-- What was sent, in short: "+id text after previous" and "-id".
local function sync(own, messages, first)
  local said = {}
  local frames, note = items.sync(own, messages, first or 1)
  note()
  for i, frame in ipairs(frames) do
    local item = frame.item
    said[i] = not item and "-" .. frame.item_id
      or ("+%s %s%s"):format(item.id, item.content and item.content[1].text or item.type,
        frame.previous_item_id and " after " .. frame.previous_item_id or "")
  end
  return said
end

local function answer(text, ...)
  return { role = "assistant", content = text,
    native = { format = "realtime", items = { ... } } }
end

describe("the conversation of a Realtime session", function()
  it("is told to the server once", function()
    local own, messages = items.new(), { user("one"), user("two") }
    assert.same({ "+rill_item_1 one", "+rill_item_2 two" }, sync(own, messages))
    assert.same({}, sync(own, messages))
    messages[3] = user("three")
    assert.same({ "+rill_item_3 three" }, sync(own, messages))
  end)

  it("begins where the caller says: what stands before is said otherwise", function()
    assert.same({ "+rill_item_1 two" }, sync(items.new(), { user("one"), user("two") }, 2))
  end)

  it("has the server's own items by their ids", function()
    local own = items.new()
    local heard = user("what I said")
    items.note(own, "item_heard", heard)
    items.note(own, "item_a")
    items.note(own, "item_b")
    assert.same({ "+rill_item_1 more" },
      sync(own, { heard, answer("Hi", "item_a", "item_b"), user("more") }))
  end)

  it("has an answer of the server's as often as it stands there", function()
    local own, one, copy = items.new(), answer("Hi", "item_a"), answer("Hi", "item_a")
    items.note(own, "item_a")
    assert.same({ "+rill_item_1 Hi" }, sync(own, { one, copy }))
    assert.same({}, sync(own, { one, copy }))
    assert.same({ "-rill_item_1" }, sync(own, { one }))
  end)

  it("is told anew when the connection is another", function()
    local own = items.new()
    items.note(own, "item_a")
    local messages = { user("one"), answer("Hi", "item_a") }
    sync(own, messages)
    items.forget(own)
    assert.same({ "+rill_item_2 one", "+rill_item_3 Hi" }, sync(own, messages))
    assert.same({}, sync(own, messages))
  end)

  it("loses at the server what it has lost here", function()
    local own, one, two = items.new(), user("one"), user("two")
    sync(own, { one, two })
    items.note(own, "item_a") -- an answer that was not kept
    assert.same({ "-rill_item_1", "-item_a", "+rill_item_3 three" },
      sync(own, { two, user("three") }))
    assert.same({ "-rill_item_3" }, sync(own, { two }))
  end)

  it("has in its place what was put between", function()
    local own, one, three = items.new(), user("one"), user("three")
    sync(own, { one, three })
    assert.same({ "+rill_item_3 zero after root", "+rill_item_4 two after rill_item_1",
      "+rill_item_5 four" }, sync(own, { user("zero"), one, user("two"), three, user("four") }))
  end)

  it("keeps the items of one message together", function()
    local own, last = items.new(), user("last")
    sync(own, { last })
    local call = { id = "x", type = "function", ["function"] = { name = "f", arguments = "{}" } }
    assert.same({ "+rill_item_2 a after root", "+rill_item_3 function_call after rill_item_2" },
      sync(own, { { role = "assistant", content = "a", tool_calls = { call } }, last }))
  end)

  it("is left as it is if a message cannot be said", function()
    local own, one = items.new(), user("one")
    local frames, problem = items.sync(own, { one, { role = "critic", content = "a" } }, 1)
    assert.is_nil(frames)
    assert.truthy(problem:find("messages[2]", 1, true))
    assert.same({ "+rill_item_2 one" }, sync(own, { one }))
  end)
end)
