/* SPDX-License-Identifier: MIT
 *
 * Tests of sse.c: what a stream means.  Every stream is played whole and cut.
 */
#include "sse_play.h"

#define FEED(sse, text) rill_sse_feed((sse), (text), sizeof(text) - 1)

static void the_examples_of_the_standard(void) {
  CHECK_STREAM("data: YHOO\ndata: +2\ndata: 10\n\n", "{|YHOO\n+2\n10|}");
  CHECK_STREAM(": test stream\n\ndata: first event\nid: 1\n\n"
               "data:second event\nid\n\ndata:  third event\n\n",
               "{|first event|1}{|second event|}{| third event|} c1");
  CHECK_STREAM("data\n\ndata\ndata\n\ndata:", "{||}{|\n|}+{||}");
  CHECK_STREAM("data:test\n\ndata: test\n\n", "{|test|}{|test|}");
}

static void a_model_server_s_stream(void) {
  CHECK_STREAM("data: {\"a\":1}\n\n: keep-alive\n\ndata: {\"b\":2}\n\n"
               "data: [DONE]\n\n",
               "{|{\"a\":1}|}{|{\"b\":2}|}{|[DONE]|} c1");
}

static void all_line_ends(void) {
  CHECK_STREAM("data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", "{|a\nb|}{|c|}");
  CHECK_STREAM("data: a\rdata: b\r\rdata: c\r\r", "{|a\nb|}{|c|}");
  CHECK_STREAM("data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "{|a|}{|b|}{|c|}");
  CHECK_STREAM("data: a\n\rdata: b\r\n\n", "{|a|}{|b|}");
  CHECK_STREAM("\r\n\r\n\n\n\r\rdata: a\r\n\r\n", "{|a|}");
}

static void an_event_does_not_wait_for_the_lf_of_a_crlf(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 100);
  FEED(&sse, "data: a\r\n\r");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_SPAN(event.data, "a");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  FEED(&sse, "\ndata: b\r\n\r");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_SPAN(event.data, "b");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  rill_sse_free(&sse);
}

static void the_byte_order_mark(void) {
  CHECK_STREAM("\xEF\xBB\xBF"
               "data: a\n\n",
               "{|a|}");
  CHECK_STREAM("\xEF\xBB\xBF\n\xEF\xBB\xBF"
               "data: a\n\ndata: b\n\n",
               "{|b|}");
  CHECK_STREAM("\xEF\xBB\xBF\xEF\xBB\xBF"
               "data: a\n\ndata: b\n\n",
               "{|b|}");
  CHECK_STREAM("\xEF\xBB"
               "data: a\n\ndata: b\n\n",
               "{|b|}");
  CHECK_STREAM("\xEF\xBB\ndata: a\n\n", "{|a|}");
  CHECK_STREAM("\xEF:\ndata: a\n\n", "{|a|}");
  CHECK_STREAM("\xEF\xBB\xBF", "");
  CHECK_STREAM("\xEF\xBB", "");
}

static void one_space_after_the_colon_is_dropped(void) {
  CHECK_STREAM("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\ndata: a \n\n",
               "{|a|}{|a|}{| a|}{|\ta|}{|a |}");
  CHECK_STREAM("data: a: b\n\ndata::\n\n", "{|a: b|}{|:|}");
}

static void data_lines_are_joined_by_lf(void) {
  CHECK_STREAM("data: a\ndata:\ndata\ndata: b\n\n", "{|a\n\n\nb|}");
  CHECK_STREAM("data\ndata: b\n\n", "{|\nb|}");
  CHECK_STREAM("data: a\ndata\n\n", "{|a\n|}");
}

static void no_event_without_a_data_line(void) {
  CHECK_STREAM(": OPENROUTER PROCESSING\n\n:\n\nevent: x\n\nid: 1\n\n\n\n",
               " c2");
  CHECK_STREAM("event: ping\n\ndata: a\n\n", "{|a|}");
  CHECK_STREAM("", "");
  CHECK_STREAM("\n", "");
}

static void comments_are_counted(void) {
  CHECK_STREAM(":\n: \n:x\n::\n\ndata: a\n:y\n\n", "{|a|} c5");
  CHECK_STREAM(": never ended", " c1");
}

static void unknown_fields_are_ignored(void) {
  CHECK_STREAM("datax: a\ndat: b\nDATA: c\n data: d\nfoo\nfoo: bar\n"
               "data : e\n\n",
               "");
  CHECK_STREAM("foo: bar\ndata: a\nbar\n\n", "{|a|}");
}

static void names_are_of_one_event(void) {
  CHECK_STREAM("event: add\ndata: 1\n\ndata: 2\n\n", "{add|1|}{|2|}");
  CHECK_STREAM("data: 1\nevent: one\nevent: two\n\n", "{two|1|}");
  CHECK_STREAM("event: one\nevent\ndata: 1\n\n", "{|1|}");
  CHECK_STREAM("event:  x \ndata: 1\n\n", "{ x |1|}");
}

static void ids_stay(void) {
  CHECK_STREAM("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\n",
               "{|a|1}{|b|1}{|c|2}");
  CHECK_STREAM("id: 1\ndata: a\n\nid\ndata: b\n\ndata: c\n\n",
               "{|a|1}{|b|}{|c|}");
  CHECK_STREAM("id: 1\nid: 2\ndata: a\n\n", "{|a|2}");
  CHECK_STREAM("id: 1\ndata: a\n\nid: 2", "{|a|1}");
}

static void an_id_with_nul_is_ignored(void) {
  CHECK_STREAM("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\ndata: c\n\n",
               "{|a|1}{|b|1}{|c|1}");
}

