/* SPDX-License-Identifier: MIT
 *
 * Tests of ws.c: what a server may send, and what it may not, at every cut.
 */
#include <stdlib.h>

#include "ws_play.h"

static void messages_are_given(void) {
  CHECK_FRAMES("\x81\x05hello", "T(hello)");
  CHECK_FRAMES("\x82\x03\x01\xFF\x80"
               "\x81\x00\x82\x00",
               "B(\x01\xFF\x80)T()B()");
  CHECK_FRAMES("\x81\x01"
               "a\x81\x01"
               "b\x81\x01"
               "c",
               "T(a)T(b)T(c)");
  CHECK_FRAMES("\x81\x05hel", "");
}

static void fragments_are_joined(void) {
  CHECK_FRAMES("\x01\x03one\x00\x03two\x80\x05three", "T(onetwothree)");
  CHECK_FRAMES("\x02\x01z\x80\x00", "B(z)");
  CHECK_FRAMES("\x01\x00\x00\x00\x00\x00\x80\x00\x81\x01x", "T()T(x)");
  CHECK_FRAMES("\x01\x00\x80\x02hi", "T(hi)");
  CHECK_FRAMES("\x01\x02\xE2\x98\x80\x01\x95", "T(\xE2\x98\x95)");
}

static void control_frames_come_between_fragments(void) {
  CHECK_FRAMES("\x01\x03one\x89\x02hi\x00\x03two\x8A\x01p\x80\x01!",
               "P(hi)>8a(hi)O(p)T(onetwo!)");
  CHECK_FRAMES("\x01\x01"
               "a\x88\x02\x03\xE8\x80\x01"
               "b",
               "C1000()>88(\x03\xE8)");
}

static void pings_are_answered(void) {
  char longest[127 + 3] = "\x89\x7D";
  memset(longest + 2, 'p', 125);
  struct rill_bytes want;
  rill_bytes_init(&want, SIZE_MAX);
  struct rill_span payload = {longest + 2, 125};
  put_text(&want, "P(");
  put_span(&want, payload);
  put_text(&want, ")>8a(");
  put_span(&want, payload);
  put_text(&want, ")");
  struct rill_span end = {"", 1};
  put_span(&want, end);
  ws_check_frames(longest, 127, AMPLE, want.data, __FILE__, __LINE__);
  rill_bytes_free(&want);
  CHECK_FRAMES("\x89\x00", "P()>8a()");
  CHECK_FRAMES("\x8A\x00\x8A\x02zz", "O()O(zz)");
}

static void a_close_frame_is_answered_and_ends_it(void) {
  CHECK_FRAMES("\x88\x00", "C1005()>88()");
  CHECK_FRAMES("\x88\x05\x03\xE9"
               "bye\x81\x01x",
               "C1001(bye)>88(\x03\xE9)");
  CHECK_FRAMES("\x88\x04\x0F\xA0\xC3\xA9", "C4000(\xC3\xA9)>88(\x0F\xA0)");
}

static void codes_that_may_stand_on_the_wire(void) {
  for (unsigned code = 0; code < 65536; code++) {
    char frame[4] = {'\x88', 2, (char)(code >> 8), (char)code};
    struct rill_span span = {frame, 4};
    struct rill_bytes out;
    struct ws_setup setup = ws_setup(AMPLE);
    bool allowed = (code >= 1000 && code <= 1003) ||
                   (code >= 1007 && code <= 1014) ||
                   (code >= 3000 && code <= 4999);
    rill_bytes_init(&out, SIZE_MAX);
    ws_play(&setup, &out, span, NULL, 0);
    CHECK_INT(out.data[0] == 'C', allowed);
    CHECK(allowed || memcmp(out.data, "!invalid1002>88(\x03\xEA)", 16) == 0);
    struct rill_span none = {NULL, 0};
    CHECK_INT(rill_ws_may_close(code, none), allowed);
    rill_bytes_free(&out);
  }
}

#define PROTOCOL "!invalid1002>88(\x03\xEA)"
#define NOT_UTF8 "!invalid1007>88(\x03\xEF)"
#define TOO_BIG "!limit1009>88(\x03\xF1)"

