-- An HTTP proxy that knows CONNECT and nothing else, in this process: it works whenever it is
-- pumped.
--
--   local proxy = connect_proxy.start()
--   proxy.url                    -- "http://127.0.0.1:PORT"
--   proxy:pump()                 -- moves what there is to move; never waits
--   proxy.heads                  -- the requests it got, whole, in order
--   proxy.answer = "HTTP/1.1 407 ..."   -- says this in place of connecting
--   proxy:stop()

local socket = require("socket")

local connect_proxy = {}

local Proxy = {}
Proxy.__index = Proxy

function connect_proxy.start()
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(0)
  return setmetatable({
    listener = listener,
    url = "http://127.0.0.1:" .. select(2, listener:getsockname()),
    heads = {},
    answer = nil, -- set by specs
    asking = {}, -- by connection: what came of its head
    peers = {}, -- by connection: the other side
    unwritten = {}, -- by connection: what it has not taken yet
  }, Proxy)
end

local function received(sock)
  local data, err, partial = sock:receive(65536)
  data = data or partial
  return data ~= "" and data or nil, err == "closed"
end

function Proxy:drop(sock)
  local peer = self.peers[sock]
  for _, one in ipairs({ sock, peer }) do
    one:close()
    self.asking[one], self.peers[one], self.unwritten[one] = nil, nil, nil
  end
end

function Proxy:write(sock, data)
  local bytes = (self.unwritten[sock] or "") .. data
  local last, _, partial = sock:send(bytes)
  self.unwritten[sock] = bytes:sub((last or partial) + 1)
end

function Proxy:connect(sock, head)
  self.heads[#self.heads + 1], self.asking[sock] = head, nil
  local host, port = head:match("^CONNECT ([^:%s]+):(%d+) ")
  if self.answer or not host then
    self:write(sock, self.answer or "HTTP/1.1 405 Method Not Allowed\r\n\r\n")
    return self:drop(sock)
  end
  local peer = assert(socket.connect(host, tonumber(port)))
  peer:settimeout(0)
  self.peers[sock], self.peers[peer] = peer, sock
  self:write(sock, "HTTP/1.1 200 OK\r\n\r\n")
end

function Proxy:read_head(sock)
  local data, is_closed = received(sock)
  local head = self.asking[sock] .. (data or "")
  self.asking[sock] = head
  if head:find("\r\n\r\n", 1, true) then
    self:connect(sock, head)
  elseif is_closed then
    self:drop(sock)
  end
end

function Proxy:relay(sock)
  local data, is_closed = received(sock)
  local peer = self.peers[sock]
  self:write(peer, data or "")
  if is_closed then
    self:drop(sock)
  end
end

function Proxy:pump()
  local sock = self.listener:accept()
  if sock then
    sock:settimeout(0)
    self.asking[sock] = ""
  end
  local one = next(self.asking)
  if one then
    self:read_head(one)
  end
  local both = {}
  for side in pairs(self.peers) do
    both[#both + 1] = side
  end
  for _, side in ipairs(both) do
    if self.peers[side] then
      self:relay(side)
    end
  end
end

function Proxy:stop()
  self.listener:close()
  for one in pairs(self.asking) do
    one:close()
  end
  for one in pairs(self.peers) do
    one:close()
  end
end

return connect_proxy
