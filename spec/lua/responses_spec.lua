local feed = require("spec.support.feed")
local fixtures = require("spec.support.fixtures")
local json = require("rill.json").default()
local mutants = require("spec.support.mutants")
local payloads = require("spec.support.payloads")
local responses = require("rill.providers.responses")

local CREATED = '{"type":"response.created","response":{"id":"resp_1","model":"gpt","output":[]}}'

-- An event by its type without "response." and its other members.
local function event(kind, fields)
  return ('{"type":"response.%s"%s}'):format(kind, fields and "," .. fields or "")
end

local function added(index, item)
  return event("output_item.added", ('"output_index":%d,"item":%s'):format(index, item))
end

local function done(index, item)
  return event("output_item.done", ('"output_index":%d,"item":%s'):format(index, item))
end

local function text_delta(text, part)
  return event("output_text.delta", ('"output_index":0,"content_index":%d,"delta":"%s"')
    :format(part or 0, text))
end

local function text_done(text, part)
  return event("output_text.done", ('"output_index":0,"content_index":%d,"text":"%s"')
    :format(part or 0, text))
end

local function part_done(part, index)
  return event("content_part.done", ('"output_index":0,"content_index":%d,"part":%s')
    :format(index or 0, part))
end

local function message(...)
  local parts = {}
  for i, text in ipairs({ ... }) do
    parts[i] = ('{"type":"output_text","text":"%s","annotations":[]}'):format(text)
  end
  return ('{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[%s]}')
    :format(table.concat(parts, ","))
end

local function completed(output)
  return event("completed", ([["response":{"id":"resp_1","model":"gpt","status":"completed",
    "output":[%s],"usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,
    "input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},
    "output_tokens_details":{"reasoning_tokens":3}}}]]):format(output or ""))
end

-- What C keeps to itself while only text is wanted.
local function is_plain(chunk)
  local logprobs = chunk.logprobs
  if chunk.type == "response.output_text.delta" and not (logprobs and logprobs[1]) then
    return "text", chunk.delta
  elseif chunk.type == "response.reasoning_text.delta"
    or chunk.type == "response.reasoning_summary_text.delta" then
    return "reasoning", chunk.delta
  end
end

local function events_of(chunks)
  return feed(responses, chunks).events
end

