-- Streams an answer to the terminal, delta by delta, and ends with a line of metrics.
--
--   lua5.4 examples/chat.lua [--gateway NAME] [--model MODEL] [--] PROMPT
--
-- Without --gateway it is the one whose key is in the environment (HOLYSHEEP_API_KEY,
-- OPENAI_API_KEY, DEEPSEEK_API_KEY, OPENROUTER_API_KEY); with no key, the local gateway that comes
-- with rill.

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "?.lua;" .. package.path

local connect = require("support.connect")

local PROMPT = "In two sentences: what is a rill, and what has it to do with streaming?"

-- { gateway, model, prompt }; leaves the program where that cannot be read.
local function options_of(list)
  local options, words, at = {}, {}, 1
  while list[at] do
    local name = list[at]:match("^%-%-(%l+)$")
    if list[at] == "--" then
      for rest = at + 1, #list do
        words[#words + 1] = list[rest]
      end
      break
    elseif (name == "gateway" or name == "model") and list[at + 1] then
      options[name] = list[at + 1]
      at = at + 2
    elseif name then
      io.stderr:write("usage: chat.lua [--gateway NAME] [--model MODEL] [--] PROMPT\n")
      os.exit(1)
    else
      words[#words + 1] = list[at]
      at = at + 1
    end
  end
  options.prompt = #words > 0 and table.concat(words, " ") or PROMPT
  return options
end

-- A number in a form for people, or a dash where it is not known.
local function shown(format, value)
  return value and format:format(value) or "-"
end

local function print_metrics(metrics)
  io.write(("[first token %s, %s tokens/s, %s tokens in, %s out, %s, cost %s]\n"):format(
    shown("%.0f ms", metrics.ttft and metrics.ttft * 1000),
    shown("%.1f", metrics.tokens_per_second),
    shown("%d", metrics.input_tokens),
    shown("%d", metrics.output_tokens),
    metrics.attempts == 1 and "1 attempt" or metrics.attempts .. " attempts",
    shown("$%.6f", metrics.cost)
  ))
end

local options = options_of(arg)

connect(function(ai, model, name)
  io.write(("[%s from %s]\n"):format(model, name))
  io.flush()
  local stream = ai:chat({
    model = model,
    messages = { { role = "user", content = options.prompt } },
  })
  for delta in stream:text() do
    io.write(delta)
    io.flush()
  end
  io.write("\n")
  print_metrics(stream:metrics())
end, options)
