/* SPDX-License-Identifier: MIT
 *
 * One request through all its attempts, and what has arrived of its answer.
 * Retries and timeouts happen in here.  Whoever created a transfer pulls items
 * from it; the engine drives it.  Includes libc, curl.h, core and net.
 *
 *   rill_transfer_new(&t, profile);
 *   rill_string_set(&t->url, ...);  rill_transfer_start(t, engine);
 *   while (rill_transfer_peek(t, &item)) { ...; rill_transfer_drop(t, &item); }
 *   ... and when t->ending is set and nothing is left, it is over
 */
#ifndef RILL_NET_TRANSFER_H
#define RILL_NET_TRANSFER_H

#include "transfer_state.h"

/* A transfer whose URL, body and format are still to be set.  RILL_NO_MEMORY.
 */
enum rill_status rill_transfer_new(struct rill_transfer **transfer,
                                   struct rill_profile *profile);

/* Hands it to the engine, which must outlive it or be closed first.  Failures
 * of the request itself come later, as the transfer's ending; RILL_NO_MEMORY
 * leaves it as it was. */
enum rill_status rill_transfer_start(struct rill_transfer *transfer,
                                     struct rill_engine *engine);

/* The next item; its spans live until the next call on the transfer or step. */
static inline bool rill_transfer_peek(const struct rill_transfer *transfer,
                                      struct rill_item *item) {
  return rill_queue_peek(&transfer->queue, item);
}

/* Removes the item that was peeked; a paused transfer may go on. */
void rill_transfer_drop(struct rill_transfer *transfer,
                        const struct rill_item *item);

/* Ends it now and drops its connection, unless it has ended already. */
void rill_transfer_close(struct rill_transfer *transfer);

/* Closes and frees it; what is still being drained is freed later. */
void rill_transfer_free(struct rill_transfer *transfer);

/* For fed.c. */

/* The engine takes it in; false without memory. */
bool rill_transfer_enter(struct rill_transfer *transfer,
                         struct rill_engine *engine);

/* One that has ended and is drained leaves the engine; its news stays there. */
void rill_transfer_leave_if_over(struct rill_transfer *transfer);

/* One that is fed has room again: its clocks run, and its feeder hears of it.
 */
void rill_transfer_go_on(struct rill_transfer *transfer);

#endif
