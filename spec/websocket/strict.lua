-- Plays cases of the strict server (server.mjs) with rill.websocket and gives what the server says.
--
--   local verdicts = strict.play(server, cases, options)
--     -- options: url (of the server, if not its plain one), ca_file
--   verdicts.passed, verdicts.failed     -- a number; a list of { group, name, problems }
--   strict.describe(verdicts)            -- a text that names what failed

local rill = require("rill")

local strict = {}

local AT_ONCE = 16

local function open(its, options)
  local wanted = its.options or {}
  return rill.websocket(("%s/case/%d"):format(options.url, its.id), {
    ca_file = options.ca_file,
    deflate = wanted.deflate,
    limits = { message = wanted.limit },
    ping_interval = wanted.ping_interval,
    ping_timeout = wanted.ping_timeout,
    close_timeout = wanted.close_timeout,
    reconnect = false,
  })
end

local function act(ws, one)
  if one.act == "close" then
    ws:close(one.code, one.reason)
  elseif one.act == "ping" then
    ws:ping(one.data)
  else
    ws:send(one.data)
  end
end

local ENDINGS = { protocol = "protocol", limit = "limit", timeout = "timeout", interrupted = "cut" }

-- How rill says that it ended.
local function ending_of(ws, err)
  if not ws:metrics().opened then
    return "refused"
  end
  local result = ws:closing()
  if not result then
    return "not at all"
  end
  return result.is_clean and "closed" or err and (ENDINGS[err.kind] or err.kind) or "left"
end

local function send_back(ws, message, kind)
  if kind == "text" then
    ws:send(message)
  else
    ws:send_binary(message)
  end
end

local function play(its, options)
  local ws = open(its, options)
  if its.acts and ws:open(20) then
    for _, one in ipairs(its.acts["0"]) do
      act(ws, one)
    end
  end
  local kinds = {}
  local message, kind = ws:next(20)
  while message do
    kinds[#kinds + 1] = kind:sub(1, 1)
    if not its.acts then
      send_back(ws, message, kind)
    end
    message, kind = ws:next(20)
  end
  local result = ws:closing() or {}
  local report = {
    id = its.id, messages = table.concat(kinds), ending = ending_of(ws, kind),
    code = result.code, reason = result.reason,
  }
  ws:drop()
  return report
end

function strict.play(server, cases, options)
  options = options or { url = "ws://127.0.0.1:" .. server.port }
  local reports, at = {}, 0
  local function work()
    while at < #cases do
      at = at + 1
      local report = play(cases[at], options) -- others go on meanwhile, and make the list longer
      reports[#reports + 1] = report
    end
  end
  for _ = 1, AT_ONCE do
    rill.go(work)
  end
  rill.run()
  return server:post("/verdicts", reports)
end

function strict.describe(verdicts)
  local lines = {}
  for i, failed in ipairs(verdicts.failed) do
    lines[i] = ("%s: %s (%d)\n    %s"):format(failed.group, failed.name, failed.id,
      table.concat(failed.problems, "\n    "))
  end
  return table.concat(lines, "\n")
end

return strict
