/* SPDX-License-Identifier: MIT
 *
 * Builds a profile and turns it into libcurl options.  Includes libc, curl.h.
 */
#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if LIBCURL_VERSION_NUM < 0x075000
#error "rill needs libcurl 7.80 or newer"
#endif

/* libcurl reads up to this much at once.  Only touched pages cost memory, so an
 * idle stream does not pay for what a fast one gains.  Below 64 KiB, where
 * glibc's free begins to tidy the whole heap, and libcurl frees it each time.
 */
#define RECEIVE_BUFFER 61440L
/* The longest libcurl takes on every platform, some 24 days. */
#define CONNECT_MS 2147483647L
/* The smallest libcurl allows; over TLS it is allocated for every request. */
#define SEND_BUFFER 16384L
/* TCP keepalive: first probe after 30 s of silence, then every 15 s. */
#define KEEPALIVE_IDLE 30L
#define KEEPALIVE_INTERVAL 15L

/* Not optimised away, unlike memset before free. */
static void memset_explicitly(char *text, size_t len) {
  volatile char *at = text;
  while (len-- > 0) {
    *at++ = 0;
  }
}

enum rill_status rill_profile_new(struct rill_profile **out) {
  struct rill_profile *profile = calloc(1, sizeof *profile);
  if (profile == NULL) {
    return RILL_NO_MEMORY;
  }
  profile->references = 1;
  profile->tls_verify = true;
  *out = profile;
  return RILL_OK;
}

struct rill_profile *rill_profile_share(struct rill_profile *profile) {
  profile->references++;
  return profile;
}

void rill_profile_release(struct rill_profile *profile) {
  if (profile == NULL || --profile->references > 0) {
    return;
  }
  for (struct curl_slist *at = profile->headers; at != NULL; at = at->next) {
    memset_explicitly(at->data, strlen(at->data));
  }
  curl_slist_free_all(profile->headers);
  free(profile->proxy);
  free(profile->ca_file);
  free(profile->ca_path);
  free(profile);
}

enum rill_status rill_string_set(char **field, const char *text, size_t len) {
  char *copy = malloc(len + 1);
  if (copy == NULL) {
    return RILL_NO_MEMORY;
  }
  memcpy(copy, text, len);
  copy[len] = '\0';
  free(*field);
  *field = copy;
  return RILL_OK;
}

enum rill_status rill_string_join(char **field, const char *left,
                                  const char *glue, const char *right) {
  if (right == NULL) {
    return rill_string_set(field, left, strlen(left));
  }
  size_t len = strlen(left) + strlen(glue) + strlen(right);
  char *joined = malloc(len + 1);
  if (joined == NULL) {
    return RILL_NO_MEMORY;
  }
  snprintf(joined, len + 1, "%s%s%s", left, glue, right);
  free(*field);
  *field = joined;
  return RILL_OK;
}

void rill_string_wipe(char *text, size_t len) {
  if (text != NULL) {
    memset_explicitly(text, len);
    free(text);
  }
}

enum rill_status rill_profile_add_header(struct rill_profile *profile,
                                         const char *line) {
  struct curl_slist *list = curl_slist_append(profile->headers, line);
  if (list == NULL) {
    return RILL_NO_MEMORY;
  }
  profile->headers = list;
  return RILL_OK;
}

/* Remembers the first failure of a run of curl_easy_setopt calls. */
#define SET(option, value)                                                     \
  do {                                                                         \
    CURLcode set_code = curl_easy_setopt(easy, (option), (value));             \
    if (set_code != CURLE_OK && code == CURLE_OK) {                            \
      code = set_code;                                                         \
    }                                                                          \
  } while (0)

CURLcode rill_profile_apply(const struct rill_profile *profile, CURL *easy) {
  CURLcode code = CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075500
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  SET(CURLOPT_HTTPHEADER, profile->headers);
  SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  /* Asks for no compression, yet decodes what a server compresses unasked. */
  SET(CURLOPT_ACCEPT_ENCODING, "identity");
  if (profile->http_version == RILL_HTTP_2) {
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  } else {
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  }
  if (profile->proxy != NULL) {
    SET(CURLOPT_PROXY, profile->proxy);
  }
  if (profile->ca_file != NULL) {
    SET(CURLOPT_CAINFO, profile->ca_file);
  }
  if (profile->ca_path != NULL) {
    SET(CURLOPT_CAPATH, profile->ca_path);
  }
  SET(CURLOPT_SSL_VERIFYPEER, profile->tls_verify ? 1L : 0L);
  SET(CURLOPT_SSL_VERIFYHOST, profile->tls_verify ? 2L : 0L);
  SET(CURLOPT_TCP_KEEPALIVE, 1L);
  SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE);
  SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
  SET(CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
  SET(CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
  SET(CURLOPT_NOSIGNAL, 1L);
  /* clocks.c watches the connection; libcurl's own limit would be 300 s. */
  SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
#if LIBCURL_VERSION_NUM >= 0x075700
  /* Without it, dropping a transfer waits for a running name lookup. */
  SET(CURLOPT_QUICK_EXIT, 1L);
#endif
  return code;
}
