/* SPDX-License-Identifier: MIT
 *
 * Tests of ws_out.c: what a client writes, in which order, and what it has when
 * it could not.
 */
#include <stdlib.h>

#include "ws_play.h"

static void messages_are_written_in_order(void) {
  struct rill_ws ws;
  ws_open_for(&ws, AMPLE);
  CHECK_INT(ws_send_text(&ws, "one"), RILL_OK);
  CHECK_INT(rill_ws_out_send(&ws.out, RILL_WS_BINARY, rill_span_of("two")),
            RILL_OK);
  CHECK_INT(ws_send_text(&ws, ""), RILL_OK);
  CHECK_INT(ws.out.queued_count, 3);
  CHECK_INT(ws.out.queued_bytes, 6);
  WRITES(&ws, ">81(one)>82(two)>81()");
  CHECK_INT(ws.out.messages, 3);
  CHECK_INT(ws.out.queued_count, 0);
  CHECK_INT(ws.out.queued_bytes, 0);
  WRITES(&ws, "");
  rill_ws_free(&ws);
}

static void every_length_is_framed(void) {
  static const size_t lengths[] = {0,     1,     125,   126,   127,
                                   4096,  16369, 16370, 16371, 16376,
                                   16384, 65535, 65536, 300000};
  char *data = malloc(300000);
  memset(data, 'q', 300000);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    struct rill_ws ws;
    struct rill_bytes out;
    struct rill_span payload = {data, lengths[i]};
    ws_open_for(&ws, 0);
    rill_bytes_init(&out, SIZE_MAX);
    CHECK_INT(rill_ws_out_send(&ws.out, RILL_WS_BINARY, payload), RILL_OK);
    ws_drain(&ws, &out, SIZE_MAX);
    CHECK_INT(out.len, lengths[i] + 5);
    CHECK(memcmp(out.data + 4, data, lengths[i]) == 0);
    CHECK(ws.out.framed.cap <= 16384);
    CHECK(ws.out.queue.cap <= 65536);
    rill_bytes_free(&out);
    rill_ws_free(&ws);
  }
  free(data);
}

/* Where the first frame ends, there is room for no header, for one, for more.
 */
static void frames_that_follow_each_other_are_whole(void) {
  char *data = malloc(16400);
  memset(data, 'q', 16400);
  for (size_t len = 16350; len < 16390; len++) {
    struct rill_ws ws;
    struct rill_bytes out;
    struct rill_span payload = {data, len};
    ws_open_for(&ws, AMPLE);
    rill_bytes_init(&out, SIZE_MAX);
    (void)rill_ws_out_send(&ws.out, RILL_WS_BINARY, payload);
    (void)ws_send_text(&ws, "next");
    (void)rill_ws_out_close(&ws.out, 1000, ws_nothing, false);
    ws_drain(&ws, &out, SIZE_MAX);
    CHECK_INT(out.len, 4 + len + 1 + 9 + 7);
    CHECK(memcmp(out.data + 4 + len, ")>81(next)>88(\x03\xE8)", 17) == 0);
    CHECK_INT(ws.out.messages, 2);
    rill_bytes_free(&out);
    rill_ws_free(&ws);
  }
  free(data);
}

/* A full queue takes nothing, an empty one anything. */
static void the_queue_has_a_limit(void) {
  struct rill_ws ws;
  ws_open_for(&ws, 5);
  CHECK_INT(ws_send_text(&ws, "longer"), RILL_OK);
  CHECK_INT(ws_send_text(&ws, ""), RILL_LIMIT);
  WRITES(&ws, ">81(longer)");
  CHECK_INT(ws_send_text(&ws, "ab"), RILL_OK);
  CHECK_INT(ws_send_text(&ws, "cde"), RILL_OK);
  CHECK_INT(ws_send_text(&ws, "f"), RILL_LIMIT);
  WRITES(&ws, ">81(ab)>81(cde)");
  CHECK_INT(ws_send_text(&ws, "f"), RILL_OK);
  rill_ws_free(&ws);
}

