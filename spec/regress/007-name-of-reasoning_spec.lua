-- What a model thought before it called a tool went back as reasoning_content, whatever its name
-- had been, when the answer was asked for in one piece: C had kept the name to itself.  Groq, which
-- calls it reasoning, refuses the other name; Mistral, where it is a part of the content, any.

local by_name = require("spec.support.by_name")
local said = require("spec.support.said")
local sse = require("spec.support.sse")
local wires = require("spec.support.wires")

local CALL = sse.delta('{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":'
  .. '{"name":"find","arguments":"{}"}}]}')

-- The message of an answer with these deltas and the call of a tool, as it goes back.
local function sent_back(read, ...)
  local body = sse.role()
  for _, delta in ipairs({ ... }) do
    body = body .. sse.delta(delta)
  end
  local client = said.client("openai",
    { wires.attempt("openai", body .. CALL .. sse.finish("tool_calls") .. sse.done()) })
  local stream = client:chat({ model = "m", messages = { { role = "user", content = "?" } } })
  read(stream)
  local reply = assert(stream:result())
  assert.equal("hmm", reply.reasoning)
  local request = said.body("openai", { model = "m", messages = {
    { role = "user", content = "?" }, reply:message(),
    { role = "tool", tool_call_id = "call_1", content = "rain" },
  } })
  return request.messages[2]
end

local READERS = {
  result = function() end,
  text = function(stream)
    for _ in stream:text() do
      error("there is no text")
    end
  end,
  next = function(stream)
    while stream:next() do
    end
  end,
}

describe("what a model thought", function()
  for reader, read in by_name(READERS) do
    it("goes back by the name under which it came, read by " .. reader, function()
      for _, name in ipairs({ "reasoning", "reasoning_content", "reasoning_text" }) do
        local message = sent_back(read, ('{"%s":"h"}'):format(name), ('{"%s":"m"}'):format(name),
          ('{"%s":"m"}'):format(name))
        assert.same({ role = "assistant", tool_calls = message.tool_calls, [name] = "hmm" },
          message)
      end
    end)

    it("does not go back where it had no such name, read by " .. reader, function()
      local thought = '{"content":[{"type":"thinking","thinking":[{"type":"text","text":"%s"}]}]}'
      local message = sent_back(read, thought:format("h"), thought:format("mm"))
      assert.same({ role = "assistant", tool_calls = message.tool_calls }, message)
    end)
  end
end)
