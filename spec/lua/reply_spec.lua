local new_reply = require("rill.reply")

local function reply(fields, native)
  fields.tool_calls = fields.tool_calls or {}
  fields.text = fields.text or ""
  local provider = { name = "some", native = function(state)
    return native and { kept = state.kept, what = native } or nil
  end }
  return new_reply(fields, provider, { kept = "signature" })
end

describe("reply:message", function()
  it("is what the assistant said, ready for the next request", function()
    assert.same({ role = "assistant", content = "Hello" }, reply({ text = "Hello" }):message())
  end)

  it("has the tool calls, and no content where there was none", function()
    assert.same({
      role = "assistant",
      tool_calls = {
        { id = "x", type = "function", ["function"] = { name = "f", arguments = "{\"a\":1}" } },
        { id = "y", type = "custom", custom = { name = "g", input = "text" } },
      },
    }, reply({ tool_calls = {
      { id = "x", name = "f", kind = "function", arguments = "{\"a\":1}" },
      { id = "y", name = "g", kind = "custom", arguments = "text" },
    } }):message())
  end)

  it("leaves out calls that the provider made itself", function()
    assert.same({ role = "assistant", content = "a" }, reply({ text = "a",
      tool_calls = { { id = "x", name = "web_search", kind = "server", arguments = "{}" } },
    }):message())
  end)

  it("says {} for arguments that were left out", function()
    local message = reply({ tool_calls = { { id = "x", name = "f", kind = "function",
      arguments = "" } } }):message()
    assert.equal("{}", message.tool_calls[1]["function"].arguments)
  end)

  it("has the transcript of its audio for its content where there is no text", function()
    local audio = { data = "bytes", transcript = "Spoken" }
    assert.equal("Spoken", reply({ audio = audio }):message().content)
    assert.equal("Said", reply({ text = "Said", audio = audio }):message().content)
    assert.equal("", reply({ audio = { data = "bytes" } }):message().content)
  end)

  it("has a refusal for its content where there is no text", function()
    assert.equal("I will not.", reply({ refusal = "I will not." }):message().content)
    assert.equal("", reply({}):message().content)
  end)

  it("keeps what only its provider needs, under the provider's name", function()
    assert.same({ format = "some", kept = "signature", what = "thinking" },
      reply({ text = "a" }, "thinking"):message().native)
  end)
end)
