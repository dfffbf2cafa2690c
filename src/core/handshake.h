/* SPDX-License-Identifier: MIT
 *
 * The opening handshake of a WebSocket (RFC 6455, section 4), the client's
 * side: the bytes of the request, and a parser of the answer.  Includes libc,
 * bytes.h, status.h and the terms of ws_deflate.h; owns its buffers.
 */
#ifndef RILL_CORE_HANDSHAKE_H
#define RILL_CORE_HANDSHAKE_H

#include <stdint.h>

#include "bytes.h"
#include "ws_deflate.h"

enum {
  RILL_HANDSHAKE_NONCE = 16,
  RILL_HANDSHAKE_KEY = 24,
  RILL_HANDSHAKE_HEAD_MAX = 65536, /* bytes of the answer's head */
};

/* The key that stands for 16 random bytes, without a NUL behind it. */
void rill_handshake_key(const unsigned char nonce[RILL_HANDSHAKE_NONCE],
                        char key[RILL_HANDSHAKE_KEY]);

struct rill_handshake_request {
  struct rill_span host;   /* with the port where it is not the default */
  struct rill_span target; /* path and query, "/" at least */
  struct rill_span key;
  struct rill_span protocols; /* "a, b"; empty: none */
  bool deflate;               /* offer permessage-deflate */
  /* "Name: value" as libcurl takes them: "Name;" sends an empty value, "Name:"
   * nothing.  Those that are the handshake's own (Connection, Upgrade,
   * Sec-WebSocket-...) or speak of a body are left out; a Host replaces ours.
   */
  const char *const *headers;
  size_t header_count;
};

/* Appends the request.  RILL_INVALID: a CR, LF or NUL in any part.  RILL_LIMIT,
 * RILL_NO_MEMORY.  After a failure bytes may hold a part. */
enum rill_status
rill_handshake_write(struct rill_bytes *bytes,
                     const struct rill_handshake_request *request);

struct rill_handshake {
  /* read by callers, once rill_handshake_feed has given RILL_OK */
  int status;                /* 101: the socket is open */
  struct rill_span head;     /* the header lines, for headers.h */
  struct rill_span body;     /* of any other status: its body */
  struct rill_span protocol; /* the one that was chosen; empty: none */
  struct rill_ws_deflate_terms deflate;
  const char *problem; /* RILL_INVALID, RILL_LIMIT: a static text */
  /* private */
  struct rill_span key; /* borrowed */
  struct rill_span protocols;
  bool deflate_offered;
  int state;
  enum rill_status result; /* sticky */
  struct rill_bytes lines;
  struct rill_bytes content;
  size_t line_from;   /* where the line that is being read begins */
  uint64_t body_left; /* of the body, or of the chunk */
  unsigned digits;    /* of the size of a chunk */
};

/* Allocates nothing yet.  The spans of the request must outlive the handshake.
 * Of a body at most body_max bytes are kept; it counts as complete then. */
void rill_handshake_init(struct rill_handshake *handshake,
                         const struct rill_handshake_request *request,
                         size_t body_max);

/* Reads the next bytes of the answer; *consumed of them belong to it.
 * RILL_NEED_DATA: more is wanted.  RILL_OK with status 101: all checks passed,
 * what follows is for rill_ws_feed.  RILL_OK with another status: refused, the
 * body is there as far as it came.  RILL_INVALID: no HTTP, or a 101 that is
 * wrong (then status is 101).  RILL_LIMIT: a head beyond
 * RILL_HANDSHAKE_HEAD_MAX.  RILL_NO_MEMORY.  All but RILL_NEED_DATA are
 * sticky. */
enum rill_status rill_handshake_feed(struct rill_handshake *handshake,
                                     const char *bytes, size_t len,
                                     size_t *consumed);

/* The connection ended: RILL_OK where a status other than 101 was read (the
 * body is what came of it), else RILL_NEED_DATA: the answer is cut. */
enum rill_status rill_handshake_end(struct rill_handshake *handshake);

void rill_handshake_free(struct rill_handshake *handshake);

#endif
