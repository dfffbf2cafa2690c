/* SPDX-License-Identifier: MIT
 *
 * The clocks of a transfer.  Bytes and output only move deadlines into the
 * future, so nothing happens when they arrive: the one timer of a transfer
 * rings at the deadline as it was, and then looks where it is now.  Includes
 * net.
 */
#include "clocks.h"

struct clock {
  const char *name;
  int64_t at;
  int64_t span;
  const char *what;
};

/* When it is looked at again whether a clock has really run out. */
#define SECOND_LOOK_US 1000

/* A consumer that does not take what has arrived stops all clocks but one, and
 * so does a question that waits for its connection. */
static bool is_ticking(const struct rill_transfer *transfer) {
  return transfer->state == RILL_TRANSFER_RUNNING && !transfer->paused &&
         !transfer->at_rest;
}

/* The clock that runs out first in the present state. */
static struct clock next_clock(const struct rill_transfer *transfer) {
  const struct rill_timeouts *timeouts = &transfer->profile->timeouts;
  struct clock clocks[4];
  size_t count = 0;
  clocks[count++] = (struct clock){
      "total", rill_clock_after(transfer->asked, timeouts->total),
      timeouts->total, "the answer was not complete within"};
  if (is_ticking(transfer)) {
    if (!transfer->is_fed && transfer->connected == 0) {
      clocks[count++] = (struct clock){
          "connect",
          rill_clock_after(transfer->attempt_started, timeouts->connect),
          timeouts->connect, "no connection within"};
    } else if (!transfer->is_fed && transfer->headers_at == 0) {
      clocks[count++] = (struct clock){
          "first_byte",
          rill_clock_after(transfer->connected, timeouts->first_byte),
          timeouts->first_byte, "no response headers within"};
    } else {
      clocks[count++] = (struct clock){
          "idle", rill_clock_after(transfer->last_byte, timeouts->idle),
          timeouts->idle, "not a byte for"};
    }
  }
  /* Of a body that is one answer, no part is output before the last. */
  if (is_ticking(transfer) && !transfer->is_whole) {
    clocks[count++] =
        transfer->output_seen
            ? (struct clock){"progress",
                             rill_clock_after(transfer->last_progress,
                                              timeouts->progress),
                             timeouts->progress, "no output for"}
            : (struct clock){"first_output",
                             rill_clock_after(transfer->attempt_started,
                                              timeouts->first_output),
                             timeouts->first_output, "no first output within"};
  }
  struct clock first = clocks[0];
  for (size_t i = 1; i < count; i++) {
    if (clocks[i].at < first.at) {
      first = clocks[i];
    }
  }
  return first;
}

static int64_t next_moment(const struct rill_transfer *transfer) {
  int64_t at = RILL_NEVER;
  switch (transfer->state) {
  case RILL_TRANSFER_NEW:
    break;
  case RILL_TRANSFER_RUNNING:
    at = transfer->second_look != 0 ? transfer->second_look
                                    : next_clock(transfer).at;
    at = transfer->resume_at < at ? transfer->resume_at : at;
    break;
  case RILL_TRANSFER_WAITING:
    at = transfer->retry_at;
    break;
  case RILL_TRANSFER_ENDED:
    at = transfer->easy != NULL ? transfer->drain_until : RILL_NEVER;
    break;
  }
  return at;
}

void rill_clocks_rearm(struct rill_transfer *transfer) {
  int64_t at = next_moment(transfer);
  /* Later is left alone: the timer then rings early, once, and is set anew. */
  if (transfer->driven.engine != NULL && at < transfer->driven.timer.due) {
    rill_engine_set_timer(&transfer->driven, at);
  }
}

/* Of what comes by its socket one that is fed gets its own messages alone; but
 * idle is about the connection, and that of an answer which is only slow is
 * alive. */
static void look_at_source(struct rill_transfer *transfer) {
  const struct rill_driven *source =
      rill_engine_find(transfer->driven.engine, transfer->source);
  if (source != NULL && source->heard_at > transfer->last_byte) {
    transfer->last_byte = source->heard_at;
  }
}

bool rill_clocks_have_run_out(struct rill_transfer *transfer, int64_t now) {
  if (transfer->source != 0) {
    look_at_source(transfer);
  }
  struct clock clock = next_clock(transfer);
  bool total = strcmp(clock.name, "total") == 0;
  bool is_second = transfer->second_look != 0;
  transfer->second_look = 0;
  if (clock.at > now) {
    return false;
  }
  /* After a pause of the program this same step may have received messages for
   * it, which whoever feeds it hands over before the next. */
  if (transfer->is_fed && !total && !is_second) {
    transfer->second_look = now + SECOND_LOOK_US;
    return false;
  }
  rill_transfer_note_failure(transfer, "timeout", clock.name, !total,
                             "%s %g s (timeout.%s)", clock.what,
                             (double)clock.span / RILL_SECOND_US, clock.name);
  return true;
}
