-- The specs' own tools: what they hand out is what they say.

local best_of = require("spec.support.best_of")
local every_cut = require("spec.support.every_cut")
local fixtures = require("spec.support.fixtures")
local Gateway = require("spec.support.gateway")
local handles = require("spec.support.handles")
local measured = require("spec.support.measured")
local nginx = require("spec.support.nginx")
local socket = require("socket")
local sse = require("spec.support.sse")

describe("every_cut", function()
  it("gives the same bytes back, whatever the cut", function()
    local bytes = sse.answer({ "one", "two" })
    local calls = 0
    every_cut(bytes, function(pieces)
      calls = calls + 1
      assert.are.equal(bytes, table.concat(pieces))
    end)
    assert.is_true(calls >= #bytes - 1 + 22)
  end)

  it("covers the whole, single bytes and each cut in two", function()
    local seen = {}
    every_cut("abc", function(pieces)
      seen[table.concat(pieces, "|")] = true
    end)
    assert.is_true(seen["abc"] and seen["a|b|c"] and seen["a|bc"] and seen["ab|c"])
  end)

  it("leaves out the cuts in two where an input is long", function()
    local calls = 0
    every_cut(("x"):rep(5000), function()
      calls = calls + 1
    end, { random = 3 })
    assert.are.equal(5, calls)
  end)
end)

describe("the fixtures", function()
  it("of our own are there, each with its size", function()
    local list = fixtures.own()
    assert.is_true(#list >= 15)
    for _, fixture in ipairs(list) do
      assert.are.equal(fixture.expected.body_octets, #fixture.body, fixture.name)
    end
  end)

  it("that were recorded are framed to the octet", function()
    if not fixtures.are_recorded_here() then
      return pending(fixtures.absence())
    end
    local list = fixtures.recorded()
    assert.are.equal(43, #list)
    for _, fixture in ipairs(list) do
      local body, recorded = fixture.recorded_body, fixture.recorded
      assert.are.equal(recorded.body_octets, #body, fixture.name)
      assert.are.equal(recorded.body_sha256, fixtures.sha256(body), fixture.name)
      assert.is_truthy(body:find(fixture.body, 1, true), fixture.name)
    end
  end)

  it("are found by name", function()
    assert.are.equal("openai-chat", fixtures.get("openai/tools").api)
    assert.is_nil((fixtures.get("no such")))
  end)
end)

describe("handles", function()
  it("sees what stays open, and what does not", function()
    local before = handles.snapshot()
    local file = io.open("/dev/null")
    local ok, err = pcall(handles.assert_back, before)
    assert.is_false(ok)
    assert.truthy(tostring(err):find("/dev/null", 1, true))
    file:close()
    handles.assert_back(before)
  end)
end)

describe("what is measured", function()
  local printed, say

  before_each(function()
    printed, say = "", _G.print
    _G.print = function(text)
      printed = printed .. text .. "\n"
    end
  end)

  after_each(function()
    _G.print = say
  end)

  -- Runs that say one after the other what a list says, each while so much of a machine of two
  -- processors is taken away; gives how many were made, and what went wrong.
  local function play(list, share)
    local count = 0
    local ok, err = pcall(measured(#list, function()
      count = count + 1
      socket.sleep(0.02)
      return list[count], "run " .. count
    end, function()
      return share * 2 * socket.gettime(), 2
    end))
    return count, not ok and err or nil
  end

  it("is done with the first good run", function()
    local count, problem = play({ false, true, false }, 0)
    assert.are.same({ 2 }, { count, problem })
  end)

  it("fails when none of the runs was good, with what each said", function()
    local count, problem = play({ false, false, false }, 0)
    assert.are.equal(3, count)
    assert.is_truthy(problem:find("run 1; 0.0 % of the machine was taken away\nrun 2", 1, true))
  end)

  it("is not judged when the machine was away, which is printed", function()
    local count, problem = play({ false, false, false }, 0.5)
    assert.are.same({ 3 }, { count, problem })
    assert.is_truthy(printed:find("not judged, since the machine was away:\nrun 1; %d+"))
    count, problem = play({ true }, 0.5)
    assert.are.same({ 1 }, { count, problem })
  end)
end)

describe("the best of three runs", function()
  -- How often a function runs that fails in its first runs, and what went wrong in the end.
  local function play(failures, share)
    local count = 0
    local ok, err = pcall(best_of(3, function()
      count = count + 1
      socket.sleep(0.02)
      assert.is_true(count > failures)
    end, function()
      return share * 2 * socket.gettime(), 2
    end))
    return count, not ok and tostring(err) or nil
  end

  it("passes with the first one that does", function()
    assert.are.same({ 1 }, { play(0, 0) })
    assert.are.same({ 3 }, { play(2, 0) })
  end)

  it("fails with the third", function()
    local count, problem = play(5, 0)
    assert.are.equal(3, count)
    assert.is_truthy(problem:find("Expected objects to be the same", 1, true))
  end)

  it("does not count those of which much was taken", function()
    assert.are.same({ 6 }, { play(5, 0.5) })
  end)
end)

describe("nginx", function()
  local server

  setup(function()
    server = nginx.start({ files = { answer = sse.answer("hello") }, gateway = Gateway.start() })
  end)

  teardown(function()
    server:stop()
  end)

  -- Posts to a base URL and reads the header and so many bytes behind it.
  local function post(sock, url, length)
    local host, path = url:match("^http://([^/]+)(/.*)$")
    sock:settimeout(10)
    sock:send("POST " .. path .. "/chat/completions HTTP/1.1\r\nHost: " .. host
      .. "\r\nContent-Length: 2\r\n\r\n{}")
    local header = {}
    repeat
      header[#header + 1] = assert(sock:receive("*l"))
    until header[#header] == ""
    return table.concat(header, "\n"), (sock:receive(length))
  end

  local function connect()
    return assert(socket.connect("127.0.0.1", tonumber(server.plain:match("%d+$"))))
  end

  it("answers a POST with a file, and keeps the connection", function()
    local sock = connect()
    for _ = 1, 2 do
      local body = sse.answer("hello")
      local header, got = post(sock, server:base_url("plain", "answer"), #body)
      assert.truthy(header:find("^HTTP/1.1 200 OK\n"))
      assert.truthy(header:find("Content%-Type: text/event%-stream\n"))
      assert.are.equal(body, got)
    end
    sock:close()
  end)

  it("passes a route of the scripted gateway on, as it comes", function()
    local gateway = Gateway.start()
    local route = gateway:script({ { steps = { "abc", { wait = "go" }, "def" } } })
    local sock = connect()
    local _, got = post(sock, server:base_url("plain", route), #"3\r\nabc\r\n")
    assert.are.equal("3\r\nabc\r\n", got)
    gateway:signal(route, "go")
    assert.are.equal("3\r\ndef\r\n", (sock:receive(#"3\r\ndef\r\n")))
    sock:close()
  end)
end)
