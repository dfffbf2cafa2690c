local arguments = require("rill.arguments")
local json = require("rill.json")
local tools = require("rill.tools")

local codec = json.default()

local function noop() end

describe("the schemas of tools", function()
  it("are sent in OpenAI's form, in the order of their names", function()
    local parameters = { type = "object", properties = { a = { type = "string" } } }
    local given = {
      zebra = { call = noop },
      apple = { description = "an apple", parameters = parameters, strict = true, call = noop },
      shell = { type = "custom", description = "runs", format = { type = "text" }, call = noop },
    }
    assert.same({
      { type = "function", ["function"] = {
        name = "apple", description = "an apple", parameters = parameters, strict = true } },
      { type = "custom", custom = {
        name = "shell", description = "runs", format = { type = "text" } } },
      { type = "function", ["function"] = {
        name = "zebra", parameters = { type = "object", properties = {} } } },
    }, tools.wire(given))
  end)

  it("are followed by the tools of the list, as they are; none is nil", function()
    local search = { type = "web_search" }
    local wire = tools.wire({ search, one = { call = noop } })
    assert.equal("one", wire[1]["function"].name)
    assert.equal(search, wire[2])
    assert.is_nil(tools.wire({}))
  end)

  it("are refused where a field is wrong, by its name", function()
    local wrong = {
      ["field 'tools' must be a table by name"] = "x",
      ["tools.a must be a table such as { description, parameters, call }, not a function"] =
        { a = noop },
      ["unknown field 'tools.a.descripton', did you mean 'tools.a.description'?"] =
        { a = { descripton = "x" } },
      ["tools.a.call must be a function, not a string"] = { a = { call = "x" } },
      ["tools.a.parameters must be a table, not a boolean"] = { a = { parameters = true } },
      ["tools.a.type must be \"function\" or \"custom\""] = { a = { type = "other" } },
      ["tools[1] must be a table, not a string"] = { "search" },
    }
    for problem, given in pairs(wrong) do
      local said = tools.problem(given)
      assert.truthy(said and said:find(problem, 1, true), said)
    end
    assert.is_nil(tools.problem({ { type = "web_search" }, a = { call = noop } }))
  end)
end)

describe("the calls of a reply", function()
  local given = {
    { type = "function", ["function"] = { name = "theirs" } }, mine = { call = noop }, open = {},
  }

  it("are made, but for those that the server made itself", function()
    local mine, server = { name = "mine", kind = "function" }, { name = "s", kind = "server" }
    local list, is_ours = tools.wanted(given, { server, mine })
    assert.same({ { call = mine, index = 1 } }, list)
    assert.is_true(is_ours)
    assert.same({}, (tools.wanted(given, { server })))
  end)

  it("are the caller's where one of them is of a tool without a function", function()
    for _, name in ipairs({ "theirs", "open" }) do
      local list, is_ours = tools.wanted(given, { { name = "mine" }, { name = name } })
      assert.same({}, list)
      assert.is_false(is_ours)
    end
  end)
end)

