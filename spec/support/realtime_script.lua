-- What Realtime servers say, as items of fake sockets' scripts (fake_socket.lua), what such a
-- socket was sent, and the sessions over it.

local ask = require("spec.support.ask")
local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")

local script = {}

local rill, ai

--- For `before_each`; gives rill on a fake core.
function script.start()
  rill = fake.install()
  ai = rill.client({ base_url = "http://127.0.0.1:9/v1", api_key = "sk-secret-key" })
  return rill
end

function script.talk(options)
  return ai:live(ask.merged({ dialect = "realtime", model = "gpt-realtime" }, options))
end

--- Gives what has come to the newest session, to each stream and to who waits.
function script.push(...)
  fake.last_socket():push(...)
  rill.step(0)
end

--- The next event of a type that is there; nil: there is none.
function script.find(session, kind)
  local one = session:poll()
  while one and one.type ~= kind do
    one = session:poll()
  end
  return one
end

function script.text(payload)
  return { "text", payload }
end

function script.event(kind, fields)
  return script.text(('{"type":"%s"%s}'):format(kind, fields and "," .. fields or ""))
end

-- The beginning and the end of an answer; the token is that of the request, as the server repeats.
function script.created(id, token)
  local metadata = token and ('"metadata":{"rill":"%s"},'):format(token) or ""
  return script.event("response.created", ('"response":{%s"id":"%s"}'):format(metadata, id))
end

function script.done(id, status, reason)
  return script.event("response.done", ('"response":{"id":"%s","status":"%s","status_details":'
    .. '{"reason":"%s"},"usage":{"total_tokens":7}}'):format(id, status or "completed",
      reason or ""))
end

--- An error; event_id: of what it is about, nil: it does not say.
function script.refusal(code, event_id)
  return script.event("error", ('"error":{"code":"%s","message":"No","event_id":%s}'):format(code,
    event_id and '"' .. event_id .. '"' or "null"))
end

function script.said(id, words)
  return script.event("response.output_text.delta",
    ('"response_id":"%s","item_id":"item_%s","delta":"%s"'):format(id, id, words))
end

function script.item(id)
  return script.event("conversation.item.added",
    ('"item":{"id":"%s","type":"message","role":"assistant"}'):format(id))
end

function script.began(id)
  return script.event("response.output_item.added",
    ('"response_id":"%s","output_index":0,"item":{"id":"item_%s","type":"message"}')
      :format(id, id))
end

function script.audio(id, bytes)
  return script.event("response.output_audio.delta",
    ('"response_id":"%s","item_id":"item_%s","content_index":0,"delta":"%s"')
      :format(id, id, bytes))
end

function script.transcript(id, words)
  return script.event("response.output_audio_transcript.delta",
    ('"response_id":"%s","item_id":"item_%s","content_index":0,"delta":"%s"')
      :format(id, id, words))
end

function script.speaks()
  return script.event("input_audio_buffer.speech_started",
    '"audio_start_ms":1500,"item_id":"item_u"')
end

function script.committed(id)
  return script.event("input_audio_buffer.committed", ('"item_id":"%s"'):format(id))
end

function script.play(...)
  fake.socket_scripts = { ... }
end

function script.frames(which)
  local list = {}
  for i, message in ipairs(fake.sockets[which or #fake.sockets].sent) do
    list[i] = cjson.decode(message[1])
  end
  return list
end

-- Types of what was sent, without their common beginnings.
function script.kinds(which)
  local list = {}
  for i, frame in ipairs(script.frames(which)) do
    list[i] = frame.type:gsub("conversation%.", ""):gsub("input_audio_buffer%.", "")
  end
  return table.concat(list, " ")
end

function script.last_frame(kind)
  local list = script.frames()
  for i = #list, 1, -1 do
    if list[i].type == kind then
      return list[i]
    end
  end
end

--- The token of the request that was sent last.
function script.token()
  return script.last_frame("response.create").event_id
end

function script.words(messages)
  local list = {}
  for i, message in ipairs(messages) do
    list[i] = message.role:sub(1, 1) .. ":" .. (message.content or "-")
  end
  return table.concat(list, " ")
end

return script
