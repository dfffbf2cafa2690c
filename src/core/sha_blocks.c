/* SPDX-License-Identifier: MIT
 *
 * See sha_blocks.h.  Includes libc; owns nothing.
 */
#include "sha_blocks.h"

enum { LENGTH_FIELD = 8 };

void rill_sha_blocks(struct rill_span bytes,
                     void (*take)(uint32_t *state, const unsigned char *block),
                     uint32_t *state) {
  unsigned char end[2 * RILL_SHA_BLOCK] = {0};
  size_t rest = bytes.len % RILL_SHA_BLOCK;
  size_t whole = bytes.len - rest;
  size_t size =
      rest + 1 + LENGTH_FIELD <= RILL_SHA_BLOCK ? RILL_SHA_BLOCK : sizeof end;
  uint64_t bits = (uint64_t)bytes.len * 8;
  for (size_t at = 0; at < whole; at += RILL_SHA_BLOCK) {
    take(state, (const unsigned char *)bytes.data + at);
  }
  if (rest > 0) {
    memcpy(end, bytes.data + whole, rest);
  }
  end[rest] = 0x80;
  for (size_t i = 0; i < LENGTH_FIELD; i++) {
    end[size - 1 - i] = (unsigned char)(bits >> 8 * i);
  }
  for (size_t at = 0; at < size; at += RILL_SHA_BLOCK) {
    take(state, end + at);
  }
}
