/* SPDX-License-Identifier: MIT
 *
 * UTF-8 (RFC 3629) checked as it arrives: no overlong forms, no surrogates,
 * nothing beyond U+10FFFF.  Includes libc and bytes.h; owns nothing.
 */
#ifndef RILL_CORE_UTF8_H
#define RILL_CORE_UTF8_H

#include "bytes.h"

/* Zeroed: at the beginning of a text. */
struct rill_utf8 {
  unsigned char left; /* bytes that the character still wants */
  unsigned char low;  /* the next of them lies between these */
  unsigned char high;
};

/* Whether the bytes may go on what came before.  After false the state means
 * nothing. */
bool rill_utf8_feed(struct rill_utf8 *utf8, struct rill_span bytes);

/* Whether no character has begun and not ended. */
static inline bool rill_utf8_is_whole(const struct rill_utf8 *utf8) {
  return utf8->left == 0;
}

/* Whether a whole text is UTF-8. */
bool rill_utf8_is_valid(struct rill_span text);

#endif
