/* SPDX-License-Identifier: MIT
 *
 * One table; a code that is not in it broke an established connection, or is
 * one that rill cannot cause.  Includes curl_status.h.
 */
#include "curl_status.h"

#include <stddef.h>
#include <string.h>

static const struct {
  CURLcode code;
  struct rill_curl_status status;
} table[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, {"config", "request", false}},
    {CURLE_URL_MALFORMAT, {"config", "request", false}},
    {CURLE_COULDNT_RESOLVE_PROXY, {"connect", "resolve", true}},
    {CURLE_COULDNT_RESOLVE_HOST, {"connect", "resolve", true}},
    {CURLE_COULDNT_CONNECT, {"connect", "connect", true}},
    {CURLE_PROXY, {"connect", "proxy", true}},
    {CURLE_INTERFACE_FAILED, {"connect", "connect", false}},
    {CURLE_SSL_CONNECT_ERROR, {"tls", "tls", true}},
    {CURLE_PEER_FAILED_VERIFICATION, {"tls", "tls", false}},
    {CURLE_SSL_CERTPROBLEM, {"tls", "tls", false}},
    {CURLE_SSL_CIPHER, {"tls", "tls", false}},
    {CURLE_SSL_CACERT_BADFILE, {"tls", "tls", false}},
    {CURLE_SSL_ISSUER_ERROR, {"tls", "tls", false}},
    {CURLE_SSL_INVALIDCERTSTATUS, {"tls", "tls", false}},
    {CURLE_SSL_ENGINE_NOTFOUND, {"tls", "tls", false}},
    {CURLE_SSL_ENGINE_INITFAILED, {"tls", "tls", false}},
    {CURLE_OUT_OF_MEMORY, {"memory", "request", false}},
    {CURLE_GOT_NOTHING, {"interrupted", "headers", true}},
    {CURLE_SEND_ERROR, {"interrupted", "request", true}},
    {CURLE_RECV_ERROR, {"interrupted", "body", true}},
    {CURLE_PARTIAL_FILE, {"interrupted", "body", true}},
    {CURLE_HTTP2, {"interrupted", "body", true}},
    {CURLE_HTTP2_STREAM, {"interrupted", "body", true}},
    {CURLE_WEIRD_SERVER_REPLY, {"protocol", "headers", false}},
    {CURLE_BAD_CONTENT_ENCODING, {"protocol", "body", false}},
};

struct rill_curl_status rill_curl_status_of(CURLcode code, const char *message,
                                            bool sent) {
  struct rill_curl_status other = {"interrupted", "body", true};
  struct rill_curl_status framing = {"protocol", "body", true};
  struct rill_curl_status no_http = {"protocol", "headers", false};
  /* Bad chunked framing has no code of its own. */
  if (code == CURLE_RECV_ERROR && strcasestr(message, "chunk") != NULL) {
    return framing;
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL && sent) {
    return no_http;
  }
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (table[i].code == code) {
      return table[i].status;
    }
  }
  return other;
}
