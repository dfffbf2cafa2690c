/* SPDX-License-Identifier: MIT
 *
 * Framing alone: the SSE parser and the WebSocket reader of rill's core on
 * chunks in memory, in pieces of 64 bytes and of 16 KiB, and the scan for plain
 * texts on top of them.  Prints one line of JSON a case: CPU nanoseconds an
 * event (of the fastest of several passes, so that what else runs on the
 * machine counts little) and how often memory was asked for once the reader was
 * warm.  Linked with --wrap=malloc and its kin, by which it counts; includes
 * libc and the core.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chunks.h"
#include "core/json_scan.h"
#include "core/sse.h"
#include "core/ws.h"
#include "frames.h"

/* Enough for a pass to last, few enough to stay in the second-level cache. */
#define EVENTS 2048
#define ROUNDS 5
#define PASSES 150

static uint64_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size) {
  allocations++;
  return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  allocations++;
  return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
  allocations++;
  return __real_realloc(old, size);
}

struct counts {
  uint64_t events;
  uint64_t texts;
  uint64_t bytes;
};

static uint64_t cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Which framing, and what reads it; scan is null for framing alone. */
struct reader {
  bool is_ws;
  struct rill_sse sse;
  struct rill_ws ws;
  struct rill_json_scan *scan;
};

static bool no_masks(void *arg, uint8_t *bytes, size_t len) {
  (void)arg;
  (void)bytes;
  (void)len;
  return false;
}

static void reader_init(struct reader *reader) {
  struct rill_ws_out_options options = {.max = 1 << 20, .random = no_masks};
  rill_sse_init(&reader->sse, 1 << 20);
  if (rill_ws_init(&reader->ws, 1 << 20, &options) != RILL_OK) {
    abort();
  }
}

static void reader_free(struct reader *reader) {
  rill_sse_free(&reader->sse);
  rill_ws_free(&reader->ws);
}

static void feed(struct reader *reader, const char *bytes, size_t len) {
  if (reader->is_ws) {
    rill_ws_feed(&reader->ws, bytes, len);
  } else {
    rill_sse_feed(&reader->sse, bytes, len);
  }
}

static bool next(struct reader *reader, struct rill_span *data) {
  struct rill_sse_event event;
  struct rill_ws_message message;
  if (reader->is_ws) {
    bool is_there = rill_ws_next(&reader->ws, &message) == RILL_OK;
    *data = message.data;
    return is_there;
  }
  bool is_there = rill_sse_next(&reader->sse, &event) == RILL_OK;
  *data = event.data;
  return is_there;
}

/* One time through the input. */
static void pass(struct reader *reader, struct rill_span input, size_t piece,
                 struct counts *counts) {
  struct rill_span data;
  for (size_t at = 0; at < input.len; at += piece) {
    size_t len = input.len - at < piece ? input.len - at : piece;
    feed(reader, input.data + at, len);
    while (next(reader, &data)) {
      struct rill_chunk_facts facts;
      counts->events++;
      if (reader->scan &&
          rill_json_scan_chunk(reader->scan, data, &facts) == RILL_CHUNK_TEXT) {
        counts->texts++;
        counts->bytes += facts.text.len;
      }
    }
  }
}

static int is_right(const struct counts *counts, bool with_scan) {
  return counts->events == (uint64_t)EVENTS * ROUNDS &&
         (!with_scan || (counts->texts == counts->events &&
                         counts->bytes == chunks_text_bytes(EVENTS) * ROUNDS));
}

static int measure(bool is_ws, struct rill_span input, size_t piece,
                   bool with_scan) {
  struct rill_json_scan scan;
  struct reader reader = {.is_ws = is_ws, .scan = with_scan ? &scan : NULL};
  struct counts counts = {0};
  double best = 0;
  int is_wrong = 0;
  reader_init(&reader);
  rill_json_scan_init(&scan, RILL_FORMAT_OPENAI);
  pass(&reader, input, piece, &counts);
  uint64_t before = allocations;
  for (int i = 0; i < PASSES; i++) {
    counts = (struct counts){0};
    uint64_t started = cpu_ns();
    for (int round = 0; round < ROUNDS; round++) {
      pass(&reader, input, piece, &counts);
    }
    double ns = (double)(cpu_ns() - started) / EVENTS / ROUNDS;
    best = i == 0 || ns < best ? ns : best;
    is_wrong |= !is_right(&counts, with_scan);
  }
  printf("{\"ws\":%d,\"piece\":%zu,\"scan\":%d,\"ns\":%.1f,"
         "\"allocations\":%" PRIu64 ",\"events\":%" PRIu64 ",\"ok\":%d}\n",
         is_ws, piece, with_scan, best, allocations - before, counts.events,
         !is_wrong);
  rill_json_scan_free(&scan);
  reader_free(&reader);
  return is_wrong;
}

static int measure_all(bool is_ws, struct rill_span input) {
  int is_wrong = 0;
  is_wrong |= measure(is_ws, input, 64, false);
  is_wrong |= measure(is_ws, input, 16384, false);
  is_wrong |= measure(is_ws, input, 64, true);
  is_wrong |= measure(is_ws, input, 16384, true);
  return is_wrong;
}

int main(void) {
  static char events[EVENTS * CHUNK_MAX], frames[EVENTS * CHUNK_MAX];
  static const size_t before = sizeof "data: " - 1, after = 2;
  struct chunks chunks;
  size_t len = 0, framed = 0;
  chunks_init(&chunks, 1);
  for (uint64_t i = 0; i < EVENTS; i++) {
    size_t size = chunks_delta(&chunks, i, events + len);
    size_t bare = size - before - after;
    framed += frames_head(FRAMES_TEXT, bare, frames + framed);
    memcpy(frames + framed, events + len + before, bare);
    framed += bare;
    len += size;
  }
  int is_wrong = measure_all(false, (struct rill_span){events, len});
  is_wrong |= measure_all(true, (struct rill_span){frames, framed});
  return is_wrong;
}
