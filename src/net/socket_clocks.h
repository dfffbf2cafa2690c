/* SPDX-License-Identifier: MIT
 *
 * The clocks of a socket: the wait before an attempt, the time limits of
 * opening and closing, the heartbeat, a wake-up call.  Includes socket_state.h.
 */
#ifndef RILL_NET_SOCKET_CLOCKS_H
#define RILL_NET_SOCKET_CLOCKS_H

#include "socket_state.h"

/* Moves the timer to the next moment that matters, if that is sooner. */
void rill_socket_rearm(struct rill_socket *socket);

/* Whether one of its clocks has run out, unless what has arrived and was not
 * read yet says otherwise; or reading that was put off is to go on. */
bool rill_socket_is_due(const struct rill_socket *socket, int64_t now);

/* Whether a time limit of the opening has passed; if so the failure has been
 * noted. */
bool rill_socket_opening_is_late(struct rill_socket *socket, int64_t now);

/* What the heartbeat wants at that moment. */
enum rill_heartbeat {
  RILL_HEARTBEAT_REST,
  RILL_HEARTBEAT_PING,   /* nothing was heard for too long: ask */
  RILL_HEARTBEAT_FAILED, /* nobody answered */
};
enum rill_heartbeat rill_socket_heartbeat(const struct rill_socket *socket,
                                          int64_t now);

#endif
