/* SPDX-License-Identifier: MIT
 *
 * The sockets that libcurl has open for an engine: sets them up, and remembers
 * them, so that a fork's child can close its copies.  Includes libc and curl.h.
 */
#ifndef RILL_NET_SOCKETS_H
#define RILL_NET_SOCKETS_H

#include <curl/curl.h>
#include <sys/types.h>

/* Zeroed is empty. */
struct rill_sockets {
  /* private */
  ino_t *inodes; /* by descriptor, whose number alone may have become another's;
                  * 0: none */
  int count;
};

/* For CURLOPT_SOCKOPTFUNCTION and CURLOPT_CLOSESOCKETFUNCTION; arg: the
 * sockets. */
int rill_sockets_on_open(void *arg, curl_socket_t fd, curlsocktype purpose);
int rill_sockets_on_close(void *arg, curl_socket_t fd);

/* In a fork's child: closes its copies, and no word goes to any server. */
void rill_sockets_abandon(struct rill_sockets *sockets);

void rill_sockets_free(struct rill_sockets *sockets);

#endif
