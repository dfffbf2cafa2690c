/* SPDX-License-Identifier: MIT
 *
 * See sha1.h.  Includes libc; owns nothing.
 */
#include "sha1.h"

#include "sha_blocks.h"

enum { WORDS = 5, ROUNDS = 80 };

static uint32_t rotated(uint32_t word, int bits) {
  return word << bits | word >> (32 - bits);
}

/* The function and the constant of a round (FIPS 180-4, sections 4.1.1 and
 * 4.2.1), added. */
static uint32_t mixed(size_t round, uint32_t b, uint32_t c, uint32_t d) {
  if (round < 20) {
    return ((b & c) | (~b & d)) + 0x5a827999;
  }
  if (round < 40) {
    return (b ^ c ^ d) + 0x6ed9eba1;
  }
  if (round < 60) {
    return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  }
  return (b ^ c ^ d) + 0xca62c1d6;
}

static void take_block(uint32_t *state, const unsigned char *block) {
  uint32_t w[ROUNDS], v[WORDS];
  for (size_t i = 0; i < ROUNDS; i++) {
    w[i] = i < 16 ? rill_sha_word(block, i)
                  : rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }
  memcpy(v, state, sizeof v);
  for (size_t i = 0; i < ROUNDS; i++) {
    uint32_t next = rotated(v[0], 5) + mixed(i, v[1], v[2], v[3]) + v[4] + w[i];
    memmove(v + 1, v, (WORDS - 1) * sizeof *v);
    v[0] = next;
    v[2] = rotated(v[2], 30);
  }
  for (size_t i = 0; i < WORDS; i++) {
    state[i] += v[i];
  }
}

void rill_sha1(struct rill_span bytes, unsigned char out[RILL_SHA1_SIZE]) {
  uint32_t state[WORDS] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                           0xc3d2e1f0};
  rill_sha_blocks(bytes, take_block, state);
  for (size_t i = 0; i < RILL_SHA1_SIZE; i++) {
    out[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
  }
}
