-- A task that waited in a function that C had called (table.sort, string.gsub; on Lua 5.1 also
-- pcall and `for ... in`) counted as waiting, although Lua had refused to yield: its error was
-- lost, and later it was resumed once more, which said "cannot resume dead coroutine".

local Gateway = require("spec.support.gateway")
local ask = require("spec.support.ask")
local rill = require("rill")
local sse = require("spec.support.sse")

local IS_PUC_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")

local opened = {}

-- Its second half comes once it is called for: until then there is something to wait for.
local function open_half()
  local steps = { sse.chunk("a"), { wait = "go" }, sse.answer("b") }
  local stream, route = ask.chat({ { steps = steps } })
  opened[#opened + 1] = stream
  return stream, route
end

local function call_for_rest(route)
  Gateway.start():signal(route, "go")
end

local function open()
  local stream, route = open_half()
  call_for_rest(route)
  return stream
end

after_each(function()
  for _, stream in ipairs(opened) do
    stream:close()
  end
  opened = {}
end)

describe("a task that waits where Lua cannot yield", function()
  it("fails with Lua's own words, and the others go on", function()
    local text
    rill.go(function()
      table.sort({ 1, 2 }, function()
        return open_half():result() == nil
      end)
    end)
    rill.go(function()
      text = open():result().text
    end)
    local ok, err = pcall(rill.run)
    assert.is_false(ok)
    assert.truthy(err:find("attempt to yield across", 1, true))
    assert.equal("ab", text)
  end)

  it("may take the error and go on", function()
    local refused, text
    rill.go(function()
      local stream, route = open_half()
      refused = select(2, pcall(table.sort, { 1, 2 }, function()
        return stream:result() == nil
      end))
      call_for_rest(route)
      text = stream:result().text
      coroutine.yield()
      text = text .. open():result().text
    end)
    rill.run()
    assert.truthy(refused:find("attempt to yield across", 1, true))
    assert.equal("abab", text)
  end)

  it("may end before the news come that it could not wait for", function()
    local ended = 0
    local stream, route = ask.chat({ { steps = { { wait = "go" }, sse.answer("a") } } })
    rill.go(function()
      pcall(table.sort, { 1, 2 }, function()
        return stream:result() == nil
      end)
      ended = ended + 1
    end)
    rill.go(function()
      while ended == 0 do
        coroutine.yield()
      end
      call_for_rest(route)
      assert.equal("a", stream:result().text)
      ended = ended + 1
    end)
    rill.run()
    assert.equal(2, ended)
    assert.equal(0, rill.step(0))
  end)

  if IS_PUC_51 then
    it("is told the same in an iterator and a pcall of its own on Lua 5.1", function()
      local _, err
      rill.go(function()
        local stream = open_half()
        for event in function() return stream:next() end do
          assert(event.type ~= "done") -- what is there already needs no wait
        end
      end)
      _, err = pcall(rill.run)
      assert.truthy(err:find("attempt to yield across", 1, true))
      rill.go(function()
        _, err = pcall(function() return open_half():result() end)
      end)
      rill.run()
      assert.truthy(err:find("attempt to yield across", 1, true))
    end)
  end
end)
