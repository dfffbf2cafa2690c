-- Realtime sessions in a real nginx with its Lua module.

local cjson = require("cjson").new()
local programs = require("spec.support.resty_programs")

local OPEN = [[
local rill = require("rill")
return function()
  local ai = rill.client({ base_url = ngx.var.arg_base, api_key = "sk-spec" })
  return ai:live({
    dialect = "realtime", model = "m", output = "text", turn_detection = "server_vad",
    reconnect = false,
  })
end
]]

-- A light thread speaks, another one listens, a third one hears what happens until the end.
local TALK = [[
local session = require("chat")()
local pieces, events, outcomes = {}, {}, {}
local happening = ngx.thread.spawn(function()
  local event = session:next()
  while event do
    events[#events + 1] = event.type
    event = session:next()
  end
  events[#events + 1] = "end"
end)
local listening = ngx.thread.spawn(function()
  for at = 1, 2 do
    local stream = assert(session:listen())
    local event, err = stream:next()
    while event do
      pieces[#pieces + 1] = event.text
      if event.type == "text" then
        assert(session:append(("\0"):rep(960))) -- the server waits for that
      end
      event, err = stream:next()
    end
    outcomes[at] = err and err.kind or stream.outcome
  end
end)
for _ = 1, 2 do
  assert(session:append(("\0"):rep(960)))
  ngx.sleep(0.001)
end
ngx.thread.wait(listening)
session:close()
ngx.thread.wait(happening)
ngx.print(table.concat(pieces, "|"), " ", table.concat(outcomes, "|"), " ",
  table.concat(events, "|"), " ", #session.messages)
]]

local TIMEOUT = [[
local session = require("chat")()
assert(session:connect(5))
local stream, err = session:listen(0.02)
local event, why = session:next(0.02)
session:close()
ngx.print(tostring(stream), err, tostring(event), why, tostring(session:listen()))
]]

local WAITS = [[
local session = require("chat")()
assert(session:connect(5))
ngx.log(ngx.NOTICE, "it waits")
session:listen()
]]

local function message(kind, fields)
  fields.type = kind
  return cjson.encode(fields)
end

local function heard(item, response)
  return message("input_audio_buffer.committed", { item_id = item }),
    message("response.created", { response = { id = response } })
end

local function delta(text, response)
  return message("response.output_text.delta", { response_id = response, delta = text })
end

local function done(response)
  return message("response.done", { response = { id = response, status = "completed" } })
end

local function live(steps)
  return { websocket = true, steps = steps }
end

describe("a realtime session in nginx", function()
  local nginx = programs.new(OPEN, { talk = TALK, timeout = TIMEOUT, waits = WAITS }, "base_url")

  it("is spoken to and listened to by light threads, with the bell and without", function()
    nginx.with_and_without_bell(function()
      local steps = { { receive = 3 }, heard("u1", "r1") } -- the settings and two pieces of sound
      for _, step in ipairs({ delta("I ", "r1"), { receive = 1 }, delta("hear", "r1"),
        { receive = 1 }, done("r1"), heard("u2", "r2") }) do
        steps[#steps + 1] = step
      end
      for _, step in ipairs({ delta("too long", "r2"), { receive = 1 },
        message("input_audio_buffer.speech_started", { item_id = "u3", audio_start_ms = 90 }),
        { stall = true } }) do
        steps[#steps + 1] = step
      end
      assert.equal("I |hear|too long complete|cancelled "
        .. "committed|committed|speech_started|interrupted|end 4",
        nginx.get("talk", live(steps)))
    end)
  end)

  it("gives up what does not come in time, and is silent after its end", function()
    nginx.start()
    assert.equal("niltimeoutniltimeoutnil", nginx.get("timeout", live({ { stall = true } })))
  end)

  it("lets its connection go when the request that listens is aborted", function()
    nginx.start()
    nginx.is_let_go("waits", live({ { stall = true } }))
  end)
end)
