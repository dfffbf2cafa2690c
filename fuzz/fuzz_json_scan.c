/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the chunk scan and its helpers.  The first byte of the input names a
 * format; the rest is a row of chunks, one in each line, as a stream would
 * bring them: a scan that has seen all chunks before must say of each what a
 * new one says, every prefix of a plain delta must be something else, and what
 * is called well-formed must be.  Includes libc and the core.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../src/core/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition) {
  if (!condition) {
    abort();
  }
}

static bool is_same(struct rill_span a, struct rill_span b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_plain(enum rill_chunk chunk) {
  return chunk == RILL_CHUNK_TEXT || chunk == RILL_CHUNK_REASONING;
}

static void expect_same(const struct rill_chunk_facts *a,
                        const struct rill_chunk_facts *b) {
  expect(is_same(a->text, b->text));
  expect(is_same(a->usage, b->usage));
  expect(a->finished == b->finished);
  expect(a->terminal == b->terminal);
  expect(a->has_usage == b->has_usage);
  expect(a->has_sequence == b->has_sequence);
  expect(a->sequence == b->sequence);
}

/* With a scan that has the whole chunk's shape. */
static void check_prefixes(struct rill_json_scan *scan, struct rill_span json) {
  struct rill_chunk_facts facts;
  while (json.len > 0 && json.data[json.len - 1] != '}') {
    json.len--; /* white space behind the chunk may go */
  }
  size_t step = 1 + json.len / 64;
  for (size_t len = 0; len < json.len; len += step) {
    struct rill_span prefix = {json.data, len};
    expect(rill_json_scan_chunk(scan, prefix, &facts) == RILL_CHUNK_UNKNOWN);
    expect(!rill_json_is_complete(prefix));
  }
}

static void check_find(struct rill_span json) {
  static const char *const path[] = {"error", "code"};
  for (size_t depth = 0; depth <= 2; depth++) {
    struct rill_span value;
    enum rill_status status = rill_json_find(json, path, depth, &value);
    expect(status == RILL_OK || status == RILL_INVALID);
    expect(status != RILL_OK ||
           (value.data >= json.data &&
            value.data + value.len <= json.data + json.len));
  }
}

static void check_facts(enum rill_chunk chunk, struct rill_span json,
                        const struct rill_chunk_facts *facts) {
  static const struct rill_chunk_facts none;
  expect(chunk == RILL_CHUNK_UNKNOWN || rill_json_is_complete(json));
  expect((facts->text.len > 0) == is_plain(chunk));
  if (facts->usage.len > 0) {
    expect(is_plain(chunk) && facts->has_usage);
    expect(*facts->usage.data == '{' && rill_json_is_complete(facts->usage));
    expect(facts->usage.data >= json.data &&
           facts->usage.data + facts->usage.len <= json.data + json.len);
  }
  if (is_plain(chunk)) {
    expect(!facts->finished && !facts->terminal);
    expect(facts->has_usage == (facts->usage.len > 0));
  }
  if (chunk == RILL_CHUNK_UNKNOWN) {
    expect_same(facts, &none);
  }
}

static void check_chunk(struct rill_json_scan *seasoned,
                        struct rill_span json) {
  struct rill_json_scan fresh;
  struct rill_chunk_facts fresh_facts;
  struct rill_chunk_facts facts;
  rill_json_scan_init(&fresh, seasoned->format);
  enum rill_chunk want = rill_json_scan_chunk(&fresh, json, &fresh_facts);
  enum rill_chunk got = rill_json_scan_chunk(seasoned, json, &facts);
  expect(got == want);
  expect_same(&facts, &fresh_facts);
  check_facts(got, json, &facts);
  if (is_plain(got)) {
    check_prefixes(seasoned, json);
  }
  check_find(json);
  rill_json_scan_free(&fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rill_json_scan scan;
  if (size == 0) {
    return 0;
  }
  rill_json_scan_init(&scan, (enum rill_format)(*data % 7));
  data++;
  size--;
  while (size > 0) {
    const uint8_t *lf = memchr(data, '\n', size);
    size_t len = lf != NULL ? (size_t)(lf - data) : size;
    char *line = malloc(len > 0 ? len : 1);
    expect(line != NULL);
    memcpy(line, data, len);
    struct rill_span json = {line, len};
    check_chunk(&scan, json);
    free(line);
    size_t used = lf != NULL ? len + 1 : len;
    data += used;
    size -= used;
  }
  rill_json_scan_free(&scan);
  return 0;
}
