/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the SSE parser: a stream gives the same events, comments and end,
 * whether it comes whole, byte by byte or cut.  The input's first byte chooses
 * the cuts, its second the ceiling.  Includes libc and the core.
 */
#include <stdlib.h>

#include "../src/core/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that came out of one play, as bytes that can be compared. */
struct record {
  struct rill_bytes bytes;
  enum rill_status status;
};

static void put(struct record *record, const void *data, size_t len) {
  if (rill_bytes_append(&record->bytes, (const char *)&len, sizeof len) !=
          RILL_OK ||
      rill_bytes_append(&record->bytes, data, len) != RILL_OK) {
    abort();
  }
}

static void put_event(struct record *record,
                      const struct rill_sse_event *event) {
  put(record, event->name.data, event->name.len);
  put(record, event->data.data, event->data.len);
  put(record, event->id.data, event->id.len);
}

/* Each piece lies in a block of its own size, which is gone after its use. */
static void play_piece(struct record *record, struct rill_sse *sse,
                       const uint8_t *data, size_t len) {
  struct rill_sse_event event;
  char *piece = malloc(len);
  if (piece == NULL) {
    abort();
  }
  memcpy(piece, data, len);
  rill_sse_feed(sse, piece, len);
  while ((record->status = rill_sse_next(sse, &event)) == RILL_OK) {
    put_event(record, &event);
  }
  free(piece);
}

/* Pieces of 1 to widest bytes, chosen by the seed; all at once if widest is 0.
 */
static void play(struct record *record, const uint8_t *data, size_t size,
                 size_t max_event, size_t widest, unsigned seed) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_bytes_init(&record->bytes, SIZE_MAX);
  rill_sse_init(&sse, max_event);
  record->status = RILL_NEED_DATA;
  while (size > 0 && record->status == RILL_NEED_DATA) {
    seed = seed * 1103515245U + 12345U;
    size_t len = widest == 0 ? size : 1 + (seed >> 16) % widest;
    if (len > size) {
      len = size;
    }
    play_piece(record, &sse, data, len);
    data += len;
    size -= len;
  }
  if (record->status == RILL_NEED_DATA) {
    record->status = rill_sse_finish(&sse, &event);
    if (record->status == RILL_OK) {
      put_event(record, &event);
    }
  }
  put(record, &record->status, sizeof record->status);
  put(record, &sse.events, sizeof sse.events);
  put(record, &sse.comments, sizeof sse.comments);
  put(record, &sse.retry_ms, sizeof sse.retry_ms);
  if (sse.line.cap > max_event || sse.data.cap > max_event) {
    abort();
  }
  rill_sse_free(&sse);
}

static void compare(const struct record *a, const struct record *b) {
  if (a->bytes.len != b->bytes.len ||
      memcmp(a->bytes.data, b->bytes.data, a->bytes.len) != 0) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct record whole;
  struct record single;
  struct record cut;
  if (size < 2) {
    return 0;
  }
  unsigned seed = data[0];
  size_t max_event = data[1] < 128 ? 1 << 20 : data[1];
  data += 2;
  size -= 2;
  play(&whole, data, size, max_event, 0, seed);
  play(&single, data, size, max_event, 1, seed);
  play(&cut, data, size, max_event, 1 + seed % 31, seed);
  compare(&whole, &single);
  compare(&whole, &cut);
  rill_bytes_free(&whole.bytes);
  rill_bytes_free(&single.bytes);
  rill_bytes_free(&cut.bytes);
  return 0;
}
