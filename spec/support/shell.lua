-- Commands of the system, for specs of programs.
--
--   local ok, output = shell.run("ls /")
--   local output = shell.assert_runs("ls /")
--   local bytes = shell.read("README.md")   -- a whole file
--   shell.write("copy", bytes)
--
-- A command gets this process's environment, so its own rill too: begin it with shell.LUA for the
-- Lua under test.  shell.CLEAN in front of a command takes away what a test run sets for itself:
-- paths of Lua, make's flags and everybody's API keys; shell.KEYLESS takes the keys alone.

local shell = {}

local KEYS = "HOLYSHEEP_API_KEY OPENAI_API_KEY DEEPSEEK_API_KEY OPENROUTER_API_KEY"

shell.KEYLESS = "env" .. (" " .. KEYS):gsub(" ", " -u ") .. " "
shell.CLEAN = shell.KEYLESS .. "-u LUA_PATH -u LUA_CPATH -u MAKEFLAGS -u MAKELEVEL "

-- A sanitized build needs the sanitizer's library loaded first; see unpreload.c.
local preload = os.getenv("RILL_PRELOAD")
shell.LUA = (preload and "env LD_PRELOAD='" .. preload .. "' " or "")
  .. (os.getenv("RILL_LUA_BIN") or "lua5.4") .. " "

function shell.quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- nil and why where there is none.
function shell.read_if_there(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, problem
  end
  local bytes = file:read("*a")
  file:close()
  return bytes
end

function shell.read(path)
  return assert(shell.read_if_there(path))
end

function shell.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

-- Whether it succeeded, and what it said on either output.
function shell.run(command)
  local log = os.tmpname()
  local status = os.execute("{ " .. command .. "\n} >" .. log .. " 2>&1 </dev/null")
  local output = shell.read(log)
  os.remove(log)
  return status == true or status == 0, output
end

function shell.assert_runs(command)
  local ok, output = shell.run(command)
  assert(ok, command .. "\n" .. output)
  return output
end

return shell
