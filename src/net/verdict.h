/* SPDX-License-Identifier: MIT
 *
 * What the end of an attempt means for its transfer: success, another attempt,
 * or failure.  Includes transfer.h.
 */
#ifndef RILL_NET_VERDICT_H
#define RILL_NET_VERDICT_H

#include "transfer.h"

/* libcurl is finished with the current attempt. */
void rill_verdict_on_done(struct rill_transfer *transfer, CURLcode code);

/* The engine's multi handle is lost: ends what libcurl was working on.  May
 * free the transfer. */
void rill_verdict_on_breakdown(struct rill_transfer *transfer);

/* The attempt has failed: the failure has been noted and libcurl has let go.
 * Waits for another attempt, or ends the transfer. */
void rill_verdict_failed(struct rill_transfer *transfer);

#endif
