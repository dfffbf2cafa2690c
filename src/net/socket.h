/* SPDX-License-Identifier: MIT
 *
 * A WebSocket: one connection of its own, opened in several attempts if need
 * be, then messages both ways until its end.  Whoever created it pulls items
 * from it and hands messages to it; the engine drives it.  Includes libc,
 * curl.h, core and net.
 *
 *   rill_socket_new(&s, profile);  s->options = ...;
 *   rill_socket_set_url(s, "wss://...");  rill_socket_start(s, engine);
 *   while (rill_socket_peek(s, &item)) { ...; rill_socket_drop(s, &item); }
 *   ... and when s->ending is set and nothing is left, it is over
 */
#ifndef RILL_NET_SOCKET_H
#define RILL_NET_SOCKET_H

#include "socket_state.h"

/* One whose options and URL are still to be set.  RILL_NO_MEMORY. */
enum rill_status rill_socket_new(struct rill_socket **socket,
                                 struct rill_profile *profile);

/* RILL_INVALID: the URL is none of ws: or wss:, names a user, or has a host or
 * port that cannot be used: one beyond ASCII may need another locale. */
enum rill_status rill_socket_set_url(struct rill_socket *socket,
                                     const char *url);

/* What rill_socket_set_url would say. */
enum rill_status rill_socket_check_url(const char *url);

/* Hands it to the engine, which must outlive it or be closed first.  Failures
 * to connect come later, as the socket's ending; RILL_NO_MEMORY leaves it as it
 * was. */
enum rill_status rill_socket_start(struct rill_socket *socket,
                                   struct rill_engine *engine);

/* The next item; its spans live until the next call on the socket or step. */
static inline bool rill_socket_peek(const struct rill_socket *socket,
                                    struct rill_item *item) {
  return rill_queue_peek(&socket->queue, item);
}

/* Removes the item that was peeked; reading that has paused may go on. */
void rill_socket_take(struct rill_socket *socket, const struct rill_item *item);

/* Queues a message and writes what can be written.  RILL_LIMIT: the queue is
 * full.  RILL_INVALID: it is closing or has ended, or the connection has broken
 * and only what was received is left.  RILL_NO_MEMORY. */
enum rill_status rill_socket_send(struct rill_socket *socket,
                                  enum rill_ws_kind kind,
                                  struct rill_span data);

/* False: it is not open. */
bool rill_socket_ping(struct rill_socket *socket, struct rill_span data);

/* Begins the closing handshake behind what is queued; one that is not open yet
 * ends. */
void rill_socket_close(struct rill_socket *socket, unsigned code,
                       struct rill_span reason);

/* Ends it now.  An open one tries to say so to its peer, once. */
void rill_socket_drop(struct rill_socket *socket);

/* Its text messages go to that transfer from now on, which must be one that is
 * fed, running and attached to nobody; or null: to its own queue. */
void rill_socket_attach(struct rill_socket *socket,
                        struct rill_transfer *transfer);

/* Makes it ready once, at that moment; RILL_NEVER takes it back. */
void rill_socket_wake(struct rill_socket *socket, int64_t at);

/* Drops and frees it. */
void rill_socket_free(struct rill_socket *socket);

#endif
