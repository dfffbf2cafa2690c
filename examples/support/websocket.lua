-- The server's side of WebSocket (RFC 6455) over a connection of http_server.
--
--   local ws = websocket.accept(connection, request)   -- nil: no upgrade; that has been said
--   local message, kind = ws:receive()       -- "text" or "binary"; nil: closed, see ws.closed
--   ws:send("text")                          -- true, or nil, "closed"
--   ws:send_binary(bytes)
--   ws:ping(data)
--   ws:close(1000, "bye")                    -- both directions; the connection is closed then
--
-- One coroutine may receive while another sends (connection:spawn).  Pings are answered by receive.
-- What breaks the protocol is answered with a close frame, and receive returns nil.  Whether texts
-- are UTF-8 is not looked at.
--
-- websocket.frame(fin, opcode, payload, rsv, mask) gives the bytes of any frame, a wrong one too.

local mime = require("mime")
local sha1 = require("support.sha1")

local websocket = {}

local GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

-- How long a peer has for its half of the closing handshake, in seconds.
local CLOSE_TIMEOUT = 5

local CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

---------------------------------------------------------------------------------------------------
-- Frames

-- By a byte of the mask: a table from each byte to what it is masked.
local masked = setmetatable({}, {
  __index = function(rows, mask)
    local row = {}
    for byte = 0, 255 do
      local result, bit = 0, 1
      for _ = 1, 8 do
        if math.floor(byte / bit) % 2 ~= math.floor(mask / bit) % 2 then
          result = result + bit
        end
        bit = bit * 2
      end
      row[byte] = result
    end
    rows[mask] = row
    return row
  end,
})

-- As many bytes as are surely no more than a function can return.
local BLOCK = 4096

local unpack = table.unpack or unpack -- luacheck: ignore

