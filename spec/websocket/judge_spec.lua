-- The strict server itself: it finds nothing in a client that is right, and every fault in one that
-- has a fault.

local by_name = require("spec.support.by_name")
local cjson = require("cjson").new()
local node = require("spec.support.node")

-- The fault, the cases that show it, and words of what the server says.  is_slow: the server waits
-- for what does not come, until its patience ends.
local FAULTS = {
  { "no mask", "closing", "masked by the wrong side" },
  { "one mask", "closing", "a mask was used twice" },
  { "long lengths", "closing", "the length is not minimal" },
  { "reserved bit", "closing", "a reserved bit is set" },
  { "never final", "closing", "a control frame is fragmented", is_slow = true },
  { "no close frame", "closing", "it sent no close frame" },
  { "another code", "closing", "its close frame says 4242" },
  { "talks on", "closing", "something after its close frame" },
  { "impatient", "closing", "before the server did" },
  { "loses the reason", "closing", "it says that the reason was ''" },
  { "calls a cut an end", "closing", "it says that it ended so: closed, not cut" },
  { "fails without a word", "closing", "it sent no close frame" },
  { "stays", "closing", "it did not end the connection in time" },
  { "one key", "closing", "the key was used before" },
  { "version 8", "closing", "Sec-WebSocket-Version is not 13" },
  { "offers deflate", "closing", "it offers permessage-deflate" },
  { "no pong", "pings and pongs", "it did not answer the last ping in time" },
  { "another pong", "pings and pongs", "a pong that answers nothing" },
  { "loses a message", "pings and pongs", "it did not echo all in time" },
  { "pings unasked", "pings and pongs", "pings that nobody asked for" },
  { "changes a byte", "framing", "came back otherwise" },
  { "only texts", "framing", "came back as text" },
  { "no limit", "framing", "it did not send a close frame in time" },
  { "lies about messages", "pings and pongs", "it has seen the messages" },
  { "bears everything", "opcodes", "it did not send a close frame in time" },
  { "always 1002", "UTF-8", "its close frame says 1002, not 1007" },
  { "checks late", "UTF-8", "it did not send a close frame in time" },
}

local GROUPS = { closing = 100, framing = 100, ["UTF-8"] = 500 } -- more cases than so many

describe("The strict server", function()
  local found = {} -- a fault and its group -> verdicts

  -- One process plays them all: to start one for each would take most of the time.
  local function play(patience, list)
    local server = node.start("spec/websocket/server.mjs", "--patience " .. patience)
    local words = {}
    for i, case in ipairs(list) do
      words[i] = ("'%s' '%s'"):format(case[1], case[2])
    end
    local said = node.run("spec/websocket/sloppy_client.mjs",
      table.concat(words, " ") .. " " .. server.port)
    server:stop()
    local i = 0
    for line in said:gmatch("[^\n]+") do
      i = i + 1
      found[list[i][1] .. list[i][2]] = cjson.decode(line)
    end
    assert.are.equal(#list, i)
  end

  setup(function()
    local patient, hasty = {}, {}
    for group in pairs(GROUPS) do
      patient[#patient + 1] = { "none", group }
    end
    for _, fault in ipairs(FAULTS) do
      local is_slow = fault.is_slow or fault[3]:find("in time", 1, true)
      local list = is_slow and hasty or patient
      list[#list + 1] = fault
    end
    play(20000, patient)
    play(150, hasty)
  end)

  local function all_problems(verdicts)
    local texts = {}
    for _, failed in ipairs(verdicts.failed) do
      texts[#texts + 1] = failed.name .. ": " .. table.concat(failed.problems, ", ")
    end
    return table.concat(texts, "\n")
  end

  for group, count in by_name(GROUPS) do
    it("finds nothing in a client without faults, " .. group, function()
      local verdicts = found["none" .. group]
      assert.are.equal("", all_problems(verdicts))
      assert.is_true(verdicts.passed > count, tostring(verdicts.passed))
    end)
  end

  for _, fault in ipairs(FAULTS) do
    it("notices the fault '" .. fault[1] .. "'", function()
      local problems = all_problems(found[fault[1] .. fault[2]])
      assert.is_truthy(problems:find(fault[3], 1, true), problems:sub(1, 500))
    end)
  end
end)

describe("The package ws of Node", function()
  it("passes the cases of the strict server that it can", function()
    local missing = node.missing("ws")
    if missing then
      return pending(missing)
    end
    local server = node.start("spec/websocket/server.mjs")
    local verdicts = cjson.decode(node.run("spec/websocket/ws_client.mjs", tostring(server.port)))
    server:stop()
    local problems = {}
    for i, failed in ipairs(verdicts.failed) do
      problems[i] = failed.name .. ": " .. table.concat(failed.problems, ", ")
    end
    assert.are.equal("", table.concat(problems, "\n"))
    assert.is_true(verdicts.passed > 1500, tostring(verdicts.passed))
  end)
end)
