-- rill in a real nginx with its Lua module.

local Gateway = require("spec.support.gateway")
local bench_server = require("spec.support.bench_server")
local best_of = require("spec.support.best_of")
local cjson = require("cjson")
local http = require("socket.http")
local measured = require("spec.support.measured")
local openresty = require("spec.support.openresty")
local shell = require("spec.support.shell")
local socket = require("socket")
local sse = require("spec.support.sse")

local HI = [[ return { model = "m", messages = { { role = "user", content = "hi" } } } ]]

local AI = [[
local rill = require("rill")
return function(route, options)
  options = options or {}
  options.base_url = ngx.var.arg_base or route
  options.api_key, options.retry = "sk-spec", { base = 0.01, jitter = 0 }
  return rill.client(options):chat(require("hi"))
end
]]

local gateway = Gateway.start()
local server -- of the spec that runs

local function start(http_block, options)
  options = options or {}
  options.http = http_block
  options.files = { ["chat.lua"] = AI, ["hi.lua"] = HI }
  server = openresty.start(options)
  return server
end

local function location(name, directive, code)
  return ("location /%s { %s { %s } }\n"):format(name, directive, code)
end

local function block(...)
  return "lua_check_client_abort on;\nserver { listen 127.0.0.1:@port@;\n"
    .. location("ping", "content_by_lua_block", 'ngx.say("pong")') .. table.concat({ ... }) .. "}"
end

local function content(name, code)
  return location(name, "content_by_lua_block", code)
end

