-- The JSON scan of the core by itself, chunk by chunk.
--
--   local scanner = scanning.new("gemini")
--   local class, facts = scanner('{"candidates":[]}')
--
-- What comes back is said in scanning.c.

local scanning = {}

local FORMATS = { openai = 0, responses = 1, anthropic = 2, gemini = 3, ollama = 4, chat = 5,
  realtime = 6 }

local SOURCES = "spec/support/scanning.c src/core/json_*.c src/core/bytes.c"

local module

-- Compiled with the Lua that runs, the first time that it is needed.
local function compile()
  local name = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
  local path = os.tmpname()
  local ok = os.execute(("gcc -shared -fPIC -O1 -Isrc -o %s $(pkg-config --cflags %s) %s")
    :format(path, name, SOURCES))
  assert(ok == true or ok == 0, "spec/support/scanning.c does not compile")
  local open = assert(package.loadlib(path, "luaopen_scanning"))
  os.remove(path)
  return open()
end

function scanning.new(format)
  module = module or compile()
  return module.new(assert(FORMATS[format], format))
end

return scanning
