/* SPDX-License-Identifier: MIT
 *
 * Why an attempt failed, and the record of all attempts: what transfers and
 * sockets have in common.  Includes libc, curl.h and core.
 */
#ifndef RILL_NET_FAILURE_H
#define RILL_NET_FAILURE_H

#include <curl/curl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

/* Why an attempt, or with the last one the whole, failed. */
struct rill_failure {
  const char *kind; /* static, as docs/architecture.md lists them; null: none */
  const char *phase; /* static: where; for a timeout the name of the clock */
  char message[CURL_ERROR_SIZE];
  int status;             /* of HTTP; 0 when there was no answer */
  int64_t retry_after_us; /* what the server asked for, or -1 */
  bool retryable;
  bool quota;
};

/* No failure. */
void rill_failure_clear(struct rill_failure *failure);

/* Fills it in, unless it has a kind: the first failure is the cause. */
void rill_failure_note(struct rill_failure *failure, int status,
                       const char *kind, const char *phase, bool retryable,
                       const char *format, va_list args)
    __attribute__((format(printf, 6, 0)));

/* The failure of an answer whose status is one of an error.  Whether to try
 * again, and when, is what status, headers and body say also where there was a
 * failure already. */
void rill_failure_note_status(struct rill_failure *failure, int status,
                              struct rill_span headers, struct rill_span body);

/* What a proxy has answered, if that is why the handle could not connect and
 * ended with this code. */
void rill_failure_note_proxy(struct rill_failure *failure, CURL *easy,
                             CURLcode code);

struct rill_attempt {
  int64_t started;
  int64_t ended;       /* 0 while it runs */
  int64_t delay;       /* the wait that followed; 0 if none */
  int status;          /* 0 if there was no answer */
  char reason[96];     /* empty if it did not fail */
  char request_id[80]; /* of a failed one; empty if the server gave none */
};

/* Zeroed is empty. */
struct rill_trail {
  struct rill_attempt *attempts;
  unsigned count;
};

/* One more attempt begins now; false without memory. */
bool rill_trail_add(struct rill_trail *trail);

/* The latest; there must have been one. */
struct rill_attempt *rill_trail_last(const struct rill_trail *trail);

/* Completes the record of the latest; reason is empty if it did not fail, else
 * the headers may name the request.  Does nothing if the record is complete. */
void rill_trail_close(struct rill_trail *trail, int status, const char *reason,
                      struct rill_span headers);

void rill_trail_free(struct rill_trail *trail);

#endif
