-- What each thread of threads.c does.  Loaded with (luaopen_rill_core, port).

local core, port = (...)(), select(2, ...)

local WANT = "Hello, w\195\182rld \240\159\140\138."
local ROUNDS, AT_ONCE = 10, 5

local profile = core.profile({
  headers = { "Content-Type: application/json" },
  timeout = { connect = 60, first_byte = 60, first_output = 60, idle = 60, progress = 60,
    total = 60 },
  retry = { max = 1, base = 0.001, factor = 2, cap = 0.002, jitter = 0.25, max_wait = 1 },
  limits = { buffer = 1048576, event = 1048576, error_body = 65536 },
  http_version = "1.1",
})

-- The next item, waiting for it; nil at the end.
local function next_item(engine, source)
  local kind, what = source:take()
  while kind == nil and what ~= "end" do
    while engine:ready() do end
    engine:step(1)
    kind, what = source:take()
  end
  return kind, what
end

local function finish(engine, transfer)
  while next_item(engine, transfer) do end
  if transfer:ending() ~= "done" or transfer:reply() ~= WANT then
    local failure = transfer:failure() or { message = "no failure" }
    error(("%s, %q, %s"):format(transfer:ending(), transfer:reply(), failure.message), 0)
  end
end

-- A message there and back, and the closing handshake.
local function converse(engine, socket, message)
  socket:send(message)
  local got
  local kind, what = next_item(engine, socket)
  while kind do
    if kind == "text" then
      got = what
      socket:close()
    end
    kind, what = next_item(engine, socket)
  end
  if got ~= message or socket:ending() ~= "closed" then
    error(("%s, %s"):format(tostring(got), socket:ending()), 0)
  end
end

local engine = core.engine()
local count = 0
for round = 1, ROUNDS do
  -- Now and then by name, which libcurl looks up in a thread of its own.
  local host = round % 5 == 0 and "localhost" or "127.0.0.1"
  local transfers = {}
  for i = 1, AT_ONCE do
    local url = ("http://%s:%d/v1/%s"):format(host, port, i % 2 == 0 and "chat" or "length")
    transfers[i] = engine:open(profile, url, "{}")
  end
  -- One that is dropped while it runs.
  local dropped = engine:open(profile, ("http://%s:%d/v1/stall"):format(host, port), "{}")
  for i = 1, AT_ONCE do
    finish(engine, transfers[i])
    count = count + 1
  end
  dropped:close()
  local address = ("ws://%s:%d/v1/socket"):format(host, port)
  local left = engine:connect(profile, address)
  converse(engine, engine:connect(profile, address), "round " .. round)
  left:drop()
end
return count .. " answers"
