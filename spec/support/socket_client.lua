-- A WebSocket client for specs of servers, which looks at each frame: none of rill's code, and only
-- the frame builder of the examples' server side.
--
--   local client = socket_client.connect(url[, { headers = {}, key = "..." }])
--   client.head                            the answer, with its blank line; client.status
--   client:send(text), client:send_frame(fin, opcode, payload, rsv)
--   client:frame()                         { fin, rsv, opcode, payload }, or nil, "closed"
--   client:message()                       the next text, pings answered; or nil, code, reason
--   client:close(code)                     close frame, then everything until the server's end
--
-- For servers that speak JSON:
--
--   client:say(event, ...)                 several go in one piece
--   client:event()                         the next one; or nil, code, reason
--   client:upto(kind)                      events up to one of that type, as a list
--   socket_client.types(list)              their types, runs of one type only once
--   socket_client.joined(list, kind)       all deltas of one type

local cjson = require("cjson").new()
local socket = require("socket")
package.path = package.path .. ";./examples/?.lua"
local websocket = require("support.websocket")

local socket_client = {}

local Client = {}
Client.__index = Client

local KEY = "dGhlIHNhbXBsZSBub25jZQ==" -- the one of RFC 6455, section 1.3

function socket_client.connect(url, options)
  options = options or {}
  local host, port, path = url:match("^wss?://([^:/]+):(%d+)(/.*)$")
  local sock = assert(socket.connect(host, tonumber(port)))
  sock:settimeout(10)
  sock:setoption("tcp-nodelay", true)
  local lines = {
    "GET " .. path .. " HTTP/1.1", "Host: " .. host .. ":" .. port, "Upgrade: websocket",
    "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " .. (options.key or KEY),
  }
  for _, header in ipairs(options.headers or {}) do
    lines[#lines + 1] = header
  end
  assert(sock:send(table.concat(lines, "\r\n") .. "\r\n\r\n"))
  local head = ""
  repeat
    local line = assert(sock:receive("*l"))
    head = head .. line .. "\r\n"
  until line == "" or line == "\r"
  return setmetatable({
    sock = sock, head = head, status = tonumber(head:match("^HTTP/1.1 (%d+)")), count = 0,
  }, Client)
end

local function masked_frame(self, fin, opcode, payload, rsv)
  self.count = self.count + 1
  local mask = string.char(self.count % 256, 77, 255, self.count * 31 % 256)
  return websocket.frame(fin, opcode, payload, rsv, mask)
end

function Client:send_frame(fin, opcode, payload, rsv)
  return self.sock:send(masked_frame(self, fin, opcode, payload, rsv))
end

function Client:send(text)
  return self:send_frame(true, 1, text)
end

local number_of = websocket.number_of

function Client:frame()
  local head, err = self.sock:receive(2)
  if not head then
    return nil, err
  end
  local first, length = head:byte(1, 2)
  assert(length < 128, "a server's frame is masked")
  if length > 125 then
    length = number_of(assert(self.sock:receive(length == 126 and 2 or 8)))
  end
  return {
    fin = first >= 128, rsv = math.floor(first / 16) % 8, opcode = first % 16,
    payload = length == 0 and "" or assert(self.sock:receive(length)),
  }
end

function Client:message()
  while true do
    local frame, err = self:frame()
    if not frame then
      return nil, err
    elseif frame.opcode == 8 then
      return nil, #frame.payload > 1 and number_of(frame.payload:sub(1, 2)) or 1005,
        frame.payload:sub(3)
    elseif frame.opcode == 9 then
      self:send_frame(true, 10, frame.payload)
    elseif frame.opcode < 3 then
      return frame.payload
    end
  end
end

function Client:close(code)
  self:send_frame(true, 8, websocket.close_payload(code))
  local text, closed
  repeat
    text, closed = self:message()
  until not text
  self.sock:close()
  return closed
end

function Client:say(...)
  local frames = {}
  for at, event in ipairs({ ... }) do
    frames[at] = masked_frame(self, true, 1, cjson.encode(event))
  end
  assert(self.sock:send(table.concat(frames)))
end

function Client:event()
  local text, code, reason = self:message()
  if not text then
    return nil, code, reason
  end
  return cjson.decode(text)
end

function Client:upto(kind)
  local list = {}
  repeat
    list[#list + 1] = assert(self:event())
  until list[#list].type == kind
  return list
end

function socket_client.types(list)
  local kinds = {}
  for _, event in ipairs(list) do
    if kinds[#kinds] ~= event.type then
      kinds[#kinds + 1] = event.type
    end
  end
  return kinds
end

function socket_client.joined(list, kind)
  local deltas = {}
  for _, event in ipairs(list) do
    if event.type == kind then
      deltas[#deltas + 1] = event.delta
    end
  end
  return table.concat(deltas)
end

return socket_client
