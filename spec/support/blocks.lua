-- The Lua blocks of a page, as programs.
--
--   blocks.of("README.md")                -- their sources, in order
--   blocks.run(source, environment, name) -- name: of the page, for messages

-- luacheck: read globals setfenv loadstring

local blocks = {}

function blocks.of(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  local list = {}
  for block in text:gmatch("```lua\n(.-)\n```") do
    list[#list + 1] = block
  end
  return list
end

function blocks.run(source, environment, name)
  if setfenv then
    local chunk = assert(loadstring(source, "=" .. name))
    setfenv(chunk, environment)
    return chunk()
  end
  return assert(load(source, "=" .. name, "t", environment))()
end

return blocks
