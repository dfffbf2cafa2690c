-- libcurl 7.88 refuses CURLOPT_BUFFERSIZE on a handle whose last request ended before it had a
-- connection.  Such handles went back to the pool, and every later request failed at once.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local sse = require("spec.support.sse")

describe("after a request that never got a connection", function()
  local function assert_others_work()
    for _ = 1, 3 do
      local stream = ask.chat({ { before = { { reset = true } } }, sse.answer("fine") })
      local reply, err = stream:result()
      assert.is_nil(err)
      assert.are.equal("fine", reply.text)
    end
  end

  it("because its name does not exist, others work, and so do its own retries", function()
    local client = ask.client("http://" .. ask.NO_HOST .. "/v1", { retry = { max = 2 } })
    local stream = client:chat(ask.request())
    local _, err = stream:result()
    assert.are.equal("connect", err.kind)
    assert.are.equal(3, err.attempts)
    assert_others_work()
  end)

  it("because it was refused, others work", function()
    local stream = ask.client(Gateway.start().refused_url, { retry = { max = 2 } })
      :chat(ask.request())
    assert.are.equal("connect", select(2, stream:result()).kind)
    assert_others_work()
  end)

  it("because it was closed too early, others work", function()
    for _, url in ipairs({ "http://" .. ask.NO_HOST .. "/v1",
      "https://127.0.0.1:" .. Gateway.start().silent_port .. "/v1" }) do
      local stream = ask.client(url):chat(ask.request())
      stream:poll()
      stream:close()
      assert_others_work()
    end
  end)
end)
