/* SPDX-License-Identifier: MIT
 *
 * Tests of ws_deflate.c: the examples of RFC 7692, both directions against each
 * other, ceilings, and what is no compressed message.
 */
#include <stdlib.h>

#include "ws_play.h"

#define FORGETS                                                                \
  { .is_on = true, .client_forgets = true, .server_forgets = true }
#define REMEMBERS                                                              \
  { .is_on = true }

static void check_inflated(struct rill_ws_deflate_terms terms, size_t limit,
                           const char *input, size_t len, const char *want,
                           int line) {
  struct ws_setup setup = ws_setup(limit);
  struct rill_span span = {input, len};
  setup.deflate = terms;
  check_every_cut(ws_play, &setup, span, want, __FILE__, line);
}

#define INFLATES(terms, limit, input, want)                                    \
  check_inflated((struct rill_ws_deflate_terms)terms, (limit), (input),        \
                 sizeof(input) - 1, (want), __LINE__)

/* Section 7.2.3 */
#define HELLO "\xF2\x48\xCD\xC9\xC9\x07\x00"

static void the_examples_of_the_standard_are_read(void) {
  INFLATES(REMEMBERS, AMPLE, "\xC1\x07" HELLO, "T(Hello)");
  INFLATES(REMEMBERS, AMPLE, "\x41\x03\xF2\x48\xCD\x80\x04\xC9\xC9\x07\x00",
           "T(Hello)");
  INFLATES(REMEMBERS, AMPLE, "\xC1\x07" HELLO "\xC1\x05\xF2\x00\x11\x00\x00",
           "T(Hello)T(Hello)"); /* by the window of the first */
  INFLATES(REMEMBERS, AMPLE,
           "\xC1\x0B\x00\x05\x00\xFA\xFF\x48\x65\x6C\x6C\x6F\x00", "T(Hello)");
  INFLATES(REMEMBERS, AMPLE, "\xC1\x08\xF3\x48\xCD\xC9\xC9\x07\x00\x00",
           "T(Hello)"); /* its block is the last of a stream */
  INFLATES(REMEMBERS, AMPLE,
           "\xC1\x0D\xF2\x48\x05\x00\x00\x00\xFF\xFF\xCA\xC9\xC9\x07\x00",
           "T(Hello)"); /* two blocks */
  INFLATES(REMEMBERS, AMPLE, "\xC1\x01\x00\x81\x02hi\x82\x01\xFF",
           "T()T(hi)B(\xFF)"); /* not all are compressed */
  INFLATES(FORGETS, AMPLE, "\xC1\x07" HELLO "\xC1\x07" HELLO,
           "T(Hello)T(Hello)");
}

static void control_frames_come_between(void) {
  INFLATES(REMEMBERS, AMPLE,
           "\x41\x03\xF2\x48\xCD\x89\x01p\x00\x00\x80\x04\xC9\xC9\x07\x00",
           "P(p)>8a(p)T(Hello)");
}

#define PROTOCOL "!invalid1002>88(\x03\xEA)"
#define WRONG "!invalid1007>88(\x03\xEF)"
#define TOO_BIG "!limit1009>88(\x03\xF1)"

static void the_bit_stands_on_first_frames_of_messages_alone(void) {
  INFLATES(REMEMBERS, AMPLE, "\x41\x03\xF2\x48\xCD\xC0\x04\xC9\xC9\x07\x00",
           PROTOCOL);
  INFLATES(REMEMBERS, AMPLE, "\xC9\x01p", PROTOCOL);
  INFLATES(REMEMBERS, AMPLE, "\xC8\x00", PROTOCOL);
  INFLATES(REMEMBERS, AMPLE, "\xE1\x07" HELLO, PROTOCOL);
  INFLATES(REMEMBERS, AMPLE, "\xA1\x07" HELLO, PROTOCOL);
}

static void what_was_compressed_wrongly_is_refused(void) {
  INFLATES(REMEMBERS, AMPLE, "\xC1\x02\xFF\xFF", WRONG);
  INFLATES(REMEMBERS, AMPLE, "\xC2\x03\x07\x00\x00", WRONG);
  INFLATES(FORGETS, AMPLE, "\xC1\x07" HELLO "\xC1\x05\xF2\x00\x11\x00\x00",
           "T(Hello)" WRONG); /* no window to refer to */
  INFLATES(REMEMBERS, AMPLE, "\xC1\x03\xF2\x48\xCD", WRONG); /* cut short */
}

