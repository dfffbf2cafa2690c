/* SPDX-License-Identifier: MIT
 *
 * A transfer that has no request of its own: what arrives for it comes by a
 * connection that serves several, and others put it in, one message after the
 * other.  It is read, queued and timed like the events of a stream; it is never
 * tried again.  Includes transfer.h.
 */
#ifndef RILL_NET_FED_H
#define RILL_NET_FED_H

#include "transfer.h"

/* Hands it to the engine, instead of rill_transfer_start; its clocks begin, but
 * that of the whole has run for age_us already.  source: the id of the socket
 * that its messages come by; whatever else comes by it, heartbeats too, is a
 * sign of life.  0: there is none.  RILL_NO_MEMORY leaves it as it was. */
enum rill_status rill_fed_start(struct rill_transfer *transfer,
                                struct rill_engine *engine, int64_t age_us,
                                int64_t source);

/* Takes a message as if it were an event, at that moment of rill_clock_now.
 * False: it had ended already.  One that holds more than limits.buffer is
 * paused: its clocks stand still, but it takes what comes. */
bool rill_fed_take(struct rill_transfer *transfer, struct rill_span message,
                   int64_t now);

/* While it is at rest, since its question waits for a connection, no clock but
 * that of the whole runs; when it is not any more, they begin anew. */
void rill_fed_rest(struct rill_transfer *transfer, bool at_rest);

/* Notes why it will have failed; the words are copied. */
void rill_fed_note(struct rill_transfer *transfer, const char *kind,
                   const char *phase, const char *message, bool retryable);

/* Ends it; does nothing if it has ended.  For RILL_ENDING_CUT and FAILED the
 * failure must have been noted, or is noted as "interrupted". */
void rill_fed_finish(struct rill_transfer *transfer, enum rill_ending ending);

/* Whoever feeds it from now on, or null; it must not have ended. */
static inline void rill_fed_set_feeder(struct rill_transfer *transfer,
                                       struct rill_feeder *feeder) {
  transfer->feeder = feeder;
}

#endif
