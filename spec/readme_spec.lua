-- The Lua blocks of the README, run one after another as one program against the local gateway.

local blocks = require("spec.support.blocks")

describe("the README", function()
  it("shows programs that run", function()
    package.path = "examples/?.lua;" .. package.path
    local gateway = require("support.local_gateway").start({ rate = 5000 })
    finally(function()
      gateway:stop()
    end)
    local rill = require("rill")
    local written, completed, drawn = {}, nil, nil
    local request = { model = "m", messages = { { role = "user", content = "hello" } } }
    local environment = setmetatable({
      cities = { "Chiang Mai", "Oslo" }, answers = {}, bubble = "", love = {},
      request = request,
      as_json = {
        model = "m", messages = request.messages,
        response_format = { type = "json_schema", json_schema = { name = "n", schema = {
          type = "object", properties = { name = { type = "string" } },
        } } },
      },
      print = function() end,
      io = { write = function(text) written[#written + 1] = text end, stderr = io.stderr },
      os = { getenv = function() return "key-of-mine" end },
      draw = function(value) drawn = value end,
    }, { __index = _G })
    function environment.ask()
      return request
    end
    function environment.require()
      return setmetatable({
        client = function(options)
          options.api_key, options.base_url = "key-of-mine", gateway.base_url
          return rill.client(options)
        end,
      }, { __index = rill })
    end
    local source = table.concat(blocks.of("README.md"), "\n")
      :gsub("on_complete = function%(full%) end", "on_complete = function(full) done(full) end")
      :gsub("\nlocal ", "\n") -- more of them than one function may have
    function environment.done(full)
      completed = full
    end

    blocks.run(source, environment, "README.md")
    rill.run()
    local answer = "You asked: “hello”"
    local text = table.concat(written)
    for _, expected in ipairs({ "You asked: “Why is the sky blue?”", "thunderstorms",
      "You asked: “And at sunset?”" }) do
      assert.is_truthy(text:find(expected, 1, true), expected)
    end
    assert.is_truthy(environment.answers["Oslo"]:find(answer, 1, true))
    assert.is_truthy(environment.bubble:find(answer, 1, true))
    assert.is_truthy(completed:find(answer, 1, true))
    assert.equal("string", type(drawn.name))
    assert.is_truthy(environment.answer.text:find(answer, 1, true))
    assert.is_nil(environment.problem)
    assert.equal("table", type(environment.models[1]))
    assert.equal(2, #environment.embedded.vectors)
    assert.equal("rill.client", getmetatable(environment.cached).__name)
  end)
end)
