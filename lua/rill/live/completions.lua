-- SPDX-License-Identifier: MIT
--
-- Chat completions over a socket: a question is the body of a request, an answer the chunks that a
-- stream would have, one a message, and then `[DONE]`.

local encoding = require("rill.live.encoding")
local openai = require("rill.providers.openai")

local completions = {
  name = "completions",
  format = "openai",
  provider = openai,
  fallback = "openai",
  path = "/chat/completions",
}

function completions.new(context)
  return context
end

local encoder = encoding.provider(openai, function() end)

--- The frame that asks for a turn.
function completions.ask(context, turn)
  local body, problem = encoding.encode(encoder, context, turn)
  return body and { body }, problem
end

--- A chunk with an error may be followed by the word that ends every answer.
function completions.afterword(_, payload, ended)
  return ended[1], payload:find("^%s*%[DONE%]%s*$") ~= nil
end

return completions
