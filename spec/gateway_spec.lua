-- The scripted gateway plays what it was told, byte for byte.

local socket = require("socket")
local Gateway = require("spec.support.gateway")
local handles = require("spec.support.handles")

local gateway

-- Opens a connection and sends one request on a route; returns the socket.
local function ask(route, body, headers, sock)
  sock = sock or assert(socket.connect("127.0.0.1", gateway.port))
  sock:settimeout(10)
  body = body or "{}"
  assert(sock:send("POST " .. route.path .. "/v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    .. (headers or "") .. "Content-Length: " .. #body .. "\r\n\r\n" .. body))
  return sock
end

-- Reads until the bytes end with a text, or the connection does: bytes, and nil or the error.
local function read_upto(sock, ending)
  local bytes = ""
  while not ending or bytes:sub(-#ending) ~= ending do
    local data, err, partial = sock:receive(1)
    bytes = bytes .. (data or partial or "")
    if err then
      return bytes, err
    end
  end
  return bytes
end

local END = "\r\n0\r\n\r\n"

local function header(extra)
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" .. extra .. "\r\n"
end

local CHUNKED = "Transfer-Encoding: chunked\r\n"

describe("the scripted gateway", function()
  setup(function()
    gateway = Gateway.start()
  end)

  it("plays each attempt once and then repeats the last", function()
    local route = gateway:script({ "one", "two" })
    local sock = ask(route)
    assert.are.equal(header(CHUNKED) .. "3\r\none" .. END, (read_upto(sock, END)))
    for _ = 1, 2 do
      ask(route, nil, nil, sock)
      assert.truthy(read_upto(sock, END):find("two", 1, true))
    end
    sock:close()
  end)

  it("writes a chunk for each piece", function()
    local route = gateway:script({ { steps = { "abcde" }, piece = 2 } })
    local sock = ask(route)
    assert.truthy(read_upto(sock, END):find("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n1\r\ne" .. END, 1, true))
    sock:close()
  end)

  it("frames by length, and by the end of the connection", function()
    local route = gateway:script({
      { steps = { "abc", "def" }, framing = "length" },
      { steps = { "abc" }, framing = "close" },
    })
    local sock = ask(route)
    assert.are.equal(header("Content-Length: 6\r\n") .. "abcdef", (read_upto(sock, "def")))
    ask(route, nil, nil, sock)
    local bytes, err = read_upto(sock)
    assert.are.equal(header("Connection: close\r\n") .. "abc", bytes)
    assert.are.equal("closed", err)
  end)

  it("sends the status, the headers and the head it was given", function()
    local route = gateway:script({
      {
        status = 429,
        headers = { ["Retry-After"] = "2", ["Content-Type"] = false },
        framing = "length",
      },
      { head = "HTTP/1.1 200\r\n\r\n", steps = { { raw = "raw" }, { close = true } } },
    })
    local sock = ask(route)
    local bytes = read_upto(sock, "\r\n\r\n")
    assert.truthy(bytes:find("^HTTP/1.1 429 Too Many Requests\r\n"))
    assert.truthy(bytes:find("Retry-After: 2\r\n", 1, true))
    assert.falsy(bytes:find("Content-Type", 1, true))
    ask(route, nil, nil, sock)
    assert.are.equal("HTTP/1.1 200\r\n\r\nraw", (read_upto(sock)))
  end)

  it("has no body for 204", function()
    local route = gateway:script({ { status = 204 } })
    local sock = ask(route)
    assert.are.equal("HTTP/1.1 204 No Content\r\n\r\n", (read_upto(sock, "\r\n\r\n")))
    sock:close()
  end)

  it("closes without the end of the framing", function()
    local route = gateway:script({ { steps = { "abc", { close = true } } } })
    local bytes, err = read_upto(ask(route))
    assert.are.equal("3\r\nabc\r\n", bytes:sub(-8))
    assert.are.equal("closed", err)
  end)

  it("half-closes and stays until the client goes", function()
    local route = gateway:script({ { steps = { "abc", { half_close = true } } } })
    local sock = ask(route)
    local _, err = read_upto(sock)
    assert.are.equal("closed", err)
    assert.is_nil((gateway:wait(route, "closed", 1, 0.05)))
    sock:close()
    assert.truthy(gateway:wait(route, "closed", 1, 5))
  end)

  it("resets after output and before any header", function()
    local route = gateway:script({
      { steps = { "abc", { wait = "read" }, { reset = true } } },
      { before = { { reset = true } } },
    })
    local sock = ask(route)
    assert.are.equal("3\r\nabc\r\n", (read_upto(sock, "abc\r\n")):sub(-8))
    gateway:signal(route, "read")
    -- A reset is an error of the read, where a FIN is an end: sending then fails at once.
    read_upto(sock)
    assert.is_nil((sock:send("x")))
    sock:close()
    sock = ask(route)
    assert.are.equal("", (read_upto(sock)))
    assert.is_nil((sock:send("x")))
    sock:close()
  end)

  it("stalls and tells when the client went", function()
    local route = gateway:script({ { before = { { stall = true } } } })
    local sock = ask(route)
    local asked = gateway:wait(route, "requests", 1, 5)
    assert.is_nil(asked.closed_at)
    sock:close()
    local closed = gateway:wait(route, "closed", 1, 5)
    assert.are.equal(1, closed.number)
    assert.is_true(closed.closed_at >= closed.at)
    assert.are.equal(0, closed.sent)
  end)

  it("waits until it was asked as often as a step says", function()
    local route = gateway:script({ { steps = { "a", { asked = 2 }, "b" } } })
    local first = ask(route)
    read_upto(first, "\r\n1\r\na\r\n")
    first:settimeout(0.05)
    assert.are.equal("timeout", select(2, first:receive(1)))
    first:settimeout(5)
    local second = ask(route)
    for _, sock in ipairs({ first, second }) do
      assert.truthy(read_upto(sock, END):find("b" .. END, 1, true))
      sock:close()
    end
  end)

  it("waits for a signal, given before or after", function()
    local route = gateway:script({
      { steps = { "a", { wait = "one" }, "b", { wait = "two" }, "c" } },
    })
    gateway:signal(route, "two")
    local sock = ask(route)
    read_upto(sock, "\r\n1\r\na\r\n")
    gateway:signal(route, "one")
    assert.truthy(read_upto(sock, END):find("c" .. END, 1, true))
    local finished = gateway:wait(route, "finished", 1, 5)
    assert.is_true(finished.finished_at >= finished.at)
    sock:close()
  end)

  it("sleeps, and sends headers slowly", function()
    local route = gateway:script({
      { before = { { sleep = 0.05 } }, send_headers_slowly = 0.02, steps = { "a" } },
    })
    local started = socket.gettime()
    local sock = ask(route)
    read_upto(sock, END)
    assert.is_true(socket.gettime() - started >= 0.05 + 4 * 0.02)
    sock:close()
  end)

  it("records what it was asked", function()
    local route = gateway:script({ "x" })
    local sock = ask(route, '{"n":1}', "X-Team: docs\r\nx-team: more\r\n")
    read_upto(sock, END)
    ask(route, '{"n":2}', nil, sock)
    read_upto(sock, END)
    local other = ask(route, "\0\255")
    read_upto(other, END)
    local requests = gateway:requests(route)
    assert.are.equal(3, #requests)
    assert.are.equal("POST", requests[1].method)
    assert.are.equal(route.path .. "/v1/chat/completions", requests[1].path)
    assert.are.equal("docs, more", requests[1].headers["x-team"])
    assert.are.equal('{"n":1}', requests[1].body)
    assert.are.equal('{"n":2}', requests[2].body)
    assert.are.equal("\0\255", requests[3].body)
    assert.are.equal(requests[1].connection, requests[2].connection)
    assert.are_not.equal(requests[1].connection, requests[3].connection)
    sock:close()
    other:close()
  end)

  it("reads chunked bodies and answers Expect, unless told not to", function()
    local route = gateway:script({ "x", { steps = { "x" }, on_expect = false } })
    local sock = assert(socket.connect("127.0.0.1", gateway.port))
    local head = "POST " .. route.path .. "/v1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
      .. "Expect: 100-continue\r\n\r\n"
    sock:send(head)
    assert.are.equal("HTTP/1.1 100 Continue\r\n\r\n", (read_upto(sock, "\r\n\r\n")))
    sock:send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    read_upto(sock, END)
    assert.are.equal("abcde", gateway:requests(route)[1].body)
    sock:send(head .. "0\r\n\r\n")
    assert.truthy(read_upto(sock, "\r\n"):find("200 OK", 1, true))
    sock:close()
  end)

  it("understands what a proxy is asked", function()
    local route = gateway:script({ "x" })
    local sock = assert(socket.connect("127.0.0.1", gateway.port))
    sock:send("GET http://example.invalid" .. route.path .. "/v1/models HTTP/1.1\r\n\r\n")
    read_upto(sock, END)
    local request = gateway:requests(route)[1]
    assert.are.equal(route.path .. "/v1/models", request.path)
    assert.are.equal("http://example.invalid" .. route.path .. "/v1/models", request.target)
    sock:close()
  end)

  it("waits no longer than it is told, and calls the pump meanwhile", function()
    local route = gateway:script({ "x" })
    local pumped = 0
    local record, err = gateway:wait(route, "requests", 1, 0.05, function()
      pumped = pumped + 1
    end)
    assert.is_nil(record)
    assert.are.equal("timeout", err)
    assert.is_true(pumped >= 2)
  end)

  it("names what is wrong with a script", function()
    assert.has_error(function()
      gateway:script({ { stepz = {} } })
    end, "an attempt has no 'stepz'")
    assert.has_error(function()
      gateway:script({ { steps = { { snooze = 1 } } } })
    end, "no such step: snooze")
  end)

  it("carries 300 connections at once", function()
    local before = handles.snapshot()
    local route = gateway:script({ { steps = { "a", { wait = "go" }, "b" } } })
    local socks = {}
    for at = 1, 300 do
      socks[at] = ask(route)
    end
    assert.truthy(gateway:wait(route, "requests", 300, 10))
    gateway:signal(route, "go")
    for _, sock in ipairs(socks) do
      assert.truthy(read_upto(sock, END):find("b" .. END, 1, true))
      sock:close()
    end
    handles.assert_back(before)
  end)

  it("refuses on one port and keeps silent on another", function()
    local refused, err = socket.connect("127.0.0.1", tonumber(gateway.refused_url:match("%d+$")))
    assert.is_nil(refused)
    assert.are.equal("connection refused", err)
    local silent = assert(socket.connect("127.0.0.1", gateway.silent_port))
    silent:settimeout(0.02)
    silent:send("hello\r\n\r\n")
    assert.are.equal("timeout", select(2, silent:receive(1)))
    silent:close()
  end)
end)
