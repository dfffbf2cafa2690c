/* SPDX-License-Identifier: MIT
 *
 * See socket_state.h.  Includes libc, curl.h, core and net.
 */
#include "socket_state.h"

#include <stdlib.h>

#include "curl_status.h"

void rill_socket_init(struct rill_socket *socket) {
  rill_failure_clear(&socket->failure);
  rill_queue_init(&socket->queue);
  rill_bytes_init(&socket->request, SIZE_MAX / 2);
  socket->request.is_secret = true; /* the headers */
  socket->fd = -1;
  socket->wake_at = RILL_NEVER;
  socket->resume_at = RILL_NEVER;
  socket->stats.round_trip = -1;
}

void rill_socket_mark_ready(struct rill_socket *socket) {
  rill_engine_mark_ready(&socket->driven);
}

void rill_socket_note(struct rill_socket *socket, const char *kind,
                      const char *phase, bool retryable, const char *format,
                      ...) {
  int status = socket->was_open ? 0 : socket->handshake.status;
  va_list args;
  va_start(args, format);
  rill_failure_note(&socket->failure, status, kind, phase, retryable, format,
                    args);
  va_end(args);
}

void rill_socket_note_transport(struct rill_socket *socket, CURLcode code) {
  enum rill_curl_progress progress = socket->was_open ? RILL_CURL_ANSWERED
                                     : socket->stats.connected != 0
                                         ? RILL_CURL_ASKING
                                         : RILL_CURL_CONNECTING;
  struct rill_curl_status status =
      rill_curl_status_of(code, socket->curl_message, progress);
  rill_socket_note(socket, status.kind, status.phase, status.retryable, "%s",
                   rill_curl_message_of(code, socket->curl_message));
}

void rill_socket_note_closing(struct rill_socket *socket, unsigned code,
                              struct rill_span reason, bool is_peers) {
  if (socket->has_closing) {
    return;
  }
  socket->has_closing = true;
  socket->closing_is_peers = is_peers;
  socket->close_code = code;
  socket->close_reason_len =
      reason.len < RILL_WS_REASON_MAX ? reason.len : RILL_WS_REASON_MAX;
  if (socket->close_reason_len > 0) {
    memcpy(socket->close_reason, reason.data, socket->close_reason_len);
  }
}

bool rill_socket_watch(struct rill_socket *socket, int what) {
  if (what == socket->watched) {
    return true;
  }
  if (rill_engine_watch(&socket->driven, socket->fd, what) != RILL_OK) {
    return false;
  }
  socket->watched = what;
  return true;
}

void rill_socket_let_go(struct rill_socket *socket) {
  CURL *easy = socket->easy;
  if (easy == NULL) {
    return;
  }
  if (socket->fd >= 0) {
    (void)rill_socket_watch(socket, 0);
    socket->fd = -1;
  }
  socket->easy = NULL;
  socket->output.len = 0;
  socket->is_blocked = false;
  socket->is_mute = false;
  socket->vain = 0;
  socket->has_unread = false;
  /* For one that is connected this closes the connection, too: nobody else
   * could use it. */
  curl_multi_remove_handle(socket->driven.engine->multi, easy);
  rill_engine_release(socket->driven.engine, easy);
}

void rill_socket_detach(struct rill_socket *socket) {
  if (socket->attached != NULL) {
    rill_fed_set_feeder(socket->attached, NULL);
    socket->attached = NULL;
  }
}

void rill_socket_finish(struct rill_socket *socket,
                        enum rill_socket_ending ending) {
  if (socket->state == RILL_SOCKET_ENDED) {
    return;
  }
  if (socket->trail.count > 0) {
    rill_trail_close(&socket->trail, socket->handshake.status,
                     ending == RILL_SOCKET_DROPPED && !socket->was_open
                         ? "dropped"
                         : socket->failure.message,
                     socket->handshake.head);
  }
  rill_socket_detach(socket);
  socket->state = RILL_SOCKET_ENDED;
  socket->ending = ending;
  socket->stats.ended = rill_clock_now();
  free(socket->input);
  socket->input = NULL;
  if (socket->driven.engine == NULL) {
    return;
  }
  rill_socket_let_go(socket);
  socket->driven.engine->running_count--;
  rill_socket_mark_ready(socket);
  rill_engine_let_go(&socket->driven);
}
