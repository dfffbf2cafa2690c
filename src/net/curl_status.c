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
    {CURLE_NOT_BUILT_IN, {"config", "request", false}},
    {CURLE_UNKNOWN_OPTION, {"config", "request", false}},
    {CURLE_BAD_FUNCTION_ARGUMENT, {"config", "request", false}},
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

static struct rill_curl_status look_up(CURLcode code) {
  struct rill_curl_status other = {"interrupted", "body", true};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (table[i].code == code) {
      return table[i].status;
    }
  }
  return other;
}

/* Whether client and server will never agree on TLS, or the server speaks none;
 * a handshake may also fail because a connection broke. */
static bool is_hopeless(CURLcode code, const char *message) {
  static const char *const words[] = {
      "wrong version number",  /* OpenSSL: no TLS at all */
      "unexpected TLS packet", /* GnuTLS: likewise */
      "unsupported protocol",  "protocol version", "handshake failure",
  };
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (code == CURLE_SSL_CONNECT_ERROR && strstr(message, words[i]) != NULL) {
      return true;
    }
  }
  return false;
}

/* A connection that breaks has the same code from beginning to end. */
static struct rill_curl_status where(struct rill_curl_status status,
                                     enum rill_curl_progress progress) {
  struct rill_curl_status no_connection = {"connect", "connect", true};
  if (strcmp(status.kind, "interrupted") != 0) {
    return status;
  }
  if (progress == RILL_CURL_CONNECTING) {
    return no_connection;
  }
  if (progress == RILL_CURL_ASKING && strcmp(status.phase, "body") == 0) {
    status.phase = "headers";
  }
  return status;
}

/* The URL of a proxy, which may be one of the environment, is judged as if
 * connecting to it had failed. */
static bool is_no_proxy(const char *buffer) {
  return strncmp(buffer, "Unsupported proxy", 17) == 0;
}

const char *rill_curl_message_of(CURLcode code, const char *buffer) {
  if (is_no_proxy(buffer)) {
    return "the proxy cannot be used: its URL has a wrong scheme or form";
  }
  return buffer[0] != '\0' ? buffer : curl_easy_strerror(code);
}

struct rill_curl_status rill_curl_status_of(CURLcode code, const char *buffer,
                                            enum rill_curl_progress progress) {
  struct rill_curl_status framing = {"protocol", "body", true};
  struct rill_curl_status no_http = {"protocol", "headers", false};
  struct rill_curl_status no_proxy = {"config", "request", false};
  struct rill_curl_status no_tls = {"tls", "tls", false};
  if (is_no_proxy(buffer)) {
    return no_proxy;
  }
  /* Bad chunked framing has no code of its own. */
  if (code == CURLE_RECV_ERROR && strcasestr(buffer, "chunk") != NULL) {
    return framing;
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL && progress != RILL_CURL_CONNECTING) {
    return no_http;
  }
  if (is_hopeless(code, buffer)) {
    return no_tls;
  }
  return where(look_up(code), progress);
}
