-- SPDX-License-Identifier: MIT
--
-- The calls that read a stream, written once for streams and for relays, which are made of several
-- streams.  Each is sugar over a few functions that a class brings along.

local alarm = require("rill.alarm")
local loops = require("rill.loops")

local reading = {}

--- Raises where an iterator cannot wait.
---@param self rill.Stream
---@param name string of its method, whose caller is to blame
function reading.check_iterator(self, name)
  local problem = loops.iterator_problem(self.setup.loop)
  if problem then
    error(("stream:%s: %s"):format(name, problem), 3)
  end
end

local function next_event(self)
  local event, err = self:next()
  if err then
    error(err, 0)
  end
  return event
end

-- What needs no more than other methods.
local function add_iterators(class)
  --- Iterates over all events.  Otherwise as `text`.
  ---@return fun(stream: rill.Stream): rill.Event?
  ---@return rill.Stream
  ---@return nil
  ---@return rill.Stream
  function class:events()
    reading.check_iterator(self, "events")
    return next_event, self, nil, self
  end

  --- Iterates over the JSON of the answer as it grows: the value so far, and whether it is
  --- complete.
  -- `{ tool = name }`, or the index of a call, is about the arguments of that tool call instead of
  -- the text.  The value is the same tables from step to step; see rill/json_growing.lua.
  -- Raises an error of kind `malformed` with `position` where the text is not JSON.
  ---@param options { tool: string|integer? }?
  ---@return fun(): any, boolean?
  ---@return nil
  ---@return nil
  ---@return rill.Stream
  function class:json(options)
    reading.check_iterator(self, "json")
    local steps = require("rill.json_steps")(self, options)
    return steps, nil, nil, self
  end
end

-- Each call that waits for so long has a clock of its own: others may wait for the same stream,
-- each as long as they like.
local function alarm_of(self, rouse)
  local held = setmetatable({ stream = self }, { __mode = "v" })
  return alarm.new(function()
    if held.stream then
      rouse(held.stream)
    end
  end)
end

local function add_next(class, own)
  local pull, wait, keep, rouse, progress = own.pull, own.wait, own.keep, own.rouse, own.progress

  local function next_within(self, seconds)
    local event, err
    local clock = alarm_of(self, rouse)
    local has_rung = clock:set(seconds)
    repeat
      wait(self)
      event, err = pull(self)
    until err ~= "pending" or has_rung()
    clock:set(nil)
    if err == "pending" then
      return nil, "timeout"
    end
    return event, err
  end

  --- Gives the next event, waiting for it.
  ---@param seconds number? how long to wait at most; nil: until there is one
  ---@return rill.Event? event nil at the end, on failure and when the wait ran out
  ---@return rill.Error|"timeout"|nil err why there is no event; nil at the end
  function class:next(seconds)
    if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
      error("stream:next: argument 1 must be a number of seconds that is not negative", 2)
    end
    keep(self, true)
    local event, err = pull(self)
    if err == "pending" and seconds and seconds < math.huge then
      return next_within(self, seconds)
    end
    while err == "pending" do
      wait(self)
      event, err = pull(self)
    end
    return event, err
  end

  --- Gives the next event if there is one.  Never waits and never yields; lets the engine progress.
  ---@return rill.Event? event
  ---@return rill.Error|"pending"|nil err "pending": there is none yet
  function class:poll()
    keep(self, true)
    local event, err = pull(self)
    if err == "pending" then
      progress(self)
      event, err = pull(self)
    end
    return event, err
  end
end

-- Takes a text of choice 0 that has arrived; nil and "pending"; nil at the end; nil and the error.
local function text_taker(own)
  local pull, take = own.pull, own.take
  return function(self)
    while true do
      local text = take(self)
      if text then
        return text
      end
      local event, err = pull(self)
      if not event then
        return nil, err
      elseif event.type == "text" and (event.choice or 0) == 0 then
        return event.text
      end
    end
  end
end

