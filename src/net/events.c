/* SPDX-License-Identifier: MIT
 *
 * From events to items: plain pieces of text and reasoning by themselves, all
 * others by their payload.  What differs between the formats is read by the
 * scan; here it is only where the finish reason stands.  Includes core and net.
 */
#include "events.h"

#include <inttypes.h>

#include "clocks.h"
#include "core/error_body.h"

/* How long a complete answer may still occupy its connection. */
#define DRAIN_US 250000

static bool push(struct rill_transfer *transfer, const struct rill_item *item) {
  if (rill_queue_push(&transfer->queue, item) != RILL_OK) {
    rill_transfer_note_no_memory(transfer, "body");
    return false;
  }
  rill_transfer_mark_ready(transfer);
  return true;
}

bool rill_events_is_terminator(struct rill_span data) {
  while (data.len > 0 && (data.data[0] == ' ' || data.data[0] == '\t')) {
    data.data++;
    data.len--;
  }
  while (data.len > 0 &&
         (data.data[data.len - 1] == ' ' || data.data[data.len - 1] == '\t')) {
    data.len--;
  }
  return rill_span_is(data, "[DONE]");
}

bool rill_events_is_blank(struct rill_span data) {
  for (size_t i = 0; i < data.len; i++) {
    if (strchr(" \t\r\n", data.data[i]) == NULL) {
      return false;
    }
  }
  return true;
}

/* ---- errors ---- */

static void note_error(struct rill_transfer *transfer, struct rill_span data) {
  struct rill_error_body error = rill_error_body_read(data);
  enum rill_retry_class class = rill_error_body_class(&error);
  struct rill_span message = error.message.len > 0 ? error.message : data;
  rill_transfer_note_failure(
      transfer, "api", "body", class == RILL_RETRY_TRANSIENT, "%.*s",
      (int)(message.len < 200 ? message.len : 200), message.data);
  transfer->failure.quota = class == RILL_RETRY_QUOTA;
  transfer->failure.retry_after_us = error.retry_after_us;
}

/* An error event before any output fails the attempt, and so may be retried;
 * after that it is an event like any other, for the reader to judge. */
static bool fail_by_event(struct rill_transfer *transfer,
                          struct rill_span data) {
  rill_bytes_clear(&transfer->text);
  /* Too long for an error body: its beginning says enough. */
  size_t room = transfer->text.max;
  if (rill_bytes_append(&transfer->text, data.data,
                        data.len < room ? data.len : room) != RILL_OK) {
    rill_transfer_note_no_memory(transfer, "body");
    return false;
  }
  note_error(transfer, data);
  return false;
}

/* Numbers that stay or fall are none of a gap: a server may count otherwise.
 * Neither is one over a WebSocket, which loses no message, while its server may
 * count those of all lanes together. */
static bool has_gap(struct rill_transfer *transfer,
                    const struct rill_chunk_facts *facts) {
  uint64_t last = transfer->sequence;
  bool is_first = !transfer->sequence_seen;
  if (!facts->has_sequence || transfer->is_fed ||
      (!is_first && facts->sequence <= last)) {
    return false;
  }
  transfer->sequence_seen = true;
  transfer->sequence = facts->sequence;
  if (is_first || facts->sequence == last + 1) {
    return false;
  }
  rill_transfer_note_failure(transfer, "protocol", "stream", true,
                             "event %" PRIu64 " followed event %" PRIu64
                             ": what stood between them is lost",
                             facts->sequence, last);
  return true;
}

/* ---- what an event says besides its output ---- */

static void note_output(struct rill_transfer *transfer) {
  transfer->last_output = transfer->last_byte;
  transfer->last_progress = transfer->last_byte;
  if (!transfer->output_seen) {
    transfer->output_seen = true;
    transfer->first_output = transfer->last_byte;
    rill_clocks_rearm(transfer); /* another clock runs from here on */
  }
}

struct path {
  size_t depth;
  const char *names[3];
};

/* Where each format has its finish reason, and where else. */
static const struct path reason_paths[][2] = {
    [RILL_FORMAT_OPENAI] = {{3, {"choices", "[0]", "finish_reason"}}},
    [RILL_FORMAT_RESPONSES] = {{3,
                                {"response", "incomplete_details", "reason"}},
                               {2, {"response", "status"}}},
    [RILL_FORMAT_ANTHROPIC] = {{2, {"delta", "stop_reason"}}},
    [RILL_FORMAT_GEMINI] = {{3, {"candidates", "[0]", "finishReason"}}},
    [RILL_FORMAT_OLLAMA] = {{1, {"done_reason"}}},
    [RILL_FORMAT_CHAT] = {{1, {"finish_reason"}}},
    [RILL_FORMAT_REALTIME] = {{3, {"response", "status_details", "reason"}},
                              {2, {"response", "status"}}},
};

