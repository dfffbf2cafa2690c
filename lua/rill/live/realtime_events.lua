-- SPDX-License-Identifier: MIT
--
-- How a session of the dialect realtime gives its events: `next`, `poll` and `listen`.

local alarm = require("rill.alarm")
local core = require("rill.core")
local loops = require("rill.loops")

local realtime_events = {}

-- Answers are left to `listen`, where it is used: else it would wait for ever beside a `next`.
local function take_any(context)
  for i, event in ipairs(context.events) do
    if event.type ~= "answer" or not context.is_listened_to then
      return table.remove(context.events, i)
    end
  end
end

local function take_answer(context)
  for i, event in ipairs(context.events) do
    if event.type == "answer" then
      return table.remove(context.events, i)
    end
  end
end

-- An event that is there; nil and "pending"; nil and why none will come.
local function pull(self, context, take)
  self.link:pump()
  local event = take(context)
  if event then
    return event
  elseif self.link.is_closed then
    return nil
  elseif context.failure then
    return nil, context.failure
  end
  return nil, "pending"
end

local function wait_for(self, context, take, seconds)
  local is_ready_to_hear = self.link.socket or context.failure
  if not is_ready_to_hear then
    self.link:connect()
  end
  local event, err
  alarm.await(context.link.bell, seconds, function()
    event, err = pull(self, context, take)
    return err ~= "pending"
  end, self.setup.loop)
  return event, err == "pending" and "timeout" or err
end

local function check_seconds(name, seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error(("session:%s: argument 1 must be a number of seconds that is not negative")
      :format(name), 3)
  end
end

--- Adds the methods.
---@param class table
function realtime_events.extend(class)
  --- Gives the next event of the session, waiting for it; opens the connection if there was none.
  ---@param seconds number? how long to wait at most; nil: until there is one
  ---@return rill.LiveEvent? event nil: the session was closed, or why there is none
  ---@return rill.Error|"timeout"|nil err an error: there is no connection any more
  function class:next(seconds)
    check_seconds("next", seconds)
    if self.link.is_closed then
      return nil
    end
    return wait_for(self, self.link.state, take_any, seconds)
  end

  --- Gives the next event of the session if there is one.  Never waits and never yields.
  ---@return rill.LiveEvent? event
  ---@return rill.Error|"pending"|nil err
  function class:poll()
    loops.progress(core.engine())
    return pull(self, self.link.state, take_any)
  end

  --- Gives the next answer that the server has begun by itself, waiting for it.  Other events stay
  --- for `next`, which gives no answers from the first call of this one on.
  ---@param seconds number? how long to wait at most; nil: until there is one
  ---@return rill.Stream? stream
  ---@return rill.Error|"timeout"|nil err
  function class:listen(seconds)
    check_seconds("listen", seconds)
    if self.link.is_closed then
      return nil
    end
    local context = self.link.state
    context.is_listened_to = true
    local event, err = wait_for(self, context, take_answer, seconds)
    return event and event.stream, err
  end
end

return realtime_events
