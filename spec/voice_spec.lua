-- The voice example and the WAV files it reads and writes, with speech made by espeak-ng and sox
-- for a second opinion.

package.path = "examples/?.lua;" .. package.path

local best_of = require("spec.support.best_of")
local shell = require("spec.support.shell")
local wav = require("support.wav")

-- A path that is gone after the spec.
local made = {}
local function temporary(suffix)
  local path = os.tmpname()
  os.remove(path)
  path = path .. (suffix or ".wav")
  made[#made + 1] = path
  return path
end

after_each(function()
  for _, path in ipairs(made) do
    os.remove(path)
  end
  made = {}
end)

local function spoken(words)
  local path = temporary()
  shell.assert_runs(("espeak-ng -w %s %s"):format(path, shell.quoted(words)))
  return path
end

-- What soxi says of a file: its rate, channels, samples.
local function facts(path)
  local function fact(flag)
    return tonumber((shell.assert_runs(("soxi -%s %s"):format(flag, path))))
  end
  return fact("r"), fact("c"), fact("s")
end

-- Mean loudness of a file, from 0 to 1.
local function loudness(path)
  local said = shell.assert_runs(("sox %s -n stat"):format(path))
  return tonumber(said:match("RMS%s+amplitude:%s+([%d.]+)"))
end

local function write(path, pcm, rate)
  local file = assert(wav.create(path, rate))
  file:write(pcm:sub(1, 1000))
  file:write(pcm:sub(1001))
  file:close()
end

describe("a WAV file", function()
  it("is read as espeak-ng writes it, and written so that sox can read it", function()
    local path, copy = spoken("hello there"), temporary()
    local pcm, rate = wav.read(path)
    local expected_rate, _, samples = facts(path)
    assert.equal(expected_rate, rate)
    assert.equal(samples * 2, #pcm)
    write(copy, pcm, rate)
    assert.same({ expected_rate, 1, samples }, { facts(copy) })
    assert.equal(loudness(path), loudness(copy))
  end)

  it("may have been written to a pipe, which knows no size", function()
    local path = temporary()
    shell.assert_runs(("espeak-ng --stdout hello > %s"):format(path))
    local pcm = assert(wav.read(path))
    assert.equal(#assert(wav.read(spoken("hello"))), #pcm)
  end)

  it("may have several channels, of which the mean is taken, and further parts", function()
    local tone, silence, both = temporary(), temporary(), temporary()
    shell.assert_runs(("sox -n -r 8000 -b 16 %s synth 0.5 sine 440"):format(tone))
    shell.assert_runs(("sox -n -r 8000 -b 16 %s trim 0 0.5"):format(silence))
    shell.assert_runs(("sox -M %s %s --comment some-words %s"):format(tone, silence, both))
    local mono, rate = wav.read(both)
    assert.equal(8000, rate)
    local alone, half = assert(wav.read(tone)), temporary()
    assert.equal(#alone, #mono)
    write(half, mono, rate)
    assert.is_true(math.abs(loudness(tone) / 2 - loudness(half)) < 0.001)
  end)

  it("keeps its length and loudness at another rate", function()
    local path, copy = spoken("one two three"), temporary()
    local pcm, rate = wav.read(path)
    write(copy, wav.resample(pcm, rate, 24000), 24000)
    local _, _, samples = facts(path)
    local new_rate, _, new_samples = facts(copy)
    assert.equal(24000, new_rate)
    assert.equal(math.floor(samples * 24000 / rate), new_samples)
    assert.is_true(math.abs(loudness(path) - loudness(copy)) < 0.01 * loudness(path))
    assert.equal(pcm, wav.resample(pcm, rate, rate))
  end)

  it("is straight between two samples, and never too loud", function()
    local function bytes(...)
      local list = {}
      for i, value in ipairs({ ... }) do
        list[i] = string.char(value % 256, math.floor(value % 65536 / 256))
      end
      return table.concat(list)
    end
    assert.equal(bytes(-1000, 0, 1000, 1000), wav.resample(bytes(-1000, 1000), 1, 2))
    assert.equal(bytes(32767, 32767, 32767, 32767), wav.resample(bytes(32767, 32767), 1, 2))
    assert.equal(bytes(-32768, 5), wav.resample(bytes(-32768, 0, 5, 0), 2, 1))
  end)

  it("says what is wrong with it", function()
    local function problem_of(content)
      local path = temporary()
      local file = assert(io.open(path, "wb"))
      file:write(content)
      file:close()
      local pcm, problem = wav.read(path)
      assert.is_nil(pcm)
      return problem:gsub("^.*%.wav: ", "")
    end
    local advice = "; sox INPUT -b 16 -e signed OUTPUT.wav makes one that will do"
    assert.equal("it is no WAV file" .. advice, problem_of("RIFX"))
    assert.equal("it has no samples", problem_of("RIFF\0\0\0\0WAVE"))
    local format = "fmt \16\0\0\0\3\0\1\0\64\31\0\0\0\125\0\0\2\0\32\0"
    assert.equal("its samples are not PCM of 16 bits (format 3, 32 bits)" .. advice,
      problem_of("RIFF\0\0\0\0WAVE" .. format .. "data\0\0\0\0"))
    assert.equal("its format does not come before its samples",
      problem_of("RIFF\0\0\0\0WAVEdata\2\0\0\0ab"))
    assert.equal("it has no samples",
      problem_of("RIFF\0\0\0\0WAVEfmt \16\0\0\0\1\0\1\0\64\31\0\0\0\0\0\0\2\0\16\0data\0\0\0\0"))
    assert.equal("it has 0 channels and 8000 samples a second",
      problem_of("RIFF\0\0\0\0WAVEfmt \16\0\0\0\1\0\0\0\64\31\0\0\0\0\0\0\2\0\16\0data\2\0\0\0ab"))
    local pcm, problem = wav.read("/no/such.wav")
    assert.is_nil(pcm)
    assert.truthy(problem:find("No such file", 1, true))
    pcm, problem = wav.create("/no/such.wav", 24000)
    assert.is_nil(pcm)
    assert.truthy(problem:find("No such file", 1, true))
  end)
end)

-- The whole of what the local gateway says; see examples/support/answering.lua.
local ANSWER_END = "Interrupt me whenever you like."

-- Keys of gateways without Realtime change nothing.  The proxy is not there, so that nothing but
-- the local gateway can be reached.
local KEYS_WITHOUT_REALTIME = shell.KEYLESS .. "HOLYSHEEP_API_KEY=k DEEPSEEK_API_KEY=k "
  .. "https_proxy=http://127.0.0.1:1 "

-- Runs the example; gives what it printed, how much was heard and where that lies.
local function run(input, rate, speed)
  local output = temporary()
  local said = shell.assert_runs(("%sRILL_GATEWAY_RATE=%d %sexamples/voice.lua --speed %g %s %s")
    :format(KEYS_WITHOUT_REALTIME, rate, shell.LUA, speed, input, output))
  return said, tonumber(said:match("([%d.]+) s heard")), output
end

-- A file in which somebody speaks, waits, and speaks again.
local function spoken_twice(words, pause)
  local one, padded, both = spoken(words), temporary(), temporary()
  shell.assert_runs(("sox %s %s pad 0 %g"):format(one, padded, pause))
  shell.assert_runs(("sox %s %s %s"):format(padded, one, both))
  return both
end

local QUESTION = "What is the weather like in Chiang Mai today?"

-- Of an answer that was interrupted: seconds, words.
local function interruption(said)
  local seconds, words = said:match("%[interrupted after ([%d.]+) s: ([^%]]*)%]")
  assert(seconds, said)
  return tonumber(seconds), words
end

-- Stands in for the gateway: a session that is told of an answer once all was sent, and prints when
-- each piece came and how long it was.
local LISTENER = [[
local socket = require("socket")
local left, is_answered = nil, false
local session = { messages = {} }
function session:append(bytes)
  left = left or socket.gettime()
  io.write(("piece %g %d\n"):format(socket.gettime() - left, #bytes))
  return true
end
function session:next(seconds)
  socket.sleep(seconds / 20)
  if not is_answered then
    is_answered = true
    return { type = "answer", stream = { poll = function() end } }
  end
  return nil, "timeout"
end
function session:played() end
function session:close() end
package.preload["support.connect"] = function()
  return function(body)
    body({ live = function() return session end }, "m")
  end
end
]]

describe("the example voice", function()
  it("sends 20 ms at a time, and no faster than they sound", function()
    local speed, sound = 20, temporary()
    write(sound, ("\1\0"):rep(16000), 16000) -- a second, to which another one of silence is added
    local said = shell.assert_runs(("%s-e %s examples/voice.lua --speed %d %s %s"):format(shell.LUA,
      shell.quoted(LISTENER), speed, sound, temporary()))
    local sizes = {}
    for time, size in said:gmatch("piece (%S+) (%d+)\n") do
      assert.is_true(tonumber(time) * speed > #sizes * 0.02 - 0.02, time .. " s")
      sizes[#sizes + 1] = tonumber(size)
    end
    assert.equal(100, #sizes)
    for _, size in ipairs(sizes) do
      assert.equal(24000 * 2 * 0.02, size)
    end
  end)

  it("asks aloud and writes the answer, which sox can read", function()
    local said, heard, output = run(spoken(QUESTION), 600, 4)
    assert.truthy(said:find("%[you: %(2%.%d s of speech%)%]"), said)
    assert.truthy(said:find(ANSWER_END, 1, true), said)
    assert.truthy(said:find("[1 answers, ", 1, true) and said:find("3 messages", 1, true), said)
    local rate, channels, samples = facts(output)
    assert.same({ 24000, 1 }, { rate, channels })
    assert.is_true(math.abs(samples / rate - heard) < 0.01)
    assert.is_true(heard > 8)
    assert.is_true(loudness(output) > 0.05)
  end)

  it("is interrupted by who speaks while the answer is still coming", best_of(3, function()
    local said, heard, output = run(spoken_twice(QUESTION, 2.5), 20, 4)
    local seconds, words = interruption(said)
    assert.is_true(seconds > 0.2 and seconds < 5, said)
    -- The gateway's voice takes 40 ms for a character; the last piece may be heard in part.
    assert.is_true(math.abs(#words * 0.04 - seconds) < 0.5, said)
    local first, second = said:match("^(.-)%[interrupted.-%](.*)$")
    assert.is_nil(first:find(ANSWER_END, 1, true), said) -- its deltas have stopped
    assert.truthy(second:find(ANSWER_END, 1, true), said)
    assert.truthy(said:find("[2 answers, ", 1, true) and said:find("5 messages", 1, true), said)
    local _, _, samples = facts(output)
    assert.is_true(math.abs(samples / 24000 - heard) < 0.01)
    assert.is_true(heard < 10 + seconds + 1, said)
  end))

  it("is interrupted also when all has come, but not all has sounded", best_of(3, function()
    local said, heard = run(spoken_twice(QUESTION, 2.5), 3000, 4)
    local seconds, words = interruption(said)
    assert.is_true(heard < 10 + seconds + 1, said) -- the rest has not sounded
    assert.is_true(seconds > 0.2 and seconds < 9, said)
    assert.is_true(math.abs(#words * 0.04 - seconds) < 0.5, said)
    assert.truthy(said:match("^(.-)%[interrupted"):find(ANSWER_END, 1, true), said)
  end))

  it("keeps what was heard when Ctrl-C ends it", function()
    local output, log = temporary(), temporary(".log")
    shell.run(("%sRILL_GATEWAY_RATE=20 %sexamples/voice.lua --speed 4 %s %s >%s 2>&1 & pid=$!\n"
      .. "until grep -q 'local gateway' %s || ! kill -0 $pid; do sleep 0.05; done\n"
      .. "kill -INT $pid; wait $pid"):format(shell.KEYLESS, shell.LUA, spoken(QUESTION), output,
      log, log))
    local _, said = shell.run("cat " .. log)
    assert.truthy(said:find("\ninterrupted\n", 1, true), said)
    local _, _, samples = facts(output)
    assert.is_true(samples > 2400 and samples < 240000, samples)
  end)

  it("says what is wrong in one line, and fails", function()
    local still = temporary()
    write(still, ("\0\0"):rep(8000), 8000)
    for _, arguments in ipairs({ "", "one.wav", "/no/such.wav /tmp/out.wav", "--speed 0 a b",
      "/tmp /tmp/out.wav", still .. " /no/such/out.wav" }) do
      local ok, output = shell.run(shell.LUA .. "examples/voice.lua " .. arguments)
      assert.is_false(ok)
      assert.equal(1, select(2, output:gsub("[^\n]+", "")), output)
      assert.falsy(output:find("traceback", 1, true))
    end
    local ok, output = shell.run(("%s%sexamples/voice.lua --speed 100 %s %s"):format(shell.KEYLESS,
      shell.LUA, still, temporary()))
    assert.is_false(ok)
    assert.truthy(output:find("the server has heard nobody speak", 1, true), output)
  end)
end)
