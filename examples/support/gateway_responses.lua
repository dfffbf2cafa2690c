-- The local gateway's Responses API: over HTTP, streamed or whole, and over WebSocket, where
-- `response.create` frames are answered in lanes by their stream_id, one after the other within a
-- lane and side by side with those of others.
--
-- The state of a conversation lives in its connection.  Of what a lane answered with `store: false`
-- only the latest response can be continued.

local answering = require("support.answering")
local http_answers = require("support.http_answers")
local items = require("support.items")
local json = require("support.json")

local responses = {}

-- How many lanes a connection may name in its life.
local MAX_LANES = 32

local made = 0 -- responses so far, for their ids

---------------------------------------------------------------------------------------------------
-- What is asked for

-- The input as a list of items.
local function input_of(request)
  if type(request.input) == "table" then
    return request.input
  end
  return { { role = "user", content = tostring(request.input) } }
end

-- What is wrong with a request: a message and the parameter, or nil.
local function problem_of(request)
  if type(request.model) ~= "string" then
    return "Missing required parameter: 'model'.", "model"
  elseif type(request.input) ~= "string" and type(request.input) ~= "table" then
    return "Missing required parameter: 'input'.", "input"
  end
end

-- The format in which JSON is asked for, as chat completions have it.
local function format_of(request)
  local format = type(request.text) == "table" and request.text.format
  if type(format) ~= "table" or format.type ~= "json_schema" then
    return format
  end
  return { type = "json_schema", json_schema = { schema = format.schema } }
end

