-- What a server of Responses says over WebSocket, as messages for the steps of a scripted gateway;
-- `lane` is the stream_id, if there is one.

local cjson = require("cjson").new()

local responses_socket = {}

function responses_socket.delta(text, lane)
  return cjson.encode({ type = "response.output_text.delta", item_id = "m", output_index = 0,
    content_index = 0, delta = text, stream_id = lane })
end

function responses_socket.completed(lane)
  return cjson.encode({ type = "response.completed", stream_id = lane,
    response = { id = "r", status = "completed" } })
end

return responses_socket
