/* SPDX-License-Identifier: MIT
 *
 * One connection of the torture server, plain or over TLS: bytes out until they
 * are written, bytes in as far as there are any.  Includes OpenSSL; owns the
 * descriptor and the TLS of the connection.
 */
#ifndef RILL_SPEC_TORTURE_WIRE_H
#define RILL_SPEC_TORTURE_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct wire {
  int fd;
  SSL *tls; /* null: plain */
};

/* What TLS needs, of cert.pem and key.pem in that folder; null without them. */
SSL_CTX *wire_secrets(const char *folder);

/* Takes the descriptor over; with secrets it is the server's side of TLS, whose
 * handshake goes on whenever bytes are asked for.  False: it was closed. */
bool wire_open(struct wire *wire, int fd, SSL_CTX *secrets);

/* Waits until all is written; false: the connection has broken. */
bool wire_put(struct wire *wire, const void *bytes, size_t len);
bool wire_put_text(struct wire *wire, const char *text);

/* The number of bytes that came, at most len; 0: none for now; -1: the end. */
long wire_get(struct wire *wire, char *bytes, size_t len);

void wire_close(struct wire *wire);

#endif
