local fake = require("spec.support.fake_core")

local rill
local getenv = os.getenv
local environment

local MESSAGES = { { role = "user", content = "hi" } }

-- What a call raises, as text.
local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

local function client(options)
  local full = { base_url = "https://x.test/v1" }
  for name, value in pairs(options or {}) do
    full[name] = value
  end
  return rill.client(full)
end

local function spec_of(options, request)
  local full = { model = "m", messages = MESSAGES }
  for name, value in pairs(request or {}) do
    full[name] = value
  end
  local stream = client(options):chat(full)
  assert.truthy(stream)
  return fake.last().spec
end

local function body_of(options, request)
  return require("cjson").decode(spec_of(options, request).body)
end

local function header_of(spec, name)
  for _, line in ipairs(spec.headers) do
    local value = line:match("^" .. name .. ": (.*)$")
    if value then
      return value
    end
  end
end

before_each(function()
  rill = fake.install()
  environment = {}
  os.getenv = function(name) -- luacheck: ignore 122
    return environment[name]
  end
end)

after_each(function()
  os.getenv = getenv -- luacheck: ignore 122
end)

teardown(fake.remove)

describe("rill.client", function()
  it("refuses unknown options with a hint, nested ones too", function()
    assert.truthy(raised(client, { time_out = 3 }):find(
      "rill.client: unknown option 'time_out', did you mean 'timeout'?", 1, true))
    assert.truthy(raised(client, { timeout = { conect = 3 } }):find(
      "rill.client: unknown option 'timeout.conect', did you mean 'timeout.connect'?", 1, true))
    assert.truthy(raised(client, { zzzzzz = 3 }):find(
      "rill.client: unknown option 'zzzzzz'$"))
    assert.truthy(raised(rill.client, { gateway = "opnai" }):find(
      "rill.client: unknown gateway 'opnai', did you mean 'openai'?", 1, true))
    assert.truthy(raised(client, { provider = "open-ai" }):find(
      "rill.client: unknown provider 'open-ai', did you mean 'openai'?", 1, true))
  end)

  it("blames the caller's line", function()
    assert.truthy(raised(function()
      rill.client({ time_out = 3 })
    end):find("client_spec.lua:%d+: rill.client: unknown"))
  end)

  it("says of every option what it must be", function()
    local wrong = {
      ["timeout.idle' must be a positive number of seconds"] = { timeout = { idle = 0 } },
      ["timeout.total' must be a positive number of seconds"] = { timeout = { total = "1" } },
      ["timeout' must be a table, such as"] = { timeout = 30 },
      ["retry.max' must be a whole number"] = { retry = { max = 1.5 } },
      ["retry.jitter' must be a number from 0 to 1"] = { retry = { jitter = 2 } },
      ["retry.factor' must be a number from 1"] = { retry = { factor = 0.5 } },
      ["retry.base' must be a positive number"] = { retry = { base = math.huge } },
      ["limits.buffer' must be a positive whole number of bytes"] = { limits = { buffer = -1 } },
      ["limits.malformed' must be a positive whole number"] = { limits = { malformed = 0 } },
      ["http_version' must be one of \"auto\", \"1.1\", \"2\""] = { http_version = "3" },
      ["tls_verify' must be true or false"] = { tls_verify = "no" },
      ["headers' must be a table"] = { headers = "X: y" },
      ["ca_file' must be a string"] = { ca_file = 5 },
      ["proxy' must be a string"] = { proxy = true },
      ["proxy' has an unknown scheme 'nonsense'"] = { proxy = "nonsense://x.test" },
      ["proxy' has an unknown scheme 'sock5', did you mean 'socks5'?"] = { proxy = "sock5://x" },
      ["proxy' must be the URL of a proxy"] = { proxy = "http://" },
      ["proxy' must be the URL of a proxy, such"] = { proxy = "http://x.test :3128" },
      ["proxy' must be the URL of a proxy, such as"] = { proxy = "://x.test" },
      ["prices' must have numbers"] = { prices = { m = { input = "1" } } },
      ["prices' has an unknown price 'in' for 'm'"] = { prices = { m = { ["in"] = 1 } } },
      ["json' must have a function encode"] = { json = {} },
      ["base_url' must begin with http:// or https://"] = { base_url = "ftp://x.test" },
      ["base_url' must begin with http:// or https:// and"] = { base_url = "https://" },
      ["base_url' must not contain a user name"] = { base_url = "https://me:pw@x.test" },
      ["base_url' must not contain control characters"] = { base_url = "https://x.test/\n" },
      ["base_url' must not contain blanks"] = { base_url = "https://x.test/?a=b" },
      ["api_key' must be a string"] = { api_key = 5 },
    }
    for message, options in pairs(wrong) do
      local said = raised(client, options)
      assert.truthy(said:find("option '" .. message, 1, true), said)
    end
    assert.truthy(raised(rill.client, "openai"):find("argument 1 must be a table of", 1, true))
    assert.truthy(raised(rill.client, {}):find("give a gateway", 1, true))
  end)

  it("shows the length of a bad key and never the key", function()
    local said = raised(client, { api_key = "sk-secret\n" })
    assert.truthy(said:find("api_key' contains a control character (it is 10 bytes long", 1, true))
    assert.is_nil(said:find("secret", 1, true))
    assert.is_nil(raised(client, { api_key = " sk-secret" }):find("secret", 1, true))
    environment.OPENAI_API_KEY = "sk-secret\n"
    said = raised(rill.client, { gateway = "openai" })
    assert.truthy(said:find("the environment variable OPENAI_API_KEY contains a control", 1, true))
    assert.is_nil(said:find("secret", 1, true))
  end)

  it("refuses headers that could smuggle, without showing their value", function()
    local said = raised(client, { headers = { ["X-Team"] = "secret\r\nX-Other: 1" } })
    assert.truthy(said:find("header 'X-Team' contains a control character", 1, true))
    assert.is_nil(said:find("secret", 1, true))
    for _, headers in ipairs({ { ["X Team"] = "a" }, { ["X:"] = "a" }, { "X: y" } }) do
      assert.truthy(raised(client, { headers = headers }):find("not a valid name", 1, true))
    end
    assert.truthy(raised(client, { headers = { X = {} } }):find("must be a string", 1, true))
  end)

  it("finds the key in the gateway's environment variable, or names it", function()
    environment.HOLYSHEEP_API_KEY = "hs-key"
    rill.client({ gateway = "holysheep" }):chat({ model = "m", messages = MESSAGES })
    assert.equal("Bearer hs-key", header_of(fake.last().spec, "Authorization"))
    environment.HOLYSHEEP_API_KEY = ""
    local ok, err = pcall(rill.client, { gateway = "holysheep" })
    assert.is_false(ok)
    assert.equal("config", err.kind)
    assert.truthy(err.message:find("HOLYSHEEP_API_KEY", 1, true))
  end)

  it("prefers the option to the environment, and false means no key", function()
    environment.OPENAI_API_KEY = "from-environment"
    local request = { model = "m", messages = MESSAGES }
    rill.client({ gateway = "openai", api_key = "given" }):chat(request)
    assert.equal("Bearer given", header_of(fake.last().spec, "Authorization"))
    rill.client({ gateway = "openai", api_key = false }):chat(request)
    assert.is_nil(header_of(fake.last().spec, "Authorization"))
  end)

  it("needs no key for servers on one's own machine", function()
    for gateway, url in pairs({
      ollama = "http://127.0.0.1:11434/api/chat",
      llamacpp = "http://127.0.0.1:8080/v1/chat/completions",
      ["local"] = "http://127.0.0.1:8787/v1/chat/completions",
    }) do
      rill.client({ gateway = gateway }):chat({ model = "m", messages = MESSAGES })
      assert.equal(url, fake.last().spec.url)
    end
  end)

  it("finds the local gateway where RILL_LOCAL_URL says", function()
    environment.RILL_LOCAL_URL = "http://127.0.0.1:5555/v1/"
    rill.client({ gateway = "local" }):chat({ model = "m", messages = MESSAGES })
    assert.equal("http://127.0.0.1:5555/v1/chat/completions", fake.last().spec.url)
    environment.RILL_LOCAL_URL = "nonsense"
    assert.truthy(raised(rill.client, { gateway = "local" }):find(
      "the environment variable RILL_LOCAL_URL must begin with http", 1, true))
  end)

  it("has a preset for every gateway, with its place and format", function()
    for _, name in ipairs({ "holysheep", "openai", "deepseek", "openrouter" }) do
      rill.client({ gateway = name, api_key = "k" }):chat({ model = "m", messages = MESSAGES })
      assert.truthy(fake.last().spec.url:find("^https://[%w.]+/.*v1/chat/completions$"))
    end
  end)

  it("says what it is, with gateway and host and nothing else", function()
    assert.equal("rill.client: openai (api.openai.com)",
      tostring(rill.client({ gateway = "openai", api_key = "sk-secret" })))
    assert.equal("rill.client: custom (x.test)", tostring(client({ api_key = "sk-secret" })))
  end)
end)

