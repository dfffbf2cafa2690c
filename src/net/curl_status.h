/* SPDX-License-Identifier: MIT
 *
 * What a result code of libcurl means for a transfer.  Includes curl.h.
 */
#ifndef RILL_NET_CURL_STATUS_H
#define RILL_NET_CURL_STATUS_H

#include <curl/curl.h>
#include <stdbool.h>

struct rill_curl_status {
  const char *kind;  /* of struct rill_failure */
  const char *phase; /* likewise */
  bool retryable;    /* as long as nothing has been delivered */
};

/* message: what libcurl's error buffer says.  sent: whether the request was
 * sent, so that the server is to blame for what follows. */
struct rill_curl_status rill_curl_status_of(CURLcode code, const char *message,
                                            bool sent);

#endif
