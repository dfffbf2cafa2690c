-- SPDX-License-Identifier: MIT
--
-- How the scenarios of the bench measure: the clients that there are, running one, holding what it
-- counted against what the server sent.

local http = require("socket.http")

local here = arg[0]:match("^(.*/)") or "./"
local report = dofile(here .. "report.lua")

local env = os.getenv
local BUILD, RILL_BUILD = env("BUILD"), env("RILL_BUILD")
local LUA = env("BENCH_LUA") or "lua"
local SERVER = "127.0.0.1:" .. (env("BENCH_PORT") or "")

local measure = {
  report = report,
  LUA = LUA,
  BUILD = BUILD,
  HTTP = "http://" .. SERVER,
  WS = "ws://" .. SERVER,
  TLS = env("BENCH_TLS_PORT") ~= "" and "://127.0.0.1:" .. (env("BENCH_TLS_PORT") or "") or nil,
  TAIL = "/v1/chat/completions",
  repeats = 3, -- set by the arguments
  wrongs = 0,
}

local RILL = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' BENCH_CLOCK=%s/clock.so")
  :format(RILL_BUILD, BUILD)
-- Debian has the Lua files of lua-http and of what it needs for 5.3 and 5.1; they run on 5.4.
local LUA_HTTP = "LUA_PATH='/usr/share/lua/5.3/?.lua;/usr/share/lua/5.1/?.lua;;'"

local clients = {
  rill = { command = LUA .. " " .. here .. "client.lua", environment = RILL },
  floor = { command = BUILD .. "/floor" },
  ["Lua-cURL + cjson"] = nil, -- these two if they are installed
  ["openai on Node"] = nil,
}

-- Those over WebSocket.
local ws_clients = {
  rill = { command = LUA .. " " .. here .. "ws_client.lua", environment = RILL },
  floor = { command = BUILD .. "/ws_floor" },
  ["floor, direct"] = { command = BUILD .. "/ws_floor --direct" },
  ["ws on Node"] = nil,
  ["lua-http"] = nil,
}

function measure.succeeds(command)
  local result = os.execute(command .. " >/dev/null 2>&1")
  return result == true or result == 0
end

local function said_by(command)
  local pipe = io.popen(command .. " 2>&1")
  local said = pipe:read("*l") or ""
  pipe:close()
  return said
end

local function find(list, name, is_there, client, version)
  if is_there then
    list[name] = client
    if version then
      report.note(name, ": ", version)
    end
  else
    report.note(name, " is not installed here and left out")
  end
end

--- Looks which clients of others can run here, and says which cannot.
---@param transport "http"|"ws"
function measure.find_clients(transport)
  local succeeds = measure.succeeds
  if transport == "ws" then
    local version = said_by("node -p 'require(\"ws/package.json\").version'")
    find(ws_clients, "ws on Node", version:find("^%d"),
      { command = "node " .. here .. "ws_node.mjs" }, version)
    version = said_by(("%s %s -e 'print(require(\"http.version\").version, require(\"cjson\"))'")
      :format(LUA_HTTP, LUA))
    find(ws_clients, "lua-http", version:find("^%d"),
      { command = LUA .. " " .. here .. "ws_lua_http.lua", environment = LUA_HTTP },
      version:match("%S+"))
    return
  end
  local curl_lua
  for _, lua in ipairs({ LUA, "lua5.1", "luajit" }) do
    if succeeds(lua .. " -e 'require(\"curl\").easy_init() require(\"cjson\")'") then
      curl_lua = lua
      report.note("Lua-cURL + cjson runs on ", lua)
      break
    end
  end
  find(clients, "Lua-cURL + cjson", curl_lua,
    curl_lua and { command = curl_lua .. " " .. here .. "lua_curl_client.lua" })
  find(clients, "openai on Node", succeeds("node -e 'require(\"openai\")'"),
    { command = "node " .. here .. "node_openai.mjs" })
end

local function client_of(name, url)
  return (url:find("^ws") and ws_clients or clients)[name]
end

function measure.wrong(...)
  measure.wrongs = measure.wrongs + 1
  report.note("WRONG: ", ...)
end

--- The command line of a client, without its arguments.
function measure.command(name, url)
  local client = client_of(name, url)
  return client.environment or "", client.command
end

--- Runs a client once: the numbers of its report line and of the meter's.
function measure.run(name, url, flags, seconds)
  local environment, command = measure.command(name, url)
  local certificate = url:find("^%a+s:")
    and ("BENCH_CACERT=%s NODE_EXTRA_CA_CERTS=%s SSL_CERT_FILE=%s"):gsub("%%s",
      env("BENCH_CERTIFICATE")) or ""
  local pipe = io.popen(("%s %s %s/meter %d %s %s %s </dev/null"):format(environment,
    certificate, BUILD, seconds or 120, command, flags or "", url))
  -- What a client that failed did not report is not a number, and counted nowhere.
  local facts = setmetatable({}, { __index = function() return 0 / 0 end })
  for key, value in pipe:read("*a"):gmatch('"([%w_]+)":(%-?[%d.e+]+)') do
    facts[key] = tonumber(value)
  end
  pipe:close()
  facts.cpu_us = facts.user_us + facts.system_us
  if facts.status ~= 0 then
    facts.cpu_us = 0 / 0
    measure.wrong(name, " ended with ", tostring(facts.status), " at ", url)
  end
  return facts
end

--- Holds what a client counted against what it should have.
function measure.check(facts, name, url, deltas, text_bytes)
  if facts.deltas ~= deltas or facts.text_bytes ~= text_bytes then
    measure.wrong(("%s counted %s deltas of %s bytes instead of %d of %d at %s"):format(name,
      tostring(facts.deltas), tostring(facts.text_bytes), deltas, text_bytes, url))
  end
end

local function fetch(path)
  return (assert(http.request(measure.HTTP .. path)))
end

local expected = {} -- bytes of text by number of deltas

function measure.text_bytes_of(deltas)
  expected[deltas] = expected[deltas] or tonumber(fetch("/expected/" .. deltas))
  return expected[deltas]
end

--- Whether nginx stands before the server, with TLS; says so if not.
function measure.has_tls()
  if not measure.TLS then
    report.note("nginx or openssl is not installed, or did not start: TLS is left out")
  end
  return measure.TLS ~= nil
end

--- A number of the server's: connections, idle.
function measure.stat(name)
  return tonumber(fetch("/stats"):match(name .. " (%d+)"))
end

--- Measures every client in turn, so many times; skips those that are not installed.
---@param names string[]
---@param once fun(name: string): table
---@param transport "ws"|nil
---@return table rows for the report
---@return table by_name the same by name
function measure.measure(names, once, transport)
  local rows, by_name = {}, {}
  for _, name in ipairs(names) do
    if client_of(name, transport or "http") then
      by_name[name] = {}
      rows[#rows + 1] = { name, by_name[name] }
    end
  end
  for _ = 1, measure.repeats do
    for _, row in ipairs(rows) do
      table.insert(row[2], once(row[1]))
    end
  end
  return rows, by_name
end

return measure
