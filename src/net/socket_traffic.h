/* SPDX-License-Identifier: MIT
 *
 * The way of the bytes of an open socket, in both directions, up to the end of
 * the connection.  Includes socket_state.h.
 */
#ifndef RILL_NET_SOCKET_TRAFFIC_H
#define RILL_NET_SOCKET_TRAFFIC_H

#include "socket_state.h"

/* The handshake is through; the peer has sent so many bytes behind it already,
 * in socket->input from that place on. */
void rill_socket_begin_traffic(struct rill_socket *socket, size_t from,
                               size_t len);

/* Reads until there is nothing, or enough for now, or something ends it. */
void rill_socket_read(struct rill_socket *socket);

/* Writes what there is, as far as the peer takes it. */
void rill_socket_write(struct rill_socket *socket);

/* Asks the peer whether it lives. */
void rill_socket_beat(struct rill_socket *socket, int64_t now);

/* Nothing has come since the peer was asked, but maybe it is only slow to take
 * what stands before the question: whether it has taken some of it since the
 * last look.  Then it has as much time again. */
bool rill_socket_is_heard(struct rill_socket *socket, int64_t now);

/* Begins the closing handshake behind what is queued. */
void rill_socket_begin_close(struct rill_socket *socket, unsigned code,
                             struct rill_span reason);

/* The closing handshake has taken too long. */
void rill_socket_give_up_closing(struct rill_socket *socket);

/* If reading had paused and there is room again, it goes on with the next step.
 */
void rill_socket_resume(struct rill_socket *socket);

#endif
