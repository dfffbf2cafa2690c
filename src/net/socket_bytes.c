/* SPDX-License-Identifier: MIT
 *
 * See socket_bytes.h.  Includes libc, curl.h, core and net.
 */
#include "socket_bytes.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* Where there is no such flag, libcurl has told the socket itself
 * (SO_NOSIGPIPE). */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static const char *reason_of(int error) {
  switch (error) {
  case ECONNRESET:
  case EPIPE:
    return "the peer has reset the connection";
  case ETIMEDOUT:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case ENETDOWN:
    return "the peer cannot be reached any more";
  default:
    return "the connection has failed";
  }
}

static CURLcode failed(struct rill_socket *socket, CURLcode code) {
  int error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) {
    return CURLE_AGAIN;
  }
  snprintf(socket->curl_message, sizeof socket->curl_message, "%s (errno %d)",
           reason_of(error), error);
  return code;
}

/* Whether the peer's bytes lie where they lay after the attempt before. */
static bool is_left_lying(struct rill_socket *socket) {
  char waiting[RILL_SOCKET_RECORD_MIN];
  ssize_t count = recv(socket->fd, waiting, sizeof waiting, MSG_PEEK);
  bool has_one = count == (ssize_t)sizeof waiting;
  bool is_same = has_one && socket->has_unread &&
                 memcmp(waiting, socket->unread, sizeof waiting) == 0;
  socket->has_unread = has_one;
  if (has_one) {
    memcpy(socket->unread, waiting, sizeof waiting);
  }
  return is_same;
}

/* When OpenSSL runs out of memory before it has read anything, after a call
 * that had found nothing to read, libcurl (7.88, and later ones) takes that for
 * nothing to read, too, and so for ever: what arrives would wake us again and
 * again. One attempt in vain is usual; while writing is blocked, reading may
 * have to wait for it. */
static CURLcode receive_wrapped(struct rill_socket *socket, size_t *count) {
  CURLcode code =
      curl_easy_recv(socket->easy, socket->input, RILL_SOCKET_INPUT, count);
  if (code != CURLE_AGAIN) {
    socket->vain = 0;
    socket->has_unread = false;
  } else if (++socket->vain > 1 && !socket->is_blocked &&
             is_left_lying(socket)) {
    snprintf(socket->curl_message, sizeof socket->curl_message,
             "TLS reads nothing of what has arrived: it is out of memory");
    return CURLE_RECV_ERROR;
  }
  return code;
}

static CURLcode receive_plain(struct rill_socket *socket, size_t *count) {
  ssize_t got = recv(socket->fd, socket->input, RILL_SOCKET_INPUT, 0);
  *count = got > 0 ? (size_t)got : 0;
  return got < 0 ? failed(socket, CURLE_RECV_ERROR) : CURLE_OK;
}

CURLcode rill_socket_receive(struct rill_socket *socket, size_t *count) {
  CURLcode code = socket->is_wrapped ? receive_wrapped(socket, count)
                                     : receive_plain(socket, count);
  return code == CURLE_AGAIN && socket->is_mute ? socket->mute_code : code;
}

CURLcode rill_socket_transmit(struct rill_socket *socket, struct rill_span data,
                              size_t *count) {
  if (socket->is_wrapped) {
    return curl_easy_send(socket->easy, data.data, data.len, count);
  }
  ssize_t taken = send(socket->fd, data.data, data.len, MSG_NOSIGNAL);
  *count = taken > 0 ? (size_t)taken : 0;
  return taken < 0 ? failed(socket, CURLE_SEND_ERROR) : CURLE_OK;
}