static void a_message_is_queued_until_its_last_byte(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  size_t at = 0;
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, "first");
  (void)rill_ws_out_send(&ws.out, RILL_WS_BINARY, rill_span_of("second"));
  (void)ws_send_text(&ws, "third");
  ws_write_some(&ws, 10); /* of 11 */
  CHECK_INT(ws.out.messages, 0);
  CHECK_INT(ws_count_unsent(&ws), 3);
  ws_write_some(&ws, 2);
  CHECK_INT(ws.out.messages, 1);
  CHECK(rill_ws_out_unsent(&ws.out, &at, &message));
  CHECK_INT(message.kind, RILL_WS_BINARY);
  CHECK_SPAN(message.data, "second"); /* as it was given: no mask */
  CHECK(rill_ws_out_unsent(&ws.out, &at, &message));
  CHECK_INT(message.kind, RILL_WS_TEXT);
  CHECK_SPAN(message.data, "third");
  CHECK(!rill_ws_out_unsent(&ws.out, &at, &message));
  CHECK_INT(ws.out.queued_bytes, 11);
  rill_ws_free(&ws);
}

static void a_ping_goes_ahead_of_messages_but_not_into_one(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  char large[40001];
  struct rill_bytes want, out;
  memset(large, 'l', 40000);
  large[40000] = '\0';
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, large);
  (void)ws_send_text(&ws, "later");
  struct rill_span bytes;
  CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_OK);
  rill_bytes_init(&out, SIZE_MAX);
  rill_bytes_init(&want, SIZE_MAX);
  put_span(&out, bytes);
  rill_ws_out_written(&ws.out, bytes.len);
  CHECK_INT(rill_ws_out_ping(&ws.out, rill_span_of("mine")), RILL_OK);
  rill_ws_feed(&ws, "\x89\x05yours", 7);
  CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
  while (rill_ws_out_next(&ws.out, &bytes) == RILL_OK) {
    put_span(&out, bytes);
    rill_ws_out_written(&ws.out, bytes.len);
  }
  struct rill_bytes frames;
  rill_bytes_init(&frames, SIZE_MAX);
  CHECK_INT(ws_read_frames(rill_bytes_span(&out), &frames), 0);
  put_text(&want, ">81(");
  put_text(&want, large);
  put_text(&want, ")>8a(yours)>89(mine)>81(later)");
  CHECK(frames.len == want.len &&
        memcmp(frames.data, want.data, want.len) == 0);
  rill_bytes_free(&frames);
  rill_bytes_free(&out);
  rill_bytes_free(&want);
  rill_ws_free(&ws);
}

static void of_pings_that_pile_up_the_last_is_answered(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  ws_open_for(&ws, AMPLE);
  rill_ws_feed(&ws,
               "\x89\x01"
               "a\x89\x01"
               "b\x89\x01"
               "c",
               9);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
  }
  CHECK_INT(ws.pings, 3);
  WRITES(&ws, ">8a(c)");
  rill_ws_free(&ws);
}

static void a_ping_has_a_limit(void) {
  struct rill_ws ws;
  char text[127];
  memset(text, 'p', sizeof text);
  struct rill_span longest = {text, 125};
  struct rill_span longer = {text, 126};
  ws_open_for(&ws, AMPLE);
  CHECK_INT(rill_ws_out_ping(&ws.out, longer), RILL_INVALID);
  CHECK_INT(rill_ws_out_ping(&ws.out, longest), RILL_OK);
  struct rill_span bytes;
  CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_OK);
  CHECK_INT(bytes.len, 6 + 125);
  rill_ws_free(&ws);
}

/* The gap in front is closed while a frame is on its way. */
static void a_long_life_needs_no_more_memory(void) {
  struct rill_ws ws;
  char text[1001] = "";
  memset(text, 't', 1000);
  ws_open_for(&ws, AMPLE);
  for (int i = 0; i < 100; i++) {
    (void)ws_send_text(&ws, text);
  }
  for (int i = 0; i < 5000; i++) {
    ws_write_some(&ws, 1008);
    CHECK_INT(ws_send_text(&ws, text), RILL_OK);
  }
  CHECK_INT(ws.out.messages, 5000);
  CHECK_INT(ws.out.queued_count, 100);
  CHECK(ws.out.queue.cap < 500000);
  ws_write_some(&ws, 100800);
  CHECK_INT(ws.out.messages, 5100);
  CHECK_INT(ws.out.queued_bytes, 0);
  rill_ws_free(&ws);
}

