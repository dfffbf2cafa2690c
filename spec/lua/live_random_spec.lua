-- Live sessions under calls and events in random order, on a fake core: whatever happens, a stream
-- gets nothing of another question's answer, and comes to an end.

local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")
local luck = require("spec.support.luck")
local script = require("spec.support.live_script")

local STEPS, SEEDS = 400, 6

local rill, session, random
local lanes -- conversations: the session itself, and its lanes
local asked -- by the place of a lane: { stream, question }, while it is read
local count -- of questions

local function turn()
  require("rill.loops").turn(rill.engine())
end

---------------------------------------------------------------------------------------------------
-- The server: the questions of a lane are answered in their order

-- Reads what was sent since.
local function hear(socket)
  socket.jobs, socket.heard = socket.jobs or {}, socket.heard or 0
  while socket.heard < #socket.sent do
    socket.heard = socket.heard + 1
    local body = cjson.decode(socket.sent[socket.heard][1])
    local messages = body.messages or body.input
    local question = messages[#messages].content
    socket.jobs[#socket.jobs + 1] = { question = question, lane = body.stream_id,
      is_chat = body.messages ~= nil, left = random(5) - 1 }
  end
end

-- The jobs that are the first ones of their lanes.
local function first_jobs(socket)
  local list, seen = {}, {}
  for place, job in ipairs(socket.jobs) do
    if not seen[job.lane or ""] then
      seen[job.lane or ""] = true
      list[#list + 1] = place
    end
  end
  return list
end

local function last_message(job)
  local chance = random(12)
  if job.is_chat then
    return chance == 1 and script.text({ type = "error", message = "no" })
      or script.text({ type = "chat.done" })
  end
  local codes = { "odd", "previous_response_not_found", "websocket_connection_limit_reached" }
  return codes[chance] and script.failure(codes[chance], "no", job.lane)
    or script.completed("r" .. job.question, "", job.lane)
end

-- Says one message more.
local function answer()
  local socket = fake.last_socket("open")
  if not socket then
    return
  end
  hear(socket)
  local first = first_jobs(socket)
  if #first == 0 then
    return
  end
  local place = first[random(#first)]
  local job = socket.jobs[place]
  if job.left == 0 then
    table.remove(socket.jobs, place)
    return socket:push(last_message(job))
  end
  job.left = job.left - 1
  local text = "<" .. job.question .. ">"
  socket:push(job.is_chat and script.text({ type = "content.delta", delta = text })
    or script.delta(text, job.lane))
end

---------------------------------------------------------------------------------------------------
-- What may happen

local function read(place)
  local item = asked[place]
  local event, err = item.stream:poll()
  if event and event.type == "text" then
    assert.equal("<" .. item.question .. ">", event.text)
  elseif not event and err ~= "pending" then
    asked[place] = nil
  end
end

-- Of somebody who asks, reads, interrupts, closes or forgets.
local CALLS = {
  { 15, function(place)
    if not asked[place] then
      count = count + 1
      local question = "q" .. count
      asked[place] = { stream = lanes[place]:say(question), question = question }
    end
  end },
  { 25, function(place)
    return asked[place] and read(place)
  end },
  { 4, function(place)
    lanes[place]:interrupt()
    asked[place] = nil
  end },
  { 2, function(place)
    if asked[place] then
      asked[place].stream:close()
      asked[place] = nil
    end
  end },
  { 2, function(place)
    asked[place] = nil
    collectgarbage()
  end },
  { 2, function()
    if session.link.dialect.has_lanes and #lanes < 5 then
      lanes[#lanes + 1] = session:lane("l" .. #lanes)
    end
  end },
  { 1, function()
    session:connect(0)
  end },
}

-- Of the network and the clock.
local EVENTS = {
  { 30, answer },
  { 10, turn },
  { 20, function()
    local socket = fake.last_socket("connecting")
    if socket then
      local chance = random(8)
      socket:push(chance == 1 and { "retry", 2, 1, "no" } or chance == 2 and { "end", "failed",
        { kind = "http", status = 503, retryable = true } } or { "open" })
    end
  end },
  { 3, function()
    local socket = fake.last_socket("open")
    if socket then
      local code = ({ 1000, 1001, 1006, 1008, 1011 })[random(5)]
      local left = #socket.sent > 0 and random(2) == 1 and { { "x", false } } or {}
      socket:push({ "unsent", left }, { "close", code, "why" })
    end
  end },
  { 2, fake.fill_or_empty },
  { 1, function()
    local socket = fake.last_socket("open")
    if socket then
      socket:push({ "binary", "x" })
    end
  end },
  { 2, function()
    local transfer = fake.last()
    if transfer and not transfer:ending() then
      transfer:finish("failed", "timeout", "idle", "slow", true)
    end
  end },
  { 2, function()
    fake.clock = fake.clock + random(600)
  end },
}

-- From here on everything goes well: who still waits must come to an end.
local function go_to_the_end()
  local rounds = 0
  while next(asked) and rounds < 2000 do
    rounds = rounds + 1
    fake.let_through()
    answer()
    turn()
    for place = 1, #lanes do
      if asked[place] then
        read(place)
      end
    end
    fake.clock = fake.clock + 0.5
  end
end

local function play(dialect, seed)
  rill, random, count, asked = fake.install(), luck.generator(seed), 0, {}
  session = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-spec" }):live({
    dialect = dialect, model = "m", reconnect = { max = 3, jitter = 0 },
    limits = { buffer = random(2) == 1 and 50 or 100000 },
  })
  lanes = { session }
  for _ = 1, STEPS do
    luck.any_of(random, random(2) == 1 and CALLS or EVENTS, random(#lanes))
  end
  go_to_the_end()
  assert.is_nil(next(asked), "somebody waits for ever")
  assert.is_true(count > 5)
  collectgarbage() -- those who were forgotten
  collectgarbage()
  session.link:pump()
  session.link:settle()
  for _, one in ipairs(session.link.turns) do
    assert.is_true(one.is_dropped)
  end
  session:close()
end

describe("a live session to which anything may happen", function()
  teardown(fake.remove)

  for _, dialect in ipairs({ "responses", "chat" }) do
    it("mixes up no answers and leaves nobody waiting, in the dialect " .. dialect, function()
      luck.play(SEEDS, function(seed)
        play(dialect, seed)
      end)
    end)
  end
end)
