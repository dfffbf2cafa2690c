/* SPDX-License-Identifier: MIT
 *
 * Tests of headers.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../src/core/headers.h"
#include "check.h"

/* 2015-10-21 07:28:00 UTC */
static const int64_t now_s = 1445412480;
static const int64_t second = 1000000;

static int64_t wait_of(const char *block) {
  char *copy = check_copy(block, strlen(block));
  struct rill_span span = {copy, strlen(block)};
  int64_t wait = rill_headers_retry_after(span, now_s);
  free(copy);
  return wait;
}

static int64_t wait_of_value(const char *value) {
  char block[200];
  check_about(value, strlen(value));
  snprintf(block, sizeof block, "Retry-After: %s\r\n", value);
  return wait_of(block);
}

static void a_header_is_found_without_case(void) {
  struct rill_span block = rill_span_of("HTTP/1.1 200 OK\r\n"
                                        "Content-Type: text/event-stream\r\n"
                                        "X-Request-ID:\t req_1 \t\r\n"
                                        "Empty:\r\n"
                                        "\r\n");
  CHECK_SPAN(rill_headers_get(block, "content-type"), "text/event-stream");
  CHECK_SPAN(rill_headers_get(block, "CONTENT-TYPE"), "text/event-stream");
  CHECK_SPAN(rill_headers_get(block, "x-request-id"), "req_1");
  CHECK_SPAN(rill_headers_get(block, "empty"), "");
  CHECK_SPAN(rill_headers_get(block, "absent"), "");
  CHECK_SPAN(rill_headers_get(block, ""), "");
}

static void line_ends_may_be_lf_or_missing(void) {
  struct rill_span block = rill_span_of("a: 1\nb: 2\nc: 3");
  CHECK_SPAN(rill_headers_get(block, "a"), "1");
  CHECK_SPAN(rill_headers_get(block, "b"), "2");
  CHECK_SPAN(rill_headers_get(block, "c"), "3");
  CHECK_SPAN(rill_headers_get(rill_span_of("a:1\r"), "a"), "1");
  CHECK_SPAN(rill_headers_get(rill_span_of("a:"), "a"), "");
  struct rill_span none = {NULL, 0};
  CHECK_SPAN(rill_headers_get(none, "a"), "");
}

static void the_first_header_of_a_name_counts(void) {
  struct rill_span block = rill_span_of("x: one\r\nX: two\r\n");
  CHECK_SPAN(rill_headers_get(block, "x"), "one");
}

static void look_alikes_are_not_headers(void) {
  struct rill_span block = rill_span_of("HTTP/1.1 200 retry-after: 9\r\n"
                                        "x-retry-after: 1\r\n"
                                        "retry-after-ms: 2\r\n"
                                        "retry-afte: 3\r\n"
                                        "retry-after : 4\r\n"
                                        "folded: text\r\n"
                                        " retry-after: 5\r\n"
                                        "note: retry-after: 6\r\n"
                                        "retry-after");
  CHECK_SPAN(rill_headers_get(block, "retry-after"), "");
  CHECK_SPAN(rill_headers_get(block, "note"), "retry-after: 6");
  CHECK_SPAN(rill_headers_get(block, "HTTP/1.1 200 OK"), "");
}

static void reads_stop_at_the_end_of_the_block(void) {
  const char text[] = "ab: cd\r\nef: gh\r\n";
  for (size_t len = 0; len < sizeof text; len++) {
    char *copy = check_copy(text, len);
    struct rill_span block = {copy, len};
    struct rill_span value = rill_headers_get(block, "ef");
    CHECK(value.len <= 2);
    CHECK(len < 14 || rill_span_is(value, "gh"));
    (void)rill_headers_get(block, "ef: gh\r\n and more");
    (void)rill_headers_retry_after(block, now_s);
    free(copy);
  }
}

static void request_ids_have_an_order(void) {
  CHECK_SPAN(
      rill_headers_request_id(rill_span_of("cf-ray: e\nx-generation-id: d\n"
                                           "apim-request-id: c\nrequest-id: b\n"
                                           "x-request-id: a\n")),
      "a");
  CHECK_SPAN(rill_headers_request_id(
                 rill_span_of("cf-ray: e\nx-generation-id: d\n"
                              "apim-request-id: c\nRequest-Id: b\n")),
             "b");
  CHECK_SPAN(rill_headers_request_id(rill_span_of(
                 "cf-ray: e\nx-generation-id: d\napim-request-id: c\n")),
             "c");
  CHECK_SPAN(
      rill_headers_request_id(rill_span_of("cf-ray: e\nX-Generation-Id: d\n")),
      "d");
  CHECK_SPAN(rill_headers_request_id(rill_span_of("cf-ray: e\n")), "e");
  CHECK_SPAN(rill_headers_request_id(rill_span_of("date: x\n")), "");
}

