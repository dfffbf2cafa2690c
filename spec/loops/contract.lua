-- What every host's adapter has to do; one suite, run against each of them by NAME_spec.lua.
--
--   contract({
--     name = "cqueues",
--     run = function(fn) end,        -- runs fn in a coroutine of the host until it and all that
--                                    -- was spawned is over; returns what errors were raised
--     spawn = function(fn) end,      -- adds a coroutine of the host
--     sleep = function(seconds) end, -- the host's own
--     has_tasks = false,             -- what it runs are tasks of rill.go
--   })
--
-- Streams are read by `next`, which yields on every Lua.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local assert = require("luassert")
local busted = require("busted")
local handles = require("spec.support.handles")
local loops = require("rill.loops")
local rill = require("rill")
local sse = require("spec.support.sse")
local live = require("spec.loops.contract_live")
local realtime = require("spec.loops.contract_realtime")
local websockets = require("spec.loops.contract_websocket")

local describe, it = busted.describe, busted.it -- global in the files of specs only

local IS_PUC_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")

local gateway = Gateway.start()

return function(adapter)
  local function pump()
    adapter.sleep(0.001)
  end

  -- Runs fn in the host and raises the first error there was.
  local function inside(fn)
    local errors = adapter.run(fn)
    if errors[1] ~= nil then
      error(errors[1], 0)
    end
  end

  -- A stream of the steps, and the route it comes by.
  local function open(steps, options, fields)
    return ask.chat({ { steps = steps } }, options, fields)
  end

  local function next_text(stream)
    local event, err = stream:next()
    while event and event.type ~= "text" do
      event, err = stream:next()
    end
    return event and event.text, err
  end

  -- Counts, and lets coroutines wait for a count.
  local function counter()
    local counted = { value = 0 }
    function counted:add()
      self.value = self.value + 1
      loops.wake(self)
    end
    function counted:await(value)
      while self.value < value do
        loops.wait(rill.engine(), self)
      end
    end
    return counted
  end

  describe("under " .. adapter.name .. ",", function()
    it("a stream is read to its end", function()
      local seen
      inside(function()
        local steps = { sse.role() }
        for _, word in ipairs({ "one ", "two ", "three" }) do
          steps[#steps + 1] = sse.chunk(word)
          steps[#steps + 1] = { sleep = 0.01 }
        end
        steps[#steps + 1] = sse.finish() .. sse.done()
        seen = ask.read((open(steps)))
      end)
      assert.is_nil(seen.err)
      assert.same({ "one ", "two ", "three" }, seen.texts)
      assert.equal("complete", seen.reply.outcome)
    end)

    it("ten streams are interleaved", function()
      local route = gateway:script({ {
        steps = { sse.role(), sse.chunk("a"), { wait = "go" }, sse.answer("b") },
      } })
      local client, begun, texts = ask.client(route), counter(), {}
      inside(function()
        for i = 1, 10 do
          adapter.spawn(function()
            local stream = client:chat(ask.request())
            texts[i] = next_text(stream)
            begun:add()
            texts[i] = texts[i] .. ask.read(stream).text
          end)
        end
        begun:await(10)
        gateway:signal(route, "go") -- none could end before
      end)
      for i = 1, 10 do
        assert.equal("ab", texts[i])
      end
    end)

    it("a timeout fires while another stream keeps flowing", function()
      local err, seen
      inside(function()
        local flowing, route = open({ sse.chunk("a"), { wait = "go" }, sse.answer("b") })
        local stalled = open({ sse.chunk("x"), { stall = true } }, { timeout = { idle = 0.3 } })
        adapter.spawn(function()
          seen = ask.read(flowing)
        end)
        err = ask.read(stalled).err
        assert.is_nil(seen)
        gateway:signal(route, "go")
      end)
      assert.equal("timeout", err.kind)
      assert.equal("idle", err.phase)
      assert.equal("x", err.partial.text)
      assert.equal("ab", seen.text)
      assert.is_nil(seen.err)
    end)

    it("a stream that another coroutine waits on can be closed", function()
      local seen, route
      inside(function()
        local stream
        stream, route = open({ sse.chunk("x"), { stall = true } })
        local begun = counter()
        adapter.spawn(function()
          assert(next_text(stream))
          begun:add()
          seen = ask.read(stream)
        end)
        begun:await(1)
        pump() -- it waits by now
        assert.is_nil(seen)
        stream:close()
        assert(gateway:wait(route, "closed", 1, 5, pump))
        for _ = 1, 1000 do
          if not seen then
            pump()
          end
        end
        assert.truthy(seen) -- at once, and not when some timer rings
      end)
      assert.equal("cancelled", seen.err.kind)
      assert.equal("x", seen.err.partial.text)
    end)

    it("two coroutines may wait for one stream", function()
      local ended = 0
      inside(function()
        local stream, route = open({ sse.chunk("x"), { wait = "go" }, sse.answer("y") })
        for _ = 1, 2 do
          adapter.spawn(function()
            ask.read(stream)
            ended = ended + 1
          end)
        end
        assert(gateway:wait(route, "requests", 1, 5, pump))
        gateway:signal(route, "go")
      end)
      assert.equal(2, ended)
    end)

    it("an error in one coroutine leaves the others alone", function()
      local seen
      local errors = adapter.run(function()
        local stream, route = open({ sse.chunk("a"), { wait = "go" }, sse.answer("b") })
        adapter.spawn(function()
          local other = open({ sse.chunk("x"), { stall = true } })
          next_text(other)
          gateway:signal(route, "go")
          error("it broke")
        end)
        seen = ask.read(stream)
      end)
      assert.equal("ab", seen.text)
      assert.equal(1, #errors)
      assert.truthy(tostring(errors[1]):find("it broke", 1, true))
    end)

    it("a stream that was abandoned is dropped when it is collected", function()
      inside(function()
        local function begin()
          local stream, route = open({ sse.chunk("x"), { stall = true } })
          assert.equal("x", next_text(stream))
          return route
        end
        local route = begin()
        collectgarbage()
        collectgarbage()
        assert(gateway:wait(route, "closed", 1, 5, pump))
      end)
    end)

    it("a coroutine that nobody schedules waits in C", function()
      local texts = {}
      inside(function()
        local stream = open({ sse.chunk("a"), { sleep = 0.02 }, sse.chunk("b"), sse.answer("c") })
        for text in coroutine.wrap(function()
          local text = next_text(stream)
          while text do
            coroutine.yield(text)
            text = next_text(stream)
          end
        end) do
          texts[#texts + 1] = text
        end
      end)
      assert.same({ "a", "b", "c" }, texts)
    end)

    it("what waits in C passes the news of others on", function()
      local seen
      inside(function()
        local other, route = open({ sse.chunk("a"), { wait = "go" }, sse.answer("b") })
        adapter.spawn(function()
          seen = ask.read(other)
        end)
        assert(gateway:wait(route, "requests", 1, 5, pump))
        gateway:signal(route, "go")
        local stream = open({ sse.chunk("x"), { sleep = 0.05 }, sse.answer("y") })
        assert.equal("xy", coroutine.wrap(function()
          return ask.read(stream).text
        end)())
      end)
      assert.equal("ab", seen.text)
    end)

    it("loops.spawn adds a coroutine of the host, and tables are waited for", function()
      local order = {}
      inside(function()
        local done = counter()
        for i = 1, 3 do
          loops.spawn(function()
            local text = ask.read((open({ sse.chunk("a"), sse.answer("b") }))).text
            order[#order + 1] = text
            pump() -- only a coroutine of the host can do that
            done:add()
          end, i > 1 and adapter.name or nil)
        end
        done:await(3)
        order[#order + 1] = "all"
      end)
      assert.same({ "ab", "ab", "ab", "all" }, order)
    end)

    it("a table can be waited for while no stream is open", function()
      local was_woken = false
      inside(function()
        local done, later = counter(), counter()
        adapter.spawn(function()
          done:await(1)
          was_woken = true
        end)
        adapter.spawn(function()
          later:await(1)
        end)
        pump() -- both wait by now
        done:add()
        for _ = 1, 100 do
          if not was_woken then
            pump()
          end
        end
        assert.is_true(was_woken)
        later:add()
      end)
    end)

    it("the iterators wait, or name next where this Lua cannot wait in them", function()
      inside(function()
        local stream = open({ sse.chunk("a"), { sleep = 0.02 }, sse.answer("b") })
        if IS_PUC_51 then
          for _, name in ipairs({ "text", "events", "json" }) do
            local ok, err = pcall(stream[name], stream)
            assert.is_false(ok)
            assert.truthy(err:find("stream:" .. name .. ": this Lua cannot wait inside `for ... in`"
              .. " in a task: call stream:next() in a loop", 1, true))
          end
          assert.equal("ab", ask.read(stream).text)
          return
        end
        local pieces, types = {}, {}
        for text in stream:text() do
          pieces[#pieces + 1] = text
        end
        assert.same({ "a", "b" }, pieces)
        stream = open({ sse.chunk("a"), { sleep = 0.02 }, sse.answer("b") })
        for event in stream:events() do
          types[#types + 1] = event.type
        end
        assert.equal("done", types[#types])
      end)
    end)

    it("next with a time, result and poll do as they do elsewhere", function()
      inside(function()
        local stream, route = open({ sse.chunk("a"), { wait = "go" }, sse.answer("b") })
        assert.equal("a", next_text(stream))
        local event, err = stream:next(0.02)
        assert.is_nil(event)
        assert.equal("timeout", err)
        event, err = stream:poll()
        assert.is_nil(event)
        assert.equal("pending", err)
        gateway:signal(route, "go")
        local reply = assert(stream:result())
        assert.equal("ab", reply.text)
      end)
    end)

    websockets(inside, adapter.spawn, pump, counter)
    live(inside, adapter.spawn, pump)
    realtime(inside, adapter.spawn, pump)

    it("a host can be named, and clients may name different ones", function()
      local route = gateway:script({ { steps = {
        sse.chunk("a"), { sleep = 0.05 }, sse.answer("b"),
      } } })
      local mine = ask.client(route, { loop = adapter.name })
      local plain = ask.client(route, { loop = "plain" })
      inside(function()
        local is_over, turns = false, 0
        adapter.spawn(function()
          while not is_over do
            turns = turns + 1
            pump()
          end
        end)
        local before = turns
        assert.equal("ab", ask.read(mine:chat(ask.request())).text)
        assert.is_true(turns > before)
        before = turns
        assert.equal("ab", ask.read(plain:chat(ask.request())).text)
        if not adapter.has_tasks then -- a task yields to its round whatever is named
          assert.equal(before, turns) -- the host was held up, as it was told
        end
        is_over = true
      end)
    end)

    it("nothing is left open at the end", function()
      ask.forget_connections() -- another spec may have left something to the collector
      local function use()
        inside(function()
          for i = 1, 5 do
            adapter.spawn(function()
              local stream = open({ sse.chunk("a"), { sleep = 0.01 }, sse.answer("b") })
              if i == 1 then
                assert(stream:next())
                stream:close()
              else
                assert.equal("ab", ask.read(stream).text)
              end
            end)
          end
        end)
        assert.equal("rill.engine (0 open)", tostring(rill.engine()))
        ask.forget_connections()
        rill.engine()
      end
      use() -- what the host opens once and keeps
      local before = handles.count() -- an engine is new each time, and so are its descriptors
      use()
      assert.equal(before, handles.count())
    end)
  end)
end
