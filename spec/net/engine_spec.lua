-- The engine as adapters see it: one descriptor that is readable whenever there is work.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local core = require("rill.core")
local handles = require("spec.support.handles")
local raw = require("spec.support.raw")
local rill = require("rill")
local socket = require("socket")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local has_fd = core.engine():fd() ~= nil

-- What LuaSocket's select wants: an object with a descriptor.
local function selectable(engine)
  local fd = engine:fd() -- asked once: adapters do
  return { getfd = function()
    return fd
  end }
end

-- Waits for the descriptor and nothing else; fails if it stays silent.
local function wait_fd(engine, seconds)
  local readable = socket.select({ selectable(engine) }, nil, seconds or 5)
  assert.is_truthy(readable[1], "the descriptor stayed silent")
end

-- Drives a stream by the descriptor and step(0) alone.
local function drive(stream, seconds)
  local engine, events = rill.engine(), {}
  local deadline, rounds = socket.gettime() + (seconds or 10), 0
  while true do
    local event, err = stream:poll()
    while event do
      events[#events + 1] = event
      event, err = stream:poll()
    end
    if err ~= "pending" then
      return events, err, rounds
    end
    assert.is_true(socket.gettime() < deadline)
    wait_fd(engine)
    engine:step(0)
    while engine:ready() do end -- luacheck: ignore
    rounds = rounds + 1
  end
end

local function types_of(events)
  local types = {}
  for i, event in ipairs(events) do
    types[i] = event.type
  end
  return table.concat(types, " ")
end

if not has_fd then
  describe("an engine that waits with poll()", function()
    it("has no descriptor, and says when it wants to be called", function()
      local engine = rill.engine()
      assert.is_nil(engine:fd())
      assert.is_nil(engine:getfd())
      assert.is_nil(engine:pollfd())
      local stream = ask.chat({ { before = { { stall = true } } } })
      assert.is_true(engine:timeout() <= 20)
      stream:close()
    end)
  end)
end

local with_fd = has_fd and describe or function() end

with_fd("the engine's descriptor", function()
  before_each(ask.forget_connections)

  it("is one, and stays the same", function()
    local engine = rill.engine()
    assert.are.equal(engine:fd(), engine:fd())
    assert.are.equal(engine:fd(), engine:getfd())
    assert.are.equal(engine:fd(), engine:pollfd())
    assert.are.equal("r", engine:events())
    assert.is_false(engine:dirty())
  end)

  it("is all that is needed to drive a stream", function()
    local steps = { sse.role() }
    for i = 1, 10 do
      steps[#steps + 1] = { sleep = 0.005 }
      steps[#steps + 1] = sse.chunk(i .. " ")
    end
    steps[#steps + 1] = sse.finish() .. sse.done()
    local events, err, rounds = drive((ask.chat({ { steps = steps } })))
    assert.is_nil(err)
    assert.are.equal("start" .. (" text"):rep(10) .. " done", types_of(events))
    assert.is_true(rounds < 100, rounds .. " rounds: the descriptor is readable without need")
  end)

  it("wakes for a retry", function()
    local stream = ask.chat({ { status = 503, framing = "length" }, sse.answer("fine") },
      { retry = { base = 0.05 } })
    local events, err, rounds = drive(stream)
    assert.is_nil(err)
    assert.are.equal("retry start text done", types_of(events))
    assert.is_true(rounds < 40, tostring(rounds))
  end)

  it("wakes for every timeout", function()
    local begun = { sse.role() .. sse.chunk("x"), { stall = true } }
    for name, attempt in pairs({
      first_byte = { before = { { stall = true } } },
      first_output = { steps = { { stall = true } } },
      idle = { steps = begun }, progress = { steps = begun }, total = { steps = begun },
    }) do
      local stream = ask.chat({ attempt }, { timeout = { [name] = 0.05 }, retry = { max = 0 } })
      local _, err, rounds = drive(stream, 3)
      assert.are.equal(name, err.phase)
      assert.is_true(rounds < 40, tostring(rounds))
    end
  end)

  it("wakes for a connection that is not made in time", function()
    local stream = ask.client("https://127.0.0.1:" .. gateway.silent_port .. "/v1",
      { timeout = { connect = 0.05 }, retry = { max = 0 } }):chat(ask.request())
    local _, err = drive(stream, 3)
    assert.are.equal("connect", err.phase)
  end)

  it("wakes for an alarm beside a transfer", function()
    local stream = ask.chat({ { before = { { stall = true } } } })
    gateway:wait({ id = tostring(gateway.routes) }, "requests", 1, 5, function()
      rill.engine():step(0.01)
    end)
    local alarm = core.alarm()
    local id, engine = alarm:set(0.03), rill.engine()
    local deadline = socket.gettime() + 3
    repeat
      wait_fd(engine)
      engine:step(0)
      assert.is_true(socket.gettime() < deadline)
    until engine:ready() == id
    alarm:close()
    stream:close()
  end)

  it("wakes for a paused stream that is read again", function()
    local texts = {}
    for i = 1, 3000 do
      texts[i] = sse.filler(200)
    end
    local stream = ask.chat({ sse.answer(texts) }, { limits = { buffer = 5000 } })
    local events, err = drive(stream)
    assert.is_nil(err)
    assert.are.equal(3002, #events)
    assert.is_true(stream:metrics().pauses > 0)
  end)

  it("is silent while there is nothing to do", function()
    local engine = rill.engine()
    local stream, route = ask.chat({
      { before = { { wait = "go" } }, steps = { sse.answer("x") } },
    })
    gateway:wait(route, "requests", 1, 5, function()
      engine:step(0.01)
    end)
    local deadline = socket.gettime() + 0.35 -- libcurl's own timers are over by then
    while socket.gettime() < deadline do
      engine:step(0.05)
    end
    assert.are.equal(0, #socket.select({ selectable(engine) }, nil, 0.05))
    local watched = selectable(engine)
    local alarm = core.alarm()
    local id = alarm:set(0.03) -- a timer that is set while nobody steps
    assert.is_truthy(socket.select({ watched }, nil, 1)[1])
    engine:step(0)
    assert.are.equal(id, engine:ready())
    alarm:close()
    gateway:signal(route, "go")
    wait_fd(engine)
    assert.are.equal("x", stream:result().text)
  end)
end)

describe("the engine", function()
  it("is one for each Lua state", function()
    assert.are.equal(rill.engine(), rill.engine())
    assert.are.equal(core.engine(), rill.engine())
  end)

  it("tells how many transfers are open", function()
    ask.forget_connections()
    local engine = rill.engine()
    assert.are.equal(0, engine:step(0))
    local one = ask.chat({ { before = { { stall = true } } } })
    local two = ask.chat({ { before = { { stall = true } } } })
    assert.are.equal(2, engine:step(0))
    assert.are.equal("rill.engine (2 open)", tostring(engine))
    one:close()
    assert.are.equal(1, engine:step(0))
    two:close()
    assert.are.equal(0, engine:step(0))
  end)

  it("does not wait for ever when nothing is open", function()
    ask.forget_connections()
    assert.are.equal(0, rill.engine():step())
    assert.is_nil(rill.engine():timeout())
    assert.is_nil(rill.engine():ready())
  end)

  it("does not wait when somebody has news", function()
    ask.forget_connections()
    local stream, route = ask.chat({ { steps = { sse.role(), { stall = true } } } })
    local engine = rill.engine()
    while not engine:dirty() do
      engine:step(1)
    end
    local began = socket.gettime()
    for _ = 1, 3 do
      engine:step(5)
    end
    assert.is_true(socket.gettime() - began < 5)
    assert.are.equal(stream.transfer:id(), engine:ready())
    stream:close()
    assert.is_truthy(gateway:wait(route, "closed", 1, 5))
  end)

  it("spares who waits alone the question whose the news are", function()
    ask.forget_connections()
    local engine, mine, others = rill.engine(), core.alarm(), core.alarm()
    assert.is_true(engine:await(mine:set(0.001)))
    assert.is_nil(engine:ready()) -- it was named by that
    assert.are.equal(0, engine:await(1))

    local later, soon = mine:set(60), others:set(0.001)
    assert.are.equal(1, engine:await(later))
    assert.are.equal(soon, engine:ready())

    local ids = { [mine:set(0.001)] = true, [others:set(0.001)] = true }
    while engine:step(0.01) > 0 do end -- luacheck: ignore
    assert.are.equal(0, engine:await(next(ids)))
    ids[engine:ready()], ids[engine:ready()] = nil, nil
    assert.is_nil(next(ids))

    others:set(0.001)
    assert.are.equal(0, engine:await({})) -- who waits for no transfer
    assert.is_truthy(engine:ready())
  end)

  it("closes every stream when it is closed, and the next one is new", function()
    local before = handles.snapshot()
    local old = rill.engine()
    local stream, route = ask.chat({
      { steps = { sse.role() .. sse.chunk("x"), { stall = true } } },
    })
    assert.is_truthy(stream:next(5))
    assert.is_truthy(stream:next(5))
    old:close()
    assert.is_truthy(gateway:wait(route, "closed", 1, 5))
    local _, err = stream:result()
    assert.are.equal("cancelled", err.kind)
    assert.are.equal("x", stream:partial().text)
    stream:close()
    assert.are_not.equal(old, rill.engine())
    assert.are.equal("fine", ask.chat({ sse.answer("fine") }):result().text)
    assert.are.equal("rill.engine (closed)", tostring(old))
    old:close()
    assert.has_error(function()
      old:step(0)
    end, "the engine is closed")
    stream = nil -- luacheck: ignore
    ask.forget_connections()
    assert.is_true(handles.count() <= (function()
      local count = 0
      for _ in pairs(before) do
        count = count + 1
      end
      return count
    end)())
  end)
end)

describe("a userdata", function()
  local function profile(change)
    local spec = {
      headers = { "Authorization: Bearer " .. ask.KEY },
      timeout = {
        connect = 1, first_byte = 1, first_output = 1, idle = 1, progress = 1, total = 1,
      },
      retry = { max = 0, base = 1, factor = 2, cap = 3, jitter = 0, max_wait = 1 },
      limits = { buffer = 1000, event = 1000, error_body = 1000 },
    }
    for name, value in pairs(change or {}) do
      spec[name] = value
    end
    return core.profile(spec)
  end

  it("has a name and a description without secrets", function()
    local engine = core.engine()
    local transfer = engine:open(profile(), gateway.refused_url .. "/" .. ask.KEY, ask.KEY)
    for name, object in pairs({
      ["rill.engine"] = engine, ["rill.transfer"] = transfer, ["rill.profile"] = profile(),
      ["rill.sse_parser"] = core.sse_parser(),
    }) do
      local meta = getmetatable(object)
      assert.are.equal(name, meta.__name)
      assert.are.equal("function", type(meta.__gc))
      assert.are.equal("function", type(meta.__close))
      assert.is_truthy(tostring(object):find(name, 1, true))
      assert.is_falsy(tostring(object):find(ask.KEY, 1, true))
    end
    transfer:close()
  end)

  it("is refused where another is wanted, with the argument's number", function()
    local engine = core.engine()
    local transfer = engine:open(profile(), gateway.refused_url .. "/")
    transfer:close()
    for _, case in ipairs({
      { function() engine.step(transfer) end, "rill.engine expected" },
      { function() transfer.text(engine) end, "rill.transfer expected" },
      { function() transfer.text(nil) end, "#1" },
      { function() transfer.take(io.stdout) end, "#1" },
      { function() transfer.id({}) end, "#1" },
      { function() engine:open({}, "x") end, "rill.profile expected" },
      { function() engine:open(nil, "x") end, "rill.profile expected" },
      { function() engine:open(profile()) end, "string expected" },
      { function() engine:open(profile(), "http://x/\0y") end, "NUL byte" },
      { function() engine:open(profile(), "http://x/", {}) end, "string expected" },
      { function() engine:step("soon") end, "number expected" },
      { function() transfer:keep(1) end, "boolean expected" },
      { function() transfer:append() end, "string expected" },
      { function() core.profile() end, "table expected" },
      { function() core.sse_parser(3) end, "options expected" },
      { function() core.sse_parser():feed() end, "string expected" },
      { function() core.sse_parser():feed({}) end, "string expected" },
    }) do
      local ok, err = pcall(case[1])
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(case[2], 1, true), tostring(err) .. " <> " .. case[2])
    end
  end)

  it("refuses a profile that would be unsafe", function()
    for text, change in pairs({
      ["'headers'"] = { headers = { "X: a\r\nY: b" } },
      ["control character"] = { headers = { "X: \1" } },
      ["'timeout'"] = { timeout = 3 }, ["'connect'"] = { timeout = {} },
      ["'buffer'"] = { limits = { buffer = -1, event = 1, error_body = 1 } },
      ["'proxy'"] = { proxy = 7 }, ["NUL byte"] = { ca_file = "a\0b" },
      ["list of strings"] = { headers = { 1 } },
    }) do
      local ok, err = pcall(profile, change)
      assert.is_false(ok, text)
      assert.is_truthy(tostring(err):find(text, 1, true), tostring(err))
    end
  end)

  it("speaks nothing but http and https, whoever asks", function()
    local engine = core.engine()
    for _, url in ipairs({ "file:///etc/passwd", "ftp://127.0.0.1/x", "dict://127.0.0.1/x" }) do
      local transfer = engine:open(profile(), url)
      while not transfer:ending() do
        engine:step(1)
        while engine:ready() do end -- luacheck: ignore
      end
      assert.are.equal("failed", transfer:ending())
      assert.are.equal("config", transfer:failure().kind)
    end
  end)

  it("fails at once where no proxy can be meant, whoever names it", function()
    for _, proxy in ipairs({ "nonsense://me:hunter2@x", "http://me:hunter2@[bad",
      "http://127.0.0.1:99999" }) do
      local its_profile = raw.profile(nil, { proxy = proxy })
      for _, one in ipairs({
        core.engine():open(its_profile, gateway.url .. "/v1/chat", "{}"),
        core.engine():connect(its_profile, (gateway.url:gsub("^http", "ws"))),
      }) do
        raw.wait(one)
        local failure = one:failure()
        assert.are.equal("config", failure.kind)
        assert.are.equal("the proxy cannot be used: its URL has a wrong scheme or form",
          failure.message)
        assert.are.equal(failure.message, one:attempts()[1].reason)
        assert.are.equal(1, #one:attempts())
      end
    end
  end)

  it("survives being collected or closed twice, and use after that", function()
    local transfer = core.engine():open(profile(), gateway.refused_url .. "/")
    transfer:close()
    transfer:close()
    assert.are.equal("closed", transfer:ending())
    local collect = getmetatable(transfer).__gc
    collect(transfer)
    collect(transfer)
    assert.is_truthy(tostring(transfer):find("rill.transfer", 1, true))
    assert.has_error(function()
      transfer:take()
    end)
    local one = profile()
    getmetatable(one).__gc(one)
    getmetatable(one).__gc(one)
    assert.has_error(function()
      core.engine():open(one, "http://127.0.0.1/")
    end)
  end)

  it("may outlive the profile it was opened with", function()
    local route = gateway:script({ { steps = { sse.role(), { wait = "go" }, sse.answer("x") } } })
    local transfer
    do
      local own = profile({ timeout = { connect = 5, first_byte = 5, first_output = 5, idle = 5,
        progress = 5, total = 5 } })
      transfer = core.engine():open(own, route.base_url .. "/chat/completions", "{}")
      getmetatable(own).__gc(own)
    end
    collectgarbage()
    gateway:signal(route, "go")
    while not transfer:ending() do
      core.engine():step(1)
      while core.engine():ready() do end -- luacheck: ignore
    end
    assert.are.equal("done", transfer:ending())
  end)
end)
