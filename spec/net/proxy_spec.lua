-- What a proxy may do to a tunnel, for transfers and sockets alike: whether it is tried again, and
-- what is said of it.

local connect_proxy = require("spec.support.connect_proxy")
local core = require("rill.core")
local raw = require("spec.support.raw")

local RETRIES = 2

describe("a proxy that", function()
  local proxy

  before_each(function()
    proxy = connect_proxy.start()
  end)

  after_each(function()
    proxy:stop()
  end)

  local function start(kind)
    local profile = raw.profile({ retry = { max = RETRIES } }, { proxy = proxy.url })
    if kind == "transfer" then
      return core.engine():open(profile, "https://127.0.0.1:9/v1/chat", "{}")
    end
    return core.engine():connect(profile, kind .. "://127.0.0.1:9/")
  end

  -- The failures of a transfer and of sockets where the proxy says so to CONNECT.
  local function failures_of(answer)
    proxy.answer = answer
    local failures = {}
    for i, kind in ipairs({ "transfer", "ws", "wss" }) do
      local one, deadline = start(kind), core.now() + 10
      while not one:ending() do
        assert.is_true(core.now() < deadline, "it did not end")
        proxy:pump()
        while core.engine():ready() do end -- luacheck: ignore
        core.engine():step(0.005)
      end
      failures[i] = one:failure()
      failures[i].attempts = #one:attempts()
    end
    return failures
  end

  it("refuses for good is asked once", function()
    for _, status in ipairs({ 400, 403, 405, 407 }) do
      local failures = failures_of(("HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno"):format(status))
      for _, failure in ipairs(failures) do
        assert.are.equal("connect", failure.kind)
        assert.are.equal("proxy", failure.phase)
        assert.are.equal("the proxy refused the tunnel: HTTP " .. status, failure.message)
        assert.is_false(failure.retryable)
        assert.are.equal(1, failure.attempts)
      end
    end
  end)

  it("cannot reach the server now is asked again", function()
    for _, status in ipairs({ 429, 502, 503, 504 }) do
      for _, failure in ipairs(failures_of(("HTTP/1.1 %d No\r\n\r\n"):format(status))) do
        assert.are.equal("connect", failure.kind)
        assert.are.equal("proxy", failure.phase)
        assert.is_true(failure.retryable)
        assert.are.equal(RETRIES + 1, failure.attempts)
      end
    end
  end)

  it("goes before it has answered is a connection that was not made", function()
    for _, answer in ipairs({ "", "HTTP/1.1 200 Connec" }) do
      for _, failure in ipairs(failures_of(answer)) do
        assert.are.equal("connect", failure.kind)
        assert.are.equal("connect", failure.phase)
        assert.are.equal(RETRIES + 1, failure.attempts)
      end
    end
  end)

  -- The failure of a socket whose SOCKS proxy sends these bytes to whoever connects.
  local function failure_by_socks(bytes)
    local profile = raw.profile({ retry = { max = RETRIES } },
      { proxy = proxy.url:gsub("^http://", "socks5://me:pw@") })
    local socket, deadline = core.engine():connect(profile, "ws://127.0.0.1:9/"), core.now() + 10
    local peers = {}
    while not socket:ending() do
      assert.is_true(core.now() < deadline, "it did not end")
      local peer = proxy.listener:accept()
      if peer then
        assert(peer:send(bytes))
        peers[#peers + 1] = peer
      end
      while core.engine():ready() do end -- luacheck: ignore
      core.engine():step(0.005)
    end
    for _, peer in ipairs(peers) do
      peer:close()
    end
    local failure = socket:failure()
    failure.attempts = #socket:attempts()
    return failure
  end

  it("speaks SOCKS is asked again only where that can help", function()
    local for_good = {
      ["it wants a user"] = "\5\255", ["it rejects the user"] = "\5\2\1\1",
      ["it does not allow"] = "\5\0\5\2\0\1\0\0\0\0\0\0",
      ["it cannot make"] = "\5\0\5\8\0\1\0\0\0\0\0\0",
      ["it does not speak"] = "HTTP/1.1 400 Bad Request\r\n\r\n",
    }
    for words, bytes in pairs(for_good) do
      local failure = failure_by_socks(bytes)
      assert.are.equal("proxy", failure.phase)
      assert.matches("the proxy refused the connection: " .. words, failure.message, 1, true)
      assert.is_false(failure.retryable)
      assert.are.equal(1, failure.attempts)
    end
    local unreachable = failure_by_socks("\5\0\5\5\0\1\0\0\0\0\0\0")
    assert.are.equal("proxy", unreachable.phase)
    assert.are.equal(RETRIES + 1, unreachable.attempts)
  end)
end)
