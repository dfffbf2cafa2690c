/* SPDX-License-Identifier: MIT
 *
 * Tests of utf8.c: every code point, and every class of what is no UTF-8, cut
 * anywhere.
 */
#include "../../src/core/utf8.h"

#include "check.h"

static bool is_cut_valid(const char *text, size_t len, size_t cut) {
  struct rill_utf8 utf8 = {0, 0, 0};
  struct rill_span first = {text, cut};
  struct rill_span second = {text + cut, len - cut};
  return rill_utf8_feed(&utf8, first) && rill_utf8_feed(&utf8, second) &&
         rill_utf8_is_whole(&utf8);
}

/* With so much ASCII around it that each place within eight bytes is met. */
static void check_text(const char *text, size_t len, bool want) {
  char padded[64];
  for (size_t before = 0; before < 17; before++) {
    memset(padded, 'a', sizeof padded);
    memcpy(padded + before, text, len);
    size_t whole = before + len + before * 5 % 17;
    check_about(padded, whole);
    for (size_t cut = 0; cut <= whole; cut++) {
      CHECK_INT(is_cut_valid(padded, whole, cut), want);
    }
  }
  check_about(NULL, 0);
}

#define VALID(text) check_text((text), sizeof(text) - 1, true)
#define INVALID(text) check_text((text), sizeof(text) - 1, false)

static void what_is_utf8_passes(void) {
  VALID("");
  VALID("plain");
  VALID("\x00\x7F");
  VALID("\xC2\x80\xDF\xBF");
  VALID("\xE0\xA0\x80\xEF\xBF\xBF");
  VALID("\xED\x9F\xBF\xEE\x80\x80");
  VALID("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
  VALID("caf\xC3\xA9 \xE2\x98\x95 \xF0\x9F\x98\x80");
}

static void what_is_not_is_refused(void) {
  INVALID("\x80");
  INVALID("\xBF");
  INVALID("\xC0\x80"); /* overlong */
  INVALID("\xC1\xBF");
  INVALID("\xE0\x80\x80");
  INVALID("\xE0\x9F\xBF");
  INVALID("\xF0\x80\x80\x80");
  INVALID("\xF0\x8F\xBF\xBF");
  INVALID("\xED\xA0\x80"); /* surrogates */
  INVALID("\xED\xBF\xBF");
  INVALID("\xF4\x90\x80\x80"); /* beyond U+10FFFF */
  INVALID("\xF5\x80\x80\x80");
  INVALID("\xF8\x88\x80\x80\x80");
  INVALID("\xFC\x84\x80\x80\x80\x80");
  INVALID("\xFE");
  INVALID("\xFF");
  INVALID("\xC2\xC2\x80"); /* a character within a character */
  INVALID("\xE2\x98z");
  INVALID("\xF0\x9F\x98z");
  INVALID("\xC3\xA9\xA9");
}

static void a_character_cut_short_is_not_whole(void) {
  static const char *const begun[] = {"\xC3", "\xE2", "\xE2\x98", "\xF0\x9F",
                                      "\xF0\x9F\x98"};
  for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
    struct rill_utf8 utf8 = {0, 0, 0};
    CHECK(rill_utf8_feed(&utf8, rill_span_of(begun[i])));
    CHECK(!rill_utf8_is_whole(&utf8));
    CHECK(!rill_utf8_is_valid(rill_span_of(begun[i])));
  }
}

static void the_first_wrong_byte_is_refused(void) {
  struct rill_utf8 utf8 = {0, 0, 0};
  CHECK(rill_utf8_feed(&utf8, rill_span_of("\xED")));
  CHECK(!rill_utf8_feed(&utf8, rill_span_of("\xA0")));
}

/* By the definition: of all sequences of two and three bytes, and of those of
 * four whose last byte is fixed, these are the characters. */
static bool is_character(unsigned a, unsigned b, unsigned c, size_t len) {
  if (len == 2) {
    return a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF;
  }
  unsigned code = (a & 15) << 12 | (b & 63) << 6 | (c & 63);
  return (a & 0xF0) == 0xE0 && (b & 0xC0) == 0x80 && (c & 0xC0) == 0x80 &&
         code >= 0x800 && (code < 0xD800 || code > 0xDFFF);
}

static void all_sequences_of_two_and_three_bytes_are_judged_rightly(void) {
  unsigned long wrong = 0;
  for (unsigned a = 0x80; a < 256; a++) {
    for (unsigned b = 0; b < 256; b++) {
      unsigned char text[3] = {(unsigned char)a, (unsigned char)b, 0};
      struct rill_span two = {(const char *)text, 2};
      struct rill_span three = {(const char *)text, 3};
      wrong += rill_utf8_is_valid(two) != is_character(a, b, 0, 2);
      for (unsigned c = 0x80; c < 256; c++) {
        text[2] = (unsigned char)c;
        wrong += rill_utf8_is_valid(three) != is_character(a, b, c, 3);
      }
    }
  }
  CHECK_INT(wrong, 0);
}

static const struct check_test tests[] = {
    {"what is UTF-8 passes, cut anywhere", what_is_utf8_passes},
    {"what is not is refused, cut anywhere", what_is_not_is_refused},
    {"a character cut short is not whole", a_character_cut_short_is_not_whole},
    {"the first wrong byte is refused", the_first_wrong_byte_is_refused},
    {"all sequences of two and three bytes are judged rightly",
     all_sequences_of_two_and_three_bytes_are_judged_rightly},
    {NULL, NULL}};

const struct check_suite utf8_suite = {"utf8", tests};
