-- Servers repeat keys in their errors.  None of that gets out of rill.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local KEY = ask.KEY
local PART = KEY:sub(1, 12) -- no half of it either

local function assert_clean(value, path, seen)
  seen = seen or {}
  if type(value) == "string" then
    assert.is_falsy(value:find(PART, 1, true), path .. ": " .. value)
  elseif type(value) == "table" and not seen[value] then
    seen[value] = true
    for name, member in pairs(value) do
      assert_clean(name, path .. " key", seen)
      assert_clean(member, path .. "." .. tostring(name), seen)
    end
  end
end

-- All that a stream shows of itself, but for raw payloads and the text of the answer.
local function assert_silent(stream, client, name)
  local seen = ask.read(stream)
  assert.is_truthy(seen.err, name)
  assert_clean(seen.err, name .. ": err")
  assert_clean(tostring(seen.err), name .. ": tostring(err)")
  assert_clean(stream:attempts(), name .. ": attempts")
  assert_clean(stream:metrics(), name .. ": metrics")
  assert_clean(stream:partial(), name .. ": partial")
  for _, object in ipairs({ stream, client, stream.transfer, stream.engine, client.profile }) do
    assert_clean(tostring(object), name .. ": " .. tostring(object))
  end
  for _, event in ipairs(seen.events) do
    for _, field in ipairs({ "type", "reason", "message" }) do
      assert_clean(event[field] or "", name .. ": event " .. field)
    end
  end
  return seen.err
end

-- The key at every place of a text, so that wherever it is cut some text shows half of it.
local function each_place(make, check)
  local places = { 0, 60, 75, 82, 88, 170, 184, 190, 195, 235, 245, 480, 490, 980, 990 }
  for _, before in ipairs(places) do
    check(make(("x"):rep(before) .. KEY .. " and so on"), before)
  end
end

local function play(attempt, name, options)
  local route = gateway:script({ attempt })
  local client = ask.client(route, options or { retry = { max = 1, base = 0.001 } })
  return assert_silent(client:chat(ask.request()), client, name)
end

describe("the key does not show", function()
  it("when an error answer repeats it", function()
    for _, status in ipairs({ 401, 503 }) do
      each_place(function(text)
        return '{"error":{"message":"bad key ' .. text .. '","code":"' .. text .. '","type":"'
          .. text .. '"}}'
      end, function(body, place)
        local err = play({ status = status, framing = "length", steps = { body }, headers = {
          ["Content-Type"] = "application/json", ["x-request-id"] = KEY } },
          status .. " at " .. place)
        assert.is_truthy(err.message:find("bad key", 1, true))
      end)
    end
  end)

  it("when a page or a text repeats it", function()
    each_place(function(text)
      return text
    end, function(text, place)
      for _, kind in ipairs({ "text/html", "text/plain", "application/json" }) do
        play({ status = 403, framing = "length", steps = { text }, headers = {
          ["Content-Type"] = kind } }, "403 " .. kind .. " at " .. place)
        local page = "<html><title>" .. text .. "</title>" .. text
        play({ framing = "length", steps = { page }, headers = {
          ["Content-Type"] = kind } }, "200 " .. kind .. " at " .. place)
      end
    end)
  end)

  it("when an error event repeats it, before output and after it", function()
    each_place(function(text)
      return sse.error("busy " .. text, text, text)
    end, function(bytes, place)
      play({ steps = { bytes } }, "before output at " .. place)
      play({ steps = { sse.chunk("x") .. bytes } }, "after output at " .. place)
    end)
    each_place(function(text)
      return "event: error\ndata: " .. text .. "\n\n"
    end, function(bytes, place)
      play({ steps = { bytes } }, "as text, before output at " .. place)
      play({ steps = { sse.chunk("x") .. bytes } }, "as text, after output at " .. place)
    end)
  end)

  it("when malformed chunks repeat it", function()
    local bad = sse.event("{" .. KEY):rep(3)
    play({ steps = { sse.chunk("x") .. bad } }, "malformed")
  end)

  it("when headers repeat it", function()
    play({ status = 302, framing = "length", headers = { Location = "/" .. KEY } }, "Location")
    play({ status = 307, framing = "length", headers = { Location = "http://localhost/" .. KEY } },
      "Location elsewhere")
    play({ headers = { ["Content-Type"] = "text/" .. KEY }, steps = { "hello" } }, "Content-Type")
    play({ head = KEY .. "\r\n\r\n" }, "status line")
    play({ headers = { ["Content-Encoding"] = KEY }, steps = { sse.answer("x") } }, "encoding")
  end)

  it("when it stands in the URL, a header or the proxy", function()
    local ok, refusal = pcall(ask.client, "http://user:" .. KEY .. "@127.0.0.1:9/v1")
    assert.is_false(ok)
    assert_clean(tostring(refusal), "URL")
    local client = ask.client("http://" .. KEY .. ask.NO_HOST .. "/v1", { retry = { max = 1 } })
    local err = select(2, client:chat(ask.request()):result())
    assert_clean(err, "host")
    client = ask.client("http://127.0.0.1:9/v1", {
      api_key = false, retry = { max = 0 }, proxy = "http://user:" .. KEY .. "@127.0.0.1:9",
      headers = { ["X-Api-Key"] = KEY },
    })
    assert_silent(client:chat(ask.request()), client, "proxy")
  end)

  it("when it was given as a header of one request", function()
    local route = gateway:script({
      { status = 401, framing = "length", steps = { "no: " .. KEY } },
    })
    local client = ask.client(route, { api_key = false })
    local stream = client:chat(ask.request({ headers = { Authorization = "Bearer " .. KEY } }))
    assert_silent(stream, client, "header of a request")
    assert.are.equal("Bearer " .. KEY, gateway:requests(route)[1].headers.authorization)
  end)
end)

describe("a key or header that could smuggle lines", function()
  it("is refused, and not shown", function()
    for _, bad in ipairs({ KEY .. "\r\nX: y", KEY .. "\n", KEY .. "\0", "\1" .. KEY }) do
      local ok, err = pcall(ask.client, gateway.url, { api_key = bad })
      assert.is_false(ok)
      assert_clean(tostring(err), "api_key")
      ok, err = pcall(ask.client, gateway.url, { headers = { ["X-Key"] = bad } })
      assert.is_false(ok)
      assert_clean(tostring(err), "header")
    end
  end)
end)

describe("a URL of another scheme", function()
  it("is refused", function()
    for _, url in ipairs({ "ftp://127.0.0.1/v1", "file:///etc/passwd", "gopher://127.0.0.1/",
      "ws://127.0.0.1/", "127.0.0.1/v1", "javascript:alert(1)" }) do
      assert.is_false(pcall(ask.client, url), url)
    end
  end)
end)
