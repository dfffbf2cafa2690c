/* SPDX-License-Identifier: MIT
 *
 * The life of a transfer, seen by its consumer and by the engine.  Owns the
 * profile's share, the request and all that was received.  Includes net.
 */
#include "transfer.h"

#include <stdlib.h>

#include "attempt.h"
#include "clocks.h"
#include "verdict.h"

static struct rill_transfer *transfer_of(struct rill_driven *driven) {
  return RILL_OWNER(driven, struct rill_transfer, driven);
}

/* ---- what the engine tells ---- */

/* What only receiving needs; a consumer may hold on to the rest for long. */
static void free_means(struct rill_transfer *transfer) {
  transfer->past_comments += transfer->sse.comments;
  rill_sse_free(&transfer->sse);
  rill_lines_free(&transfer->lines);
  rill_json_scan_free(&transfer->scan);
  rill_string_wipe(transfer->body, transfer->body_len);
  transfer->body = NULL;
}

void rill_transfer_leave_if_over(struct rill_transfer *transfer) {
  if (transfer->state != RILL_TRANSFER_ENDED || transfer->easy != NULL) {
    return;
  }
  if (transfer->detached) {
    rill_transfer_free(transfer);
    return;
  }
  if (transfer->driven.engine != NULL) {
    rill_engine_let_go(&transfer->driven);
  }
  free_means(transfer);
}

static void on_done(struct rill_driven *driven, CURLcode code) {
  struct rill_transfer *transfer = transfer_of(driven);
  rill_verdict_on_done(transfer, code);
  rill_transfer_leave_if_over(transfer);
}

/* libcurl delivers what it holds at once, and stops only what it runs itself
 * when that is refused. */
static void on_failed_resumption(struct rill_transfer *transfer) {
  if (transfer->failure.kind == NULL) {
    transfer->driven.engine->is_broken = true; /* it was not the callback */
    return;
  }
  rill_attempt_let_go(transfer);
  rill_verdict_failed(transfer);
}

static void resume(struct rill_transfer *transfer, int64_t now) {
  transfer->resume_at = RILL_NEVER;
  if (transfer->paused) {
    transfer->paused = false;
    transfer->last_byte = now;
    transfer->last_progress = now;
  }
  if (curl_easy_pause(transfer->easy, CURLPAUSE_CONT) != CURLE_OK) {
    on_failed_resumption(transfer);
  }
  /* Without this a transfer can sleep for ever after it was paused. */
  rill_engine_hurry(transfer->driven.engine);
}

static void on_timer(struct rill_driven *driven, int64_t now) {
  struct rill_transfer *transfer = transfer_of(driven);
  switch (transfer->state) {
  case RILL_TRANSFER_NEW:
    break;
  case RILL_TRANSFER_RUNNING:
    if (rill_clocks_have_run_out(transfer, now)) {
      rill_attempt_let_go(transfer);
      rill_verdict_failed(transfer);
    } else if (transfer->resume_at <= now) {
      resume(transfer, now);
    }
    break;
  case RILL_TRANSFER_WAITING:
    if (transfer->retry_at <= now) {
      rill_attempt_begin(transfer);
    }
    break;
  case RILL_TRANSFER_ENDED:
    if (transfer->easy != NULL && transfer->drain_until <= now) {
      rill_attempt_let_go(transfer);
    }
    break;
  }
  rill_clocks_rearm(transfer);
  rill_transfer_leave_if_over(transfer);
}

static void on_breakdown(struct rill_driven *driven) {
  struct rill_transfer *transfer = transfer_of(driven);
  if (transfer->easy == NULL) {
    return;
  }
  rill_attempt_let_go(transfer);
  if (transfer->state == RILL_TRANSFER_RUNNING) {
    rill_transfer_note_failure(transfer, "memory", "request", false,
                               "libcurl ran out of memory or descriptors");
    rill_verdict_failed(transfer);
  }
  rill_transfer_leave_if_over(transfer);
}

static void on_orphan(struct rill_driven *driven, bool drop) {
  struct rill_transfer *transfer = transfer_of(driven);
  if (drop) {
    rill_attempt_let_go(transfer);
  } else {
    transfer->easy = NULL; /* the parent's process owns what it stands for */
  }
  if (transfer->state != RILL_TRANSFER_ENDED) {
    rill_transfer_close_attempt(transfer, "the engine was closed");
    rill_transfer_finish(transfer, RILL_ENDING_CLOSED);
  }
  if (drop) {
    rill_engine_forget_ready(driven);
  } /* else who waits for it has still to hear of its end */
  rill_engine_let_go(driven);
  rill_transfer_leave_if_over(transfer);
}