static bool count_fetches(void *arg, uint8_t *bytes, size_t len) {
  int *fetches = arg;
  (*fetches)++;
  for (size_t i = 0; i < len; i++) {
    bytes[i] = (uint8_t)(*fetches * 64 + (int)i);
  }
  return true;
}

static void each_frame_has_a_mask_of_its_own(void) {
  struct rill_ws ws;
  int fetches = 0;
  struct ws_setup setup = ws_setup(AMPLE);
  setup.out.random = count_fetches;
  setup.out.random_arg = &fetches;
  (void)ws_open(&ws, &setup);
  char masks[32][4];
  for (int i = 0; i < 32; i++) {
    struct rill_span bytes;
    (void)ws_send_text(&ws, "x");
    CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_OK);
    memcpy(masks[i], bytes.data + 2, 4);
    rill_ws_out_written(&ws.out, bytes.len);
    for (int j = 0; j < i; j++) {
      CHECK(memcmp(masks[i], masks[j], 4) != 0);
    }
  }
  CHECK_INT(fetches, 2); /* in stock */
  rill_ws_free(&ws);
}

static bool no_chance(void *arg, uint8_t *bytes, size_t len) {
  (void)arg;
  (void)bytes;
  (void)len;
  return false;
}

static void without_randomness_nothing_is_written(void) {
  struct rill_ws ws;
  struct rill_span bytes;
  struct ws_setup setup = ws_setup(AMPLE);
  setup.out.random = no_chance;
  (void)ws_open(&ws, &setup);
  (void)ws_send_text(&ws, "never");
  CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_INVALID);
  CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_INVALID);
  CHECK(ws.out.problem != NULL);
  CHECK_INT(ws_count_unsent(&ws), 1);
  rill_ws_free(&ws);
}

static void what_finds_no_memory_is_not_taken(void) {
  struct rill_ws ws;
  struct rill_span bytes;
  ws_open_for(&ws, AMPLE);
  if (check_fail_allocations(0)) {
    CHECK_INT(ws_send_text(&ws, "never"), RILL_NO_MEMORY);
    CHECK_INT(ws.out.queued_count, 0);
    (void)check_fail_allocations(-1);
    CHECK_INT(ws_send_text(&ws, "kept"), RILL_OK);
    (void)check_fail_allocations(0);
    CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_NO_MEMORY);
    (void)check_fail_allocations(-1);
    CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_NO_MEMORY); /* sticky */
    CHECK_INT(ws_count_unsent(&ws), 1);
  }
  rill_ws_free(&ws);
}

static void a_zeroed_socket_can_be_freed(void) {
  struct rill_ws ws;
  memset(&ws, 0, sizeof ws);
  rill_ws_free(&ws);
  rill_ws_free(&ws);
  CHECK(ws.frames == NULL);
}

static const struct check_test tests[] = {
    {"messages are written in order", messages_are_written_in_order},
    {"every length is framed, in pieces of bounded size",
     every_length_is_framed},
    {"frames that follow each other are whole, wherever the first one ends",
     frames_that_follow_each_other_are_whole},
    {"the queue has a limit", the_queue_has_a_limit},
    {"a message is queued until its last byte is written",
     a_message_is_queued_until_its_last_byte},
    {"a ping goes ahead of messages, but not into one",
     a_ping_goes_ahead_of_messages_but_not_into_one},
    {"of pings that pile up the last is answered",
     of_pings_that_pile_up_the_last_is_answered},
    {"a ping has a limit", a_ping_has_a_limit},
    {"a long life needs no more memory", a_long_life_needs_no_more_memory},
    {"each frame has a mask of its own", each_frame_has_a_mask_of_its_own},
    {"without randomness nothing is written",
     without_randomness_nothing_is_written},
    {"what finds no memory is not taken", what_finds_no_memory_is_not_taken},
    {"a zeroed socket can be freed", a_zeroed_socket_can_be_freed},
    {NULL, NULL}};

const struct check_suite ws_out_suite = {"ws_out", tests};
