/* SPDX-License-Identifier: MIT
 *
 * What the requests of one client have in common: headers, bounds, transport.
 * Shared by counting references.  Owns copies of its strings; those that may
 * hold secrets are wiped before they are freed.  Includes libc, curl.h for the
 * header list, and core.
 */
#ifndef RILL_NET_PROFILE_H
#define RILL_NET_PROFILE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/retry.h"
#include "core/status.h"

/* All in microseconds; RILL_NEVER for none.  Each is a clock of its own. */
struct rill_timeouts {
  int64_t connect;      /* DNS, TCP and TLS, until the request can be sent */
  int64_t first_byte;   /* from there to the end of the response headers */
  int64_t first_output; /* from the start of the attempt to the first output */
  int64_t idle;         /* without any byte, comments included */
  int64_t progress;     /* without output, however many bytes arrive */
  int64_t total;        /* all attempts and waits together */
};

/* All in bytes. */
struct rill_limits {
  size_t buffer;     /* queued items beyond which the transfer is paused */
  size_t event;      /* one line or event */
  size_t error_body; /* the body of an answer that is no event stream */
};

enum rill_http_version {
  RILL_HTTP_1_1,
  RILL_HTTP_2, /* over TLS, where the server agrees; else 1.1 */
};

struct rill_profile {
  unsigned references;
  struct curl_slist *headers;
  char *proxy;   /* null: as the environment says; "": none */
  char *ca_file; /* null: libcurl's default, as for ca_path */
  char *ca_path;
  bool tls_verify;
  enum rill_http_version http_version;
  struct rill_timeouts timeouts;
  struct rill_limits limits;
  struct rill_retry_policy retry;
};

/* An empty profile with one reference, which verifies TLS; the numbers are for
 * the caller to set.  RILL_NO_MEMORY. */
enum rill_status rill_profile_new(struct rill_profile **profile);

/* One more owner; from now on the profile must not change. */
struct rill_profile *rill_profile_share(struct rill_profile *profile);

/* One owner less; the last one frees it.  Null is allowed. */
void rill_profile_release(struct rill_profile *profile);

/* Appends one header line "Name: value"; "Name:" alone removes libcurl's own.
 */
enum rill_status rill_profile_add_header(struct rill_profile *profile,
                                         const char *line);

/* Sets every option of the handle that follows from the profile alone. */
CURLcode rill_profile_apply(const struct rill_profile *profile, CURL *easy);

/* Replaces *field by a copy of len bytes with a NUL behind them. */
enum rill_status rill_string_set(char **field, const char *text, size_t len);

/* Replaces *field by left, glue and right, or by left alone if right is null.
 */
enum rill_status rill_string_join(char **field, const char *left,
                                  const char *glue, const char *right);

/* Overwrites and frees; the compiler may not leave the first out. */
void rill_string_wipe(char *text, size_t len);

#endif
