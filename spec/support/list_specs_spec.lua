-- scripts/list_specs.lua: what a variant need not run, and that nothing is left out by all of them.

local shell = require("spec.support.shell")

-- What `make test-all` runs, and what `make test SANITIZE=1` does.
local VARIANTS = { "5.4", "5.3", "5.1", "jit", "5.4-poll" }
local SANITIZED = "5.4-san"

local function set_of(output)
  local set = {}
  for path in output:gmatch("%S+") do
    set[path] = true
  end
  return set
end

local function list(variant)
  return set_of(shell.assert_runs("lua5.4 scripts/list_specs.lua " .. variant))
end

describe("the list of specs", function()
  it("leaves no file to nobody", function()
    local run = {}
    for _, variant in ipairs(VARIANTS) do
      for path in pairs(list(variant)) do
        run[path] = true
      end
    end
    assert.are.same(set_of(shell.assert_runs("find spec -name '*_spec.lua'")), run)
  end)

  it("gives a host that brings its Lua to the one build that it loads", function()
    for _, variant in ipairs({ "5.4", "5.1", "5.4-poll", SANITIZED }) do
      assert.is_nil(list(variant)["spec/loops/neovim_spec.lua"], variant)
    end
    assert.is_true(list("jit")["spec/loops/neovim_spec.lua"])
  end)

  it("gives poll() what waits, and the sanitizers all that runs our C", function()
    local poll, sanitized = list("5.4-poll"), list(SANITIZED)
    assert.is_true(poll["spec/net/engine_spec.lua"])
    assert.is_true(poll["spec/loops/luv_spec.lua"])
    assert.is_nil(poll["spec/core_lua/utf8_spec.lua"])
    assert.is_true(sanitized["spec/core_lua/utf8_spec.lua"])
    assert.is_nil(sanitized["spec/install_spec.lua"])
  end)

  it("knows what a file of any other variant is by its Lua and its build", function()
    assert.is_nil(list("jit-san")["spec/loops/love_spec.lua"])
    assert.is_nil(list("5.1-poll")["spec/readme_spec.lua"])
    assert.is_true(list("5.1-poll-san")["spec/net/engine_spec.lua"])
  end)
end)
