/* SPDX-License-Identifier: MIT
 *
 * The growable buffer of bytes.h.  Includes libc; owns each buffer's memory,
 * which is the only memory the core ever allocates.
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
  char *data = realloc(bytes->data, cap);
  if (data == NULL) {
    return RILL_NO_MEMORY;
  }
  bytes->data = data;
  bytes->cap = cap;
  return RILL_OK;
}

void rill_bytes_free(struct rill_bytes *bytes) {
  free(bytes->data);
  rill_bytes_init(bytes, bytes->max);
}
