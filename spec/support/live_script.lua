-- What servers of live sessions say, as items of fake sockets' scripts (fake_socket.lua), and what
-- such a socket was sent.

local cjson = require("cjson").new()
local fake = require("spec.support.fake_core")

local script = {}

--- A message whose payload is a table.
function script.text(chunk)
  return { "text", cjson.encode(chunk) }
end

--- The scripts of the sockets to come, in order.
function script.play(...)
  fake.socket_scripts = { ... }
end

--- A message that was sent, decoded: the last one over the newest socket, unless said otherwise.
function script.sent(number, which)
  local socket = fake.sockets[which or #fake.sockets]
  return cjson.decode(socket.sent[number or #socket.sent][1])
end

--- An answer of the dialect `chat`.
function script.chat(...)
  local items = {}
  for i, delta in ipairs({ ... }) do
    items[i] = script.text({ type = "content.delta", delta = delta })
  end
  items[#items + 1] = script.text({ type = "chat.done", usage = { total_tokens = 9 } })
  return items
end

local function add_lane(chunk, lane)
  chunk.stream_id = lane
  return script.text(chunk)
end

--- A delta of the dialect `responses`.
function script.delta(text, lane)
  return add_lane({ type = "response.output_text.delta", output_index = 0, content_index = 0,
    item_id = "m", delta = text }, lane)
end

function script.completed(id, text, lane)
  return add_lane({ type = "response.completed", response = {
    id = id, model = "m", status = "completed", usage = { input_tokens = 5, output_tokens = 2 },
    output = { { type = "message", role = "assistant",
      content = { { type = "output_text", text = text } } } },
  } }, lane)
end

--- An answer of the dialect `responses`.
function script.response(id, text, lane)
  return { add_lane({ type = "response.created", response = { id = id, model = "m" } }, lane),
    script.delta(text, lane), script.completed(id, text, lane) }
end

--- An error of the server's.
function script.failure(code, message, lane)
  return add_lane({ type = "error", status = 400,
    error = { type = "invalid_request_error", code = code, message = message } }, lane)
end

--- One script of items and lists of items.
function script.join(...)
  local joined = {}
  for _, part in ipairs({ ... }) do
    if type(part[1]) == "table" then
      for _, item in ipairs(part) do
        joined[#joined + 1] = item
      end
    else
      joined[#joined + 1] = part
    end
  end
  return joined
end

return script
