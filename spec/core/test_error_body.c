/* SPDX-License-Identifier: MIT
 *
 * Tests of error_body.c, with what the vendors send.
 */
#include <stdlib.h>

#include "../../src/core/error_body.h"
#include "check.h"

enum { TRANSIENT = RILL_RETRY_TRANSIENT, PERMANENT = RILL_RETRY_PERMANENT };

/* Judges a copy in a block of its own size. */
static enum rill_retry_class class_of(const char *json) {
  char *copy = check_copy(json, strlen(json));
  struct rill_span span = {copy, strlen(json)};
  struct rill_error_body error = rill_error_body_read(span);
  enum rill_retry_class class = rill_error_body_class(&error);
  check_about(json, strlen(json));
  free(copy);
  return class;
}

static int64_t delay_of(const char *json) {
  char *copy = check_copy(json, strlen(json));
  struct rill_span span = {copy, strlen(json)};
  int64_t delay = rill_error_body_read(span).retry_after_us;
  check_about(json, strlen(json));
  free(copy);
  return delay;
}

static void every_place_of_an_error_is_read(void) {
  static const char *const shapes[] = {
      "{\"error\":{\"code\":503,\"type\":\"t\",\"message\":\"m\"}}",
      "[{\"error\":{\"code\":503,\"type\":\"t\",\"message\":\"m\"}}]",
      "{\"type\":\"response.failed\",\"response\":{\"id\":\"r\",\"error\":"
      "{\"code\":503,\"type\":\"t\",\"message\":\"m\"}}}",
      "{\"code\":503,\"type\":\"t\",\"message\":\"m\"}",
      "{\"error\":\"m\",\"code\":503,\"type\":\"t\"}",
      "{\"error\":{\"message\":\"m\"},\"code\":503,\"type\":\"t\"}"};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct rill_error_body error =
        rill_error_body_read(rill_span_of(shapes[i]));
    check_about(shapes[i], strlen(shapes[i]));
    CHECK_SPAN(error.code, "503");
    CHECK_SPAN(error.type, "t");
    CHECK_SPAN(error.message, "m");
    CHECK(error.is_error == (i != 3));
    CHECK(!error.is_text);
  }
}

static void anything_else_says_nothing(void) {
  static const char *const shapes[] = {"",
                                       " ",
                                       "[",
                                       "[]",
                                       "{",
                                       "null",
                                       "17",
                                       "\"error\"",
                                       "{\"error\":null}",
                                       "{\"response\":null}",
                                       "{\"response\":{\"error\":null}}",
                                       "[[{}]]"};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct rill_error_body error =
        rill_error_body_read(rill_span_of(shapes[i]));
    check_about(shapes[i], strlen(shapes[i]));
    CHECK(!error.is_error);
    CHECK_INT(error.code.len + error.type.len + error.message.len, 0);
    CHECK_INT(error.retry_after_us, -1);
  }
}

static void the_words_of_all_five_vendors_are_known(void) {
  /* chat completions */
  CHECK_INT(class_of("{\"error\":{\"message\":\"m\",\"type\":\"server_error\","
                     "\"code\":null}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":{\"message\":\"m\",\"code\":"
                     "\"content_filter\"}}"),
            PERMANENT);
  /* responses */
  CHECK_INT(class_of("{\"type\":\"error\",\"code\":\"server_error\","
                     "\"message\":\"m\",\"sequence_number\":3}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"code\":\"invalid_prompt\","
                     "\"message\":\"m\"}"),
            PERMANENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"status\":503,\"error\":{\"type\":"
                     "\"whatever\",\"message\":\"m\"}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"status\":400,\"error\":{\"type\":"
                     "\"whatever\",\"message\":\"m\"}}"),
            PERMANENT);
  CHECK_INT(class_of("{\"type\":\"response.failed\",\"response\":{\"status\":"
                     "\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\","
                     "\"message\":\"m\"}}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"type\":\"response.failed\",\"response\":{\"error\":{"
                     "\"code\":\"image_content_policy_violation\"}}}"),
            PERMANENT);
  CHECK_INT(class_of("{\"type\":\"response.failed\",\"response\":{\"error\":{"
                     "\"code\":\"insufficient_quota\"}}}"),
            RILL_RETRY_QUOTA);
  /* anthropic */
  CHECK_INT(class_of("{\"type\":\"error\",\"error\":{\"type\":"
                     "\"overloaded_error\",\"message\":\"Overloaded\"}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"error\":{\"type\":"
                     "\"request_too_large\"}}"),
            PERMANENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"error\":{\"type\":"
                     "\"billing_error\"}}"),
            RILL_RETRY_QUOTA);
  /* gemini, with its number and without */
  CHECK_INT(class_of("{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":{\"code\":400,\"status\":"
                     "\"INVALID_ARGUMENT\"}}"),
            PERMANENT);
  CHECK_INT(class_of("{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\"}}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":{\"status\":\"INTERNAL\"}}"), TRANSIENT);
  CHECK_INT(class_of("{\"error\":{\"status\":\"FAILED_PRECONDITION\"}}"),
            PERMANENT);
  CHECK_INT(class_of("{\"error\":{\"status\":\"UNAUTHENTICATED\"}}"),
            PERMANENT);
}

static void a_mere_message_is_judged_by_its_words(void) {
  CHECK_INT(class_of("{\"error\":\"Server busy, please try again\"}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":\"service temporarily overloaded\"}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":\"an error was encountered while running the "
                     "model: unexpected EOF\"}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":\"model requires more system memory\"}"),
            PERMANENT);
  CHECK_INT(class_of("{\"error\":\"no\"}"), PERMANENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"error\":\"no\"}"), PERMANENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"message\":\"no such key\"}"),
            PERMANENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"code\":null,\"message\":"
                     "\"Please try again\"}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"type\":\"error\",\"status\":503,\"message\":"
                     "\"no\"}"),
            TRANSIENT);
  CHECK_INT(class_of("{\"error\":\"no\",\"code\":503}"), TRANSIENT);
  CHECK_INT(class_of("{\"error\":{\"message\":\"no\"}}"), TRANSIENT);
}

