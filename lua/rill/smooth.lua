-- SPDX-License-Identifier: MIT
--
-- Text at the pace of a typewriter: models write in bursts, and `stream:smooth()` shows what they
-- wrote at a steady number of characters a second.  For what is drawn, so whole characters only:
-- half of one waits for its other half, and bytes that are no UTF-8 become U+FFFD.

local Smooth = { __name = "rill.smooth" }
Smooth.__index = Smooth

local byte, floor, max, min, sub = string.byte, math.floor, math.max, math.min, string.sub

local REPLACEMENT = "\239\191\189"
local ALMOST = 1e-9 -- of a character: sums of times are not exact
local NAP = 0.1 -- seconds at most between two looks while characters wait for their time

---------------------------------------------------------------------------------------------------
-- Characters

-- Where the second byte of a character is not any from 0x80 to 0xBF, by the first (RFC 3629).
local LOWEST = { [0xE0] = 0xA0, [0xF0] = 0x90 }
local HIGHEST = { [0xED] = 0x9F, [0xF4] = 0x8F }

-- The length of the character at a place, and true; the length of what cannot be one, and false;
-- nil where the text ends before it is known.
local function measure(text, at)
  local lead = byte(text, at)
  if lead < 0x80 then
    return 1, true
  elseif lead < 0xC2 or lead > 0xF4 then
    return 1, false
  end
  local length = lead >= 0xF0 and 4 or lead >= 0xE0 and 3 or 2
  local lowest, highest = LOWEST[lead] or 0x80, HIGHEST[lead] or 0xBF
  for i = 1, length - 1 do
    local follower = byte(text, at + i)
    if not follower then
      return nil
    elseif follower < lowest or follower > highest then
      return i, false
    end
    lowest, highest = 0x80, 0xBF
  end
  return length, true
end

-- Puts the characters of a text behind those that wait.
local function append(self, text)
  text = self.half .. text
  local waiting, last, at = self.waiting, self.last, 1
  while at <= #text do
    local length, is_one = measure(text, at)
    if not length then
      break
    end
    last = last + 1
    waiting[last] = is_one and sub(text, at, at + length - 1) or REPLACEMENT
    at = at + length
  end
  self.half, self.last = sub(text, at), last
end

local function conclude(self, err)
  self.has_ended, self.err = true, err
  if self.half ~= "" then
    self.last, self.half = self.last + 1, ""
    self.waiting[self.last] = REPLACEMENT
  end
end

-- Takes what has arrived.
local function read(self)
  while not self.has_ended do
    local text, err = self.source.read()
    if text then
      append(self, text)
    elseif err == "pending" then
      return
    else
      conclude(self, err)
    end
  end
end

---------------------------------------------------------------------------------------------------
-- The pace

-- How many characters wait for their time.
local function backlog(self)
  return self.last - self.first + 1
end

-- Characters a second: what was asked for, or more when it lies far behind.
local function speed(self)
  return max(self.rate, backlog(self) / self.lag)
end

-- Takes so many characters from those that wait.
local function show(self, count)
  local from, to = self.first, self.first + count - 1
  local piece = table.concat(self.waiting, "", from, to)
  for i = from, to do
    self.waiting[i] = nil
  end
  self.first, self.shown = to + 1, self.shown .. piece
  return piece
end

-- What is to be shown after so many further seconds.  A pause of the model is not made up for: at
-- its end one character comes at once and the others at their pace.
local function advance(self, seconds)
  if self.is_closed then
    return ""
  end
  self.credit = self.credit + seconds * speed(self)
  if backlog(self) == 0 then
    self.credit = min(self.credit, 1)
  end
  read(self)
  local count = min(floor(self.credit + ALMOST), backlog(self))
  self.credit = max(self.credit - count, 0)
  if backlog(self) == count then
    self.credit = min(self.credit, 1)
  end
  return count > 0 and show(self, count) or ""
end

-- By the clock.
local function advance_to_now(self)
  local now = self.clock()
  local before = self.looked_at or now
  self.looked_at = now
  return advance(self, max(now - before, 0))
end

local function is_over(self)
  return self.is_closed or (self.has_ended and backlog(self) == 0)
end

---------------------------------------------------------------------------------------------------
-- For its user

