/* SPDX-License-Identifier: MIT
 *
 * Which failures may be tried again, and how long to wait first.  Pure
 * decisions: time, randomness and the server's words are arguments.  Includes
 * libc and bytes.h.  Times are in microseconds; -1 means "none".
 */
#ifndef RILL_CORE_RETRY_H
#define RILL_CORE_RETRY_H

#include <stdint.h>

#include "bytes.h"

enum rill_retry_class {
  RILL_RETRY_PERMANENT, /* the same request would fail again */
  RILL_RETRY_TRANSIENT, /* worth another attempt */
  RILL_RETRY_QUOTA,     /* permanent: money or a spend limit has run out */
};

/* An HTTP response.  should_retry is the value of `x-should-retry` ("true" or
 * "false" decide alone, but for quota), code and type are error.code and
 * error.type of the JSON body; each may be empty.  Transient are 408, 409, 425,
 * 429 and 5xx; 402 and the spend-limit codes of a 429 are quota. */
enum rill_retry_class rill_retry_class_of_status(int status,
                                                 struct rill_span should_retry,
                                                 struct rill_span code,
                                                 struct rill_span type);

/* An error event inside a stream that began with 200.  Code, type and status
 * are what it says under these names; each may be empty.  A numeric code or
 * status is taken as that of HTTP; otherwise the words of all three decide
 * (authentication, permission, not_found, invalid, context_length: permanent;
 * quota and billing: quota; anything else: transient). */
enum rill_retry_class rill_retry_class_of_event(struct rill_span code,
                                                struct rill_span type,
                                                struct rill_span status);

/* The same for one that is nothing but a message.  Servers that say so little
 * name what will pass (busy, overloaded, timed out ...); anything else is
 * permanent. */
enum rill_retry_class rill_retry_class_of_message(struct rill_span message);

enum rill_retry_growth {
  RILL_RETRY_EXPONENTIAL, /* each wait is `factor` times the one before */
  RILL_RETRY_LINEAR,      /* each wait is longer by the first: 1, 2, 3 ... */
};

struct rill_retry_policy {
  unsigned max;        /* retries after the first attempt */
  int64_t base_us;     /* the first wait */
  double factor;       /* of exponential growth */
  int64_t cap_us;      /* no wait is longer */
  double jitter;       /* 0..1: a wait is shortened by up to this part */
  int64_t max_wait_us; /* a server that asks for more is not waited for */
  enum rill_retry_growth growth;
};

enum rill_retry_answer {
  RILL_RETRY_AFTER,     /* wait delay_us, then try again */
  RILL_RETRY_EXHAUSTED, /* policy.max retries have been made */
  RILL_RETRY_TOO_LONG,  /* the wait would pass max_wait_us or the time left */
};

struct rill_retry_verdict {
  enum rill_retry_answer answer;
  int64_t delay_us; /* the wait that was asked for, also when it is too long */
};

/* retries: how many have been made; hint_us: the server's Retry-After, or -1;
 * left_us: what is left of the total timeout, or -1 for no limit; random: in
 * [0, 1).  A hint is taken as it is (no jitter, no cap but max_wait_us). */
struct rill_retry_verdict
rill_retry_decide(const struct rill_retry_policy *policy, unsigned retries,
                  int64_t hint_us, int64_t left_us, double random);

#endif
