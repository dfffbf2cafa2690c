/* SPDX-License-Identifier: MIT
 *
 * See scan_play.h.  Includes libc and core.
 */
#include "scan_play.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const class_names[] = {"text",   "reasoning", "quiet",
                                          "output", "error",     "unknown"};

enum rill_format scan_format;

static const char *const openai_teachers[] = {
    "{\"choices\":[{\"delta\":{\"content\":\"t\"}}]}",
    "{\"choices\":[{\"delta\":{\"content\":\"u\"}}]}",
    "{\"id\":\"c\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{"
    "\"content\":"
    "\"Hello\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,"
    "\"obfuscation\":\"XyZ\"}",
    "{\"id\":\"d\",\"created\":22,\"choices\":[{\"index\":0,\"delta\":{"
    "\"content\":"
    "\"x\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,"
    "\"obfuscation\":\"\"}",
    "{\"choices\":[{\"delta\":{\"reasoning\":\"t\"}}],\"usage\":{\"a\":1,\"b\":"
    "{"
    "\"c\":[2,{\"d\":-3.5e1}]}},\"pad\":\"\"}",
    "{\"choices\":[{\"delta\":{\"reasoning\":\"uv\"}}],\"usage\":{\"a\":10,"
    "\"b\":{"
    "\"c\":[0,{\"d\":0}]}},\"pad\":\"p\"}",
    NULL};

static const char *const responses_teachers[] = {
    "{\"type\":\"response.output_text.delta\",\"sequence_number\":9,\"item_"
    "id\":"
    "\"m1\",\"output_index\":0,\"delta\":\"a\",\"logprobs\":[],\"obfuscation\":"
    "\"xy\"}",
    "{\"type\":\"response.output_text.delta\",\"sequence_number\":10,\"item_"
    "id\":"
    "\"m22\",\"output_index\":1,\"delta\":\"bc\",\"logprobs\":[],"
    "\"obfuscation\":\"\"}",
    "{\"delta\":\"a\",\"sequence_number\":9,\"type\":\"response.reasoning_text."
    "delta\"}",
    "{\"delta\":\"b\",\"sequence_number\":7,\"type\":\"response.reasoning_text."
    "delta\"}",
    NULL};

static const char *const anthropic_teachers[] = {
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
    "\"text_delta\",\"text\":\"Hi\"}}",
    "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
    "\"text_delta\",\"text\":\"you\"}}",
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
    "\"thinking_delta\",\"thinking\":\"hm\"}}",
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
    "\"thinking_delta\",\"thinking\":\"so\"}}",
    NULL};

static const char *const gemini_teachers[] = {
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":"
    "\"model\"},\"index\":0}],\"usageMetadata\":{\"totalTokenCount\":9},"
    "\"responseId\":\"r\"}",
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}],\"role\":"
    "\"model\"},\"index\":0}],\"usageMetadata\":{\"totalTokenCount\":10},"
    "\"responseId\":\"s\"}",
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\",\"thought\":"
    "true}]}}]"
    "}",
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\",\"thought\":"
    "true}]}}]"
    "}",
    NULL};

