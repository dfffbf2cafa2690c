-- The local gateway's chat completions: over HTTP, and over WebSocket, where a request is a text
-- frame and each chunk of its answer is another.  `gateway_chat` speaks them in the way of the
-- gateway's own dialect.

local socket = require("socket")
local answering = require("support.answering")
local http_answers = require("support.http_answers")
local json = require("support.json")

local completions = {}

local function is_list_of_messages(list)
  for _, message in ipairs(type(list) == "table" and list or {}) do
    if type(message) ~= "table" then
      return false
    end
  end
  return type(list) == "table" and list[1] ~= nil
end

--- What is asked for: { model, tokens, finish_reason, usage, ... }, or nil and what is wrong.
function completions.plan(request)
  if not request then
    return nil, "The body of the request is not a JSON object."
  elseif type(request.model) ~= "string" then
    return nil, "You must provide a model parameter."
  elseif not is_list_of_messages(request.messages) then
    return nil, "'messages' must be a list of messages, and not be empty."
  end
  local answer = answering.plan({
    messages = request.messages,
    tools = request.tools,
    response_format = request.response_format,
    limit = tonumber(request.max_completion_tokens) or tonumber(request.max_tokens),
  })
  local options = type(request.stream_options) == "table" and request.stream_options or {}
  answer.id = ("chatcmpl-local-%d"):format(math.floor(socket.gettime() * 1000 % 2 ^ 31))
  answer.model = request.model
  answer.created = os.time()
  answer.is_streamed = request.stream == true
  answer.wants_usage = options.include_usage == true
  answer.usage = {
    prompt_tokens = answer.input,
    completion_tokens = answer.count,
    total_tokens = answer.input + answer.count,
  }
  return answer
end

-- One chunk of the answer.  The choices are JSON, so that their members stand in the order in which
-- the real gateways write them.
local function chunk(answer, choices, usage)
  return ('{"id":"%s","object":"chat.completion.chunk","created":%d,"model":%s,"choices":[%s]%s}')
    :format(answer.id, answer.created, json.encode(answer.model), choices,
      usage or (answer.wants_usage and ',"usage":null' or ""))
end

local CHOICE = '{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}'

-- The deltas in which an answer begins, and in which a token of it comes.
local function first_delta(answer)
  local call = answer.call
  return call and ('{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":%s,'
    .. '"type":"function","function":{"name":%s,"arguments":""}}]}'):format(
    json.encode(call.id), json.encode(call.name)) or '{"role":"assistant","content":""}'
end

local function delta_of(answer, token)
  local form = answer.call and '{"tool_calls":[{"index":0,"function":{"arguments":%s}}]}'
    or '{"content":%s}'
  return form:format((json.encode(token)))
end

-- Says an answer by send(payload); true if all was said.
local function say(connection, answer, send)
  send(chunk(answer, CHOICE:format(first_delta(answer), "null")))
  local is_whole = answering.pace(connection, answer, function(token)
    send(chunk(answer, CHOICE:format(delta_of(answer, token), "null")))
  end)
  if not is_whole then
    return nil
  end
  send(chunk(answer, CHOICE:format("{}", '"' .. answer.finish_reason .. '"')))
  if answer.wants_usage then
    send(chunk(answer, "", ',"usage":' .. json.encode(answer.usage)))
  end
  return send("[DONE]")
end

local function stream_answer(connection, answer)
  http_answers.begin_stream(connection, answer.id)
  return say(connection, answer, function(payload)
    return http_answers.send_event(connection, payload)
  end) and http_answers.end_stream(connection)
end

local function message_of(answer)
  local said, call = answering.said(answer), answer.call
  return {
    role = "assistant",
    content = call and json.null or said,
    tool_calls = call and { {
      id = call.id, type = "function", ["function"] = { name = call.name, arguments = said },
    } } or nil,
  }
end

local function whole_answer(connection, answer)
  if not connection:sleep(answer.count / answering.rate) then
    return nil
  end
  return http_answers.respond(connection, "200 OK", {
    id = answer.id, object = "chat.completion", created = answer.created, model = answer.model,
    choices = { {
      index = 0,
      message = message_of(answer),
      finish_reason = answer.finish_reason,
    } },
    usage = answer.usage,
  })
end

--- POST /v1/chat/completions
function completions.http(connection, request)
  local answer, problem = completions.plan(json.object(request.body))
  if not answer then
    return http_answers.refuse(connection, "400 Bad Request", problem)
  end
  return (answer.is_streamed and stream_answer or whole_answer)(connection, answer)
end

local function answer_frame(ws, message)
  local answer, problem = completions.plan(json.object(message))
  if answer then
    return say(ws.connection, answer, function(payload)
      return ws:send(payload)
    end)
  end
  return ws:send(json.encode({ error = { message = problem, type = "invalid_request_error" } }))
end

-- Answers what waits, until nothing does.
local function work(ws, queue)
  queue.is_busy = true
  while queue[1] and not ws.closed do
    answer_frame(ws, table.remove(queue, 1))
  end
  queue.is_busy = false
end

--- The same path, upgraded: one answer after the other, while pings and the client's close frame
--- are heard.
function completions.socket(ws)
  local queue = { is_busy = false } -- of messages
  while true do
    local message = ws:receive()
    if not message then
      return
    end
    queue[#queue + 1] = message
    if not queue.is_busy then
      ws.connection:spawn(function()
        work(ws, queue)
      end)
    end
  end
end

return completions
