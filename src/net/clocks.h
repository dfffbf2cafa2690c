/* SPDX-License-Identifier: MIT
 *
 * The clocks of a transfer: its timeouts, the wait before a retry, the end of
 * draining, a wake-up call.  Includes transfer.h.
 */
#ifndef RILL_NET_CLOCKS_H
#define RILL_NET_CLOCKS_H

#include "transfer.h"

/* Moves the timer to the next moment that matters, if that is sooner. */
void rill_clocks_rearm(struct rill_transfer *transfer);

/* The timer of the transfer has rung. */
void rill_clocks_on_timer(struct rill_transfer *transfer, int64_t now);

#endif
