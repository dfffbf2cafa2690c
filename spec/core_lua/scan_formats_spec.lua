-- The scan in C and lua-cjson agree on every chunk of all formats: its class, text, usage and
-- the rest, whatever was scanned before.  A chunk that was tampered with may be declined, but what
-- is said of it must be so.
--
-- RILL_SEED repeats a run, RILL_ROUNDS makes it longer.

local by_name = require("spec.support.by_name")
local cjson = require("cjson").new()
local fixtures = require("spec.support.fixtures")
local mutilate = require("spec.support.mutilate")
local oracle = require("spec.support.scan_oracle")
local scanning = require("spec.support.scanning")

local seed = tonumber(os.getenv("RILL_SEED") or "") or os.time() % 1000000
local ROUNDS = tonumber(os.getenv("RILL_ROUNDS") or "") or 3
local CHUNKS = 2500 -- in a round, for each format

local APIS = { openai = "openai-chat", responses = "openai-responses", anthropic = "anthropic",
  gemini = "gemini" }

-- $ stands for a text, # for a number, ? for a string without a meaning.
local MADE = {
  openai = {
    '{"id":"?","created":#,"choices":[{"index":0,"delta":{"content":"$"},"logprobs":null,'
      .. '"finish_reason":null}],"usage":null,"obfuscation":"?"}',
    '{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":null,'
      .. '"reasoning_content":"$"}}]}',
    '{"choices":[{"delta":{"reasoning":"$","content":""}}],"usage":{"prompt_tokens":#,'
      .. '"details":{"a":[#,null]}}}',
    '{"choices":[{"delta":{"reasoning_text":"$"}}],"x_groq":{"id":"?","usage":{"a":#}}}',
    '{"choices":[{"delta":{},"finish_reason":"stop","usage":{"total_tokens":#}}]}',
    '{"choices":[{"delta":{"content":"$"},"finish_reason":"stop"}]}',
    '{"choices":[{"delta":{"content":"$"}},{"index":1,"delta":{}}],"error":null}',
    '{"choices":[{"delta":{"refusal":"$"}}],"object":"chunk"}',
    '{"choices":[],"usage":{"prompt_tokens":#}}', '{"error":{"message":"$","code":#}}',
  },
  responses = {
    '{"type":"response.output_text.delta","sequence_number":#,"item_id":"?","output_index":#,'
      .. '"delta":"$","logprobs":[],"obfuscation":"?"}',
    '{"delta":"$","item_id":"?","sequence_number":#,"type":"response.reasoning_text.delta"}',
    '{"type":"response.reasoning_summary_text.delta","summary_index":#,"delta":"$"}',
    '{"type":"response.output_text.delta","delta":"$","logprobs":[{"token":"$"}]}',
    '{"type":"response.refusal.delta","delta":"$"}', '{"type":"keepalive","sequence_number":#}',
    '{"type":"response.output_item.added","item":{"type":"message","content":[]}}',
    '{"type":"response.content_part.added","part":{"type":"output_text","text":""}}',
    '{"type":"response.completed","response":{"output":[{}],"usage":{"input_tokens":#}}}',
    '{"type":"response.incomplete","response":{"output":[]}}', '{"type":"response.failed"}',
    '{"type":"error","message":"$"}',
    '{"type":"error","status":#,"stream_id":"?","sequence_number":#,"error":{"code":"?",'
      .. '"headers":{"a":"b"}}}',
    '{"type":"response.output_text.delta","stream_id":"?","sequence_number":#,"delta":"$"}',
  },
  anthropic = {
    '{"type":"content_block_delta","index":#,"delta":{"type":"text_delta","text":"$"}}',
    '{"type":"content_block_delta","index":#,"delta":{"type":"thinking_delta","thinking":"$"} }',
    '{"delta":{"text":"$","type":"text_delta"},"index":#,"type":"content_block_delta"}',
    '{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"?"}}',
    '{"type":"content_block_start","content_block":{"type":"text","text":"","citations":null}}',
    '{"type":"message_start","message":{"content":[],"usage":{"input_tokens":#}}}',
    '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":#}}',
    '{"type":"message_stop"}', '{"type":"ping"}', '{"type":"error","error":{"type":"?"}}',
  },
  gemini = {
    '{"candidates":[{"content":{"parts":[{"text":"$"}],"role":"model"},"index":0}],'
      .. '"usageMetadata":{"totalTokenCount":#,"details":[{"modality":"TEXT","tokenCount":#}]},'
      .. '"createTime":"?"}',
    '{"candidates":[{"content":{"parts":[{"text":"$","thought":true}]}}]}',
    '{"candidates":[{"content":{"parts":[{"text":"$","thoughtSignature":"?"}]}}]}',
    '{"candidates":[{"content":{"parts":[{"text":"$"},{"text":"$"}]}}]}',
    '{"candidates":[{"content":{"parts":[{"text":"$"}]},"finishReason":"STOP"}]}',
    '{"promptFeedback":{"blockReason":"SAFETY"}}', '{"error":{"code":#,"status":"?"}}',
  },
  ollama = {
    '{"model":"?","created_at":"?","message":{"role":"assistant","content":"$"},"done":false}',
    '{"model":"m","message":{"role":"assistant","content":"","thinking":"$"},"done":false}',
    '{"message":{"content":"$","tool_calls":[{"function":{"name":"?"}}]},"done":false}',
    '{"message":{"content":""},"done":true,"done_reason":"stop","eval_count":#}',
    '{"message":{"content":"$"},"done":false,"eval_count":#}', '{"error":"$"}',
  },
  chat = {
    '{"type":"content.delta","delta":"$","id":"?","index":#}',
    '{"type":"content.delta","delta":"$"}', '{"delta":"$","type":"content.delta"}',
    '{"type":"content.delta","delta":"$","choice":{"a":#}}',
    '{"type":"content.delta","delta":"$","usage":{"total_tokens":#}}',
    '{"type":"chat.done","usage":{"total_tokens":#}}', '{"type":"chat.done","finish_reason":"?"}',
    '{"type":"chat.started","id":"?"}', '{"type":"error","message":"$"}', '{"error":{"code":#}}',
  },
  realtime = {
    '{"type":"response.output_text.delta","event_id":"?","response_id":"?","item_id":"?",'
      .. '"output_index":#,"content_index":#,"delta":"$"}',
    '{"type":"response.text.delta","delta":"$"}', '{"type":"response.text.done","text":"$"}',
    '{"type":"response.output_audio.delta","delta":"?"}', '{"type":"rate_limits.updated"}',
    '{"type":"response.output_audio_transcript.delta","delta":"$"}',
    '{"type":"response.created","response":{"status":"in_progress","output":[],"usage":null}}',
    '{"type":"response.output_item.added","item":{"type":"message","content":[]}}',
    '{"type":"response.output_item.added","item":{"type":"function_call","name":"?"}}',
    '{"type":"response.content_part.added","part":{"type":"audio","transcript":"$"}}',
    '{"type":"response.content_part.added","part":{"type":"output_text","text":""}}',
    '{"type":"response.done","response":{"status":"?","output":[],"usage":{"total_tokens":#}}}',
    '{"type":"error","event_id":"?","error":{"code":"?","message":"$"}}',
  },
}

