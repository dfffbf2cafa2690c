/* SPDX-License-Identifier: MIT
 *
 * See wire.h.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

SSL_CTX *wire_secrets(const char *folder) {
  char cert[512], key[512];
  snprintf(cert, sizeof cert, "%s/cert.pem", folder);
  snprintf(key, sizeof key, "%s/key.pem", folder);
  SSL_CTX *secrets = SSL_CTX_new(TLS_server_method());
  /* No tickets: 7.88 of libcurl frees the host's name twice when memory runs
   * out while it keeps a session and another one comes later. */
  if (secrets != NULL && SSL_CTX_set_num_tickets(secrets, 0) == 1 &&
      SSL_CTX_use_certificate_chain_file(secrets, cert) == 1 &&
      SSL_CTX_use_PrivateKey_file(secrets, key, SSL_FILETYPE_PEM) == 1) {
    return secrets;
  }
  SSL_CTX_free(secrets);
  return NULL;
}

bool wire_open(struct wire *wire, int fd, SSL_CTX *secrets) {
  *wire = (struct wire){.fd = fd};
  fcntl(fd, F_SETFL, O_NONBLOCK);
  if (secrets == NULL) {
    return true;
  }
  wire->tls = SSL_new(secrets);
  if (wire->tls == NULL || SSL_set_fd(wire->tls, fd) != 1) {
    wire_close(wire);
    return false;
  }
  SSL_set_accept_state(wire->tls);
  return true;
}

/* Of a call that did nothing: whether, and for what, it has to wait. */
static short awaited(const struct wire *wire, long result) {
  if (wire->tls == NULL) {
    return errno == EAGAIN ? POLLOUT : 0;
  }
  switch (SSL_get_error(wire->tls, (int)result)) {
  case SSL_ERROR_WANT_READ:
    return POLLIN;
  case SSL_ERROR_WANT_WRITE:
    return POLLOUT;
  default:
    return 0;
  }
}

bool wire_put(struct wire *wire, const void *bytes, size_t len) {
  const char *at = bytes;
  while (len > 0) {
    ERR_clear_error();
    long sent = wire->tls != NULL ? SSL_write(wire->tls, at, (int)len)
                                  : send(wire->fd, at, len, MSG_NOSIGNAL);
    if (sent <= 0) {
      struct pollfd polled = {.fd = wire->fd, .events = awaited(wire, sent)};
      if (polled.events == 0) {
        return false;
      }
      (void)poll(&polled, 1, -1);
      continue;
    }
    at += sent;
    len -= (size_t)sent;
  }
  return true;
}

bool wire_put_text(struct wire *wire, const char *text) {
  return wire_put(wire, text, strlen(text));
}

long wire_get(struct wire *wire, char *bytes, size_t len) {
  ERR_clear_error();
  long got = wire->tls != NULL ? SSL_read(wire->tls, bytes, (int)len)
                               : recv(wire->fd, bytes, len, 0);
  if (got > 0) {
    return got;
  }
  bool is_end = wire->tls == NULL && got == 0;
  return !is_end && awaited(wire, got) != 0 ? 0 : -1;
}

void wire_close(struct wire *wire) {
  if (wire->tls != NULL) {
    (void)SSL_shutdown(wire->tls);
    SSL_free(wire->tls);
  }
  close(wire->fd);
}
