/* SPDX-License-Identifier: MIT
 *
 * What the end of an attempt means.  libcurl's result code says only how the
 * transport fared: CURLE_OK is also what it gives for a body that was cut, so
 * the verdict rests on status, headers and events.  Includes curl.h, core and
 * net.
 */
#include "verdict.h"

#include <stdlib.h>
#include <strings.h>

#include "attempt.h"
#include "clocks.h"
#include "core/error_body.h"
#include "core/headers.h"
#include "curl_status.h"
#include "events.h"
#include "receive.h"
#include "redirect.h"

/* A 2xx answer whose body was no event stream. */
static void note_body(struct rill_transfer *transfer) {
  struct rill_error_body error =
      rill_error_body_read(rill_bytes_span(&transfer->text));
  enum rill_retry_class class =
      error.is_error ? rill_error_body_class(&error) : RILL_RETRY_PERMANENT;
  rill_transfer_note_failure(transfer, "body", "body",
                             class == RILL_RETRY_TRANSIENT,
                             "the answer is no event stream");
  transfer->failure.quota = class == RILL_RETRY_QUOTA;
  transfer->failure.retry_after_us = error.retry_after_us;
}

/* The transport broke. */
static void note_transport(struct rill_transfer *transfer, CURLcode code) {
  enum rill_curl_progress progress =
      transfer->headers_at != 0  ? RILL_CURL_ANSWERED
      : transfer->connected != 0 ? RILL_CURL_ASKING
                                 : RILL_CURL_CONNECTING;
  struct rill_curl_status status =
      rill_curl_status_of(code, transfer->curl_message, progress);
  if (code == CURLE_OUT_OF_MEMORY && progress == RILL_CURL_ASKING) {
    /* What libcurl says, too, when one header line outgrows its buffer. */
    rill_transfer_note_failure(transfer, "limit", "headers", false,
                               "response headers longer than libcurl takes, or "
                               "no memory for them");
  }
  rill_transfer_note_failure(
      transfer, status.kind, status.phase, status.retryable, "%s",
      rill_curl_message_of(code, transfer->curl_message));
}

static bool is_cut(const struct rill_transfer *transfer) {
  const struct rill_failure *failure = &transfer->failure;
  bool begun = transfer->output_seen || transfer->finish_seen;
  return begun && (strcmp(failure->kind, "interrupted") == 0 ||
                   (strcmp(failure->kind, "protocol") == 0 &&
                    strcmp(failure->phase, "headers") != 0));
}

static void fail(struct rill_transfer *transfer) {
  if (transfer->trail.count > 0) {
    rill_transfer_close_attempt(transfer, transfer->failure.message);
  }
  rill_transfer_finish(transfer,
                       is_cut(transfer) ? RILL_ENDING_CUT : RILL_ENDING_FAILED);
}

void rill_verdict_failed(struct rill_transfer *transfer) {
  struct rill_failure *failure = &transfer->failure;
  int64_t hint_us = rill_headers_retry_after(
      rill_bytes_span(&transfer->headers), (int64_t)time(NULL));
  int64_t now = rill_clock_now();
  int64_t total = transfer->profile->timeouts.total;
  int64_t left = total == RILL_NEVER ? -1 : transfer->asked + total - now;
  if (hint_us < 0) {
    hint_us = failure->retry_after_us; /* as the body may have said */
  }
  failure->retry_after_us = hint_us;
  if (transfer->output_seen || transfer->finish_seen || !failure->retryable ||
      transfer->is_fed) {
    fail(transfer);
    return;
  }
  struct rill_retry_verdict verdict =
      rill_retry_decide(&transfer->profile->retry, transfer->retries, hint_us,
                        left < 0 && total != RILL_NEVER ? 0 : left,
                        rill_engine_random(transfer->driven.engine));
  struct rill_item item = {.kind = RILL_ITEM_RETRY,
                           .first = rill_span_of(failure->message),
                           .number = transfer->trail.count + 1,
                           .delay_us = verdict.delay_us};
  if (verdict.answer != RILL_RETRY_AFTER ||
      rill_queue_push(&transfer->queue, &item) != RILL_OK) {
    fail(transfer);
    return;
  }
  transfer->retries++;
  rill_transfer_close_attempt(transfer, failure->message);
  rill_transfer_attempt(transfer)->delay = verdict.delay_us;
  transfer->state = RILL_TRANSFER_WAITING;
  transfer->retry_at = rill_clock_after(now, verdict.delay_us);
  rill_transfer_mark_ready(transfer);
  rill_clocks_rearm(transfer);
}