static void a_wrong_close_frame_is_refused(void) {
  CHECK_FRAMES("\x88\x01\x03", PROTOCOL);
  CHECK_FRAMES("\x88\x03\x03\xE8\x80", NOT_UTF8);
  CHECK_FRAMES("\x88\x04\x03\xE8\xC3\x28", NOT_UTF8);
  CHECK_FRAMES("\x88\x03\x03\xE8\xC3", NOT_UTF8);
}

static void reserved_bits_are_refused(void) {
  for (unsigned bits = 1; bits < 8; bits++) {
    static const unsigned char opcodes[] = {0x81, 0x82, 0x01, 0x88, 0x89, 0x8A};
    for (size_t i = 0; i < sizeof opcodes; i++) {
      char frame[4] = {(char)(opcodes[i] | bits << 4), 2, 3, '\xE8'};
      ws_check_frames(frame, 4, AMPLE, PROTOCOL, __FILE__, __LINE__);
    }
  }
  CHECK_FRAMES("\x01\x01"
               "a\xC0\x01"
               "b",
               PROTOCOL);
}

static void reserved_opcodes_are_refused(void) {
  for (unsigned opcode = 0; opcode < 16; opcode++) {
    if ((opcode & 7) > 2) {
      char frame[3] = {(char)(0x80 | opcode), 1, 'x'};
      ws_check_frames(frame, 3, AMPLE, PROTOCOL, __FILE__, __LINE__);
      frame[1] = 0;
      ws_check_frames(frame, 2, AMPLE, PROTOCOL, __FILE__, __LINE__);
    }
  }
}

static void masked_frames_are_refused(void) {
  CHECK_FRAMES("\x81\x81\x00\x00\x00\x00x", PROTOCOL);
  CHECK_FRAMES("\x89\x80\x01\x02\x03\x04", PROTOCOL);
}

static void the_order_of_fragments_is_held(void) {
  CHECK_FRAMES("\x80\x01x", PROTOCOL);
  CHECK_FRAMES("\x00\x01x", PROTOCOL);
  CHECK_FRAMES("\x81\x01"
               "a\x80\x01x",
               "T(a)" PROTOCOL);
  CHECK_FRAMES("\x01\x01"
               "a\x81\x01"
               "b",
               PROTOCOL);
  CHECK_FRAMES("\x02\x01"
               "a\x01\x01"
               "b",
               PROTOCOL);
}

static void control_frames_are_short_and_whole(void) {
  CHECK_FRAMES("\x09\x01x", PROTOCOL);
  CHECK_FRAMES("\x08\x00", PROTOCOL);
  CHECK_FRAMES("\x0A\x00", PROTOCOL);
  CHECK_FRAMES("\x89\x7E\x00\x7E", PROTOCOL);
  CHECK_FRAMES("\x8A\x7F", PROTOCOL);
}

static void lengths_are_minimal(void) {
  CHECK_FRAMES("\x81\x7E\x00\x7D", PROTOCOL);
  CHECK_FRAMES("\x81\x7E\x00\x00", PROTOCOL);
  CHECK_FRAMES("\x81\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF", PROTOCOL);
  CHECK_FRAMES("\x81\x7F\x80\x00\x00\x00\x00\x00\x00\x00", PROTOCOL);
  CHECK_FRAMES("\x81\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", PROTOCOL);
}

static void texts_are_checked_as_they_arrive(void) {
  CHECK_FRAMES("\x81\x7E\x10\x00"
               "ab\xC0",
               NOT_UTF8); /* the frame is far from whole */
  CHECK_FRAMES("\x01\x01\xE2\x01\x01x", PROTOCOL);
  CHECK_FRAMES("\x01\x01\xED\x00\x01\xA0", NOT_UTF8);
  CHECK_FRAMES("\x81\x02\xC3(", NOT_UTF8);
  CHECK_FRAMES("\x81\x01\xC3", NOT_UTF8);
  CHECK_FRAMES("\x01\x01\xF0\x00\x01\x9F\x80\x01\x98", NOT_UTF8);
  CHECK_FRAMES("\x01\x02\xF4\x8F\x89\x01\xFF\x80\x02\xBF\xBF",
               "P(\xFF)>8a(\xFF)T(\xF4\x8F\xBF\xBF)");
  CHECK_FRAMES("\x82\x02\xC3(", "B(\xC3()");
}

