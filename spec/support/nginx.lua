-- A real nginx for specs, on free ports of 127.0.0.1, in a temporary folder.
--
--   local server = nginx.start({ files = { name = bytes }, gateway = gateway })
--     -- locations: more of its configuration; has_workers: a master and a worker, not one process
--   server.plain, server.tls, server.h2     -- http: HTTP/1.1; https: HTTP/1.1; https: HTTP/2
--   server.ca_file                          -- trusts the certificate, which was made for this run
--   server:base_url("tls", "name")          -- a base URL whose every path answers with that file
--   server:base_url("tls", "name", "gzip")  -- the same, compressed if the client accepts it
--   server:base_url("h2", route)            -- a route of the scripted gateway, through nginx
--   server:socket_url("tls", route)         -- the same for WebSocket
--   server:reload(locations)                -- SIGHUP, with other locations (needs has_workers)
--   server:stop()
--
-- Files are text/event-stream, whatever the method of the request.  nginx ends with this process.

local certificate = require("spec.support.certificate")
local socket = require("socket")

local nginx = {}

local Server = {}
Server.__index = Server
Server.__name = "nginx"

local running = {} -- list of servers

local CONFIG = [[
daemon off;
master_process @master@;
worker_processes 1;
pid nginx.pid;
error_log error.log notice;
worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  access_log off;
  default_type text/event-stream;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_timeout 60s;
  keepalive_requests 100000;
  map $http_upgrade $connection_or_upgrade { default upgrade; '' ''; }
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  server { listen 127.0.0.1:@plain@; include locations; }
  server { listen 127.0.0.1:@tls@ ssl; include locations; }
  server { listen 127.0.0.1:@h2@ ssl http2; include locations; }
}
]]

local LOCATIONS = [[
root .;
client_max_body_size 0;
# A file does not answer POST by itself: the refusal is turned into the answer.
location ~ ^/file/([^/]+)/ { error_page 405 =200 /files/$1; return 405; }
location ~ ^/gzip/([^/]+)/ { error_page 405 =200 /zipped/$1; return 405; }
location /files/ { }
location /zipped/ {
  alias files/;
  gzip on;
  gzip_types text/event-stream;
  gzip_min_length 0;
  gzip_proxied any;
}
location /s/ {
  proxy_pass http://127.0.0.1:@gateway@;
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_or_upgrade;
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_read_timeout 600s;
}
]]

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function shell(command)
  local ok = os.execute(command)
  assert(ok == true or ok == 0, "this failed: " .. command)
end

local function free_ports(count)
  local listeners, ports = {}, {}
  for at = 1, count do
    listeners[at] = assert(socket.bind("127.0.0.1", 0))
    ports[at] = select(2, listeners[at]:getsockname())
  end
  for at = 1, count do
    listeners[at]:close()
  end
  return ports
end

local function is_listening(port)
  local sock = socket.connect("127.0.0.1", port)
  if sock then
    sock:close()
  end
  return sock ~= nil
end

-- The shell between ends nginx when this process goes, however it goes.
local LAUNCH = "cd %s && exec sh -c 'PATH=$PATH:/usr/sbin; "
  .. "nginx -p \"$PWD/\" -c nginx.conf -e error.log & pid=$!; read -r _; kill $pid; wait $pid' "
  .. ">output.log 2>&1"

local function log_of(folder)
  local file = io.open(folder .. "/error.log")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text
end

function nginx.start(options)
  local folder = os.tmpname()
  os.remove(folder)
  shell("mkdir -p " .. folder .. "/files && chmod 755 " .. folder)
  for name, bytes in pairs(options.files or {}) do
    assert(name:find("^[%w%.%-_]+$"), "a file's name is plain")
    write(folder .. "/files/" .. name, bytes)
  end
  certificate.make(folder)
  local ports = free_ports(3)
  local values = {
    master = options.has_workers and "on" or "off",
    plain = ports[1],
    tls = ports[2],
    h2 = ports[3],
    gateway = options.gateway and options.gateway.port or 9,
  }
  write(folder .. "/nginx.conf", (CONFIG:gsub("@(%w+)@", values)))
  local server = setmetatable({
    folder = folder,
    values = values,
    ca_file = folder .. "/cert.pem",
    plain = "http://127.0.0.1:" .. values.plain,
    tls = "https://localhost:" .. values.tls,
    h2 = "https://localhost:" .. values.h2,
  }, Server)
  server:write_locations(options.locations)
  server.pipe = assert(io.popen(LAUNCH:format(folder), "w"))
  running[#running + 1] = server
  local deadline = socket.gettime() + 10
  while not is_listening(values.h2) do
    if socket.gettime() > deadline then
      local log = log_of(folder)
      server:stop()
      error("nginx did not start: " .. log)
    end
    socket.sleep(0.01)
  end
  return server
end

function Server:__tostring()
  return "nginx at " .. self.plain
end

-- what: the name of a file, or a route of the scripted gateway.
function Server:base_url(transport, what, way)
  if type(what) == "table" then
    return self[transport] .. what.path .. "/v1"
  end
  return self[transport] .. "/" .. (way or "file") .. "/" .. what .. "/v1"
end

function Server:socket_url(transport, route)
  return (self:base_url(transport, route):gsub("^http", "ws"))
end

function Server:write_locations(more)
  write(self.folder .. "/locations", LOCATIONS:gsub("@(%w+)@", self.values) .. (more or ""))
end

function Server:reload(locations)
  self:write_locations(locations)
  shell(("kill -HUP $(cat %s/nginx.pid)"):format(self.folder))
end

function Server:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
    shell("rm -rf " .. self.folder)
  end
end

function nginx.stop_all()
  for _, server in ipairs(running) do
    server:stop()
  end
  running = {}
end

return nginx
