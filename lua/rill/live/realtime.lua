-- SPDX-License-Identifier: MIT
--
-- OpenAI's Realtime, as a dialect of live sessions (link.lua says what that is): text and audio in
-- and out.  The server keeps the conversation, detects by itself when the user speaks where it was
-- asked to, and then begins answers that nobody asked for.  What it says beside its answers is put
-- where the session's `next` finds it; realtime_session.lua has that and the other methods.

local answers = require("rill.live.realtime_answers")
local common = require("rill.providers.common")
local frame_text = require("rill.live.frame_text")
local frames = require("rill.live.realtime_frames")
local heard = require("rill.live.realtime_heard")
local items = require("rill.live.realtime_items")
local json_encode = require("rill.json_encode")
local notices = require("rill.live.realtime_notices")
local own_options = require("rill.live.realtime_options")
local provider = require("rill.providers.realtime")
local requests = require("rill.providers.realtime_request")
local session = require("rill.session")

local realtime = {
  name = "realtime",
  format = "realtime",
  provider = provider,
  attaches = false, -- what is no answer's may come at any time
  takes_nothing = true,
  options = own_options.schema,
  place_of = own_options.place_of,
}

local function escape(text)
  return (text:gsub("[^%w_.~-]", function(char)
    return ("%%%02X"):format(char:byte())
  end))
end

--- Where sessions are by default.
function realtime.url(base, options)
  return ("%s/realtime?model=%s"):format(base, escape(tostring(options.model)))
end

-- Whether the server does something by itself; where it detects turns, it does unless told not to.
local function is_told_to(context, what)
  local detection = context.options.turn_detection
  return type(detection) == "string" or type(detection) == "table" and detection[what] ~= false
end

--- The state of a session and of its connection.
function realtime.new(context)
  context.items = items.new(function(messages)
    return require("rill.attachments").expand(messages, require("rill.core").base64_encode)
  end)
  context.instructions = context.request.system -- what the model is to be told to be
  context.told = nil -- the instructions that this connection's server knows
  context.is_unset = false -- whether the server has refused settings
  context.count = 0 -- for ids of events
  context.answers = answers.new()
  context.begins_answers = is_told_to(context, "create_response") -- when it has heard the user
  context.is_interrupted = is_told_to(context, "interrupt_response") -- when the user speaks
  context.events = {} -- for the session's `next`
  context.is_listened_to = false -- whether `listen` was called: it has the answers then
  context.played = nil -- seconds of the newest answer that were played, where somebody has said so
  context.begun = nil -- the id of the newest answer
  context.newest = nil -- what reading the newest answer has noted, once audio of it was given
  context.stopped = nil -- the id of what the server has heard the end of last
  context.committed = {} -- what the user has said and the server has not named: { message, token }
  context.spoken = setmetatable({}, { __mode = "v" }) -- messages that were spoken, by their item
  context.failure = nil -- why there is no connection, until there is another
  context.adopted = nil -- while a stream is made for an answer that the server began: its id
  return context
end

---------------------------------------------------------------------------------------------------
-- Asking

local NULL = setmetatable({}, { __tostring = function() return "null" end })

-- What holds for answers that the server begins by itself, too.
local function of_every_answer(request)
  return requests.response({
    max_tokens = request.max_tokens, max_completion_tokens = request.max_completion_tokens,
    tool_choice = request.tool_choice,
  })
end

-- The settings, with what an empty member means: a codec may have no word for null.
local function settings(context)
  local options = { null = NULL, system = context.instructions }
  for name in pairs(realtime.options) do
    options[name] = context.options[name]
  end
  options.tools = context.request.tools and require("rill.tools").wire(context.request.tools)
  options.answers = of_every_answer(context.request)
  local wire, problem = requests.session(options)
  problem = problem or frame_text.problem_of(wire, "session")
  if problem then
    return nil, problem
  end
  return json_encode({ type = "session.update", event_id = frames.SETTINGS, session = wire },
    requests.arrays, NULL, "session")
end

--- What is wrong with the settings, or with what each question will say, or nil.
function realtime.problem(context, defaults)
  local frame, problem = settings(context)
  if frame then
    frame, problem = requests.response(require("rill.requests").bare(defaults))
  end
  return not frame and problem or nil
end

--- Every connection begins with the settings of the session.
function realtime.hello(context)
  context.failure = nil
  context.told = context.instructions
  context.is_unset = false
  return { (settings(context)) }
end

-- The message that says how the model is to be is no item, but a setting.
local function instructions_of(messages)
  local first = messages[1]
  if first and first.role == "system" and type(first.content) == "string" then
    return first.content, 2
  end
  return nil, 1
end

-- Whether another answer runs beside the one that is asked for: what belongs to it is no message of
-- the history yet.
local function has_others(context)
  local own = context.held.session
  return own ~= nil and session.running(own)[2] ~= nil
end

