/* SPDX-License-Identifier: MIT
 *
 * Like the clocks of a transfer: what arrives only moves deadlines into the
 * future, so the timer stays where it is and looks again when it rings.
 * Includes net.
 */
#include "socket_clocks.h"

struct limit {
  const char *name;
  int64_t at;
  int64_t span;
  const char *what;
};

static struct limit opening_limit(const struct rill_socket *socket) {
  const struct rill_timeouts *timeouts = &socket->profile->timeouts;
  struct limit total = {
      "total", rill_clock_after(socket->stats.created, timeouts->total),
      timeouts->total, "the socket was not open within"};
  struct limit limit = {
      "connect", rill_clock_after(socket->attempt_started, timeouts->connect),
      timeouts->connect, "no connection within"};
  if (socket->state == RILL_SOCKET_UPGRADING) {
    limit.name = "first_byte";
    limit.at = rill_clock_after(socket->stats.connected, timeouts->first_byte);
    limit.span = timeouts->first_byte;
    limit.what = "no answer to the handshake within";
  }
  return total.at < limit.at ? total : limit;
}

/* A consumer that does not take what has arrived stops the heart. */
static int64_t next_beat(const struct rill_socket *socket) {
  if (socket->is_paused) {
    return RILL_NEVER;
  }
  return socket->ping_at != 0
             ? rill_clock_after(socket->ping_at, socket->options.ping_timeout)
             : rill_clock_after(socket->driven.heard_at,
                                socket->options.ping_interval);
}

/* When the state that it is in has lasted for too long. */
static int64_t next_limit(const struct rill_socket *socket) {
  switch (socket->state) {
  case RILL_SOCKET_NEW:
  case RILL_SOCKET_ENDED:
    return RILL_NEVER;
  case RILL_SOCKET_WAITING:
    return socket->retry_at;
  case RILL_SOCKET_CONNECTING:
  case RILL_SOCKET_UPGRADING:
    return opening_limit(socket).at;
  case RILL_SOCKET_OPEN:
    return next_beat(socket);
  case RILL_SOCKET_CLOSING:
    return rill_clock_after(socket->closing_since,
                            socket->options.close_timeout);
  case RILL_SOCKET_LINGERING:
    return socket->linger_until;
  }
  return RILL_NEVER;
}

void rill_socket_rearm(struct rill_socket *socket) {
  struct rill_engine *engine = socket->driven.engine;
  int64_t at = next_limit(socket);
  at = socket->wake_at < at ? socket->wake_at : at;
  at = socket->resume_at < at ? socket->resume_at : at;
  /* Later is left alone: the timer then rings early, once, and is set anew. */
  if (engine != NULL && at < socket->driven.timer.due &&
      rill_engine_is_ours(engine)) {
    rill_engine_set_timer(&socket->driven, at);
  }
}

bool rill_socket_is_due(const struct rill_socket *socket, int64_t now) {
  return next_limit(socket) <= now || socket->resume_at <= now;
}

bool rill_socket_opening_is_late(struct rill_socket *socket, int64_t now) {
  struct limit limit = opening_limit(socket);
  if (limit.at > now) {
    return false;
  }
  bool is_total = limit.name[0] == 't';
  rill_socket_note(socket, "timeout", limit.name, !is_total,
                   "%s %g s (timeout.%s)", limit.what,
                   (double)limit.span / RILL_SECOND_US, limit.name);
  return true;
}

enum rill_heartbeat rill_socket_heartbeat(const struct rill_socket *socket,
                                          int64_t now) {
  if (next_beat(socket) > now) {
    return RILL_HEARTBEAT_REST;
  }
  return socket->ping_at != 0 ? RILL_HEARTBEAT_FAILED : RILL_HEARTBEAT_PING;
}