static void inflated_texts_are_checked(void) {
  /* stored blocks: what stands in them comes out */
  INFLATES(REMEMBERS, AMPLE, "\xC1\x08\x00\x02\x00\xFD\xFF\xC3\x28\x00", WRONG);
  INFLATES(REMEMBERS, AMPLE, "\xC1\x07\x00\x01\x00\xFE\xFF\xC3\x00", WRONG);
  INFLATES(REMEMBERS, AMPLE, "\xC2\x07\x00\x01\x00\xFE\xFF\xC3\x00", "B(\xC3)");
  INFLATES(REMEMBERS, AMPLE, "\x41\x06\x00\x02\x00\xFD\xFF\xC3\x80\x02\xA9\x00",
           "T(\xC3\xA9)");
}

static void the_limit_is_that_of_inflated_bytes(void) {
  INFLATES(REMEMBERS, 5, "\xC1\x07" HELLO, "T(Hello)");
  INFLATES(REMEMBERS, 4, "\xC1\x07" HELLO, TOO_BIG);
  INFLATES(REMEMBERS, 5, "\xC1\x07" HELLO "\xC1\x05\xF2\x00\x11\x00\x00",
           "T(Hello)T(Hello)");
}

/* Compresses with a socket's half, reads its frames with another's.  What a
 * client sends is masked, so the bytes go through the two parts by hand. */
static void check_round(struct rill_ws_deflate_terms terms, const char *data,
                        size_t len, int times) {
  struct rill_ws_deflate *client, *server;
  struct rill_ws_deflate_terms mirrored = terms;
  mirrored.server_bits = terms.client_bits;
  mirrored.server_forgets = terms.client_forgets;
  CHECK_INT(rill_ws_deflate_new(&client, &terms), RILL_OK);
  CHECK_INT(rill_ws_deflate_new(&server, &mirrored), RILL_OK);
  size_t first_size = 0;
  for (int i = 0; i < times; i++) {
    struct rill_bytes packed, out;
    struct rill_span message = {data, len};
    rill_bytes_init(&packed, SIZE_MAX);
    rill_bytes_init(&out, len);
    CHECK_INT(rill_ws_compress(client, message, &packed), RILL_OK);
    first_size = i == 0 ? packed.len : first_size;
    CHECK(!terms.client_forgets || packed.len == first_size);
    for (size_t at = 0; at < packed.len; at += 777) {
      size_t left = packed.len - at;
      struct rill_span piece = {packed.data + at, left < 777 ? left : 777};
      CHECK_INT(rill_ws_inflate(server, piece, &out), RILL_OK);
    }
    CHECK_INT(rill_ws_inflate_end(server, &out), RILL_OK);
    CHECK(out.len == len && memcmp(out.data, data, len) == 0);
    rill_bytes_free(&packed);
    rill_bytes_free(&out);
  }
  rill_ws_deflate_free(client);
  rill_ws_deflate_free(server);
}

static void what_is_compressed_can_be_inflated(void) {
  static const size_t lengths[] = {1, 5, 1023, 1024, 1025, 70000, 1000000};
  static const struct rill_ws_deflate_terms terms[] = {
      REMEMBERS, FORGETS, {.is_on = true, .client_bits = 9}};
  char *data = malloc(1000000);
  for (size_t i = 0; i < 1000000; i++) { /* some of it repeats, some does not */
    data[i] = (char)(i % 5000 < 2500 ? 'a' + i % 7 : check_random(256));
  }
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    for (size_t j = 0; j < sizeof terms / sizeof *terms; j++) {
      check_round(terms[j], data, lengths[i], 3);
    }
  }
  free(data);
}

