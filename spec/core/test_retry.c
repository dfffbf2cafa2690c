/* SPDX-License-Identifier: MIT
 *
 * Tests of retry.c.
 */
#include "../../src/core/retry.h"
#include "check.h"

static enum rill_retry_class of_status(int status, const char *should_retry,
                                       const char *code, const char *type) {
  return rill_retry_class_of_status(status, rill_span_of(should_retry),
                                    rill_span_of(code), rill_span_of(type));
}

static enum rill_retry_class of_event(const char *code, const char *type) {
  return rill_retry_class_of_event(rill_span_of(code), rill_span_of(type),
                                   rill_span_of(""));
}

static enum rill_retry_class of_status_word(const char *code,
                                            const char *status) {
  return rill_retry_class_of_event(rill_span_of(code), rill_span_of(""),
                                   rill_span_of(status));
}

static const struct rill_retry_policy usual = {.max = 3,
                                               .base_us = 1000000,
                                               .factor = 2,
                                               .cap_us = 30000000,
                                               .jitter = 0.25,
                                               .max_wait_us = 60000000};

static void passing_troubles_are_transient(void) {
  const int statuses[] = {408, 409, 425, 429, 500, 502, 503, 504, 529, 599};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    CHECK_INT(of_status(statuses[i], "", "", ""), RILL_RETRY_TRANSIENT);
  }
}

static void lasting_ones_are_permanent(void) {
  const int statuses[] = {0,   200, 204, 301, 400, 401, 403,
                          404, 405, 413, 422, 499, 600, -1};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    CHECK_INT(of_status(statuses[i], "", "", ""), RILL_RETRY_PERMANENT);
  }
}

static void the_server_may_decide(void) {
  CHECK_INT(of_status(400, "true", "", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status(503, "false", "", ""), RILL_RETRY_PERMANENT);
  CHECK_INT(of_status(503, "maybe", "", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status(400, "maybe", "", ""), RILL_RETRY_PERMANENT);
}

static void a_spent_limit_is_quota(void) {
  CHECK_INT(of_status(402, "", "", ""), RILL_RETRY_QUOTA);
  CHECK_INT(of_status(402, "true", "", ""), RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "", "insufficient_quota", ""), RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "true", "", "insufficient_quota"), RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "", "billing_hard_limit_reached", ""),
            RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "", "enforced_spend_limit_reached", ""),
            RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "", "contract_spend_limit_reached", ""),
            RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "", "usage_not_included", ""), RILL_RETRY_QUOTA);
  CHECK_INT(of_status(429, "", "", "billing_error"), RILL_RETRY_QUOTA);
}

static void speed_limits_are_not_quota(void) {
  CHECK_INT(of_status(429, "", "rate_limit_exceeded", "requests"),
            RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status(429, "", "429", "RESOURCE_EXHAUSTED"),
            RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status(500, "", "insufficient_quota", ""), RILL_RETRY_TRANSIENT);
}

