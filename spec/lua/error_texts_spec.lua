local json = require("rill.json")
local texts = require("rill.error_texts")

local function read_body(body, content_type)
  return texts.read_body(body, content_type, json.default().decode)
end

local function message(body, content_type)
  return read_body(body, content_type).message
end

describe("what a server says of an error", function()
  it("comes from the shapes of JSON that servers use", function()
    for body, said in pairs({
      ["{\"error\":{\"message\":\"a\",\"type\":\"t\",\"code\":null}}"] = "a",
      ["{\"error\":\"b\"}"] = "b", ["{\"message\":\"c\"}"] = "c", ["{\"detail\":\"d\"}"] = "d",
      ["{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"e\",\"type\":\"t\"}]}"] = "e",
      ["[{\"error\":{\"message\":\"f\",\"code\":400}}]"] = "f",
      ["{\"error\":{\"message\":\"g\",\"metadata\":{\"raw\":\"behind it\"}}}"] = "g: behind it",
      ["{\"type\":\"x\",\"response\":{\"error\":{\"message\":\"i\",\"code\":\"j\"}}}"] = "i",
      ["{\"error\":{\"code\":\"h\"}}"] = "h", ["{\"error\":{}}"] = "an error without a message",
    }) do
      local read = read_body(body)
      assert.same({ said, true }, { read.message, read.is_error })
    end
  end)

  it("is no error where nothing says so", function()
    for _, body in ipairs({ "{}", "[]", "{\"choices\":[]}", "{\"message\":{}}",
      "{\"response\":{\"error\":null}}", "{\"response\":1}" }) do
      assert.is_false(read_body(body).is_error)
    end
    assert.is_nil(texts.read("error"))
  end)

  it("is the text where there is no JSON", function()
    assert.equal("upstream connect error", message("upstream connect error\n"))
    assert.equal("{broken", message("{broken"))
    assert.is_nil(message(" \n"))
    assert.is_nil(message(nil))
  end)

  it("is the title of an HTML page", function()
    assert.equal("502 Bad Gateway", message("<html>\r\n<head><title>502 Bad Gateway</title></head>"
      .. "<body><center><h1>502</h1></center></body></html>", "text/html; charset=utf-8"))
  end)

  it("is the text of an HTML page without a title, shortened", function()
    local text = message("<!DOCTYPE html><style>p{}</style><p>" .. ("waiting &amp; room "):rep(60))
    assert.equal("waiting & room waiting", text:sub(1, 22))
    assert.is_true(#text <= 200)
    assert.is_nil(text:find("p{}", 1, true))
  end)

  it("is never cut inside a character", function()
    for pad = 0, 3 do
      local cut = texts.shorten(("x"):rep(pad) .. ("ก"):rep(100))
      assert.is_true(#cut <= 200)
      assert.equal(0, (#cut - pad - 3) % 3)
    end
  end)
end)
