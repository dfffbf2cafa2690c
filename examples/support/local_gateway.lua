-- Starts examples/gateway.lua as a child and stops it again.
--
--   local gateway = local_gateway.start()    -- or start(options), see there
--   gateway.base_url, gateway.socket_url, gateway.model
--   gateway:stop()
--
-- The child ends with its standard input, a pipe that this process holds: whatever happens here, an
-- error, Ctrl-C or worse, it does not stay behind.

local socket = require("socket")

local local_gateway = {}

local Gateway = {}
Gateway.__index = Gateway

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The interpreter that runs this program; a host such as LÖVE is none.
local function interpreter()
  local at = 0
  while arg and arg[at - 1] do
    at = at - 1
  end
  return at < 0 and arg[at]:find("lua") and arg[at] or "lua5.4"
end

-- options: { rate: tokens a second, answer: what it shall say, cap: seconds that a connection of a
-- live session may last }
function local_gateway.start(options)
  local here = debug.getinfo(1, "S").source:match("^@(.*)support[/\\][^/\\]*$") or "examples/"
  local listener = assert(socket.bind("127.0.0.1", 0))
  listener:settimeout(10)
  local _, port = listener:getsockname()
  options = options or {}
  local rate, cap, answer = options.rate, options.cap, options.answer
  local command = ("exec env %s %s %s --report %d%s%s"):format(
    answer and "RILL_GATEWAY_ANSWER=" .. quoted(answer) or "", quoted(interpreter()),
    quoted(here .. "gateway.lua"), port, rate and (" --rate %g"):format(rate) or "",
    cap and (" --cap %g"):format(cap) or "")
  local pipe = assert(io.popen(command, "w"))
  local sock = listener:accept()
  local url = sock and sock:receive("*l")
  listener:close()
  if not url then
    error("the local gateway did not start", 0)
  end
  sock:close()
  return setmetatable({
    base_url = url,
    socket_url = url:gsub("^http", "ws"),
    model = "rill-demo",
    pipe = pipe,
  }, Gateway)
end

function Gateway:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
end

return local_gateway