static void messages_are_sent_compressed_and_kept_as_they_were(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  struct ws_setup setup = ws_setup(AMPLE);
  struct rill_bytes out;
  size_t at = 0;
  setup.deflate = (struct rill_ws_deflate_terms)REMEMBERS;
  rill_bytes_init(&out, SIZE_MAX);
  if (ws_open(&ws, &setup) == RILL_OK) {
    CHECK_INT(rill_ws_out_send(&ws.out, RILL_WS_TEXT, rill_span_of("Hello")),
              RILL_OK);
    CHECK_INT(rill_ws_out_send(&ws.out, RILL_WS_TEXT, rill_span_of("Hello")),
              RILL_OK);
    CHECK_INT(rill_ws_out_send(&ws.out, RILL_WS_BINARY, rill_span_of("")),
              RILL_OK);
    CHECK_INT(rill_ws_out_ping(&ws.out, rill_span_of("p")), RILL_OK);
    CHECK(rill_ws_out_unsent(&ws.out, &at, &message));
    CHECK_SPAN(message.data, "Hello");
    ws_drain(&ws, &out, 3);
    CHECK_SPAN(rill_bytes_span(&out),
               ">89(p)>c1(" HELLO ")>c1(\xF2\x00\x11\x00\x00)>82()");
    CHECK_INT(ws.out.queued_bytes, 0);
  }
  rill_bytes_free(&out);
  rill_ws_free(&ws);
}

static void a_bomb_goes_off_at_the_limit(void) {
  struct rill_ws_deflate_terms terms = REMEMBERS;
  struct rill_ws_deflate *both;
  struct rill_bytes packed, out;
  char *zeros = malloc(4000000);
  struct rill_span message = {zeros, 4000000};
  memset(zeros, 0, 4000000);
  rill_bytes_init(&packed, SIZE_MAX);
  rill_bytes_init(&out, 100000);
  CHECK_INT(rill_ws_deflate_new(&both, &terms), RILL_OK);
  CHECK_INT(rill_ws_compress(both, message, &packed), RILL_OK);
  CHECK(packed.len < 5000);
  CHECK_INT(rill_ws_inflate(both, rill_bytes_span(&packed), &out), RILL_LIMIT);
  CHECK_INT(out.len, 100000);
  CHECK(out.cap <= 100000);
  rill_ws_deflate_free(both);
  rill_bytes_free(&packed);
  rill_bytes_free(&out);
  free(zeros);
}

/* Each allocation that there is fails once, with all that follow it. */
static void failing_allocations_are_told(void) {
  static const char frames[] = "\xC1\x07" HELLO;
  bool reached_end = false;
  for (long n = 0; n < 20 && !reached_end && check_fail_allocations(n); n++) {
    struct rill_ws ws;
    struct rill_span bytes;
    struct rill_ws_message message;
    struct ws_setup setup = ws_setup(AMPLE);
    setup.deflate = (struct rill_ws_deflate_terms)REMEMBERS;
    enum rill_status status = ws_open(&ws, &setup);
    if (status == RILL_OK) {
      rill_ws_feed(&ws, frames, sizeof frames - 1);
      status = rill_ws_next(&ws, &message);
    }
    if (status == RILL_OK) {
      status = rill_ws_out_send(&ws.out, RILL_WS_TEXT, rill_span_of("Hello"));
    }
    if (status == RILL_OK) {
      status = rill_ws_out_next(&ws.out, &bytes);
    }
    reached_end = status == RILL_OK;
    CHECK(reached_end || status == RILL_NO_MEMORY);
    CHECK(!reached_end || n > 5);
    (void)check_fail_allocations(-1);
    rill_ws_free(&ws);
  }
}

static const struct check_test tests[] = {
    {"the examples of the standard are read",
     the_examples_of_the_standard_are_read},
    {"control frames come between compressed fragments",
     control_frames_come_between},
    {"the bit stands on first frames of messages alone",
     the_bit_stands_on_first_frames_of_messages_alone},
    {"what was compressed wrongly is refused",
     what_was_compressed_wrongly_is_refused},
    {"inflated texts are checked", inflated_texts_are_checked},
    {"the limit is that of inflated bytes",
     the_limit_is_that_of_inflated_bytes},
    {"what is compressed can be inflated", what_is_compressed_can_be_inflated},
    {"messages are sent compressed and kept as they were",
     messages_are_sent_compressed_and_kept_as_they_were},
    {"a bomb goes off at the limit", a_bomb_goes_off_at_the_limit},
    {"failing allocations are told", failing_allocations_are_told},
    {NULL, NULL}};

const struct check_suite ws_deflate_suite = {"ws_deflate", tests};
