/* SPDX-License-Identifier: MIT
 *
 * Tests of json_walk.c, through the two questions it answers.
 */
#include <stdlib.h>

#include "../../src/core/json_scan.h"
#include "check.h"

static bool is_complete(const char *text, size_t len) {
  char *copy = check_copy(text, len);
  struct rill_span span = {copy, len};
  bool complete = rill_json_is_complete(span);
  free(copy);
  return complete;
}

static void well_formed_values_are_complete(void) {
  static const char *const texts[] = {
      "null",
      "true",
      "false",
      "0",
      "-0",
      "10",
      "-1.5e-3",
      "1E+5",
      "0e0",
      "1e999",
      "0.10",
      "\"\"",
      "\"a\\u00e9\\n\"",
      "\"\\ud800\"",
      "{}",
      "[]",
      " \t\r\n{ \"a\" : [ 1 , 2 , { } , [ ] ] , \"a\" : null } \n",
      "[[[]],{\"\":{\"\":[{}]}}]",
      "{\"location\":\"Paris\",\"unit\":\"c\"}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    check_about(texts[i], strlen(texts[i]));
    CHECK(is_complete(texts[i], strlen(texts[i])));
  }
}

static void others_are_not(void) {
  static const char *const texts[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "01",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1.e1",
                                      "1e",
                                      "1e+",
                                      "-01",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      "1 2",
                                      "\"",
                                      "\"a",
                                      "'a'",
                                      "\"\\x\"",
                                      "\"\t\"",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      "{]",
                                      "[}",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "[1,,2]",
                                      "{,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\":1,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\",1}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "{}{}",
                                      "[]]",
                                      "{} x",
                                      "[[]",
                                      "{\"a\":{}",
                                      "\xEF\xBB\xBF{}",
                                      "\f{}",
                                      "{\"a\"::1}",
                                      "nu ll",
                                      "[1:2]",
                                      "tru e",
                                      "{\"a\":[}",
                                      "{\"a\":1,,\"b\":2}",
                                      "[\"a\":1]"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    check_about(texts[i], strlen(texts[i]));
    CHECK(!is_complete(texts[i], strlen(texts[i])));
  }
  CHECK(!is_complete("{}\0", 3));
  CHECK(!is_complete("\0", 1));
  struct rill_span null = {NULL, 0};
  CHECK(!rill_json_is_complete(null));
}

static void what_was_cut_is_not_complete(void) {
  static const char text[] = "{\"a\":[1,-2.5e+7,\"x\\u00e9\\ud83d\\ude00\\n\","
                             "true,false,null,{\"b\":{},\"c\":[[]]}]}";
  for (size_t len = 0; len < sizeof text - 1; len++) {
    check_about(text, len);
    CHECK(!is_complete(text, len));
  }
  CHECK(is_complete(text, sizeof text - 1));
}

/* depth brackets of a kind, and their ends, if any. */
static bool nested(size_t depth, const char *open, const char *close) {
  struct rill_bytes text;
  rill_bytes_init(&text, SIZE_MAX);
  for (size_t i = 0; i < depth; i++) {
    CHECK_INT(rill_bytes_append(&text, open, strlen(open)), RILL_OK);
  }
  if (*open == '{') {
    CHECK_INT(rill_bytes_append(&text, "1", 1), RILL_OK);
  }
  for (size_t i = 0; i < depth; i++) {
    CHECK_INT(rill_bytes_append(&text, close, strlen(close)), RILL_OK);
  }
  bool complete = rill_json_is_complete(rill_bytes_span(&text));
  rill_bytes_free(&text);
  return complete;
}

static void a_thousand_levels_are_the_most(void) {
  CHECK(nested(1000, "[", "]"));
  CHECK(!nested(1001, "[", "]"));
  CHECK(nested(1000, "{\"a\":", "}"));
  CHECK(!nested(1001, "{\"a\":", "}"));
  CHECK(!nested(100000, "[", "]"));
  CHECK(!nested(999, "[", "]]"));
  CHECK(!nested(500, "[{\"a\":", "]}"));
}

static void brackets_pair_at_every_depth(void) {
  /* random nests of both kinds are complete; with one closing bracket of the
   * other kind they are not */
  for (int i = 0; i < 300; i++) {
    char text[400];
    char closing[50];
    size_t depth = 1 + check_random(40);
    size_t len = 0;
    for (size_t j = 0; j < depth; j++) {
      bool is_object = check_random(2) == 0;
      const char *open = is_object ? "{\"k\":" : "[0,";
      memcpy(text + len, open, strlen(open));
      len += strlen(open);
      closing[depth - 1 - j] = is_object ? '}' : ']';
    }
    text[len++] = '7';
    memcpy(text + len, closing, depth);
    CHECK(is_complete(text, len + depth));
    size_t wrong = len + check_random(depth);
    text[wrong] = text[wrong] == '}' ? ']' : '}';
    CHECK(!is_complete(text, len + depth));
  }
}

