-- examples/embed: a C program with a frame loop, built by its own Makefile against an installed
-- library.

local Gateway = require("spec.support.gateway")
local shell = require("spec.support.shell")
local sse = require("spec.support.sse")

local LUA = os.getenv("RILL_LUA") or "5.4"

local SAID = "You asked: “%s”"

local gateway = Gateway.start()

describe("examples/embed", function()
  local tree, url = os.tmpname(), nil

  setup(function()
    os.remove(tree)
    shell.assert_runs(shell.CLEAN .. "make -s install-lib SANITIZE= POLLER=epoll LUA=" .. LUA
      .. " PREFIX=" .. tree)
    shell.assert_runs("cp -r examples/embed " .. tree .. "/embed")
    shell.assert_runs(shell.CLEAN .. "PKG_CONFIG_PATH=" .. tree .. "/lib/pkgconfig make -s -B -C "
      .. tree .. "/embed LUA=lua" .. LUA .. " CFLAGS='-O2 -g -Wall -Wextra -Werror'")
  end)

  teardown(function()
    shell.assert_runs("rm -rf " .. tree)
  end)

  -- A command that talks to `url`; in front of it another one.
  local function command(front, scripts)
    return ("cd %s/embed && env RILL_LOCAL_URL=%s timeout 60 %s ./talk %s"):format(
      tree, url, front, scripts)
  end

  it("has two scripts talk at once while frames go by", function()
    local route = gateway:script({ {
      steps = {
        sse.role(), sse.chunk("one"), { wait = "go" }, { sleep = 0.5 }, sse.answer(" two"),
      },
    } })
    url = route.base_url
    local pipe = io.popen(command("", "guide.lua smith.lua") .. " 2>&1")
    assert(gateway:wait(route, "requests", 2))
    gateway:signal(route, "go") -- neither could end before the other began
    local output = pipe:read("*a")
    pipe:close()
    local begun, ended = {}, {}
    for name, first, last, text in output:gmatch("(%w+)%.lua, frames (%d+) to (%d+): ([^\n]*)\n") do
      begun[name], ended[name] = tonumber(first), tonumber(last)
      assert.equal(name == "guide" and "one two" or "one two / one two", text)
    end
    assert.is_true(begun.guide <= ended.smith and begun.smith <= ended.guide, output)
    local frames = output:match("\n%[(%d+) frames, at most [%d.]+ ms of each for rill%]\n$")
    assert.is_true(tonumber(frames) >= ended.smith, output)
    -- Nothing arrived for half a second, and the frames went on: 30, if nothing else runs here;
    -- with each event that is not silence there is one at most.
    assert.is_true(ended.guide - begun.guide > 8, output)
  end)

  describe("with the local gateway", function()
    local process, old_path

    setup(function()
      old_path = package.path
      package.path = "examples/?.lua;" .. package.path
      process = require("support.local_gateway").start()
      url = process.base_url
    end)

    teardown(function()
      process:stop()
      package.path = old_path
    end)

    it("is clean under valgrind", function()
      local output = shell.assert_runs(command("valgrind -q --leak-check=full --error-exitcode=9",
        "guide.lua smith.lua"))
      assert.truthy(output:find(SAID:format("You are the guide of a village. Greet the hero."), 1,
        true))
      assert.truthy(output:find(SAID:format("And what does it cost?"), 1, true))
      assert.falsy(output:find("==", 1, true)) -- valgrind's marks
    end)

    it("goes on with the others when a script fails, and tells of it", function()
      shell.assert_runs("echo 'error(\"no such quest\")' >" .. tree .. "/embed/broken.lua")
      local ok, output = shell.run(command("", "broken.lua smith.lua"))
      assert.is_false(ok)
      assert.truthy(output:find("broken.lua:1: no such quest\nstack traceback:", 1, true))
      assert.truthy(output:find(SAID:format("And what does it cost?"), 1, true))
    end)
  end)

  it("ends with one line when it is turned away", function()
    url = gateway:script({ { status = 401, steps = { "{}" } } }).base_url
    local ok, output = shell.run(command("", "guide.lua"))
    assert.is_false(ok)
    assert.truthy(output:find("^rill: auth: [^\n]+\nguide.lua, frames 0 to 0: \n"))
  end)
end)
