/* SPDX-License-Identifier: MIT
 *
 * libcurl connects (proxies and TLS included) and hands the connection over;
 * the handshake is ours.  Includes libc, curl.h, core and net.
 */
#include "socket_open.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "core/headers.h"
#include "poller.h"
#include "random.h"
#include "socket_bytes.h"
#include "socket_clocks.h"
#include "socket_traffic.h"

/* ---- attempts ---- */

static void wait_for_next(struct rill_socket *socket, int64_t delay_us,
                          const char *reason) {
  struct rill_item item = {.kind = RILL_ITEM_RETRY,
                           .first = rill_span_of(reason),
                           .number = socket->trail.count + 1,
                           .delay_us = delay_us};
  if (rill_queue_push(&socket->queue, &item) != RILL_OK) {
    rill_failure_clear(&socket->failure);
    rill_socket_note(socket, "memory", "request", false,
                     "no memory was left to report a retry");
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
    return;
  }
  socket->retries++;
  socket->state = RILL_SOCKET_WAITING;
  socket->retry_at = rill_clock_after(rill_clock_now(), delay_us);
  rill_socket_mark_ready(socket);
  rill_socket_rearm(socket);
}

static struct rill_retry_verdict decide(const struct rill_socket *socket,
                                        int64_t hint_us) {
  int64_t total = socket->profile->timeouts.total;
  int64_t left = -1;
  if (total != RILL_NEVER) {
    left = socket->stats.created + total - rill_clock_now();
    left = left > 0 ? left : 0;
  }
  return rill_retry_decide(&socket->profile->retry, socket->retries, hint_us,
                           left, rill_engine_random(socket->driven.engine));
}

void rill_socket_open_failed(struct rill_socket *socket) {
  struct rill_failure *failure = &socket->failure;
  int64_t hint_us =
      rill_headers_retry_after(socket->handshake.head, (int64_t)time(NULL));
  rill_socket_let_go(socket);
  if (hint_us < 0) {
    hint_us = failure->retry_after_us; /* as the body may have said */
  }
  failure->retry_after_us = hint_us;
  struct rill_retry_verdict verdict = decide(socket, hint_us);
  if (!failure->retryable || verdict.answer != RILL_RETRY_AFTER) {
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
    return;
  }
  if (socket->trail.count > 0) {
    rill_trail_close(&socket->trail, socket->handshake.status, failure->message,
                     socket->handshake.head);
    rill_trail_last(&socket->trail)->delay = verdict.delay_us;
  }
  wait_for_next(socket, verdict.delay_us, failure->message);
}

/* A peer may take no bytes for long without being gone: that is for the
 * heartbeat to say, which hears it. */
static void let_wait(int fd) {
#ifdef TCP_USER_TIMEOUT
  int never = 0;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &never, sizeof never);
#else
  (void)fd;
#endif
}

/* Options beside those of the profile: a connection of its own, through a
 * tunnel if there is a proxy, on which libcurl sends nothing. */
static CURLcode apply(struct rill_socket *socket, CURL *easy) {
  CURLcode code = rill_profile_apply(socket->profile, easy);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &socket->driven);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, socket->curl_message);
  return code != CURLE_OK ? code
                          : curl_easy_setopt(easy, CURLOPT_URL, socket->url);
}

static void forget_attempt(struct rill_socket *socket) {
  rill_failure_clear(&socket->failure);
  rill_handshake_free(&socket->handshake);
  memset(&socket->handshake, 0, sizeof socket->handshake);
  rill_bytes_clear(&socket->request);
  socket->request_from = 0;
  socket->stats.connected = 0;
  socket->curl_message[0] = '\0';
}

void rill_socket_open_begin(struct rill_socket *socket) {
  struct rill_engine *engine = socket->driven.engine;
  CURL *easy = rill_engine_acquire(engine);
  CURLcode code = CURLE_OUT_OF_MEMORY;
  forget_attempt(socket);
  socket->state = RILL_SOCKET_CONNECTING;
  socket->attempt_started = rill_clock_now();
  if (easy != NULL && rill_trail_add(&socket->trail)) {
    code = apply(socket, easy);
  }
  if (code == CURLE_OK &&
      curl_multi_add_handle(engine->multi, easy) != CURLM_OK) {
    code = CURLE_OUT_OF_MEMORY;
  }
  if (code != CURLE_OK) {
    if (easy != NULL) {
      rill_engine_release(engine, easy);
    }
    rill_socket_note(socket, code == CURLE_OUT_OF_MEMORY ? "memory" : "config",
                     "request", false, "libcurl refused the request: %s",
                     curl_easy_strerror(code));
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
    return;
  }
  socket->easy = easy;
  rill_socket_rearm(socket);
}

