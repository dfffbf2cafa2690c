/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the reading of WebSocket frames: whole, byte by byte and cut, the same
 * messages come, the same frames are answered and it ends the same way; no
 * message is beyond the limit and no text but UTF-8.  The input's first byte
 * chooses the cuts and whether messages may be compressed, its second the
 * limit.  Includes libc and the core.
 */
#include <stdlib.h>

#include "../src/core/ws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition) {
  if (!condition) {
    abort();
  }
}

static void put(struct rill_bytes *record, const void *data, size_t len) {
  expect(rill_bytes_append(record, (const char *)&len, sizeof len) == RILL_OK);
  expect(rill_bytes_append(record, data, len) == RILL_OK);
}

struct setup {
  size_t message_max;
  struct rill_ws_deflate_terms deflate;
};

static bool fill(void *arg, uint8_t *bytes, size_t len) {
  (void)arg;
  memset(bytes, 0x5A, len);
  return true;
}

static void put_output(struct rill_bytes *record, struct rill_ws *ws) {
  struct rill_span bytes;
  enum rill_status status;
  while ((status = rill_ws_out_next(&ws->out, &bytes)) == RILL_OK) {
    expect(bytes.len > 0);
    put(record, bytes.data, bytes.len);
    rill_ws_out_written(&ws->out, bytes.len);
  }
  expect(status == RILL_NEED_DATA);
}

static void put_message(struct rill_bytes *record,
                        const struct rill_ws_message *message, size_t limit) {
  expect(message->kind > RILL_WS_BINARY || message->data.len <= limit);
  expect(message->kind != RILL_WS_TEXT || rill_utf8_is_valid(message->data));
  expect(message->kind != RILL_WS_CLOSE || message->code == RILL_WS_NO_CODE ||
         rill_ws_may_close(message->code, message->data));
  put(record, &message->kind, sizeof message->kind);
  put(record, &message->code, sizeof message->code);
  put(record, message->data.data, message->data.len);
}

/* Each piece lies in a block of its own size, which is gone after its use. */
static enum rill_status play_piece(struct rill_bytes *record,
                                   struct rill_ws *ws, const uint8_t *data,
                                   size_t len) {
  struct rill_ws_message message;
  enum rill_status status;
  char *piece = malloc(len);
  expect(piece != NULL);
  memcpy(piece, data, len);
  rill_ws_feed(ws, piece, len);
  while ((status = rill_ws_next(ws, &message)) == RILL_OK) {
    put_message(record, &message, ws->joined.max);
    put_output(record, ws);
  }
  free(piece);
  return status;
}

/* Pieces of 1 to widest bytes, chosen by the seed; all at once if widest is 0.
 */
static void play(struct rill_bytes *record, const uint8_t *data, size_t size,
                 const struct setup *setup, size_t widest, unsigned seed) {
  const struct rill_ws_out_options options = {.random = fill};
  struct rill_ws ws;
  enum rill_status status = RILL_NEED_DATA;
  rill_bytes_init(record, SIZE_MAX);
  expect(rill_ws_init(&ws, setup->message_max, &options) == RILL_OK);
  if (setup->deflate.is_on) {
    expect(rill_ws_agree(&ws, &setup->deflate) == RILL_OK);
  }
  while (size > 0 && status == RILL_NEED_DATA) {
    seed = seed * 1103515245U + 12345U;
    size_t len = widest == 0 ? size : 1 + (seed >> 16) % widest;
    if (len > size) {
      len = size;
    }
    status = play_piece(record, &ws, data, len);
    data += len;
    size -= len;
  }
  put_output(record, &ws);
  put(record, &status, sizeof status);
  put(record, &ws.close_code, sizeof ws.close_code);
  put(record, &ws.messages, sizeof ws.messages);
  expect((status == RILL_NEED_DATA) == (ws.problem == NULL));
  expect(ws.joined.cap <= setup->message_max);
  rill_ws_free(&ws);
}

static void compare(const struct rill_bytes *a, const struct rill_bytes *b) {
  expect(a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct rill_bytes whole, single, cut;
  if (size < 2) {
    return 0;
  }
  struct setup setup = {.message_max = data[1] < 128 ? 1 << 20 : data[1]};
  unsigned seed = data[0];
  setup.deflate.is_on = seed >= 128;
  setup.deflate.server_forgets = seed >= 192;
  data += 2;
  size -= 2;
  play(&whole, data, size, &setup, 0, seed);
  play(&single, data, size, &setup, 1, seed);
  play(&cut, data, size, &setup, 1 + seed % 31, seed);
  compare(&whole, &single);
  compare(&whole, &cut);
  rill_bytes_free(&whole);
  rill_bytes_free(&single);
  rill_bytes_free(&cut);
  return 0;
}
