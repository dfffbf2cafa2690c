/* SPDX-License-Identifier: MIT
 *
 * How bytes enter and leave a connected socket: through libcurl where it must
 * encrypt, and otherwise straight by the system, since libcurl looks for the
 * connection among all that are open, at each call.  Includes socket_state.h.
 */
#ifndef RILL_NET_SOCKET_BYTES_H
#define RILL_NET_SOCKET_BYTES_H

#include "socket_state.h"

/* Reads into socket->input, once.  CURLE_AGAIN: there is nothing now; CURLE_OK
 * with a count of 0: the peer has closed; else what is wrong, for
 * rill_socket_note_transport.  Of a socket that is mute, what there still was
 * is followed by what made it so. */
CURLcode rill_socket_receive(struct rill_socket *socket, size_t *count);

/* Writes as much as is taken at once.  CURLE_AGAIN: nothing was. */
CURLcode rill_socket_transmit(struct rill_socket *socket, struct rill_span data,
                              size_t *count);

#endif
