-- A spoken question and its spoken answer: sends a WAV file as a microphone would, in pieces of
-- 20 ms, prints what is said as it grows, and writes what a listener would have heard.  Who speaks
-- while the answer sounds interrupts it.
--
--   lua5.4 examples/voice.lua [--speed N] INPUT.wav OUTPUT.wav
--
-- --speed N: N times as fast as speech, for those who do not want to listen.
--
-- It asks OpenAI, by OPENAI_API_KEY; without the key the local gateway, which speaks Realtime too.

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")
local speaker = require("support.speaker")
local wav = require("support.wav")

local RATE = 24000 -- samples a second, both ways
local PIECE = 0.02 -- seconds
local PIECE_BYTES = RATE * 2 * PIECE
local SILENCE = 1 -- seconds after the file, by which the server hears that it is over
local PATIENCE = 20 -- seconds without any event after which it is given up

local USAGE = "usage: lua5.4 examples/voice.lua [--speed N] INPUT.wav OUTPUT.wav"

local function fail(message)
  io.stderr:write(message, "\n")
  os.exit(1)
end

local function read_arguments()
  local speed, first = 1, 1
  if arg[1] == "--speed" then
    speed, first = tonumber(arg[2]), 3
  end
  local input, output = arg[first], arg[first + 1]
  if not speed or speed <= 0 or not output or arg[first + 2] then
    fail(USAGE)
  end
  return speed, input, output
end

local function say(...)
  io.write(...)
  io.flush()
end

---------------------------------------------------------------------------------------------------
-- One conversation: what is sent, what sounds, what is printed

local Talk = {}
Talk.__index = Talk

-- Sends the pieces that are due.
function Talk:send()
  while self.at <= #self.sound and self.clock() >= self.next_piece do
    local ok, err = self.session:append(self.sound:sub(self.at, self.at + PIECE_BYTES - 1))
    if err == "full" then
      return
    elseif not ok then
      error(err, 0)
    end
    self.at = self.at + PIECE_BYTES
    self.next_piece = self.next_piece + PIECE
  end
end

local show = {}

function show.speech_started(self)
  self.is_spoken_to, self.has_spoken = true, true
end

function show.transcript(_, event)
  if event.done then
    say(("\n[you: %s]\n"):format(event.text))
  end
end

function show.interrupted(self, event)
  self.speaker:stop()
  say(("\n[interrupted after %.1f s: %s]"):format(event.heard, event.text))
end

-- The answer that the server begins when it has heard the end of what was said.
function show.answer(self, event)
  self.is_spoken_to = false
  self.answer, self.answers = event.stream, self.answers + 1
  self.speaker:finish()
end

function show.error(_, event)
  say(("\n[%s]"):format(tostring(event.error)))
end

-- Takes what there is of the answer.
function Talk:listen()
  while self.answer do
    local event, err = self.answer:poll()
    if err == "pending" then
      break
    elseif not event then
      self.answer = nil
      if err and err.kind ~= "cancelled" then
        error(err, 0)
      end
    elseif event.transcript then
      say(event.transcript)
    elseif event.type == "audio" then
      self.speaker:play(event.data)
    end
  end
  self.session:played(self.speaker:played())
end

-- While an answer sounds it may still be interrupted, by what the server is just hearing.
function Talk:is_over()
  return self.at > #self.sound and not self.answer and not self.is_spoken_to and self.answers > 0
    and self.speaker:is_silent()
end

function Talk:run()
  local last_news = self.clock()
  while not self:is_over() do
    self:send()
    local event, err = self.session:next(PIECE / 2)
    self:listen()
    if event and show[event.type] then
      show[event.type](self, event)
    elseif err and err ~= "timeout" then
      error(err, 0)
    end
    if event or self.answer or self.at <= #self.sound or not self.speaker:is_silent() then
      last_news = self.clock()
    elseif self.clock() - last_news > PATIENCE then
      error(self.has_spoken and "the server has not answered"
        or "the server has heard nobody speak", 0)
    end
  end
end

local function talk(ai, model, sound, speed, output)
  local session = ai:live({
    dialect = "realtime", model = model, turn_detection = "server_vad", transcribe = true,
    system = "You are a friendly voice. Be brief.",
  })
  local clock = speaker.clock(speed)
  local self = setmetatable({
    session = session, sound = sound, clock = clock,
    speaker = speaker.new(output, RATE, clock),
    at = 1, -- of the sound, what is sent next
    next_piece = clock(),
    answer = nil, -- the stream of the answer that is coming
    answers = 0,
    is_spoken_to = false, -- the user has begun to speak and is not answered yet
    has_spoken = false, -- the user, so that the server has heard it
  }, Talk)
  local ok, err = pcall(self.run, self)
  if not ok then
    self.speaker:stop()
  end
  local heard = self.speaker:close()
  if not ok then
    error(err, 0)
  end
  say(("\n[%d answers, %.2f s heard, %d messages]\n"):format(self.answers, heard,
    #session.messages))
  session:close()
end

local speed, input, output = read_arguments()
local pcm, rate = wav.read(input)
if not pcm then
  fail(rate)
end
local sound = wav.resample(pcm, rate, RATE) .. ("\0"):rep(RATE * 2 * SILENCE)
local file, problem = wav.create(output, RATE)
if not file then
  fail(problem)
end

connect(function(ai, model)
  talk(ai, model, sound, speed, file)
end, { model = "gpt-realtime", dialects = { "realtime" } })