-- What has to be said before an answer can be asked for, and what is to be called once it will be;
-- or nil and what cannot be said.
local function prepare(context, messages)
  local instructions, first = instructions_of(messages)
  local problem = frame_text.problem_of(instructions, "messages[1].content")
  if problem then
    return nil, problem
  end
  local list, note = items.sync(context.items, messages, first, has_others(context))
  if not list then
    return nil, note
  end
  if (instructions or "") ~= (context.told or "") then
    table.insert(list, 1, {
      type = "session.update", event_id = frames.SETTINGS,
      session = { type = "realtime", instructions = instructions or "" },
    })
  end
  return list, function()
    context.instructions, context.told = instructions, instructions
    note()
  end
end

local function request_of(context, turn)
  local bare = require("rill.requests").bare(turn.request)
  local response, problem = requests.response(bare)
  if not response then
    return nil, problem
  end
  for name, value in pairs(turn.request.extra or {}) do
    response[name] = value
  end
  local metadata = response.metadata
  if metadata ~= nil and type(metadata) ~= "table" then
    return nil, "field 'metadata' must be a table"
  end
  problem = frame_text.problem_of(response, "request")
  if problem then
    return nil, problem
  end
  turn.token = frames.next_id(context)
  response.metadata = common.copy(metadata or {})
  response.metadata.rill = turn.token -- by which the server's answer is known to be this one
  return frames.encode(context, {
    type = "response.create", event_id = turn.token, response = response,
  })
end

local function encode_all(context, prepared)
  local list = {}
  for i, frame in ipairs(prepared) do
    local text, problem = frames.encode(context, frame)
    if not text then
      return nil, problem
    end
    list[i] = text
  end
  return list
end

-- Settings that were refused are said again, all of them: no answer is to be had without them.
local function repeat_settings(context)
  for _, frame in ipairs(context.is_unset and realtime.hello(context) or {}) do
    context.link:send(frame)
  end
end

-- Sends what has to be said for a turn.  It does not fail for want of what it would have deleted.
local function send_all(context, turn, prepared, list)
  turn.items = {}
  answers.note(context.answers, frames.SETTINGS, turn)
  for i, frame in ipairs(prepared) do
    turn.items[frame.event_id] = frame.item and frame.item.id
    if frame.type ~= "conversation.item.delete" then
      answers.note(context.answers, frame.event_id, turn)
    end
    context.link:send(list[i])
  end
end

--- The frame that asks for a turn; what has to be said before it is sent at once.  An answer that
--- the server has begun needs no asking; and while another is in flight, the request waits for its
--- end.
function realtime.ask(context, turn)
  if context.adopted then
    answers.adopt(context.answers, turn, context.adopted)
    return {}
  end
  local request, problem = request_of(context, turn)
  if not request then
    return nil, problem
  end
  repeat_settings(context)
  local prepared, note = prepare(context, turn.request.messages)
  if not prepared then
    return nil, note
  end
  local list
  list, problem = encode_all(context, prepared)
  if not list then
    return nil, problem
  end
  note()
  send_all(context, turn, prepared, list)
  return { answers.ask(context.answers, turn, request) }
end

--- What may help a turn that the server has refused: it knew of an answer in flight that was none
--- of this session's.
function realtime.again(_, _, err)
  return err.code == "conversation_already_has_active_response" and "again" or nil
end

---------------------------------------------------------------------------------------------------
-- Stopping

--- The frames by which the server stops.  When the user speaks it does so by itself.  An answer
--- that has not begun is stopped when it does (realtime_answers.lua).
function realtime.stop(context, turn)
  local stream = turn.held.stream
  local list = heard.cuts(context, stream and stream.state, false)
  if turn.response_id and not turn.is_spoken_over then
    table.insert(list, 1, { type = "response.cancel", response_id = turn.response_id })
  end
  for i, frame in ipairs(list) do
    list[i] = frames.encode(context, frame)
  end
  return list
end

---------------------------------------------------------------------------------------------------
-- Hearing

-- The type of a message: servers put it first, and then it need not be looked for.
local TYPE = "^{\"type\":\"([%w_.]+)\""

--- Whose a message is, and whether it is the last one of its turn.
function realtime.owner(context, payload)
  local kind = payload:match(TYPE)
  local turn = kind and answers.of_delta(context.answers, kind, payload)
  if turn ~= nil then
    return turn or nil, false
  end
  local chunk = context.codec.decode(payload)
  chunk = type(chunk) == "table" and chunk or {}
  if answers.is_about(chunk) then
    return answers.owner(context, chunk)
  end
  return notices.take(context, chunk)
end

--- The connection is gone, and with it what the server knew.
function realtime.lost(context, fault)
  context.told = nil
  items.forget(context.items)
  context.answers = answers.new()
  notices.lost(context, fault)
end

realtime.extend = require("rill.live.realtime_session").extend

return realtime