-- Classes that a format has not.
local NEVER = { chat = { reasoning = true }, realtime = { reasoning = true, error = true } }

local TEXTS = { "a", " word", [[\n]], [[\"quoted\" \\]], [[\u00e9\ud83d\ude00]], "ชา ☕", [[\u0000]],
  "", "}]}", [[\"},\"done\":true]], ("long "):rep(20), [[\ud83d]], [[\x]], "\1", "\255" }
local NUMBERS = { "0", "1", "9", "10", "123456", "-1", "0.5", "1e3", "01", "9007199254740993" }
local STRINGS = { "", "x", "ab", [[\u0041]], [[\ud83d]], "2026-01-01T00:00:00Z" }

local function made(chance, format)
  local pattern = chance.pick(MADE[format])
  local lists = { ["$"] = TEXTS, ["#"] = NUMBERS, ["?"] = STRINGS }
  return (pattern:gsub("[$#?]", function(sign)
    local list = lists[sign]
    return list[chance.random(1, chance.random(1, 3) > 1 and 4 or #list)] -- mostly harmless
  end))
end

-- The payloads of the recorded streams, one a chunk.
local function recorded(format)
  local chunks = {}
  for _, fixture in ipairs(APIS[format] and fixtures.recorded(APIS[format]) or {}) do
    for payload in fixture.body:gmatch("data: ?([^\r\n]*)") do
      if payload ~= "[DONE]" and #payload < 20000 then
        chunks[#chunks + 1] = payload
      end
    end
  end
  return chunks
end

local function about(format, chunk)
  return ("RILL_SEED=%d, %s: %s"):format(seed, format, chunk)
end

-- luassert is slow, and there are many chunks.
local function same(expected, got, note)
  if expected ~= got then
    assert.are.equal(expected, got, note)
  end
end

local FACTS = { "text", "usage", "sequence", "finished", "terminal", "has_usage" }

-- What a new scanner says, which has to be what one says that has seen other chunks.
local function scan(format, seasoned, chunk)
  local class, facts = scanning.new(format)(chunk)
  local class_again, facts_again = seasoned(chunk)
  same(class, class_again, about(format, chunk))
  for _, name in ipairs(FACTS) do
    same(facts[name], facts_again[name], about(format, chunk))
  end
  return class, facts
end

local function check_facts(facts, seen, is_whole, note)
  same(seen.text, facts.text, note)
  same(seen.finished, facts.finished, note)
  same(seen.terminal, facts.terminal, note)
  same(seen.usage ~= nil, facts.has_usage == true, note)
  same(seen.sequence ~= nil, facts.sequence ~= nil or not is_whole and seen.sequence ~= nil, note)
  if facts.usage then
    assert.are.same(seen.usage, cjson.decode(facts.usage), note)
  end
  if facts.sequence then -- as a float, which is all that some Luas have
    same(seen.sequence + 0.0, tonumber(facts.sequence) + 0.0, note)
  end
end

-- is_whole: nobody has tampered with the chunk, so the scan has no reason to decline it.
local function check(format, seasoned, chunk, is_whole)
  local class, facts = scan(format, seasoned, chunk)
  local note = about(format, chunk)
  local ok, value = pcall(cjson.decode, chunk)
  if not ok or type(value) ~= "table" then
    same("unknown", class, note)
    return class
  end
  if class == "unknown" then
    same(false, is_whole, note)
    same(nil, next(facts), note)
    return class
  end
  local seen = oracle[format](value)
  if class == "output" and class ~= seen.class then
    same(false, is_whole or seen.class == "error", note)
    return class
  end
  same(seen.class, class, note)
  check_facts(facts, seen, is_whole, note)
  return class
end

-- How many chunks of each class a run has seen.
local function counts()
  return setmetatable({}, { __index = function() return 0 end })
end

describe("the scan and lua-cjson agree", function()
  for format in by_name(APIS) do
    it("on every chunk recorded in the format " .. format, function()
      if not fixtures.are_recorded_here() then
        return pending(fixtures.absence())
      end
      local seasoned, seen = scanning.new(format), counts()
      for _, chunk in ipairs(recorded(format)) do
        local class = check(format, seasoned, chunk, true)
        seen[class] = seen[class] + 1
      end
      assert.is_true(seen.text > 0 and seen.output > 0)
      -- No thought was recorded of Gemini.
      assert.is_true(seen.reasoning > 0 or format == "gemini")
    end)
  end

  for format in by_name(MADE) do
    it("on made and on mutilated chunks in the format " .. format, function()
      local pool, seasoned, seen = recorded(format), scanning.new(format), counts()
      local chance = mutilate.new(seed)
      for _ = 1, ROUNDS * CHUNKS do
        local chunk = #pool > 0 and chance.random(1, 3) == 1 and chance.pick(pool)
          or made(chance, format)
        if #chunk > 2000 or chance.random(1, 3) > 1 then
          chunk = chance.mutilate(chunk)
        end
        local class = check(format, seasoned, chunk, false)
        seen[class] = seen[class] + 1
      end
      for _, class in ipairs({ "text", "reasoning", "quiet", "output", "error", "unknown" }) do
        if (NEVER[format] or {})[class] then
          assert.are.equal(0, seen[class])
        else
          assert.is_true(seen[class] > 20, ("only %d chunks are %s"):format(seen[class], class))
        end
      end
    end)
  end

  it("on plain chunks in a row, each of which differs from the last in one byte", function()
    local chance = mutilate.new(seed)
    for format, patterns in pairs(MADE) do
      local seasoned = scanning.new(format)
      local plain = patterns[1]:gsub("[$?]", "a"):gsub("#", "1")
      local other = patterns[1]:gsub("[$?]", "bc"):gsub("#", "2")
      for at = 1, #plain do
        check(format, seasoned, plain, true)
        check(format, seasoned, other, true) -- from here on all that may vary does
        for _, byte in ipairs({ '"', "\\", "}", ",", "x", "0", " ", "\1" }) do
          check(format, seasoned, plain:sub(1, at - 1) .. byte .. plain:sub(at + 1), false)
          check(format, seasoned, plain:sub(1, at) .. byte .. plain:sub(at + 1), false)
        end
        check(format, seasoned, plain:sub(1, at), at == #plain)
        check(format, seasoned, plain:sub(1, at - 1) .. plain:sub(at + 1), false)
        check(format, seasoned, plain:sub(1, at - 1)
          .. string.char(chance.random(0, 255)) .. plain:sub(at + 1), false)
      end
    end
  end)
end)
