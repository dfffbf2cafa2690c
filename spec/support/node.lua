-- Servers on Node: scripts of this repository, and packages of scripts/package.json, which
-- scripts/npm.sh installs below build/npm.
--
--   local server = node.start("spec/websocket/server.mjs", "--seed 1")
--   server.port, server.url            -- of 127.0.0.1; http
--   server:get("/path")                -- decoded JSON
--   server:post("/path", value)        -- sends JSON, gives decoded JSON
--   server:stop()
--
--   node.missing("ws")                 -- that the package is not there; nil: it is
--   node.too_old("ws")                 -- that it wants a newer Node; nil: it does not
--
-- A script gets, behind its words, the port to tell its own port to, and ends when its standard
-- input does.

local Gateway = require("spec.support.gateway")
local cjson = require("cjson").new()
local http = require("socket.http")
local ltn12 = require("ltn12")
local shell = require("spec.support.shell")

local node = {}

local Server = {}
Server.__index = Server
Server.__name = "node"

local MODULES = "build/npm/node_modules"

-- Preloads of the specs are not for Node.  Where the system's is too old, npm.sh has put another
-- one among the packages.
local ENVIRONMENT = "env -u LD_PRELOAD PATH=\"" .. MODULES .. "/.bin:$PATH\" "

-- What a package says of itself; nil: it is not there.
local function manifest_of(package)
  local file = io.open(MODULES .. "/" .. package .. "/package.json")
  if not file then
    return nil
  end
  local manifest = cjson.decode(file:read("*a"))
  file:close()
  return manifest
end

function node.missing(package)
  if not manifest_of(package) then
    return "the package " .. package .. " is not there; scripts/npm.sh gets it"
  end
end

-- Node is too old for a package that is there: says so.
function node.too_old(package)
  local wanted = ((manifest_of(package) or {}).engines or {}).node or ""
  local major, minor = wanted:match("^>=(%d+)%.?(%d*)")
  local _, said = shell.run(ENVIRONMENT .. "node --version")
  local has_major, has_minor = said:match("^v(%d+)%.(%d+)")
  if not major or not has_major then
    return nil
  end
  local lacks = tonumber(major) - has_major
  if lacks > 0 or lacks == 0 and (tonumber(minor) or 0) > tonumber(has_minor) then
    return ("%s wants Node %s, this is %s"):format(package, wanted, said:match("%S+"))
  end
end

-- A command that runs a script with the packages within its reach.
function node.command(script, words)
  return ("%s NODE_PATH=%s node %s %s"):format(ENVIRONMENT, MODULES, script, words or "")
end

function node.start(script, words)
  local pipe, line = Gateway.launch(node.command(script, words))
  local port = assert(tonumber(line), line)
  return setmetatable({ pipe = pipe, port = port, url = "http://127.0.0.1:" .. port }, Server)
end

-- What a script prints.
function node.run(script, words)
  return shell.assert_runs(node.command(script, words))
end

function Server:__tostring()
  return "node at " .. self.url
end

local function ask(url, body)
  local parts = {}
  local ok, status = http.request({
    url = url,
    method = body and "POST" or "GET",
    headers = body and { ["Content-Length"] = #body },
    source = body and ltn12.source.string(body),
    sink = ltn12.sink.table(parts),
  })
  assert(ok and status == 200, status)
  return cjson.decode(table.concat(parts))
end

function Server:get(path)
  return ask(self.url .. path)
end

function Server:post(path, value)
  return ask(self.url .. path, cjson.encode(value))
end

function Server:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
end

return node
