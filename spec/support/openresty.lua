-- A real nginx with its Lua module, on a free port of 127.0.0.1, in a temporary folder.
--
--   local server = openresty.start({ http = "server { listen 127.0.0.1:@port@; ... }" })
--   local server = openresty.start({ example = "examples/openresty", base_url = "http://..." })
--   server:get("/path")          -- status, body
--   server:url("/path")
--   server:workers()             -- process ids of its workers, the oldest first
--   server:threads(pid), server:descriptors(pid)    -- how many a worker has
--   server:signal("HUP")         -- to the master
--   server:log(), server:problems()    -- the error log; its lines of level error and worse
--   server:stop()
--
-- Options: workers (1), http (@port@ and @folder@ are replaced), files ({ name = bytes }), example
-- (a folder whose nginx.conf is used as it is, but for its port, log and number of workers),
-- base_url.
-- It runs the rill of this checkout, built for LuaJIT.

local socket = require("socket")
local http = require("socket.http")
local lfs = require("lfs")
local shell = require("spec.support.shell")

local openresty = {}

local Server = {}
Server.__index = Server
Server.__name = "openresty"

local INSTALLED = "/usr/lib/nginx/modules/"
local UNPACKED = "/build/unpacked/root/usr/"

local MAIN = [[
load_module @modules@ndk_http_module.so;
load_module @modules@ngx_http_lua_module.so;
daemon off;
worker_rlimit_nofile 8192;
]]

local CONFIG = [[
worker_processes @workers@;
pid nginx.pid;
error_log error.log notice;
env OPENAI_API_KEY;
env RILL_BASE_URL;
env RILL_FOLDER;
events { worker_connections 4096; }
http {
  access_log off;
  lua_package_path "$prefix?.lua;;";
@http@
}
]]

local TEMPORARY = [[
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
]]

local here = lfs.currentdir()

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local port = select(2, listener:getsockname())
  listener:close()
  return port
end

local function is_installed()
  return lfs.attributes(INSTALLED .. "ngx_http_lua_module.so") ~= nil
end

-- What is needed beyond the packages: LuaJIT's build, the programs, the modules.
function openresty.prepare()
  shell.assert_runs("make -s LUA=jit RILL_SETUP=skip all build/jit/load build/jit/bench/server")
  if not is_installed() then
    shell.assert_runs("scripts/unpack.sh")
  end
end

local function environment(options)
  local root = is_installed() and "" or here .. UNPACKED
  local path = here .. "/lua/?.lua;" .. here .. "/lua/?/init.lua;"
  path = path .. (root ~= "" and root .. "share/lua/5.1/?.lua;" or "") .. ";"
  local library = root ~= "" and "LD_LIBRARY_PATH=" .. root .. "lib/x86_64-linux-gnu" or ""
  return ("env -u LD_PRELOAD LUA_PATH='%s' LUA_CPATH='%s/build/jit/?.so;;' %s "
    .. "OPENAI_API_KEY=sk-spec RILL_BASE_URL=%s RILL_FOLDER=%s"):format(path, here, library,
    options.base_url or "", options.bell_folder or "/tmp")
end

-- An example's configuration on other ports, otherwise as it stands.
local function adapted(options, values)
  local text = shell.read(options.example .. "/nginx.conf")
  text = text:gsub("listen 127%.0%.0%.1:%d+", "listen 127.0.0.1:" .. values.port)
    :gsub("error_log [^;]+", "error_log error.log notice")
    :gsub("worker_processes [^;]+", "worker_processes " .. values.workers)
  return (text:gsub("\nhttp {\n", "\nhttp {\n" .. TEMPORARY, 1))
end

-- The shell between ends nginx when this process goes, however it goes.
local LAUNCH = "cd %s && exec sh -c 'PATH=$PATH:/usr/sbin; "
  .. "%s nginx -p \"$PWD/\" -c nginx.conf -e error.log & pid=$!; read -r _; kill $pid; wait $pid' "
  .. ">output.log 2>&1"

local function write_files(folder, options, values)
  for name, bytes in pairs(options.files or {}) do
    shell.write(folder .. "/" .. name, bytes)
  end
  local main = MAIN:gsub("@(%w+)@", values)
  if options.example then
    shell.assert_runs("cp " .. options.example .. "/*.lua " .. folder)
    return shell.write(folder .. "/nginx.conf", main .. adapted(options, values))
  end
  values.http = TEMPORARY .. options.http:gsub("@(%w+)@", values)
  shell.write(folder .. "/nginx.conf", main .. CONFIG:gsub("@(%w+)@", values))
