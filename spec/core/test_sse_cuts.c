/* SPDX-License-Identifier: MIT
 *
 * Tests of sse.c: that cuts, sizes and memory make no difference, what ceilings
 * do, and what a stream costs.
 */
#include <stdlib.h>
#include <time.h>

#include "sse_play.h"

static void random_streams_agree_with_the_standard(void) {
  static const char *const atoms[] = {
      "data",    "data:",        "data: ", "event: ", "id: ", "id",
      "retry: ", "error",        "error:", ":",       " ",    "\n",
      "\n",      "\r",           "\r\n",   "\n\n",    "x",    "12",
      "{\"}",    "\xEF\xBB\xBF", "\xEF",   "\xBB",    ""};
  struct rill_bytes input;
  struct rill_bytes want;
  rill_bytes_init(&input, SIZE_MAX);
  rill_bytes_init(&want, SSE_AMPLE);
  for (int i = 0; i < 1500; i++) {
    size_t count = check_random(24);
    rill_bytes_clear(&input);
    rill_bytes_clear(&want);
    while (count-- > 0) {
      const char *atom = atoms[check_random(sizeof atoms / sizeof *atoms)];
      /* an empty atom stands for NUL */
      size_t len = *atom != '\0' ? strlen(atom) : 1;
      CHECK_INT(rill_bytes_append(&input, atom, len), RILL_OK);
    }
    char *copy = check_copy(input.data, input.len);
    struct rill_span span = {copy, input.len};
    sse_model(&want, span);
    /* NULs may have come into names and data: compare by length */
    struct rill_bytes got;
    rill_bytes_init(&got, SSE_AMPLE);
    check_about(copy, span.len);
    for (size_t piece = 1; piece <= span.len + 1; piece++) {
      rill_bytes_clear(&got);
      sse_play_even(&got, span, piece, SSE_AMPLE);
      if (!CHECK(got.len == want.len &&
                 (got.len == 0 || memcmp(got.data, want.data, got.len) == 0))) {
        break;
      }
    }
    rill_bytes_free(&got);
    free(copy);
    check_about(NULL, 0);
  }
  rill_bytes_free(&input);
  rill_bytes_free(&want);
}

