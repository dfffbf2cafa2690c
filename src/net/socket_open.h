/* SPDX-License-Identifier: MIT
 *
 * The opening of a socket: attempts, the handshake, and what is tried again.
 * Includes socket_state.h.
 */
#ifndef RILL_NET_SOCKET_OPEN_H
#define RILL_NET_SOCKET_OPEN_H

#include "socket_state.h"

/* Begins the first attempt, or the wait before it. */
void rill_socket_open_first(struct rill_socket *socket);

/* Begins an attempt. */
void rill_socket_open_begin(struct rill_socket *socket);

/* libcurl has connected, or failed to. */
void rill_socket_open_connected(struct rill_socket *socket, CURLcode code);

/* The descriptor is ready: the handshake goes on. */
void rill_socket_open_shake(struct rill_socket *socket);

/* A time limit of the opening has passed, and was noted unless the answer had
 * begun to refuse. */
void rill_socket_open_late(struct rill_socket *socket, int64_t now);

/* The attempt has failed and the failure was noted: waits for another one, or
 * ends the socket. */
void rill_socket_open_failed(struct rill_socket *socket);

#endif
