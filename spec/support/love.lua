-- A real LÖVE on a screen that nobody sees (Xvfb), with the rill of this checkout.
--
--   local screen = love.open_screen()
--   local facts, output = screen:run("scene", { NAME = "value" })  -- of spec/loops/love_inside.lua
--   screen:close()
--
-- A scene prints lines "name = value", which are its facts; numbers are numbers.

local lfs = require("lfs")
local shell = require("spec.support.shell")
local socket = require("socket")

local love = {}

local Screen = {}
Screen.__index = Screen
Screen.__name = "screen"

local here = lfs.currentdir()

-- The shell between ends the screen when this process goes, however it goes.
local LAUNCH = "exec sh -c 'Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp 3>%s "
  .. ">/dev/null 2>&1 & pid=$!; read -r _; kill $pid; wait $pid 2>/dev/null'"

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

function love.prepare()
  shell.assert_runs("make -s LUA=jit RILL_SETUP=skip all build/jit/bench/server")
end

function love.open_screen()
  local folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  write(folder .. "/main.lua", ("dofile(%q)\n"):format(here .. "/spec/loops/love_inside.lua"))
  write(folder .. "/conf.lua", ("dofile(%q)\n"):format(here .. "/examples/love/conf.lua"))
  write(folder .. "/display", "")
  local pipe = assert(io.popen(LAUNCH:format(folder .. "/display"), "w"))
  local deadline, number = socket.gettime() + 20
  repeat
    number = shell.read(folder .. "/display"):match("(%d+)\n")
    assert(number or socket.gettime() < deadline, "Xvfb did not start")
    socket.sleep(0.01)
  until number
  return setmetatable({ folder = folder, pipe = pipe, number = number }, Screen)
end

function Screen:__tostring()
  return "screen " .. self.number
end

--- A command that runs LÖVE, or another program, on this screen.
function Screen:command(program, variables)
  local list = {}
  for name, value in pairs(variables or {}) do
    list[#list + 1] = name .. "=" .. shell.quoted(tostring(value))
  end
  return ("%s -u LD_PRELOAD DISPLAY=:%s SDL_AUDIODRIVER=dummy XDG_DATA_HOME=%s %s "
    .. "timeout -k 5 60 %s"):format(shell.CLEAN, self.number, self.folder,
    table.concat(list, " "), program)
end

function Screen:run(scene, variables)
  variables = variables or {}
  variables.RILL_SCENE, variables.RILL_ROOT = scene, here
  local output = shell.assert_runs(self:command("love " .. self.folder, variables))
  local facts = {}
  for name, value in output:gmatch("([%w_]+) = ([^\n]*)\n") do
    facts[name] = tonumber(value) or value
  end
  return facts, output
end

function Screen:close()
  self.pipe:close()
  shell.assert_runs("rm -rf " .. self.folder)
end

return love
