-- The plugin of examples/neovim in a real Neovim, and the contract of loops run inside of one.

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local neovim = require("spec.support.neovim")
local sse = require("spec.support.sse")

local gateway = Gateway.start()
local editor

local function start(attempts, script)
  local route = gateway:script(attempts)
  editor = neovim.start({
    client = { base_url = route.base_url, api_key = ask.KEY, retry = { max = 0 } }, script = script,
  })
  return route
end

local BUFFER = "join(getbufline(winbufnr(winnr('$')), 1, '$'), '|')"

describe("in Neovim,", function()
  setup(neovim.prepare)

  after_each(function()
    if editor then
      editor:stop()
      editor = nil
    end
  end)

  it(":Rill streams an answer into a split, piece by piece", function()
    local route = start({ { steps = { sse.role(), sse.chunk("สวัส"), sse.chunk("ดี\n\n"),
      { wait = "go" }, sse.answer("there 100%") } } })
    editor:send(":Rill Why is it so?<CR>")
    editor:wait_for(BUFFER .. " == 'สวัสดี||'")
    assert.equal("2", editor:value("winnr('$')"))
    assert.truthy(editor:value("&statusline"):find("Why is it so?", 1, true))
    gateway:signal(route, "go")
    editor:wait_for(BUFFER .. " == 'สวัสดี||there 100%'")
    editor:wait_for("&statusline =~ ' s $'")
    assert.truthy(gateway:requests(route)[1].body:find("Why is it so?", 1, true))
    assert.equal("", editor:errors())
  end)

  it("the cursor follows the answer until it is moved up", function()
    local route = start({ { steps = { sse.chunk("a\nb"), { wait = "one" }, sse.chunk("\nc"),
      { wait = "two" }, sse.answer("\nd") } } })
    editor:send(":Rill x<CR>")
    editor:wait_for("line('$') == 2 && line('.') == 2")
    gateway:signal(route, "one")
    editor:wait_for("line('$') == 3 && line('.') == 3")
    editor:send("gg")
    gateway:signal(route, "two")
    editor:wait_for("line('$') == 4")
    assert.equal("1", editor:value("line('.')"))
  end)

  it("keys are answered and other windows edited while answers flow", function()
    local route = start({ { steps = { sse.chunk("a"), { wait = "go" }, sse.answer("b") } } })
    editor:send(":Rill one<CR>:Rill two<CR><C-w>t")
    editor:wait_for(BUFFER .. " == 'a'")
    editor:send("itext<Esc>")
    editor:wait_for("getline(1) == 'text'")
    editor:send("yyp")
    editor:wait_for("line('$') == 2")
    assert.equal("a", editor:value(BUFFER))
    gateway:signal(route, "go")
    editor:wait_for(BUFFER .. " == 'ab'")
    assert.equal(2, #gateway:requests(route))
  end)

  it("a mapping starts one as well, and what it does not await goes on in insert mode", function()
    local route = start({ { steps = { sse.chunk("a"), { wait = "go" }, sse.answer("b") } } },
      "vim.keymap.set('n', '<F2>', function() require('rill_nvim').ask('mapped') end)")
    editor:send("<F2>")
    editor:wait_for(BUFFER .. " == 'a'")
    editor:send("<C-w>ti")
    gateway:signal(route, "go")
    editor:wait_for("mode() == 'i' && " .. BUFFER .. " == 'ab'")
  end)

  it("<Esc> stops the answer, and what had come stays", function()
    local route = start({ { steps = { sse.chunk("so far"), { stall = true } } } })
    editor:send(":Rill x<CR>")
    editor:wait_for(BUFFER .. " == 'so far'")
    editor:send("<Esc>")
    assert.truthy(gateway:wait(route, "closed", 1, 5))
    editor:wait_for("&statusline =~ 'stopped'")
    assert.equal("so far", editor:value(BUFFER))
  end)

  it(":q of the split closes the stream, and the editor stays", function()
    local route = start({ { steps = { sse.chunk("so far"), { stall = true } } } })
    editor:send(":Rill x<CR>")
    editor:wait_for(BUFFER .. " == 'so far'")
    editor:send(":q<CR>")
    assert.truthy(gateway:wait(route, "closed", 1, 5))
    assert.equal("1", editor:value("winnr('$')"))
    assert.equal("", editor:errors())
  end)

  it("an editor that is left in the middle of answers ends well and says nothing", function()
    local route = start({ { steps = { sse.chunk(("word "):rep(20)), { stall = true } } } })
    editor:send(":Rill x<CR>:Rill y<CR>:Rill z<CR>")
    assert.truthy(gateway:wait(route, "requests", 3, 5))
    editor:wait_for(BUFFER .. " =~ 'word'")
    editor:send(":qa!<CR>")
    local status, errors = editor:wait_end()
    assert.equal(0, status)
    assert.equal("", errors)
    assert.truthy(gateway:wait(route, "closed", 3, 5))
  end)

  it("an editor that is left while a flood of text arrives ends well", function()
    local flood = {}
    for i = 1, 400 do
      flood[i] = sse.chunk("word " .. i .. "\n")
    end
    local route = start({ { steps = { table.concat(flood), { stall = true } } } })
    editor:send(":Rill x<CR>:wincmd t<CR>:q<CR>")
    editor:wait_for("winnr('$') == 1")
    editor:send(":q<CR>") -- the last window
    local status, errors = editor:wait_end()
    assert.equal(0, status)
    assert.equal("", errors)
    assert.truthy(gateway:wait(route, "closed", 1, 5))
  end)

  it("a failure is told in one line, without the key", function()
    start({ { status = 401, headers = { ["Content-Type"] = "application/json" },
      steps = { '{"error":{"message":"no such key: ' .. ask.KEY .. '"}}' } } })
    editor:send(":Rill x<CR>")
    editor:wait_for("&statusline =~ 'no such key'")
    assert.falsy(editor:value("&statusline"):find(ask.KEY, 1, true))
    assert.equal("", editor:errors())
  end)

  it("a newcomer without a key has an answer of the local gateway", function()
    editor = neovim.start()
    editor:send(":Rill Is anybody there?<CR>")
    editor:wait_for(BUFFER .. " =~ 'You asked: “Is anybody there?”.*🎉'")
    editor:send(":qa!<CR>")
    local status, errors = editor:wait_end()
    assert.equal(0, status)
    assert.equal("", errors)
  end)

  it("vim.json stands in where lua-cjson is missing", function()
    local route = start({ sse.answer("fine") }, [[
      package.loaded.cjson = nil
      package.preload.cjson = function() error("not here") end]])
    editor:send(":Rill x<CR>")
    editor:wait_for(BUFFER .. " == 'fine'")
    assert.truthy(gateway:requests(route)[1].body:find('"content":"x"', 1, true))
    assert.equal("false", editor:lua("type(package.loaded.cjson) == 'table'"))
  end)

  it("the error of a task is shown as Neovim shows errors", function()
    local output = neovim.run([[
      local told
      vim.notify = function(message, level)
        told = { message, level }
      end
      require("rill").go(function()
        assert(not vim.in_fast_event())
        error("it broke")
      end)
      vim.wait(2000, function() return told end, 1)
      print(told[1], told[2] == vim.log.levels.ERROR)]])
    assert.truthy(output:find("rill: a task failed: .-it broke.*true$"), output)
  end)

  it("tasks go on where Neovim's calls are allowed, though a callback polls", function()
    local output = neovim.run(([[
      local rill = require("rill")
      local client = rill.client({ base_url = "http://127.0.0.1:%d", api_key = "none" })
      local stream = client:live({ dialect = "responses", model = "m" }):say("hi")
      local polls, rounds, is_any_fast, is_over = 0, 0, false, false
      local timer = vim.loop.new_timer()
      timer:start(0, 1, function()
        assert(vim.in_fast_event())
        stream:poll()
        polls = polls + 1
      end)
      rill.go(function()
        while polls < 10 do
          rounds, is_any_fast = rounds + 1, is_any_fast or vim.in_fast_event()
          coroutine.yield() -- it can go on at any time
        end
        is_over = true
      end)
      vim.wait(5000, function() return is_over end, 1)
      timer:close()
      stream:close()
      print(is_over, rounds > 1, is_any_fast)]]):format(gateway.silent_port))
    assert.truthy(output:find("true true false", 1, true), output)
  end)

  it("costs no CPU while nothing that is scheduled is run", function()
    local steps = { sse.chunk("a") }
    for i = 1, 30 do
      steps[2 * i], steps[2 * i + 1] = { sleep = 0.05 }, sse.chunk(".")
    end
    steps[#steps + 1] = sse.answer("b")
    start({ { steps = steps } })
    editor:send(":Rill x<CR>")
    editor:wait_for(BUFFER .. " =~ '^a'")
    local used = editor:lua([[(function()
      local function used()
        local usage = vim.loop.getrusage()
        return (usage.utime.sec + usage.stime.sec) * 1e3
          + (usage.utime.usec + usage.stime.usec) / 1e3
      end
      local before = used()
      vim.wait(500, function() end, 100, true)
      return used() - before
    end)()]])
    editor:wait_for(BUFFER .. " =~ 'b$'")
    assert.is_true(tonumber(used) < 200, used .. " ms in half a second")
  end)

  local function run_inside(environment)
    return neovim.run("dofile('spec/support/busted_in_neovim.lua')",
      "RILL_INSIDE=spec/loops/neovim_inside.lua " .. environment)
  end

  it("the contract of loops is kept", function()
    local output = run_inside("")
    local good, bad, errors = output:match("(%d+) successes? / (%d+) failures? / (%d+) errors?")
    assert.equal("0 0", tostring(bad) .. " " .. tostring(errors), output)
    assert.is_true(tonumber(good) >= 14, output)
  end)

  it("a timer ticks on while a hundred streams flow", function()
    local output = run_inside("RILL_TICKING=1")
    assert.truthy(output:find("1 success / 0 failures / 0 errors", 1, true), output)
    if os.getenv("RILL_SHOW") then
      print(output)
    end
  end)
end)
