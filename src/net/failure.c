/* SPDX-License-Identifier: MIT
 *
 * See failure.h.  Includes libc and core.
 */
#include "failure.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "core/error_body.h"
#include "core/headers.h"

void rill_failure_clear(struct rill_failure *failure) {
  memset(failure, 0, sizeof *failure);
  failure->retry_after_us = -1;
}

void rill_failure_note(struct rill_failure *failure, int status,
                       const char *kind, const char *phase, bool retryable,
                       const char *format, va_list args) {
  if (failure->kind != NULL) {
    return;
  }
  vsnprintf(failure->message, sizeof failure->message, format, args);
  failure->kind = kind;
  failure->phase = phase;
  failure->retryable = retryable;
  failure->status = status;
}

void rill_failure_note_status(struct rill_failure *failure, int status,
                              struct rill_span headers, struct rill_span body) {
  struct rill_error_body error = rill_error_body_read(body);
  struct rill_span should_retry = rill_headers_get(headers, "x-should-retry");
  enum rill_retry_class class =
      rill_retry_class_of_status(status, should_retry, error.code, error.type);
  if (failure->kind == NULL) {
    failure->kind = "http";
    failure->phase = "headers";
    failure->status = status;
    snprintf(failure->message, sizeof failure->message, "HTTP %d", status);
  }
  /* A body that was too long is a failure of its own, but the status still
   * says whether to try again. */
  failure->retryable = class == RILL_RETRY_TRANSIENT;
  failure->quota = class == RILL_RETRY_QUOTA;
  failure->retry_after_us = error.retry_after_us;
}

/* What a SOCKS proxy will say again; null: it may think better of it. */
static const char *refusal_of(long code) {
  switch (code) {
  case CURLPX_NO_AUTH:
    return "it wants a user and a password";
  case CURLPX_USER_REJECTED:
    return "it rejects the user or the password";
  case CURLPX_REPLY_NOT_ALLOWED:
    return "it does not allow this connection";
  case CURLPX_REPLY_COMMAND_NOT_SUPPORTED:
  case CURLPX_REPLY_ADDRESS_TYPE_NOT_SUPPORTED:
    return "it cannot make such connections";
  case CURLPX_BAD_VERSION:
    return "it does not speak this kind of SOCKS";
  default:
    return NULL;
  }
}

void rill_failure_note_proxy(struct rill_failure *failure, CURL *easy,
                             CURLcode code) {
  struct rill_span none = {NULL, 0};
  long status = 0;
  long error = CURLPX_OK;
  (void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
  if (code == CURLE_PROXY) { /* else it may be that of another attempt */
    (void)curl_easy_getinfo(easy, CURLINFO_PROXY_ERROR, &error);
  }
  const char *refusal = refusal_of(error);
  if (failure->kind != NULL || (status < 300 && refusal == NULL)) {
    return;
  }
  failure->kind = "connect";
  failure->phase = "proxy";
  if (status >= 300) {
    enum rill_retry_class class =
        rill_retry_class_of_status((int)status, none, none, none);
    failure->retryable = class == RILL_RETRY_TRANSIENT;
    snprintf(failure->message, sizeof failure->message,
             "the proxy refused the tunnel: HTTP %ld", status);
  } else {
    snprintf(failure->message, sizeof failure->message,
             "the proxy refused the connection: %s", refusal);
  }
}

bool rill_trail_add(struct rill_trail *trail) {
  unsigned count = trail->count;
  struct rill_attempt *attempts =
      realloc(trail->attempts, (count + 1) * sizeof *attempts);
  if (attempts == NULL) {
    return false;
  }
  trail->attempts = attempts;
  memset(&attempts[count], 0, sizeof attempts[count]);
  attempts[count].started = rill_clock_now();
  trail->count = count + 1;
  return true;
}

struct rill_attempt *rill_trail_last(const struct rill_trail *trail) {
  return &trail->attempts[trail->count - 1];
}

void rill_trail_close(struct rill_trail *trail, int status, const char *reason,
                      struct rill_span headers) {
  struct rill_attempt *attempt = rill_trail_last(trail);
  if (attempt->ended != 0) {
    return;
  }
  attempt->ended = rill_clock_now();
  attempt->status = status;
  if (reason[0] != '\0') {
    /* The headers of the last attempt stay; those of earlier ones go. */
    struct rill_span id = rill_headers_request_id(headers);
    snprintf(attempt->reason, sizeof attempt->reason, "%s", reason);
    snprintf(attempt->request_id, sizeof attempt->request_id, "%.*s",
             (int)id.len, id.len > 0 ? id.data : "");
  }
}

void rill_trail_free(struct rill_trail *trail) {
  free(trail->attempts);
  trail->attempts = NULL;
  trail->count = 0;
}
