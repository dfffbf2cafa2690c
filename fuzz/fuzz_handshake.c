/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the answer to a WebSocket's handshake: whole, byte by byte and cut, it
 * is read to the same end, from the same bytes, with the same body and terms.
 * The input's first byte chooses the cuts, its second what was offered and how
 * much of a body is kept.  Includes libc and the core.
 */
#include <stdlib.h>

#include "../src/core/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out of one play. */
struct record {
  struct rill_handshake handshake;
  enum rill_status status;
  size_t consumed;
  bool by_end; /* the end of the connection decided */
};

static void expect(bool condition) {
  if (!condition) {
    abort();
  }
}

/* Pieces of 1 to widest bytes, chosen by the seed; all at once if widest is 0.
 */
static void play(struct record *record, const uint8_t *data, size_t size,
                 const struct rill_handshake_request *request, size_t body_max,
                 size_t widest, unsigned seed) {
  *record = (struct record){.status = RILL_NEED_DATA};
  rill_handshake_init(&record->handshake, request, body_max);
  while (size > 0 && record->status == RILL_NEED_DATA) {
    seed = seed * 1103515245U + 12345U;
    size_t len = widest == 0 ? size : 1 + (seed >> 16) % widest;
    size_t consumed = 0;
    if (len > size) {
      len = size;
    }
    char *piece = malloc(len);
    expect(piece != NULL);
    memcpy(piece, data, len);
    record->status =
        rill_handshake_feed(&record->handshake, piece, len, &consumed);
    free(piece);
    expect(consumed <= len);
    expect(record->status != RILL_NEED_DATA || consumed == len);
    record->consumed += consumed;
    data += len;
    size -= len;
  }
  if (record->status == RILL_NEED_DATA) {
    record->by_end = true;
    record->status = rill_handshake_end(&record->handshake);
  }
}

static void expect_same(struct rill_span a, struct rill_span b) {
  expect(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

static void compare(const struct record *a, const struct record *b) {
  const struct rill_handshake *x = &a->handshake, *y = &b->handshake;
  expect(a->status == b->status && a->by_end == b->by_end);
  expect(x->status == y->status);
  expect_same(x->head, y->head);
  expect_same(x->body, y->body);
  expect_same(x->protocol, y->protocol);
  expect(x->deflate.is_on == y->deflate.is_on);
  expect(x->deflate.client_bits == y->deflate.client_bits);
  expect(x->deflate.server_bits == y->deflate.server_bits);
  expect(x->problem == y->problem);
  expect(a->status != RILL_OK || a->consumed == b->consumed);
}

static void check(const struct record *record, size_t body_max, bool offered) {
  const struct rill_handshake *handshake = &record->handshake;
  expect(handshake->body.len <= body_max);
  expect(record->status != RILL_OK || handshake->status == 101 ||
         handshake->status >= 200);
  expect(record->status == RILL_OK || record->status == RILL_NEED_DATA ||
         handshake->problem != NULL);
  expect(offered || record->status != RILL_OK || !handshake->deflate.is_on);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct record whole, single, cut;
  if (size < 2) {
    return 0;
  }
  unsigned seed = data[0];
  size_t body_max = data[1] & 63;
  struct rill_handshake_request request = {
      .key = rill_span_of("dGhlIHNhbXBsZSBub25jZQ=="),
      .deflate = data[1] >= 128};
  if ((data[1] & 64) != 0) {
    request.protocols = rill_span_of("chat, realtime");
  }
  data += 2;
  size -= 2;
  play(&whole, data, size, &request, body_max, 0, seed);
  play(&single, data, size, &request, body_max, 1, seed);
  play(&cut, data, size, &request, body_max, 1 + seed % 31, seed);
  check(&whole, body_max, request.deflate);
  compare(&whole, &single);
  compare(&whole, &cut);
  rill_handshake_free(&whole.handshake);
  rill_handshake_free(&single.handshake);
  rill_handshake_free(&cut.handshake);
  return 0;
}
