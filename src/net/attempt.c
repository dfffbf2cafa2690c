/* SPDX-License-Identifier: MIT
 *
 * One try at a request: the easy handle that libcurl works on meanwhile.
 * Includes curl.h and net.
 */
#include "attempt.h"

#include "clocks.h"
#include "receive.h"

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
  curl_multi_remove_handle(transfer->driven.engine->multi, easy);
  rill_engine_release(transfer->driven.engine, easy);
}

static void on_send(struct rill_transfer *transfer) {
  long connects = 1;
  curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
  transfer->reused = connects == 0;
  transfer->connected = rill_clock_now();
  transfer->sends++;
  /* libcurl repeats a request by itself when a connection it had kept turns
   * out to be dead: that was an attempt too. */
  if (transfer->sends > 1) {
    rill_transfer_close_attempt(transfer,
                                "a kept connection was closed by the server");
    (void)rill_transfer_add_attempt(transfer);
  }
  rill_clocks_rearm(transfer);
}

static int on_request(void *arg, char *remote_ip, char *local_ip,
                      int remote_port, int local_port) {
  (void)remote_ip;
  (void)local_ip;
  (void)remote_port;
  (void)local_port;
  on_send(arg);
  return CURL_PREREQFUNC_OK;
}

static CURLcode apply(struct rill_transfer *transfer, CURL *easy) {
  CURLcode code = rill_profile_apply(transfer->profile, easy);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer->driven);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
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
  struct rill_engine *engine = transfer->driven.engine;
  CURL *easy = rill_engine_acquire(engine);
  rill_receive_reset(transfer);
  rill_failure_clear(&transfer->failure);
  transfer->sends = 0;
  transfer->connected = 0;
  transfer->paused = false;
  transfer->resume_at = RILL_NEVER;
  transfer->curl_message[0] = '\0';
  transfer->state = RILL_TRANSFER_RUNNING;
  CURLcode code = CURLE_OUT_OF_MEMORY;
  if (easy != NULL && rill_transfer_add_attempt(transfer)) {
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
    if (transfer->trail.count > 0) {
      rill_transfer_close_attempt(transfer, transfer->failure.message);
    }
    rill_transfer_finish(transfer, RILL_ENDING_FAILED);
    return;
  }
  transfer->easy = easy;
  transfer->last_byte = transfer->attempt_started;
  transfer->last_progress = transfer->attempt_started;
  rill_clocks_rearm(transfer);
}
