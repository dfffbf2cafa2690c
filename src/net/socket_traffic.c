/* SPDX-License-Identifier: MIT
 *
 * Bytes into messages, messages into items or into the transfer that is
 * attached; and the other way.  Includes curl.h, core and net.
 */
#include "socket_traffic.h"

#include <stdio.h>
#include <sys/ioctl.h>

#ifdef __linux__
#include <linux/sockios.h>
#endif

#include "poller.h"
#include "socket_bytes.h"
#include "socket_clocks.h"

/* How long the peer may take to close the connection once both close frames
 * are through (RFC 6455, 7.1.1): well-behaved servers do so at once. */
#define LINGER_US 1000000
/* What one call writes at most, so that one long message holds up nobody. */
#define WRITE_AT_ONCE 1048576
/* What one call reads at most, likewise. */
#define READ_AT_ONCE 1048576

/* ---- what is watched ---- */

static void watch(struct rill_socket *socket) {
  int what = 0;
  if (socket->easy == NULL) {
    return;
  }
  if (!socket->is_paused || socket->is_deaf) {
    what |= RILL_POLL_READ;
  }
  if (socket->is_blocked && !socket->is_mute) {
    what |= RILL_POLL_WRITE;
  }
  if (!rill_socket_watch(socket, what)) {
    rill_socket_note(socket, "memory", "body", false, "out of memory");
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
  }
}

static void go_on_soon(struct rill_socket *socket) {
  socket->resume_at = rill_clock_now();
  rill_socket_rearm(socket);
}

/* ---- ends ---- */

static void linger(struct rill_socket *socket, int64_t now) {
  int64_t bound = rill_clock_after(now, socket->options.close_timeout);
  socket->state = RILL_SOCKET_LINGERING;
  socket->is_deaf = true;
  socket->linger_until = bound < now + LINGER_US ? bound : now + LINGER_US;
  go_on_soon(socket);
}

static void begin_closing(struct rill_socket *socket) {
  if (socket->state == RILL_SOCKET_OPEN) {
    socket->state = RILL_SOCKET_CLOSING;
    socket->closing_since = rill_clock_now();
    rill_socket_rearm(socket);
  }
}

/* Once our close frame is written, all that is left is the peer's part. */
static void linger_if_through(struct rill_socket *socket) {
  if (socket->state == RILL_SOCKET_CLOSING && socket->ws.out.close_sent &&
      socket->outcome != RILL_SOCKET_NO_ENDING) {
    linger(socket, rill_clock_now());
  }
}

/* The connection is no more. */
static void on_lost(struct rill_socket *socket, CURLcode code) {
  if (socket->outcome != RILL_SOCKET_NO_ENDING) {
    rill_socket_finish(socket, socket->outcome);
    return;
  }
  if (code != CURLE_OK) {
    rill_socket_note_transport(socket, code);
  }
  rill_socket_note(socket, "interrupted", "body", true,
                   "the connection was closed without a close frame");
  rill_socket_finish(socket, socket->failure.kind[0] == 'm' ? RILL_SOCKET_FAILED
                                                            : RILL_SOCKET_CUT);
}

/* What has failed is told to the peer, and nothing more is read. */
static void fail(struct rill_socket *socket, enum rill_status status) {
  const char *kind = status == RILL_NO_MEMORY ? "memory"
                     : status == RILL_LIMIT   ? "limit"
                                              : "protocol";
  const char *problem = socket->ws.problem       ? socket->ws.problem
                        : socket->ws.out.problem ? socket->ws.out.problem
                                                 : "out of memory";
  struct rill_span reason = {NULL, 0};
  if (status == RILL_LIMIT) {
    rill_socket_note(socket, kind, "body", false,
                     "a received message is longer than %zu bytes",
                     socket->profile->limits.event);
  }
  rill_socket_note(socket, kind, "body", false, "%s", problem);
  if (socket->ws.close_code != 0) {
    rill_socket_note_closing(socket, socket->ws.close_code, reason, false);
  }
  if (socket->outcome == RILL_SOCKET_NO_ENDING) {
    socket->outcome = RILL_SOCKET_FAILED;
  }
  socket->is_deaf = true;
  begin_closing(socket);
}

void rill_socket_give_up_closing(struct rill_socket *socket) {
  if (socket->outcome == RILL_SOCKET_NO_ENDING) {
    rill_socket_note(socket, "timeout", "close", false,
                     "the peer did not close within %g s (close_timeout)",
                     (double)socket->options.close_timeout / RILL_SECOND_US);
    socket->outcome = RILL_SOCKET_FAILED;
  }
  rill_socket_finish(socket, socket->outcome);
}

/* ---- reading ---- */

static bool is_full(const struct rill_socket *socket) {
  if (socket->attached != NULL && socket->attached->paused) {
    return true;
  }
  return rill_queue_size(&socket->queue) >= socket->profile->limits.buffer;
}

