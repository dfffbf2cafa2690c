-- SPDX-License-Identifier: MIT
--
-- The options that only sessions of the dialect realtime have, each with its check: what a value
-- must be, or nil.

local function word(value)
  if type(value) ~= "string" or value == "" then
    return "must be a string that is not empty"
  end
end

local function one_of(known, said)
  return function(value)
    return not known[value] and "must be one of " .. said or nil
  end
end

local audio_format = one_of({ pcm16 = true, g711_ulaw = true, g711_alaw = true },
  "\"pcm16\", \"g711_ulaw\", \"g711_alaw\"")

local function turn_detection(value)
  if value == false then
    return nil
  elseif type(value) == "table" then
    return type(value.type) ~= "string" and "must have a type, such as \"server_vad\"" or nil
  elseif value ~= "server_vad" and value ~= "semantic_vad" then
    return "must be \"server_vad\", \"semantic_vad\", a table { type = ... }, or false for none"
  end
end

local function transcribe(value)
  if type(value) ~= "boolean" and type(value) ~= "string" and type(value) ~= "table" then
    return "must be true, false, the name of a model, or a table { model = ... }"
  end
end

local function settings(value)
  return type(value) ~= "table" and "must be a table of further settings" or nil
end

local schema = {
  output = one_of({ text = true, audio = true }, "\"audio\", \"text\""),
  voice = word,
  input_format = audio_format,
  output_format = audio_format,
  turn_detection = turn_detection,
  transcribe = transcribe,
  session = settings,
}

-- Settings of the server's turn detection, as they would be written there.
local DETECTION = {
  interrupt_response = "\"server_vad\", interrupt_response = false",
  create_response = "\"server_vad\", create_response = false",
  threshold = "\"server_vad\", threshold = 0.5",
  prefix_padding_ms = "\"server_vad\", prefix_padding_ms = 300",
  silence_duration_ms = "\"server_vad\", silence_duration_ms = 500",
  eagerness = "\"semantic_vad\", eagerness = \"low\"",
}

--- Where a name belongs that is no option; nil: that is not known.
---@param name any
---@return string?
local function place_of(name)
  return DETECTION[name] and ("turn_detection = { type = %s }"):format(DETECTION[name])
end

return { schema = schema, place_of = place_of }