static void retry_after_in_seconds(void) {
  CHECK_INT(wait_of_value("0"), 0);
  CHECK_INT(wait_of_value("120"), 120 * second);
  CHECK_INT(wait_of_value("1.5"), 1500000);
  CHECK_INT(wait_of_value("0.25"), 250000);
  CHECK_INT(wait_of_value("0.0000019"), 1);
  CHECK_INT(wait_of_value("86400"), 86400 * second);
}

static void nonsense_is_no_wait(void) {
  static const char *const values[] = {
      "",     "-1",  "+1",  "soon",  "1s",     "1 2",
      "0x10", "1e3", "1,5", ".",     "1.5.5",  "nan",
      "inf",  "-0",  "Sun", "Sun, ", "Sun, 0", "Wed, 21 Oct 2015"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    CHECK_INT(wait_of_value(values[i]), -1);
  }
  CHECK_INT(wait_of("date: x\r\n"), -1);
}

static void milliseconds_come_first(void) {
  CHECK_INT(wait_of("Retry-After: 5\r\nretry-after-ms: 1234\r\n"
                    "x-ms-retry-after-ms: 7\r\n"),
            1234000);
  CHECK_INT(wait_of("Retry-After: 5\r\nX-MS-Retry-After-MS: 7.5\r\n"), 7500);
  CHECK_INT(wait_of("Retry-After: 5\r\nretry-after-ms: soon\r\n"), 5 * second);
  CHECK_INT(wait_of("retry-after-ms: -5\r\n"), -1);
}

static void absurd_waits_are_clamped(void) {
  const int64_t longest = INT64_C(1000000000000000);
  CHECK_INT(wait_of_value("99999999999999999999999999999999"), longest);
  CHECK_INT(wait_of_value("9223372036854775807"), longest);
  CHECK_INT(wait_of_value("1000000001"), longest);
  CHECK_INT(wait_of_value("1000000000.5"), longest);
  CHECK_INT(wait_of_value("999999999"), 999999999 * second);
  CHECK_INT(wait_of("retry-after-ms: 18446744073709551616\r\n"), longest);
  CHECK_INT(wait_of_value("Fri, 31 Dec 9999 23:59:59 GMT"), longest);
}

static void dates_of_all_three_forms(void) {
  CHECK_INT(wait_of_value("Wed, 21 Oct 2015 07:28:30 GMT"), 30 * second);
  CHECK_INT(wait_of_value("Wednesday, 21-Oct-15 07:28:30 GMT"), 30 * second);
  CHECK_INT(wait_of_value("Wed Oct 21 07:28:30 2015"), 30 * second);
  CHECK_INT(wait_of_value("Sun Nov  1 07:28:00 2015"), 11 * 86400 * second);
  CHECK_INT(wait_of_value("Thu, 22 Oct 2015 07:28:00 GMT"), 86400 * second);
  CHECK_INT(wait_of_value("Wed, 21 Oct 2015 07:28:60 GMT"), 60 * second);
}

