local cjson = require("cjson")
local json = require("rill.json")

describe("json.encode", function()
  local codec = json.default()

  local function fails(value)
    local text, problem = codec.encode(value, {}, "request")
    assert.is_nil(text)
    return problem
  end

  it("encodes what cjson does", function()
    assert.same({ a = { 1, "x", true } }, cjson.decode(codec.encode({ a = { 1, "x", true } })))
  end)

  it("writes empty tables as lists only where the field is known to hold one", function()
    assert.equal("{\"stop\":[]}", codec.encode({ stop = {} }, { stop = true }))
    assert.equal("{\"properties\":{}}", codec.encode({ properties = {} }, { stop = true }))
    assert.equal("{\"a\":{\"stop\":[]}}", codec.encode({ a = { stop = {} } }, { stop = true }))
  end)

  it("keeps every string as it is, also beside an empty table", function()
    local bytes = {}
    for i = 0, 127 do
      bytes[#bytes + 1] = string.char(i)
    end
    local text = table.concat(bytes) .. "ภาษาไทย 👋 {}"
    assert.equal(text, cjson.decode(codec.encode({ a = text, stop = {} }, { stop = true })).a)
  end)

  it("keeps whole numbers whole and fractions exact", function()
    assert.truthy(codec.encode({ seed = 9007199254740991 }):find("9007199254740991", 1, true))
    assert.equal("{\"t\":0.7}", codec.encode({ t = 0.7 }))
    local slow = require("rill.json_encode")
    assert.equal("[0.1,1e+300,-5,0.33333333333333331]", slow({ 0.1, 1e300, -5, 1 / 3 }))
  end)

  it("names the field that JSON cannot hold", function()
    assert.equal("request.messages[2].content is a function, which JSON cannot hold",
      fails({ messages = { { content = "x" }, { content = print } } }))
    assert.equal("request.tools is a thread, which JSON cannot hold",
      fails({ tools = coroutine.create(function() end) }))
  end)

  it("names lists with holes, cycles and numbers beyond JSON", function()
    assert.equal("request.a is neither a list without holes nor a table with names: it has the "
      .. "key 1", fails({ a = { 1, nil, 3 } }):gsub("key %d", "key 1"))
    local loop = {}
    loop.inner = { loop }
    assert.equal("request.a.inner[1] contains itself", fails({ a = loop }))
    assert.equal("request.a is not a number that JSON can hold", fails({ a = 0 / 0 }))
    assert.equal("request.a is not a number that JSON can hold", fails({ a = math.huge }))
  end)

  it("encodes one table that is used twice", function()
    local shared = { stop = {} }
    assert.equal("[{\"stop\":[]},{\"stop\":[]}]", codec.encode({ shared, shared }, { stop = true }))
  end)

  it("writes null where it is asked to", function()
    assert.equal("{\"a\":null,\"stop\":[]}",
      codec.encode({ a = cjson.null, stop = {} }, { stop = true }))
  end)
end)

describe("json.decode", function()
  local codec = json.default()

  it("gives nil for null, at any depth", function()
    assert.same({ a = { { b = 1 } } },
      codec.decode("{\"x\":null,\"a\":[{\"b\":1,\"c\":null}],\"y\":null}"))
  end)

  it("keeps the positions of a list that has nulls", function()
    local list = codec.decode("[1,null,3]")
    assert.equal(1, list[1])
    assert.is_nil(list[2])
    assert.equal(3, list[3])
  end)

  it("gives nil and cjson's words for what is no JSON", function()
    local value, problem = codec.decode("{\"a\":")
    assert.is_nil(value)
    assert.truthy(problem:find("Expected value", 1, true))
  end)

  it("refuses null alone, NaN and hexadecimal numbers", function()
    assert.is_nil((codec.decode("null")))
    assert.is_nil((codec.decode("[NaN]")))
    assert.is_nil((codec.decode("[0x1F]")))
  end)

  it("leaves the settings of the program's own cjson alone", function()
    assert.is_true((pcall(cjson.decode, "[0x1F]")))
    assert.is_true((pcall(cjson.encode, { 1, nil, 3 })))
  end)
end)

describe("another codec", function()
  after_each(function()
    json.use(nil)
  end)

  it("takes cjson's place", function()
    local own = { encode = function() return "ENCODED" end, decode = function() return { 1 } end }
    json.use(own)
    assert.equal("ENCODED", json.default().encode({}))
    assert.same({ 1 }, json.default().decode("anything"))
    json.use(nil)
    assert.equal("[1]", json.default().encode({ 1 }))
  end)

  it("may return nil and a message in place of raising", function()
    local wrapped = json.wrap({ encode = tostring, decode = function() return nil, 1, "bad" end })
    local value, problem = wrapped.decode("x")
    assert.is_nil(value)
    assert.equal("bad", problem)
  end)

  it("need not say what its null is, nor that its empty table is a list", function()
    local null = setmetatable({}, { __tostring = function() return "null" end })
    local own = {
      encode = function(value)
        return (cjson.encode(value):gsub("{}", "[]"))
      end,
      decode = function(text)
        return text == "[null]" and { null } or { a = null, b = { null, 1 } }
      end,
    }
    local wrapped = json.wrap(own)
    assert.same({ b = { [2] = 1 } }, wrapped.decode('{"a":null,"b":[null,1]}'))
    assert.equal('{"properties":{}}', wrapped.encode({ properties = {} }))
    assert.equal('{"stop":[]}', wrapped.encode({ stop = {} }, { stop = true }))
    assert.equal('{"a":null}', wrapped.encode({ a = null }))
  end)

  it("is found in Neovim where lua-cjson is missing", function()
    local seen = {}
    package.loaded.cjson, package.preload.cjson = nil, function()
      error("not here")
    end
    rawset(_G, "vim", { NIL = {}, json = {
      encode = function(value)
        seen[1] = value
        return "by vim"
      end,
      decode = tostring,
    } })
    json.use(nil)
    local ok, text = pcall(function()
      return json.default().encode({ 1 })
    end)
    rawset(_G, "vim", nil)
    package.loaded.cjson, package.preload.cjson = cjson, nil
    json.use(nil)
    assert.is_true(ok, text)
    assert.equal("by vim", text)
    assert.same({ { 1 } }, seen)
  end)

  it("is refused if it lacks a function", function()
    assert.has_error(function() json.use({ encode = tostring }) end,
      "rill.use_json: the codec must have a function decode")
    assert.has_error(function() json.use("dkjson") end,
      "rill.use_json: the codec must be a table with encode and decode, not a string")
  end)
end)

describe("half a surrogate pair", function()
  local mended = require("rill.json_surrogates").mended

  it("becomes U+FFFD, and nothing else changes", function()
    for text, wanted in pairs({
      ["\\ud83d"] = "\\ufffd", ["\\ude00x"] = "\\ufffdx", ["\\uD83D\\u0041"] = "\\ufffd\\u0041",
      ["\\ud83d\\ud83d\\ude00"] = "\\ufffd\\ud83d\\ude00", ["\\\\\\udfff\\\\"] = "\\\\\\ufffd\\\\",
    }) do
      assert.equal(wanted, mended(text))
      assert.same(cjson.decode('["' .. wanted .. '"]'), json.default().decode('["' .. text .. '"]'))
    end
    for _, text in ipairs({
      "", "x", "\\ud83d\\ude00", "\\\\ud83d", "\\ud7ff\\ue000", "\\ud8", "\\",
    }) do
      assert.is_nil(mended(text))
    end
    assert.is_nil((json.default().decode("[\"\\ud83d")))
  end)
end)
