/* SPDX-License-Identifier: MIT
 *
 * See transfer_state.h.  Includes libc, core and net.
 */
#include "transfer_state.h"

#include <stdarg.h>

void rill_transfer_init(struct rill_transfer *transfer) {
  rill_bytes_init(&transfer->reply, SIZE_MAX / 2);
  rill_bytes_init(&transfer->reasoning, SIZE_MAX / 2);
  rill_bytes_init(&transfer->usage, SIZE_MAX / 2);
  rill_bytes_init(&transfer->headers, 0);
  rill_bytes_init(&transfer->text, 0);
  rill_queue_init(&transfer->queue);
  rill_sse_init(&transfer->sse, 0);
  rill_lines_init(&transfer->lines, 0);
  rill_json_scan_init(&transfer->scan, RILL_FORMAT_OPENAI);
  transfer->resume_at = RILL_NEVER;
  rill_failure_clear(&transfer->failure);
  transfer->keep_payloads = true;
}

void rill_transfer_note_failure(struct rill_transfer *transfer,
                                const char *kind, const char *phase,
                                bool retryable, const char *format, ...) {
  va_list args;
  va_start(args, format);
  rill_failure_note(&transfer->failure, transfer->status, kind, phase,
                    retryable, format, args);
  va_end(args);
}

void rill_transfer_note_no_memory(struct rill_transfer *transfer,
                                  const char *phase) {
  rill_transfer_note_failure(transfer, "memory", phase, false, "out of memory");
}

void rill_transfer_mark_ready(struct rill_transfer *transfer) {
  if (!transfer->detached) {
    rill_engine_mark_ready(&transfer->driven);
  }
}

void rill_transfer_finish(struct rill_transfer *transfer,
                          enum rill_ending ending) {
  transfer->state = RILL_TRANSFER_ENDED;
  transfer->ending = ending;
  transfer->ended = rill_clock_now();
  if (transfer->driven.engine != NULL) {
    transfer->driven.engine->running_count--;
  }
  if (transfer->feeder != NULL) {
    struct rill_feeder *feeder = transfer->feeder;
    transfer->feeder = NULL;
    feeder->on_end(feeder);
  }
  rill_transfer_mark_ready(transfer);
}

struct rill_attempt *rill_transfer_attempt(struct rill_transfer *transfer) {
  return rill_trail_last(&transfer->trail);
}

bool rill_transfer_add_attempt(struct rill_transfer *transfer) {
  if (!rill_trail_add(&transfer->trail)) {
    return false;
  }
  transfer->attempt_started = rill_transfer_attempt(transfer)->started;
  return true;
}

void rill_transfer_close_attempt(struct rill_transfer *transfer,
                                 const char *reason) {
  rill_trail_close(&transfer->trail, transfer->status, reason,
                   rill_bytes_span(&transfer->headers));
}
