/* SPDX-License-Identifier: MIT
 *
 * A gateway in a thread of the test's own process: answers on 127.0.0.1 with
 * streams it knows by heart, keeps connections open, allocates nothing but what
 * TLS needs.  Includes libc and wire.h.
 */
#ifndef RILL_SPEC_TORTURE_SERVER_H
#define RILL_SPEC_TORTURE_SERVER_H

/* What the paths answer:
 *
 *   /v1/chat     five texts, the finish, the terminator; chunked
 *   /v1/length   the same with a Content-Length
 *   /v1/long     120 texts of 64 bytes and the same end
 *   /v1/stall    the first half of /v1/chat, and then nothing
 *   /v1/cut      the first half of /v1/chat, and the end of the connection
 *   /v1/busy     503 while there is any left of server_be_busy, then /v1/chat
 *   /v1/moved    307 to /v1/chat
 *   /v1/refused  400 with an error in JSON
 *   /v1/json     200 with JSON
 *   /v1/socket   a WebSocket (frames.h); 503 as /v1/busy
 */

/* The port it listens on, or a negative number.  With a folder that has
 * cert.pem and key.pem it answers over TLS, too, on a port of its own. */
int server_start(const char *folder);
int server_tls_port(void);

/* Returns when its thread has ended. */
void server_stop(void);

/* So many of the next requests to /v1/busy are turned away. */
void server_be_busy(int count);

/* The connections that are open at the moment. */
int server_connections(void);

/* How often that number, and that of its descriptors, began or ended to change:
 * odd while they do. */
unsigned server_changes(void);

/* A port of 127.0.0.1 that refuses connections until the process ends, or a
 * negative number. */
int server_closed_port(void);

#endif
