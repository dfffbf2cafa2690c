-- Answers from the cache beside the answers they were made of: the recorded streams of every
-- format, through the whole of rill.

local by_name = require("spec.support.by_name")
local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local fixtures = require("spec.support.fixtures")

local gateway = Gateway.start()

local NOT_COMPARED = { raw = true, raw_text = true, cached = true }
local COUNTS = {
  input_tokens = true, output_tokens = true, total_tokens = true, cached_tokens = true,
  cache_write_tokens = true, reasoning_tokens = true, durations = true,
}

-- What must be the same: in a `usage` no number is.
local function comparable(event)
  local copy = {}
  for name, value in pairs(event) do
    if not NOT_COMPARED[name] and not (event.type == "usage" and COUNTS[name]) then
      copy[name] = value
    end
  end
  return copy
end

local function comparable_events(events)
  local list = {}
  for i, event in ipairs(events) do
    list[i] = comparable(event)
  end
  return list
end

local function assert_free(usage)
  for name in pairs(usage or {}) do
    assert.are.equal(0, usage[name], name)
  end
end

local function same_reply(live, cached)
  assert.is_true(cached.cached)
  assert_free(cached.usage)
  for name, value in pairs(live) do
    if name ~= "usage" then
      assert.same(value, cached[name], name)
    end
  end
  assert.same(live:message(), cached:message())
end

local function new_cache()
  local kept = {}
  return {
    get = function(key)
      return kept[key]
    end,
    set = function(key, value)
      kept[key] = value
    end,
  }
end

local function body_of(fixture)
  return { steps = { fixture.body }, headers = {
    ["Content-Type"] = fixture.format == "ollama" and "application/x-ndjson" or nil,
  } }
end

-- Two answers of one client: the second is asked for when the first has been read by `read`.
local function twice(fixture, read)
  local route = gateway:script({ body_of(fixture) })
  local ai = ask.client(route, { provider = fixture.format, cache = new_cache() })
  local first = ai:chat(ask.request())
  read(first)
  return first, ai:chat(ask.request()), route
end

local function check(fixture)
  local live = ask.read(ask.client(gateway:script({ body_of(fixture) }),
    { provider = fixture.format }):chat(ask.request()))
  local seen
  local first, second, route = twice(fixture, function(stream)
    seen = ask.read(stream)
  end)
  assert.same(comparable_events(live.events), comparable_events(seen.events))
  local again = ask.read(second)
  local is_complete = first:metrics().outcome == "complete"
  assert.are.equal(is_complete and 1 or 2, ask.count(route))
  if not is_complete then
    return 0
  end
  assert.same(comparable_events(live.events), comparable_events(again.events))
  same_reply(live.reply, again.reply)
  assert.are.equal(live.reply.usage and live.reply.usage.total_tokens,
    second:metrics().saved_tokens)

  local _, of_text = twice(fixture, function(stream)
    for piece in stream:text() do
      assert.are_not.equal("", piece)
    end
  end)
  assert.same(comparable_events(live.events), comparable_events(ask.read(of_text).events))
  local _, read_as_text = twice(fixture, ask.read)
  local pieces = {}
  for piece in read_as_text:text() do
    pieces[#pieces + 1] = piece
  end
  assert.are.equal(live.reply.text, table.concat(pieces))
  same_reply(live.reply, read_as_text:result())
  return 1
end

describe("an answer from the cache equals the answer it was made of, for", function()
  local function check_all(list, least)
    local complete = 0
    for _, fixture in ipairs(list) do
      local ok, result = pcall(check, fixture)
      assert(ok, fixture.name .. ": " .. tostring(type(result) == "table" and result.message
        or result))
      complete = complete + result
    end
    assert.is_true(complete >= least, complete)
  end

  it("every stream of our own", function()
    check_all(fixtures.own(), 10)
  end)

  for api, least in by_name({
    ["openai-chat"] = 9, ["openai-responses"] = 4, anthropic = 5, gemini = 3,
  }) do
    it("every recorded stream of " .. api, function()
      if not fixtures.are_recorded_here() then
        return pending(fixtures.absence())
      end
      check_all(fixtures.recorded(api), least)
    end)
  end
end)
