-- Recorded streams and our own, through the whole of rill: in one piece, byte by byte and cut at
-- random they give the same events, and these add up to what the vendors' kits made of them.
--
-- The pieces are chunks of the HTTP framing: libcurl hands each of them on by itself, however the
-- packets fall.  RILL_SEED repeats the random cuts of a run.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local every_cut = require("spec.support.every_cut")
local expected_of = require("spec.support.expected")
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

local function assert_text(expected, text, note)
  assert.is_true(fixtures.is_text(expected or "", text or ""),
    note .. ": " .. tostring(text):sub(1, 200))
end

-- Arguments that a provider left out stand for none.
local function assert_calls(expected, calls, note)
  local mine = {}
  for _, call in ipairs(calls) do
    if call.kind ~= "server" or #calls == #expected then
      mine[#mine + 1] = call
    end
  end
  assert.are.equal(#expected, #mine, note .. " tool calls")
  for i, call in ipairs(expected) do
    local arguments = mine[i].arguments
    assert.are.equal(call.id or mine[i].id, mine[i].id, note)
    assert.are.equal(call.name, mine[i].name, note)
    assert_text(call.arguments, arguments == "" and call.arguments == "{}" and "{}" or arguments,
      note .. " arguments")
  end
end

local function assert_choice(expected, choice, note)
  assert_text(expected.text, choice.text, note .. " text")
  if expected.reasoning then
    assert_text(expected.reasoning, choice.reasoning, note .. " reasoning")
  end
  assert_text(expected.refusal, choice.refusal, note .. " refusal")
  assert.are.equal(expected.finish_reason, choice.finish_reason, note)
  if expected.tool_calls then
    assert_calls(expected.tool_calls, choice.tool_calls, note)
  end
end

local function assert_error(expected, err, note)
  assert.are.equal(expected.kind, err and err.kind, note)
  assert.are.equal(expected.code, err.code, note)
  if expected.message then -- what the provider behind the gateway said may follow
    assert.are.equal(expected.message, err.message:sub(1, #expected.message), note)
  end
end

local function assert_usage(expected, usage, note)
  for name, count in pairs(expected or {}) do
    assert.same(count, usage and usage[name], note .. " usage." .. name)
  end
  assert.are.equal(expected ~= nil, usage ~= nil, note .. " usage")
end

-- What was left out by those who recorded it is a gap, which is an error.
local function assert_gap(seen, note)
  assert.are.equal("protocol", seen.err and seen.err.kind, note)
  assert.is_truthy(seen.err.message:find("^event %d+ followed event %d+"), seen.err.message)
  assert.are.equal(seen.reply.text, seen.err.partial.text, note)
end

local FAILED = { truncated = true, broken = true, provider_error = true }

local function assert_totals(fixture, seen, stream)
  local note = fixture.name
  if fixture.has_gap then
    return assert_gap(seen, note)
  elseif not fixture.expected then
    return assert.is_nil(seen.err, note)
  end
  local expected, reply = expected_of(fixture), seen.reply
  for index, choice in pairs(expected.choices) do
    local mine = reply
    for _, other in ipairs(reply.choices or {}) do
      if tostring(other.index) == index then
        mine = other
      end
    end
    assert_choice(choice, mine, note .. " choice " .. index)
  end
  assert_usage(expected.usage, reply.usage, note)
  assert.are.equal(expected.id or reply.id, reply.id, note)
  assert.are.equal(expected.id and expected.model or reply.model, reply.model, note)
  assert.are.equal(expected.outcome or reply.outcome, reply.outcome, note)
  assert.are.equal(expected.comments or 0, stream:metrics().comments, note)
  if expected.error then
    assert_error(expected.error, seen.err, note)
  else
    assert.are.equal(fixture.expected.sse_events, stream:metrics().events, note)
    assert.are.equal(FAILED[reply.outcome] or false, seen.err ~= nil, note)
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
  local client = ask.client(gateway:script(attempts), {
    retry = { max = 0 }, provider = fixture.format,
  })
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

local COUNTS = {
  ["openai-chat"] = 16, ["openai-responses"] = 12, anthropic = 9, gemini = 4,
}

for api, count in by_name(COUNTS) do
  describe("a recorded stream of " .. api .. ",", function()
    local list = fixtures.recorded(api)
    define(list)

    it("all of them, is here", function()
      if not fixtures.are_recorded_here() then
        return pending(fixtures.absence())
      end
      assert.are.equal(count, #list)
    end)
  end)
end
