/* SPDX-License-Identifier: MIT
 *
 * Tests of sha1.c and sha_blocks.c.
 */
#include "../../src/core/sha1.h"

#include "every_cut.h"

static void check_sha1(const char *text, size_t repeat, const char *want) {
  static const char digits[] = "0123456789abcdef";
  unsigned char digest[RILL_SHA1_SIZE];
  char hex[2 * RILL_SHA1_SIZE];
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, SIZE_MAX);
  for (size_t i = 0; i < repeat; i++) {
    put_text(&bytes, text);
  }
  rill_sha1(rill_bytes_span(&bytes), digest);
  for (size_t i = 0; i < sizeof hex; i++) {
    hex[i] = digits[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
  }
  struct rill_span got = {hex, sizeof hex};
  check_span(got, want, strlen(want), text, __FILE__, __LINE__);
  rill_bytes_free(&bytes);
}

static void sha1_gives_the_digests_of_the_standard(void) {
  check_sha1("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  check_sha1("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d");
  check_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
             "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  check_sha1("a", 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  check_sha1("0123456701234567012345670123456701234567012345670123456701234567",
             10, "dea356a2cddd90c7a7ecedc5ebb563934f460452");
}

static const struct check_test tests[] = {
    {"SHA-1 gives the digests of the standard",
     sha1_gives_the_digests_of_the_standard},
    {NULL, NULL}};

const struct check_suite sha1_suite = {"sha1", tests};