end

function openresty.is_listening(port)
  local sock = socket.connect("127.0.0.1", port)
  if sock then
    sock:close()
  end
  return sock ~= nil
end

function openresty.start(options)
  local folder = os.tmpname()
  os.remove(folder)
  -- nginx's workers run as another user if this is root.
  shell.assert_runs("mkdir -p " .. folder .. " && chmod 755 " .. folder)
  local values = {
    port = free_port(), workers = options.workers or 1, folder = folder,
    modules = is_installed() and INSTALLED or here .. UNPACKED .. "lib/nginx/modules/",
  }
  write_files(folder, options, values)
  local server = setmetatable({
    folder = folder,
    port = values.port,
    pipe = assert(io.popen(LAUNCH:format(folder,
      shell.quoted(environment(options)):sub(2, -2)), "w")),
  }, Server)
  local deadline = socket.gettime() + 10
  -- The file is there, empty, before the number is.
  while not (openresty.is_listening(server.port) and server:master()) do
    if socket.gettime() > deadline then
      local log = server:log()
      server:stop()
      error("nginx did not start: " .. log)
    end
    socket.sleep(0.01)
  end
  openresty.until_true(30, "nginx has not all its workers", function()
    return #server:workers() == values.workers
  end)
  return server
end

function Server:__tostring()
  return "nginx with Lua at port " .. self.port
end

function Server:url(path)
  return "http://127.0.0.1:" .. self.port .. path
end

function Server:get(path)
  local body, status = http.request(self:url(path))
  return status, body
end

function Server:log()
  return (shell.read_if_there(self.folder .. "/error.log") or "")
    .. (shell.read_if_there(self.folder .. "/output.log") or "")
end

-- Lines of the log that tell of something wrong; `allowed`: what may stand there.
function Server:problems(allowed)
  local list = {}
  for line in self:log():gmatch("[^\n]+") do
    local is_bad = line:find("%[error%]") or line:find("%[crit%]") or line:find("%[alert%]")
      or line:find("%[emerg%]")
    if is_bad and not (allowed and line:find(allowed, 1, true)) then
      list[#list + 1] = line
    end
  end
  return table.concat(list, "\n")
end

function Server:master()
  return tonumber(shell.read_if_there(self.folder .. "/nginx.pid") or "")
end

function Server:signal(name)
  shell.assert_runs(("kill -%s %d"):format(name, self:master()))
end

function Server:workers()
  local master, pids = self:master(), {}
  local children = shell.read_if_there(("/proc/%d/task/%d/children"):format(master, master)) or ""
  for pid in children:gmatch("%d+") do
    pids[#pids + 1] = tonumber(pid)
  end
  table.sort(pids)
  return pids
end

-- Of a process, which may end while it is looked at.
local function count_entries(folder)
  local count = 0
  pcall(function()
    for name in lfs.dir(folder) do
      count = count + (name:find("^%d") and 1 or 0)
    end
  end)
  return count
end

function Server:threads(pid) -- luacheck: ignore 212
  return count_entries(("/proc/%d/task"):format(pid))
end

function Server:descriptors(pid) -- luacheck: ignore 212
  return count_entries(("/proc/%d/fd"):format(pid))
end

function Server:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
    shell.assert_runs("rm -rf " .. self.folder)
  end
end

-- Waits until a condition holds; fails with what it says.
function openresty.until_true(seconds, what, condition)
  local deadline = socket.gettime() + seconds
  while not condition() do
    assert(socket.gettime() < deadline, what)
    socket.sleep(0.005)
  end
end

-- Asks for a location, with `base` in the query, and goes away once it has logged that it waits and
-- until_asked() has returned.  Gives when that was, by socket.gettime.
function Server:abort(path, base, until_asked)
  local sock = assert(socket.connect("127.0.0.1", self.port))
  assert(sock:send(("GET %s?base=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    :format(path, base)))
  openresty.until_true(30, "the request did not wait", function()
    return self:log():find("it waits", 1, true)
  end)
  until_asked()
  local left = socket.gettime()
  sock:close()
  return left
end

return openresty
