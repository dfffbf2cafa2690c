-- The scripted gateway of the specs: a process of its own that plays answers byte for byte as a
-- spec wrote them, and records what it was asked.  gateway.lua is the specs' side of it.
--
--   lua5.4 spec/support/gateway_server.lua REPORT_PORT
--
-- tells 127.0.0.1:REPORT_PORT the line "PORT SILENT_PORT" and ends with its standard input.

local root = arg[0]:match("^(.*)spec/support/") or ""
package.path = root .. "examples/?.lua;" .. root .. "?.lua;" .. package.path

local cjson = require("cjson").new()
local socket = require("socket")
local http_server = require("support.http_server")
local gateway_socket = require("spec.support.gateway_socket")

local routes = {} -- by id: { id, attempts, requests, signals }
local server

---------------------------------------------------------------------------------------------------
-- Playing an attempt

local REASONS = {
  [101] = "Switching Protocols", [200] = "OK", [204] = "No Content",
  [301] = "Moved Permanently", [302] = "Found",
  [307] = "Temporary Redirect", [308] = "Permanent Redirect", [400] = "Bad Request",
  [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden", [404] = "Not Found",
  [408] = "Request Timeout", [409] = "Conflict", [413] = "Content Too Large",
  [425] = "Too Early", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
  [529] = "Overloaded",
}

-- Each step returns true, or nil when the connection is at its end.
local actions = {}

function actions.sleep(play, seconds)
  return play.connection:sleep(seconds)
end

function actions.reset(play)
  play.connection:reset()
end

function actions.close(play)
  play.connection:close()
end

function actions.half_close(play)
  play.connection:half_close()
  play.connection:stall()
end

function actions.stall(play)
  play.connection:stall()
end

function actions.raw(play, bytes)
  return play.connection:send(bytes)
end

function actions.wait(play, name)
  local signals = play.route.signals
  return play.connection:wait_for(function()
    return signals[name]
  end)
end

function actions.asked(play, count)
  return play.connection:wait_for(function()
    return #play.route.requests >= count
  end)
end

local function send_body(play, bytes)
  local attempt, connection = play.attempt, play.connection
  if play.ws then
    return gateway_socket.send_text(play, bytes)
  end
  if not play.is_chunked then
    return connection:send_pieces(bytes, attempt.piece or math.max(#bytes, 1), attempt.delay)
  end
  local size = attempt.piece or math.max(#bytes, 1)
  for from = 1, #bytes, size do
    local piece = bytes:sub(from, from + size - 1)
    local ok = connection:send(("%x\r\n%s\r\n"):format(#piece, piece))
    if ok and attempt.delay and from + size <= #bytes then
      ok = connection:sleep(attempt.delay)
    end
    if not ok then
      return nil
    end
  end
  return true
end

local function run_steps(play, steps)
  for _, step in ipairs(steps or {}) do
    local ok
    if type(step) == "string" then
      ok = send_body(play, step)
    else
      local name, value = next(step)
      ok = (actions[name] or gateway_socket.actions[name])(play, value)
    end
    if not ok then
      return nil
    end
  end
  return true
end

local function body_length(attempt)
  local length = 0
  for _, step in ipairs(attempt.steps or {}) do
    length = length + (type(step) == "string" and #step or 0)
  end
  return length
end

local function has_body(status)
  return status ~= 101 and status ~= 204 and status ~= 304
end

local function status_of(attempt)
  return attempt.status or (attempt.websocket and 101 or 200)
end

-- The lines of the header, without their ends.
local function head_lines(play)
  local attempt, status = play.attempt, status_of(play.attempt)
  local lines = { ("HTTP/1.1 %d %s"):format(status, attempt.reason or REASONS[status] or "") }
  local given = {}
  for name, values in pairs(attempt.headers or {}) do
    given[name:lower()] = true
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      if value then -- false: not even the default
        lines[#lines + 1] = name .. ": " .. value
      end
    end
  end
  local function default(name, value)
    if not given[name:lower()] then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  for _, header in ipairs(attempt.websocket and gateway_socket.headers(play.record) or {}) do
    default(header[1], header[2])
  end
  if has_body(status) then
    default("Content-Type", "text/event-stream")
    if attempt.framing == "length" then
      default("Content-Length", body_length(attempt))
    elseif attempt.framing == "close" then
      default("Connection", "close")
    else
      default("Transfer-Encoding", "chunked")
    end
  end
  return lines
end

local function send_head(play)
  local attempt, connection = play.attempt, play.connection
  if attempt.head then
    return connection:send(attempt.head)
  end
  local lines = head_lines(play)
  lines[#lines + 1] = ""
  if not attempt.send_headers_slowly then
    return connection:send(table.concat(lines, "\r\n") .. "\r\n")
  end
  for _, line in ipairs(lines) do
    if not (connection:send(line .. "\r\n") and connection:sleep(attempt.send_headers_slowly)) then
      return nil
    end
  end
  return true
end

-- The answer after its head; true if it is whole.
local function play_body(play)
  if play.attempt.websocket then
    return gateway_socket.begin(play) and run_steps(play, play.attempt.steps)
      and gateway_socket.finish(play)
  end
  return run_steps(play, play.attempt.steps)
    and (not play.is_chunked or play.connection:send("0\r\n\r\n"))
end

-- True if the connection can serve another request.
local function play_attempt(route, connection, attempt, record)
  local play = {
    route = route,
    connection = connection,
    attempt = attempt,
    record = record,
    is_chunked = (attempt.framing or "chunked") == "chunked" and has_body(status_of(attempt)),
    ws = nil, -- once an upgrade is accepted
  }
  local is_whole = run_steps(play, attempt.before) and send_head(play) and play_body(play)
  play.is_chunked = false
  is_whole = is_whole and run_steps(play, attempt.after)
  return is_whole and attempt.framing ~= "close" and not attempt.websocket
end

local function serve_route(connection, request, route)
  local record = request
  local sent_before = connection.sent
  route.requests[#route.requests + 1] = record
  record.number = #route.requests
  record.sent = function()
    return connection.sent - sent_before
  end
  server.changed = true
  local attempt = route.attempts[math.min(record.number, #route.attempts)]
  local is_reusable = play_attempt(route, connection, attempt, record)
  record.sent = connection.sent - sent_before
  if connection.is_gone then
    record.closed_at = connection.gone_at
  else
    record.finished_at = socket.gettime()
  end
  server.changed = true
  return is_reusable
end

---------------------------------------------------------------------------------------------------
-- Control: POST /control/NAME with a JSON body, from gateway.lua

local control = {}

function control.script(arguments)
  local id = tostring(arguments.id)
  routes[id] = { id = id, attempts = arguments.attempts, requests = {}, signals = {} }
  return { id = id }
end

function control.signal(arguments)
  routes[arguments.id].signals[arguments.name] = true
  server.changed = true
  return {}
end

local exported

-- What crosses to the spec: times as text, which keeps their digits.
function exported(record)
  local copy = {}
  for key, value in pairs(record) do
    copy[key] = value
  end
  copy.sent = type(record.sent) == "function" and record.sent() or record.sent
  for _, key in ipairs({ "at", "closed_at", "finished_at" }) do
    copy[key] = record[key] and ("%.6f"):format(record[key])
  end
  for at, message in ipairs(record.messages or {}) do
    copy.messages = at == 1 and {} or copy.messages
    copy.messages[at] = exported(message)
  end
  return copy
end

function control.requests(arguments)
  local list = {}
  for _, record in ipairs(routes[arguments.id].requests) do
    list[#list + 1] = exported(record)
  end
  return { requests = list }
end

local NOTABLE = { requests = "at", closed = "closed_at", finished = "finished_at" }

-- What the client sent over WebSocket, on all connections of the route.
local function nth_message(route, count)
  for _, record in ipairs(route.requests) do
    local messages = record.messages or {}
    if count <= #messages then
      return messages[count]
    end
    count = count - #messages
  end
end

-- The record that makes the count full, or nil.
local function nth(route, what, count)
  if what == "messages" then
    return nth_message(route, count)
  end
  for _, record in ipairs(route.requests) do
    if record[NOTABLE[what]] then
      count = count - 1
      if count == 0 then
        return record
      end
    end
  end
end

function control.wait(arguments, connection)
  local route, found = routes[arguments.id], nil
  connection:wait_for(function()
    found = nth(route, arguments.what, arguments.count)
    return found ~= nil
  end, socket.gettime() + arguments.seconds)
  return { record = found and exported(found) }
end

local function serve_control(connection, request)
  local name = request.target:match("^/control/(%a+)$")
  local answer = cjson.encode(control[name](cjson.decode(request.body), connection))
  return connection:send(
    "HTTP/1.1 200 OK\r\nContent-Length: " .. #answer .. "\r\n\r\n" .. answer
  )
end

---------------------------------------------------------------------------------------------------

local function find_route(request)
  -- A proxy is asked for whole URLs.
  request.path = request.target:gsub("^https?://[^/]*", "")
  return routes[request.path:match("^/s/(%d+)/") or ""]
end

local function serve(connection)
  local silent = connection.sock:getsockname() and select(2, connection.sock:getsockname())
  if tonumber(silent) == server.silent_port then
    return connection:stall()
  end
  local is_reusable = true
  while is_reusable do
    local route
    local request = connection:read_request(function(head)
      route = find_route(head)
      return route and (route.attempts[#route.requests + 1] or {}).on_expect ~= false
    end)
    if not request then
      return
    end
    route = find_route(request)
    if request.target:find("^/control/") then
      is_reusable = serve_control(connection, request)
    elseif route then
      is_reusable = serve_route(connection, request, route)
    else
      is_reusable = connection:send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    end
  end
end

server = http_server.new(serve)
local port = server:listen()
server.silent_port = server:listen()
server:watch_stdin()
http_server.report(tonumber(arg[1]), port .. " " .. server.silent_port)
server:run()