static void a_line_may_reach_the_ceiling_but_not_pass_it(void) {
  CHECK_STREAM_LIMIT("data: 0123\n\n", 10, "{|0123|}");
  CHECK_STREAM_LIMIT("data: 01234\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("data: 01234", 10, "!limit");
  CHECK_STREAM_LIMIT(": 345678901\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("whatever345\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("data: 0\n\ndata: 0123456\n\ndata: 1\n\n", 10,
                     "{|0|}!limit");
  CHECK_STREAM_LIMIT("\xEF\xBB\xBF"
                     "data: 0123\n\n",
                     10, "{|0123|}");
  CHECK_STREAM_LIMIT("\xEF\xBB"
                     "a345678901\n",
                     10, "!limit");
}

static void an_event_may_reach_the_ceiling_but_not_pass_it(void) {
  CHECK_STREAM_LIMIT("data: 0123\ndata:56789\n\n", 10, "{|0123\n56789|}");
  CHECK_STREAM_LIMIT("data: 0123\ndata:567890\n\n", 11, "{|0123\n567890|}");
  CHECK_STREAM_LIMIT("data: 0123\ndata:56789a\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("data: 0123\ndata:56789\ndata\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("event:abcd\ndata:01234\ndata\n\n", 10, "{abcd|01234\n|}");
  CHECK_STREAM_LIMIT("event:abcd\ndata:01234\ndata:5\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("data:01234\nid: 56789\n\n", 10, "{|01234|56789}");
  CHECK_STREAM_LIMIT("data:01234\nid: 56789\nevent:a\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("data:01234\ndata:5678\nid: 9\n\n", 10, "!limit");
  CHECK_STREAM_LIMIT("event:abcd\ndata:01234\nid: 56", 10, "!limit");
  CHECK_STREAM_LIMIT("id: 123456\nevent:abcd\ndata:0\n\n", 10, "!limit");
}

static void what_was_replaced_does_not_count(void) {
  CHECK_STREAM_LIMIT("event:abcd\nevent:efgh\nid: 1234\nid: 56\nid: 78\n"
                     "data:0123\n\n",
                     10, "{efgh|0123|78}");
  CHECK_STREAM_LIMIT("id: 123456\ndata:0\n\nid: 123456\ndata:0\n\ndata:01234\n"
                     "data:6789\n\n",
                     10, "{|0|123456}{|0|123456}{|01234\n6789|123456}");
  CHECK_STREAM_LIMIT("event:abcde\n\nevent:abcd\ndata:01234\n\n", 11,
                     "{abcd|01234|}");
}

static void many_empty_data_lines_meet_the_ceiling(void) {
  CHECK_STREAM_LIMIT("data\ndata\ndata\ndata\ndata\n\n", 5, "{|\n\n\n\n|}");
  CHECK_STREAM_LIMIT("data\ndata\ndata\ndata\ndata\ndata\ndata\n\n", 5,
                     "!limit");
}

static void no_buffer_passes_the_ceiling(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  char piece[100];
  memset(piece, 'x', sizeof piece);
  rill_sse_init(&sse, 1000);
  enum rill_status status = RILL_NEED_DATA;
  for (int i = 0; i < 100 && status == RILL_NEED_DATA; i++) {
    rill_sse_feed(&sse, piece, sizeof piece);
    status = rill_sse_next(&sse, &event);
    CHECK(sse.line.cap + sse.data.cap + sse.name.cap + sse.id.cap <= 1000);
  }
  CHECK_INT(status, RILL_LIMIT);
  rill_sse_free(&sse);
}

static void a_whole_event_is_not_copied(void) {
  static const char text[] = "event: e\ndata: one\n\ndata: two\r\n\r\n";
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 100);
  rill_sse_feed(&sse, text, sizeof text - 1);
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK(event.data.data == text + 15);
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK(event.data.data == text + 26);
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  CHECK(sse.data.data == NULL);
  CHECK(sse.line.data == NULL);
  rill_sse_free(&sse);
}

/* Plays the same events over and over in such pieces; nothing may be allocated
 * once the first rounds are over. */
static void play_warm(const char *text, size_t len, size_t piece) {
  struct rill_sse sse;
  struct rill_sse_event event;
  unsigned long allocations = 0;
  size_t caps = 0;
  rill_sse_init(&sse, SSE_AMPLE);
  for (int round = 0; round < 60; round++) {
    for (size_t at = 0; at < len; at += piece) {
      rill_sse_feed(&sse, text + at, len - at < piece ? len - at : piece);
      while (rill_sse_next(&sse, &event) == RILL_OK) {
      }
    }
    size_t now = sse.line.cap + sse.data.cap + sse.name.cap + sse.id.cap +
                 sse.last_id.cap;
    if (round >= 10) {
      CHECK_INT(check_allocations(), allocations);
      CHECK_INT(now, caps);
    }
    allocations = check_allocations();
    caps = now;
  }
  CHECK_INT(sse.events, 120);
  rill_sse_free(&sse);
}

static void a_warm_parser_does_not_allocate(void) {
  static const char text[] =
      "event: message\nid: 1234567\ndata: {\"choices\":[{\"index\":0,\"delta\":"
      "{\"content\":\"hello\"}}],\"and\":\"much more of the same, so that it "
      "is longer than the first allocation of a buffer would be\"}\n\n"
      ": comment\ndata: one line\ndata: and another\nid: 89\n\n";
  for (size_t piece = 1; piece < sizeof text; piece++) {
    play_warm(text, sizeof text - 1, piece);
  }
}

/* Seconds for so many bytes in pieces of 1 KiB, each event of event_len. */
static double time_of(size_t total, size_t event_len, const char *line_end) {
  enum { PIECE = 1024 };
  size_t end_len = strlen(line_end);
  char *text = malloc(total);
  if (text == NULL) {
    abort();
  }
  memset(text, 'x', total);
  for (size_t at = 0; at + event_len <= total; at += event_len) {
    memcpy(text + at, "data: ", 6);
    memcpy(text + at + event_len - 2 * end_len, line_end, end_len);
    memcpy(text + at + event_len - end_len, line_end, end_len);
  }
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 2 * total);
  clock_t begin = clock();
  for (size_t at = 0; at < total; at += PIECE) {
    rill_sse_feed(&sse, text + at, PIECE);
    while (rill_sse_next(&sse, &event) == RILL_OK) {
    }
  }
  clock_t end = clock();
  CHECK_INT(sse.events, total / event_len);
  rill_sse_free(&sse);
  free(text);
  return (double)(end - begin) / CLOCKS_PER_SEC;
}

/* Quadratic work would make the long event a thousand times as slow as the
 * short ones, so the factor can be generous. */
static void work_is_linear_in_the_bytes(void) {
  enum { TOTAL = 4 << 20 };
  static const char *const line_ends[] = {"\n", "\r", "\r\n"};
  for (size_t i = 0; i < 3; i++) {
    double small = time_of(TOTAL, 1024, line_ends[i]);
    double large = time_of(TOTAL, TOTAL, line_ends[i]);
    CHECK(large < 20 * small + 0.02);
  }
}

/* One piece with very many short lines: a search that ran on to a far line end
 * of the other kind for each of them would be quadratic. */
static void short_lines_in_a_large_piece_are_linear(void) {
  static const char *const fillings[] = {"\r",  "\n",  "\r\n",
                                         ":\r", ":\n", "\n\r"};
  enum { SIZE = 4 << 20 };
  char *text = malloc(SIZE);
  if (text == NULL) {
    abort();
  }
  for (size_t i = 0; i < sizeof fillings / sizeof *fillings; i++) {
    size_t len = strlen(fillings[i]);
    for (size_t at = 0; at < SIZE; at++) {
      text[at] = fillings[i][at % len];
    }
    struct rill_sse sse;
    struct rill_sse_event event;
    rill_sse_init(&sse, 100);
    clock_t begin = clock();
    rill_sse_feed(&sse, text, SIZE);
    CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 5);
    rill_sse_free(&sse);
  }
  free(text);
}

static void a_failed_allocation_is_sticky(void) {
  static const char text[] =
      "event: e\nid: 5\ndata: one\ndata: two\n\nid: 7\ndata: 3\ndata: 4\n\n";
  struct rill_sse_event event;
  for (long after = 0; after < 12; after++) {
    struct rill_sse sse;
    enum rill_status status = RILL_NEED_DATA;
    rill_sse_init(&sse, 100);
    if (!check_fail_allocations(after)) {
      return;
    }
    for (size_t at = 0; at < sizeof text - 1; at++) {
      rill_sse_feed(&sse, text + at, 1);
      do {
        status = rill_sse_next(&sse, &event);
      } while (status == RILL_OK);
      if (status != RILL_NEED_DATA) {
        break;
      }
    }
    (void)check_fail_allocations(-1);
    if (status == RILL_NO_MEMORY) {
      CHECK_INT(rill_sse_next(&sse, &event), RILL_NO_MEMORY);
      CHECK_INT(rill_sse_finish(&sse, &event), RILL_NO_MEMORY);
      CHECK(after < 5);
    } else {
      CHECK_INT(sse.events, 2);
    }
    CHECK(after > 0 || status == RILL_NO_MEMORY);
    rill_sse_reset(&sse);
    rill_sse_feed(&sse, "data: x\n\n", 9);
    CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
    CHECK_SPAN(event.data, "x");
    rill_sse_free(&sse);
  }
}

static void a_failed_copy_of_borrowed_data_is_sticky(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 100);
  if (check_fail_allocations(0)) {
    rill_sse_feed(&sse, "data: a\n\ndata: b\ndata: c\n\n", 26);
    CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
    CHECK_SPAN(event.data, "a");
    CHECK_INT(rill_sse_next(&sse, &event), RILL_NO_MEMORY);
    (void)check_fail_allocations(-1);
    CHECK_INT(rill_sse_next(&sse, &event), RILL_NO_MEMORY);
  }
  rill_sse_free(&sse);
}

static const struct check_test tests[] = {
    {"random streams agree with the standard",
     random_streams_agree_with_the_standard},
    {"a line may reach the ceiling but not pass it",
     a_line_may_reach_the_ceiling_but_not_pass_it},
    {"an event may reach the ceiling but not pass it",
     an_event_may_reach_the_ceiling_but_not_pass_it},
    {"what was replaced does not count", what_was_replaced_does_not_count},
    {"many empty data lines meet the ceiling",
     many_empty_data_lines_meet_the_ceiling},
    {"no buffer passes the ceiling", no_buffer_passes_the_ceiling},
    {"a whole event is not copied", a_whole_event_is_not_copied},
    {"a warm parser does not allocate", a_warm_parser_does_not_allocate},
    {"work is linear in the bytes", work_is_linear_in_the_bytes},
    {"short lines in a large piece are linear",
     short_lines_in_a_large_piece_are_linear},
    {"a failed allocation is sticky", a_failed_allocation_is_sticky},
    {"a failed copy of borrowed data is sticky",
     a_failed_copy_of_borrowed_data_is_sticky},
    {NULL, NULL}};

const struct check_suite sse_cuts_suite = {"sse cuts", tests};
