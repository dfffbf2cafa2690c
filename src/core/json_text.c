/* SPDX-License-Identifier: MIT
 *
 * JSON strings: where they end, whether they are well-formed, what they stand
 * for.  Includes libc; owns nothing.
 */
#include "json_walk.h"

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool is_special(char c) {
  return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* A block of bytes is looked at in one go; first_special gives the place of the
 * first special one in it, or BLOCK. */
#ifdef __SSE2__

enum { BLOCK = 16 };

static size_t first_special(const char *p) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i control =
      _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
  __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  int marks =
      _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, slash)));
  return marks != 0 ? (size_t)__builtin_ctz((unsigned)marks) : BLOCK;
}

#else

enum { BLOCK = 8 };

#define EACH_BYTE(value) (UINT64_MAX / 255 * (value))

/* Subtracting from a byte of the word borrows only where it is smaller, and a
 * borrow from the next byte needs such a one below it: so the word as a whole
 * tells exactly whether there is a special byte, though not where. */
static size_t first_special(const char *p) {
  uint64_t bytes;
  memcpy(&bytes, p, sizeof bytes);
  uint64_t quote = bytes ^ EACH_BYTE('"');
  uint64_t slash = bytes ^ EACH_BYTE('\\');
  uint64_t marks = ((bytes - EACH_BYTE(0x20)) & ~bytes) |
                   ((quote - EACH_BYTE(1)) & ~quote) |
                   ((slash - EACH_BYTE(1)) & ~slash);
  size_t at = 0;
  if ((marks & EACH_BYTE(0x80)) == 0) {
    return BLOCK;
  }
  while (!is_special(p[at])) {
    at++;
  }
  return at;
}

#endif

const char *rill_json_special(const char *p, const char *end) {
  while (end - p >= BLOCK) {
    size_t at = first_special(p);
    p += at;
    if (at < BLOCK) {
      return p;
    }
  }
  while (p < end && !is_special(*p)) {
    p++;
  }
  return p;
}

/* The four hexadecimal digits at p, or -1. */
static int take_hex(const char *p, const char *end) {
  if (end - p < 4) {
    return -1;
  }
  int value = 0;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    int digit;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

static bool is_high_surrogate(int unit) {
  return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(int unit) {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* The second half of a pair, written as \uXXXX at p, or -1. */
static int take_low_surrogate(const char *p, const char *end) {
  if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
    return -1;
  }
  int unit = take_hex(p + 2, end);
  return is_low_surrogate(unit) ? unit : -1;
}

/* Behind the escape that begins at p, or a null pointer. */
static const char *escape_end(const char *p, const char *end,
                              bool *lone_surrogate) {
  if (end - p < 2) {
    return NULL;
  }
  switch (p[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return p + 2;
  case 'u':
    break;
  default:
    return NULL;
  }
  int unit = take_hex(p + 2, end);
  if (unit < 0) {
    return NULL;
  }
  p += 6;
  if (is_high_surrogate(unit) && take_low_surrogate(p, end) >= 0) {
    return p + 6;
  }
  if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
    *lone_surrogate = true;
  }
  return p;
}

const char *rill_json_string_rest(struct rill_json_walk *walk, const char *p,
                                  bool *is_escaped) {
  while (p < walk->end && *p == '\\') {
    *is_escaped = true;
    p = escape_end(p, walk->end, &walk->lone_surrogate);
    if (p == NULL) {
      return NULL;
    }
    p = rill_json_special(p, walk->end);
  }
  return p < walk->end && *p == '"' ? p : NULL;
}

/* Writes a code point as UTF-8; behind what was written. */
static char *put_utf8(char *out, int code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = (char)(0xE0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  } else {
    *out++ = (char)(0xF0 | code >> 18);
    *out++ = (char)(0x80 | (code >> 12 & 0x3F));
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  }
  return out;
}

static char short_escape(char letter) {
  switch (letter) {
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default: /* a quote, a backslash, a slash: themselves */
    return letter;
  }
}

size_t rill_json_unescape(struct rill_span raw, char *out) {
  const char *p = raw.data;
  const char *end = p + raw.len;
  char *at = out;
  while (p < end) {
    if (*p != '\\') {
      *at++ = *p++;
    } else if (p[1] != 'u') {
      *at++ = short_escape(p[1]);
      p += 2;
    } else {
      int code = take_hex(p + 2, end);
      p += 6;
      if (is_high_surrogate(code)) {
        code = 0x10000 + (code - 0xD800) * 0x400 +
               (take_low_surrogate(p, end) - 0xDC00);
        p += 6;
      }
      at = put_utf8(at, code);
    }
  }
  return (size_t)(at - out);
}