static void no_invalid_sequence_gets_through(void) {
  static const char *const wrong[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80",
                                      "\xFF",
                                      "\xE2\x28\xA1",
                                      "\xF0\x28\x8C\x28",
                                      "\xC3\xA9\xA9",
                                      "\xF8\x88\x80\x80",
                                      "\xE2\x82",
                                      "\xF0\x9F\x98"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    size_t len = strlen(wrong[i]);
    for (size_t cut = 0; cut <= len; cut++) {
      struct rill_bytes frames;
      struct rill_span first = {wrong[i], cut};
      struct rill_span second = {wrong[i] + cut, len - cut};
      rill_bytes_init(&frames, SIZE_MAX);
      ws_put_frame(&frames, 0x01, first);
      ws_put_frame(&frames, 0x80, second);
      ws_check_frames(frames.data, frames.len, AMPLE, NOT_UTF8, __FILE__,
                      __LINE__);
      rill_bytes_free(&frames);
    }
  }
}

static void messages_have_a_limit(void) {
  CHECK_FRAMES_LIMIT("\x81\x05hello", 5, "T(hello)");
  CHECK_FRAMES_LIMIT("\x81\x06hello!", 5, TOO_BIG);
  CHECK_FRAMES_LIMIT("\x01\x03hel\x80\x02lo", 5, "T(hello)");
  CHECK_FRAMES_LIMIT("\x01\x03hel\x80\x03lo!", 5, TOO_BIG);
  CHECK_FRAMES_LIMIT("\x01\x05hello\x89\x06"
                     "longer\x80\x00",
                     5, "P(longer)>8a(longer)T(hello)");
  CHECK_FRAMES_LIMIT("\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFx", 5, TOO_BIG);
}

/* Lengths around the borders of the three forms, and of wslay's buffer. */
static void lengths_of_all_forms_are_read(void) {
  static const size_t lengths[] = {0,    1,     125,   126,   127,   4082,
                                   4092, 4093,  4094,  4095,  4096,  4097,
                                   8192, 65535, 65536, 65537, 200000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char *data = malloc(lengths[i] + 1);
    struct rill_span payload = {data, lengths[i]};
    struct rill_ws_message message;
    struct rill_bytes frames;
    struct rill_ws ws;
    struct ws_setup setup = ws_setup(AMPLE);
    for (size_t at = 0; at < lengths[i]; at++) {
      data[at] = (char)('a' + at % 23);
    }
    rill_bytes_init(&frames, SIZE_MAX);
    ws_put_frame(&frames, 0x82, payload);
    ws_put_frame(&frames, 0x81, rill_span_of("next"));
    if (ws_open(&ws, &setup) == RILL_OK) {
      rill_ws_feed(&ws, frames.data, frames.len);
      CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
      check_span(message.data, data, lengths[i], "payload", __FILE__, __LINE__);
      CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
      CHECK_SPAN(message.data, "next");
      CHECK_INT(rill_ws_next(&ws, &message), RILL_NEED_DATA);
      CHECK_INT(ws.messages, 2);
    }
    rill_ws_free(&ws);
    rill_bytes_free(&frames);
    free(data);
  }
}

enum { HUGE_LEN = 16 * 1024 * 1024 };

static void sixteen_mebibytes_are_one_message(void) {
  struct ws_setup setup = ws_setup(HUGE_LEN);
  struct rill_ws_message message = {.kind = RILL_WS_PING};
  struct rill_bytes frames;
  struct rill_ws ws;
  char *data = malloc(HUGE_LEN);
  struct rill_span payload = {data, HUGE_LEN};
  memset(data, 'x', HUGE_LEN);
  rill_bytes_init(&frames, SIZE_MAX);
  ws_put_frame(&frames, 0x81, payload);
  ws_put_frame(&frames, 0x81, rill_span_of("small"));
  if (ws_open(&ws, &setup) == RILL_OK) {
    size_t given = 0;
    for (size_t at = 0; at < frames.len; at += 10000) {
      size_t left = frames.len - at;
      rill_ws_feed(&ws, frames.data + at, left < 10000 ? left : 10000);
      while (rill_ws_next(&ws, &message) == RILL_OK) {
        CHECK_INT(message.data.len, given == 0 ? HUGE_LEN : 5);
        CHECK(given > 0 || memcmp(message.data.data, data, HUGE_LEN) == 0);
        given++;
      }
    }
    CHECK_INT(given, 2);
    CHECK(ws.joined.cap <= 65536); /* given back */
  }
  rill_ws_free(&ws);
  rill_bytes_free(&frames);
  free(data);
}