static void nul_is_an_ordinary_byte_elsewhere(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 100);
  FEED(&sse, "event: \0\ndata: a\0b\n\n");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_SPAN(event.name, "\0");
  CHECK_SPAN(event.data, "a\0b");
  rill_sse_free(&sse);
}

static void retry_takes_digits_only(void) {
  CHECK_STREAM("retry: 1500\n", " r1500");
  CHECK_STREAM("retry: 0\n", " r0");
  CHECK_STREAM("retry: 10\nretry: 1.5\nretry: -3\nretry: +4\nretry\nretry:\n"
               "retry: 5 \nretry:  6\nretry: 0x7\n",
               " r10");
  CHECK_STREAM("retry: 99999999999999999999999999\n", " r9223372036854");
  CHECK_STREAM("retry: 9223372036855\n", " r9223372036854");
  CHECK_STREAM("retry: 000000000000000000000000000007\n", " r7");
  CHECK_STREAM("retry: 8", " r8");
}

static void an_error_field_is_an_error_event(void) {
  CHECK_STREAM("error: {\"code\":500}\n\ndata: [DONE]\n\n",
               "{error|{\"code\":500}|}{|[DONE]|}");
  CHECK_STREAM("error:{}\n\n", "{error|{}|}");
  CHECK_STREAM("data: a\nerror: b\n\n", "{error|a\nb|}");
  CHECK_STREAM("error\n\n", "{error||}");
  CHECK_STREAM("errors: a\n\n", "");
}

static void an_unfinished_event_is_given_at_the_end(void) {
  CHECK_STREAM("data: a\n\ndata: [DONE]\n", "{|a|}+{|[DONE]|}");
  CHECK_STREAM("data: [DONE]", "+{|[DONE]|}");
  CHECK_STREAM("data: [DONE]\r", "+{|[DONE]|}");
  CHECK_STREAM("event: x\nid: 7\ndata: a\ndata: b", "+{x|a\nb|7}");
  CHECK_STREAM("data: a\nda", "+{|a|}");
  CHECK_STREAM("event: x\n", "");
  CHECK_STREAM("data: a\n\nevent: x", "{|a|}");
  CHECK_STREAM("error: x", "+{error|x|}");
}

static void finish_gives_first_what_was_not_read(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 100);
  FEED(&sse, "data: a\n\ndata: b");
  CHECK_INT(rill_sse_finish(&sse, &event), RILL_OK);
  CHECK_SPAN(event.data, "a");
  CHECK_INT(rill_sse_finish(&sse, &event), RILL_OK);
  CHECK_SPAN(event.data, "b");
  CHECK_INT(rill_sse_finish(&sse, &event), RILL_NEED_DATA);
  rill_sse_free(&sse);
}

static void bytes_that_are_not_utf8_pass(void) {
  CHECK_STREAM("data: \xFF\xC3\xE2\x82\n\n", "{|\xFF\xC3\xE2\x82|}");
}

static void empty_feeds_change_nothing(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 100);
  rill_sse_feed(&sse, NULL, 0);
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  FEED(&sse, "data: a\r");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  FEED(&sse, "");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  FEED(&sse, "\n\n");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_SPAN(event.data, "a");
  rill_sse_free(&sse);
}

static void reset_begins_anew(void) {
  struct rill_sse sse;
  struct rill_sse_event event;
  rill_sse_init(&sse, 20);
  FEED(&sse, ":\nretry: 5\nid: 1\ndata: a\n\nevent: n\ndata: b\nda");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  rill_sse_reset(&sse);
  CHECK_INT(sse.events, 0);
  CHECK_INT(sse.comments, 0);
  CHECK_INT(sse.retry_ms, -1);
  FEED(&sse, "\xEF\xBB\xBF\n\ndata: c\n\n");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_SPAN(event.name, "");
  CHECK_SPAN(event.data, "c");
  CHECK_SPAN(event.id, "");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_NEED_DATA);
  FEED(&sse, "data: 012345678901234567890\n");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_LIMIT);
  rill_sse_reset(&sse);
  FEED(&sse, "data: d\n\n");
  CHECK_INT(rill_sse_next(&sse, &event), RILL_OK);
  CHECK_SPAN(event.data, "d");
  rill_sse_free(&sse);
  rill_sse_free(&sse);
}

static const struct check_test tests[] = {
    {"the examples of the standard", the_examples_of_the_standard},
    {"a model server's stream", a_model_server_s_stream},
    {"all line ends", all_line_ends},
    {"an event does not wait for the LF of a CRLF",
     an_event_does_not_wait_for_the_lf_of_a_crlf},
    {"one byte order mark is skipped, at the very start", the_byte_order_mark},
    {"one space after the colon is dropped",
     one_space_after_the_colon_is_dropped},
    {"data lines are joined by LF", data_lines_are_joined_by_lf},
    {"there is no event without a data line", no_event_without_a_data_line},
    {"comments are counted", comments_are_counted},
    {"unknown fields are ignored", unknown_fields_are_ignored},
    {"a name is of one event", names_are_of_one_event},
    {"an id stays until it is changed", ids_stay},
    {"an id with NUL is ignored", an_id_with_nul_is_ignored},
    {"NUL is an ordinary byte elsewhere", nul_is_an_ordinary_byte_elsewhere},
    {"retry takes digits only, and is bounded", retry_takes_digits_only},
    {"an error field is an error event", an_error_field_is_an_error_event},
    {"an unfinished event is given at the end",
     an_unfinished_event_is_given_at_the_end},
    {"finish gives first what was not read",
     finish_gives_first_what_was_not_read},
    {"bytes that are not UTF-8 pass", bytes_that_are_not_utf8_pass},
    {"empty feeds change nothing", empty_feeds_change_nothing},
    {"reset begins anew", reset_begins_anew},
    {NULL, NULL}};

const struct check_suite sse_suite = {"sse", tests};
