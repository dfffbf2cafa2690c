-- SPDX-License-Identifier: MIT
--
-- What is sent over a Realtime connection.  Every frame has an id, so that an error of the server's
-- names what it is about: without one it would be taken for the fault of a question.

local requests = require("rill.providers.realtime_request")

local frames = {}

--- The id of all that says settings: whichever of them was refused, they are said again.
frames.SETTINGS = "rill_settings"

--- An id that no other frame of the session has.
---@param context table the dialect's state
---@return string
function frames.next_id(context)
  context.count = context.count + 1
  return ("rill_%d"):format(context.count)
end

--- A frame as it is sent.
---@param context table
---@param frame table it gets an `event_id`, unless it has one
---@return string? text
---@return string? problem
function frames.encode(context, frame)
  frame.event_id = frame.event_id or frames.next_id(context)
  return context.codec.encode(frame, requests.arrays, frame.type)
end

return frames