describe("the spec of a transfer", function()
  it("has every field the engine wants, with the defaults", function()
    local spec = spec_of()
    assert.equal("https://x.test/v1/chat/completions", spec.url)
    assert.same({ connect = 10, first_byte = 60, first_output = 120, idle = 60, progress = 300,
      total = 600 }, spec.timeout)
    assert.same({ max = 3, base = 1, factor = 2, cap = 30, jitter = 0.25, max_wait = 60 },
      spec.retry)
    assert.same({ buffer = 1048576, event = 33554432, error_body = 65536 }, spec.limits)
    assert.is_true(spec.tls_verify)
    assert.equal("auto", spec.http_version)
    assert.equal("application/json", header_of(spec, "Content%-Type"))
    assert.equal("text/event-stream", header_of(spec, "Accept"))
  end)

  it("has the client's options over the defaults, and the request's over those", function()
    local options = { timeout = { idle = 5, total = false }, retry = { max = 0 } }
    local spec = spec_of(options)
    assert.equal(5, spec.timeout.idle)
    assert.equal(math.huge, spec.timeout.total)
    assert.equal(10, spec.timeout.connect)
    assert.equal(0, spec.retry.max)
    spec = spec_of(options, { timeout = { idle = 7 }, limits = { event = 10 },
      headers = { ["X-Run"] = "1" } })
    assert.equal(7, spec.timeout.idle)
    assert.equal(math.huge, spec.timeout.total)
    assert.equal(10, spec.limits.event)
    assert.equal(1048576, spec.limits.buffer)
    assert.equal(0, spec.retry.max)
    assert.equal("1", header_of(spec, "X%-Run"))
  end)

  it("leaves nothing of one request's options for the next", function()
    local ai = client({ api_key = "k" })
    ai:chat({ model = "m", messages = MESSAGES, timeout = { idle = 7 }, headers = { A = "1" } })
    ai:chat({ model = "m", messages = MESSAGES })
    assert.equal(60, fake.last().spec.timeout.idle)
    assert.is_nil(header_of(fake.last().spec, "A"))
  end)

  it("has the caller's headers in place of rill's, whatever their case", function()
    local spec = spec_of({ api_key = "k", headers = { authorization = "Basic abc", ["X-A"] = 1,
      Accept = false, ["X-Empty"] = "" } })
    assert.is_nil(header_of(spec, "Authorization"))
    assert.equal("Basic abc", header_of(spec, "authorization"))
    assert.equal("1", header_of(spec, "X%-A"))
    assert.is_nil(header_of(spec, "Accept"))
    local all = table.concat(spec.headers, "\n")
    assert.truthy(all:find("X-Empty;", 1, true))
  end)

  it("switches the proxy off for false", function()
    assert.equal("", spec_of({ proxy = false }).proxy)
    assert.is_nil(spec_of().proxy)
  end)

  it("takes a proxy of every kind, with a scheme or without", function()
    for _, url in ipairs({ "http://p:1", "SOCKS5h://[::1]:1080", "p.test:3128", "me:pw@p:1" }) do
      assert.equal(url, spec_of({ proxy = url }).proxy)
    end
  end)

  it("verifies TLS unless told otherwise", function()
    assert.is_true(spec_of().tls_verify)
    assert.is_false(spec_of({ tls_verify = false }).tls_verify)
  end)
end)