-- before: the items of the conversation so far.
local function plan(request, before)
  made = made + 1
  local list = {}
  for _, part in ipairs({ before, input_of(request) }) do
    for _, item in ipairs(part) do
      list[#list + 1] = item
    end
  end
  local answer = answering.plan({
    messages = items.messages(list),
    tools = items.tools(request.tools),
    response_format = format_of(request),
    limit = tonumber(request.max_output_tokens),
  })
  answer.id = ("resp_local_%d"):format(made)
  answer.item_id = (answer.call and "fc_local_%d" or "msg_local_%d"):format(made)
  answer.model = request.model
  answer.created = os.time()
  answer.previous = request.previous_response_id
  answer.items = list
  return answer
end

---------------------------------------------------------------------------------------------------
-- The objects of an answer

local function part_of(text)
  return { type = "output_text", text = text, annotations = json.empty, logprobs = json.empty }
end

local function item_of(answer, status, said)
  local call = answer.call
  if call then
    return {
      id = answer.item_id, type = "function_call", status = status, call_id = call.id,
      name = call.name, arguments = said,
    }
  end
  return {
    id = answer.item_id, type = "message", role = "assistant", status = status,
    content = json.list(said ~= "" and { part_of(said) } or {}),
  }
end

local function usage_of(answer)
  return {
    input_tokens = answer.input, input_tokens_details = { cached_tokens = 0 },
    output_tokens = answer.count, output_tokens_details = { reasoning_tokens = 0 },
    total_tokens = answer.input + answer.count,
  }
end

local function end_status(answer)
  return answer.finish_reason == "length" and "incomplete" or "completed"
end

-- status: "in_progress", or that of the end.
local function response_of(answer, status)
  local is_over = status ~= "in_progress"
  return {
    id = answer.id, object = "response", created_at = answer.created, status = status,
    error = json.null,
    incomplete_details = status == "incomplete" and { reason = "max_output_tokens" } or json.null,
    model = answer.model,
    output = json.list(is_over and { item_of(answer, status, answering.said(answer)) } or {}),
    previous_response_id = answer.previous or json.null,
    usage = is_over and usage_of(answer) or json.null,
  }
end

---------------------------------------------------------------------------------------------------
-- Saying it, by emit(kind, fields)

local function begin(answer, emit)
  emit("response.created", { response = response_of(answer, "in_progress") })
  emit("response.in_progress", { response = response_of(answer, "in_progress") })
  emit("response.output_item.added", {
    output_index = 0, item = item_of(answer, "in_progress", ""),
  })
  if not answer.call then
    emit("response.content_part.added", {
      item_id = answer.item_id, output_index = 0, content_index = 0, part = part_of(""),
    })
  end
end

local function finish(answer, emit)
  local said, status = answering.said(answer), end_status(answer)
  if answer.call then
    emit("response.function_call_arguments.done", {
      item_id = answer.item_id, output_index = 0, arguments = said,
    })
  else
    emit("response.output_text.done", {
      item_id = answer.item_id, output_index = 0, content_index = 0, text = said,
      logprobs = json.empty,
    })
    emit("response.content_part.done", {
      item_id = answer.item_id, output_index = 0, content_index = 0, part = part_of(said),
    })
  end
  emit("response.output_item.done", { output_index = 0, item = item_of(answer, status, said) })
  emit("response." .. status, { response = response_of(answer, status) })
end

-- True if all of it was said.
local function say(connection, answer, emit)
  begin(answer, emit)
  local kind = answer.call and "response.function_call_arguments.delta"
    or "response.output_text.delta"
  local is_whole = answering.pace(connection, answer, function(token)
    emit(kind, {
      item_id = answer.item_id, output_index = 0, delta = token,
      content_index = not answer.call and 0 or nil,
      logprobs = not answer.call and json.empty or nil,
    })
  end)
  if is_whole then
    finish(answer, emit)
  end
  return is_whole
end

-- An emit that numbers the events of one response; send(payload, kind).
local function numbered(send, lane)
  local number = 0
  return function(kind, fields)
    fields.sequence_number = number
    fields.stream_id = lane
    number = number + 1
    return send(json.event(kind, fields), kind)
  end
end

---------------------------------------------------------------------------------------------------
-- HTTP

local NOT_FOUND = "Previous response with id '%s' not found."

--- POST /v1/responses
function responses.http(connection, http_request)
  local request = json.object(http_request.body) or {}
  local problem = problem_of(request)
  if type(request.previous_response_id) == "string" then
    return http_answers.refuse(connection, "400 Bad Request",
      NOT_FOUND:format(request.previous_response_id), "previous_response_not_found")
  elseif problem then
    return http_answers.refuse(connection, "400 Bad Request", problem)
  end
  local answer = plan(request, {})
  if request.stream ~= true then
    return connection:sleep(answer.count / answering.rate)
      and http_answers.respond(connection, "200 OK", response_of(answer, end_status(answer)))
  end
  http_answers.begin_stream(connection, answer.id)
  return say(connection, answer, numbered(function(payload, kind)
    return http_answers.send_event(connection, payload, kind)
  end)) and http_answers.end_stream(connection)
end

---------------------------------------------------------------------------------------------------
-- WebSocket

local Session = {}
Session.__index = Session

-- error: { code, message, param, stream_id }
local function refuse(ws, problem)
  return ws:send(json.event("error", {
    status = 400,
    stream_id = problem.stream_id,
    error = {
      type = "invalid_request_error", code = problem.code, message = problem.message,
      param = problem.param or json.null,
    },
  }))
end

-- The lane of a request: its name ("" without one), or nil and what is wrong.
function Session:lane_of(request)
  local name = request.stream_id
  if name == nil then
    return ""
  elseif type(name) ~= "string" or #name > 256 or not name:find("^[%w_.-]+$") then
    return nil, {
      code = "invalid_stream_id", param = "stream_id",
      message = "The 'stream_id' field must be a non-empty string with at most 256 characters and "
        .. "may only contain letters, numbers, underscores, hyphens, and periods.",
    }
  elseif not self.lanes[name] and self.named == MAX_LANES then
    return nil, {
      code = "websocket_stream_limit_reached", param = "stream_id", stream_id = name,
      message = "This WebSocket connection has reached its maximum number of distinct stream IDs ("
        .. MAX_LANES .. "). Reuse an existing stream_id or open a new WebSocket connection.",
    }
  end
  return name
end

-- The items that a request goes on from, or nil and what is wrong.
function Session:before(request)
  local id = request.previous_response_id
  if id == nil or id == json.null then
    return {}
  end
  local found = self.responses[id]
  if found then
    return found.items
  end
  return nil, {
    code = "previous_response_not_found", param = "previous_response_id",
    message = NOT_FOUND:format(tostring(id)),
  }
end

-- Keeps an answer for those that go on from it.
function Session:remember(lane, answer, is_stored)
  if lane.latest and not lane.is_stored then
    self.responses[lane.latest] = nil
  end
  lane.latest, lane.is_stored = answer.id, is_stored
  answer.items[#answer.items + 1] = { role = "assistant", content = answering.said(answer) }
  self.responses[answer.id] = { items = answer.items }
end

function Session:answer(lane, request)
  local before, problem = self:before(request)
  if not problem then
    local message, param = problem_of(request)
    problem = message and { code = "missing_required_parameter", message = message, param = param }
  end
  if problem then
    problem.stream_id = request.stream_id
    return refuse(self.ws, problem)
  end
  local answer = plan(request, before)
  local emit = numbered(function(payload)
    return self.ws:send(payload)
  end, request.stream_id)
  if say(self.ws.connection, answer, emit) then
    self:remember(lane, answer, request.store ~= false)
  end
end

-- Answers what waits in a lane, one after the other.
function Session:work(lane)
  lane.is_busy = true
  self.busy = self.busy + 1
  while lane[1] and not self.ws.closed do
    self:answer(lane, table.remove(lane, 1))
  end
  lane.is_busy = false
  self.busy = self.busy - 1
  self.ws.connection.server.changed = true
end

function Session:limit_reached(stream_id)
  return refuse(self.ws, {
    code = "websocket_connection_limit_reached", stream_id = stream_id,
    message = ("Responses websocket connection limit reached (%g minutes). Create a new "
      .. "websocket connection to continue."):format(answering.cap / 60),
  })
end

-- One frame of the client.
function Session:take(frame)
  local request = json.object(frame)
  if not request or request.type ~= "response.create" then
    return refuse(self.ws, {
      code = "invalid_message_type", param = "type",
      message = "A frame must be a JSON object whose type is response.create.",
    })
  end
  local name, problem = self:lane_of(request)
  if problem then
    return refuse(self.ws, problem)
  elseif self.is_aged then
    return self:limit_reached(request.stream_id)
  end
  local lane = self.lanes[name]
  if not lane then
    lane = {}
    self.lanes[name] = lane
    self.named = self.named + (name == "" and 0 or 1)
  end
  lane[#lane + 1] = request
  if not lane.is_busy then
    self.ws.connection:spawn(function()
      self:work(lane)
    end)
  end
end

-- At the connection's limit: says so and takes no more, lets the answers end that are being given,
-- and closes.
function Session:age()
  local connection = self.ws.connection
  if not connection:sleep(answering.cap) then
    return
  end
  self.is_aged = true
  self:limit_reached()
  if connection:wait_for(function()
    return self.busy == 0
  end) then
    self.ws:close(1001, "connection limit reached")
  end
end

--- GET /v1/responses, upgraded.
function responses.socket(ws)
  local self = setmetatable({
    ws = ws,
    responses = {}, -- by id: { items }, the conversation up to its end
    lanes = {}, -- by name: a queue of requests, with is_busy, latest, is_stored
    named = 0, -- lanes that have a name
    busy = 0, -- lanes that are answering
    is_aged = false, -- whether the limit of the connection is reached
  }, Session)
  ws.connection:spawn(function()
    self:age()
  end)
  while true do
    local frame = ws:receive()
    if not frame then
      return
    end
    self:take(frame)
  end
end

return responses
