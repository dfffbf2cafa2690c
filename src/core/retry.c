/* SPDX-License-Identifier: MIT
 *
 * The retry decisions of retry.h.  Includes libc and bytes.h; owns nothing.
 */
#include "retry.h"

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(struct rill_span text, const char *word) {
  size_t len = strlen(word);
  for (size_t at = 0; at + len <= text.len; at++) {
    size_t same = 0;
    while (same < len && lower(text.data[at + same]) == word[same]) {
      same++;
    }
    if (same == len) {
      return true;
    }
  }
  return false;
}

/* Whether one of the words, a list that ends with a null pointer, occurs in
 * the text; its letters are compared without case. */
static bool mentions(struct rill_span text, const char *const *words) {
  for (; *words != NULL; words++) {
    if (contains(text, *words)) {
      return true;
    }
  }
  return false;
}

/* What OpenAI, Anthropic and their relays say when money, not speed, is the
 * matter.  A bare "quota" is not here: Google says it of requests per minute.
 */
static const char *const quota_words[] = {
    "insufficient_quota",   "insufficient_user_quota", "insufficient_balance",
    "insufficient_credit",  "insufficient_funds",      "billing",
    "spend_limit",          "usage_not_included",      "payment_required",
    "quota_exceeded_error", "credit_balance",          NULL};

/* "image_" begins OpenAI's names of all that can be wrong with a picture; the
 * last three are Google's. */
static const char *const permanent_words[] = {
    "authenticat",    "unauthorized",
    "permission",     "forbidden",
    "not_found",      "invalid",
    "context_length", "too_large",
    "unsupported",    "content_filter",
    "policy",         "image_",
    "out_of_range",   "failed_precondition",
    "unimplemented",  NULL};

static const char *const passing_words[] = {
    "busy",           "overload",      "temporar",
    "try again",      "timeout",       "timed out",
    "unavailable",    "rate limit",    "too many requests",
    "unexpected eof", "connection re", NULL};

enum rill_retry_class rill_retry_class_of_status(int status,
                                                 struct rill_span should_retry,
                                                 struct rill_span code,
                                                 struct rill_span type) {
  if (status == 402 || (status == 429 && (mentions(code, quota_words) ||
                                          mentions(type, quota_words)))) {
    return RILL_RETRY_QUOTA;
  }
  if (rill_span_is(should_retry, "true")) {
    return RILL_RETRY_TRANSIENT;
  }
  if (rill_span_is(should_retry, "false")) {
    return RILL_RETRY_PERMANENT;
  }
  bool transient = status == 408 || status == 409 || status == 425 ||
                   status == 429 || (status >= 500 && status <= 599);
  return transient ? RILL_RETRY_TRANSIENT : RILL_RETRY_PERMANENT;
}

/* The error status that code spells, or 0. */
static int status_of_code(struct rill_span code) {
  int status = 0;
  if (code.len != 3) {
    return 0;
  }
  for (size_t i = 0; i < code.len; i++) {
    if (code.data[i] < '0' || code.data[i] > '9') {
      return 0;
    }
    status = status * 10 + (code.data[i] - '0');
  }
  return status >= 400 && status <= 599 ? status : 0;
}

enum rill_retry_class rill_retry_class_of_event(struct rill_span code,
                                                struct rill_span type,
                                                struct rill_span status) {
  const struct rill_span said[] = {code, type, status};
  struct rill_span none = {NULL, 0};
  int number = status_of_code(code);
  number = number != 0 ? number : status_of_code(status);
  if (number != 0) {
    return rill_retry_class_of_status(number, none, code, type);
  }
  enum rill_retry_class class = RILL_RETRY_TRANSIENT;
  for (size_t i = 0; i < 3; i++) {
    if (mentions(said[i], quota_words)) {
      return RILL_RETRY_QUOTA;
    }
    if (mentions(said[i], permanent_words)) {
      class = RILL_RETRY_PERMANENT;
    }
  }
  return class;
}

enum rill_retry_class rill_retry_class_of_message(struct rill_span message) {
  return mentions(message, passing_words) ? RILL_RETRY_TRANSIENT
                                          : RILL_RETRY_PERMANENT;
}

/* factor to the power of n, by squaring: n may be large. */
static double power(double factor, unsigned n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) {
      result *= factor;
    }
    factor *= factor;
  }
  return result;
}

/* The wait before the retry after so many others, without a word from the
 * server. */
static int64_t backoff(const struct rill_retry_policy *policy, unsigned retries,
                       double random) {
  const double longest = 1e15; /* a wait in a double is exact up to here */
  double cap = policy->cap_us < 0 ? longest : (double)policy->cap_us;
  double times = policy->growth == RILL_RETRY_LINEAR
                     ? (double)retries + 1
                     : power(policy->factor, retries);
  double wait = (double)policy->base_us * times;
  if (cap > longest) {
    cap = longest;
  }
  if (wait > cap) {
    wait = cap;
  }
  wait -= wait * policy->jitter * random;
  return wait > 0 ? (int64_t)wait : 0; /* no number gives 0, too */
}

struct rill_retry_verdict
rill_retry_decide(const struct rill_retry_policy *policy, unsigned retries,
                  int64_t hint_us, int64_t left_us, double random) {
  struct rill_retry_verdict verdict;
  verdict.delay_us = hint_us >= 0 ? hint_us : backoff(policy, retries, random);
  if (retries >= policy->max) {
    verdict.answer = RILL_RETRY_EXHAUSTED;
  } else if ((policy->max_wait_us >= 0 &&
              verdict.delay_us > policy->max_wait_us) ||
             (left_us >= 0 && verdict.delay_us > left_us)) {
    verdict.answer = RILL_RETRY_TOO_LONG;
  } else {
    verdict.answer = RILL_RETRY_AFTER;
  }
  return verdict;
}
