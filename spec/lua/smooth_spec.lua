local ask = require("spec.support.ask")
local measured = require("spec.support.measured")
local new_smooth = require("rill.smooth")
local rill = require("rill")
local sse = require("spec.support.sse")

local IS_PUC_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
local BAD = "\239\191\189"

-- A source to which texts are handed, and a clock that moves when somebody sleeps.
local function scripted(options)
  local source = { texts = {}, is_over = false, err = nil, closes = 0, waits = {}, naps = {} }
  local play = { clock = 1000, source = source }
  function source.read()
    local text = table.remove(source.texts, 1)
    if text then
      return text
    elseif source.is_over then
      return nil, source.err
    end
    return nil, "pending"
  end
  function source.wait()
    local step = table.remove(source.waits, 1) -- the seconds until a text, and the text
    play.clock = play.clock + step[1]
    source.texts[1] = step[2]
    source.is_over = step[2] == nil
  end
  function source.sleep(seconds)
    source.naps[#source.naps + 1] = seconds
    play.clock = play.clock + seconds
  end
  function source.check() end
  function source.close()
    source.closes = source.closes + 1
  end
  function play.say(...)
    for _, text in ipairs({ ... }) do
      table.insert(source.texts, text)
    end
  end
  play.smooth = new_smooth(source, options, function()
    return play.clock
  end)
  return play, play.smooth
end

-- The texts of so many frames.
local function frames(smooth, count, seconds)
  local seen, is_done = {}, nil
  for i = 1, count do
    seen[i], is_done = smooth:update(seconds)
  end
  return seen, is_done
end

local function length(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

describe("stream:smooth", function()
  it("shows one character after the other at the pace that was asked for", function()
    local play, smooth = scripted({ rate = 10 })
    play.say("hello there")
    assert.same({ "h", "he", "hel", "hell" }, (frames(smooth, 4, 0.1)))
    assert.same({ "hell", "hello", "hello" }, (frames(smooth, 3, 0.05)))
  end)

  it("is as fast with few frames as with many", function()
    for _, rate in ipairs({ 144, 60, 7 }) do
      local play, smooth = scripted({ rate = 40, lag = math.huge })
      play.say(("x"):rep(400))
      local seen = frames(smooth, rate * 4, 1 / rate)
      local count = #seen[#seen]
      assert.is_true(math.abs(count - 161) <= 1 + 40 / rate, rate .. " frames: " .. count)
    end
  end)

  it("tells what is new, and when all is shown", function()
    local play, smooth = scripted({ rate = 2 })
    play.say("ab")
    play.source.is_over = true
    assert.same({ "a", false, "a" }, { smooth:update(0) })
    assert.same({ "a", false, "" }, { smooth:update(0.4) })
    assert.same({ "ab", true, "b" }, { smooth:update(0.1) })
    assert.same({ "ab", true, "" }, { smooth:update(10) })
  end)

  it("does not make up for a pause of the model", function()
    local play, smooth = scripted({ rate = 10 })
    play.say("ab")
    frames(smooth, 50, 0.1)
    play.say("cdefgh")
    assert.same({ "abc", "abcd", "abcde" }, (frames(smooth, 3, 0.1)))
  end)

  it("hurries when it lies far behind, and only then", function()
    local play, smooth = scripted({ rate = 10, lag = 2 })
    play.say(("x"):rep(21))
    local seen = frames(smooth, 2, 0.1)
    assert.equal("xx", seen[2])
    play.say(("y"):rep(381)) -- now 400 wait, which makes 200 a second
    smooth:update(0)
    assert.equal(22, #smooth:update(0.1))
    local text
    for _ = 1, 100 do
      text = smooth:update(0.1)
    end
    assert.is_true(#text >= 381, "still " .. 402 - #text .. " behind after ten seconds")
  end)

  it("never lies much further behind than its lag while the model is faster", function()
    local play, smooth = scripted({ rate = 40, lag = 3 })
    local said, text = 0, ""
    for _ = 1, 60 * 60 do
      play.say("xxxxx") -- 300 a second
      said, text = said + 5, smooth:update(1 / 60)
    end
    assert.is_true(said - #text <= 300 * 3.1)
    assert.is_true(said - #text >= 300 * 2.9)
  end)

  it("does not hurry if its lag is without bounds", function()
    local play, smooth = scripted({ rate = 10, lag = math.huge })
    play.say(("x"):rep(10000))
    assert.equal(11, #frames(smooth, 11, 0.1)[11])
  end)

  it("goes by the clock where it is told no time", function()
    local play, smooth = scripted({ rate = 10 })
    play.say("hello")
    assert.equal("h", (smooth:update()))
    play.clock = play.clock + 0.2
    assert.equal("hel", (smooth:update()))
    play.clock = play.clock - 5
    assert.equal("hel", (smooth:update()))
  end)

  it("takes a clock", function()
    local now = 0
    local play, smooth = scripted({ rate = 10, clock = function()
      return now
    end })
    play.say("hello")
    smooth:update()
    now = 0.1
    assert.equal("he", (smooth:update()))
  end)

  it("shows whole characters only, wherever the pieces were cut", function()
    local text = "aé€😀ชา\0\127\194\128\224\160\128\237\159\191\238\128\128\240\144\128\128"
      .. "\244\143\191\191z"
    for first = 0, #text do
      for second = first, #text do
        local play, smooth = scripted({ rate = 1, lag = math.huge })
        for _, piece in ipairs({ text:sub(1, first), text:sub(first + 1, second),
          text:sub(second + 1) }) do
          play.say(piece)
        end
        play.source.is_over = true
        local shown, is_done, piece = smooth:update(0)
        while not is_done do
          assert.equal(1, length(piece))
          assert.equal(text:sub(1, #shown), shown)
          shown, is_done, piece = smooth:update(1)
        end
        assert.equal(text, shown)
      end
    end
  end)

  it("waits for the other half of a character", function()
    local play, smooth = scripted({ rate = 100 })
    play.say("a\240\159")
    assert.equal("a", frames(smooth, 5, 1)[5])
    play.say("\152")
    assert.equal("a", (smooth:update(1)))
    play.say("\128")
    assert.equal("a😀", (smooth:update(1)))
  end)

  it("shows what is no UTF-8 as U+FFFD, one for each beginning of a character", function()
    for bytes, shown in pairs({
      ["a\255b"] = "a" .. BAD .. "b", ["\128x"] = BAD .. "x", ["\192\175"] = BAD .. BAD,
      ["\224\159\128"] = BAD:rep(3), ["\237\160\128"] = BAD:rep(3),
      ["\240\143\128\128"] = BAD:rep(4), ["\244\144\128\128"] = BAD:rep(4),
      ["\245"] = BAD, ["\226\130x"] = BAD .. "x", ["\240\159\152é"] = BAD .. "é",
      ["\226\130"] = BAD, ["x\240\159\152"] = "x" .. BAD, ["\195"] = BAD,
    }) do
      for cut = 0, #bytes do
        local play, smooth = scripted({ rate = 1000 })
        play.say(bytes:sub(1, cut), bytes:sub(cut + 1))
        play.source.is_over = true
        smooth:skip()
        local text, is_done = smooth:update(0)
        assert.is_true(is_done)
        assert.equal(shown, text)
      end
    end
  end)

  it("raises the error once all that came before it is shown, and again", function()
    local play, smooth = scripted({ rate = 10 })
    local err = { kind = "interrupted" }
    play.say("ab")
    play.source.is_over, play.source.err = true, err
    assert.same({ "a", false, "a" }, { smooth:update(0) })
    assert.same({ "ab", false, "b" }, { smooth:update(0.1) })
    for _ = 1, 2 do
      local ok, raised = pcall(smooth.update, smooth, 0.1)
      assert.is_false(ok)
      assert.equal(err, raised)
    end
  end)

  it("that is closed stays as it is, closes its stream once, and raises nothing", function()
    local play, smooth = scripted({ rate = 10 })
    play.say("abc")
    smooth:update(0.1)
    smooth:close()
    smooth:close()
    assert.equal(1, play.source.closes)
    play.source.is_over, play.source.err = true, { kind = "cancelled" }
    assert.same({ "a", true, "" }, { smooth:update(10) })
    smooth:skip()
    assert.same({ "a", true, "" }, { smooth:update(10) })
    assert.is_nil((smooth:next()))
  end)

  it("shows at once all that has arrived when it is told to skip", function()
    local play, smooth = scripted({ rate = 10 })
    smooth:update(0)
    play.say("hello ", "there")
    smooth:skip()
    assert.equal("hello there", (smooth:update(0)))
    play.say("abc")
    assert.equal("hello therea", (smooth:update(0.1)))
  end)

  it("gives a task each character when its time has come", function()
    local play, smooth = scripted({ rate = 10 })
    play.source.waits = { { 3, "abc" }, { 5, "d" }, { 0.02, "e" }, { 1 } }
    local times, text = {}, ""
    local piece, err = smooth:next()
    while piece do
      times[#times + 1] = ("%.2f"):format(play.clock - 1000)
      text = text .. piece
      piece, err = smooth:next()
    end
    assert.is_nil(err)
    assert.equal("abcde", text)
    assert.same({ "3.00", "3.10", "3.20", "8.20", "8.30" }, times)
  end)

  it("naps for a short time only, so that a task sees that it was closed", function()
    local play, smooth = scripted({ rate = 0.5 })
    play.say("ab")
    assert.equal("a", (smooth:next()))
    assert.equal("b", (smooth:next()))
    assert.is_true(#play.source.naps >= 20)
    for _, seconds in ipairs(play.source.naps) do
      assert.is_true(seconds <= 0.1)
    end
  end)

  it("gives a task the error as a value by next, and raises it in a loop", function()
    local err = { kind = "interrupted" }
    local play, smooth = scripted()
    play.say("a")
    play.source.is_over, play.source.err = true, err
    assert.equal("a", (smooth:next()))
    assert.equal(err, select(2, smooth:next()))
    local ok, raised = pcall(function()
      for _ in smooth:text() do end -- luacheck: ignore
    end)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)

  it("refuses what it does not know", function()
    local function problem(options)
      local _, err = pcall(function()
        return (new_smooth({}, options, os.time))
      end)
      return (err:gsub("^.-stream:smooth: ", ""))
    end
    assert.equal("unknown option 'rat', did you mean 'rate'?", problem({ rat = 1 }))
    assert.equal("option 'rate' must be a positive number", problem({ rate = 0 }))
    assert.equal("option 'rate' must be finite", problem({ rate = math.huge }))
    assert.equal("option 'lag' must be a positive number", problem({ lag = "2" }))
    assert.equal("option 'clock' must be a function that gives seconds, not a number",
      problem({ clock = 1 }))
    assert.equal("argument 1 must be a table such as { rate = 40 }, not a number", problem(40))
    local play = scripted()
    for _, seconds in ipairs({ -1, 0 / 0, "1" }) do
      assert.has_error(function()
        play.smooth:update(seconds)
      end)
    end
  end)

  it("says what it is", function()
    local play, smooth = scripted()
    play.say("abc")
    smooth:update(0)
    assert.equal("rill.smooth: 40 characters a second, 2 waiting", tostring(smooth))
  end)
end)

describe("a real stream, smooth,", function()
  local function attempts()
    return { { steps = { sse.role(), sse.chunk("สวัส"), { sleep = 0.02 }, sse.chunk("ดี "),
      sse.answer("there") } } }
  end

  it("is shown by a frame loop whose steps let it arrive", function()
    local stream = ask.chat(attempts())
    local smooth = stream:smooth({ rate = 1000 })
    local text, is_done, piece = smooth:update()
    local all = piece
    while not is_done do
      rill.step(0.001)
      text, is_done, piece = smooth:update()
      all = all .. piece
    end
    assert.equal("สวัสดี there", text)
    assert.equal(text, all)
    assert.equal("complete", stream:result().outcome)
    assert.equal(text, stream:result().text)
  end)

  -- How many pieces two tasks and the main thread beside them are given of the same text.
  local function read_by_three()
    local texts, pieces = {}, 0
    local function read(smooth)
      local text = ""
      local piece, err = smooth:next()
      while piece do
        pieces, text = pieces + 1, text .. piece
        piece, err = smooth:next()
      end
      return err or text
    end
    for i = 1, 2 do
      rill.go(function()
        texts[i] = read(ask.chat(attempts()):smooth({ rate = 100 }))
      end)
    end
    texts[3] = read(ask.chat(attempts()):smooth({ rate = 100 }))
    rill.run()
    assert.same({ "สวัสดี there", "สวัสดี there", "สวัสดี there" }, texts)
    assert.equal(0, rill.step(0))
    return pieces
  end

  -- A machine that is busy makes fewer and longer ones.
  it("is read by tasks, also long after it has ended", measured(3, function()
    local pieces = read_by_three()
    return pieces > 20, pieces .. " pieces"
  end))

  if not IS_PUC_51 then
    it("is read by a task's loop", function()
      local text = ""
      rill.go(function()
        for piece in ask.chat(attempts()):smooth({ rate = 500 }):text() do
          text = text .. piece
        end
      end)
      rill.run()
      assert.equal("สวัสดี there", text)
    end)
  else
    it("says that a loop cannot wait in a task, and names next", function()
      rill.go(function()
        ask.chat(attempts()):smooth():text()
      end)
      local _, err = pcall(rill.run)
      assert.truthy(err:find("smooth:text: this Lua cannot wait", 1, true))
      assert.truthy(err:find("stream:next()", 1, true))
    end)
  end

  it("that is closed by another task ends soon", function()
    local stream = ask.chat({ { steps = { sse.chunk(("x"):rep(500)), { stall = true } } } })
    local smooth, err = stream:smooth({ rate = 1, lag = math.huge }), nil
    rill.go(function()
      local piece
      repeat
        piece, err = smooth:next()
      until not piece
    end)
    rill.go(function()
      assert(ask.chat({ sse.answer("x") }):result())
      smooth:close()
    end)
    rill.run()
    assert.is_nil(err)
    assert.equal("cancelled", stream:partial().outcome)
  end)

  it("raises as text does where the stream breaks, after what had arrived", function()
    local stream = ask.chat({ { steps = { sse.chunk("abc"), { reset = true } } } })
    local smooth = stream:smooth({ rate = 1e6 })
    local text, raised
    repeat
      rill.step(0.01)
      local ok, said = pcall(smooth.update, smooth)
      if ok then
        text = said
      else
        raised = said
      end
    until raised
    assert.equal("abc", text)
    assert.equal("interrupted", raised.kind)
    assert.equal("abc", raised.partial.text)
  end)

  it("shows choice 0, and text that C could not take whole", function()
    local stream = ask.chat({ { steps = { sse.chunk("a"), sse.chunk("other", 1),
      sse.delta({ content = "b", refusal = "no" }), sse.finish(), sse.finish("stop", 1),
      sse.done() } } }, nil, { n = 2 })
    local smooth = stream:smooth({ rate = 1e6 })
    local text, is_done
    repeat
      rill.step(0.01)
      text, is_done = smooth:update()
    until is_done
    assert.equal("ab", text)
  end)
end)
