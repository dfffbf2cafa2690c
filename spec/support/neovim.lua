-- A real Neovim without a screen, with the plugin of examples/neovim and the rill of this checkout.
--
--   local editor = neovim.start({ client = { base_url = ..., api_key = ... }, script = "..." })
--   editor:send(":q<CR>")            -- keys, as if they were typed
--   editor:value("getline(1)")       -- the value of an expression, as text
--   editor:lua("1 + 1")              -- the same of Lua
--   editor:wait_for("expression")    -- until it is true
--   editor:wait_end()                -- exit code, and what it wrote to stderr
--   editor:stop()
--
-- Without a client the plugin asks as it does for a newcomer.

local socket = require("socket")
local lfs = require("lfs")
local shell = require("spec.support.shell")

local neovim = {}

local Editor = {}
Editor.__index = Editor
Editor.__name = "neovim"

local here = lfs.currentdir()

-- The shell between ends the editor when this process goes, however it goes.
local LAUNCH = "cd %s && exec sh -c '%s nvim --headless -u NONE -i NONE --listen socket %s "
  .. "</dev/null >output.log 2>errors.log & pid=$!; echo $pid >pid; read -r _; "
  .. "kill $pid 2>/dev/null; wait $pid; echo $? >status'"

local PLUGIN = "--cmd \"set runtimepath^=%s/examples/neovim\" -c \"runtime plugin/rill.lua\" "
  .. "-S start.lua"

-- Lua code that gives a value of strings, numbers and tables.
local function literal(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local fields = {}
  for key, member in pairs(value) do
    fields[#fields + 1] = ("[%s] = %s"):format(literal(key), literal(member))
  end
  return "{ " .. table.concat(fields, ", ") .. " }"
end

function neovim.prepare()
  shell.assert_runs("make -s LUA=jit RILL_SETUP=skip all")
end

-- What a Neovim that this process starts needs in its environment to be as a newcomer's is: a
-- sanitized build of another Lua and paths of a test run are not for it.
neovim.ENVIRONMENT = shell.CLEAN .. "-u LD_PRELOAD -u VIMINIT -u NVIM_LISTEN_ADDRESS "
  .. "RILL_GATEWAY_RATE=600 "
  .. ("CONFIG DATA STATE CACHE"):gsub("%u+", "XDG_%0_HOME=\"$PWD/build/neovim\"")

function neovim.start(options)
  options = options or {}
  local folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  local setup = options.client and ("require(\"rill_nvim\").setup(%s)\n"):format(literal({
    client = options.client, model = "spec-model",
  })) or ""
  shell.write(folder .. "/start.lua", setup .. (options.script or ""))
  local editor = setmetatable({
    folder = folder,
    typed = {}, -- commands
    pipe = assert(io.popen(LAUNCH:format(folder, neovim.ENVIRONMENT, PLUGIN:format(here)), "w")),
  }, Editor)
  editor:until_true(30, "it did not start", function()
    return lfs.attributes(folder .. "/socket")
  end)
  return editor
end

function Editor:__tostring()
  return "neovim in " .. self.folder
end

-- What it wrote to stderr, but for the commands that were typed: without a screen it shows them
-- there.
function Editor:errors()
  local text = (shell.read_if_there(self.folder .. "/errors.log") or ""):gsub("\r", "")
  for _, typed in ipairs(self.typed) do
    local from, to = text:find(typed, 1, true)
    text = from and text:sub(1, from - 1) .. text:sub(to + 1) or text
  end
  return text
end

function Editor:until_true(seconds, what, condition)
  local deadline = socket.gettime() + seconds
  while not condition() do
    if socket.gettime() > deadline then
      error(("%s: %s"):format(what, self:errors()), 2)
    end
    socket.sleep(0.005)
  end
end

local REMOTE = "timeout 20 " .. neovim.ENVIRONMENT .. " nvim --headless --server %s/socket "

function Editor:send(keys)
  for command in keys:gmatch("(:[^<]*)<CR>") do
    self.typed[#self.typed + 1] = command
  end
  local ok, said = shell.run(REMOTE:format(self.folder) .. "--remote-send " .. shell.quoted(keys))
  -- They may have ended it.
  assert(ok or said:find("closed by the client", 1, true), said)
end

function Editor:value(expression)
  return shell.assert_runs(REMOTE:format(self.folder) .. "--remote-expr "
    .. shell.quoted(expression))
end

function Editor:lua(expression)
  return self:value("luaeval(" .. "'" .. expression:gsub("'", "''") .. "')")
end

function Editor:wait_for(expression, seconds)
  self:until_true(seconds or 20, "not in time: " .. expression, function()
    local value = self:value(expression)
    return value == "1" or value == "v:true"
  end)
end

local function has_ended(self)
  local pid = shell.read(self.folder .. "/pid"):match("%d+")
  local stat = shell.read("/proc/" .. pid .. "/stat")
  return not stat or stat:match("%) (%a)") == "Z"
end

-- Waits until the editor has ended by itself.
function Editor:wait_end(seconds)
  self:until_true(seconds or 10, "it did not end", function()
    return has_ended(self)
  end)
  self.pipe:close()
  self.pipe = nil
  return tonumber(shell.read_if_there(self.folder .. "/status")), self:errors()
end

function Editor:stop()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
  shell.assert_runs("rm -rf " .. self.folder)
end

-- Runs a script in an editor of its own to its end.  Gives what it wrote to either output; raises
-- if it failed.
function neovim.run(script, before)
  local path = os.tmpname()
  shell.write(path, script)
  local ok, output = shell.run(("timeout 120 %s %s nvim --headless -u NONE -i NONE %s "
    .. "-c 'luafile %s' -c qa"):format(neovim.ENVIRONMENT, before or "",
    PLUGIN:format(here):gsub(" %-S .*", ""), path))
  os.remove(path)
  assert(ok, output)
  return (output:gsub("\r", ""))
end

return neovim
