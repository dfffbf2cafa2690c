/* SPDX-License-Identifier: MIT
 *
 * Tests of ws_out.c: how a client closes, and what then goes before what.
 */
#include "ws_play.h"

static void closing_waits_for_what_is_queued(void) {
  struct rill_ws ws;
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, "last words");
  CHECK_INT(rill_ws_out_close(&ws.out, 1000, rill_span_of("bye"), false),
            RILL_OK);
  CHECK(rill_ws_out_is_closing(&ws.out));
  CHECK_INT(ws_send_text(&ws, "more"), RILL_INVALID);
  CHECK_INT(rill_ws_out_ping(&ws.out, ws_nothing), RILL_INVALID);
  CHECK_INT(rill_ws_out_close(&ws.out, 1001, ws_nothing, false), RILL_OK);
  CHECK(!ws.out.close_sent);
  WRITES(&ws, ">81(last words)>88(\x03\xE8"
              "bye)");
  CHECK(ws.out.close_sent);
  CHECK_INT(rill_ws_out_close(&ws.out, 1001, ws_nothing, true), RILL_OK);
  WRITES(&ws, "");
  rill_ws_free(&ws);
}

static void a_close_is_sent_with_its_last_byte(void) {
  struct rill_ws ws;
  static char large[30001];
  memset(large, 'l', 30000);
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, large);
  (void)rill_ws_out_close(&ws.out, 1000, ws_nothing, false);
  for (size_t len = 30008 + 8, piece = 16384; len > 0; len -= piece) {
    CHECK(!ws.out.close_sent);
    piece = len < 16384 ? 1 : piece;
    ws_write_some(&ws, piece);
  }
  CHECK(ws.out.close_sent);
  rill_ws_free(&ws);
}

static void closing_at_once_leaves_what_is_queued(void) {
  struct rill_ws ws;
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, "kept");
  CHECK_INT(rill_ws_out_close(&ws.out, 1000, ws_nothing, false), RILL_OK);
  CHECK_INT(rill_ws_out_close(&ws.out, 1000, ws_nothing, true), RILL_OK);
  WRITES(&ws, ">88(\x03\xE8)");
  CHECK_INT(ws_count_unsent(&ws), 1);
  CHECK_INT(ws.out.messages, 0);
  rill_ws_free(&ws);
}

static void the_peers_close_is_answered_behind_the_frame_that_has_begun(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  struct rill_span bytes;
  struct rill_bytes out, frames;
  static char large[30001];
  memset(large, 'l', 30000);
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, large);
  (void)ws_send_text(&ws, "unsent");
  rill_bytes_init(&out, SIZE_MAX);
  rill_bytes_init(&frames, SIZE_MAX);
  CHECK_INT(rill_ws_out_next(&ws.out, &bytes), RILL_OK);
  put_span(&out, bytes);
  rill_ws_out_written(&ws.out, bytes.len);
  rill_ws_feed(&ws, "\x88\x02\x03\xE9", 4);
  CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
  CHECK_INT(message.code, 1001);
  CHECK(ws.close_received && !ws.out.close_sent);
  while (rill_ws_out_next(&ws.out, &bytes) == RILL_OK) {
    put_span(&out, bytes);
    rill_ws_out_written(&ws.out, bytes.len);
  }
  CHECK(ws.out.close_sent);
  CHECK_INT(ws_read_frames(rill_bytes_span(&out), &frames), 0);
  CHECK_INT(frames.len, 30000 + 5 + 7);
  CHECK(memcmp(frames.data + frames.len - 7, ">88(\x03\xE9)", 7) == 0);
  CHECK_INT(ws_count_unsent(&ws), 1);
  CHECK_INT(rill_ws_next(&ws, &message), RILL_NEED_DATA);
  rill_bytes_free(&out);
  rill_bytes_free(&frames);
  rill_ws_free(&ws);
}

static void a_close_that_waits_goes_at_once_when_the_peer_closes(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, "unsent");
  CHECK_INT(rill_ws_out_close(&ws.out, 3000, rill_span_of("ours"), false),
            RILL_OK);
  rill_ws_feed(&ws, "\x88\x02\x03\xE9", 4);
  CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
  WRITES(&ws, ">88(\x0B\xB8ours)");
  CHECK_INT(ws_count_unsent(&ws), 1);
  rill_ws_free(&ws);
}

static void the_answer_to_our_close_is_not_answered(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  ws_open_for(&ws, AMPLE);
  CHECK_INT(rill_ws_out_close(&ws.out, 3000, ws_nothing, false), RILL_OK);
  WRITES(&ws, ">88(\x0B\xB8)");
  rill_ws_feed(&ws, "\x81\x04late\x88\x02\x0B\xB8", 10);
  CHECK_INT(rill_ws_next(&ws, &message), RILL_OK); /* until its close came */
  CHECK_SPAN(message.data, "late");
  CHECK_INT(rill_ws_next(&ws, &message), RILL_OK);
  CHECK_INT(message.kind, RILL_WS_CLOSE);
  WRITES(&ws, "");
  rill_ws_free(&ws);
}

static void a_failure_is_told_instead_of_a_close_that_waits(void) {
  struct rill_ws ws;
  struct rill_ws_message message;
  ws_open_for(&ws, AMPLE);
  (void)ws_send_text(&ws, "waits");
  (void)rill_ws_out_close(&ws.out, 1000, ws_nothing, false);
  rill_ws_feed(&ws, "\x83\x00", 2);
  CHECK_INT(rill_ws_next(&ws, &message), RILL_INVALID);
  WRITES(&ws, ">88(\x03\xEA)");
  rill_ws_free(&ws);
}

static void reasons_and_codes_are_checked(void) {
  struct rill_ws ws;
  char text[125];
  memset(text, 'r', sizeof text);
  struct rill_span longest = {text, 123};
  struct rill_span longer = {text, 124};
  ws_open_for(&ws, AMPLE);
  CHECK_INT(rill_ws_out_close(&ws.out, 1005, ws_nothing, false), RILL_INVALID);
  CHECK_INT(rill_ws_out_close(&ws.out, 1000, longer, false), RILL_INVALID);
  CHECK_INT(rill_ws_out_close(&ws.out, 1000, rill_span_of("\xC3"), false),
            RILL_INVALID);
  CHECK(!rill_ws_out_is_closing(&ws.out));
  CHECK_INT(rill_ws_out_close(&ws.out, 4999, longest, false), RILL_OK);
  rill_ws_free(&ws);
}

static const struct check_test tests[] = {
    {"closing waits for what is queued", closing_waits_for_what_is_queued},
    {"a close is sent with its last byte", a_close_is_sent_with_its_last_byte},
    {"closing at once leaves what is queued",
     closing_at_once_leaves_what_is_queued},
    {"the peer's close is answered behind the frame that has begun",
     the_peers_close_is_answered_behind_the_frame_that_has_begun},
    {"a close that waits goes at once when the peer closes",
     a_close_that_waits_goes_at_once_when_the_peer_closes},
    {"the answer to our close is not answered",
     the_answer_to_our_close_is_not_answered},
    {"a failure is told instead of a close that waits",
     a_failure_is_told_instead_of_a_close_that_waits},
    {"reasons and codes are checked", reasons_and_codes_are_checked},
    {NULL, NULL}};

const struct check_suite ws_close_suite = {"ws_close", tests};
