/* SPDX-License-Identifier: MIT
 *
 * What a provider's error object says, as far as the decision to try again
 * needs it.  Includes libc and bytes.h.
 */
#ifndef RILL_CORE_ERROR_BODY_H
#define RILL_CORE_ERROR_BODY_H

#include "bytes.h"

/* Raw JSON values, strings without quotes and not unescaped; empty where the
 * object does not say.  They live as long as the JSON. */
struct rill_error_body {
  bool is_error; /* there is a member `error` that is not null */
  struct rill_span code;
  struct rill_span type;
  struct rill_span message;
};

/* Reads {"error": {"code", "type", "message"}}, {"error": "message"} and the
 * flat {"code", "type", "message"}.  Anything else gives empty spans. */
struct rill_error_body rill_error_body_read(struct rill_span json);

#endif
