-- The scenarios of oom.c, which runs each with every allocation failing in turn.  Loaded with
-- (open, base, refusing, secure, ca_file, used, now): what gives the C module, the server's
-- address, one where nobody listens, that over TLS (empty: it has none), the file that vouches for
-- it, what counts the bytes in use, and what gives the time in seconds.  A scenario returns "fine",
-- or why the world failed it; anything that is wrong is raised.

local open, base, refusing, secure, ca_file, used, now = ...

local WANT = "Hello, w\195\182rld \240\159\140\138."
local STEP, STEPS = 0.1, 400
-- Every timeout: longer than a busy machine lets a test wait, and shorter than all steps.  Only
-- where libcurl takes an OpenSSL without memory for one that has nothing to read it is reached.
local BOUND = 30

local function profile(core, changes)
  local spec = {
    headers = { "Authorization: Bearer torture", "Content-Type: application/json" },
    timeout = { connect = BOUND, first_byte = BOUND, first_output = BOUND, idle = BOUND,
      progress = BOUND, total = BOUND },
    retry = { max = 2, base = 0.001, factor = 2, cap = 0.002, jitter = 0.25, max_wait = 1 },
    limits = { buffer = 1048576, event = 1048576, error_body = 65536 },
    ca_file = ca_file ~= "" and ca_file or nil,
    tls_verify = true,
    http_version = "1.1",
  }
  for key, value in pairs(changes or {}) do
    spec[key] = value
  end
  return core.profile(spec)
end

local function wrong(...)
  error("WRONG: " .. string.format(...), 0)
end

-- Waits for news, or for STEP.  The engine may look at sockets many times meanwhile: at one whose
-- OpenSSL has run out of memory without a pause, until its timeouts.
local function step(engine)
  while engine:ready() do end
  local left, deadline = STEP, now() + STEP
  repeat
    engine:step(left)
    left = deadline - now()
  until left <= 0 or engine:ready()
end

local function unescape(piece)
  return (piece:gsub("\\u00f6", "\195\182"):gsub("\\ud83c\\udf0a", "\240\159\140\138")
    :gsub("\\n", "\n"))
end

-- A piece that C could not decode for want of memory comes as an event, as the first always does.
local function add_text_of(transfer, payload)
  local text = payload:match('"text":"(.-)"')
  local is_thought = payload:find('"thought":true', 1, true)
  local thought = payload:match('"thinking":"(.-)"') or is_thought and text
  local content = text or payload:match('"content":"(.-)"')
  if thought then
    transfer:append_reasoning(unescape(thought))
  elseif content then
    transfer:append(unescape(content))
  end
end

-- Takes everything, and steps until the transfer has ended.  Returns the number of retries.
local function drive(engine, transfer)
  local steps, retries = 0, 0
  while true do
    local kind, what = transfer:take()
    steps = kind and 0 or steps + 1
    if kind == "event" then
      add_text_of(transfer, what)
    elseif kind == "retry" then
      retries = retries + 1
    elseif kind == nil and what == "end" then
      return retries
    elseif kind == nil then
      if steps > STEPS then
        wrong("nothing more in %d steps: %s", STEPS, tostring(transfer))
      end
      step(engine)
    end
  end
end

-- "fine" if the answer is whole, else the failure, which must say what it is.
local function judge(transfer, want, want_ending)
  local ending, failure = transfer:ending(), transfer:failure()
  transfer:stats()
  for number, attempt in ipairs(transfer:attempts()) do
    if not attempt.duration then
      wrong("it has ended, but attempt %d has not", number)
    end
  end
  if ending == (want_ending or "done") then
    if transfer:reply() ~= want then
      wrong("a whole answer reads %q", transfer:reply())
    end
    return "fine"
  end
  if failure == nil then
    wrong("the transfer ended with %s and no failure", tostring(ending))
  end
  return failure.kind .. ": " .. failure.message
end

local function ask(engine, its_profile, path, want)
  local transfer = engine:open(its_profile, base .. path, '{"stream":true}')
  local retries = drive(engine, transfer)
  return judge(transfer, want or WANT), transfer, retries
end

local scenarios = {}