local READ = [[
local stream = require("chat")()
local texts = {}
for delta in stream:text() do texts[#texts + 1] = delta end
]]
local SAY = READ .. [[ ngx.print(table.concat(texts, "|")) ]]

local function get(path, route)
  local mark = path:find("?", 1, true) and "&" or "?"
  local status, body = server:get(path .. (route and mark .. "base=" .. route.base_url or ""))
  return body, status
end

-- A request that nobody waits for, by a connection of its own.
local function send_request(path, route)
  local sock = assert(socket.connect("127.0.0.1", server.port))
  sock:settimeout(10)
  assert(sock:send(("GET %s?base=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    :format(path, route.base_url)))
  return sock
end

local function texts_of(count)
  local texts = {}
  for i = 1, count do
    texts[i] = "t" .. i
  end
  return texts
end

local function slow_answer(count, delay)
  local steps = { sse.role() }
  for i = 1, count do
    steps[#steps + 1] = sse.chunk("t" .. i)
    steps[#steps + 1] = { sleep = delay }
  end
  steps[#steps + 1] = sse.finish() .. sse.done()
  return { steps = steps }
end

local STALLED = { steps = { sse.role() .. sse.chunk("x"), { stall = true } } }

local function with_model(fn)
  bench_server.with("build/jit/bench/server", fn)
end

local function load_with(arguments)
  local _, output = shell.run("build/jit/load " .. arguments)
  local line = output:match("{.*}")
  return assert(line and cjson.decode(line), output)
end

-- The same streams and pings by an nginx that knows no rill.
local function load_plainly(model)
  local plain = openresty.start({ http = "server { listen 127.0.0.1:@port@;"
    .. "location /ping { return 200 pong; }"
    .. "location /chat { proxy_buffering off; proxy_http_version 1.1; proxy_pass "
    .. model .. "; } }" })
  local facts = load_with(plain.port .. " /chat 200 /ping")
  plain:stop()
  assert.are.equal(200, facts.whole)
  return facts
end

-- The worker as it was before the first stream: one thread, no more descriptors.
local function wait_for_calm(pid, descriptors)
  openresty.until_true(30, "threads or descriptors were left", function()
    return server:threads(pid) == 1 and server:descriptors(pid) <= descriptors
  end)
end

describe("rill in nginx", function()
  setup(openresty.prepare)

  after_each(function()
    if server then
      local problems = server:problems(server.allows)
      server:stop()
      server = nil
      assert.are.equal("", problems)
    end
  end)

  it("reads a stream in the rewrite, access and content phases", function()
    local read = READ .. [[ ngx.ctx.text = table.concat(texts, "|") ]]
    local say = "content_by_lua_block { ngx.print(ngx.ctx.text) }"
    start(block(
      ("location /rewrite { rewrite_by_lua_block { %s } %s }\n"):format(read, say),
      ("location /access { access_by_lua_block { %s } %s }\n"):format(read, say),
      content("content", SAY)))
    local route = gateway:script({ sse.answer({ "a", "b", "c" }) })
    for _, phase in ipairs({ "rewrite", "access", "content" }) do
      assert.are.equal("a|b|c", (get("/" .. phase, route)), phase)
    end
  end)

  it("reads streams in timers and in light threads", function()
    start("lua_shared_dict seen 1m;" .. block(
      content("timer", [[
        local base = ngx.var.arg_base
        ngx.timer.at(0, function()
          local client = require("rill").client({ base_url = base, api_key = "k" })
          local reply = client:chat(require("hi"))
            :result()
          ngx.shared.seen:set("text", reply.text)
        end)
        repeat ngx.sleep(0.005) until ngx.shared.seen:get("text")
        ngx.print(ngx.shared.seen:get("text"))
      ]]),
      content("threads", [[
        local chat, threads, all = require("chat"), {}, {}
        for i = 1, 5 do
          local base = ngx.var.arg_base
          threads[i] = ngx.thread.spawn(function() return chat(base):result().text end)
        end
        for i = 1, 5 do
          local _, text = ngx.thread.wait(threads[i])
          all[i] = text
        end
        ngx.print(table.concat(all, "|"))
      ]]),
      content("spawn", [[
        local loops, chat, base = require("rill.loops"), require("chat"), ngx.var.arg_base
        local left, texts = 3, {}
        for i = 1, 3 do
          loops.spawn(function()
            texts[i] = chat(base):result().text
            left = left - 1
          end)
        end
        repeat ngx.sleep(0.005) until left == 0
        ngx.print(table.concat(texts, "|"))
      ]]),
      content("coroutine", [[
        local read = coroutine.wrap(function(stream)
          for delta in stream:text() do coroutine.yield(delta) end
        end)
        local texts, delta = {}, read(require("chat")())
        while delta do
          texts[#texts + 1] = delta
          delta = read()
        end
        ngx.print(table.concat(texts, "|"))
      ]])))
    local route = gateway:script({ slow_answer(3, 0.01) })
    assert.are.equal("t1t2t3", (get("/timer", route)))
    assert.are.equal(("t1t2t3|"):rep(5):sub(1, -2), (get("/threads", route)))
    assert.are.equal("t1t2t3|t1t2t3|t1t2t3", (get("/spawn", route)))
    assert.are.equal("t1|t2|t3", (get("/coroutine", route)))
  end)

  it("names the phase in which nothing can wait", function()
    local try = [[
      local client = require("rill").client({ base_url = "http://127.0.0.1:9", api_key = "k" })
      local ok, err = pcall(function()
        return client:chat(require("hi")):result()
      end)
      SAID = SAID or {}
      SAID[ngx.get_phase()] = tostring(ok) .. " " .. tostring(err)
    ]]
    start("init_by_lua_block { " .. try .. " }\n"
      .. "init_worker_by_lua_block { " .. try .. " }\n" .. block(
      "location /filters { content_by_lua_block { ngx.say('x') } "
        .. "header_filter_by_lua_block { " .. try .. "} body_filter_by_lua_block { " .. try
        .. "} log_by_lua_block { " .. try .. " } }\n",
      "location /set { set_by_lua_block $x { " .. try .. " return 1 } content_by_lua_block { } }\n",
      content("said", [[ ngx.print(SAID[ngx.var.arg_phase] or "nothing") ]])))
    get("/filters")
    get("/set")
    local phases = { "init", "init_worker", "header_filter", "body_filter", "log", "set" }
    for _, phase in ipairs(phases) do
      local said = get("/said?phase=" .. phase)
      assert.truthy(said:find("false rill: nginx lets nothing wait in its " .. phase .. " phase", 1,
        true), phase .. ": " .. said)
    end
  end)

  it("lets clients be made in init and init_worker", function()
    local make = [[rill = require("rill").client({ base_url = "@url@", api_key = "k" })]]
    local route = gateway:script({ sse.answer("made early") })
    local say = [[ ngx.print(@:chat(require("hi"))
      :result().text) ]]
    start(("init_by_lua_block { early_%s }\ninit_worker_by_lua_block { worker_%s }\n")
      :format(make, make):gsub("@url@", route.base_url) .. block(
      content("early", (say:gsub("@", "early_rill"))),
      content("worker", (say:gsub("@", "worker_rill")))), { workers = 2 })
    for _ = 1, 6 do
      assert.are.equal("made early", (get("/early")))
      assert.are.equal("made early", (get("/worker")))
    end
  end)

  it("shares the engine and its connections between requests", function()
    start(block(content("chat", SAY)))
    -- By its length the end of the body is known with [DONE]: the connection is free at once.
    local route = gateway:script({ { steps = { sse.answer("one") }, framing = "length" } })
    for _ = 1, 5 do
      assert.are.equal("one", (get("/chat", route)))
    end
    local requests = gateway:requests(route)
    assert.are.equal(5, #requests)
    for _, request in ipairs(requests) do
      assert.are.equal(requests[1].connection, request.connection)
    end
  end)

  it("lets a stream that one request made be read in another", function()
    start(block(
      content("make", [[ STREAM = require("chat")() ngx.print(STREAM:next().type) ]]),
      content("read", [[ ngx.print(STREAM:result().text) ]])))
    local route = gateway:script({ { steps = { sse.role(), { wait = "go" }, sse.chunk("later"),
      sse.finish() .. sse.done() } } })
    assert.are.equal("start", (get("/make", route)))
    gateway:signal(route, "go")
    assert.are.equal("later", (get("/read")))
  end)

  it("wakes who waits when another light thread closes the stream", function()
    start(block(content("close", [[
      local stream = require("chat")()
      stream:next()
      local reader = ngx.thread.spawn(function()
        local reply, err = stream:result()
        return err and err.kind
      end)
      ngx.sleep(0.02)
      stream:close()
      local _, kind = ngx.thread.wait(reader)
      ngx.print(kind)
    ]])))
    local route = gateway:script({ STALLED })
    assert.are.equal("cancelled", (get("/close", route)))
    assert.is_truthy(gateway:wait(route, "closed", 1, 10))
  end)

  it("runs out of time on one stream while another flows", function()
    start(block(content("both", [[
      local chat, rill = require("chat"), require("rill")
      local flowing = ngx.thread.spawn(function() return chat():result().text end)
      local client = rill.client({ base_url = ngx.var.arg_stalled, api_key = "k",
        timeout = { idle = 0.1 } })
      local _, err = client:chat(require("hi"))
        :result()
      local _, text = ngx.thread.wait(flowing)
      ngx.print(err.kind, " ", err.phase, " ", text)
    ]])))
    local stalled = gateway:script({ STALLED }).base_url
    local route = gateway:script({ slow_answer(20, 0.01) })
    assert.are.equal("timeout idle " .. table.concat(texts_of(20)),
      (get("/both?stalled=" .. stalled, route)))
  end)

  it("closes the upstream within 100 ms when the client goes, however the request ends", function()
    start(block(
      content("handler", [[
        local stream = require("chat")()
        ngx.on_abort(function() stream:close() ngx.exit(499) end)
        for delta in stream:text() do ngx.print(delta) ngx.flush(true) end
      ]]),
      content("none", [[
        for delta in require("chat")():text() do ngx.print(delta) ngx.flush(true) end
      ]]),
      "location /flush { lua_check_client_abort off; content_by_lua_block { "
        .. [[
        local stream = require("chat")()
        for delta in stream:text() do
          if not (ngx.print(delta) and ngx.flush(true)) then break end
        end
        stream:close()
        ]] .. "} }\n"))
    for _, name in ipairs({ "handler", "none" }) do
      best_of(3, function()
        local route = gateway:script({ STALLED })
        local sock = send_request("/" .. name, route)
        repeat
          local line = assert(sock:receive("*l"))
        until line == "x"
        local left = socket.gettime()
        sock:close()
        local record = assert(gateway:wait(route, "closed", 1, 5), name)
        assert.is_true(record.closed_at - left < 0.1, name .. ": " .. record.closed_at - left)
      end)()
    end
    best_of(3, function()
      local route = gateway:script({ slow_answer(500, 0.01) })
      local sock = send_request("/flush", route)
      repeat
        local line = assert(sock:receive("*l"))
      until line == "t1"
      local left = socket.gettime()
      sock:setoption("linger", { on = true, timeout = 0 })
      sock:close()
      local record = assert(gateway:wait(route, "closed", 1, 5))
      assert.is_true(record.closed_at - left < 0.1, "flush: " .. record.closed_at - left)
    end)()
  end)

  it("leaves no thread and no descriptor when no stream is open, and begins again", function()
    start(block(content("chat", SAY)))
    local route = gateway:script({ { framing = "close", steps = { sse.answer("fine") } } })
    local pid = server:workers()[1]
    get("/chat", route)
    openresty.until_true(30, "the bell's thread was left", function()
      return server:threads(pid) == 1
    end)
    socket.sleep(0.1) -- whatever closes after it; the engine itself stays
    local before = server:descriptors(pid)
    for _ = 1, 3 do
      assert.are.equal("fine", (get("/chat", route)))
      wait_for_calm(pid, before)
    end
  end)

  it("polls when it is told to do without the bell, and starts no thread", function()
    start('init_worker_by_lua_block { require("rill").use("resty", { bell = false }) }\n'
      .. block(content("chat", SAY)))
    local route = gateway:script({ slow_answer(10, 0.02) })
    local sock = send_request("/chat", route)
    gateway:wait(route, "requests", 1, 5)
    local pid = server:workers()[1]
    assert.are.equal(1, server:threads(pid))
    local body = sock:receive("*a")
    assert.truthy(body:find(table.concat(texts_of(10), "|"), 1, true), body)
    assert.are.equal(1, server:threads(pid))
  end)

  it("polls where the bell cannot be had, and says so once", function()
    start('init_worker_by_lua_block { require("rill").use("resty", { folder = "/nonexistent" }) }\n'
      .. block(content("chat", SAY)))
    local route = gateway:script({ slow_answer(3, 0.01) })
    assert.are.equal("t1|t2|t3", (get("/chat", route)))
    assert.are.equal("t1|t2|t3", (get("/chat", route)))
    local _, count = server:log():gsub("%[warn%][^\n]*without its bell", "")
    assert.are.equal(1, count)
  end)

  it("refuses options that the host does not know", function()
    start(block(content("use", [[
      for _, options in ipairs({ { bel = false }, { bell = 1 }, { folder = true } }) do
        local ok, err = pcall(require("rill").use, "resty", options)
        ngx.say(tostring(ok), " ", err)
      end
    ]])))
    local said = get("/use")
    assert.truthy(said:find("loop 'resty' 'bel', did you mean 'bell'?", 1, true), said)
    assert.truthy(said:find("option 'bell' of the loop 'resty' must be a boolean", 1, true), said)
    assert.truthy(said:find("option 'folder' of the loop 'resty' must be a string", 1, true), said)
  end)

  it("works with lua_code_cache off, where every request has a Lua state of its own", function()
    start("lua_code_cache off;\n" .. block(content("chat", SAY)))
    local route = gateway:script({ slow_answer(3, 0.01) })
    get("/ping")
    local pid = server:workers()[1]
    local before = server:descriptors(pid)
    for _ = 1, 5 do
      assert.are.equal("t1|t2|t3", (get("/chat", route)))
    end
    server.allows = "lua_code_cache is off"
    wait_for_calm(pid, before)
  end)

  it("finishes its streams through reloads, and the old workers leave", function()
    with_model(function(model)
      start(block(content("chat", [[
        for delta in require("chat")("]] .. model .. [[/paced/100/50"):text() do
          ngx.print(delta)
          ngx.flush(true)
        end
      ]])), { workers = 2 })
      local old = server:workers()
      local pipe = io.popen("build/jit/load " .. server.port .. " /chat 50", "r")
      for _ = 1, 3 do
        socket.sleep(0.4) -- into the streams' two seconds
        server:signal("HUP")
      end
      local facts = cjson.decode(pipe:read("*a"))
      pipe:close()
      assert.are.equal(50, facts.whole)
      assert.are.equal(50 * 100, facts.deltas)
      openresty.until_true(30, "old workers stay", function()
        local now = server:workers()
        return #now == 2 and now[1] > old[2]
      end)
    end)
  end)

  it("quits once its last stream has ended, and does not wait for one that nobody reads", function()
    start(block(content("chat", SAY), content("leave", [[ LEFT = require("chat")() LEFT:next() ]])))
    local left = gateway:script({ STALLED })
    get("/leave", left)
    local route = gateway:script({ { steps = { sse.role() .. sse.chunk("a"), { wait = "go" },
      sse.chunk("b") .. sse.finish() .. sse.done() } } })
    local sock = send_request("/chat", route)
    gateway:wait(route, "requests", 1, 5)
    local pid = server:workers()[1]
    server:signal("QUIT")
    openresty.until_true(30, "QUIT was not heard", function()
      return not openresty.is_listening(server.port)
    end)
    gateway:signal(route, "go")
    assert.truthy(sock:receive("*a"):find("a|b", 1, true))
    openresty.until_true(30, "the worker stays", function()
      return server:threads(pid) == 0
    end)
    assert.is_truthy(gateway:wait(left, "closed", 1, 10))
  end)

  it("relays 200 streams at once as the example does, while a ping stays quick", function()
    with_model(function(model)
      server = openresty.start({ example = "examples/openresty", workers = 1,
        base_url = model .. "/paced/120/20" })
      get("/ping")
      local pid = server:workers()[1]
      -- An nginx that hands the same streams on without a line of Lua tells how much of a ping's
      -- time is the machine's.  It has less to do for each delta, and keeps up for longer: four
      -- times its wait is allowed.
      measured(3, function()
        local facts = load_with(server.port .. " /chat 200 /ping")
        assert.are.equal(200, facts.whole)
        assert.are.equal(200 * 120, facts.deltas)
        assert.is_true(facts.pings > 500, "pings: " .. facts.pings)
        local said = ("p99 of the pings %.1f ms"):format(facts.ping_p99_ms)
        if facts.ping_p99_ms < 20 then
          return true, said
        end
        local plain = load_plainly(model .. "/paced/120/20/v1/chat/completions")
        return facts.ping_p99_ms < 20 + 4 * plain.ping_p99_ms,
          ("%s, without Lua %.1f"):format(said, plain.ping_p99_ms)
      end)()
      openresty.until_true(30, "the bell's thread is left", function()
        return server:threads(pid) == 1
      end)
    end)
  end)

  it("gives up 100 of 200 streams whose readers leave, and serves the others", function()
    with_model(function(model)
      server = openresty.start({ example = "examples/openresty", workers = 2,
        base_url = model .. "/paced/100/50" })
      local facts = load_with("--abort 100 " .. server.port .. " /chat 200")
      assert.are.equal(100, facts.whole)
      assert.are.equal(100 * 100, facts.deltas)
      local body = assert(http.request(server:url("/ping")))
      assert.are.equal("pong\n", body)
    end)
  end)
end)
