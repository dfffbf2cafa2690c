/* SPDX-License-Identifier: MIT
 *
 * The growable buffer of bytes.h.  Includes libc; owns each buffer's memory,
 * which is all that the core allocates itself, but for the streams of zlib and
 * the context of wslay.
 */
#include "bytes.h"

#include <stdlib.h>

/* The first allocation; smaller ones would only be outgrown at once. */
enum { SMALLEST = 128 };

void rill_bytes_init(struct rill_bytes *bytes, size_t max) {
  bytes->data = NULL;
  bytes->len = 0;
  bytes->cap = 0;
  bytes->max = max;
  bytes->is_secret = false;
}

/* Not optimised away, unlike memset before free. */
static void overwrite(struct rill_bytes *bytes) {
  volatile char *at = bytes->data;
  for (size_t i = 0; i < bytes->cap; i++) {
    at[i] = 0;
  }
}

/* What realloc does, but that nothing stays where the bytes were. */
static char *move_secret(struct rill_bytes *bytes, size_t cap) {
  char *data = malloc(cap);
  if (data != NULL && bytes->len > 0) {
    memcpy(data, bytes->data, bytes->len);
  }
  if (data != NULL) {
    overwrite(bytes);
    free(bytes->data);
  }
  return data;
}

enum rill_status rill_bytes_reserve(struct rill_bytes *bytes, size_t extra) {
  if (extra <= bytes->cap - bytes->len) {
    return RILL_OK;
  }
  if (extra > bytes->max - bytes->len) {
    return RILL_LIMIT;
  }
  size_t wanted = bytes->len + extra;
  size_t cap = bytes->cap > bytes->max / 2 ? bytes->max : bytes->cap * 2;
  if (cap < SMALLEST) {
    cap = bytes->max < SMALLEST ? bytes->max : SMALLEST;
  }
  if (cap < wanted) {
    cap = wanted;
  }
  char *data =
      bytes->is_secret ? move_secret(bytes, cap) : realloc(bytes->data, cap);
  if (data == NULL) {
    return RILL_NO_MEMORY;
  }
  bytes->data = data;
  bytes->cap = cap;
  return RILL_OK;
}

void rill_bytes_free(struct rill_bytes *bytes) {
  bool is_secret = bytes->is_secret;
  if (is_secret) {
    overwrite(bytes);
  }
  free(bytes->data);
  rill_bytes_init(bytes, bytes->max);
  bytes->is_secret = is_secret;
}

void rill_bytes_empty(struct rill_bytes *bytes, size_t kept_max) {
  if (bytes->cap > kept_max) {
    rill_bytes_free(bytes);
  }
  rill_bytes_clear(bytes);
}
