/* SPDX-License-Identifier: MIT
 *
 * See fed.h.  Includes net.
 */
#include "fed.h"

#include <stdio.h>

#include "clocks.h"
#include "events.h"
#include "receive.h"
#include "verdict.h"

static void begin_clocks(struct rill_transfer *transfer, int64_t now) {
  transfer->attempt_started = now;
  transfer->last_byte = now;
  transfer->last_progress = now;
  rill_clocks_rearm(transfer);
}

enum rill_status rill_fed_start(struct rill_transfer *transfer,
                                struct rill_engine *engine, int64_t age_us,
                                int64_t source) {
  if (!rill_transfer_add_attempt(transfer) ||
      !rill_transfer_enter(transfer, engine)) {
    return RILL_NO_MEMORY;
  }
  transfer->is_fed = true;
  transfer->source = source;
  transfer->created = transfer->attempt_started; /* it had to come first */
  transfer->asked = transfer->created - age_us;
  rill_receive_reset(transfer);
  transfer->state = RILL_TRANSFER_RUNNING;
  begin_clocks(transfer, transfer->attempt_started);
  return RILL_OK;
}

void rill_fed_rest(struct rill_transfer *transfer, bool at_rest) {
  if (transfer->state != RILL_TRANSFER_RUNNING ||
      transfer->at_rest == at_rest ||
      !rill_engine_is_ours(transfer->driven.engine)) {
    return;
  }
  transfer->at_rest = at_rest;
  if (!at_rest) {
    begin_clocks(transfer, rill_clock_now());
  }
}

bool rill_fed_take(struct rill_transfer *transfer, struct rill_span message,
                   int64_t now) {
  struct rill_sse_event event = {.data = message};
  if (transfer->state == RILL_TRANSFER_RUNNING &&
      !rill_engine_is_ours(transfer->driven.engine)) {
    rill_engine_abandon(transfer->driven.engine);
  }
  if (transfer->state != RILL_TRANSFER_RUNNING) {
    return false;
  }
  transfer->last_byte = now;
  if (transfer->first_byte == 0) {
    transfer->first_byte = now;
  }
  transfer->bytes += message.len;
  transfer->events++;
  if (!rill_events_take(transfer, &event)) {
    rill_verdict_failed(transfer);
  }
  if (!transfer->paused &&
      rill_queue_size(&transfer->queue) >= transfer->profile->limits.buffer) {
    transfer->paused = true;
    transfer->pauses++;
  }
  rill_transfer_leave_if_over(transfer);
  return true;
}

void rill_fed_note(struct rill_transfer *transfer, const char *kind,
                   const char *phase, const char *message, bool retryable) {
  snprintf(transfer->said_kind, sizeof transfer->said_kind, "%s", kind);
  snprintf(transfer->said_phase, sizeof transfer->said_phase, "%s", phase);
  rill_transfer_note_failure(transfer, transfer->said_kind,
                             transfer->said_phase, retryable, "%s", message);
}

void rill_fed_finish(struct rill_transfer *transfer, enum rill_ending ending) {
  bool has_failed = ending == RILL_ENDING_CUT || ending == RILL_ENDING_FAILED;
  if (transfer->state != RILL_TRANSFER_RUNNING) {
    return;
  }
  if (has_failed) {
    rill_transfer_note_failure(transfer, "interrupted", "body", true,
                               "the connection was lost");
  }
  rill_transfer_close_attempt(transfer,
                              has_failed ? transfer->failure.message : "");
  rill_transfer_finish(transfer, ending);
  rill_transfer_leave_if_over(transfer);
}