void rill_socket_open_first(struct rill_socket *socket) {
  socket->retries = socket->options.retries;
  if (!socket->options.wait_first) {
    rill_socket_open_begin(socket);
    return;
  }
  struct rill_retry_verdict verdict = decide(socket, -1);
  if (verdict.answer != RILL_RETRY_AFTER) {
    rill_socket_note(socket, "connect", "connect", true,
                     "no attempt is left to connect anew");
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
    return;
  }
  wait_for_next(socket, verdict.delay_us, "waits before it connects anew");
}

/* ---- the handshake ---- */

static void fail_without_memory(struct rill_socket *socket) {
  rill_socket_note(socket, "memory", "headers", false, "out of memory");
  rill_socket_open_failed(socket);
}

/* The lines of the profile as the handshake takes them; null without memory,
 * and for none. */
static const char **list_headers(const struct rill_socket *socket,
                                 size_t *count) {
  const struct curl_slist *at = socket->profile->headers;
  for (*count = 0; at != NULL; at = at->next) {
    (*count)++;
  }
  const char **list = malloc((*count + 1) * sizeof(const char *));
  size_t i = 0;
  for (at = socket->profile->headers; list != NULL && at != NULL;
       at = at->next) {
    list[i++] = at->data;
  }
  return list;
}

static bool prepare(struct rill_socket *socket) {
  unsigned char nonce[RILL_HANDSHAKE_NONCE];
  struct rill_handshake_request request = {
      .host = rill_span_of(socket->host),
      .target = rill_span_of(socket->target),
      .key = {socket->key, sizeof socket->key},
      .deflate = socket->options.deflate};
  if (!rill_random_bytes(NULL, nonce, sizeof nonce)) {
    return false;
  }
  rill_handshake_key(nonce, socket->key);
  if (socket->options.protocols != NULL) {
    request.protocols = rill_span_of(socket->options.protocols);
  }
  const char **headers = list_headers(socket, &request.header_count);
  if (headers == NULL) {
    return false;
  }
  request.headers = headers;
  enum rill_status status = rill_handshake_write(&socket->request, &request);
  free(headers);
  rill_handshake_init(&socket->handshake, &request,
                      socket->profile->limits.error_body);
  return status == RILL_OK;
}

