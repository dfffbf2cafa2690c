/* SPDX-License-Identifier: MIT
 *
 * libcurl tells of sockets as it opens and closes them, but for one that it
 * drops while it connects.  Includes libc and curl.h.
 */
#include "sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Unacknowledged data or unanswered keepalive probes for so long (ms) mean that
 * the peer is gone: the time of the keepalive probes, 30 + 3 * 15 s. */
#define TCP_USER_TIMEOUT_MS 75000
#define TCP_KEEPALIVE_PROBES 3

/* False: out of memory. */
static bool make_room(struct rill_sockets *sockets, int fd) {
  if (fd < sockets->count) {
    return true;
  }
  int count = fd + 64;
  ino_t *inodes =
      realloc(sockets->inodes, (size_t)count * sizeof *sockets->inodes);
  if (inodes == NULL) {
    return false;
  }
  for (int i = sockets->count; i < count; i++) {
    inodes[i] = 0;
  }
  sockets->inodes = inodes;
  sockets->count = count;
  return true;
}

int rill_sockets_on_open(void *arg, curl_socket_t fd, curlsocktype purpose) {
  struct rill_sockets *sockets = arg;
  struct stat info;
  (void)purpose;
  if (!make_room(sockets, fd) || fstat(fd, &info) != 0) {
    return CURL_SOCKOPT_ERROR;
  }
  sockets->inodes[fd] = info.st_ino;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
#ifdef TCP_USER_TIMEOUT
  int timeout = TCP_USER_TIMEOUT_MS;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
#endif
#ifdef TCP_KEEPCNT
  int probes = TCP_KEEPALIVE_PROBES;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
#endif
  return CURL_SOCKOPT_OK;
}

int rill_sockets_on_close(void *arg, curl_socket_t fd) {
  struct rill_sockets *sockets = arg;
  if (fd < sockets->count) {
    sockets->inodes[fd] = 0;
  }
  return close(fd);
}

void rill_sockets_abandon(struct rill_sockets *sockets) {
  for (int fd = 0; fd < sockets->count; fd++) {
    struct stat info;
    ino_t inode = sockets->inodes[fd];
    /* libcurl 7.88 closes the socket of a transfer that is dropped while it
     * connects without a word: its number may be somebody else's by now. */
    if (inode != 0 && fstat(fd, &info) == 0 && info.st_ino == inode) {
      close(fd);
    }
    sockets->inodes[fd] = 0;
  }
}

void rill_sockets_free(struct rill_sockets *sockets) {
  free(sockets->inodes);
  sockets->inodes = NULL;
  sockets->count = 0;
}
