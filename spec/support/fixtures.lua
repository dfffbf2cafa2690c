-- Recorded streams, each as the bytes that a server sends.
--
--   for _, fixture in ipairs(fixtures.own()) do ... end
--   for _, fixture in ipairs(fixtures.recorded("openai-chat")) do ... end
--   local fixture = fixtures.get("openai-text")
--
-- A fixture is { name, provider, api, format, body, expected, is_own, has_gap }.  format is the
-- name of rill's provider for it; has_gap: numbers of a Responses stream are missing, since whoever
-- recorded it has shortened it.  expected is its entry in
-- expectations.json.  Our own, in spec/fixtures, say { sse_events, comments, id, model, outcome,
-- choices = { ["0"] = { text, reasoning, refusal, tool_calls, finish_reason } }, usage, error }.
-- The recorded ones belong to others: they are read where RILL_FIXTURES says (../shared/fixtures by
-- itself) and say what the vendors' kits made of them: { sse_events, openai = { choices, usage,
-- error, ... } }.  Their long texts are given as { chars, octets, sha256 }: see fixtures.is_text.

local cjson = require("cjson").new()
local shell = require("spec.support.shell")

local fixtures = {}

local FOLDER = os.getenv("RILL_FIXTURES") or "../shared/fixtures"
local OWN_FOLDER = "spec/fixtures"

-- JSON null reads as nil everywhere, as in rill itself.
local function without_nulls(value)
  if type(value) == "table" then
    for key, member in pairs(value) do
      if member == cjson.null then
        value[key] = nil
      else
        without_nulls(member)
      end
    end
  end
  return value
end

-- The framing that SOURCES.md gives for payloads kept one a line.
local function frame(lines, api)
  local parts = {}
  for line in lines:gmatch("[^\n]+") do
    if api == "gemini" or api == "openai-chat" then
      parts[#parts + 1] = "data: " .. line .. "\n\n"
    else
      local kind = cjson.decode(line).type
      parts[#parts + 1] = "event: " .. kind .. "\ndata: " .. line .. "\n\n"
    end
  end
  if api == "openai-chat" then
    parts[#parts + 1] = "data: [DONE]\n\n"
  end
  return table.concat(parts)
end

local READERS = {
  lines = function(entry)
    return frame(shell.read(entry.path_here .. ".chunks.txt"), entry.api)
  end,
  raw = function(entry)
    return shell.read(entry.path_here .. ".sse")
  end,
  -- Recorded without their last line ends.
  ["raw+blank"] = function(entry)
    return shell.read(entry.path_here .. ".sse") .. "\n\n"
  end,
}

local function load(path)
  local text = shell.read_if_there(path)
  return text and without_nulls(cjson.decode(text)).expectations
end

-- Whether the recorded streams are here.
function fixtures.are_recorded_here()
  return shell.read_if_there(FOLDER .. "/expectations.json") ~= nil
end

-- Why not, for pending().
function fixtures.absence()
  return "the recorded streams are absent: no expectations.json in " .. FOLDER .. " (RILL_FIXTURES)"
end

local FORMATS = {
  ["openai-chat"] = "openai", ["openai-responses"] = "responses", anthropic = "anthropic",
  gemini = "gemini", ollama = "ollama", cohere = "cohere",
}

-- Some recordings hold several answers, one after the other.
local function split_responses(body)
  local bodies = {}
  for event in body:gmatch("event: .-\n\n") do
    if event:find("^event: response%.created") or not bodies[1] then
      bodies[#bodies + 1] = ""
    end
    bodies[#bodies] = bodies[#bodies] .. event
  end
  return bodies
end

local function has_gap(body)
  local last
  for number in body:gmatch('"sequence_number":(%d+)') do
    if last and tonumber(number) > last + 1 then
      return true
    end
    last = tonumber(number)
  end
  return false
end

-- The recorded ones, of one api if given ("openai-chat", "openai-responses", "anthropic", "gemini",
-- "cohere"); an empty list where they are absent.
function fixtures.recorded(api)
  local list = {}
  for _, entry in ipairs(load(FOLDER .. "/expectations.json") or {}) do
    if not api or entry.api == api then
      entry.path_here = FOLDER .. "/" .. entry.provider .. "/" .. entry.name
      local body = READERS[entry.how](entry)
      local bodies = entry.api == "openai-responses" and split_responses(body) or { body }
      for part, one in ipairs(bodies) do
        list[#list + 1] = {
          name = entry.provider .. "/" .. entry.name .. (bodies[2] and " #" .. part or ""),
          provider = entry.provider,
          api = entry.api,
          format = FORMATS[entry.api],
          body = one,
          recorded = entry, -- and how it stands in the file
          recorded_body = body,
          expected = not bodies[2] and entry or nil, -- nil: it is told of all together
          is_own = false,
          has_gap = entry.api == "openai-responses" and has_gap(one),
        }
      end
    end
  end
  return list
end

function fixtures.own()
  local list = {}
  for _, entry in ipairs(load(OWN_FOLDER .. "/expectations.json")) do
    list[#list + 1] = {
      name = entry.provider .. "/" .. entry.name,
      provider = entry.provider,
      api = entry.api,
      format = FORMATS[entry.api],
      body = shell.read(OWN_FOLDER .. "/" .. entry.file),
      expected = entry,
      is_own = true,
    }
  end
  return list
end

-- By name, with or without the provider; our own go first.
function fixtures.get(name)
  for _, list in ipairs({ fixtures.own(), fixtures.recorded() }) do
    for _, fixture in ipairs(list) do
      if fixture.name == name or fixture.name:match("/(.*)$") == name then
        return fixture
      end
    end
  end
  return nil, "no fixture '" .. name .. "'"
end

local digests = {} -- by text

function fixtures.sha256(text)
  if not digests[text] then
    local path = os.tmpname()
    shell.write(path, text)
    local pipe = assert(io.popen("sha256sum <" .. path))
    digests[text] = pipe:read("*a"):match("^%x+")
    pipe:close()
    os.remove(path)
  end
  return digests[text]
end

-- Whether the text is the expected one, given as itself or as { octets, sha256 }.
function fixtures.is_text(expected, text)
  if type(expected) == "table" then
    return #text == expected.octets and fixtures.sha256(text) == expected.sha256
  end
  return text == (expected or "")
end

return fixtures