static const struct rill_driven_calls calls = {on_done, on_timer, on_breakdown,
                                               on_orphan, NULL};

/* ---- the consumer's side ---- */

enum rill_status rill_transfer_new(struct rill_transfer **out,
                                   struct rill_profile *profile) {
  struct rill_transfer *transfer = calloc(1, sizeof *transfer);
  if (transfer == NULL) {
    return RILL_NO_MEMORY;
  }
  rill_transfer_init(transfer);
  rill_driven_init(&transfer->driven, &calls);
  transfer->profile = rill_profile_share(profile);
  *out = transfer;
  return RILL_OK;
}

bool rill_transfer_enter(struct rill_transfer *transfer,
                         struct rill_engine *engine) {
  if (rill_engine_take_in(engine, &transfer->driven) != RILL_OK) {
    return false;
  }
  rill_sse_init(&transfer->sse, transfer->profile->limits.event);
  rill_lines_init(&transfer->lines, transfer->profile->limits.event);
  rill_json_scan_init(&transfer->scan, transfer->format);
  transfer->created = rill_clock_now();
  transfer->asked = transfer->created;
  return true;
}

enum rill_status rill_transfer_start(struct rill_transfer *transfer,
                                     struct rill_engine *engine) {
  /* The last bytes of complete answers may have arrived since anybody stepped:
   * read, they set free the connections that this request can use. */
  if (engine->driven_count > engine->running_count) {
    rill_engine_step(engine, 0);
  }
  if (!rill_transfer_enter(transfer, engine)) {
    return RILL_NO_MEMORY;
  }
  rill_attempt_begin(transfer);
  rill_engine_kick(engine);
  rill_transfer_leave_if_over(transfer);
  return RILL_OK;
}

void rill_transfer_go_on(struct rill_transfer *transfer) {
  transfer->paused = false;
  transfer->last_byte = rill_clock_now();
  transfer->last_progress = transfer->last_byte;
  rill_clocks_rearm(transfer);
  if (transfer->feeder != NULL) {
    transfer->feeder->on_room(transfer->feeder);
  }
}

/* Reading goes on with the next step and not in here: a consumer that is slower
 * than its server would otherwise never come to an end of what there is. */
void rill_transfer_drop(struct rill_transfer *transfer,
                        const struct rill_item *item) {
  rill_queue_drop(&transfer->queue, item);
  if (!transfer->paused || transfer->resume_at != RILL_NEVER ||
      rill_queue_size(&transfer->queue) >
          transfer->profile->limits.buffer / 2 ||
      transfer->driven.engine == NULL ||
      !rill_engine_is_ours(transfer->driven.engine)) {
    return;
  }
  if (transfer->is_fed) {
    rill_transfer_go_on(transfer);
    return;
  }
  if (transfer->easy == NULL) {
    return;
  }
  transfer->resume_at = rill_clock_now();
  rill_clocks_rearm(transfer);
}

void rill_transfer_close(struct rill_transfer *transfer) {
  if (transfer->driven.engine != NULL &&
      !rill_engine_is_ours(transfer->driven.engine)) {
    rill_engine_abandon(transfer->driven.engine);
  }
  if (transfer->state == RILL_TRANSFER_ENDED) {
    return;
  }
  if (transfer->driven.engine == NULL) {
    transfer->state = RILL_TRANSFER_ENDED;
    transfer->ending = RILL_ENDING_CLOSED;
    return;
  }
  rill_attempt_let_go(transfer);
  if (transfer->trail.count > 0) {
    rill_transfer_close_attempt(transfer, "closed by the caller");
  }
  rill_transfer_finish(transfer, RILL_ENDING_CLOSED);
  rill_transfer_leave_if_over(transfer);
}

void rill_transfer_free(struct rill_transfer *transfer) {
  if (transfer == NULL) {
    return;
  }
  rill_transfer_close(transfer);
  rill_engine_forget_ready(&transfer->driven);
  if (transfer->driven.engine != NULL) {
    if (transfer->easy != NULL) {
      transfer->detached = true;
      return;
    }
    rill_engine_let_go(&transfer->driven);
  }
  rill_trail_free(&transfer->trail);
  free_means(transfer);
  free(transfer->url);
  rill_profile_release(transfer->profile);
  rill_bytes_free(&transfer->reply);
  rill_bytes_free(&transfer->reasoning);
  rill_bytes_free(&transfer->usage);
  rill_bytes_free(&transfer->headers);
  rill_bytes_free(&transfer->text);
  rill_queue_free(&transfer->queue);
  free(transfer);
}
