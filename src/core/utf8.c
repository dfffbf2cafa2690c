/* SPDX-License-Identifier: MIT
 *
 * See utf8.h.  Includes libc; owns nothing.
 */
#include "utf8.h"

#include <stdint.h>

#define NOT_ASCII UINT64_C(0x8080808080808080)

/* The first byte at or behind from that is no ASCII, or end. */
static const unsigned char *past_ascii(const unsigned char *from,
                                       const unsigned char *end) {
  uint64_t eight[4];
  while ((size_t)(end - from) >= sizeof eight) {
    memcpy(eight, from, sizeof eight);
    if (((eight[0] | eight[1] | eight[2] | eight[3]) & NOT_ASCII) != 0) {
      break;
    }
    from += sizeof eight;
  }
  while ((size_t)(end - from) >= sizeof *eight) {
    memcpy(eight, from, sizeof *eight);
    if ((*eight & NOT_ASCII) != 0) {
      break;
    }
    from += sizeof *eight;
  }
  while (from < end && *from < 0x80) {
    from++;
  }
  return from;
}

static bool is_tail(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

/* The length of the character of two or three bytes that begins here; 0 if it
 * has another length, is cut short, or is none.  Texts in most languages of the
 * world consist of these. */
static size_t common_character(const unsigned char *at, size_t left) {
  if (left < 3 || *at < 0xC2 || *at >= 0xF0 || !is_tail(at[1])) {
    return 0;
  }
  if (*at < 0xE0) {
    return 2;
  }
  unsigned code = (*at & 0x0FU) << 12 | (at[1] & 0x3FU) << 6;
  return is_tail(at[2]) && code >= 0x800 && (code & 0xF800) != 0xD800 ? 3 : 0;
}

/* Behind whatever needs no memory of what came before. */
static const unsigned char *past_whole(const unsigned char *from,
                                       const unsigned char *end) {
  size_t len = 0;
  do {
    from += len;
    if (from < end && *from < 0x80) {
      from = past_ascii(from, end);
    }
    len = common_character(from, (size_t)(end - from));
  } while (len > 0);
  return from;
}

/* The table of RFC 3629, section 4: what the second byte may be keeps out the
 * overlong forms, the surrogates and what lies beyond U+10FFFF. */
static bool begin(struct rill_utf8 *utf8, unsigned char first) {
  utf8->low = 0x80;
  utf8->high = 0xBF;
  if (first < 0xC2 || first > 0xF4) {
    return false;
  }
  if (first < 0xE0) {
    utf8->left = 1;
  } else if (first < 0xF0) {
    utf8->left = 2;
    utf8->low = first == 0xE0 ? 0xA0 : 0x80;
    utf8->high = first == 0xED ? 0x9F : 0xBF;
  } else {
    utf8->left = 3;
    utf8->low = first == 0xF0 ? 0x90 : 0x80;
    utf8->high = first == 0xF4 ? 0x8F : 0xBF;
  }
  return true;
}

bool rill_utf8_feed(struct rill_utf8 *utf8, struct rill_span bytes) {
  if (bytes.len == 0) {
    return true;
  }
  const unsigned char *at = (const unsigned char *)bytes.data;
  const unsigned char *end = at + bytes.len;
  for (;;) {
    for (; utf8->left > 0; utf8->left--, at++) {
      if (at == end) {
        return true;
      }
      if (*at < utf8->low || *at > utf8->high) {
        return false;
      }
      utf8->low = 0x80;
      utf8->high = 0xBF;
    }
    at = past_whole(at, end);
    if (at == end) {
      return true;
    }
    if (!begin(utf8, *at++)) {
      return false;
    }
  }
}

bool rill_utf8_is_valid(struct rill_span text) {
  struct rill_utf8 utf8 = {0, 0, 0};
  return rill_utf8_feed(&utf8, text) && rill_utf8_is_whole(&utf8);
}