static void push(struct rill_socket *socket, enum rill_socket_item kind,
                 struct rill_span data) {
  struct rill_item item = {
      .kind = RILL_ITEM_EVENT, .first = data, .number = kind};
  if (rill_queue_push(&socket->queue, &item) != RILL_OK) {
    rill_socket_note(socket, "memory", "body", false, "out of memory");
    socket->outcome = RILL_SOCKET_FAILED;
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
    return;
  }
  rill_socket_mark_ready(socket);
}

static void on_pong(struct rill_socket *socket, struct rill_span data) {
  socket->stats.pongs++;
  if (socket->trip_from != 0 && data.len == socket->ping_len &&
      memcmp(data.data, socket->ping, data.len) == 0) {
    socket->stats.round_trip = rill_clock_now() - socket->trip_from;
    socket->trip_from = 0;
  }
}

static void take(struct rill_socket *socket,
                 const struct rill_ws_message *message) {
  switch (message->kind) {
  case RILL_WS_TEXT:
    if (socket->attached != NULL) {
      (void)rill_fed_take(socket->attached, message->data,
                          socket->stats.last_byte);
    } else {
      push(socket, RILL_SOCKET_TEXT, message->data);
    }
    break;
  case RILL_WS_BINARY:
    push(socket, RILL_SOCKET_BINARY, message->data);
    break;
  case RILL_WS_PING:
    break;
  case RILL_WS_PONG:
    on_pong(socket, message->data);
    break;
  case RILL_WS_CLOSE:
    socket->outcome = RILL_SOCKET_CLOSED;
    rill_socket_note_closing(socket, message->code, message->data, true);
    begin_closing(socket);
    rill_socket_mark_ready(socket);
    break;
  }
}

/* Takes the messages of what ws was fed.  False: no more is read for now,
 * whatever the connection holds: there is no room, or there is a close frame to
 * be written before the end of the connection is read. */
static bool take_all(struct rill_socket *socket) {
  struct rill_ws_message message;
  while (true) {
    if (is_full(socket)) {
      /* Who closes wants the end, which stands behind what nobody takes. */
      if (!rill_ws_out_is_closing(&socket->ws.out)) {
        socket->is_paused = true;
        socket->stats.pauses++;
        return false;
      }
      socket->is_choked = true;
    }
    enum rill_status status = rill_ws_next(&socket->ws, &message);
    if (status == RILL_NEED_DATA) {
      socket->has_input = false;
      return !socket->ws.close_received;
    }
    if (status != RILL_OK) {
      fail(socket, status);
      return false;
    }
    if (!socket->is_choked || message.kind > RILL_WS_BINARY) {
      take(socket, &message);
    }
    if (socket->state == RILL_SOCKET_ENDED) {
      return false;
    }
  }
}

static void feed(struct rill_socket *socket, size_t from, size_t len) {
  socket->stats.last_byte = rill_clock_now();
  socket->stats.bytes_in += len;
  socket->driven.heard_at = socket->stats.last_byte;
  if (socket->ping_at != 0) {
    socket->ping_at = 0;
    rill_socket_rearm(socket); /* the next silence may end sooner */
  }
  rill_ws_feed(&socket->ws, socket->input + from, len);
  socket->has_input = true;
}

/* One piece of what the connection holds.  False: there is no more to do now.
 */
static bool read_piece(struct rill_socket *socket, size_t *total) {
  size_t len = 0;
  if (rill_engine_is_late(socket->driven.engine) || *total >= READ_AT_ONCE) {
    go_on_soon(socket);
    return false;
  }
  CURLcode code = rill_socket_receive(socket, &len);
  if (code == CURLE_AGAIN) {
    return false;
  }
  if (code != CURLE_OK || len == 0) {
    on_lost(socket, code);
    return false;
  }
  *total += len;
  if (!socket->is_deaf) {
    feed(socket, 0, len);
    if (!take_all(socket)) {
      return false;
    }
  }
  /* A short piece was the last: saves a system call. */
  return socket->is_wrapped || len == RILL_SOCKET_INPUT;
}

void rill_socket_read(struct rill_socket *socket) {
  size_t total = 0;
  socket->resume_at = RILL_NEVER;
  if (socket->is_paused && !socket->is_deaf) {
    return;
  }
  if (!socket->has_input || socket->is_deaf || take_all(socket)) {
    while (read_piece(socket, &total)) {
    }
  }
  if (socket->state == RILL_SOCKET_ENDED) {
    return;
  }
  rill_socket_write(socket); /* answers to pings and to the close frame */
}

void rill_socket_resume(struct rill_socket *socket) {
  if (!socket->is_paused || socket->driven.engine == NULL ||
      rill_queue_size(&socket->queue) > socket->profile->limits.buffer / 2 ||
      (socket->attached != NULL && socket->attached->paused)) {
    return;
  }
  socket->is_paused = false;
  socket->driven.heard_at = rill_clock_now();
  socket->ping_at = 0;
  go_on_soon(socket);
}

/* ---- writing ---- */

