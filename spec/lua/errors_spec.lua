local by_name = require("spec.support.by_name")
local errors = require("rill.errors")
local json = require("rill.json")

local function from(failure, context)
  context = context or {}
  context.decode = json.default().decode
  return errors.from_failure(failure, context)
end

local function http(status, body, more)
  local failure = { kind = "http", status = status, body = body, retryable = false }
  for name, value in pairs(more or {}) do
    failure[name] = value
  end
  return failure
end

describe("an error", function()
  it("is one line that says kind, status, message and the details", function()
    local err = from(http(429,
      [[{"error":{"message":"slow\ndown","code":"rate_limit_exceeded"}}]],
      { request_id = "req_1", retry_after = 12, retryable = true }), { attempts = 3 })
    assert.equal("rill: rate_limit: HTTP 429: slow down (code rate_limit_exceeded, request req_1, "
      .. "after 3 attempts, retry after 12 s)", tostring(err))
    assert.is_true(err.retryable)
    assert.equal(12, err.retry_after)
    assert.equal(3, err.attempts)
  end)

  it("says its status once, also where the message begins with it", function()
    for message, said in pairs({
      ["HTTP 302: redirects are not followed"] = "HTTP 302: redirects are not followed",
      ["HTTP 302"] = "HTTP 302", ["no HTTP 302"] = "HTTP 302: no HTTP 302",
    }) do
      assert.equal("rill: protocol: " .. said,
        tostring(from(http(302, "", { message = message }))))
    end
  end)

  it("leaves out what is not known", function()
    assert.equal("rill: connect: refused",
      tostring(from({ kind = "connect", message = "refused", phase = "connect" })))
  end)

  it("is recognised", function()
    assert.is_true(errors.is(errors.new({ kind = "config", message = "x" })))
    assert.is_false(errors.is({ kind = "config" }))
    assert.is_false(errors.is("text"))
  end)
end)

describe("the kind of an HTTP error", function()
  local kinds = {
    [400] = "bad_request", [401] = "auth", [402] = "quota", [403] = "auth", [404] = "not_found",
    [408] = "timeout", [409] = "bad_request", [413] = "bad_request", [422] = "bad_request",
    [429] = "rate_limit", [500] = "server", [502] = "server", [503] = "overloaded",
    [504] = "server", [529] = "overloaded", [302] = "protocol",
  }
  for status, kind in by_name(kinds) do
    it(("is %s for %d"):format(kind, status), function()
      local err = from(http(status, "{\"error\":{\"message\":\"m\"}}"))
      assert.equal(kind, err.kind)
      assert.equal(status, err.status)
    end)
  end

  it("is quota when the engine or the code says so", function()
    assert.equal("quota", from(http(429, "{}", { quota = true })).kind)
    assert.equal("quota", from(http(429, "{\"error\":{\"code\":\"insufficient_quota\"}}")).kind)
  end)

  it("is context_length by the code, and by the words of a 400", function()
    assert.equal("context_length",
      from(http(400, "{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}")).kind)
    assert.equal("context_length", from(http(400,
      "{\"message\":\"This model's maximum context length is 8192 tokens\"}")).kind)
    assert.equal("server", from(http(500, "{\"message\":\"context length\"}")).kind)
  end)
end)

describe("an error message with a status", function()
  local function read(fields)
    local frame = { type = "error", status = 429, error = { message = "m" } }
    for name, value in pairs(fields) do
      frame[name] = value
    end
    return errors.from_event(errors.read(frame), {})
  end

  it("is of the kind that the status makes", function()
    local err = read({})
    assert.same({ "rate_limit", 429, true }, { err.kind, err.status, err.retryable })
    assert.equal("auth", read({ status = 401 }).kind)
    assert.is_false(read({ status = 401 }).retryable)
    assert.equal("overloaded", read({ status = false, status_code = 529 }).kind)
  end)

  it("says how long to wait in what would be its headers, here or there", function()
    for _, fields in ipairs({
      { headers = { ["retry-after"] = "1.5" } }, { headers = { ["Retry-After-Ms"] = 1500 } },
      { headers = { ["Retry-After"] = "9", ["retry-after-ms"] = "1500" } },
      { error = { message = "m", headers = { ["Retry-After"] = 1.5 } } },
    }) do
      assert.equal(1.5, read(fields).retry_after)
    end
  end)

  it("is an event as any other where what it says is none", function()
    for _, status in ipairs({ "429", 200, 4290, -1, 0 / 0, {} }) do
      assert.equal("api", read({ status = status }).kind)
    end
    for _, value in ipairs({ "soon", "-1", "nan", "inf", {}, true }) do
      assert.is_nil(read({ headers = { ["retry-after"] = value } }).retry_after)
    end
    assert.is_nil(read({ headers = "x" }).retry_after)
    assert.is_nil(read({ headers = { "x" } }).retry_after)
  end)
end)

describe("the message of an HTTP error", function()
  local function message(body, content_type)
    return from(http(400, body, { content_type = content_type })).message
  end

  it("comes with code and type, numbers as text", function()
    local err = from(http(400, "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":402}}"))
    assert.equal("402", err.code)
    assert.equal("t", err.type)
  end)

  it("is the name of the status when the body is empty", function()
    assert.equal("bad request", message(""))
    assert.equal("bad request", message(nil))
  end)
end)

