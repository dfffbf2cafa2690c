-- The settings of a session of the local gateway's Realtime API: what they are at first, and how a
-- client changes them.

local json = require("support.json")

local realtime_settings = {}

local FORMAT = { type = "audio/pcm", rate = 24000 }

local VAD = {
  type = "server_vad", threshold = 0.5, prefix_padding_ms = 300, silence_duration_ms = 500,
  create_response = true, interrupt_response = true,
}

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local result = {}
  for key, inner in pairs(value) do
    result[key] = copy(inner)
  end
  return result
end

--- The settings of the nth session.
function realtime_settings.new(model, number)
  return {
    type = "realtime", object = "realtime.session", id = ("sess_local_%d"):format(number),
    model = model, output_modalities = { "audio" }, instructions = "", tools = json.empty,
    tool_choice = "auto", max_output_tokens = "inf",
    audio = {
      input = {
        format = copy(FORMAT), transcription = json.null, noise_reduction = json.null,
        turn_detection = copy(VAD),
      },
      output = { format = copy(FORMAT), voice = "alloy", speed = 1 },
    },
  }
end

-- Whether a value is an object and no list; an empty one may be either.
local function is_object(value)
  return type(value) == "table" and value[1] == nil
end

-- Lays the fields of one table over those of another.
local function merge(into, from)
  for key, value in pairs(from) do
    if is_object(value) and is_object(into[key]) then
      merge(into[key], value)
    else
      into[key] = value
    end
  end
end

-- What is wrong with one side of the audio, or nil.
local function problem_of_side(side, path)
  if not is_object(side) then
    return "Invalid type for '" .. path .. "': expected an object.", path
  end
  local format = type(side.format) == "table" and side.format.type
  if format and format ~= "audio/pcm" then
    return "Invalid value: '" .. tostring(format) .. "'. The local gateway knows 'audio/pcm'.",
      path .. ".format.type"
  end
end

-- What is wrong with the audio, or nil.
local function problem_of_audio(audio)
  if not is_object(audio) then
    return "Invalid type for 'session.audio': expected an object.", "session.audio"
  end
  for _, side in ipairs({ "input", "output" }) do
    local message, param
    if audio[side] ~= nil then
      message, param = problem_of_side(audio[side], "session.audio." .. side)
    end
    if message then
      return message, param
    end
  end
end

--- What is wrong with settings that shall be: message and parameter, or nil.
function realtime_settings.problem_of(settings)
  if settings.audio ~= nil then
    local message, param = problem_of_audio(settings.audio)
    if message then
      return message, param
    end
  end
  local modalities = settings.output_modalities
  local only = type(modalities) == "table" and #modalities == 1 and modalities[1]
  if modalities and only ~= "text" and only ~= "audio" then
    return "Invalid modalities. Supported combinations are: ['text'] and ['audio'].",
      "session.output_modalities"
  end
end

--- Lays changes over the settings.
function realtime_settings.change(settings, changes)
  local input = type(changes.audio) == "table" and changes.audio.input
  local detection = type(input) == "table" and input.turn_detection
  if type(detection) == "table" and settings.audio.input.turn_detection == json.null then
    settings.audio.input.turn_detection = copy(VAD)
  end
  merge(settings, changes)
  if type(settings.tools) == "table" then
    settings.tools = json.list(settings.tools)
  end
end

return realtime_settings
