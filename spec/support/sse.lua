-- Builds the bytes of a chat-completions stream, an event at a time.
--
--   sse.role() .. sse.chunk("Hel") .. sse.chunk("lo") .. sse.finish("stop") .. sse.done()

local cjson = require("cjson").new()

local sse = {}

local ID, MODEL, CREATED = "chatcmpl-spec", "spec-model", 1700000000

-- Any payload as one event; a table is encoded.
function sse.event(payload, name)
  if type(payload) == "table" then
    payload = cjson.encode(payload)
  end
  return (name and "event: " .. name .. "\n" or "") .. "data: " .. payload .. "\n\n"
end

-- One choice, with its members in the order that servers write them.  The delta is JSON.
local function choice(delta, finish_reason, index)
  return ('{"index":%d,"delta":%s,"logprobs":null,"finish_reason":%s}'):format(
    index or 0, delta, finish_reason and cjson.encode(finish_reason) or "null")
end

local function envelope(choices, usage)
  return sse.event(('{"id":"%s","object":"chat.completion.chunk","created":%d,"model":"%s",'
    .. '"choices":[%s]%s}'):format(
    ID, CREATED, MODEL, choices, usage and ',"usage":' .. usage or ""))
end

-- A chunk with this delta (a table, or JSON), for what has no builder of its own.
function sse.delta(delta, finish_reason, index)
  delta = type(delta) == "table" and cjson.encode(delta) or delta
  return envelope(choice(delta, finish_reason, index))
end

function sse.role(index)
  return envelope(choice('{"role":"assistant","content":""}', nil, index))
end

function sse.chunk(text, index)
  return envelope(choice('{"content":' .. cjson.encode(text) .. "}", nil, index))
end

function sse.finish(reason, index)
  return envelope(choice("{}", reason or "stop", index))
end

-- The chunk that include_usage asks for.  cached and reasoning may be left out.
function sse.usage(input, output, cached, reasoning)
  return envelope("", ('{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
    .. '"prompt_tokens_details":{"cached_tokens":%d},'
    .. '"completion_tokens_details":{"reasoning_tokens":%d}}'):format(
    input, output, input + output, cached or 0, reasoning or 0))
end

function sse.comment(text)
  return ":" .. (text and " " .. text or "") .. "\n\n"
end

function sse.error(message, kind, code)
  return sse.event({ error = { message = message, type = kind, code = code } })
end

function sse.done()
  return "data: [DONE]\n\n"
end

-- A whole answer: its texts in a list, or one text.
function sse.answer(texts, options)
  options = options or {}
  local parts = { sse.role() }
  for _, text in ipairs(type(texts) == "table" and texts or { texts }) do
    parts[#parts + 1] = sse.chunk(text)
  end
  parts[#parts + 1] = sse.finish(options.finish_reason or "stop")
  if options.usage then
    parts[#parts + 1] = sse.usage(options.usage[1], options.usage[2])
  end
  parts[#parts + 1] = sse.done()
  return table.concat(parts)
end

-- A text of so many bytes, always the same.
function sse.filler(bytes)
  local line = "The stream runs on, and nothing of it is lost. "
  return line:rep(math.ceil(bytes / #line)):sub(1, bytes)
end

return sse