-- every: of how many allocations one is taken; each of the ways to fail takes others.
local function scenario(name, run, every)
  scenarios[#scenarios + 1] = { name = name, run = run, every = every or 1 }
end

local EVENTS = "\239\187\191: hello\nretry: 10\nid: 1\ndata: one\n\n"
  .. "event: named\r\nid: 2\r\ndata: two\r\ndata: lines\r\n\r\n"
  .. "data: " .. string.rep("long ", 300) .. "\n\ndata: unfinished"

scenario("sse_parser: feed, next, finish, reset", function()
  local parser = open().sse_parser({ max_event = 4096 })
  for _ = 1, 2 do
    local count, bytes = 0, 0
    for at = 1, #EVENTS, 100 do
      parser:feed(EVENTS:sub(at, at + 99))
      while true do
        local event, message = parser:next()
        if message then
          return message
        elseif not event then
          break
        end
        count = count + 1
        bytes = bytes + #event.data + #event.event + #event.id
      end
    end
    local last, message = parser:finish()
    if message then
      return message
    elseif not last or count ~= 3 or bytes ~= 3 + 9 + 1500 + 7 + 5 + 7 + 1 + 1 + 1 then
      wrong("%d events of %d bytes", count, bytes)
    end
    tostring(parser)
    parser:retry()
    parser:reset()
  end
  parser:close()
  return "fine"
end)

scenario("sse_parser: an event that did not reach Lua comes again", function()
  local parser = open().sse_parser()
  for number = 1, 20 do
    parser:feed("data: " .. number .. "\n\n")
  end
  local expected = 1
  local message
  while expected <= 20 do
    local done, event, failure = pcall(parser.next, parser)
    if not done then
      if message then
        error(event, 0)
      end
      message = event
    elseif not event then
      return failure or "no event"
    elseif event.data ~= tostring(expected) then
      wrong("event %s where %d was due", event.data, expected)
    else
      expected = expected + 1
    end
  end
  return "fine"
end)

scenario("profile", function()
  local core = open()
  local one = profile(core, { proxy = "http://127.0.0.1:1", ca_file = "/a", ca_path = "/b" })
  tostring(one)
  profile(core)
  return "fine"
end)

scenario("engine: fd, timeout, names of the hosts' loops", function()
  local engine = open().engine()
  if open().engine() ~= engine then
    wrong("two engines")
  end
  engine:fd()
  engine:timeout()
  engine:pollfd()
  engine:getfd()
  engine:events()
  engine:dirty()
  tostring(engine)
  engine:step(0)
  engine:close()
  return "fine"
end)

scenario("a chunked stream", function()
  local core = open()
  return (ask(core.engine(), profile(core), "/v1/chat"))
end)

scenario("a stream of known length, with a descriptor for another loop", function()
  local core = open()
  local engine = core.engine()
  engine:fd()
  local transfer = engine:open(profile(core), base .. "/v1/length", "{}")
  transfer:keep(false)
  drive(engine, transfer)
  while engine:ready() do
    engine:timeout()
  end
  return judge(transfer, WANT)
end)

scenario("texts, appended and taken", function()
  local core = open()
  local engine = core.engine()
  local transfer = engine:open(profile(core), base .. "/v1/chat", "{}")
  for _ = 1, STEPS do
    local text = transfer:text()
    if not text then
      local kind, what = transfer:take()
      if kind == "text" then
        wrong("a text after there was none")
      elseif kind == "event" then
        add_text_of(transfer, what)
      elseif what == "end" then
        return judge(transfer, WANT)
      elseif not kind then
        step(engine)
      end
    end
  end
  wrong("no end")
end)

scenario("two requests over one connection", function()
  local core = open()
  local engine, its_profile = core.engine(), profile(core)
  local first = ask(engine, its_profile, "/v1/chat")
  local second, transfer = ask(engine, its_profile, "/v1/length")
  if first == "fine" and second == "fine" and transfer:stats().reused == nil then
    wrong("no word on reuse")
  end
  return first ~= "fine" and first or second
end)

scenario("three streams at once", function()
  local core = open()
  local engine, its_profile = core.engine(), profile(core)
  local transfers = {}
  for i = 1, 3 do
    transfers[i] = engine:open(its_profile, base .. "/v1/chat", "{}")
  end
  local verdict = "fine"
  for i = 1, 3 do
    drive(engine, transfers[i])
    local one = judge(transfers[i], WANT)
    verdict = one ~= "fine" and one or verdict
  end
  return verdict
end)

scenario("a name that has to be looked up", function()
  local core = open()
  local engine = core.engine()
  local url = base:gsub("127%.0%.0%.1", "localhost") .. "/v1/chat"
  local transfer = engine:open(profile(core), url, "{}")
  drive(engine, transfer)
  return judge(transfer, WANT)
end)

scenario("503, a retry, the answer", function()
  local core = open()
  local verdict, transfer, retries = ask(core.engine(), profile(core), "/v1/busy")
  if verdict == "fine" and (retries < 1 or #transfer:attempts() ~= retries + 1) then
    wrong("%d retries, %d attempts", retries, #transfer:attempts())
  elseif verdict == "http: HTTP 503" and retries == 0 then
    return "no memory was left to report a retry"
  end
  return verdict
end)

scenario("nobody listens, in spite of retries", function()
  local core = open()
  local engine = core.engine()
  local transfer = engine:open(profile(core), refusing .. "/v1/chat", "{}")
  local retries = drive(engine, transfer)
  local verdict = judge(transfer, WANT)
  if verdict:find("^connect: ") then
    return retries == 2 and "fine" or "no memory was left to report a retry"
  end
  return verdict
end)

scenario("a redirect", function()
  local core = open()
  return (ask(core.engine(), profile(core), "/v1/moved"))
end)

scenario("an error answer and an answer that is no stream", function()
  local core = open()
  local engine, its_profile = core.engine(), profile(core)
  for path, kind in pairs({ ["/v1/refused"] = "http", ["/v1/json"] = "body" }) do
    local verdict, transfer = ask(engine, its_profile, path)
    if transfer:failure().kind ~= kind then
      return verdict
    end
  end
  return "fine"
end)

scenario("an answer that is cut", function()
  local core = open()
  local verdict, transfer = ask(core.engine(), profile(core), "/v1/cut")
  if transfer:ending() == "cut" and transfer:reply() == "Hello, " then
    return "fine"
  end
  return verdict
end)

-- One whose reader wants all, and one whose reader wants text alone.
for _, case in ipairs({ { "gemini", "eof" }, { "ollama", "done" } }) do
  local format, ending = case[1], case[2]

  local function check(transfer)
    local verdict = judge(transfer, WANT, ending)
    local usage = transfer:usage()
    if verdict == "fine" and transfer:reasoning() ~= "Let me think\n" then
      wrong("a whole answer was reasoned %q", transfer:reasoning())
    elseif usage and usage ~= '{"totalTokenCount":3}' then
      wrong("a usage of %q", usage)
    end
    return verdict
  end

  scenario("text, reasoning and usage in the format " .. format, function()
    local core = open()
    local engine = core.engine()
    local transfer = engine:open(profile(core), base .. "/v1/" .. format, "{}", format)
    drive(engine, transfer)
    return check(transfer)
  end)

  scenario("reasoning that is passed over in the format " .. format, function()
    local core = open()
    local engine = core.engine()
    local transfer = engine:open(profile(core), base .. "/v1/" .. format, "{}", format)
    transfer:keep(false)
    local failures = 0
    for _ = 1, STEPS do
      local done, text = pcall(transfer.text, transfer) -- what did not reach Lua comes again
      failures = failures + (done and 0 or 1)
      if failures > 3 then
        error(text, 0)
      elseif done and not text then
        local kind, what = transfer:take()
        if kind == "event" then
          add_text_of(transfer, what)
        elseif what == "end" then
          return check(transfer)
        elseif not kind then
          step(engine)
        end
      end
    end
    wrong("no end")
  end)
end

scenario("whole bodies, asked for with POST and GET", function()
  local core = open()
  local engine, its_profile = core.engine(), profile(core)
  for _, body in ipairs({ "{}", false }) do
    local transfer = engine:open(its_profile, base .. "/v1/json", body or nil, "whole")
    local got
    for _ = 1, STEPS do
      local kind, what = transfer:take()
      if kind == "event" then
        got = what
      elseif kind == nil and what == "end" then
        break
      elseif kind == nil then
        step(engine)
      end
    end
    local verdict = judge(transfer, "")
    if verdict ~= "fine" then
      return verdict
    elseif got ~= '{"answer":42}' then
      wrong("a whole body reads %q", tostring(got))
    end
  end
  return "fine"
end)

-- Connects, and gives the socket once it is open; or nil and why not.
local function open_socket(core, engine, spec, changes)
  local url = base:gsub("^http", "ws") .. "/v1/socket"
  local socket = engine:connect(profile(core, changes), url, spec)
  for _ = 1, STEPS do
    local kind, what = socket:take()
    if kind == "open" then
      return socket
    elseif kind == nil and what == "end" then
      return nil, socket:failure().kind .. ": " .. socket:failure().message
    elseif kind == nil then
      step(engine)
    end
  end
  wrong("the socket neither opens nor fails: %s", tostring(socket))
end

-- Takes everything until the socket has ended, or so many messages have come, or the one has ended
-- that asks for them.
local function read_socket(engine, socket, count, speaker)
  local messages, steps = {}, 0
  while (not count or #messages < count) and not (speaker and speaker:ending()) do
    local kind, what = socket:take()
    steps = kind and 0 or steps + 1
    if kind == "text" or kind == "binary" then
      messages[#messages + 1] = what
    elseif kind == nil and what == "end" then
      break
    elseif steps > STEPS then
      wrong("nothing more of the socket: %s", tostring(socket))
    elseif kind == nil then
      step(engine)
    end
  end
  return messages
end

-- Whether it ended as a socket does that lacked nothing; or why not.
local function judge_socket(socket, messages, want)
  local failure = socket:failure()
  socket:stats()
  socket:attempts()
  socket:unsent()
  if socket:ending() == "closed" then
    for i = 1, math.max(#messages, #want) do
      if messages[i] ~= want[i] then
        wrong("message %d reads %q", i, tostring(messages[i]))
      end
    end
    return "fine"
  elseif not failure then
    wrong("the socket ended with %s and no failure", tostring(socket:ending()))
  end
  return failure.kind .. ": " .. failure.message
end

scenario("a socket: connect, retry, send, receive, close", function()
  local core = open()
  local engine = core.engine()
  local socket, why = open_socket(core, engine, { protocols = "a, b" })
  if not socket then
    return why
  end
  local long = string.rep("long ", 600)
  socket:send("one")
  socket:send("\0two", true)
  socket:ping("ping")
  socket:send(long)
  local messages = read_socket(engine, socket, 3)
  socket:close(1000, "enough")
  for _, message in ipairs(read_socket(engine, socket)) do
    messages[#messages + 1] = message
  end
  return judge_socket(socket, messages, { "one", "\0two", long })
end)

-- A host that has to be converted: in the locale "C" that fails, which is no want of memory.
scenario("the URL of a socket", function()
  local core = open()
  if not core.takes_url(base:gsub("^http", "ws") .. "/v1/socket?a=b") then
    wrong("a good URL was refused")
  elseif core.takes_url("ws://m\195\188nchen.invalid/") then
    wrong("a host was converted")
  end
  return "fine"
end)

scenario("a socket that its peer closes, with messages sent before it was open", function()
  local core = open()
  local engine = core.engine()
  local socket = engine:connect(profile(core), base:gsub("^http", "ws") .. "/v1/socket")
  socket:send("early")
  socket:send("bye")
  local messages = read_socket(engine, socket)
  local verdict = judge_socket(socket, messages, { "early" })
  local code, reason, by = socket:closing()
  if verdict == "fine" and (code ~= 1000 or reason ~= "so long" or by ~= "peer") then
    wrong("closed with %s %s by %s", tostring(code), tostring(reason), tostring(by))
  end
  return verdict
end)

scenario("a socket that is paused because nobody takes, and goes on", function()
  local core = open()
  local engine = core.engine()
  local limits = { buffer = 1000, event = 1048576, error_body = 65536 }
  local socket, why = open_socket(core, engine, nil, { limits = limits })
  if not socket then
    return why
  end
  socket:send("long")
  socket:send("bye")
  for _ = 1, 10 * STEPS do
    if socket:stats().pauses > 0 or socket:ending() then
      break
    end
    step(engine)
  end
  local want = {}
  for i = 1, 120 do
    want[i] = "sixty-four bytes of text that a reader leaves to wait in a queue"
  end
  return judge_socket(socket, read_socket(engine, socket), want)
end)

-- What it hears is asked for by another socket: between two attempts to read it writes nothing.
scenario("a socket that only listens", function()
  local core = open()
  local engine = core.engine()
  local listener, why = open_socket(core, engine)
  local speaker
  if listener then
    speaker, why = open_socket(core, engine)
  end
  if not speaker then
    return why
  end
  local messages, want = {}, {}
  for i = 1, 300 do
    want[i] = "aside"
    speaker:send(want[i])
    messages[i] = read_socket(engine, listener, 1, speaker)[1]
    if listener:ending() or speaker:ending() then
      return judge_socket(listener:ending() and listener or speaker, {}, {})
    end
  end
  listener:close(1000, "enough")
  read_socket(engine, listener)
  return judge_socket(listener, messages, want)
end, 300)

scenario("a transfer that is fed by a socket", function()
  local core = open()
  local engine = core.engine()
  local socket, why = open_socket(core, engine)
  if not socket then
    return why
  end
  local transfer = engine:answer(profile(core))
  socket:attach(transfer)
  for _, delta in ipairs({ '{"role":"assistant","content":""}', '{"content":"Hello"}',
    '{"content":", "}', '{"content":"w\\u00f6rld"}', '{"content":" \\ud83c\\udf0a"}',
    '{"content":"."}' }) do
    socket:send('{"choices":[{"index":0,"delta":' .. delta .. "}]}")
  end
  socket:send("[DONE]")
  local steps = 0
  while not transfer:ending() and not socket:ending() and steps < STEPS do
    steps = steps + 1
    step(engine)
  end
  if not transfer:ending() then
    transfer:finish("cut", "interrupted", "body", (socket:failure() or {}).message)
  end
  drive(engine, transfer)
  return judge(transfer, WANT)
end)

scenario("sockets that are dropped, collected and left open", function()
  local core = open()
  local engine = core.engine()
  local sockets = {}
  for i = 1, 3 do
    local socket, why = open_socket(core, engine)
    if not socket then
      return why
    end
    sockets[i] = socket
  end
  sockets[1]:drop()
  if sockets[1]:ending() ~= "dropped" then
    wrong("it was dropped and ended as %s", tostring(sockets[1]:ending()))
  end
  sockets[2] = nil
  collectgarbage()
  collectgarbage()
  sockets[3]:send("to nobody")
  engine:connect(profile(core), base:gsub("^http", "ws") .. "/v1/socket")
  return "fine"
end)

-- libcurl 7.88 closes a connection that is dropped while it is made without telling of it.
scenario("connections that are dropped before they stand leave nothing behind", function()
  local core = open()
  local engine, its_profile = core.engine(), profile(core)
  local function drop(count)
    for _ = 1, count do
      engine:connect(its_profile, (base:gsub("^http", "ws")) .. "/v1/socket"):drop()
      engine:open(its_profile, base .. "/v1/chat", "{}"):close()
    end
    collectgarbage()
    collectgarbage()
    return used()
  end
  local before = drop(50)
  local more = drop(200) - before
  if more > 3000 then -- 16 bytes each would be more
    wrong("%d bytes more are in use", more)
  end
  return "fine"
end, 2000)

scenario("base64", function()
  local core = open()
  local bytes = string.rep("\0\1\254\255", 100)
  local text = core.base64_encode(bytes)
  if core.base64_decode(text) ~= bytes or core.base64_decode("!") then
    wrong("it does not come back")
  end
  return "fine"
end)

local function wait_for_pause(engine, transfer)
  local steps = 0
  while transfer:stats().pauses == 0 and not transfer:ending() do
    steps = steps + 1
    if steps > 10 * STEPS then
      wrong("it was never paused")
    end
    step(engine)
  end
end

scenario("a queue that runs full, pause and resumption", function()
  local core = open()
  local limits = { buffer = 1000, event = 1048576, error_body = 65536 }
  local want = string.rep("sixty-four bytes of text that a reader leaves to wait in a queue", 120)
  local engine = core.engine()
  local transfer = engine:open(profile(core, { limits = limits }), base .. "/v1/long", "{}")
  wait_for_pause(engine, transfer)
  drive(engine, transfer)
  return judge(transfer, want)
end)

scenario("an event beyond its limit", function()
  local core = open()
  local limits = { buffer = 1000, event = 100, error_body = 65536 }
  local verdict = ask(core.engine(), profile(core, { limits = limits }), "/v1/chat")
  return verdict:find("^limit") and "fine" or verdict
end)

scenario("an event beyond its limit, found when a paused transfer goes on", function()
  local core = open()
  local limits = { buffer = 1, event = 130, error_body = 65536 }
  local engine = core.engine()
  local transfer = engine:open(profile(core, { limits = limits }), base .. "/v1/long", "{}")
  wait_for_pause(engine, transfer)
  drive(engine, transfer)
  local verdict = judge(transfer, WANT)
  return verdict:find("^limit: an event") and "fine" or verdict
end)

local function stalled(core, engine)
  local transfer = engine:open(profile(core), base .. "/v1/stall", "{}")
  for _ = 1, STEPS do
    while transfer:take() do end
    if transfer:ending() then
      return nil, judge(transfer, WANT)
    elseif transfer:reply() == "Hello, " then
      return transfer
    end
    step(engine)
  end
  wrong("no first half")
end

scenario("closed in the middle", function()
  local core = open()
  local engine = core.engine()
  local transfer, verdict = stalled(core, engine)
  if not transfer then
    return verdict
  end
  transfer:close()
  transfer:close()
  if transfer:ending() ~= "closed" or transfer:reply() ~= "Hello, " then
    wrong("after close: %s", tostring(transfer:ending()))
  end
  return "fine"
end)

scenario("collected in the middle", function()
  local core = open()
  local engine = core.engine()
  local transfer, verdict = stalled(core, engine)
  if not transfer then
    return verdict
  end
  transfer = nil -- luacheck: ignore
  collectgarbage()
  collectgarbage()
  if engine:step(0) ~= 0 then
    wrong("it still runs")
  end
  return "fine"
end)

scenario("left open at the end", function()
  local core = open()
  local engine = core.engine()
  local transfer, verdict = stalled(core, engine)
  if not transfer then
    return verdict
  end
  engine:open(profile(core), base .. "/v1/chat", "{}")
  return "fine"
end)

scenario("the engine closed under its transfers", function()
  local core = open()
  local engine = core.engine()
  local transfer, verdict = stalled(core, engine)
  engine:close()
  if not transfer then
    return verdict
  elseif transfer:ending() ~= "closed" then
    wrong("it has not ended")
  end
  return (ask(core.engine(), profile(core), "/v1/chat"))
end)

-- Whatever else it takes, TLS changes where memory is needed and how bytes arrive.
local OVER_TLS = {
  "a chunked stream",
  "two requests over one connection",
  "a queue that runs full, pause and resumption",
  "left open at the end",
  "a socket: connect, retry, send, receive, close",
  "a socket that is paused because nobody takes, and goes on",
  "a socket that only listens",
  "sockets that are dropped, collected and left open",
}

local function over_tls(name)
  local plain
  for _, other in ipairs(scenarios) do
    plain = other.name == name and other or plain
  end
  scenario(name .. ", over TLS", function()
    base = secure
    return plain.run()
  end, math.max(3, plain.every))
end

if secure ~= "" then
  for _, name in ipairs(OVER_TLS) do
    over_tls(name)
  end

  scenario("a server that nobody vouches for, over TLS", function()
    local core = open()
    local engine = core.engine()
    local trust = { ca_file = ca_file:gsub("[^/]*$", "stranger/%0") }
    base = secure
    local verdict = ask(engine, profile(core, trust), "/v1/chat")
    local socket, why = open_socket(core, engine, nil, trust)
    if verdict == "fine" or socket then
      wrong("it was trusted")
    end
    return not verdict:find("^tls") and verdict or not why:find("^tls") and why or "fine"
  end, 3)
end

-- After a failure, with memory again: the engine of this state must still do its work.
local function healthy()
  local core = open()
  for _, path in ipairs({ "/v1/chat", "/v1/length" }) do
    local verdict = ask(core.engine(), profile(core), path)
    if verdict ~= "fine" then
      wrong("afterwards, with memory again: %s", verdict)
    end
  end
  return "fine"
end

return scenarios, healthy
