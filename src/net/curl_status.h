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

/* What there is to say of it: what libcurl's error buffer says, if anything,
 * but for the URL of a proxy, which may hold a password. */
const char *rill_curl_message_of(CURLcode code, const char *buffer);

/* How far an attempt had come. */
enum rill_curl_progress {
  RILL_CURL_CONNECTING, /* proxy and TLS included */
  RILL_CURL_ASKING,     /* the server is to blame from here on */
  RILL_CURL_ANSWERED,   /* the head of the answer is there */
};

/* buffer: what libcurl's error buffer says. */
struct rill_curl_status rill_curl_status_of(CURLcode code, const char *buffer,
                                            enum rill_curl_progress progress);

#endif
