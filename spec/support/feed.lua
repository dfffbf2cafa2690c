-- Feeds the events of a stream to a provider, as intake.lua does, without any network.
--
--   local feed = require("spec.support.feed")
--   local seen = feed(provider, chunks)                       -- Lua sees every chunk
--   local seen = feed(provider, chunks, { is_plain = f })     -- only text is wanted: C keeps to
--                                itself the chunks of which f gives "text" or "reasoning", and what
--   local seen = feed(provider, { chunk }, { whole = true })  -- an answer in one piece
--
-- chunks are tables or JSON texts.  Gives { events (without raw), said, state, reply }; said is
-- what an error event says, and the events then are those before it.

local json = require("rill.json").default()
local json_encode = require("rill.json_encode")
local message = require("rill.message")

local function decode_base64(text)
  return not text:find("[^%w+/=]") and "decoded " .. text or nil
end

local function sorted(value)
  return (json_encode(value))
end

local function take(seen, events)
  for _, event in ipairs(events) do
    seen.fold:fold(event)
    if event.type == "text" or event.type == "reasoning" then
      seen[event.type] = seen[event.type] .. event.text
    end
    assert(event.raw ~= nil, "an event without raw")
    event.raw = nil
    seen.events[#seen.events + 1] = event
  end
end

local function feed_one(seen, provider, chunk, options)
  local kind, text
  if options.is_plain then
    kind, text = options.is_plain(chunk)
  end
  if kind then
    seen[kind] = seen[kind] .. text
    return
  end
  seen.state.text_length, seen.state.reasoning_length = #seen.text, #seen.reasoning
  local read = options.whole and provider.whole or provider.events
  local events, said = read(chunk, seen.state)
  if not events then
    seen.said = said
    return
  end
  take(seen, events)
end

return function(provider, chunks, options)
  local seen = {
    events = {}, said = nil, text = "", reasoning = "", fold = message.new(1),
    state = provider.new_state(false),
  }
  seen.state.encode, seen.state.decode_base64 = sorted, decode_base64
  for _, chunk in ipairs(chunks) do
    if not seen.said then
      feed_one(seen, provider, type(chunk) == "string" and assert(json.decode(chunk)) or chunk,
        options or {})
    end
  end
  seen.reply = seen.fold:reply({
    text = seen.text, reasoning = seen.reasoning, state = seen.state, provider = provider,
  })
  return seen
end