/* Whether a body that calls itself JSON breaks off, which the transport does
 * not always notice. */
static bool is_cut_short(const struct rill_transfer *transfer) {
  struct rill_span type =
      rill_headers_get(rill_bytes_span(&transfer->headers), "content-type");
  return type.len >= 16 &&
         strncasecmp(type.data, "application/json", 16) == 0 &&
         !rill_json_is_complete(rill_bytes_span(&transfer->text));
}

/* A 2xx answer that is no stream is over. */
static void on_whole_end(struct rill_transfer *transfer, CURLcode code) {
  bool is_empty = transfer->text.len == 0 && transfer->status != 204;
  if (code == CURLE_OK && !is_empty && !is_cut_short(transfer)) {
    if (!rill_events_take_whole(transfer)) {
      rill_verdict_failed(transfer);
    }
    return;
  }
  rill_bytes_free(&transfer->text);
  if (code == CURLE_OK) {
    rill_transfer_note_failure(transfer, "interrupted", "body", true,
                               is_empty ? "the answer is empty"
                                        : "the answer's JSON breaks off");
  }
  note_transport(transfer, code);
  rill_verdict_failed(transfer);
}

/* A 2xx answer is over. */
static void on_answer_end(struct rill_transfer *transfer, CURLcode code) {
  if (transfer->is_whole) {
    on_whole_end(transfer, code);
    return;
  }
  if (transfer->answer == RILL_BODY_TEXT && transfer->text.len > 0) {
    note_body(transfer);
    rill_verdict_failed(transfer);
    return;
  }
  rill_receive_finish(transfer, code == CURLE_OK);
  if (transfer->state == RILL_TRANSFER_ENDED) {
    return; /* the terminator was all that stood in the unfinished event */
  }
  if (transfer->failure.kind != NULL) {
    rill_verdict_failed(transfer);
    return;
  }
  if (code == CURLE_OK && (transfer->output_seen || transfer->finish_seen)) {
    rill_transfer_finish(transfer, RILL_ENDING_EOF);
    rill_transfer_close_attempt(transfer, "");
    return;
  }
  if (transfer->status == 204) {
    rill_transfer_note_failure(transfer, "protocol", "headers", false,
                               "HTTP 204: an answer without content");
  }
  if (code == CURLE_OK) {
    rill_transfer_note_failure(transfer, "interrupted", "body", true,
                               "the answer ended before its first output");
  }
  note_transport(transfer, code);
  rill_verdict_failed(transfer);
}

static void on_attempt_end(struct rill_transfer *transfer, CURLcode code,
                           const char *redirect) {
  bool answered = transfer->headers_at != 0;
  if (answered && transfer->status >= 400) {
    rill_failure_note_status(&transfer->failure, transfer->status,
                             rill_bytes_span(&transfer->headers),
                             rill_bytes_span(&transfer->text));
    rill_verdict_failed(transfer);
  } else if (transfer->failure.kind != NULL) {
    rill_verdict_failed(transfer);
  } else if (answered && transfer->status >= 300) {
    if (rill_redirect_follow(transfer, redirect)) {
      rill_transfer_close_attempt(transfer, "redirected");
      rill_attempt_begin(transfer);
    } else {
      rill_verdict_failed(transfer);
    }
  } else if (answered) {
    on_answer_end(transfer, code);
  } else if (code == CURLE_OK) {
    rill_transfer_note_failure(transfer, "interrupted", "headers", true,
                               "the connection closed inside the headers");
    rill_verdict_failed(transfer);
  } else {
    note_transport(transfer, code);
    rill_verdict_failed(transfer);
  }
}

void rill_verdict_on_done(struct rill_transfer *transfer, CURLcode code) {
  char *url = NULL;
  char *redirect = NULL;
  if (code != CURLE_OK && transfer->connected == 0) {
    rill_failure_note_proxy(&transfer->failure, transfer->easy, code);
  }
  curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
  if (url != NULL) {
    redirect = strdup(url); /* it lives in the handle */
  }
  rill_attempt_let_go(transfer);
  if (transfer->state != RILL_TRANSFER_ENDED) {
    on_attempt_end(transfer, code, redirect);
  }
  free(redirect);
}
