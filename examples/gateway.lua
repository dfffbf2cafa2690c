-- A gateway on your own machine: it speaks the wire format of chat completions as the real ones do
-- and answers every question in the same friendly way, at 60 tokens a second.  Given tools, it
-- calls the first one with what the question names, and tells the result; asked for JSON, it makes
-- some up.  It has embeddings, of a sort.  No model is behind it; it is there to try rill, and
-- one's own programs, without a key or a network.
--
--   lua5.4 examples/gateway.lua [--port N] [--rate TOKENS_A_SECOND] [--cap SECONDS]
--
-- Without --port it is found at 8787, where rill's gateway "local" looks for it; if that is taken,
-- at any port that is free, which it says.  Then, from another terminal:
--
--   curl -N http://127.0.0.1:8787/v1/chat/completions -d '{"model":"rill-demo","stream":true,
--     "messages":[{"role":"user","content":"Hello?"}]}'
--
-- Over HTTP there is the Responses API besides, at /v1/responses, and over WebSocket
--
--   /v1/ws/chat             the dialect of gateways: chat.start, content.delta, chat.done
--   /v1/chat/completions    a request a frame, a chunk a frame, and [DONE]
--   /v1/responses           response.create, in lanes by stream_id
--   /v1/realtime            texts and audio, with an ear that hears when somebody speaks
--
-- --cap bounds how long a connection of the last two may last: an hour, unless told otherwise.  The
-- pace may also stand in the environment, in RILL_GATEWAY_RATE, and another answer in
-- RILL_GATEWAY_ANSWER, with %s where the question belongs; without, it is said as it stands.
--
-- With --report PORT it is a child: it tells its address to 127.0.0.1:PORT and ends when its
-- standard input does, so when its parent is gone.  support/local_gateway.lua starts it so.

local here = arg[0]:match("^(.*[/\\])") or "./"
package.path = here .. "?.lua;" .. package.path

local answering = require("support.answering")
local chat = require("support.gateway_chat")
local completions = require("support.gateway_completions")
local http_answers = require("support.http_answers")
local http_server = require("support.http_server")
local json = require("support.json")
local made_up = require("support.made_up")
local realtime = require("support.gateway_realtime")
local responses = require("support.gateway_responses")
local websocket = require("support.websocket")

---------------------------------------------------------------------------------------------------
-- Where to ask for it.  A route returns true if the connection can serve another request.

local routes = {}

routes["POST /v1/chat/completions"] = completions.http
routes["POST /v1/responses"] = responses.http

routes["POST /v1/embeddings"] = function(connection, request)
  local fields = json.object(request.body) or {}
  local input = fields.input
  local texts = type(input) == "table" and input or { input or nil }
  local data, tokens = {}, 0
  for i, text in ipairs(texts) do
    local vector = made_up.vector(tostring(text), tonumber(fields.dimensions) or 64)
    data[i] = { object = "embedding", index = i - 1, embedding = vector }
    tokens = tokens + #answering.tokens_of(tostring(text))
  end
  if not data[1] then
    return http_answers.refuse(connection, "400 Bad Request",
      "'input' must be a text or a list of texts.")
  end
  return http_answers.respond(connection, "200 OK", {
    object = "list", data = data, model = fields.model,
    usage = { prompt_tokens = tokens, total_tokens = tokens },
  })
end

routes["GET /v1/models"] = function(connection)
  return http_answers.respond(connection, "200 OK", {
    object = "list",
    data = { { id = answering.model, object = "model", created = 1735689600, owned_by = "rill" } },
  })
end

-- By path: what is spoken there after an upgrade to WebSocket.
local dialects = {
  ["/v1/chat/completions"] = completions.socket,
  ["/v1/responses"] = responses.socket,
  ["/v1/realtime"] = realtime,
  ["/v1/ws/chat"] = chat,
}

-- Clients of the Realtime API offer a subprotocol when they run where no header can be set.
local PROTOCOLS = { "realtime" }

local function speak(connection, request, dialect)
  local ws = websocket.accept(connection, request, { protocols = PROTOCOLS })
  if ws then
    dialect(ws, request)
    ws:close(1000)
  end
end

local function serve(connection)
  local is_reusable = true
  while is_reusable do
    local request = connection:read_request()
    if not request then
      return
    end
    local path = request.target:gsub("^https?://[^/]*", ""):gsub("%?.*$", "")
    local route = routes[request.method .. " " .. path]
    if request.method == "GET" and dialects[path] then
      return speak(connection, request, dialects[path])
    elseif route then
      is_reusable = route(connection, request)
    else
      is_reusable = http_answers.refuse(connection, "404 Not Found",
        "Unknown request: " .. request.method .. " " .. path, "not_found")
    end
  end
end

---------------------------------------------------------------------------------------------------

local function is_port(value)
  return value >= 0 and value <= 65535 and value == math.floor(value)
end

local function is_positive(value)
  return value > 0
end

-- By option: what holds for it, and how that is said.
local OPTIONS = {
  port = { is_port, "--port must be a whole number from 0 to 65535" },
  rate = {
    is_positive, "--rate, or RILL_GATEWAY_RATE, must be a number of tokens a second above 0",
  },
  cap = { is_positive, "--cap must be a number of seconds above 0" },
  report = { is_port, "--report must be a whole number from 0 to 65535" },
}

local function fail(message)
  io.stderr:write(message, "\n")
  os.exit(1)
end

local function checked(name, text)
  local value = tonumber(text)
  local is_right, how = OPTIONS[name][1], OPTIONS[name][2]
  if not value or not is_right(value) then
    fail(("gateway: %s, not %s"):format(how, tostring(text)))
  end
  return value
end

local function options_of(list)
  local options = {}
  for at = 1, #list, 2 do
    local name = list[at]:match("^%-%-(%l+)$")
    if not OPTIONS[name] or not list[at + 1] then
      fail("usage: gateway.lua [--port N] [--rate TOKENS_A_SECOND] [--cap SECONDS]")
    end
    options[name] = checked(name, list[at + 1])
  end
  return options
end

local USUAL_PORT = 8787

-- Where to listen if nobody says so; a child tells its parent the port, whichever it is.
local function listen(server, options)
  if options.port or options.report then
    return server:listen(math.floor(options.port or 0))
  end
  local is_free, port = pcall(server.listen, server, USUAL_PORT)
  if is_free then
    return port
  end
  io.stderr:write(("gateway: port %d is taken, so it is another one\n"):format(USUAL_PORT))
  return server:listen()
end

local function main()
  local options = options_of(arg)
  answering.rate = options.rate or checked("rate", answering.rate)
  answering.cap = options.cap or answering.cap
  local server = http_server.new(serve)
  local url = ("http://127.0.0.1:%d/v1"):format(listen(server, options))
  if options.report then
    server:watch_stdin()
    http_server.report(options.report, url)
  else
    print("listening on " .. url .. ", model " .. answering.model .. "; Ctrl-C ends it")
    io.stdout:flush() -- it may be a pipe
  end
  server:run()
end

local ok, err = pcall(main)
if not ok and not tostring(err):find("interrupted!", 1, true) then
  io.stderr:write("gateway: ", tostring(err), "\n")
  os.exit(1)
end
