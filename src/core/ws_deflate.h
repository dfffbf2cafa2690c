/* SPDX-License-Identifier: MIT
 *
 * permessage-deflate (RFC 7692) of one WebSocket, over zlib: messages are
 * compressed whole, and inflated in the pieces in which they arrive.  Includes
 * libc, bytes.h and status.h; owns the two zlib streams.
 */
#ifndef RILL_CORE_WS_DEFLATE_H
#define RILL_CORE_WS_DEFLATE_H

#include "bytes.h"

/* What both sides have agreed on; all zero: no compression. */
struct rill_ws_deflate_terms {
  bool is_on;
  bool client_forgets;       /* client_no_context_takeover */
  bool server_forgets;       /* server_no_context_takeover */
  unsigned char client_bits; /* of the windows: 8 to 15, or 0 for 15 */
  unsigned char server_bits;
};

/* Opaque: the zlib streams. */
struct rill_ws_deflate;

/* RILL_NO_MEMORY.  The memory of each direction is allocated with the first
 * message that needs it. */
enum rill_status rill_ws_deflate_new(struct rill_ws_deflate **deflate,
                                     const struct rill_ws_deflate_terms *terms);

/* Inflates the next piece of a message and appends it to out, whose ceiling
 * bounds the message.  RILL_OK, RILL_INVALID, RILL_LIMIT, RILL_NO_MEMORY. */
enum rill_status rill_ws_inflate(struct rill_ws_deflate *deflate,
                                 struct rill_span piece,
                                 struct rill_bytes *out);

/* The same for the end of the message, behind its last piece. */
enum rill_status rill_ws_inflate_end(struct rill_ws_deflate *deflate,
                                     struct rill_bytes *out);

/* Compresses a message that is not empty and appends it to out.  RILL_OK,
 * RILL_LIMIT, RILL_NO_MEMORY. */
enum rill_status rill_ws_compress(struct rill_ws_deflate *deflate,
                                  struct rill_span message,
                                  struct rill_bytes *out);

/* Null is allowed. */
void rill_ws_deflate_free(struct rill_ws_deflate *deflate);

#endif
