/* SPDX-License-Identifier: MIT
 *
 * Tests of json_text.c.
 */
#include <stdlib.h>

#include "../../src/core/json_walk.h"
#include "check.h"

#define CHECK_TEXT(raw, want)                                                  \
  check_text((raw), sizeof(raw) - 1, (want), sizeof(want) - 1, __LINE__)

/* The place of the closing quote, or -1. */
static int end_of(const char *raw, size_t len, bool *is_escaped, bool *lone) {
  struct rill_span span = {raw, len};
  struct rill_json_walk walk = rill_json_walk_of(span);
  *is_escaped = false;
  const char *close = rill_json_string_end(&walk, raw, is_escaped);
  *lone = walk.lone_surrogate;
  return close != NULL ? (int)(close - raw) : -1;
}

/* The raw string, behind which a quote is put, must stand for the text; with
 * the quote gone or anything cut off, it must have no end. */
static void check_text(const char *raw, size_t len, const char *want,
                       size_t want_len, int line) {
  check_about(raw, len);
  char *whole = check_copy(raw, len + 1);
  whole[len] = '"';
  bool is_escaped;
  bool lone;
  int close = end_of(whole, len + 1, &is_escaped, &lone);
  check_true(close == (int)len, "the end is found", __FILE__, line);
  check_true(!lone, "no lone surrogate", __FILE__, line);
  bool has_slash = len > 0 && memchr(raw, '\\', len) != NULL;
  check_true(is_escaped == has_slash, "escapes are seen", __FILE__, line);
  char *out = check_copy(raw, len);
  struct rill_span span = {whole, len};
  size_t out_len = rill_json_unescape(span, out);
  struct rill_span got = {out, out_len};
  check_span(got, want, want_len, "unescaped", __FILE__, line);
  free(out);
  free(whole);
  for (size_t cut = 0; cut <= len; cut++) {
    char *part = check_copy(raw, cut);
    check_true(end_of(part, cut, &is_escaped, &lone) < 0,
               "no end without a quote", __FILE__, line);
    free(part);
  }
  check_about(NULL, 0);
}

static void check_refused(const char *raw, size_t len, int line) {
  check_about(raw, len);
  bool is_escaped;
  bool lone;
  char *copy = check_copy(raw, len);
  check_true(end_of(copy, len, &is_escaped, &lone) < 0, "refused", __FILE__,
             line);
  free(copy);
  check_about(NULL, 0);
}

#define CHECK_REFUSED(raw) check_refused((raw), sizeof(raw) - 1, __LINE__)

static void plain_text_stands_for_itself(void) {
  CHECK_TEXT("", "");
  CHECK_TEXT("a", "a");
  CHECK_TEXT("hello, world: {[]} \x7F", "hello, world: {[]} \x7F");
  CHECK_TEXT("\xE4\xBD\xA0\xF0\x9F\x99\x82", "\xE4\xBD\xA0\xF0\x9F\x99\x82");
  CHECK_TEXT("\xFF\xC3\x80\xED\xA0\x80", "\xFF\xC3\x80\xED\xA0\x80");
}

static void short_escapes(void) {
  CHECK_TEXT("\\n\\t\\r\\b\\f", "\n\t\r\b\f");
  CHECK_TEXT("\\\"\\\\\\/", "\"\\/");
  CHECK_TEXT("a\\nb\\\\n", "a\nb\\n");
}

static void unicode_escapes(void) {
  CHECK_TEXT("\\u0041\\u007f", "A\x7F");
  CHECK_TEXT("x\\u0000y", "x\0y");
  CHECK_TEXT("\\u0080\\u00e9\\u00E9\\u07ff",
             "\xC2\x80\xC3\xA9\xC3\xA9\xDF\xBF");
  CHECK_TEXT("\\u0800\\u65e5\\uFFFF", "\xE0\xA0\x80\xE6\x97\xA5\xEF\xBF\xBF");
  CHECK_TEXT("\\ud7ff\\ue000", "\xED\x9F\xBF\xEE\x80\x80");
}

