/* SPDX-License-Identifier: MIT
 *
 * See sha256.h.  Includes libc and sha_blocks.h; owns nothing.
 */
#include "sha256.h"

#include <string.h>

#include "sha_blocks.h"

enum { WORDS = 8, ROUNDS = 64 };

/* The first 32 bits of the fractional parts of the square roots of the first 8
 * primes, and of the cube roots of the first 64. */
static const uint32_t initial[WORDS] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t word, int bits) {
  return word >> bits | word << (32 - bits);
}

/* The words of a block, and those that the standard derives from them. */
static void schedule(const unsigned char *block, uint32_t w[ROUNDS]) {
  for (size_t i = 0; i < 16; i++) {
    w[i] = rill_sha_word(block, i);
  }
  for (size_t i = 16; i < ROUNDS; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    uint32_t s0 = rotated(a, 7) ^ rotated(a, 18) ^ a >> 3;
    uint32_t s1 = rotated(b, 17) ^ rotated(b, 19) ^ b >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
}

static void take_block(uint32_t *state, const unsigned char *block) {
  uint32_t w[ROUNDS], v[WORDS];
  schedule(block, w);
  memcpy(v, state, sizeof v);
  for (size_t i = 0; i < ROUNDS; i++) {
    uint32_t a = v[0], e = v[4];
    uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    uint32_t choice = (e & v[5]) ^ (~e & v[6]);
    uint32_t t1 = v[7] + s1 + choice + constants[i] + w[i];
    uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    uint32_t majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
    memmove(v + 1, v, (WORDS - 1) * sizeof *v);
    v[4] += t1;
    v[0] = t1 + s0 + majority;
  }
  for (size_t i = 0; i < WORDS; i++) {
    state[i] += v[i];
  }
}

void rill_sha256_hex(struct rill_span bytes, char out[RILL_SHA256_HEX]) {
  static const char digits[] = "0123456789abcdef";
  uint32_t state[WORDS];
  memcpy(state, initial, sizeof state);
  rill_sha_blocks(bytes, take_block, state);
  for (size_t i = 0; i < RILL_SHA256_HEX; i++) {
    out[i] = digits[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
  }
}