describe("client:chat", function()
  it("passes every field on but its own, and adds those of extra", function()
    local body = body_of({ api_key = "k" }, {
      temperature = 0.5, tools = {}, timeout = { idle = 3 }, retry = { max = 1 },
      limits = { event = 5 }, headers = { A = "b" }, extra = { timeout = 9, seed = 1 },
    })
    assert.equal(0.5, body.temperature)
    assert.equal(9, body.timeout)
    assert.equal(1, body.seed)
    assert.is_true(body.stream)
    assert.is_true(body.stream_options.include_usage)
    for _, name in ipairs({ "retry", "limits", "headers", "extra" }) do
      assert.is_nil(body[name])
    end
  end)

  it("sends empty tables as lists where lists belong", function()
    local text = spec_of(nil, { stop = {}, tools = { { type = "function", ["function"] =
      { name = "f", parameters = { type = "object", properties = {}, required = {} } } } } }).body
    assert.truthy(text:find("\"stop\":[]", 1, true))
    assert.truthy(text:find("\"properties\":{}", 1, true))
    assert.truthy(text:find("\"required\":[]", 1, true))
  end)

  it("changes none of the caller's tables", function()
    local request = { model = "m", messages = { { role = "user", content = "hi" } },
      headers = { A = "b" }, timeout = { idle = 3 }, extra = { seed = 1 } }
    client():chat(request)
    assert.same({ model = "m", messages = { { role = "user", content = "hi" } },
      headers = { A = "b" }, timeout = { idle = 3 }, extra = { seed = 1 } }, request)
  end)

  it("raises for wrong arguments and blames the caller's line", function()
    local ai = client()
    local wrong = {
      ["field 'model' must be a string"] = { messages = MESSAGES },
      ["field 'model' must be a string that"] = { model = "", messages = MESSAGES },
      ["field 'messages' must be a list such as"] = { model = "m", messages = "hi" },
      ["field 'messages' must be a list such as { { role"] = { model = "m" },
      ["field 'messages' must not be empty"] = { model = "m", messages = {} },
      ["field 'messages' must be a list of messages, not one"] =
        { model = "m", messages = { role = "user", content = "x" } },
      ["messages[1] must be a table, not a string"] = { model = "m", messages = { "hi" } },
      ["messages[2].role must be a string"] =
        { model = "m", messages = { MESSAGES[1], { content = "x" } } },
      ["messages[1].content must be a string or a list of parts, not a number"] =
        { model = "m", messages = { { role = "user", content = 5 } } },
      ["field 'stream' cannot be switched off"] =
        { model = "m", messages = MESSAGES, stream = false },
      ["field 'n' must be a positive whole number"] = { model = "m", messages = MESSAGES, n = 0 },
      ["unknown option 'timeout.idel', did you mean 'timeout.idle'?"] =
        { model = "m", messages = MESSAGES, timeout = { idel = 3 } },
      ["header 'A' contains a control character"] =
        { model = "m", messages = MESSAGES, headers = { A = "\0" } },
      ["request.messages[1].content[1].f is a function, which JSON cannot hold"] =
        { model = "m", messages = { { role = "user", content = { { f = print } } } } },
      ["messages[2] must be a table, not a nil"] =
        { model = "m", messages = { MESSAGES[1], nil, MESSAGES[1] } },
      ["request.tools is neither a list without holes"] =
        { model = "m", messages = MESSAGES, tools = { {}, nil, {} } },
    }
    for message, request in pairs(wrong) do
      local said = raised(function()
        ai:chat(request)
      end)
      assert.truthy(said:find("client_spec.lua:%d+: client:chat: "), said)
      assert.truthy(said:find(message, 1, true), said)
    end
    assert.truthy(raised(ai.chat, ai, "hi"):find("argument 1 must be a table", 1, true))
    assert.equal(0, #fake.opened)
  end)

  it("takes messages of every kind that servers take", function()
    spec_of(nil, { messages = {
      { role = "system", content = "s" },
      { role = "user", content = { { type = "text", text = "t" } } },
      { role = "assistant", tool_calls = { { id = "a" } } },
      { role = "assistant", content = require("cjson").null, tool_calls = { { id = "a" } } },
      { role = "tool", tool_call_id = "a", content = "" },
    } })
    assert.equal(1, #fake.opened)
  end)

  it("refuses unknown callbacks with a hint", function()
    local ai = client()
    local request = { model = "m", messages = MESSAGES }
    assert.truthy(raised(ai.chat, ai, request, { on_detla = print }):find(
      "unknown callback 'on_detla', did you mean 'on_delta'?", 1, true))
    assert.truthy(raised(ai.chat, ai, request, { on_delta = true }):find(
      "callback 'on_delta' must be a function, not a boolean", 1, true))
    assert.truthy(raised(ai.chat, ai, request, print):find(
      "argument 2 must be a table of callbacks, not a function", 1, true))
  end)

  it("keeps secrets of headers out of errors", function()
    local failure = { kind = "http", status = 401, body = "key one-secret, two-secret, three" }
    fake.scripts[1] = { { "end", "failed", failure } }
    local ai = client({ headers = { ["X-Api-Key"] = "one-secret", ["X-Team"] = "three" } })
    local _, err = ai:chat({ model = "m", messages = MESSAGES,
      headers = { Authorization = "Token two-secret" } }):result()
    assert.equal("key [redacted], [redacted], three", err.message)
  end)

  it("uses the codec of the client, else the one in use", function()
    local encode = function() return "ENCODED" end
    assert.equal("ENCODED", spec_of({ json = { encode = encode, decode = error } }).body)
    local ai = client()
    rill.use_json({ encode = encode, decode = error })
    ai:chat({ model = "m", messages = MESSAGES })
    assert.equal("ENCODED", fake.last().spec.body)
  end)
end)

describe("require(\"rill\")", function()
  it("loads nothing that is not used", function()
    fake.install()
    for name in pairs(package.loaded) do
      assert.is_nil(name:match("^rill%.(.+)") ~= "core" and name:match("^rill%.(.+)") or nil)
    end
  end)

  it("gives the public names", function()
    assert.equal("0.1.0", rill.version)
    assert.equal(fake.engine(), rill.engine())
    assert.same({ "a" }, rill.sse_parser("a").arguments)
    assert.truthy(raised(rill.use_json, 5):find("rill.use_json: the codec must be a", 1, true))
  end)
end)