--- Masks or unmasks a payload; mask: four bytes.
function websocket.mask(payload, mask)
  local byte1, byte2, byte3, byte4 = mask:byte(1, 4)
  local row1, row2, row3, row4 = masked[byte1], masked[byte2], masked[byte3], masked[byte4]
  local blocks = {}
  for from = 1, #payload, BLOCK do
    local bytes = { payload:byte(from, from + BLOCK - 1) }
    local count = #bytes
    for at = 1, count - 3, 4 do
      bytes[at], bytes[at + 1] = row1[bytes[at]], row2[bytes[at + 1]]
      bytes[at + 2], bytes[at + 3] = row3[bytes[at + 2]], row4[bytes[at + 3]]
    end
    local rest = count - count % 4
    for at = rest + 1, count do
      bytes[at] = masked[mask:byte(at - rest)][bytes[at]]
    end
    blocks[#blocks + 1] = string.char(unpack(bytes, 1, count))
  end
  return table.concat(blocks)
end

-- A number as so many bytes, the highest first.
local function big_endian(number, count)
  local bytes = {}
  for at = count, 1, -1 do
    bytes[at] = string.char(number % 256)
    number = math.floor(number / 256)
  end
  return table.concat(bytes)
end

--- The inverse.
function websocket.number_of(bytes)
  local number = 0
  for at = 1, #bytes do
    number = number * 256 + bytes:byte(at)
  end
  return number
end

local number_of = websocket.number_of

--- The bytes of a frame.  rsv: the three reserved bits as a number, 4 is RSV1; mask: four bytes,
--- for what a client sends.
function websocket.frame(fin, opcode, payload, rsv, mask)
  local length, flag = #payload, mask and 128 or 0
  local size
  if length < 126 then
    size = string.char(flag + length)
  elseif length < 65536 then
    size = string.char(flag + 126) .. big_endian(length, 2)
  else
    size = string.char(flag + 127) .. big_endian(length, 8)
  end
  local first = string.char((fin and 128 or 0) + (rsv or 0) * 16 + opcode)
  if mask then
    return first .. size .. mask .. websocket.mask(payload, mask)
  end
  return first .. size .. payload
end

--- The payload of a close frame; without a code it is empty.
function websocket.close_payload(code, reason)
  return code and big_endian(code, 2) .. (reason or "") or ""
end

---------------------------------------------------------------------------------------------------
-- The handshake

local function has_token(list, token)
  for word in (list or ""):gmatch("[^,%s]+") do
    if word:lower() == token then
      return true
    end
  end
  return false
end

--- Whether a request asks for an upgrade to WebSocket.
function websocket.is_upgrade(request)
  return has_token(request.headers.upgrade, "websocket")
end

--- The value of Sec-WebSocket-Accept for a key.
function websocket.accept_value(key)
  return (mime.b64(sha1(key .. GUID)))
end

-- What is wrong with a request for an upgrade, or nil.
local function problem_of(request)
  local headers = request.headers
  if request.method ~= "GET" or not websocket.is_upgrade(request)
    or not has_token(headers.connection, "upgrade") then
    return "This address wants a WebSocket upgrade."
  elseif headers["sec-websocket-version"] ~= "13" then
    return "Only version 13 of WebSocket is spoken here."
  elseif not (headers["sec-websocket-key"] or ""):find("^[%w+/]+==$")
    or #headers["sec-websocket-key"] ~= 24 then
    return "Sec-WebSocket-Key is no base64 of 16 bytes."
  end
end

-- The first of the client's protocols that is spoken here.
local function protocol_for(request, protocols)
  for offered in (request.headers["sec-websocket-protocol"] or ""):gmatch("[^,%s]+") do
    for _, known in ipairs(protocols or {}) do
      if offered == known then
        return known
      end
    end
  end
end

local Socket = {}
Socket.__index = Socket
Socket.__name = "websocket"

--- A WebSocket on a connection whose handshake is over.  options: max_message in bytes;
--- on_frame(frame) sees each frame that came, and keeps it from being answered if it returns false.
function websocket.new(connection, options)
  options = options or {}
  return setmetatable({
    connection = connection,
    max_message = options.max_message or 32 * 1024 * 1024,
    on_frame = options.on_frame,
    protocol = nil, -- the agreed subprotocol, set by accept
    is_receiving = false, -- whether a coroutine is in receive
    is_close_sent = false,
    closed = nil, -- once nothing more can come: { code, reason }
  }, Socket)
end

--- Answers the upgrade: a WebSocket; or nil, when what came was none and has been refused.
--- options: protocols, a list; and those of websocket.new.
function websocket.accept(connection, request, options)
  local problem = problem_of(request)
  if problem then
    connection:send("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\nContent-Length: "
      .. #problem .. "\r\n\r\n" .. problem)
    return nil
  end
  local ws = websocket.new(connection, options)
  ws.protocol = protocol_for(request, options and options.protocols)
  local chosen = ws.protocol and "Sec-WebSocket-Protocol: " .. ws.protocol .. "\r\n" or ""
  local value = websocket.accept_value(request.headers["sec-websocket-key"])
  connection:send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    .. "Connection: Upgrade\r\nSec-WebSocket-Accept: " .. value .. "\r\n" .. chosen .. "\r\n")
  return ws
end

---------------------------------------------------------------------------------------------------
-- Receiving

function Socket:__tostring()
  return "websocket on " .. tostring(self.connection)
end

-- One frame as it came: { fin, rsv, opcode, is_masked, payload }; or nil, "closed"; or nil, 1009.
function Socket:read_frame()
  local connection = self.connection
  local head, err = connection:read_bytes(2)
  if not head then
    return nil, err
  end
  local first, second = head:byte(1, 2)
  local length, is_masked = second % 128, second >= 128
  if length >= 126 then
    local bytes = connection:read_bytes(length == 126 and 2 or 8)
    length = bytes and number_of(bytes) or 0
  end
  if length < 0 or length > self.max_message then -- below 0: more than Lua's integers hold
    return nil, 1009
  end
  local mask = is_masked and connection:read_bytes(4)
  local payload = connection:read_bytes(length)
  if not payload then
    return nil, "closed"
  end
  return {
    fin = first >= 128, rsv = math.floor(first / 16) % 8, opcode = first % 16,
    is_masked = is_masked, payload = mask and websocket.mask(payload, mask) or payload,
  }
end

-- Why a frame is not allowed here, or nil.
local function breach(frame, is_inside)
  local opcode = frame.opcode
  if not frame.is_masked then
    return "a client's frame must be masked"
  elseif frame.rsv ~= 0 then
    return "a reserved bit is set"
  elseif opcode >= CLOSE and (not frame.fin or #frame.payload > 125) then
    return "a control frame is whole and short"
  elseif opcode > PONG or (opcode > BINARY and opcode < CLOSE) then
    return "no such opcode"
  elseif opcode < CLOSE and (opcode == CONTINUATION) ~= is_inside then
    return "fragments out of order"
  end
end

-- Notes that the peer has closed, and answers it.
function Socket:peer_closed(payload)
  self.closed = {
    code = #payload >= 2 and number_of(payload:sub(1, 2)) or 1005,
    reason = payload:sub(3),
  }
  self:send_close(#payload >= 2 and self.closed.code or nil)
end

-- Deals with a control frame.
function Socket:control(frame)
  if frame.opcode == PING then
    self:send_frame(true, PONG, frame.payload)
  elseif frame.opcode == CLOSE then
    self:peer_closed(frame.payload)
  end
end

-- Ends the connection because of what the peer did.
function Socket:fail(code, reason)
  self:send_close(code, reason)
  self.closed = { code = code, reason = reason }
end

-- The pieces of the next message, put into the list; its opcode, or nil.
function Socket:collect(pieces)
  local opcode, length = nil, 0
  while not self.closed do
    local frame, err = self:read_frame()
    local problem = frame and breach(frame, opcode ~= nil)
    local is_seen = frame and self.on_frame and self.on_frame(frame) == false
    if err == 1009 then
      self:fail(1009, "too long")
    elseif not frame then
      self.closed = { code = 1006, reason = "" }
    elseif problem then
      self:fail(1002, problem)
    elseif frame.opcode >= CLOSE then
      if not is_seen then
        self:control(frame)
      end
    else
      opcode, length = opcode or frame.opcode, length + #frame.payload
      pieces[#pieces + 1] = frame.payload
      if length > self.max_message then
        self:fail(1009, "too long")
      elseif frame.fin then
        return opcode
      end
    end
  end
end

--- The next message and "text" or "binary"; nil once there will be none: see `closed`.
function Socket:receive()
  local pieces = {}
  self.is_receiving = true
  local opcode = self:collect(pieces)
  self.is_receiving = false
  if not opcode then
    self.connection.server.changed = true
    return nil
  end
  return table.concat(pieces), opcode == TEXT and "text" or "binary"
end

---------------------------------------------------------------------------------------------------
-- Sending

function Socket:send_frame(fin, opcode, payload, rsv)
  if self.is_close_sent then
    return nil, "closed"
  end
  return self.connection:send(websocket.frame(fin, opcode, payload, rsv))
end

function Socket:send(text)
  return self:send_frame(true, TEXT, text)
end

function Socket:send_binary(bytes)
  return self:send_frame(true, BINARY, bytes)
end

function Socket:ping(data)
  return self:send_frame(true, PING, data or "")
end

--- Sends a close frame, if none was sent, and waits for nothing.
function Socket:send_close(code, reason)
  local ok, err = self:send_frame(true, CLOSE, websocket.close_payload(code, reason))
  self.is_close_sent = true
  return ok, err
end

--- The closing handshake, then the end of the connection.  What still comes is dropped, unless
--- another coroutine receives it.
function Socket:close(code, reason)
  local connection = self.connection
  self:send_close(code or 1000, reason)
  connection:spawn(function()
    if connection:sleep(CLOSE_TIMEOUT) then
      connection:close()
    end
  end)
  if self.is_receiving then
    connection:wait_for(function()
      return self.closed ~= nil
    end)
  end
  while not self.closed do
    self:receive()
  end
  connection:close()
end

return websocket
