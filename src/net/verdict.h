/* SPDX-License-Identifier: MIT
 *
 * What the end of an attempt means for its transfer: success, another attempt,
 * or failure.  Includes transfer_state.h.
 */
#ifndef RILL_NET_VERDICT_H
#define RILL_NET_VERDICT_H

#include "transfer_state.h"

/* libcurl is finished with the current attempt, or with draining. */
void rill_verdict_on_done(struct rill_transfer *transfer, CURLcode code);

/* The attempt has failed: the failure has been noted and libcurl has let go.
 * Waits for another attempt, or ends the transfer. */
void rill_verdict_failed(struct rill_transfer *transfer);

#endif