#define DETAILS(text) "{\"error\":{\"code\":429,\"details\":[" text "]}}"
#define INFO "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","

static void googles_retry_info_is_read(void) {
  CHECK_INT(delay_of(DETAILS(INFO "\"retryDelay\":\"12s\"}")), 12000000);
  CHECK_INT(delay_of(DETAILS(INFO "\"retryDelay\":\"0.5s\"}")), 500000);
  CHECK_INT(delay_of(DETAILS(INFO "\"retryDelay\":\"34.074824224s\"}")),
            34074824);
  CHECK_INT(delay_of("[" DETAILS(INFO "\"retryDelay\":\"1s\"}") "]"), 1000000);
  CHECK_INT(delay_of(DETAILS("{\"@type\":\"x/google.rpc.QuotaFailure\","
                             "\"violations\":[{\"retryDelay\":\"9s\"}]},{},"
                             "7 , " INFO " \"retryDelay\" : \"3s\" } ")),
            3000000);
}

static void a_delay_that_is_none_is_none(void) {
  static const char *const bodies[] = {
      DETAILS(""),
      DETAILS(INFO "\"retryDelay\":\"12\"}"),
      DETAILS(INFO "\"retryDelay\":\"-1s\"}"),
      DETAILS(INFO "\"retryDelay\":\"s\"}"),
      DETAILS(INFO "\"retryDelay\":12}"),
      DETAILS(INFO "\"retryDelay\":{\"seconds\":12}}"),
      DETAILS("{\"@type\":\"google.rpc.Help\",\"retryDelay\":\"12s\"}"),
      DETAILS("{\"retryDelay\":\"12s\"}"),
      "{\"error\":{\"details\":{\"retryDelay\":\"12s\"}}}",
      "{\"error\":{\"details\":[" INFO "\"retryDelay\":\"12s\"",
      "{\"error\":\"details\"}"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    CHECK_INT(delay_of(bodies[i]), -1);
  }
}

static void a_body_that_breaks_off_does_no_harm(void) {
  static const char body[] =
      "[{\"error\":{\"code\":429,\"status\":\"A\",\"message\":\"m\",\"details\""
      ":[{\"@type\":\"google.rpc.RetryInfo\",\"retryDelay\":\"12s\"}]}}]";
  for (size_t len = 0; len < sizeof body; len++) {
    char *copy = check_copy(body, len);
    struct rill_span span = {copy, len};
    struct rill_error_body error = rill_error_body_read(span);
    (void)rill_error_body_class(&error);
    CHECK(error.retry_after_us == -1 || len >= sizeof body - 5);
    free(copy);
  }
}

static const struct check_test tests[] = {
    {"every place of an error is read", every_place_of_an_error_is_read},
    {"anything else says nothing", anything_else_says_nothing},
    {"the words of all five vendors are known",
     the_words_of_all_five_vendors_are_known},
    {"a mere message is judged by its words",
     a_mere_message_is_judged_by_its_words},
    {"Google's RetryInfo is read", googles_retry_info_is_read},
    {"a delay that is none is none", a_delay_that_is_none_is_none},
    {"a body that breaks off does no harm",
     a_body_that_breaks_off_does_no_harm},
    {NULL, NULL}};

const struct check_suite error_body_suite = {"error_body", tests};
