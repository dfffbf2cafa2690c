-- What the scripted gateway plays once it has accepted an upgrade to WebSocket, and how it notes
-- what the client sends meanwhile.  gateway.lua documents the steps.

local socket = require("socket")
local websocket = require("support.websocket")

local gateway_socket = {}

local TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

local CONTROL = { [PING] = "ping", [PONG] = "pong" }

-- What the head of an answer has to say for the upgrade that was asked for.
function gateway_socket.headers(request)
  return {
    { "Upgrade", "websocket" },
    { "Connection", "Upgrade" },
    {
      "Sec-WebSocket-Accept",
      websocket.accept_value(request.headers["sec-websocket-key"] or ""),
    },
  }
end

local function note(play, kind, data)
  local messages = play.record.messages
  local message = { kind = kind, data = data, at = socket.gettime() }
  messages[#messages + 1] = message
  play.connection.server.changed = true
  return message
end

-- Notes a control frame; false keeps it from being answered.
local function on_frame(play, frame)
  if CONTROL[frame.opcode] then
    note(play, CONTROL[frame.opcode], frame.payload)
    return frame.opcode ~= PING or play.attempt.on_ping
  elseif frame.opcode == CLOSE then
    local high, low = frame.payload:byte(1, 2)
    local message = note(play, "close", frame.payload:sub(3))
    message.code = low and high * 256 + low
    return play.attempt.on_close
  end
end

local function receive_all(play)
  while true do
    local data, kind = play.ws:receive()
    if not data then
      break
    end
    play.received = play.received + 1
    note(play, kind, data)
    if play.is_echo then
      local opcode = kind == "text" and TEXT or BINARY
      play.connection:send(websocket.frame(true, opcode, data))
    end
  end
  play.is_over = true
  play.connection.server.changed = true
end

-- From the moment that the head is sent: reads in a coroutine of its own.
function gateway_socket.begin(play)
  play.record.messages = {}
  play.received = 0 -- texts and binary messages
  play.awaited = 0 -- of them, by the steps so far
  play.is_over = false -- whether the client has closed
  play.is_echo = false
  play.ws = websocket.new(play.connection, {
    on_frame = function(frame)
      return on_frame(play, frame)
    end,
  })
  play.connection:spawn(function()
    receive_all(play)
  end)
  return true
end

local function send_frame(play, fin, opcode, payload, rsv, mask)
  local bytes = websocket.frame(fin, opcode, payload, rsv, mask)
  return play.connection:send_pieces(bytes, play.attempt.piece or #bytes, play.attempt.delay)
end

function gateway_socket.send_text(play, text)
  return send_frame(play, true, TEXT, text)
end

local actions = {}
gateway_socket.actions = actions

function actions.binary(play, bytes)
  return send_frame(play, true, BINARY, bytes)
end

function actions.ping(play, data)
  return send_frame(play, true, PING, data)
end

function actions.frame(play, frame)
  return send_frame(play, frame.fin ~= false, frame.opcode or TEXT, frame.payload or "", frame.rsv,
    frame.mask)
end

function actions.receive(play, count)
  play.awaited = play.awaited + count
  play.connection:wait_for(function()
    return play.received >= play.awaited or play.is_over
  end)
  return play.received >= play.awaited or nil
end

function actions.echo(play, flag)
  play.is_echo = flag
  return true
end

-- Stops and begins to read from the system, so that the client's sends fill its buffers.
function actions.deaf(play, flag)
  local readers, sock = play.connection.server.readers, play.connection.sock
  if sock then
    readers[flag and "remove" or "add"](readers, sock)
  end
  return sock and true
end

function actions.closing(play, closing)
  play.ws:close(closing[1], closing[2])
  return true
end

-- After the last step: until the client has closed.
function gateway_socket.finish(play)
  play.connection:wait_for(function()
    return play.is_over
  end)
  -- Closed without a close frame is closed as of any other answer.
  return play.ws.closed and play.ws.closed.code ~= 1006
end

return gateway_socket
