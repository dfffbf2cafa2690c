/* SPDX-License-Identifier: MIT
 *
 * Reads a block of HTTP response header lines, each ended by LF or CRLF.
 * Includes libc and bytes.h; owns nothing.
 */
#ifndef RILL_CORE_HEADERS_H
#define RILL_CORE_HEADERS_H

#include <stdint.h>

#include "bytes.h"

/* The value of the first header of that name (compared without case), trimmed;
 * empty if there is none.  Lives as long as the block. */
struct rill_span rill_headers_get(struct rill_span block, const char *name);

/* Goes through the headers of that name: true with the next value, trimmed, and
 * *block shortened to what follows it; false when there are no more. */
bool rill_headers_each(struct rill_span *block, const char *name,
                       struct rill_span *value);

/* How long the server asks to wait, in microseconds: `retry-after-ms`, then
 * `x-ms-retry-after-ms`, then `Retry-After` as seconds (fractions allowed) or
 * as an HTTP date (RFC 9110, section 5.6.7, all three forms) minus now_s, the
 * Unix time in seconds; a date in the past gives 0.  -1 when there is none, or
 * when what is there is negative or no number and no date. */
int64_t rill_headers_retry_after(struct rill_span block, int64_t now_s);

/* Decimal seconds ("12", "0.5") in microseconds, never more than some 31 years;
 * -1 if the text is nothing of the kind. */
int64_t rill_seconds_read(struct rill_span text);

/* The provider's id of the request: x-request-id, request-id, apim-request-id,
 * x-generation-id, cf-ray, in this order; empty if there is none. */
struct rill_span rill_headers_request_id(struct rill_span block);

#endif