static struct rill_span found;

static enum rill_status find(const char *json, const char *first,
                             const char *second) {
  const char *path[2];
  size_t depth = 0;
  if (first != NULL) {
    path[depth++] = first;
  }
  if (second != NULL) {
    path[depth++] = second;
  }
  check_about(json, strlen(json));
  return rill_json_find(rill_span_of(json), path, depth, &found);
}

static void values_are_found_at_their_path(void) {
  static const char json[] =
      " { \"id\" : 7 , \"error\" : {\"message\":\"a \\\"b\\\"\",\"code\":429,"
      "\"type\":\"\",\"param\":null,\"more\":{\"x\":[1, 2]}}, \"last\":true}";
  CHECK_INT(find(json, "error", "code"), RILL_OK);
  CHECK_SPAN(found, "429");
  CHECK_INT(find(json, "error", "message"), RILL_OK);
  CHECK_SPAN(found, "a \\\"b\\\"");
  CHECK_INT(find(json, "error", "type"), RILL_OK);
  CHECK_SPAN(found, "");
  CHECK_INT(find(json, "error", "more"), RILL_OK);
  CHECK_SPAN(found, "{\"x\":[1, 2]}");
  CHECK_INT(find(json, "last", NULL), RILL_OK);
  CHECK_SPAN(found, "true");
  CHECK_INT(find("\"x\"", NULL, NULL), RILL_OK);
  CHECK_SPAN(found, "x");
}

static void what_is_absent_is_not_found(void) {
  static const char json[] = "{\"error\":{\"param\":null,\"codex\":1,\"co\":2},"
                             "\"s\":\"code\",\"a\":[{\"code\":1}]}";
  CHECK_INT(find(json, "error", "code"), RILL_INVALID);
  CHECK_INT(find(json, "error", "param"), RILL_INVALID);
  CHECK_INT(find(json, "code", NULL), RILL_INVALID);
  CHECK_INT(find(json, "s", "code"), RILL_INVALID);
  CHECK_INT(find(json, "a", "code"), RILL_INVALID);
  CHECK_INT(find("[]", "a", NULL), RILL_INVALID);
  CHECK_INT(find("{}", "a", NULL), RILL_INVALID);
  CHECK_INT(find("", "a", NULL), RILL_INVALID);
  CHECK_INT(find("null", NULL, NULL), RILL_INVALID);
  CHECK_INT(find("<html>", "a", NULL), RILL_INVALID);
  struct rill_span null = {NULL, 0};
  const char *path[] = {"a"};
  CHECK_INT(rill_json_find(null, path, 1, &found), RILL_INVALID);
}

static void the_rest_need_not_be_there(void) {
  CHECK_INT(find("{\"error\":{\"code\":\"x\",\"mess", "error", "code"),
            RILL_OK);
  CHECK_SPAN(found, "x");
  CHECK_INT(find("{\"error\":{\"mess", "error", "code"), RILL_INVALID);
  CHECK_INT(find("{\"error\":{\"code\":\"x", "error", "code"), RILL_INVALID);
  CHECK_INT(find("{\"bad\":01,\"code\":1}", "code", NULL), RILL_INVALID);
  CHECK_INT(find("{\"bad\" 1,\"code\":1}", "code", NULL), RILL_INVALID);
}

static void every_cut_of_a_search_is_safe(void) {
  static const char json[] =
      "{\"a\":{\"x\":[1,{\"y\":\"\\u00e9\"}],\"b\":{\"c\":\"deep\"}}}";
  const char *path[] = {"a", "b", "c"};
  for (size_t len = 0; len < sizeof json; len++) {
    char *copy = check_copy(json, len);
    struct rill_span span = {copy, len};
    enum rill_status status = rill_json_find(span, path, 3, &found);
    CHECK_INT(status, len < sizeof json - 4 ? RILL_INVALID : RILL_OK);
    free(copy);
  }
}

static const struct check_test tests[] = {
    {"well-formed values are complete", well_formed_values_are_complete},
    {"others are not", others_are_not},
    {"what was cut is not complete", what_was_cut_is_not_complete},
    {"a thousand levels are the most", a_thousand_levels_are_the_most},
    {"brackets pair at every depth", brackets_pair_at_every_depth},
    {"values are found at their path", values_are_found_at_their_path},
    {"what is absent is not found", what_is_absent_is_not_found},
    {"the rest need not be there", the_rest_need_not_be_there},
    {"every cut of a search is safe", every_cut_of_a_search_is_safe},
    {NULL, NULL}};

const struct check_suite json_walk_suite = {"json walk", tests};