describe("a call", function()
  local function call(tool, text, kind)
    return tools.call({ t = tool }, { name = "t", arguments = text, kind = kind }, { id = "c" },
      codec)
  end

  it("hands the decoded arguments and a context to the function", function()
    local seen
    local result = call({ call = function(...)
      seen = { ... }
      return "fine"
    end }, '{"a":[1,2],"b":null}')
    assert.same({ content = "fine", is_error = false }, result)
    assert.same({ { a = { 1, 2 } }, { id = "c" } }, seen)
  end)

  it("takes no arguments at all for an empty object", function()
    for _, text in ipairs({ "", " ", "{}" }) do
      assert.equal("0", call({ call = function(given)
        return next(given) == nil and 0
      end }, text).content)
    end
  end)

  it("of a custom tool has the text as it is", function()
    local tool = { type = "custom", call = function(text)
      return "<" .. text .. ">"
    end }
    assert.equal("<{not json>", call(tool, "{not json", "custom").content)
  end)

  it("gives strings as they are, and other values as JSON", function()
    for content, value in pairs({ ["a \"b\""] = 'a "b"', ["5"] = 5, ["false"] = false,
      ['{"a":[1,"x"]}'] = { a = { 1, "x" } } }) do
      local result = call({ call = function()
        return value
      end }, "{}")
      assert.same({ content = content, is_error = false }, result)
    end
    assert.equal("null", call({ call = noop }, "{}").content)
  end)

  it("that gives nil and an error tells the model, and the caller in full", function()
    local problem = { code = 7, message = "no station" }
    local result = call({ call = function()
      return nil, problem
    end }, "{}")
    assert.equal("Error: no station", result.content)
    assert.is_true(result.is_error)
    assert.equal(problem, result.error)
  end)

  it("that raises tells the model what, and the caller also where", function()
    local result = call({ call = function()
      error("it broke")
    end }, "{}")
    assert.equal("Error: it broke", result.content)
    assert.truthy(result.error:find("tools_spec.lua:%d+: it broke"))
    assert.truthy(result.traceback:find("tools_spec.lua", 1, true))
    result = call({ call = function()
      error(setmetatable({}, { __tostring = function() return "odd thing" end }))
    end }, "{}")
    assert.equal("Error: odd thing", result.content)
    result = call({ call = function()
      error({})
    end }, "{}")
    assert.equal("Error: the tool failed", result.content)
  end)

  it("with wrong arguments is not made, and the model is told why", function()
    local tool = { parameters = { type = "object", properties = { city = { type = "string" } },
      required = { "city" } }, call = function()
      error("called")
    end }
    for problem, text in pairs({
      ["Error: the arguments are not valid JSON"] = '{"city":',
      ["Error: wrong arguments: the arguments must be an object, not a list"] = "[1]",
      ["Error: wrong arguments: the arguments must be an object, not a string"] = '"Pai"',
      ["Error: wrong arguments: field 'city' is missing"] = "{}",
      ["Error: wrong arguments: field 'city' must be of type string, not a number"] = '{"city":5}',
    }) do
      local result = call(tool, text)
      assert.is_true(result.is_error)
      assert.equal(problem, result.content:sub(1, #problem))
    end
  end)

  it("of a tool that is not there names those that are", function()
    local given = { b = { call = noop }, a = { call = noop } }
    local result = tools.call(given, { name = "c", arguments = "{}" }, {}, codec)
    assert.equal("Error: there is no tool 'c'; there are: a, b", result.content)
    assert.is_true(result.is_error)
    assert.truthy(tools.call(given, {}, {}, codec).is_error)
  end)

  it("whose result is no UTF-8, or whose error is none, is an error that can be sent", function()
    for _, value in ipairs({ "caf\233", { name = "caf\233" } }) do
      local result = call({ call = function() return value end }, "{}")
      assert.equal("Error: the tool's result cannot be sent: it is not UTF-8", result.content)
      assert.is_true(result.is_error)
    end
    local result = call({ call = function() error("caf\233", 0) end }, "{}")
    assert.equal("Error: the tool failed, and says why in what is not UTF-8", result.content)
    assert.equal("caf\233", result.error)
  end)

  it("whose result JSON cannot hold is an error", function()
    local result = call({ call = function()
      return { f = noop }
    end }, "{}")
    assert.equal("Error: the tool's result cannot be sent: result.f is a function, which JSON "
      .. "cannot hold", result.content)
  end)
end)

describe("arguments", function()
  local schema = {
    type = "object",
    properties = {
      n = { type = "integer" }, x = { type = "number" }, ok = { type = "boolean" },
      unit = { type = "string", enum = { "C", "F" } },
      maybe = { type = { "string", "null" } }, nullable = { type = "string", nullable = true },
      days = { type = "array", items = { type = "integer" } },
      place = { type = "object", properties = { city = { type = "string" } },
        required = { "city" } },
    },
  }

  it("fit where every field that is there has its type", function()
    for _, text in ipairs({
      "{}", '{"n":3,"x":1.5,"ok":false,"unit":"C"}', '{"days":[]}', '{"days":[1,2]}',
      '{"place":{"city":"Pai"}}', '{"more":{"than":["asked"]}}', '{"maybe":null}',
    }) do
      assert.is_nil(arguments.problem(codec.decode(text), schema))
    end
  end)

  it("do not fit where one has not, and the field is named", function()
    for text, problem in pairs({
      ['{"n":1.5}'] = "field 'n' must be of type integer, not a number",
      ['{"ok":"yes"}'] = "field 'ok' must be of type boolean, not a string",
      ['{"unit":"K"}'] = "field 'unit' must be one of: C, F",
      ['{"maybe":1}'] = "field 'maybe' must be of type string or null, not a number",
      ['{"days":{"a":1}}'] = "field 'days' must be of type array, not an object",
      ['{"days":[1,"2"]}'] = "field 'days[2]' must be of type integer, not a string",
      ['{"place":{}}'] = "field 'place.city' is missing",
      ['{"place":["Pai"]}'] = "field 'place' must be of type object, not a list",
    }) do
      assert.equal(problem, arguments.problem(codec.decode(text), schema))
    end
  end)

  it("that are required may be null where the schema says so", function()
    local strict = { type = "object", properties = schema.properties,
      required = { "maybe", "nullable" } }
    assert.is_nil(arguments.problem({}, strict))
    strict.required = { "n" }
    assert.equal("field 'n' is missing", arguments.problem({}, strict))
    strict.required = { "unknown" }
    assert.equal("field 'unknown' is missing", arguments.problem({}, strict))
  end)

  it("never raise on a schema that is none", function()
    for _, odd in ipairs({ {}, { type = 5 }, { properties = 1, required = 2 },
      { type = "object", properties = { a = 3 }, required = { "a" } }, { type = "thing" } }) do
      assert.has_no.errors(function()
        arguments.problem({ a = 1 }, odd)
      end)
    end
    local endless = { type = "object", properties = {} }
    endless.properties.a = endless
    local value = {}
    value.a = value
    assert.is_nil(arguments.problem(value, endless))
  end)
end)
