/* SPDX-License-Identifier: MIT
 *
 * The life of a transfer from its making to its end, and the consumer's side of
 * it.  Elsewhere: how bytes become items (receive.c), one try (attempt.c), the
 * timeouts (clocks.c), what an end means (verdict.c).  Includes curl.h and net.
 */
#include "transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "attempt.h"
#include "clocks.h"
#include "verdict.h"

/* How long a finished answer may still occupy its connection. */
#define DRAIN_US 250000

enum rill_status rill_transfer_new(struct rill_transfer **out,
                                   struct rill_profile *profile) {
  struct rill_transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer == NULL) {
    return RILL_NO_MEMORY;
  }
  transfer->profile = rill_profile_share(profile);
  rill_bytes_init(&transfer->reply, SIZE_MAX / 2);
  rill_bytes_init(&transfer->headers, 0);
  rill_bytes_init(&transfer->text, 0);
  rill_queue_init(&transfer->queue);
  rill_sse_init(&transfer->sse, 0);
  rill_json_scan_init(&transfer->scan);
  rill_timer_init(&transfer->timer);
  rill_link_init(&transfer->in_engine);
  rill_link_init(&transfer->in_ready);
  transfer->wake_at = RILL_NEVER;
  transfer->failure.retry_after_us = -1;
  transfer->keep_payloads = true;
  *out = transfer;
  return RILL_OK;
}

void rill_transfer_note_failure(struct rill_transfer *transfer,
                                const char *kind, const char *phase,
                                bool retryable, const char *format, ...) {
  struct rill_failure *failure = &transfer->failure;
  if (failure->kind != NULL) {
    return;
  }
  va_list args;
  va_start(args, format);
  vsnprintf(failure->message, sizeof failure->message, format, args);
  va_end(args);
  failure->kind = kind;
  failure->phase = phase;
  failure->retryable = retryable;
  failure->status = transfer->status;
}

void rill_transfer_mark_ready(struct rill_transfer *transfer) {
  if (transfer->engine != NULL && !transfer->detached &&
      rill_link_is_alone(&transfer->in_ready)) {
    rill_link_append(&transfer->engine->ready, &transfer->in_ready);
  }
}

void rill_transfer_finish(struct rill_transfer *transfer,
                          enum rill_ending ending) {
  transfer->state = RILL_TRANSFER_ENDED;
  transfer->ending = ending;
  transfer->ended = rill_clock_now();
  if (transfer->engine != NULL) {
    transfer->engine->running_count--;
  }
  rill_transfer_mark_ready(transfer);
}

enum rill_status rill_transfer_start(struct rill_transfer *transfer,
                                     struct rill_engine *engine) {
  if (rill_timers_reserve(&engine->timers, engine->transfer_count + 1) !=
      RILL_OK) {
    return RILL_NO_MEMORY;
  }
  transfer->engine = engine;
  transfer->id = engine->next_id++;
  rill_sse_init(&transfer->sse, transfer->profile->limits.event);
  transfer->text.max = transfer->profile->limits.error_body;
  engine->transfer_count++;
  engine->running_count++;
  rill_link_append(&engine->transfers, &transfer->in_engine);
  transfer->created = rill_clock_now();
  rill_attempt_begin(transfer);
  rill_engine_kick(engine);
  return RILL_OK;
}

void rill_transfer_wake(struct rill_transfer *transfer, int64_t at) {
  transfer->wake_at = at;
  if (transfer->engine != NULL && rill_engine_is_ours(transfer->engine)) {
    rill_clocks_rearm(transfer);
  }
}

void rill_transfer_end(struct rill_transfer *transfer,
                       enum rill_ending ending) {
  transfer->drain_until = rill_clock_now() + DRAIN_US;
  rill_attempt_close(transfer, "");
  rill_transfer_finish(transfer, ending);
  rill_clocks_rearm(transfer);
}

/* ---- the consumer's side ---- */

/* libcurl delivers what it holds at once, and stops only what it runs itself
 * when that is refused. */
static void on_failed_resumption(struct rill_transfer *transfer) {
  if (transfer->failure.kind == NULL) {
    transfer->engine->is_broken = true; /* it was not the callback */
    return;
  }
  rill_attempt_let_go(transfer);
  rill_verdict_failed(transfer);
}

void rill_transfer_drop(struct rill_transfer *transfer,
                        const struct rill_item *item) {
  rill_queue_drop(&transfer->queue, item);
  if (!transfer->paused || transfer->easy == NULL ||
      rill_queue_size(&transfer->queue) >
          transfer->profile->limits.buffer / 2 ||
      !rill_engine_is_ours(transfer->engine)) {
    return;
  }
  int64_t now = rill_clock_now();
  transfer->paused = false;
  transfer->last_byte = now;
  transfer->last_progress = now;
  if (curl_easy_pause(transfer->easy, CURLPAUSE_CONT) != CURLE_OK) {
    on_failed_resumption(transfer);
  }
  /* Without this a transfer can sleep for ever after it was paused. */
  rill_engine_kick(transfer->engine);
  rill_clocks_rearm(transfer);
}

void rill_transfer_close(struct rill_transfer *transfer) {
  if (transfer->engine != NULL && !rill_engine_is_ours(transfer->engine)) {
    rill_engine_abandon(transfer->engine);
  }
  if (transfer->state == RILL_TRANSFER_ENDED) {
    return;
  }
  if (transfer->engine == NULL) {
    transfer->state = RILL_TRANSFER_ENDED;
    transfer->ending = RILL_ENDING_CLOSED;
    return;
  }
  rill_attempt_let_go(transfer);
  if (transfer->attempt_count > 0) {
    rill_attempt_close(transfer, "closed by the caller");
  }
  rill_transfer_finish(transfer, RILL_ENDING_CLOSED);
}

void rill_transfer_orphan(struct rill_transfer *transfer, bool drop) {
  if (drop) {
    rill_attempt_let_go(transfer);
  } else {
    transfer->easy = NULL; /* the parent's process owns what it stands for */
  }
  if (transfer->state != RILL_TRANSFER_ENDED) {
    rill_attempt_close(transfer, "the engine was closed");
    rill_transfer_finish(transfer, RILL_ENDING_CLOSED);
  }
  rill_timers_set(&transfer->engine->timers, &transfer->timer, RILL_NEVER);
  rill_link_remove(&transfer->in_engine);
  if (drop) {
    rill_link_remove(&transfer->in_ready);
  } /* else who waits for it has still to hear of its end */
  transfer->engine->transfer_count--;
  transfer->engine = NULL;
  if (transfer->detached) {
    rill_transfer_free(transfer);
  }
}

void rill_transfer_free(struct rill_transfer *transfer) {
  if (transfer == NULL) {
    return;
  }
  rill_transfer_close(transfer);
  rill_link_remove(&transfer->in_ready);
  if (transfer->engine != NULL) {
    if (transfer->easy != NULL) {
      transfer->detached = true;
      return;
    }
    transfer->detached = false; /* so that orphan does not come back here */
    rill_transfer_orphan(transfer, true);
  }
  free(transfer->attempts);
  rill_string_wipe(transfer->body, transfer->body_len);
  free(transfer->url);
  rill_profile_release(transfer->profile);
  rill_bytes_free(&transfer->reply);
  rill_bytes_free(&transfer->headers);
  rill_bytes_free(&transfer->text);
  rill_queue_free(&transfer->queue);
  rill_sse_free(&transfer->sse);
  rill_json_scan_free(&transfer->scan);
  free(transfer);
}