static void an_event_with_a_number_is_that_status(void) {
  CHECK_INT(of_event("429", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("502", "whatever"), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("401", ""), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("402", ""), RILL_RETRY_QUOTA);
  CHECK_INT(of_event("429", "insufficient_quota"), RILL_RETRY_QUOTA);
  CHECK_INT(of_event("1302", "invalid_request_error"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("200", "not_found_error"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("4x9", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("0401", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("40100000000000000000000", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status_word("1302", "401"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_status_word("503", "401"), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status_word("insufficient_quota", "429"), RILL_RETRY_QUOTA);
}

static void an_event_with_words_is_judged_by_them(void) {
  CHECK_INT(of_event("", "authentication_error"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("", "permission_error"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("model_not_found", ""), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("", "invalid_request_error"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("context_length_exceeded", ""), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("Invalid_API_Key", ""), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("insufficient_quota", "invalid_request_error"),
            RILL_RETRY_QUOTA);
  CHECK_INT(of_event("", "billing_error"), RILL_RETRY_QUOTA);
  CHECK_INT(of_event("", "overloaded_error"), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("server_error", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("rate_limit_exceeded", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_event("image_too_small", ""), RILL_RETRY_PERMANENT);
  CHECK_INT(of_event("failed_to_download_image", ""), RILL_RETRY_TRANSIENT);
  CHECK_INT(of_status_word("", "PERMISSION_DENIED"), RILL_RETRY_PERMANENT);
  CHECK_INT(of_status_word("", "UNAVAILABLE"), RILL_RETRY_TRANSIENT);
}

static int64_t wait_after(unsigned retries, double random) {
  struct rill_retry_policy policy = usual;
  policy.max = retries + 1;
  return rill_retry_decide(&policy, retries, -1, -1, random).delay_us;
}

static void waits_grow_up_to_the_cap(void) {
  CHECK_INT(wait_after(0, 0), 1000000);
  CHECK_INT(wait_after(1, 0), 2000000);
  CHECK_INT(wait_after(2, 0), 4000000);
  CHECK_INT(wait_after(4, 0), 16000000);
  CHECK_INT(wait_after(5, 0), 30000000);
  CHECK_INT(wait_after(6, 0), 30000000);
  CHECK_INT(wait_after(5000, 0), 30000000);
  CHECK_INT(wait_after(4000000000U, 0), 30000000);
}

static void jitter_only_shortens(void) {
  CHECK_INT(wait_after(0, 0.5), 875000);
  for (int i = 0; i < 1000; i++) {
    int64_t wait = wait_after(3, (double)check_random(1000) / 1000);
    CHECK(wait > 6000000 && wait <= 8000000);
  }
}

static void the_budget_ends(void) {
  CHECK_INT(rill_retry_decide(&usual, 0, -1, -1, 0).answer, RILL_RETRY_AFTER);
  CHECK_INT(rill_retry_decide(&usual, 2, -1, -1, 0).answer, RILL_RETRY_AFTER);
  CHECK_INT(rill_retry_decide(&usual, 3, -1, -1, 0).answer,
            RILL_RETRY_EXHAUSTED);
  CHECK_INT(rill_retry_decide(&usual, 4, 0, -1, 0).answer,
            RILL_RETRY_EXHAUSTED);
  struct rill_retry_policy none = usual;
  none.max = 0;
  CHECK_INT(rill_retry_decide(&none, 0, -1, -1, 0).answer,
            RILL_RETRY_EXHAUSTED);
}

static void the_servers_word_is_taken_as_it_is(void) {
  struct rill_retry_verdict verdict =
      rill_retry_decide(&usual, 0, 45000000, -1, 0.9);
  CHECK_INT(verdict.answer, RILL_RETRY_AFTER);
  CHECK_INT(verdict.delay_us, 45000000);
  verdict = rill_retry_decide(&usual, 2, 0, -1, 0.9);
  CHECK_INT(verdict.answer, RILL_RETRY_AFTER);
  CHECK_INT(verdict.delay_us, 0);
}

static void no_wait_is_too_long_silently(void) {
  struct rill_retry_verdict verdict =
      rill_retry_decide(&usual, 0, 60000000, -1, 0);
  CHECK_INT(verdict.answer, RILL_RETRY_AFTER);
  verdict = rill_retry_decide(&usual, 0, 60000001, -1, 0);
  CHECK_INT(verdict.answer, RILL_RETRY_TOO_LONG);
  CHECK_INT(verdict.delay_us, 60000001);
  verdict = rill_retry_decide(&usual, 0, 5000000, 5000000, 0);
  CHECK_INT(verdict.answer, RILL_RETRY_AFTER);
  verdict = rill_retry_decide(&usual, 0, 5000000, 4999999, 0);
  CHECK_INT(verdict.answer, RILL_RETRY_TOO_LONG);
  CHECK_INT(verdict.delay_us, 5000000);
  verdict = rill_retry_decide(&usual, 1, -1, 1999999, 0);
  CHECK_INT(verdict.answer, RILL_RETRY_TOO_LONG);
  verdict = rill_retry_decide(&usual, 0, INT64_MAX, -1, 0);
  CHECK_INT(verdict.answer, RILL_RETRY_TOO_LONG);
}

static void linear_waits_grow_by_the_first(void) {
  struct rill_retry_policy policy = usual;
  policy.growth = RILL_RETRY_LINEAR;
  policy.max = 100;
  for (unsigned retries = 0; retries < 30; retries++) {
    CHECK_INT(rill_retry_decide(&policy, retries, -1, -1, 0).delay_us,
              ((int64_t)retries + 1) * 1000000);
  }
  CHECK_INT(rill_retry_decide(&policy, 30, -1, -1, 0).delay_us, 30000000);
  CHECK_INT(rill_retry_decide(&policy, 3, -1, -1, 1).delay_us, 3000000);
}

static void strange_policies_do_no_harm(void) {
  struct rill_retry_policy policy = usual;
  policy.cap_us = -1;
  policy.max_wait_us = -1;
  policy.max = 1000;
  CHECK_INT(rill_retry_decide(&policy, 10, -1, -1, 0).delay_us, 1024000000);
  CHECK(rill_retry_decide(&policy, 900, -1, -1, 0).delay_us > 0);
  policy.cap_us = INT64_MAX;
  CHECK(rill_retry_decide(&policy, 900, -1, -1, 0).delay_us > 0);
  policy = usual;
  policy.factor = 0;
  CHECK_INT(rill_retry_decide(&policy, 1, -1, -1, 0).delay_us, 0);
  policy.factor = -2;
  CHECK_INT(rill_retry_decide(&policy, 1, -1, -1, 0).delay_us, 0);
  policy.base_us = 0;
  policy.factor = 1e300;
  CHECK_INT(rill_retry_decide(&policy, 2, -1, -1, 0).delay_us, 0);
  policy = usual;
  policy.jitter = 1;
  CHECK(rill_retry_decide(&policy, 0, -1, -1, 0.999999).delay_us <= 1);
}

static const struct check_test tests[] = {
    {"passing troubles are transient", passing_troubles_are_transient},
    {"lasting ones are permanent", lasting_ones_are_permanent},
    {"x-should-retry decides", the_server_may_decide},
    {"a spent limit is quota, whatever else is said", a_spent_limit_is_quota},
    {"speed limits are not quota", speed_limits_are_not_quota},
    {"an event with a number is that status",
     an_event_with_a_number_is_that_status},
    {"an event with words is judged by them",
     an_event_with_words_is_judged_by_them},
    {"waits grow up to the cap", waits_grow_up_to_the_cap},
    {"linear waits grow by the first of them", linear_waits_grow_by_the_first},
    {"jitter only shortens a wait", jitter_only_shortens},
    {"the budget ends", the_budget_ends},
    {"the server's word is taken as it is", the_servers_word_is_taken_as_it_is},
    {"a wait that is too long is said to be", no_wait_is_too_long_silently},
    {"strange policies do no harm", strange_policies_do_no_harm},
    {NULL, NULL}};

const struct check_suite retry_suite = {"retry", tests};