void rill_socket_open_connected(struct rill_socket *socket, CURLcode code) {
  curl_socket_t fd = CURL_SOCKET_BAD;
  long tunnel = 0;
  curl_easy_getinfo(socket->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
  if (code != CURLE_OK) {
    rill_failure_note_proxy(&socket->failure, socket->easy, code);
    rill_socket_note_transport(socket, code);
    rill_socket_open_failed(socket);
    return;
  }
  socket->stats.connected = rill_clock_now();
  socket->state = RILL_SOCKET_UPGRADING;
  socket->is_wrapped = strncmp(socket->url, "https:", 6) == 0 || tunnel != 0;
  curl_easy_getinfo(socket->easy, CURLINFO_ACTIVESOCKET, &fd);
  if (socket->input == NULL) {
    socket->input = malloc(RILL_SOCKET_INPUT);
  }
  if (fd == CURL_SOCKET_BAD || socket->input == NULL || !prepare(socket)) {
    fail_without_memory(socket);
    return;
  }
  socket->fd = fd;
  let_wait(fd);
  rill_socket_rearm(socket);
  rill_socket_open_shake(socket);
}

/* Always through libcurl, whatever carries the bytes afterwards: a connection
 * that it has not sent on since it was made is idle to it.  It would close
 * that, once it is old or has ended, as soon as another one begins, which would
 * then get the descriptor's number.  False: the attempt has failed. */
static bool send_request(struct rill_socket *socket) {
  struct rill_bytes *request = &socket->request;
  while (socket->request_from < request->len) {
    size_t count = 0;
    CURLcode code =
        curl_easy_send(socket->easy, request->data + socket->request_from,
                       request->len - socket->request_from, &count);
    if (code == CURLE_AGAIN) {
      break;
    }
    if (code != CURLE_OK) {
      /* A server that has heard enough refuses and closes: reading says so. */
      socket->is_mute = true;
      socket->mute_code = code;
      socket->request_from = request->len;
      break;
    }
    socket->request_from += count;
    socket->stats.bytes_out += count;
  }
  bool is_sent = socket->request_from == request->len;
  if (!rill_socket_watch(socket, is_sent ? RILL_POLL_READ
                                         : RILL_POLL_READ | RILL_POLL_WRITE)) {
    fail_without_memory(socket);
    return false;
  }
  return true;
}

static void refuse(struct rill_socket *socket) {
  struct rill_handshake *handshake = &socket->handshake;
  rill_failure_note_status(&socket->failure, handshake->status, handshake->head,
                           handshake->body);
  if (handshake->status >= 300 && handshake->status < 400) {
    snprintf(socket->failure.message, sizeof socket->failure.message,
             "HTTP %d: redirects are not followed", handshake->status);
  } else if (handshake->status < 300) {
    snprintf(socket->failure.message, sizeof socket->failure.message,
             "HTTP %d: the server does not speak WebSocket there",
             handshake->status);
  }
  rill_socket_open_failed(socket);
}

static void on_invalid(struct rill_socket *socket, enum rill_status status) {
  const char *problem = socket->handshake.problem;
  rill_socket_note(socket, status == RILL_LIMIT ? "limit" : "protocol",
                   "headers", false, "%s",
                   problem != NULL ? problem : "the answer is no handshake");
  rill_socket_open_failed(socket);
}

/* The connection ended inside the answer. */
static void on_end(struct rill_socket *socket, CURLcode code) {
  if (rill_handshake_end(&socket->handshake) == RILL_OK) {
    refuse(socket);
    return;
  }
  if (code != CURLE_OK) {
    rill_socket_note_transport(socket, code);
  }
  rill_socket_note(socket, "interrupted", "headers", true,
                   "the connection closed before the handshake was answered");
  rill_socket_open_failed(socket);
}

static bool agree_on_deflate(struct rill_socket *socket) {
  const struct rill_ws_deflate_terms *terms = &socket->handshake.deflate;
  return !terms->is_on || rill_ws_agree(&socket->ws, terms) == RILL_OK;
}

static void on_open(struct rill_socket *socket, size_t from, size_t len) {
  if (!agree_on_deflate(socket)) {
    fail_without_memory(socket);
    return;
  }
  rill_trail_close(&socket->trail, socket->handshake.status, "",
                   socket->handshake.head);
  rill_bytes_free(&socket->request);
  rill_socket_begin_traffic(socket, from, len);
}

/* False: there is nothing more to read for now, or another state. */
static bool read_answer(struct rill_socket *socket) {
  size_t len = 0;
  size_t used = 0;
  if (rill_engine_is_late(socket->driven.engine)) {
    socket->resume_at = rill_clock_now();
    rill_socket_rearm(socket);
    return false;
  }
  CURLcode code = rill_socket_receive(socket, &len);
  if (code == CURLE_AGAIN) {
    return false;
  }
  if (code != CURLE_OK || len == 0) {
    on_end(socket, code);
    return false;
  }
  socket->stats.bytes_in += len;
  socket->stats.last_byte = rill_clock_now();
  enum rill_status status =
      rill_handshake_feed(&socket->handshake, socket->input, len, &used);
  if (status == RILL_NEED_DATA) {
    return true;
  }
  if (status == RILL_NO_MEMORY) {
    fail_without_memory(socket);
  } else if (status != RILL_OK) {
    on_invalid(socket, status);
  } else if (socket->handshake.status != 101) {
    refuse(socket);
  } else {
    on_open(socket, used, len - used);
  }
  return false;
}

void rill_socket_open_shake(struct rill_socket *socket) {
  socket->resume_at = RILL_NEVER;
  if (send_request(socket)) {
    while (read_answer(socket)) {
    }
  }
}

void rill_socket_open_late(struct rill_socket *socket, int64_t now) {
  if (socket->state == RILL_SOCKET_UPGRADING &&
      rill_clock_after(socket->stats.connected,
                       socket->profile->timeouts.first_byte) <= now &&
      rill_handshake_end(&socket->handshake) == RILL_OK) {
    refuse(socket);
    return;
  }
  if (rill_socket_opening_is_late(socket, now)) {
    rill_socket_open_failed(socket);
  }
}
