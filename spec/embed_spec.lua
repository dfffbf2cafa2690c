-- librill.a: what it exports, what it holds, and what programs in C and C++ can do with it.

local Gateway = require("spec.support.gateway")
local shell = require("spec.support.shell")
local sse = require("spec.support.sse")

local LUA = os.getenv("RILL_LUA") or "5.4" -- 5.4, 5.3, 5.1, jit
local VARIANT = os.getenv("RILL_VARIANT") or "5.4"
local POLLER = VARIANT:find("-poll", 1, true) and "poll" or "epoll"
local LUA_NAME = LUA == "jit" and "luajit" or "lua" .. LUA
local STATIC_LUA = LUA == "jit" and "libluajit-5.1.a" or ("liblua%s.a"):format(LUA)
local BUILD = "build/" .. LUA .. (POLLER == "poll" and "-poll" or "")
local IS_PUC_51 = LUA == "5.1"

local gateway = Gateway.start()

-- Where rill is installed, and what is built and written here.
local tree = os.tmpname()
os.remove(tree)

local function make(target)
  shell.assert_runs(shell.CLEAN .. "make -s " .. target .. " SANITIZE= LUA=" .. LUA .. " POLLER="
    .. POLLER .. " PREFIX=" .. tree)
end

-- Builds spec/embed/host.c as a compiler likes it, against what is installed.
local function build(name, compiler, link_flags)
  shell.assert_runs(([[PKG_CONFIG_PATH=%s/lib/pkgconfig && export PKG_CONFIG_PATH
    %s -Wall -Wextra -Werror $(pkg-config --cflags rill %s) -o %s/%s spec/embed/host.c \
    %s $(pkg-config --libs rill) -Wl,--no-whole-archive -l:%s -lm -ldl]]):format(
    tree, compiler, LUA_NAME, tree, name, link_flags or "", STATIC_LUA))
end

-- Runs lines of Lua in a host; they know no path, and have `url`, where an answer "one two" is.
local function script(lines)
  local route = gateway:script({ { steps = {
    sse.role(), sse.chunk("one"), { sleep = 0.01 }, sse.answer(" two"),
  } } })
  local path = tree .. "/script.lua"
  local file = assert(io.open(path, "w"))
  file:write(([[local url = %q
    if package then package.path, package.cpath = "", "" end
    local function options() return { base_url = url, api_key = "k" } end
    local request = { model = "m", messages = { { role = "user", content = "hi" } } }
    ]]):format(route.base_url), lines)
  file:close()
  return path
end

local CODEC = [[require("rill").use_json(dofile("examples/embed/json.lua"))
  ]]

local function run(name, lines, environment)
  return shell.run((environment or "") .. " timeout 20 " .. tree .. "/" .. name .. " "
    .. script(lines))
end

local function prints(name, lines)
  local ok, output = run(name, lines)
  assert.is_true(ok, output)
  return output
end