static void tell_of_room(struct rill_socket *socket) {
  if (socket->said_full &&
      socket->ws.out.queued_bytes <= socket->options.send_limit / 2) {
    socket->said_full = false;
    rill_socket_mark_ready(socket);
  }
}

/* What is offered stays what it is until it is taken.  False: nothing is left,
 * or it cannot be made. */
static bool has_output(struct rill_socket *socket) {
  if (socket->output.len > 0) {
    return true;
  }
  enum rill_status status = rill_ws_out_next(&socket->ws.out, &socket->output);
  if (status != RILL_OK) {
    socket->output.len = 0;
  }
  if (status != RILL_OK && status != RILL_NEED_DATA) {
    fail(socket, status);
    rill_socket_finish(socket, socket->outcome);
  }
  return status == RILL_OK;
}

/* Writing is over; what was received and not read may still say why. */
static void on_mute(struct rill_socket *socket, CURLcode code) {
  socket->is_mute = true;
  socket->mute_code = code;
  if (socket->outcome != RILL_SOCKET_NO_ENDING) {
    rill_socket_finish(socket, socket->outcome);
    return;
  }
  go_on_soon(socket);
  if (socket->said_full) { /* there will be no room */
    socket->said_full = false;
    rill_socket_mark_ready(socket);
  }
}

void rill_socket_write(struct rill_socket *socket) {
  size_t total = 0;
  socket->is_blocked = false;
  while (!socket->is_mute && has_output(socket)) {
    size_t count = 0;
    if (total >= WRITE_AT_ONCE) {
      socket->is_blocked = true;
      break;
    }
    CURLcode code = rill_socket_transmit(socket, socket->output, &count);
    if (code == CURLE_AGAIN) {
      socket->is_blocked = true;
      break;
    }
    if (code != CURLE_OK) {
      on_mute(socket, code);
      break;
    }
    total += count;
    socket->output.data += count;
    socket->output.len -= count;
    socket->stats.bytes_out += count;
    rill_ws_out_written(&socket->ws.out, count);
  }
  if (socket->state == RILL_SOCKET_ENDED) {
    return;
  }
  tell_of_room(socket);
  linger_if_through(socket);
  watch(socket);
}

static int64_t sent(const struct rill_socket *socket) {
  return (int64_t)socket->stats.bytes_out;
}

/* Bytes that the peer's system has certainly got; what matters is whether they
 * become more. */
static int64_t acknowledged(const struct rill_socket *socket) {
  int waiting = 0;
#ifdef SIOCOUTQ
  (void)ioctl(socket->fd, SIOCOUTQ, &waiting);
#endif
  return sent(socket) - waiting;
}

bool rill_socket_is_heard(struct rill_socket *socket, int64_t now) {
  int64_t got = acknowledged(socket);
  if (got <= socket->acknowledged) {
    return false;
  }
  socket->acknowledged = got;
  socket->ping_at = now;
  return true;
}

void rill_socket_beat(struct rill_socket *socket, int64_t now) {
  char text[24];
  int len = snprintf(text, sizeof text, "rill %u", ++socket->ping_count);
  socket->ping_len = (size_t)len;
  memcpy(socket->ping, text, socket->ping_len);
  struct rill_span data = {socket->ping, socket->ping_len};
  socket->ping_at = now;
  socket->trip_from = now;
  socket->stats.pings++;
  /* Where nothing stands before the ping, that its bytes are taken says nothing
   * of the peer. */
  bool has_backlog = socket->is_blocked || acknowledged(socket) < sent(socket);
  (void)rill_ws_out_ping(&socket->ws.out, data);
  rill_socket_write(socket);
  if (socket->state == RILL_SOCKET_OPEN) {
    socket->acknowledged = has_backlog ? acknowledged(socket) : sent(socket);
  }
}

void rill_socket_begin_close(struct rill_socket *socket, unsigned code,
                             struct rill_span reason) {
  (void)rill_ws_out_close(&socket->ws.out, code, reason, false);
  rill_socket_note_closing(socket, code, reason, false);
  begin_closing(socket);
  rill_socket_write(socket);
  if (socket->state != RILL_SOCKET_ENDED && socket->is_paused) {
    socket->is_paused = false;
    go_on_soon(socket);
    watch(socket);
  }
}

void rill_socket_begin_traffic(struct rill_socket *socket, size_t from,
                               size_t len) {
  struct rill_span protocol = socket->handshake.protocol;
  socket->was_open = true;
  socket->state = RILL_SOCKET_OPEN;
  socket->stats.opened = rill_clock_now();
  socket->driven.heard_at = socket->stats.opened;
  push(socket, RILL_SOCKET_IS_OPEN, protocol);
  if (socket->state == RILL_SOCKET_ENDED) {
    return;
  }
  rill_socket_rearm(socket);
  if (len > 0) {
    feed(socket, from, len);
  }
  /* From 8.15 on libcurl lets OpenSSL read ahead, also of what follows. */
  if (len > 0 || socket->is_wrapped) {
    go_on_soon(socket);
  }
  rill_socket_write(socket);
}
