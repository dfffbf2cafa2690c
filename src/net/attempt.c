/* SPDX-License-Identifier: MIT
 *
 * One try at a request: its record, and the easy handle that libcurl works on
 * meanwhile.  Includes curl.h and net.
 */
#include "attempt.h"

#include <stdio.h>
#include <stdlib.h>

#include "clocks.h"
#include "core/headers.h"
#include "receive.h"

struct rill_attempt *rill_attempt_current(struct rill_transfer *transfer) {
  return &transfer->attempts[transfer->attempt_count - 1];
}

static bool add(struct rill_transfer *transfer) {
  unsigned count = transfer->attempt_count;
  struct rill_attempt *attempts =
      realloc(transfer->attempts, (count + 1) * sizeof *attempts);
  if (attempts == NULL) {
    return false;
  }
  transfer->attempts = attempts;
  memset(&attempts[count], 0, sizeof attempts[count]);
  transfer->attempt_count = count + 1;
  transfer->attempt_started = rill_clock_now();
  attempts[count].started = transfer->attempt_started;
  return true;
}

void rill_attempt_close(struct rill_transfer *transfer, const char *reason) {
  struct rill_attempt *attempt = rill_attempt_current(transfer);
  if (attempt->ended != 0) {
    return;
  }
  attempt->ended = rill_clock_now();
  attempt->status = transfer->status;
  if (reason[0] != '\0') {
    /* The headers of the last attempt stay; those of earlier ones go. */
    struct rill_span id =
        rill_headers_request_id(rill_bytes_span(&transfer->headers));
    snprintf(attempt->reason, sizeof attempt->reason, "%s", reason);
    snprintf(attempt->request_id, sizeof attempt->request_id, "%.*s",
             (int)id.len, id.len > 0 ? id.data : "");
  }
}

void rill_attempt_let_go(struct rill_transfer *transfer) {
  CURL *easy = transfer->easy;
  if (easy == NULL) {
    return;
  }
  transfer->easy = NULL;
  /* libcurl 7.88 does not tell an HTTP/2 server that a stream was given up
   * before something else is sent; this closes the connection if no other
   * stream uses it.  Without effect on an answer that has ended. */
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_multi_remove_handle(transfer->engine->multi, easy);
  rill_engine_release(transfer->engine, easy);
}

void rill_attempt_on_send(struct rill_transfer *transfer) {
  long connects = 1;
  curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
  transfer->reused = connects == 0;
  transfer->connected = rill_clock_now();
  transfer->sends++;
  /* libcurl repeats a request by itself when a connection it had kept turns
   * out to be dead: that was an attempt too. */
  if (transfer->sends > 1) {
    rill_attempt_close(transfer, "a kept connection was closed by the server");
    (void)add(transfer);
  }
  rill_clocks_rearm(transfer);
}

static CURLcode apply(const struct rill_transfer *transfer, CURL *easy) {
  CURLcode code = rill_profile_apply(transfer->profile, easy);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   (curl_off_t)transfer->body_len);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
  if (transfer->body == NULL) {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  }
  /* Share one HTTP/2 connection; on plain http this would make every transfer
   * wait for the end of the first. */
  if (transfer->profile->http_version == RILL_HTTP_2 &&
      strncmp(transfer->url, "https:", 6) == 0) {
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  }
  return code != CURLE_OK ? code
                          : curl_easy_setopt(easy, CURLOPT_URL, transfer->url);
}

void rill_attempt_begin(struct rill_transfer *transfer) {
  struct rill_engine *engine = transfer->engine;
  CURL *easy = rill_engine_acquire(engine);
  rill_receive_reset(transfer);
  memset(&transfer->failure, 0, sizeof transfer->failure);
  transfer->failure.retry_after_us = -1;
  transfer->sends = 0;
  transfer->connected = 0;
  transfer->paused = false;
  transfer->curl_message[0] = '\0';
  transfer->state = RILL_TRANSFER_RUNNING;
  CURLcode code = CURLE_OUT_OF_MEMORY;
  if (easy != NULL && add(transfer)) {
    code = apply(transfer, easy);
  }
  if (code == CURLE_OK) {
    code = rill_receive_apply(transfer, easy);
  }
  if (code == CURLE_OK &&
      curl_multi_add_handle(engine->multi, easy) != CURLM_OK) {
    code = CURLE_OUT_OF_MEMORY;
  }
  if (code != CURLE_OK) {
    if (easy != NULL) {
      rill_engine_release(engine, easy);
    }
    rill_transfer_note_failure(
        transfer, code == CURLE_OUT_OF_MEMORY ? "memory" : "config", "request",
        false, "libcurl refused the request: %s", curl_easy_strerror(code));
    rill_transfer_finish(transfer, RILL_ENDING_FAILED);
    return;
  }
  transfer->easy = easy;
  transfer->last_byte = transfer->attempt_started;
  transfer->last_progress = transfer->attempt_started;
  rill_clocks_rearm(transfer);
}
