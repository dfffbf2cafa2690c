/* SPDX-License-Identifier: MIT
 *
 * Internal to the core: what SHA-1 and SHA-256 (FIPS 180-4) have in common:
 * blocks of 64 bytes, the end that is filled up.  Includes libc and bytes.h;
 * owns nothing.
 */
#ifndef RILL_CORE_SHA_BLOCKS_H
#define RILL_CORE_SHA_BLOCKS_H

#include <stdint.h>

#include "bytes.h"

enum { RILL_SHA_BLOCK = 64 };

/* Hands every block of the message to take: its bytes, a 1 bit, zeros, and its
 * length in bits. */
void rill_sha_blocks(struct rill_span bytes,
                     void (*take)(uint32_t *state, const unsigned char *block),
                     uint32_t *state);

/* The word of that number, of those that a block consists of. */
static inline uint32_t rill_sha_word(const unsigned char *block,
                                     size_t number) {
  const unsigned char *at = block + 4 * number;
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
         (uint32_t)at[3];
}

#endif
