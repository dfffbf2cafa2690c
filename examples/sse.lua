-- The parser of server-sent events alone: bytes from any transport go in, events come out, however
-- the bytes were cut.
--
--   lua5.4 examples/sse.lua

local rill = require("rill")

local BYTES = ": a comment\n"
  .. "event: greeting\ndata: สวัสดี\ndata: and hello\nid: 7\n\n"
  .. "data: {\"n\":1}\r\n\r\n"
  .. "data: the last one lacks its blank line"

local parser = rill.sse_parser()

local function print_event(event)
  print(("%s, id %s: %s"):format(event.event, event.id, (event.data:gsub("\n", " / "))))
end

-- Nine bytes at a time, as a network may deliver them.
for from = 1, #BYTES, 9 do
  parser:feed(BYTES:sub(from, from + 8))
  local event = parser:next()
  while event do
    print_event(event)
    event = parser:next()
  end
end

-- The end of the bytes gives the event that no blank line closed.
local last = parser:finish()
if last then
  print_event(last)
end