/* A reason that stands in a chunk without output is all that the chunk says. */
static void note_finish(struct rill_transfer *transfer, struct rill_span data,
                        bool is_quiet) {
  struct rill_span reason;
  transfer->finish_seen = true;
  for (size_t i = 0; is_quiet && i < 2; i++) {
    const struct path *path = &reason_paths[transfer->format][i];
    if (path->depth > 0 &&
        rill_json_find(data, path->names, path->depth, &reason) == RILL_OK &&
        reason.len < sizeof transfer->finish_reason &&
        memchr(reason.data, '\\', reason.len) == NULL) {
      memcpy(transfer->finish_reason, reason.data, reason.len);
      transfer->finish_reason[reason.len] = '\0';
      return;
    }
  }
}

/* The answer is complete, but libcurl may still be receiving. */
static void on_terminator(struct rill_transfer *transfer) {
  transfer->drain_until = rill_clock_now() + DRAIN_US;
  rill_transfer_close_attempt(transfer, "");
  rill_transfer_finish(transfer, RILL_ENDING_DONE);
  rill_clocks_rearm(transfer);
}

/* ---- items ---- */

/* Keeps the usage that comes with a plain piece; one in an event is the
 * reader's, and newer.  False without memory. */
static bool keep_usage(struct rill_transfer *transfer, bool is_plain,
                       const struct rill_chunk_facts *facts) {
  if (!facts->has_usage) {
    return true;
  }
  rill_bytes_clear(&transfer->usage);
  return !is_plain || rill_bytes_append(&transfer->usage, facts->usage.data,
                                        facts->usage.len) == RILL_OK;
}

static bool push_chunk(struct rill_transfer *transfer, enum rill_chunk chunk,
                       const struct rill_sse_event *event,
                       const struct rill_chunk_facts *facts) {
  bool is_text = chunk == RILL_CHUNK_TEXT;
  bool is_thought = chunk == RILL_CHUNK_REASONING;
  /* The first chunk names the answer and the model, and the first thought of
   * chat completions stands under a name by which it may have to go back: they
   * are read in full. */
  bool is_known_thought =
      is_thought &&
      (transfer->first_thought_seen || transfer->format != RILL_FORMAT_OPENAI);
  bool is_plain = (is_text || is_known_thought) && transfer->first_chunk_seen;
  struct rill_item item = {.kind = RILL_ITEM_EVENT,
                           .first = event->data,
                           .second = event->name,
                           .number = chunk == RILL_CHUNK_QUIET};
  transfer->first_chunk_seen = true;
  transfer->first_thought_seen |= is_thought;
  if (!keep_usage(transfer, is_plain, facts)) {
    is_plain = false; /* the reader finds the usage in the event */
  }
  if (is_plain) {
    struct rill_span none = {NULL, 0};
    item.kind = is_text ? RILL_ITEM_TEXT : RILL_ITEM_REASONING;
    item.first = facts->text;
    item.second = transfer->keep_payloads ? event->data : none;
    transfer->texts += is_text;
    transfer->reasonings += !is_text;
  }
  return push(transfer, &item);
}

bool rill_events_take(struct rill_transfer *transfer,
                      const struct rill_sse_event *event) {
  struct rill_chunk_facts facts;
  if (rill_events_is_terminator(event->data)) {
    on_terminator(transfer);
    return true;
  }
  enum rill_chunk chunk =
      rill_json_scan_chunk(&transfer->scan, event->data, &facts);
  if (rill_span_is(event->name, "error")) {
    chunk = RILL_CHUNK_ERROR;
  }
  if (chunk == RILL_CHUNK_UNKNOWN && rill_events_is_blank(event->data)) {
    return true; /* an event by the standard, but no chunk */
  }
  if (chunk == RILL_CHUNK_ERROR && !transfer->output_seen) {
    return fail_by_event(transfer, event->data);
  }
  if (chunk != RILL_CHUNK_ERROR && has_gap(transfer, &facts)) {
    return false;
  }
  if (facts.finished) {
    note_finish(transfer, event->data, chunk == RILL_CHUNK_QUIET);
  }
  if (chunk != RILL_CHUNK_QUIET && chunk != RILL_CHUNK_ERROR) {
    note_output(transfer);
  }
  if (!push_chunk(transfer, chunk, event, &facts)) {
    return false;
  }
  if (facts.terminal) {
    on_terminator(transfer);
  }
  return true;
}

bool rill_events_take_whole(struct rill_transfer *transfer) {
  static const char *const error_path[] = {"error"};
  struct rill_span said;
  struct rill_item item = {.kind = RILL_ITEM_EVENT,
                           .first = rill_bytes_span(&transfer->text)};
  if (rill_json_find(item.first, error_path, 1, &said) == RILL_OK) {
    size_t room = transfer->profile->limits.error_body;
    note_error(transfer, item.first);
    transfer->text.len = item.first.len < room ? item.first.len : room;
    return false;
  }
  transfer->events++;
  note_output(transfer);
  bool fine = push(transfer, &item);
  rill_bytes_free(&transfer->text);
  if (fine) {
    on_terminator(transfer);
  }
  return fine;
}
