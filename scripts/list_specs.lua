-- Prints the files of specs that a variant runs.  All of them, but for what stands in RULES: a new
-- file runs everywhere until somebody says here why it need not.
--
--   lua5.4 scripts/list_specs.lua 5.4-poll
--
-- A variant is a Lua (5.4, 5.3, 5.1, jit), and what it was built with: -poll (the engine waits by
-- poll()), -san (sanitizers).  What is once said of Luas holds for each of their builds.

-- files: how their paths begin.  luas: only those (nil: all).  never: builds that leave it out.
-- A file may stand in several.
local RULES = {
  -- Programs of their own, the same ones whatever runs the specs: a server and a client on Node,
  -- the scripted gateway.
  { files = { "spec/websocket/judge_spec", "spec/gateway_" }, luas = "5.4", never = "poll san" },
  -- These hosts bring a LuaJIT, and load its build of rill.
  {
    files = { "spec/loops/love_", "spec/loops/neovim_", "spec/loops/resty_" },
    luas = "jit", never = "poll san",
  },
  -- What is built here is built without sanitizers, ...
  { files = { "spec/embed_", "spec/install_" }, never = "san" },
  -- ... this always waits by epoll, ...
  { files = { "spec/embed_example_", "spec/install_" }, never = "poll" },
  -- ... and this is C for these Luas.
  { files = { "spec/embed_example_" }, luas = "5.4 5.3" },
  -- Its frame loop has a `for ... in` inside of a task, which 5.1 cannot suspend.
  { files = { "spec/readme_" }, luas = "5.4 5.3 jit" },
  -- A server or a listener of another make judges what C does, which is the same for each Lua.
  { files = { "spec/third_party/", "spec/websocket/strict_", "spec/voice_" }, luas = "5.4 jit" },
  -- Nothing waits here, or what waits asks for what bytes mean, not for when they come.  How the
  -- engine waits shows in spec/net, loops, regress, websocket, third_party and embed.
  {
    files = {
      "spec/core_lua/", "spec/docs_", "spec/examples_", "spec/local_gateway_", "spec/lua/",
      "spec/readme_", "spec/support/", "spec/voice_", "spec/wire/",
    },
    never = "poll",
  },
}

local function has_word(words, wanted)
  for word in words:gmatch("%S+") do
    if word == wanted then
      return true
    end
  end
  return false
end

local function begins(path, beginnings)
  for _, beginning in ipairs(beginnings) do
    if path:sub(1, #beginning) == beginning then
      return true
    end
  end
  return false
end

-- Whether a rule that is about a file lets a variant run it.
local function allows(rule, variant)
  local lua, builds = variant:match("^([^-]+)(.*)$")
  if rule.luas and not has_word(rule.luas, lua) then
    return false
  end
  for build in builds:gmatch("[^-]+") do
    if rule.never and has_word(rule.never, build) then
      return false
    end
  end
  return true
end

local function runs(path, variant)
  for _, rule in ipairs(RULES) do
    if begins(path, rule.files) and not allows(rule, variant) then
      return false
    end
  end
  return true
end

local function all_specs()
  local pipe = assert(io.popen("find spec -name '*_spec.lua' | LC_ALL=C sort"))
  local paths = {}
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  pipe:close()
  return paths
end

-- A rule about files that have gone misleads who reads it.
local function check_rules(paths)
  for _, rule in ipairs(RULES) do
    for _, beginning in ipairs(rule.files) do
      local has_file = false
      for _, path in ipairs(paths) do
        has_file = has_file or begins(path, { beginning })
      end
      assert(has_file, "no spec begins with " .. beginning)
    end
  end
end

local variant = assert(..., "which variant?")
local paths = all_specs()
check_rules(paths)
for _, path in ipairs(paths) do
  if runs(path, variant) then
    print(path)
  end
end
