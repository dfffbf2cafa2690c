-- SPDX-License-Identifier: MIT
--
-- Presets: where a gateway is, which environment variables may hold its key, and what it speaks.

---@class rill.Gateway
---@field base_url string
---@field url_variable string? an environment variable whose value takes the place of base_url
---@field key_variables string[]? where a key is looked for; nil: it needs none
---@field provider string the wire format
---@field dialect string? what live sessions speak there; nil: it has to be named
---@field refuses_usage boolean? whether `stream_options.include_usage` is an error there

---@type table<string, rill.Gateway>
local gateways = {
  holysheep = {
    base_url = "https://api.holysheep.ai/v1",
    key_variables = { "HOLYSHEEP_API_KEY" },
    provider = "openai",
    dialect = "chat",
  },
  openai = {
    base_url = "https://api.openai.com/v1",
    key_variables = { "OPENAI_API_KEY" },
    provider = "openai",
    dialect = "responses",
  },
  deepseek = {
    base_url = "https://api.deepseek.com/v1",
    key_variables = { "DEEPSEEK_API_KEY" },
    provider = "openai",
  },
  openrouter = {
    base_url = "https://openrouter.ai/api/v1",
    key_variables = { "OPENROUTER_API_KEY" },
    provider = "openai",
  },
  anthropic = {
    base_url = "https://api.anthropic.com/v1",
    key_variables = { "ANTHROPIC_API_KEY" },
    provider = "anthropic",
  },
  gemini = {
    base_url = "https://generativelanguage.googleapis.com/v1beta",
    key_variables = { "GEMINI_API_KEY", "GOOGLE_API_KEY" },
    provider = "gemini",
  },
  groq = {
    base_url = "https://api.groq.com/openai/v1",
    key_variables = { "GROQ_API_KEY" },
    provider = "openai",
  },
  mistral = {
    base_url = "https://api.mistral.ai/v1",
    key_variables = { "MISTRAL_API_KEY" },
    provider = "openai",
    refuses_usage = true, -- as any field that it does not know; it always sends the usage
  },
  xai = {
    base_url = "https://api.x.ai/v1",
    key_variables = { "XAI_API_KEY" },
    provider = "openai",
  },
  -- These run on one's own machine, at the ports they choose by themselves.
  ollama = {
    base_url = "http://127.0.0.1:11434",
    provider = "ollama",
  },
  llamacpp = {
    base_url = "http://127.0.0.1:8080/v1",
    provider = "openai",
  },
  ["local"] = {
    base_url = "http://127.0.0.1:8787/v1",
    url_variable = "RILL_LOCAL_URL",
    provider = "openai",
    dialect = "chat",
  },
}

return gateways
