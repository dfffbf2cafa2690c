-- Recorded streams and our own, through the whole of rill: in one piece, byte by byte and cut at
-- random they give the same events, and these add up to what the vendors' kits made of them.
--
-- The pieces are chunks of the HTTP framing: libcurl hands each of them on by itself, however the
-- packets fall.  RILL_SEED repeats the random cuts of a run.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local every_cut = require("spec.support.every_cut")
local fixtures = require("spec.support.fixtures")

local gateway = Gateway.start()
local SINGLE_CUTS = 6000 -- bytes; up to here the parser alone meets every single cut
local PACKETS = 3000 -- bytes; up to here a byte is a packet of its own, too
local RANDOM_CUTS = 6

local function chunked(pieces)
  local parts = {}
  for _, piece in ipairs(pieces) do
    if piece ~= "" then
      parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
    end
  end
  return table.concat(parts)
end

-- What is told of an event, in one line.
local FIELDS = { "type", "text", "index", "id", "name", "kind", "arguments", "done", "choice",
  "model", "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens",
  "finish_reason", "outcome", "malformed" }

local function told(events, err)
  local lines = {}
  for i, event in ipairs(events) do
    local parts = {}
    for _, name in ipairs(FIELDS) do
      if event[name] ~= nil then
        parts[#parts + 1] = name .. "=" .. tostring(event[name])
      end
    end
    lines[i] = table.concat(parts, " ")
  end
  lines[#lines + 1] = err and ("%s: %s (%s)"):format(err.kind, err.message, tostring(err.code))
    or "no error"
  return table.concat(lines, "\n")
end

local function usage_of(wire)
  if not wire then
    return nil
  end
  local function sub(name)
    return wire[name] or {}
  end
  return {
    input_tokens = wire.prompt_tokens, output_tokens = wire.completion_tokens,
    total_tokens = wire.total_tokens,
    cached_tokens = sub("prompt_tokens_details").cached_tokens or wire.prompt_cache_hit_tokens
      or wire.cached_tokens,
    reasoning_tokens = sub("completion_tokens_details").reasoning_tokens or wire.reasoning_tokens,
  }
end

local function assert_text(expected, text, note)
  assert.is_true(fixtures.is_text(expected or "", text or ""),
    note .. ": " .. tostring(text):sub(1, 200))
end

local function assert_choice(expected, choice, note)
  assert_text(expected.text, choice.text, note .. " text")
  assert_text(expected.reasoning, choice.reasoning, note .. " reasoning")
  assert_text(expected.refusal, choice.refusal, note .. " refusal")
  assert.are.equal(expected.finish_reason, choice.finish_reason, note)
  assert.are.equal(#expected.tool_calls, #choice.tool_calls, note)
  for i, call in ipairs(expected.tool_calls) do
    assert.are.equal(call.id, choice.tool_calls[i].id, note)
    assert.are.equal(call.name, choice.tool_calls[i].name, note)
    assert_text(call.arguments, choice.tool_calls[i].arguments, note .. " arguments")
  end
end

local function assert_totals(fixture, seen, stream)
  local expected = fixture.is_own and fixture.expected or fixture.expected.openai
  local reply, note = seen.reply, fixture.name
  for index, choice in pairs(expected.choices) do
    local mine = reply
    for _, other in ipairs(reply.choices or {}) do
      if tostring(other.index) == index then
        mine = other
      end
    end
    assert_choice(choice, mine, note .. " choice " .. index)
  end
  assert.same(usage_of(expected.usage), reply.usage, note)
  if (expected.id or "") ~= "" then
    assert.are.equal(expected.id, reply.id, note)
    assert.are.equal(expected.model, reply.model, note)
  end
  if fixture.is_own then
    assert.are.equal(expected.outcome, reply.outcome, note)
    assert.are.equal(expected.comments, stream:metrics().comments, note)
  end
  if expected.error then
    assert.are.equal("api", seen.err and seen.err.kind, note)
    -- What the provider behind the gateway said may follow.
    assert.are.equal(expected.error.message, seen.err.message:sub(1, #expected.error.message), note)
    assert.are.equal(("%.14g"):format(expected.error.code), seen.err.code, note)
  else
    assert.are.equal(fixture.expected.sse_events, stream:metrics().events, note)
    assert.are.equal(reply.outcome == "truncated", seen.err ~= nil, note)
  end
end

-- Every chunk of text was given once: the events add up to the reply.
local function assert_sums(seen, note)
  local texts = {}
  for _, event in ipairs(seen.events) do
    if event.type == "text" and (event.choice or 0) == 0 then
      texts[#texts + 1] = event.text
    end
  end
  assert.are.equal(seen.reply.text, table.concat(texts), note)
end

local CUTS = { single = 0, random = RANDOM_CUTS }

local function check_network(fixture)
  local attempts = {}
  every_cut(fixture.body, function(pieces)
    attempts[#attempts + 1] = { steps = { { raw = chunked(pieces) } } }
  end, CUTS)
  local names = { "by length", "to the end of the connection" }
  attempts[#attempts + 1] = { steps = { fixture.body }, framing = "length" }
  attempts[#attempts + 1] = { steps = { fixture.body }, framing = "close" }
  if #fixture.body <= PACKETS then
    names[#names + 1] = "a packet for each byte"
    attempts[#attempts + 1] = { steps = { fixture.body }, piece = 1 }
  end
  local client = ask.client(gateway:script(attempts), { retry = { max = 0 } })
  local first
  local function check(_, name)
    local note = fixture.name .. ", " .. name
    local stream = client:chat(ask.request())
    local seen = ask.read(stream)
    local lines = told(seen.events, seen.err)
    first = first or lines
    assert.are.equal(first, lines, note)
    assert_totals(fixture, seen, stream)
    assert_sums(seen, note)
  end
  every_cut(fixture.body, check, CUTS) -- the same cuts, and the seed is told if one fails
  for _, name in ipairs(names) do
    check(nil, name)
  end
  -- The same answer for who only wants text, and for who only wants the result.
  local pieces = {}
  local stream = client:chat(ask.request())
  local ok, err = pcall(function()
    for text in stream:text() do
      pieces[#pieces + 1] = text
    end
  end)
  local reply = stream:partial()
  assert_totals(fixture, { reply = reply, err = not ok and err or nil }, stream)
  assert.are.equal(reply.text, table.concat(pieces), fixture.name)
  stream = client:chat(ask.request())
  local result, failure = stream:result()
  assert_totals(fixture, { reply = result or failure.partial, err = failure }, stream)
end

local function parsed(pieces)
  local parser, lines = require("rill").sse_parser(), {}
  local function take(event)
    lines[#lines + 1] = event.event .. "\1" .. event.data .. "\1" .. event.id
  end
  for _, piece in ipairs(pieces) do
    parser:feed(piece)
    local event = parser:next()
    while event do
      take(event)
      event = parser:next()
    end
  end
  local last = parser:finish()
  if last then
    take(last)
  end
  return table.concat(lines, "\2")
end

local function check_parser(fixture)
  local whole = parsed({ fixture.body })
  every_cut(fixture.body, function(pieces)
    if parsed(pieces) ~= whole then
      assert.are.equal(whole, parsed(pieces), fixture.name)
    end
  end, { single = SINGLE_CUTS, random = 10 })
end

local function define(list)
  for _, fixture in ipairs(list) do
    it(fixture.name .. " gives the same events in every cut, and the right totals", function()
      check_network(fixture)
    end)

    it(fixture.name .. " is parsed alike in every single cut", function()
      check_parser(fixture)
    end)
  end
end

describe("a stream of our own,", function()
  define(fixtures.own())
end)

describe("a recorded stream,", function()
  local list = fixtures.recorded("openai-chat")
  define(list)

  it("all of them, is here", function()
    if not fixtures.are_recorded_here() then
      return pending(fixtures.absence())
    end
    assert.are.equal(16, #list)
  end)
end)