static const char *const ollama_teachers[] = {
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{"
    "\"role\":"
    "\"assistant\",\"content\":\"a\"},\"done\":false}",
    "{\"model\":\"n\",\"created_at\":\"2026-01-01T00:00:00.1Z\",\"message\":{"
    "\"role\":\"assistant\",\"content\":\"b\"},\"done\":false}",
    "{\"message\":{\"content\":\"\",\"thinking\":\"a\"},\"done\":false}",
    "{\"message\":{\"content\":\"\",\"thinking\":\"b\"},\"done\":false}", NULL};

static const char *const chat_teachers[] = {
    "{\"type\":\"content.delta\",\"delta\":\"a\"}",
    "{\"type\":\"content.delta\",\"delta\":\"bc\"}",
    "{\"delta\":\"a\",\"id\":\"x\",\"index\":1,\"type\":\"content.delta\"}",
    "{\"delta\":\"b\",\"id\":\"yz\",\"index\":22,\"type\":\"content.delta\"}",
    NULL};

static const char *const realtime_teachers[] = {
    "{\"type\":\"response.output_text.delta\",\"event_id\":\"e\",\"response_"
    "id\":"
    "\"r\",\"output_index\":0,\"delta\":\"a\"}",
    "{\"type\":\"response.output_text.delta\",\"event_id\":\"e2\",\"response_"
    "id\":"
    "\"r2\",\"output_index\":1,\"delta\":\"bc\"}",
    "{\"type\":\"response.text.delta\",\"delta\":\"a\"}",
    "{\"type\":\"response.text.delta\",\"delta\":\"b\"}", NULL};

const char *const *const scan_teachers[] = {
    [RILL_FORMAT_OPENAI] = openai_teachers,
    [RILL_FORMAT_RESPONSES] = responses_teachers,
    [RILL_FORMAT_ANTHROPIC] = anthropic_teachers,
    [RILL_FORMAT_GEMINI] = gemini_teachers,
    [RILL_FORMAT_OLLAMA] = ollama_teachers,
    [RILL_FORMAT_CHAT] = chat_teachers,
    [RILL_FORMAT_REALTIME] = realtime_teachers,
};

void scan_said_init(struct scan_said *said) {
  rill_bytes_init(&said->text, SIZE_MAX);
  rill_bytes_init(&said->usage, SIZE_MAX);
}

void scan_said_free(struct scan_said *said) {
  rill_bytes_free(&said->text);
  rill_bytes_free(&said->usage);
}

static void put(struct rill_bytes *bytes, struct rill_span span) {
  rill_bytes_clear(bytes);
  if (rill_bytes_append(bytes, span.data, span.len) != RILL_OK) {
    abort();
  }
}

enum rill_chunk scan_copy(struct rill_json_scan *scan, const char *json,
                          size_t len, struct scan_said *said) {
  char *copy = check_copy(json, len);
  struct rill_span span = {copy, len};
  said->chunk = rill_json_scan_chunk(scan, span, &said->facts);
  put(&said->text, said->facts.text);
  put(&said->usage, said->facts.usage);
  free(copy);
  return said->chunk;
}

static void check_facts(const struct scan_said *got,
                        const struct rill_chunk_facts *want, int line) {
  const struct rill_chunk_facts *facts = &got->facts;
  check_span(rill_bytes_span(&got->text), want->text.data, want->text.len,
             "text", __FILE__, line);
  check_span(rill_bytes_span(&got->usage), want->usage.data, want->usage.len,
             "usage", __FILE__, line);
  check_true(facts->finished == want->finished, "finished", __FILE__, line);
  check_true(facts->terminal == want->terminal, "terminal", __FILE__, line);
  check_true(facts->has_usage == want->has_usage, "has_usage", __FILE__, line);
  check_true(facts->has_sequence == want->has_sequence, "has_sequence",
             __FILE__, line);
  check_int((int64_t)facts->sequence, (int64_t)want->sequence, "sequence",
            __FILE__, line);
}

static void check_class(enum rill_chunk got, enum rill_chunk want, int line) {
  char note[60];
  if (got != want) {
    snprintf(note, sizeof note, "is %s, wanted %s", class_names[got],
             class_names[want]);
    check_true(false, note, __FILE__, line);
  }
}

void scan_check_same(const struct scan_said *got, const struct scan_said *want,
                     int line) {
  struct rill_chunk_facts facts = want->facts;
  facts.text = rill_bytes_span(&want->text);
  facts.usage = rill_bytes_span(&want->usage);
  check_class(got->chunk, want->chunk, line);
  check_facts(got, &facts, line);
}

static void teach(struct rill_json_scan *scan, const char *const *pair,
                  int line) {
  struct scan_said said;
  scan_said_init(&said);
  for (int i = 0; i < 2; i++) {
    enum rill_chunk chunk = scan_copy(scan, pair[i], strlen(pair[i]), &said);
    check_true(chunk == RILL_CHUNK_TEXT || chunk == RILL_CHUNK_REASONING,
               "the teacher is plain", __FILE__, line);
  }
  scan_said_free(&said);
}

static void check_thrice(struct rill_json_scan *scan, const char *json,
                         size_t len, enum rill_chunk want,
                         const struct rill_chunk_facts *facts, int line) {
  struct scan_said said;
  scan_said_init(&said);
  for (int again = 0; again < 3; again++) {
    check_class(scan_copy(scan, json, len, &said), want, line);
    check_facts(&said, facts, line);
  }
  scan_said_free(&said);
}

void scan_check(const char *json, size_t len, enum rill_chunk want,
                const struct rill_chunk_facts *facts, int line) {
  const char *const *pair = scan_teachers[scan_format];
  struct rill_json_scan scan;
  check_about(json, len);
  rill_json_scan_init(&scan, scan_format);
  check_thrice(&scan, json, len, want, facts, line);
  for (; *pair != NULL; pair += 2) {
    teach(&scan, pair, line);
    check_thrice(&scan, json, len, want, facts, line);
  }
  rill_json_scan_free(&scan);
  check_about(NULL, 0);
}
