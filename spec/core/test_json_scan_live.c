/* SPDX-License-Identifier: MIT
 *
 * Tests of json_formats.c: what the messages of the chat and realtime formats
 * are, which come over WebSockets.
 */
#include "scan_play.h"

#define EVENT(type, members) "{\"type\":\"" type "\"," members "}"
#define DELTA(members) EVENT("content.delta", members)
#define SPOKEN(members) EVENT("response.output_text.delta", members)

static void chat_deltas_are_pieces(void) {
  scan_format = RILL_FORMAT_CHAT;
  TEXT(DELTA("\"delta\":\"Hi\\n\""), "Hi\n");
  TEXT("{\"delta\":\"Hi\",\"index\":3,\"type\":\"content.delta\"}", "Hi");
  QUIET(DELTA("\"delta\":\"\""));
  OUTPUT(DELTA("\"delta\":\"Hi\",\"choice\":{\"a\":1}"));
  OUTPUT(DELTA("\"delta\":{\"text\":\"Hi\"}"));
  OUTPUT("{\"delta\":\"Hi\"}");
  OUTPUT(EVENT("content.delta2", "\"delta\":\"Hi\""));
  OUTPUT(EVENT("chat.started", "\"id\":\"c\""));
  UNKNOWN(DELTA("\"delta\":\"Hi\",\"delta\":\"Hi\""));
}

static void a_chat_ends_by_its_types(void) {
  scan_format = RILL_FORMAT_CHAT;
  SCANS(EVENT("chat.done", "\"usage\":{\"total_tokens\":5}"), QUIET,
        .finished = true, .terminal = true, .has_usage = true);
  SCANS("{\"type\":\"chat.done\"}", QUIET, .finished = true, .terminal = true);
  SCANS(DELTA("\"delta\":\"Hi\",\"usage\":{\"total_tokens\":5}"), OUTPUT,
        .has_usage = true);
  IS_ERROR(EVENT("error", "\"message\":\"no\""));
  IS_ERROR("{\"error\":\"no\"}");
}

static void realtime_deltas_are_pieces(void) {
  scan_format = RILL_FORMAT_REALTIME;
  TEXT(SPOKEN("\"event_id\":\"e\",\"response_id\":\"r\",\"item_id\":\"i\","
              "\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\""),
       "Hi");
  TEXT(EVENT("response.text.delta", "\"delta\":\"Hi\""), "Hi");
  OUTPUT(EVENT("response.output_audio.delta", "\"delta\":\"AAAA\""));
  OUTPUT(EVENT("response.output_audio_transcript.delta", "\"delta\":\"Hi\""));
  OUTPUT(EVENT("response.function_call_arguments.delta", "\"delta\":\"{\""));
  OUTPUT(SPOKEN("\"delta\":\"Hi\",\"response\":{}"));
}

static void frames_of_a_realtime_response_are_quiet(void) {
  scan_format = RILL_FORMAT_REALTIME;
  QUIET(EVENT("response.created",
              "\"response\":{\"status\":\"in_progress\",\"output\":[],"
              "\"usage\":null}"));
  QUIET(EVENT("response.output_item.added",
              "\"item\":{\"id\":\"i\",\"type\":\"message\",\"content\":[]}"));
  QUIET(EVENT("response.content_part.added",
              "\"part\":{\"type\":\"audio\",\"transcript\":\"\"}"));
  QUIET(EVENT("rate_limits.updated", "\"rate_limits\":[{\"limit\":1}]"));
  OUTPUT(EVENT("response.output_item.added",
               "\"item\":{\"type\":\"function_call\",\"name\":\"f\"}"));
  OUTPUT(EVENT("response.content_part.added",
               "\"part\":{\"type\":\"text\",\"text\":\"Hi\"}"));
  OUTPUT("{\"type\":\"input_audio_buffer.speech_started\"}");
}

/* Whether it failed is for the reader to see, whatever else is in it. */
static void a_realtime_response_that_is_done_is_read_in_full(void) {
  scan_format = RILL_FORMAT_REALTIME;
  SCANS(EVENT("response.done",
              "\"response\":{\"status\":\"failed\",\"output\":[],"
              "\"usage\":{\"total_tokens\":1}}"),
        OUTPUT, .finished = true, .terminal = true, .has_usage = true);
  SCANS("{\"type\":\"response.done\"}", OUTPUT, .finished = true,
        .terminal = true);
}

static void a_realtime_error_ends_nothing(void) {
  scan_format = RILL_FORMAT_REALTIME;
  OUTPUT(EVENT("error", "\"error\":{\"code\":\"x\",\"message\":\"no\"}"));
  OUTPUT("{\"type\":\"error\"}");
}

static const struct check_test tests[] = {
    {"deltas of chat are pieces", chat_deltas_are_pieces},
    {"a chat ends by its types", a_chat_ends_by_its_types},
    {"deltas of realtime are pieces", realtime_deltas_are_pieces},
    {"frames of a realtime response are quiet",
     frames_of_a_realtime_response_are_quiet},
    {"a realtime response that is done is read in full",
     a_realtime_response_that_is_done_is_read_in_full},
    {"a realtime error ends nothing", a_realtime_error_ends_nothing},
    {NULL, NULL}};

const struct check_suite json_scan_live_suite = {"json_scan_live", tests};
