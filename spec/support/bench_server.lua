-- The server of the bench (bench/server.c), for what needs many streams of a known pace.
--
--   local server = bench_server.start("build/jit/bench/server")
--   server.url           -- "http://127.0.0.1:PORT"
--   server:close()
--
--   bench_server.with(program, function(url) ... end)   -- closed again whatever is raised

local shell = require("spec.support.shell")
local socket = require("socket")

local PATIENCE = 30 -- seconds until it must have said its port

local bench_server = {}

local Server = {}
Server.__index = Server

--- It ends with its standard input, so with this process at the latest.
function Server:close()
  self.pipe:close()
end

function bench_server.start(program)
  local said = os.tmpname()
  local pipe = assert(io.popen(("exec %s >%s"):format(program, said), "w"))
  local deadline = socket.gettime() + PATIENCE
  local port
  repeat
    socket.sleep(0.005)
    port = shell.read(said):match("port (%d+)\n")
  until port or socket.gettime() > deadline
  os.remove(said)
  assert(port, program .. " did not start")
  return setmetatable({ pipe = pipe, url = "http://127.0.0.1:" .. port }, Server)
end

function bench_server.with(program, fn)
  local server = bench_server.start(program)
  local ok, err = pcall(fn, server.url)
  server:close()
  if not ok then
    error(err, 0)
  end
end

return bench_server
