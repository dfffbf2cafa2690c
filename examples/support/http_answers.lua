-- What the local gateway answers over HTTP: JSON, errors, and streams of events.  Each call gives
-- true if the connection can serve another request.

local json = require("support.json")

local http_answers = {}

function http_answers.respond(connection, status, fields)
  local body = json.encode(fields)
  return connection:send("HTTP/1.1 " .. status .. "\r\nContent-Type: application/json\r\n"
    .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
end

--- An error as OpenAI writes it; code may be left out.
function http_answers.refuse(connection, status, message, code)
  return http_answers.respond(connection, status, {
    error = {
      message = message, type = "invalid_request_error", param = json.null,
      code = code or json.null,
    },
  })
end

function http_answers.begin_stream(connection, id)
  return connection:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    .. "Cache-Control: no-cache\r\nX-Request-Id: " .. id .. "\r\n"
    .. "Transfer-Encoding: chunked\r\n\r\n")
end

--- name: of the event; may be left out.
function http_answers.send_event(connection, payload, name)
  local event = (name and "event: " .. name .. "\n" or "") .. "data: " .. payload .. "\n\n"
  return connection:send(("%x\r\n"):format(#event) .. event .. "\r\n")
end

function http_answers.end_stream(connection)
  return connection:send("0\r\n\r\n")
end

return http_answers