static void dates_in_the_past_give_zero(void) {
  CHECK_INT(wait_of_value("Wed, 21 Oct 2015 07:28:00 GMT"), 0);
  CHECK_INT(wait_of_value("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
  CHECK_INT(wait_of_value("Sunday, 06-Nov-94 08:49:37 GMT"), 0);
  CHECK_INT(wait_of_value("Sun Nov  6 08:49:37 1994"), 0);
  CHECK_INT(wait_of_value("Thu, 01 Jan 0001 00:00:00 GMT"), 0);
}

static void dates_that_do_not_exist_are_none(void) {
  static const char *const values[] = {
      "Wed, 32 Oct 2035 07:28:00 GMT",   "Wed, 00 Oct 2035 07:28:00 GMT",
      "Thu, 29 Feb 2035 07:28:00 GMT",   "Thu, 29 Feb 2100 07:28:00 GMT",
      "Wed, 31 Jun 2035 07:28:00 GMT",   "Wed, 21 Oct 2035 24:28:00 GMT",
      "Wed, 21 Oct 2035 07:60:00 GMT",   "Wed, 21 Oct 2035 07:28:61 GMT",
      "Wed, 21 Okt 2035 07:28:00 GMT",   "Xyz, 21 Oct 2035 07:28:00 GMT",
      "Wed, 21 Oct 2035 07:28:00 UTC",   "Wed, 21 Oct 2035 07:28:00",
      "Wed, 21 Oct 2035 07:28:00 GMT+1", "Wed, 21 Oct 0000 07:28:00 GMT",
      "Wed 21 Oct 2035 07:28:00 GMT",    "Monday, 21-Oct-35 7:28:00 GMT",
      "Monsday, 21-Oct-35 07:28:00 GMT", "Wed Oct 21 07:28:00 35"};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    CHECK_INT(wait_of_value(values[i]), -1);
  }
}

static int64_t wait_at(const char *date, int64_t at_s) {
  char block[200];
  check_about(date, strlen(date));
  snprintf(block, sizeof block, "Retry-After: %s\n", date);
  return rill_headers_retry_after(rill_span_of(block), at_s);
}

static void the_calendar_is_exact(void) {
  CHECK_INT(wait_at("Thu, 01 Jan 1970 00:00:01 GMT", 0), second);
  CHECK_INT(wait_at("Tue, 29 Feb 2000 00:00:00 GMT", 951782399), second);
  CHECK_INT(wait_at("Wed, 01 Mar 2000 00:00:00 GMT", 951868799), second);
  CHECK_INT(wait_at("Thu, 29 Feb 2024 23:59:59 GMT", 1709251198), second);
  CHECK_INT(wait_at("Fri, 31 Dec 2027 23:59:59 GMT", 1830297598), second);
  CHECK_INT(wait_at("Mon, 01 Mar 2100 00:00:00 GMT", 4107542399), second);
  CHECK_INT(wait_at("Tue, 19 Jan 2038 03:14:08 GMT", 2147483647), second);
}

static void a_two_digit_year_is_the_near_one(void) {
  /* 2049-12-31 23:00:00 UTC */
  CHECK_INT(wait_at("Saturday, 01-Jan-50 00:00:00 GMT", 2524604400),
            3600 * second);
  /* 2099-12-31 23:00:00 UTC */
  CHECK_INT(wait_at("Friday, 01-Jan-00 00:00:00 GMT", 4102441200),
            3600 * second);
  /* 2099-01-01: the year 01 is two years ahead, not 98 years past */
  CHECK_INT(wait_at("Saturday, 01-Jan-01 00:00:00 GMT", 4070908800),
            730 * 86400 * second);
  /* 51 years ahead of 2015 is taken for 1966, 49 for 2064 */
  CHECK_INT(wait_of_value("Friday, 21-Oct-66 07:28:00 GMT"), 0);
  CHECK(wait_of_value("Tuesday, 21-Oct-64 07:28:00 GMT") > 0);
}

static void a_strange_clock_does_no_harm(void) {
  CHECK(wait_at("Wed, 21 Oct 2015 07:28:00 GMT", INT64_MIN) > 0);
  CHECK_INT(wait_at("Wed, 21 Oct 2015 07:28:00 GMT", INT64_MAX), 0);
  CHECK(wait_at("Wednesday, 21-Oct-15 07:28:00 GMT", INT64_MAX) >= 0);
}

static const struct check_test tests[] = {
    {"a header is found without regard to case",
     a_header_is_found_without_case},
    {"line ends may be LF or missing", line_ends_may_be_lf_or_missing},
    {"the first header of a name counts", the_first_header_of_a_name_counts},
    {"look-alikes are not headers", look_alikes_are_not_headers},
    {"reads stop at the end of the block", reads_stop_at_the_end_of_the_block},
    {"request ids have an order", request_ids_have_an_order},
    {"Retry-After in seconds", retry_after_in_seconds},
    {"nonsense is no wait", nonsense_is_no_wait},
    {"milliseconds come first", milliseconds_come_first},
    {"absurd waits are clamped", absurd_waits_are_clamped},
    {"HTTP dates of all three forms are read", dates_of_all_three_forms},
    {"dates in the past give zero", dates_in_the_past_give_zero},
    {"dates that do not exist are none", dates_that_do_not_exist_are_none},
    {"the calendar is exact", the_calendar_is_exact},
    {"a two-digit year is the near one", a_two_digit_year_is_the_near_one},
    {"a strange clock does no harm", a_strange_clock_does_no_harm},
    {NULL, NULL}};

const struct check_suite headers_suite = {"headers", tests};