static void a_warm_socket_allocates_nothing(void) {
  struct ws_setup setup = ws_setup(AMPLE);
  struct rill_ws_message message;
  struct rill_bytes frames, out;
  struct rill_ws ws;
  unsigned long before = 0;
  char data[301] = "";
  memset(data, 'd', 300);
  rill_bytes_init(&frames, SIZE_MAX);
  rill_bytes_init(&out, SIZE_MAX);
  for (int i = 0; i < 50; i++) {
    ws_put_frame(&frames, 0x81, rill_span_of(data));
    ws_put_frame(&frames, 0x89, rill_span_of("p"));
  }
  if (ws_open(&ws, &setup) == RILL_OK) {
    for (int round = 0; round < 20; round++) {
      rill_ws_feed(&ws, frames.data, frames.len);
      while (rill_ws_next(&ws, &message) == RILL_OK) {
        struct rill_span bytes;
        CHECK_INT(rill_ws_out_send(&ws.out, RILL_WS_TEXT, message.data),
                  RILL_OK);
        while (rill_ws_out_next(&ws.out, &bytes) == RILL_OK) {
          rill_ws_out_written(&ws.out, bytes.len);
        }
      }
      if (round == 1) {
        before = check_allocations();
      }
    }
    CHECK_INT(check_allocations(), before);
    CHECK_INT(ws.messages, 1000);
  }
  rill_ws_free(&ws);
  rill_bytes_free(&frames);
  rill_bytes_free(&out);
}

/* A message that has to be joined wants memory: once it is there. */
static void failing_allocations_are_told(void) {
  static const char frames[] = "\x01\x03one\x80\x03two";
  struct ws_setup setup = ws_setup(AMPLE);
  struct rill_ws_message message;
  struct rill_ws ws;
  if (ws_open(&ws, &setup) == RILL_OK && check_fail_allocations(0)) {
    rill_ws_feed(&ws, frames, sizeof frames - 1);
    CHECK_INT(rill_ws_next(&ws, &message), RILL_NO_MEMORY);
    CHECK_INT(rill_ws_next(&ws, &message), RILL_NO_MEMORY);
    CHECK_INT(ws.close_code, 1011);
  }
  (void)check_fail_allocations(-1);
  rill_ws_free(&ws);
}

static const struct check_test tests[] = {
    {"messages are given", messages_are_given},
    {"fragments are joined", fragments_are_joined},
    {"control frames come between fragments",
     control_frames_come_between_fragments},
    {"pings are answered", pings_are_answered},
    {"a close frame is answered and ends it",
     a_close_frame_is_answered_and_ends_it},
    {"the close codes that may stand on the wire are those of the standard",
     codes_that_may_stand_on_the_wire},
    {"a wrong close frame is refused", a_wrong_close_frame_is_refused},
    {"reserved bits are refused", reserved_bits_are_refused},
    {"reserved opcodes are refused", reserved_opcodes_are_refused},
    {"masked frames are refused", masked_frames_are_refused},
    {"the order of fragments is held", the_order_of_fragments_is_held},
    {"control frames are short and whole", control_frames_are_short_and_whole},
    {"lengths are minimal", lengths_are_minimal},
    {"texts are checked as they arrive", texts_are_checked_as_they_arrive},
    {"no invalid sequence gets through, whatever fragments it is in",
     no_invalid_sequence_gets_through},
    {"messages have a limit", messages_have_a_limit},
    {"lengths of all forms are read", lengths_of_all_forms_are_read},
    {"16 MiB are one message, and their memory is given back",
     sixteen_mebibytes_are_one_message},
    {"a warm socket allocates nothing", a_warm_socket_allocates_nothing},
    {"failing allocations are told", failing_allocations_are_told},
    {NULL, NULL}};

const struct check_suite ws_suite = {"ws", tests};
