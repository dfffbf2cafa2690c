/* SPDX-License-Identifier: MIT
 *
 * What a provider's error object says, as far as the decision to try again
 * needs it.  Includes libc, bytes.h and retry.h.
 */
#ifndef RILL_CORE_ERROR_BODY_H
#define RILL_CORE_ERROR_BODY_H

#include "bytes.h"
#include "retry.h"

/* Raw JSON values, strings without quotes and not unescaped; empty where the
 * object does not say.  They live as long as the JSON. */
struct rill_error_body {
  bool is_error; /* there is a member `error` that is not null */
  bool is_text;  /* all that is said is a message */
  struct rill_span code;
  struct rill_span type;
  struct rill_span status; /* Google's word, or a number */
  struct rill_span message;
  int64_t retry_after_us; /* as Google's RetryInfo says, or -1 */
};

/* Reads {"error": {"code", "type", "status", "message"}}, {"error": "message"},
 * the same inside {"response": ...} or as the first item of a list, and the
 * flat {"code", "type", "status", "message"}.  Anything else gives empty spans.
 */
struct rill_error_body rill_error_body_read(struct rill_span json);

/* Whether to try again when it came where all seemed well: as an event, or with
 * a status that is none of an error. */
enum rill_retry_class
rill_error_body_class(const struct rill_error_body *error);

#endif
