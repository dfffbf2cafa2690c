/* SPDX-License-Identifier: MIT
 *
 * The wire formats: what the members of their chunks mean.  Tables alone, read
 * by json_meaning.c.  What is not listed here is never plain by mistake: the
 * last entry of a level says what all other names are.
 */
#include "json_meaning.h"
#include "json_scan.h"

#define NAME(text)                                                             \
  { (text), sizeof(text) - 1 }
#define MEMBER(text, what)                                                     \
  { .name = NAME(text), .meaning = RILL_MEANS_##what }
#define INSIDE(text, what, level)                                              \
  { .name = NAME(text), .meaning = RILL_MEANS_##what, .inside = &(level) }
#define TYPED(text, list)                                                      \
  { .name = NAME(text), .meaning = RILL_MEANS_TYPE, .types = (list) }
#define LEVEL(list, rest)                                                      \
  { (list), sizeof(list) / sizeof *(list), RILL_MEANS_##rest }
#define TYPE(text, what)                                                       \
  { NAME(text), (what) }
#define TYPES_END                                                              \
  { {NULL, 0}, 0 }

/* -- openai: chat completions -- */

static const struct rill_json_member delta_members[] = {
    MEMBER("content", TEXT),
    MEMBER("role", ROLE),
    MEMBER("reasoning_content", REASONING), /* DeepSeek and many after it */
    MEMBER("reasoning", REASONING),         /* OpenRouter, Groq */
    MEMBER("reasoning_text", REASONING),    /* Copilot */
};
static const struct rill_json_level delta_level = LEVEL(delta_members, OUTPUT);

static const struct rill_json_member choice_members[] = {
    INSIDE("delta", OBJECT, delta_level), MEMBER("index", INDEX),
    MEMBER("finish_reason", FINISH),      MEMBER("logprobs", NULL),
    MEMBER("usage", USAGE_BESIDE), /* Moonshot */
};
static const struct rill_json_level choice_level =
    LEVEL(choice_members, OUTPUT);

static const struct rill_json_member groq_members[] = {
    MEMBER("usage", USAGE_BESIDE),
};
static const struct rill_json_level groq_level = LEVEL(groq_members, LOOSE);

static const struct rill_json_member openai_members[] = {
    INSIDE("choices", LIST, choice_level),
    MEMBER("error", ERROR),
    MEMBER("usage", USAGE),
    MEMBER("type", ERROR_NAME),
    MEMBER("object", ERROR_NAME),
    INSIDE("x_groq", BESIDE, groq_level),
};
static const struct rill_json_level openai_level = LEVEL(openai_members, LOOSE);

/* -- responses -- */

/* The events of which it is certain that they bring no output beyond what the
 * members below show; every other type is output. */
static const struct rill_json_type responses_types[] = {
    TYPE("response.output_text.delta", RILL_SAYS_TEXT),
    TYPE("response.reasoning_summary_text.delta", RILL_SAYS_REASONING),
    TYPE("response.reasoning_text.delta", RILL_SAYS_REASONING),
    TYPE("response.created", 0),
    TYPE("response.queued", 0),
    TYPE("response.in_progress", 0),
    TYPE("response.output_item.added", 0),
    TYPE("response.content_part.added", 0),
    TYPE("response.reasoning_summary_part.added", 0),
    TYPE("keepalive", 0),
    TYPE("response.completed", RILL_SAYS_FINISHED | RILL_SAYS_TERMINAL),
    TYPE("response.incomplete", RILL_SAYS_FINISHED | RILL_SAYS_TERMINAL),
    TYPE("response.failed", RILL_SAYS_ERROR | RILL_SAYS_TERMINAL),
    TYPE("error", RILL_SAYS_ERROR),
    TYPES_END,
};

/* Items and parts that are empty when they are added. */
static const struct rill_json_type item_types[] = {
    TYPE("message", 0), TYPE("reasoning", 0), TYPES_END};
static const struct rill_json_type part_types[] = {
    TYPE("output_text", 0), TYPE("reasoning_text", 0), TYPE("summary_text", 0),
    TYPES_END};

static const struct rill_json_member item_members[] = {
    TYPED("type", item_types),
};
static const struct rill_json_level item_level = LEVEL(item_members, SCALAR);

static const struct rill_json_member part_members[] = {
    TYPED("type", part_types),
};
static const struct rill_json_level part_level = LEVEL(part_members, OUTPUT);

static const struct rill_json_member response_members[] = {
    MEMBER("output", OUTPUT),
    MEMBER("output_text", OUTPUT),
    MEMBER("usage", USAGE_BESIDE),
};
static const struct rill_json_level response_level =
    LEVEL(response_members, LOOSE);

static const struct rill_json_member responses_members[] = {
    TYPED("type", responses_types),
    MEMBER("delta", EITHER),
    MEMBER("sequence_number", SEQUENCE),
    MEMBER("logprobs", EXTRA),
    MEMBER("error", ERROR),
    INSIDE("response", BESIDE, response_level),
    INSIDE("item", BESIDE, item_level),
    INSIDE("part", BESIDE, part_level),
};
static const struct rill_json_level responses_level =
    LEVEL(responses_members, LOOSE);

/* -- anthropic: messages -- */

static const struct rill_json_type messages_types[] = {
    TYPE("content_block_delta", RILL_SAYS_TEXT | RILL_SAYS_REASONING),
    TYPE("message_start", 0),
    TYPE("content_block_start", 0),
    TYPE("content_block_stop", 0),
    TYPE("message_delta", 0),
    TYPE("ping", 0),
    TYPE("message_stop", RILL_SAYS_TERMINAL),
    TYPE("error", RILL_SAYS_ERROR),
    TYPES_END,
};
static const struct rill_json_type delta_types[] = {
    TYPE("text_delta", RILL_SAYS_TEXT),
    TYPE("thinking_delta", RILL_SAYS_REASONING), TYPES_END};
static const struct rill_json_type block_types[] = {
    TYPE("text", 0), TYPE("thinking", 0), TYPES_END};

/* Of both content_block_delta and message_delta. */
static const struct rill_json_member block_delta_members[] = {
    TYPED("type", delta_types),     MEMBER("text", TEXT),
    MEMBER("thinking", REASONING),  MEMBER("stop_reason", FINISH),
    MEMBER("stop_sequence", EXTRA), MEMBER("stop_details", EXTRA),
    MEMBER("container", EXTRA),
};
static const struct rill_json_level block_delta_level =
    LEVEL(block_delta_members, OUTPUT);

static const struct rill_json_member block_members[] = {
    TYPED("type", block_types),
};
static const struct rill_json_level block_level = LEVEL(block_members, OUTPUT);

static const struct rill_json_member message_members[] = {
    MEMBER("content", OUTPUT),
    MEMBER("usage", USAGE_BESIDE),
    MEMBER("stop_reason", FINISH),
};
static const struct rill_json_level message_level =
    LEVEL(message_members, LOOSE);

static const struct rill_json_member messages_members[] = {
    TYPED("type", messages_types),
    INSIDE("delta", OBJECT, block_delta_level),
    MEMBER("error", ERROR),
    INSIDE("message", BESIDE, message_level),
    INSIDE("content_block", BESIDE, block_level),
    MEMBER("usage", USAGE_BESIDE),
};
static const struct rill_json_level messages_level =
    LEVEL(messages_members, LOOSE);

/* -- gemini: streamGenerateContent -- */

static const struct rill_json_member text_part_members[] = {
    MEMBER("text", EITHER),
    MEMBER("thought", THOUGHT),
};
static const struct rill_json_level text_part_level =
    LEVEL(text_part_members, OUTPUT);

static const struct rill_json_member content_members[] = {
    INSIDE("parts", LIST, text_part_level),
    MEMBER("role", ROLE),
};
static const struct rill_json_level content_level =
    LEVEL(content_members, OUTPUT);

static const struct rill_json_member candidate_members[] = {
    INSIDE("content", OBJECT, content_level),
    MEMBER("index", INDEX),
    MEMBER("finishReason", FINISH),
    MEMBER("finishMessage", EXTRA),
    MEMBER("safetyRatings", EXTRA),
    MEMBER("tokenCount", EXTRA),
    MEMBER("avgLogprobs", EXTRA),
};
static const struct rill_json_level candidate_level =
    LEVEL(candidate_members, OUTPUT);

static const struct rill_json_member gemini_members[] = {
    INSIDE("candidates", LIST, candidate_level),
    MEMBER("usageMetadata", USAGE),
    MEMBER("promptFeedback",
           OUTPUT), /* it may say that the prompt is blocked */
    MEMBER("error", ERROR),
};
static const struct rill_json_level gemini_level = LEVEL(gemini_members, LOOSE);

/* -- ollama: chat -- */

static const struct rill_json_member chat_members[] = {
    MEMBER("content", TEXT),
    MEMBER("thinking", REASONING),
    MEMBER("role", ROLE),
};
static const struct rill_json_level chat_level = LEVEL(chat_members, OUTPUT);

static const struct rill_json_member ollama_members[] = {
    INSIDE("message", OBJECT, chat_level), MEMBER("done", DONE),
    MEMBER("done_reason", FINISH),         MEMBER("error", ERROR),
    MEMBER("prompt_eval_count", EXTRA),    MEMBER("eval_count", EXTRA),
};
static const struct rill_json_level ollama_level = LEVEL(ollama_members, LOOSE);

/* -- chat: the gateway's own, over WebSocket -- */

static const struct rill_json_type gateway_types[] = {
    TYPE("content.delta", RILL_SAYS_TEXT),
    TYPE("chat.done", RILL_SAYS_FINISHED | RILL_SAYS_TERMINAL),
    TYPE("error", RILL_SAYS_ERROR),
    TYPES_END,
};

static const struct rill_json_member gateway_members[] = {
    TYPED("type", gateway_types),
    MEMBER("delta", TEXT),
    MEMBER("usage", USAGE_BESIDE),
    MEMBER("error", ERROR),
};
static const struct rill_json_level gateway_level =
    LEVEL(gateway_members, LOOSE);

/* -- realtime -- */

/* As with responses, what is not listed is output: among it `error`, which is
 * no end there.  A response that is done may have failed: that is read in full.
 */
static const struct rill_json_type realtime_types[] = {
    TYPE("response.output_text.delta", RILL_SAYS_TEXT),
    TYPE("response.text.delta", RILL_SAYS_TEXT),
    TYPE("response.created", 0),
    TYPE("response.output_item.added", 0),
    TYPE("response.content_part.added", 0),
    TYPE("rate_limits.updated", 0),
    TYPE("response.done",
         RILL_SAYS_FINISHED | RILL_SAYS_TERMINAL | RILL_SAYS_OUTPUT),
    TYPES_END,
};
static const struct rill_json_type realtime_part_types[] = {
    TYPE("output_text", 0), TYPE("text", 0), TYPE("output_audio", 0),
    TYPE("audio", 0), TYPES_END};

static const struct rill_json_member realtime_part_members[] = {
    TYPED("type", realtime_part_types),
};
static const struct rill_json_level realtime_part_level =
    LEVEL(realtime_part_members, OUTPUT);

static const struct rill_json_member realtime_members[] = {
    TYPED("type", realtime_types),
    MEMBER("delta", TEXT),
    INSIDE("response", BESIDE, response_level),
    INSIDE("item", BESIDE, item_level),
    INSIDE("part", BESIDE, realtime_part_level),
};
static const struct rill_json_level realtime_level =
    LEVEL(realtime_members, LOOSE);

const struct rill_json_format rill_json_formats[] = {
    [RILL_FORMAT_OPENAI] = {&openai_level, .signs = 0},
    [RILL_FORMAT_RESPONSES] = {&responses_level, .signs = 1},
    [RILL_FORMAT_ANTHROPIC] = {&messages_level, .signs = 2},
    [RILL_FORMAT_GEMINI] = {&gemini_level, .signs = 0},
    [RILL_FORMAT_OLLAMA] = {&ollama_level, .signs = 1},
    [RILL_FORMAT_CHAT] = {&gateway_level, .signs = 1},
    [RILL_FORMAT_REALTIME] = {&realtime_level, .signs = 1},
};