--- For a frame loop: lets time pass.  Looks at what has arrived and never waits; `rill.step` is
--- what lets it arrive.
-- Raises the error object once all that came before it is shown, if the stream failed.
---@param seconds number? how many have passed; nil: by the clock
---@return string text all that is to be seen
---@return boolean is_done whether there is no more to come
---@return string piece what of it is new
function Smooth:update(seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("smooth:update: argument 1 must be a number of seconds that is not negative", 2)
  end
  local piece
  if seconds then
    piece = advance(self, seconds)
  else
    piece = advance_to_now(self)
  end
  local has_ended = is_over(self)
  if has_ended and self.err and piece == "" then
    error(self.err, 0)
  end
  return self.shown, has_ended and not self.err, piece
end

--- For a task: gives the next characters when their time has come, waiting for it.
---@return string? piece nil at the end and on failure
---@return rill.Error? err nil at the end
function Smooth:next()
  while true do
    local piece = advance_to_now(self)
    if piece ~= "" then
      return piece
    elseif is_over(self) then
      return nil, self.err
    elseif backlog(self) == 0 then
      self.source.wait()
    else
      self.source.sleep(min((1 - self.credit) / speed(self), NAP))
    end
  end
end

local function next_piece(self)
  local piece, err = self:next()
  if err then
    error(err, 0)
  end
  return piece
end

--- For a task: iterates over the text as it is to be shown; otherwise as stream:text().
---@return fun(smooth: rill.Smooth): string?
---@return rill.Smooth
---@return nil
---@return rill.Smooth
function Smooth:text()
  self.source.check("smooth:text")
  return next_piece, self, nil, self
end

--- Shows with the next look, and at once, all that has arrived: for readers who are impatient.
function Smooth:skip()
  if not self.is_closed then
    read(self)
    self.credit = max(self.credit, backlog(self))
  end
end

--- What has arrived and is not shown yet.
---@return string text
function Smooth:unseen()
  return table.concat(self.waiting, "", self.first, self.last) .. self.half
end

--- Closes the stream.  What is shown stays, what is not will not be; that is an end, and no error.
function Smooth:close()
  if not self.is_closed then
    self.is_closed, self.err = true, nil
    self.source.close()
  end
end

Smooth.__close = Smooth.close

function Smooth:__tostring()
  return ("rill.smooth: %g characters a second, %d waiting"):format(self.rate, backlog(self))
end

---------------------------------------------------------------------------------------------------

local DEFAULTS = { rate = 40, lag = 5 }
local OPTIONS = { rate = true, lag = true, clock = true }

local function problem_of(options)
  if type(options) ~= "table" then
    return "argument 1 must be a table such as { rate = 40 }, not a " .. type(options)
  end
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      return require("rill.options").unknown(name, OPTIONS)
    elseif name == "clock" and type(value) ~= "function" then
      return "option 'clock' must be a function that gives seconds, not a " .. type(value)
    elseif name ~= "clock" and not (type(value) == "number" and value > 0) then
      return ("option '%s' must be a positive number"):format(name)
    end
  end
  if options.rate == math.huge then
    return "option 'rate' must be finite"
  end
end

--- Makes one of a source, a table of functions:
--  read()           the next text; nil and "pending"; nil at the end; nil and the error
--  wait()           after "pending", for news; only tasks wait
--  sleep(seconds)   at most so long
--  check(name)      raises where an iterator cannot wait
--  close()
---@param source table
---@param options { rate?: number, lag?: number, clock?: fun(): number }? characters a second; how
--  many seconds it may lie behind before it hurries (math.huge: it never does); a clock
---@param clock fun(): number where no other is given
---@return rill.Smooth
return function(source, options, clock)
  options = options or DEFAULTS
  local problem = problem_of(options)
  if problem then
    error("stream:smooth: " .. problem, 3)
  end
  return setmetatable({
    source = source,
    rate = options.rate or DEFAULTS.rate,
    lag = options.lag or DEFAULTS.lag,
    clock = options.clock or clock,
    looked_at = nil, -- by the clock; set by the first look without a time
    half = "", -- the bytes of a character that is not whole yet
    waiting = {}, -- characters, from `first` to `last`
    first = 1,
    last = 0,
    credit = 1, -- how many characters could be shown now
    shown = "",
    has_ended = false, -- nothing more will arrive
    err = nil, -- why, if it failed
    is_closed = false,
  }, Smooth)
end
