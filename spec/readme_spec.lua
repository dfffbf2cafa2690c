-- The Lua blocks of the README, run one after another as one program against the scripted gateway.

-- luacheck: read globals setfenv loadstring

local Gateway = require("spec.support.gateway")
local sse = require("spec.support.sse")

local function lua_blocks()
  local file = assert(io.open("README.md"))
  local text = file:read("*a")
  file:close()
  local blocks = {}
  for block in text:gmatch("```lua\n(.-)\n```") do
    blocks[#blocks + 1] = block
  end
  return blocks
end

local function run(source, environment)
  if setfenv then
    local chunk = assert(loadstring(source, "=README.md"))
    setfenv(chunk, environment)
    return chunk()
  end
  return assert(load(source, "=README.md", "t", environment))()
end

describe("the README", function()
  -- There the frame loop would use `for ... in` inside a task, which this Lua cannot.
  if os.getenv("RILL_LUA") == "5.1" then
    return
  end

  it("shows programs that run", function()
    local rill = require("rill")
    local route = Gateway.start():script({ sse.answer({ "Because ", "of ", "Rayleigh." }) })
    local written, completed = {}, nil
    local environment = setmetatable({
      cities = { "Chiang Mai", "Oslo" }, answers = {}, bubble = "", love = {},
      request = { model = "m", messages = { { role = "user", content = "hello" } } },
      print = function() end,
      io = { write = function(text) written[#written + 1] = text end, stderr = io.stderr },
      os = { getenv = function() return "key-of-mine" end },
    }, { __index = _G })
    function environment.ask()
      return environment.request
    end
    function environment.require()
      return setmetatable({
        client = function(options)
          options.api_key, options.base_url = "key-of-mine", route.base_url
          return rill.client(options)
        end,
      }, { __index = rill })
    end
    local source = table.concat(lua_blocks(), "\n")
      :gsub("on_complete = function%(full%) end", "on_complete = function(full) done(full) end")
    function environment.done(full)
      completed = full
    end

    run(source, environment)
    rill.run()
    assert.equal("Because of Rayleigh.", table.concat(written))
    assert.equal("Because of Rayleigh.", environment.answers["Oslo"])
    assert.equal("Because of Rayleigh.", environment.bubble)
    assert.equal("Because of Rayleigh.", completed)
  end)
end)