-- The same, but waits for it.  is_pending: it is known already that nothing has arrived.
local function text_reader(own, take_text)
  local wait = own.wait
  return function(self, is_pending)
    if is_pending then
      wait(self)
    end
    local text, err = take_text(self)
    while err == "pending" do
      wait(self)
      text, err = take_text(self)
    end
    return text, err
  end
end

-- The stream as smooth.lua wants it.
local function smooth_source(self, own, take_text)
  local core = require("rill.core")
  local clock -- made when it is first needed
  return {
    read = function()
      return take_text(self)
    end,
    wait = function()
      return own.wait(self)
    end,
    sleep = function(seconds)
      clock = clock or core.alarm()
      return loops.wait(core.engine(), clock:set(seconds), self.setup.loop)
    end,
    check = function(name)
      local problem = loops.iterator_problem(self.setup.loop)
      if problem then
        error(("%s: %s"):format(name, problem), 3)
      end
    end,
    close = function()
      self:close()
    end,
  }
end

local function add_smooth(class, own, take_text)
  --- The text at a steady pace and in whole characters: for speech bubbles and the like.
  -- `smooth:update(dt)` is for frame loops, `for piece in smooth:text()` for tasks; see
  -- rill/smooth.lua.
  ---@param options { rate?: number, lag?: number, clock?: fun(): number }? rate: characters a
  --  second, default 40; lag: how many seconds it may lie behind before it hurries, default 5
  ---@return rill.Smooth
  function class:smooth(options)
    own.keep(self, false)
    local source = smooth_source(self, own, take_text)
    self.smoothing = require("rill.smooth")(source, options, require("rill.core").now)
    return self.smoothing
  end
end

local function add_ends(class, own, read_text)
  local keep, conclude = own.keep, own.conclude

  --- Waits to the end.  Events that nobody has asked for are passed over.
  ---@return rill.Reply? reply
  ---@return rill.Error? err with `err.partial`
  function class:result()
    keep(self, false)
    local text, err
    repeat
      text, err = read_text(self)
    until not text
    if err then
      return nil, err
    end
    return conclude(self)
  end

  --- Runs the stream to its end, calling the callbacks it was made with.
  ---@return rill.Reply? reply
  ---@return rill.Error? err as it was given to on_error
  function class:run()
    local callbacks = self.callbacks or {}
    keep(self, false)
    local text, err = read_text(self)
    while text do
      if callbacks.on_delta then
        callbacks.on_delta(own.text_so_far(self), text)
      end
      text, err = read_text(self)
    end
    if err then
      if callbacks.on_error then
        callbacks.on_error(err)
      end
      return nil, err
    end
    local reply = conclude(self)
    if callbacks.on_complete then
      callbacks.on_complete(reply.text, reply)
    end
    return reply
  end
end

--- Gives a class `next`, `poll`, `events`, `json`, `smooth`, `result` and `run`.
---@param class table
---@param own table the class's own
--  pull(self)          an event; nil; nil and the error; nil and "pending".  Never waits
--  wait(self)          after "pending": until `pull` may say something else
--  progress(self)      the same without waiting
--  take(self)          the next text of choice 0, if it is there and everything before it was given
--  keep(self, flag)    whether events are wanted from now on, or only text
--  rouse(self)         ends the `wait` of everyone, whatever the stream waits for
--  text_so_far(self)   the text of choice 0
--  conclude(self)      the reply, once `pull` has given nil without an error
---@return fun(self: table, is_pending: boolean?): string?, rill.Error? read_text the next text of
--  choice 0, waiting for it
function reading.install(class, own)
  local take_text = text_taker(own)
  local read_text = text_reader(own, take_text)
  add_iterators(class)
  add_smooth(class, own, take_text)
  add_next(class, own)
  add_ends(class, own, read_text)
  return read_text
end

--- What an iterator over texts does with what `read_text` gives.
---@param read_text fun(self: table, is_pending: boolean?): string?, rill.Error?
---@return fun(self: table, is_pending: boolean?): string?
function reading.raising(read_text)
  return function(self, is_pending)
    local text, err = read_text(self, is_pending)
    if err then
      error(err, 0)
    end
    return text
  end
end

return reading