static void surrogate_pairs(void) {
  CHECK_TEXT("\\ud83d\\ude00", "\xF0\x9F\x98\x80");
  CHECK_TEXT("\\uD800\\uDC00", "\xF0\x90\x80\x80");
  CHECK_TEXT("\\uDBFF\\uDFFF!", "\xF4\x8F\xBF\xBF!");
}

static void half_pairs_are_told(void) {
  static const char *const raws[] = {
      "\\ud800\"",        "\\udc00\"",        "\\ud83dx\"",
      "\\ud83d\\n\"",     "\\ud83d\\u0041\"", "\\ud83d\\ud83d\\ude00\"",
      "\\ude00\\ud83d\"", "\\udfff1234\""};
  for (size_t i = 0; i < sizeof raws / sizeof *raws; i++) {
    bool is_escaped;
    bool lone;
    size_t len = strlen(raws[i]);
    check_about(raws[i], len);
    CHECK_INT(end_of(raws[i], len, &is_escaped, &lone), len - 1);
    CHECK(lone);
  }
}

static void control_characters_are_refused(void) {
  for (int c = 0; c < 0x20; c++) {
    for (size_t at = 0; at < 20; at++) {
      char raw[21];
      memset(raw, 'a', sizeof raw);
      raw[20] = '"';
      raw[at] = (char)c;
      check_refused(raw, sizeof raw, __LINE__);
    }
  }
}

static void all_other_bytes_pass_at_each_place(void) {
  for (int c = 0x20; c < 0x100; c++) {
    if (c == '"' || c == '\\') {
      continue;
    }
    for (size_t at = 0; at < 20; at++) {
      char raw[21];
      bool is_escaped;
      bool lone;
      memset(raw, c ^ 1 ? 'a' : 'b', sizeof raw);
      raw[20] = '"';
      raw[at] = (char)c;
      CHECK_INT(end_of(raw, 21, &is_escaped, &lone), 20);
      CHECK(!is_escaped);
    }
  }
}

static void the_first_quote_is_found_at_each_place(void) {
  for (size_t at = 0; at < 24; at++) {
    char raw[24];
    bool is_escaped;
    bool lone;
    memset(raw, 'a', sizeof raw);
    memset(raw + at, '"', sizeof raw - at);
    CHECK_INT(end_of(raw, sizeof raw, &is_escaped, &lone), at);
  }
}

static void wrong_escapes_are_refused(void) {
  CHECK_REFUSED("\\x\"");
  CHECK_REFUSED("\\N\"");
  CHECK_REFUSED("\\'\"");
  CHECK_REFUSED("\\0\"");
  CHECK_REFUSED("\\u\"");
  CHECK_REFUSED("\\u12\"");
  CHECK_REFUSED("\\u123\"");
  CHECK_REFUSED("\\u123g\"");
  CHECK_REFUSED("\\u+123\"");
  CHECK_REFUSED("\\u 123\"");
  CHECK_REFUSED("\\U0041\"");
  CHECK_REFUSED("\\ud83d\\ude0\"");
  CHECK_REFUSED("\\\"");
}

static const struct check_test tests[] = {
    {"plain text stands for itself", plain_text_stands_for_itself},
    {"short escapes", short_escapes},
    {"unicode escapes", unicode_escapes},
    {"surrogate pairs are one character", surrogate_pairs},
    {"half pairs are told", half_pairs_are_told},
    {"control characters are refused at each place",
     control_characters_are_refused},
    {"all other bytes pass at each place", all_other_bytes_pass_at_each_place},
    {"the first quote is found at each place",
     the_first_quote_is_found_at_each_place},
    {"wrong escapes are refused", wrong_escapes_are_refused},
    {NULL, NULL}};

const struct check_suite json_text_suite = {"json text", tests};