describe("librill.a", function()
  setup(function()
    make("install-lib")
    build("host", "gcc")
  end)

  teardown(function()
    shell.assert_runs("rm -rf " .. tree)
  end)

  it("exports luaopen_rill and luaopen_rill_core, and nothing else", function()
    local names = {}
    for name in shell.assert_runs("nm -g --defined-only " .. tree .. "/lib/librill.a")
      :gmatch("%x+ %a ([%w_]+)") do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ "luaopen_rill", "luaopen_rill_core" }, names)
  end)

  it("holds every Lua file as it is", function()
    local dump = tree .. "/dump"
    shell.assert_runs(("gcc -Isrc -o %s spec/embed/dump.c %s/objects/embed/modules.c && %s >%s.out")
      :format(dump, BUILD, dump, dump))
    local text, at, count, before = shell.read(dump .. ".out"), 1, 0, ""
    while at <= #text do
      local name, path, length, from = text:match("^([^\n]+)\n@([^\n]+)\n(%d+)\n()", at)
      assert.equal((path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")), name)
      assert.is_true(before < path) -- whatever order the file system has
      at, before = from + tonumber(length), path
      assert.is_true(text:sub(from, at - 1) == shell.read("lua/" .. path), path)
      count = count + 1
    end
    assert.equal(tonumber(shell.assert_runs("find lua -name '*.lua' | wc -l")), count)
  end)

  it("is made of the same bytes wherever one stands", function()
    local embed = shell.quoted(shell.assert_runs("pwd"):match("[^\n]+") .. "/scripts/embed.sh")
    shell.assert_runs(("cd / && LC_ALL=C.UTF-8 %s | cmp - %s"):format(
      embed, shell.quoted(shell.assert_runs("pwd"):match("[^\n]+")) .. "/" .. BUILD
        .. "/objects/embed/modules.c"))
  end)

  it("opens without a path, and loads a module when it is first required", function()
    assert.equal("0.1.0 nil true\n", prints("host", [[
      local rill = require("rill")
      local before = package.loaded["rill.client"]
      rill.client(options())
      print(rill.version .. " " .. tostring(before) .. " "
        .. tostring(package.loaded["rill.client"] == require("rill.client")))]]))
  end)

  it("streams an answer", function()
    local found = prints("host", CODEC .. [[
      local stream = require("rill").client(options()):chat(request)
      local texts = {}
      for text in stream:text() do texts[#texts + 1] = text end
      print(table.concat(texts, "|"), stream:result().outcome)]])
    assert.equal("one| two\tcomplete\n", found)
  end)

  it("runs tasks from a frame loop", function()
    local found = prints("host", CODEC .. [[
      local rill = require("rill")
      local texts, frames = {}, 0
      for i = 1, 2 do
        rill.go(function() texts[i] = rill.client(options()):chat(request):result().text end)
      end
      repeat frames = frames + 1 until rill.step(0) == 0
      print(texts[1], texts[2], frames > 2)]])
    assert.equal("one two\tone two\ttrue\n", found)
  end)

  it("names files and lines in errors", function()
    local _, output = run("host", [[
      local rill = require("rill")
      print(select(2, xpcall(function() rill.client({ gateway = "locl" }) end, debug.traceback)))]])
    assert.truthy(output:find("did you mean 'local'?", 1, true))
    local line = tonumber(output:match("\n%s*rill/init%.lua:(%d+): in function"))
    local at = 0
    for text in io.lines("lua/rill/init.lua") do
      at = at + 1
      if at == line then
        assert.truthy(text:find('require("rill.client").new(options)', 1, true))
      end
    end
    assert.is_true(line ~= nil and line <= at)
  end)

  it("leaves modules alone that the program has put there", function()
    assert.equal("mine\n", prints("host", [[
      package.preload["rill.errors"] = function() return "mine" end
      require("rill")
      print((require("rill.errors")))]]))
  end)

  it("serves scripts in a sandbox, which have nothing but a client", function()
    assert.equal("one two\n", prints("host", CODEC .. [[
      local code = "return ai:chat(request):result().text"
      local sandbox = { ai = require("rill").client(options()), request = request }
      local chunk = setfenv and setfenv(loadstring(code), sandbox)
        or load(code, "=script", "t", sandbox)
      print(chunk())]]))
  end)

  it("gives its core to Lua files from a path", function()
    assert.equal("one two\t@lua/rill/init.lua\n", prints("host", [[
      for name in pairs(package.preload) do
        if name ~= "rill.core" then package.preload[name] = nil end
      end
      package.preload["rill.core"] = open_rill_core
      package.path = "lua/?.lua;lua/?/init.lua"
      ]] .. CODEC .. [[
      print(require("rill").client(options()):chat(request):result().text,
        debug.getinfo(require("rill").client, "S").source)]]))
  end)

  it("says what is missing in a state without Lua's libraries", function()
    local ok, output = shell.run(tree .. "/host --bare " .. script("open_rill()"))
    assert.is_false(ok)
    assert.truthy(output:find("rill needs the library 'package': call luaL_openlibs", 1, true))
  end)

  it("says what to do where there is no JSON codec", function()
    local ok, output = run("host", [[require("rill").client(options()):chat(request)]])
    assert.is_false(ok)
    assert.truthy(output:find("or another codec given to rill.use_json", 1, true))
  end)

  it("finds cjson's shared module in a program that exports its Lua", function()
    build("exporting", "gcc", "-Wl,-E")
    assert.equal("one two\n", prints("exporting", ([[
      package.cpath = %q
      print(require("rill").client(options()):chat(request):result().text)]]):format(
      package.cpath)))
  end)

  it("does not clash with a program's names, linked as a whole", function()
    build("whole", "gcc", "-Wl,--whole-archive")
    assert.equal("one two\n", prints("whole", CODEC .. [[
      print(require("rill").client(options()):chat(request):result().text)]]))
  end)

  it("serves C++", function()
    build("plus", "clang -x c++ -std=c++17", "-x none")
    assert.equal("one two\n", prints("plus", CODEC .. [[
      print(require("rill").client(options()):chat(request):result().text)]]))
  end)

  it("leaks nothing, whatever is open when its state is closed", function()
    local ok, output = shell.run("timeout 60 valgrind -q --leak-check=full --error-exitcode=9 "
      .. tree .. "/host " .. script(CODEC .. [[
        local rill = require("rill")
        local done = rill.client(options()):chat(request)
        open = rill.client(options()):chat(request)
        print(done:result().text)]]))
    assert.is_true(ok, output)
    assert.truthy(output:find("one two\n", 1, true))
  end)

  if IS_PUC_51 then
    it("says in a task that `for` cannot wait on Lua 5.1, and next can", function()
      local ok, output = run("host", CODEC .. [[
        local rill = require("rill")
        local ai = rill.client(options())
        for _, name in ipairs({ "text", "events", "json" }) do
          rill.go(function()
            local stream = ai:chat(request)
            for _ in stream[name](stream) do print("never") end
          end)
          print(pcall(rill.run))
        end
        rill.go(function()
          local stream = ai:chat(request)
          local event = stream:next()
          while event do
            if event.text then print(event.text) end
            event = stream:next()
          end
        end)
        rill.run()]])
      assert.is_true(ok, output)
      for _, name in ipairs({ "text", "events", "json" }) do
        assert.truthy(output:find("stream:" .. name
          .. ": this Lua cannot wait inside `for ... in` in a task: call stream:next() in a loop",
          1, true))
      end
      assert.falsy(output:find("never", 1, true))
      assert.truthy(output:find("\none\n two\n", 1, true))
    end)
  end
end)
