-- rill installs by make and by LuaRocks, and then loads from anywhere.

local shell = require("spec.support.shell")

local LUA = os.getenv("RILL_LUA") or "5.4" -- 5.4, 5.3, 5.1, jit
local BIN = os.getenv("RILL_LUA_BIN") or "lua5.4"
local VERSION = LUA == "jit" and "5.1" or LUA

-- Loads rill from a tree, in a folder that has nothing to do with it, and prints its version.
local function load_from(tree)
  local code = [[local rill = require("rill"); assert(require("rill.core")); print(rill.version)]]
  local lua, c = tree .. "/share/lua/" .. VERSION, tree .. "/lib/lua/" .. VERSION
  return shell.assert_runs("cd / && " .. shell.CLEAN
    .. ("LUA_PATH='%s/?.lua;%s/?/init.lua;;' LUA_CPATH='%s/?.so;;' "):format(lua, lua, c)
    .. BIN .. " -e " .. shell.quoted(code))
end

describe("rill", function()
  local tree
  local expected = require("rill").version .. "\n"

  before_each(function()
    tree = os.tmpname()
    os.remove(tree)
    shell.assert_runs("mkdir " .. tree)
  end)

  after_each(function()
    shell.assert_runs("rm -rf " .. tree)
  end)

  local function make_install(variables)
    shell.assert_runs(shell.CLEAN .. "make -s install POLLER=epoll SANITIZE= LUA=" .. LUA .. " "
      .. variables)
  end

  it("installs with make", function()
    make_install("PREFIX=" .. tree)
    assert.are.equal(expected, load_from(tree))
  end)

  it("installs with make under a folder for packagers", function()
    make_install("PREFIX=/usr DESTDIR=" .. tree)
    assert.are.equal(expected, load_from(tree .. "/usr"))
  end)

  it("installs with LuaRocks", function()
    -- lua-cjson is Debian's; its rock is not asked for.
    local config = assert(io.open(tree .. "/config.lua", "w"))
    config:write('rocks_provided = { ["lua-cjson"] = "2.1.0-1" }\n')
    -- What is tried is that all is there; to optimise it takes most of the time.
    config:write('variables = { CFLAGS = "-O0 -fPIC" }\n')
    config:close()
    -- A copy, since LuaRocks leaves its objects beside the sources.
    shell.assert_runs("cp -r src lua LICENSE rill-scm-1.rockspec " .. tree)
    shell.assert_runs(("cd %s && %s LUAROCKS_CONFIG=%s/config.lua luarocks --lua-version=%s "
      .. "--tree=%s/rocks make rill-scm-1.rockspec"):format(tree, shell.CLEAN, tree, VERSION, tree))
    assert.are.equal(expected, load_from(tree .. "/rocks"))
  end)
end)
