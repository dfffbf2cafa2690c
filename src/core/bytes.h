/* SPDX-License-Identifier: MIT
 *
 * A span of somebody else's bytes, and a growable buffer that owns its bytes
 * and never grows past the ceiling it was given.  Includes libc and status.h.
 */
#ifndef RILL_CORE_BYTES_H
#define RILL_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "status.h"

/* Bytes owned by somebody else.  The function that hands one out says how long
 * it lives.  An empty span may have a null data pointer. */
struct rill_span {
  const char *data;
  size_t len;
};

static inline struct rill_span rill_span_of(const char *text) {
  struct rill_span span = {text, strlen(text)};
  return span;
}

/* Whether the span holds exactly the characters of text. */
static inline bool rill_span_is(struct rill_span span, const char *text) {
  size_t len = strlen(text);
  return span.len == len && (len == 0 || memcmp(span.data, text, len) == 0);
}

struct rill_bytes {
  char *data; /* null while cap is 0 */
  size_t len;
  size_t cap;
  size_t max;     /* len never exceeds it */
  bool is_secret; /* no copy of the contents stays in memory that is freed */
};

/* An empty buffer that allocates nothing yet; max is its ceiling in bytes. */
void rill_bytes_init(struct rill_bytes *bytes, size_t max);

/* Makes room for extra more bytes, growing by doubling.  RILL_LIMIT if len +
 * extra would pass max, RILL_NO_MEMORY; the contents stay as they were. */
enum rill_status rill_bytes_reserve(struct rill_bytes *bytes, size_t extra);

/* Appends len bytes; the results of rill_bytes_reserve.  The source must not
 * lie inside the buffer. */
static inline enum rill_status rill_bytes_append(struct rill_bytes *bytes,
                                                 const char *data, size_t len) {
  /* len <= cap - bytes->len also keeps within max: cap never exceeds max. */
  if (len > bytes->cap - bytes->len) {
    enum rill_status status = rill_bytes_reserve(bytes, len);
    if (status != RILL_OK) {
      return status;
    }
  }
  if (len > 0) {
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
  }
  return RILL_OK;
}

static inline struct rill_span rill_bytes_span(const struct rill_bytes *bytes) {
  struct rill_span span = {bytes->data, bytes->len};
  return span;
}

/* Forgets the contents, keeps the memory. */
static inline void rill_bytes_clear(struct rill_bytes *bytes) {
  bytes->len = 0;
}

/* Forgets the contents, and gives back what is more memory than kept_max. */
void rill_bytes_empty(struct rill_bytes *bytes, size_t kept_max);

/* Frees the memory; the buffer is empty and usable again afterwards. */
void rill_bytes_free(struct rill_bytes *bytes);

#endif