describe("an answer that is no event stream", function()
  it("is a protocol error with the start of the body", function()
    local err = from({ kind = "body", status = 200, content_type = "application/json",
      body = "{\"choices\":[]}" })
    assert.equal("protocol", err.kind)
    assert.equal("the server answered 200 with application/json instead of an event stream: "
      .. "{\"choices\":[]}", err.message)
    assert.equal("{\"choices\":[]}", err.body)
    assert.equal("rill: protocol: " .. err.message, tostring(err))
  end)

  it("is an api error if it is JSON that holds an error", function()
    local err = from({ kind = "body", status = 200, content_type = "application/json",
      body = "{\"error\":{\"message\":\"no such model\",\"code\":\"model_not_found\"}}" })
    assert.equal("api", err.kind)
    assert.equal("no such model", err.message)
    assert.equal("model_not_found", err.code)
  end)

  it("has a body that is shortened", function()
    local err = from({ kind = "body", status = 200, body = ("x"):rep(10000) })
    assert.is_true(#err.body <= 500)
    assert.is_true(#err.message <= 300)
  end)
end)

describe("a timeout", function()
  local timeout = { connect = 10, first_output = 120, idle = 0.5, total = 600 }

  it("names its option and says whether the connection was alive", function()
    local err = from({ kind = "timeout", phase = "first_output" },
      { timeout = timeout, stats = { comments = 12, bytes = 200 } })
    assert.equal("rill: timeout: no output for 120 s (timeout.first_output); the connection was "
      .. "alive: 12 comments received", tostring(err))
    assert.equal("first_output", err.phase)
  end)

  it("says nothing of life where there was none", function()
    local err = from({ kind = "timeout", phase = "idle" },
      { timeout = timeout, stats = { comments = 0, bytes = 10 } })
    assert.equal("no byte for 0.5 s (timeout.idle)", err.message)
    err = from({ kind = "timeout", phase = "connect" }, { timeout = timeout, stats = {} })
    assert.equal("no connection within 10 s (timeout.connect)", err.message)
  end)

  it("calls nobody alive who gives no answer, whatever came before", function()
    local context = { timeout = { ping = 10, close = 5 }, stats = { comments = 2, bytes = 38 } }
    assert.equal("no answer to a ping within 10 s (ping_timeout)",
      from({ kind = "timeout", phase = "ping" }, context).message)
    assert.equal("no answer to the close frame within 5 s (close_timeout)",
      from({ kind = "timeout", phase = "close" }, context).message)
  end)
end)

describe("an error event", function()
  local function event(payload)
    return errors.from_payload(payload, { decode = json.default().decode })
  end

  it("may be flat, nested or text", function()
    assert.equal("m", event("{\"message\":\"m\",\"code\":\"c\"}").message)
    assert.equal("c", event("{\"message\":\"m\",\"code\":\"c\"}").code)
    assert.equal("m", event("{\"error\":{\"message\":\"m\"}}").message)
    assert.equal("the model crashed", event("the model crashed").message)
    assert.equal("api", event("x").kind)
  end)

  it("is retryable by its numeric code", function()
    assert.is_true(event("{\"error\":{\"message\":\"m\",\"code\":502}}").retryable)
    assert.is_false(event("{\"error\":{\"message\":\"m\",\"code\":400}}").retryable)
  end)

  it("that failed before any output keeps the server's words", function()
    local err = from({ kind = "api", body = "{\"error\":{\"message\":\"m\",\"code\":503}}",
      status = 200, retryable = true })
    assert.equal("api", err.kind)
    assert.equal("m", err.message)
    assert.equal("503", err.code)
    assert.is_nil(err.status)
    assert.is_true(err.retryable)
  end)
end)

describe("secrets", function()
  local key = "sk-proj+1.2%/x-abcdefgh"
  local secrets = { key }

  local function everything(err)
    local all = { tostring(err) }
    for _, value in pairs(err) do
      all[#all + 1] = tostring(value)
    end
    return table.concat(all, "\n")
  end

  it("are taken out of every field", function()
    local err = errors.new({ kind = "auth", message = "bad key " .. key .. " and " .. key,
      code = key, request_id = key, body = key, phase = key }, secrets)
    assert.is_nil(everything(err):find("abcdefgh", 1, true))
    assert.equal("bad key [redacted] and [redacted]", err.message)
  end)

  it("are taken out before a message is cut, so that no half is left", function()
    for pad = 150, 210 do
      local err = from(http(401, ("x"):rep(pad) .. key), { secrets = secrets })
      assert.is_nil(everything(err):find("sk-", 1, true), pad)
      err = from({ kind = "body", status = 200, body = ("x"):rep(pad + 300) .. key },
        { secrets = secrets })
      assert.is_nil(everything(err):find("sk-", 1, true), pad)
    end
  end)

  it("are found as JSON writes them", function()
    local body = "{\"k\":\"" .. key:gsub("/", "\\/") .. "\"}"
    local err = from({ kind = "body", status = 200, body = body }, { secrets = secrets })
    assert.is_nil(everything(err):find("abcdefgh", 1, true))
  end)

  it("that are part of others leave no rest", function()
    assert.equal("[redacted]", errors.redact("abcdef-ghijk", { "abcdef", "abcdef-ghijk" }))
  end)
end)