local function only(list, kind)
  local found = {}
  for _, one in ipairs(list) do
    if one.type == kind then
      found[#found + 1] = one
    end
  end
  return found
end

-- Text and reasoning that a stream adds up to, whether Lua sees its deltas or not.
local function texts(chunks)
  local seen, hidden = feed(responses, chunks), feed(responses, chunks, { is_plain = is_plain })
  assert.equal(seen.reply.text, hidden.reply.text)
  assert.equal(seen.reply.reasoning, hidden.reply.reasoning)
  return seen.reply.text, seen.reply.reasoning
end

-- Every type that WIRE_FORMATS and the vendor's kit know, and what comes of an event of it that has
-- nothing but its type.
local TYPES = {
  "created", "queued", "in_progress", "output_item.added", "output_item.done",
  "content_part.added", "content_part.done", "output_text.delta", "output_text.done",
  "output_text.annotation.added", "refusal.delta", "refusal.done",
  "mcp_call.in_progress", "mcp_call.completed", "mcp_call.failed", "mcp_list_tools.in_progress",
  "mcp_list_tools.completed", "mcp_list_tools.failed", "file_search_call.in_progress",
  "file_search_call.searching", "file_search_call.completed", "web_search_call.in_progress",
  "web_search_call.searching", "web_search_call.completed", "code_interpreter_call.in_progress",
  "code_interpreter_call.interpreting", "code_interpreter_call.completed",
  "code_interpreter_call_code.delta", "code_interpreter_call_code.done",
  "image_generation_call.in_progress", "image_generation_call.generating",
  "image_generation_call.partial_image", "image_generation_call.completed",
  "shell_call_command.added", "shell_call_command.delta", "shell_call_command.done",
  "shell_call_output_content.delta", "shell_call_output_content.done", "reasoning_text.delta",
  "reasoning_text.done", "reasoning_summary_part.added", "reasoning_summary_part.done",
  "reasoning_summary_text.delta", "reasoning_summary_text.done", "audio.delta", "audio.done",
  "audio.transcript.delta", "audio.transcript.done", "compaction.compacting", "steer",
  "steer.accepted", "steer.pending", "steer.failed", "inject", "inject.created", "inject.failed",
  "from_the_future",
}

describe("an answer of the Responses format", function()
  it("starts with its id and model, once", function()
    assert.same({ { type = "start", id = "resp_1", model = "gpt" }, { type = "other" } },
      events_of({ CREATED, event("in_progress", '"response":{"id":"resp_1","model":"gpt"}') }))
  end)

  it("passes on as other every event that says nothing of the answer", function()
    for _, kind in ipairs(TYPES) do
      assert.same({ { type = "other" } }, events_of({ event(kind) }), kind)
    end
    assert.same({ { type = "other" } }, events_of({ '{"type":"keepalive"}' }))
    assert.same({ { type = "other" } }, events_of({ "{}" }))
  end)

  it("gives text, reasoning of both kinds, refusals and audio as they come", function()
    for _, case in ipairs({
      { event("output_text.delta", '"delta":"a","logprobs":[]'), { type = "text", text = "a" } },
      { event("output_text.delta", '"delta":"a","logprobs":[{"token":"a","logprob":-1}]'),
        { type = "text", text = "a", logprobs = { { token = "a", logprob = -1 } } } },
      { event("reasoning_text.delta", '"delta":"r"'), { type = "reasoning", text = "r" } },
      { event("reasoning_summary_text.delta", '"delta":"r"'), { type = "reasoning", text = "r" } },
      { event("refusal.delta", '"delta":"no"'), { type = "refusal", text = "no" } },
      { event("audio.delta", '"delta":"AAAA"'), { type = "audio", data = "decoded AAAA" } },
      { event("audio.transcript.delta", '"delta":"hi"'), { type = "audio", transcript = "hi" } },
      { event("output_text.annotation.added", '"annotation":{"url":"u"}'),
        { type = "citation", citation = { url = "u" } } },
    }) do
      assert.same({ case[2] }, events_of({ case[1] }))
    end
  end)

  it("ends with what it cost and why it ended", function()
    assert.same({
      { type = "start", id = "resp_1", model = "gpt" },
      { type = "usage", input_tokens = 10, output_tokens = 5, total_tokens = 15,
        cached_tokens = 4, cache_write_tokens = 2, reasoning_tokens = 3 },
      { type = "done", finish_reason = "stop", native_finish_reason = "completed" },
    }, events_of({ completed() }))
  end)

  it("may be incomplete for a reason", function()
    for reason, shared in pairs({ max_output_tokens = "length", content_filter = "content_filter" })
    do
      local seen = feed(responses, { text_delta("a"), event("incomplete",
        ('"response":{"incomplete_details":{"reason":"%s"}}'):format(reason)) }).reply
      assert.same({ shared, shared }, { seen.finish_reason, responses.finish_reason(reason) })
      assert.equal(reason ~= shared and reason or nil, seen.native_finish_reason)
    end
    for details, word in pairs({ ['{"reason":"bored"}'] = "bored", ["null"] = "incomplete" }) do
      local list = events_of({ event("incomplete",
        '"response":{"incomplete_details":' .. details .. "}") })
      assert.same({ { type = "done", finish_reason = word } }, only(list, "done"))
    end
  end)

  it("that fails says what the failure says", function()
    for chunk, said in pairs({
      ['{"type":"error","code":"server_error","message":"m","param":null}'] =
        { message = "m", code = "server_error" },
      ['{"type":"error","error":{"type":"insufficient_quota","code":"q","message":"m"}}'] =
        { message = "m", code = "q", type = "insufficient_quota" },
      ['{"type":"error","status":400,"error":{"code":"previous_response_not_found",'
        .. '"message":"m"}}'] =
        { message = "m", code = "previous_response_not_found", status = 400 },
      [event("failed", '"response":{"status":"failed","error":{"code":"rate_limit_exceeded",'
        .. '"message":"slow"}}')] = { message = "slow", code = "rate_limit_exceeded" },
      [event("failed")] = { message = "the response failed" },
      ['{"type":"error"}'] = {},
    }) do
      assert.same(said, feed(responses, { chunk }).said)
    end
  end)
end)

describe("a text of the Responses format", function()
  it("is given once, though four events repeat it", function()
    assert.equal("Tea.", (texts({
      CREATED, added(0, '{"type":"message","content":[]}'), event("content_part.added"),
      text_delta("Te"), text_delta("a."), text_done("Tea."),
      part_done('{"type":"output_text","text":"Tea."}'), done(0, message("Tea.")),
      completed(message("Tea.")),
    })))
  end)

  it("is not lost where only one event tells it", function()
    local PART = '{"type":"output_text","text":"Tea."}'
    for _, chunks in ipairs({
      { text_done("Tea.") }, { part_done(PART) }, { done(0, message("Tea.")) },
      { text_done("Tea."), part_done(PART), done(0, message("Tea.")) },
      { part_done(PART), done(0, message("Tea.")) }, {},
    }) do
      chunks[#chunks + 1] = completed(message("Tea."))
      assert.equal("Tea.", (texts(chunks)))
    end
  end)

  it("is whole in several parts, whichever events there are", function()
    for _, chunks in ipairs({
      { text_delta("a"), text_delta("b", 1) },
      { text_delta("a"), text_done("a"), text_delta("b", 1), text_done("b", 1) },
      { text_done("a"), text_done("b", 1) },
      { text_delta("a"), text_done("a"), text_done("b", 1) },
      { text_delta("a"), text_delta("b", 1), done(0, message("a", "b")) },
      { text_delta("a"), text_done("a"), text_delta("b", 1), done(0, message("a", "b")) },
      { done(0, message("a", "b")) },
      { done(0, message("a")), done(1, message("b")) },
      {},
    }) do
      chunks[#chunks + 1] = completed(message("a", "b"))
      assert.equal("ab", (texts(chunks)))
    end
  end)

  it("is not doubled where events number its parts in another way than the answer", function()
    assert.equal("a", (texts({
      event("output_text.done", '"item_id":"x","text":"a"'),
      event("content_part.done", '"item_id":"x","part":{"type":"output_text","text":"a"}'),
      completed(message("a")),
    })))
    assert.equal("ab", (texts({
      event("output_text.done", '"output_index":0,"text":"a"'), done(0, message("a")),
      event("output_text.done", '"output_index":2,"text":"b"'), done(2, message("b")),
      completed(message("a") .. "," .. message("b")),
    })))
  end)

  it("has its citations once", function()
    local CITED = '{"type":"output_text","text":"a","annotations":[{"url":"u"}]}'
    local ITEM = '{"type":"message","content":[' .. CITED .. "]}"
    local TOLD = event("output_text.annotation.added",
      '"output_index":0,"content_index":0,"annotation":{"url":"u"}')
    for _, chunks in ipairs({
      { text_delta("a"), TOLD, text_done("a"), part_done(CITED), done(0, ITEM) },
      { text_delta("a"), part_done(CITED), done(0, ITEM) }, { done(0, ITEM) }, { TOLD }, {},
      { event("output_text.annotation.added", '"item_id":"x","annotation":{"url":"u"}') },
    }) do
      chunks[#chunks + 1] = completed(ITEM)
      assert.same({ { url = "u" } }, feed(responses, chunks).reply.citations)
    end
  end)

  it("may be a refusal, told once", function()
    local PART = '{"type":"refusal","refusal":"no"}'
    local ITEM = '{"type":"message","content":[' .. PART .. "]}"
    local PLACE = '"output_index":0,"content_index":0,'
    for _, chunks in ipairs({
      { event("refusal.delta", PLACE .. '"delta":"no"'),
        event("refusal.done", PLACE .. '"refusal":"no"'), part_done(PART), done(0, ITEM) },
      { event("refusal.done", PLACE .. '"refusal":"no"'), done(0, ITEM) },
      { event("refusal.delta", PLACE .. '"delta":"no"') }, { done(0, ITEM) }, {},
      { event("refusal.delta", '"item_id":"x","delta":"no"') },
    }) do
      chunks[#chunks + 1] = completed(ITEM)
      assert.equal("no", feed(responses, chunks).reply.refusal)
    end
  end)
end)

describe("reasoning of the Responses format", function()
  local ITEM = [[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},
    {"type":"summary_text","text":"b"}]}]]

  local function summary(kind, index, name, text)
    return event("reasoning_summary_text." .. kind,
      ('"output_index":0,"summary_index":%d,"%s":"%s"'):format(index, name, text))
  end

  it("is given once, whichever events tell it", function()
    for _, chunks in ipairs({
      { summary("delta", 0, "delta", "a"), summary("done", 0, "text", "a"),
        summary("delta", 1, "delta", "b"), summary("done", 1, "text", "b"),
        event("reasoning_summary_part.done",
          '"output_index":0,"summary_index":1,"part":{"type":"summary_text","text":"b"}'),
        done(0, ITEM) },
      { summary("delta", 0, "delta", "a"), summary("delta", 1, "delta", "b"), done(0, ITEM) },
      { summary("done", 0, "text", "a"), summary("done", 1, "text", "b"), done(0, ITEM) },
      { done(0, ITEM) }, { summary("delta", 0, "delta", "ab") }, {},
    }) do
      chunks[#chunks + 1] = completed(ITEM)
      assert.equal("ab", select(2, texts(chunks)))
    end
  end)

  it("may be in plain words", function()
    local PLAIN = '{"type":"reasoning","content":[{"type":"reasoning_text","text":"hm"}]}'
    assert.equal("hm", select(2, texts({ event("reasoning_text.delta",
      '"output_index":0,"content_index":0,"delta":"hm"'), event("reasoning_text.done",
      '"output_index":0,"content_index":0,"text":"hm"'), done(0, PLAIN), completed(PLAIN) })))
    assert.equal("hm", select(2, texts({ completed(PLAIN) })))
  end)
end)

describe("a tool call of the Responses format", function()
  local FUNCTION = [[{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f",
    "arguments":"%s","status":"completed"}]]
  local BEGUN, WHOLE = FUNCTION:format(""), FUNCTION:format([[{\"a\":1}]])
  local function call(arguments, is_done, kind)
    return { type = "tool_call", index = 0, id = "call_1", name = "f", kind = kind or "function",
      arguments = arguments, done = is_done }
  end
  local function grown(text)
    return event("function_call_arguments.delta",
      ('"output_index":0,"item_id":"fc_1","delta":"%s"'):format(text))
  end
  local CLOSED = event("function_call_arguments.done",
    [["output_index":0,"item_id":"fc_1","arguments":"{\"a\":1}"]])

  it("comes in pieces and then whole, once", function()
    assert.same({ call("", false), call('{"a"', false), call(":1}", false), call('{"a":1}', true) },
      only(events_of({ added(0, BEGUN), grown([[{\"a\"]]), grown(":1}"), CLOSED, done(0, WHOLE),
        completed(WHOLE) }), "tool_call"))
  end)

  it("is whole, whichever events tell it", function()
    for _, chunks in ipairs({
      { added(0, BEGUN), CLOSED }, { added(0, BEGUN), done(0, WHOLE) }, { done(0, WHOLE) },
      { added(0, BEGUN), grown([[{\"a\":1}]]) }, { added(0, WHOLE), done(0, WHOLE) }, {},
    }) do
      chunks[#chunks + 1] = completed(WHOLE)
      local reply = feed(responses, chunks).reply
      assert.same({ { id = "call_1", name = "f", kind = "function", arguments = '{"a":1}' } },
        reply.tool_calls)
      assert.equal("tool_calls", reply.finish_reason)
    end
  end)

  it("is found by its item where there is no index, and by the index where items rotate", function()
    local by_id = feed(responses, {
      event("output_item.added", '"item":' .. BEGUN),
      event("function_call_arguments.delta", [["item_id":"fc_1","delta":"{}"]]),
      event("function_call_arguments.done", [["item_id":"fc_1","arguments":"{}"]]),
    })
    assert.same({ "call_1", "{}" },
      { by_id.reply.tool_calls[1].id, by_id.reply.tool_calls[1].arguments })
    local by_index = feed(responses, {
      added(0, BEGUN),
      event("function_call_arguments.delta", [["output_index":0,"item_id":"other","delta":"{}"]]),
      event("function_call_arguments.done", [["output_index":0,"item_id":"third"]]),
    })
    assert.equal(1, #by_index.reply.tool_calls)
    assert.equal("{}", by_index.reply.tool_calls[1].arguments)
  end)

  it("is not doubled by an answer that knows it by another id", function()
    local reply = feed(responses, {
      event("output_item.added", '"item":' .. BEGUN:gsub("fc_1", "fc_0")), completed(WHOLE),
    }).reply
    assert.equal(1, #reply.tool_calls)
  end)

  it("may begin with its arguments, and be named at its end", function()
    local reply = feed(responses, {
      event("function_call_arguments.delta", [["output_index":0,"item_id":"fc_1","delta":"{}"]]),
      done(0, FUNCTION:format("{}")),
    }).reply
    assert.same({ { id = "call_1", name = "f", kind = "function", arguments = "{}" } },
      reply.tool_calls)
  end)

  it("stays apart from the others", function()
    local second = BEGUN:gsub("call_1", "call_2"):gsub("fc_1", "fc_2")
    local reply = feed(responses, { added(0, BEGUN), added(1, second), grown("{}"),
      event("function_call_arguments.delta", [["output_index":1,"item_id":"fc_2","delta":"[]"]]),
      completed() }).reply
    assert.same({ "call_1", "{}", "call_2", "[]" }, {
      reply.tool_calls[1].id, reply.tool_calls[1].arguments,
      reply.tool_calls[2].id, reply.tool_calls[2].arguments,
    })
  end)

  it("may take free text", function()
    local CUSTOM = [[{"type":"custom_tool_call","id":"ct_1","call_id":"call_1","name":"f",
      "input":"%s"}]]
    local function input(kind, field, text)
      return event("custom_tool_call_input." .. kind,
        ('"output_index":0,"item_id":"ct_1","%s":"%s"'):format(field, text))
    end
    assert.same({ call("", false, "custom"), call("SELECT", false, "custom"),
      call("SELECT 1", true, "custom") }, only(events_of({ added(0, CUSTOM:format("")),
      input("delta", "delta", "SELECT"), input("done", "input", "SELECT 1"),
      done(0, CUSTOM:format("SELECT 1")) }), "tool_call"))
    assert.equal("SELECT 1",
      feed(responses, { done(0, CUSTOM:format("SELECT 1")) }).reply.tool_calls[1].arguments)
  end)

  it("that the provider runs is marked, and does not await an output", function()
    for item, said in pairs({
      ['{"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search",'
        .. '"query":"tea"}}'] =
        { "ws", "web_search", '{"action":{"query":"tea","type":"search"}}' },
      ['{"type":"code_interpreter_call","id":"ci","code":"1+1","container_id":"c","outputs":[]}'] =
        { "ci", "code_interpreter", '{"code":"1+1"}' },
      ['{"type":"file_search_call","id":"fs","queries":["q"],"results":[{"text":"t"}]}'] =
        { "fs", "file_search", '{"queries":["q"]}' },
      ['{"type":"mcp_call","id":"mcp","name":"roll","server_label":"d","arguments":"{\\"n\\":2}",'
        .. '"output":"7"}'] = { "mcp", "roll", '{"n":2}' },
      ['{"type":"image_generation_call","id":"ig","result":"AAAA"}'] =
        { "ig", "image_generation", "" },
      ['{"type":"shell_call","id":"sh","call_id":"c","environment":{"type":"container_reference"'
        .. '},"action":{"commands":["ls"]}}'] =
        { "c", "shell", '{"action":{"commands":["ls"]},"environment":{"type":'
          .. '"container_reference"}}' },
    }) do
      local reply = feed(responses, { added(0, item), done(0, item), completed(item) }).reply
      assert.same({ { id = said[1], name = said[2], kind = "server", arguments = said[3] } },
        reply.tool_calls)
      assert.equal("stop", reply.finish_reason)
    end
  end)

  it("of a tool of the vendor's that the caller runs has what to do as its arguments", function()
    local reply = feed(responses, { done(0, [[{"type":"apply_patch_call","id":"ap",
      "call_id":"call_1","status":"completed","operation":{"type":"delete_file"}}]]),
      completed() }).reply
    assert.same({ { id = "call_1", name = "apply_patch", kind = "custom",
      arguments = '{"operation":{"type":"delete_file"}}' } }, reply.tool_calls)
    assert.equal("tool_calls", reply.finish_reason)
  end)

  it("of an MCP server comes in pieces", function()
    local reply = feed(responses, {
      added(0, '{"type":"mcp_call","id":"mcp","name":"roll","arguments":""}'),
      event("mcp_call_arguments.delta", [["output_index":0,"item_id":"mcp","delta":"{}"]]),
      event("mcp_call_arguments.done", [["output_index":0,"item_id":"mcp","arguments":"{}"]]),
    }).reply
    assert.same({ { id = "mcp", name = "roll", kind = "server", arguments = "{}" } },
      reply.tool_calls)
  end)
end)

-- A turn with everything that must be sent back.
local ITEMS = {
  [[{"type":"reasoning","id":"rs_1","status":"completed","encrypted_content":"secret",
    "summary":[{"type":"summary_text","text":"hm"}]}]],
  [[{"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"commentary",
    "content":[{"type":"output_text","text":"Well.","logprobs":[],"annotations":[{"url":"u"}]}]}]],
  '{"type":"web_search_call","id":"ws_1","status":"completed","action":{"query":"tea"}}',
  [[{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"f",
    "arguments":"{}"}]],
}

local NATIVE = {
  { type = "reasoning", id = "rs_1", encrypted_content = "secret",
    summary = { { type = "summary_text", text = "hm" } } },
  { type = "message", id = "msg_1", role = "assistant", phase = "commentary",
    content = { { type = "output_text", text = "Well." } } },
  { type = "web_search_call", id = "ws_1", status = "completed", action = { query = "tea" } },
  { type = "function_call", id = "fc_1", call_id = "call_1", name = "f", arguments = "{}" },
}

local function turn()
  local chunks = { CREATED }
  for i, item in ipairs(ITEMS) do
    chunks[#chunks + 1] = done(i - 1, item)
  end
  chunks[#chunks + 1] = completed(table.concat(ITEMS, ","))
  return chunks
end

describe("what an answer of the Responses format needs to be sent back", function()
  it("is its items, in order", function()
    local native = { format = "responses", items = NATIVE }
    assert.same(native, feed(responses, turn()).reply:message().native)
    assert.same(native, feed(responses, { CREATED, completed(table.concat(ITEMS, ",")) })
      .reply:message().native)
    assert.same(native, feed(responses, { CREATED, done(1, ITEMS[2]), done(0, ITEMS[1]),
      done(3, ITEMS[4]), done(2, ITEMS[3]) }).reply:message().native)
  end)

  it("is nothing where a message says it all", function()
    assert.is_nil(feed(responses, { done(0, message("a")), completed() }).reply:message().native)
    assert.is_nil(feed(responses, { CREATED }).reply:message().native)
  end)

  it("is a message, too, that says which phase of the answer it is", function()
    assert.same({ NATIVE[2] },
      feed(responses, { done(0, ITEMS[2]), completed() }).reply:message().native.items)
  end)

  it("goes to the server as it came, without ids that it has not kept", function()
    local reply = feed(responses, turn()).reply:message()
    local function input(store)
      local _, body = responses.request({}, { model = "gpt", store = store,
        messages = { { role = "user", content = "Tea?" }, reply,
          { role = "tool", tool_call_id = "call_1", content = "done" } } })
      return body.input
    end
    local stored, sent = input(true), input(nil)
    for i, item in ipairs(NATIVE) do
      assert.same(item, stored[i + 1])
      assert.is_nil(sent[i + 1].id)
      assert.equal(item.type, sent[i + 1].type)
      assert.equal(item.status, sent[i + 1].status) -- calls besides functions need it
    end
    assert.equal("secret", sent[2].encrypted_content)
    assert.same({ type = "function_call_output", call_id = "call_1", output = "done" }, sent[6])
  end)
end)

describe("an answer of the Responses format in one piece", function()
  local function whole(fields)
    return feed(responses, { '{"object":"response","id":"resp_1","model":"gpt",' .. fields .. "}" },
      { whole = true })
  end

  it("gives what the stream gives", function()
    local streamed = feed(responses, turn()).reply
    local reply = whole([["status":"completed","output":[]] .. table.concat(ITEMS, ",") .. [[],
      "usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,
      "input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},
      "output_tokens_details":{"reasoning_tokens":3}}]]).reply
    for _, name in ipairs({ "text", "reasoning", "tool_calls", "usage", "finish_reason", "id",
      "model", "citations" }) do
      assert.same(streamed[name], reply[name], name)
    end
    assert.same(NATIVE, reply:message().native.items)
  end)

  it("may be incomplete, unfinished or an error", function()
    assert.equal("length", whole([["status":"incomplete","output":[],
      "incomplete_details":{"reason":"max_output_tokens"}]]).reply.finish_reason)
    assert.is_nil(whole('"status":"queued","output":[]').reply.finish_reason)
    assert.equal("cancelled", whole('"status":"cancelled","output":[]').reply.finish_reason)
    assert.same({ message = "m", code = "server_error" },
      whole('"status":"failed","error":{"code":"server_error","message":"m"}').said)
    assert.same({ message = "m" }, whole('"error":{"message":"m"}').said)
    assert.same({ message = "the response failed" }, whole('"status":"failed"').said)
  end)
end)

describe("the recorded streams of the Responses format", function()
  -- Some hold several answers, which the kit adds up.
  local function answers_of(body)
    local answers = {}
    for _, payload in ipairs(payloads(body)) do
      if payload:find('"type":"response.created"', 1, true) or not answers[1] then
        answers[#answers + 1] = {}
      end
      table.insert(answers[#answers], payload)
    end
    return answers
  end

  local function assert_calls(expected, calls)
    for i, wanted in ipairs(expected) do
      assert.same({ wanted.id, wanted.name, wanted.arguments or wanted.input },
        { calls[i].id, calls[i].name, calls[i].arguments })
    end
  end

  local function assert_sums(fixture, plain)
    local expected, text, reasoning, calls = fixture.expected.responses, {}, {}, {}
    local last
    for _, chunks in ipairs(answers_of(fixture.body)) do
      last = feed(responses, chunks, { is_plain = plain })
      text[#text + 1], reasoning[#reasoning + 1] = last.reply.text, last.reply.reasoning
      for _, call in ipairs(last.reply.tool_calls) do
        calls[#calls + 1] = call
      end
    end
    assert.is_true(fixtures.is_text(expected.text, table.concat(text)))
    assert.is_true(expected.reasoning_summary == ""
      or fixtures.is_text(expected.reasoning_summary, table.concat(reasoning)))
    assert_calls(expected.tool_calls, calls)
    assert.equal(expected.error and expected.error.code, last.said and last.said.code)
    assert.equal(expected.status, last.reply.native_finish_reason)
    local usage = expected.usage or {}
    assert.equal(usage.total_tokens, last.reply.usage and last.reply.usage.total_tokens)
  end

  local list, pool, has_seen = {}, turn(), {}
  for _, fixture in ipairs(fixtures.recorded("openai-responses")) do
    for _, payload in ipairs(payloads(fixture.body)) do
      pool[#pool + 1] = payload
    end
    if fixture.expected then
      list[#list + 1] = fixture
    end
    has_seen[fixture.name] = true
  end

  for _, fixture in ipairs(list) do
    it("add up to what the vendor's kit makes of " .. fixture.name, function()
      assert_sums(fixture, nil)
      assert_sums(fixture, is_plain)
    end)
  end

  it("are here", function()
    if next(has_seen) == nil then
      pending(fixtures.absence())
    end
  end)

  it("never make the provider raise, whatever is wrong in them", function()
    local state = responses.new_state()
    state.encode = json.encode
    for chunk, note in mutants(pool, 4000) do
      if math.random(50) == 1 then
        state = responses.new_state()
        state.encode = json.encode
      end
      state.text_length, state.reasoning_length = math.random(0, 9), math.random(0, 9)
      for _, read in ipairs({ responses.events, responses.whole }) do
        local ok, events, said = pcall(read, chunk, state)
        assert.is_true(ok, ("%s: %s"):format(note, tostring(events)))
        assert.is_truthy(events and events[1].type or said, note)
      end
      local ok, problem = pcall(responses.native, state, { text = "abc", reasoning = "def" })
      assert.is_true(ok, ("%s: %s"):format(note, tostring(problem)))
    end
  end)
end)
