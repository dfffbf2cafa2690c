-- SPDX-License-Identifier: MIT
--
-- Lua-cURL and lua-cjson in the bench: what a program writes without rill, lines cut by
-- `string.find` and every chunk decoded.  For the module `curl` as Debian has it, which has no
-- multi interface; common.lua has the arguments.

local common = dofile((arg[0]:match("^(.*/)") or "./") .. "common.lua")
local curl = require("curl")
local decode = require("cjson").decode

local find, sub = string.find, string.sub

local function take(payload)
  if payload ~= "[DONE]" then
    common.take_chunk(decode(payload))
  end
end

local rest = ""

local function feed(bytes)
  local size = #bytes
  if rest ~= "" then
    bytes = rest .. bytes
  end
  local from = 1
  local newline = find(bytes, "\n", from, true)
  while newline do
    if sub(bytes, from, from + 5) == "data: " then
      take(sub(bytes, from + 6, newline - 1))
    end
    from = newline + 1
    newline = find(bytes, "\n", from, true)
  end
  rest = sub(bytes, from)
  return size
end

assert(common.streams == 1, "one stream at a time is all that this client can do")
local easy = curl.easy_init()
easy:setopt(curl.OPT_URL, common.url)
easy:setopt(curl.OPT_WRITEFUNCTION, feed)
if os.getenv("BENCH_CACERT") then
  easy:setopt(curl.OPT_CAINFO, os.getenv("BENCH_CACERT"))
end
for _ = 1, common.requests do
  easy:perform()
end
common.report()
