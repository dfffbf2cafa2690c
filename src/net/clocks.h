/* SPDX-License-Identifier: MIT
 *
 * The clocks of a transfer: its timeouts, the wait before a retry, the end of
 * draining.  Includes transfer_state.h.
 */
#ifndef RILL_NET_CLOCKS_H
#define RILL_NET_CLOCKS_H

#include "transfer_state.h"

/* Moves the timer to the next moment that matters, if that is sooner. */
void rill_clocks_rearm(struct rill_transfer *transfer);

/* Whether a timeout has passed; if so the failure has been noted. */
bool rill_clocks_have_run_out(struct rill_transfer *transfer, int64_t now);

#endif
