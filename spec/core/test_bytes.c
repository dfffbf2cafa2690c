/* SPDX-License-Identifier: MIT
 *
 * Tests of bytes.c.
 */
#include "check.h"

static void a_new_buffer_is_empty_and_owns_nothing(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 100);
  CHECK(bytes.data == NULL);
  CHECK_INT(bytes.len, 0);
  CHECK_INT(bytes.cap, 0);
  CHECK_SPAN(rill_bytes_span(&bytes), "");
  rill_bytes_free(&bytes);
}

static void appended_bytes_stand_in_order(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 1000);
  CHECK_INT(rill_bytes_append(&bytes, "ab\0", 3), RILL_OK);
  CHECK_INT(rill_bytes_append(&bytes, NULL, 0), RILL_OK);
  CHECK_INT(rill_bytes_append(&bytes, "cd", 2), RILL_OK);
  CHECK_SPAN(rill_bytes_span(&bytes), "ab\0cd");
  rill_bytes_free(&bytes);
}

static void the_ceiling_can_be_reached_but_not_passed(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 5);
  CHECK_INT(rill_bytes_append(&bytes, "abc", 3), RILL_OK);
  CHECK_INT(rill_bytes_append(&bytes, "def", 3), RILL_LIMIT);
  CHECK_SPAN(rill_bytes_span(&bytes), "abc");
  CHECK_INT(rill_bytes_append(&bytes, "de", 2), RILL_OK);
  CHECK_SPAN(rill_bytes_span(&bytes), "abcde");
  CHECK_INT(rill_bytes_append(&bytes, "f", 1), RILL_LIMIT);
  CHECK_INT(rill_bytes_append(&bytes, "", 0), RILL_OK);
  CHECK(bytes.cap <= 5);
  rill_bytes_free(&bytes);
}

static void a_ceiling_of_zero_takes_nothing(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 0);
  CHECK_INT(rill_bytes_append(&bytes, "a", 1), RILL_LIMIT);
  CHECK_INT(rill_bytes_append(&bytes, "", 0), RILL_OK);
  rill_bytes_free(&bytes);
}

static void absurd_sizes_do_not_wrap_around(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 1000);
  CHECK_INT(rill_bytes_append(&bytes, "abc", 3), RILL_OK);
  CHECK_INT(rill_bytes_reserve(&bytes, SIZE_MAX), RILL_LIMIT);
  CHECK_INT(rill_bytes_reserve(&bytes, SIZE_MAX - 2), RILL_LIMIT);
  CHECK_SPAN(rill_bytes_span(&bytes), "abc");
  rill_bytes_free(&bytes);
}

static void growth_is_by_doubling(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 1 << 20);
  unsigned growths = 0;
  for (int i = 0; i < 1 << 20; i++) {
    size_t cap = bytes.cap;
    CHECK_INT(rill_bytes_append(&bytes, "x", 1), RILL_OK);
    growths += bytes.cap != cap;
  }
  CHECK_INT(bytes.len, 1 << 20);
  CHECK_INT(bytes.cap, 1 << 20);
  CHECK(growths <= 20);
  rill_bytes_free(&bytes);
}

static void clear_keeps_the_memory_and_free_gives_it_back(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 1000);
  CHECK_INT(rill_bytes_append(&bytes, "abc", 3), RILL_OK);
  char *data = bytes.data;
  rill_bytes_clear(&bytes);
  CHECK_INT(bytes.len, 0);
  CHECK_INT(rill_bytes_append(&bytes, "xyz", 3), RILL_OK);
  CHECK(bytes.data == data);
  rill_bytes_free(&bytes);
  CHECK(bytes.data == NULL);
  CHECK_INT(bytes.cap, 0);
  CHECK_INT(rill_bytes_append(&bytes, "new", 3), RILL_OK);
  CHECK_SPAN(rill_bytes_span(&bytes), "new");
  rill_bytes_free(&bytes);
  rill_bytes_free(&bytes);
}

static void a_failed_allocation_leaves_the_contents(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 1000);
  CHECK_INT(rill_bytes_append(&bytes, "abc", 3), RILL_OK);
  if (check_fail_allocations(0)) {
    CHECK_INT(rill_bytes_reserve(&bytes, 900), RILL_NO_MEMORY);
    CHECK_SPAN(rill_bytes_span(&bytes), "abc");
    (void)check_fail_allocations(-1);
    CHECK_INT(rill_bytes_reserve(&bytes, 900), RILL_OK);
    CHECK_SPAN(rill_bytes_span(&bytes), "abc");
  }
  rill_bytes_free(&bytes);
}

static void a_secret_is_kept_while_it_grows(void) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 100000);
  bytes.is_secret = true;
  CHECK_INT(rill_bytes_append(&bytes, "abc", 3), RILL_OK);
  const char *before = bytes.data;
  CHECK_INT(rill_bytes_reserve(&bytes, 90000), RILL_OK);
  CHECK(bytes.data != before);
  CHECK_SPAN(rill_bytes_span(&bytes), "abc");
  if (check_fail_allocations(0)) {
    CHECK_INT(rill_bytes_reserve(&bytes, 99000), RILL_NO_MEMORY);
    CHECK_SPAN(rill_bytes_span(&bytes), "abc");
    (void)check_fail_allocations(-1);
  }
  rill_bytes_free(&bytes);
  CHECK(bytes.data == NULL);
  CHECK(bytes.is_secret);
}

static void a_span_is_its_characters(void) {
  struct rill_span null = {NULL, 0};
  CHECK(rill_span_is(null, ""));
  CHECK(rill_span_is(rill_span_of("data"), "data"));
  CHECK(!rill_span_is(rill_span_of("data"), "dat"));
  CHECK(!rill_span_is(rill_span_of("dat"), "data"));
  CHECK(!rill_span_is(rill_span_of("Data"), "data"));
}

static const struct check_test tests[] = {
    {"a new buffer is empty and owns nothing",
     a_new_buffer_is_empty_and_owns_nothing},
    {"appended bytes stand in order", appended_bytes_stand_in_order},
    {"the ceiling can be reached but not passed",
     the_ceiling_can_be_reached_but_not_passed},
    {"a ceiling of zero takes nothing", a_ceiling_of_zero_takes_nothing},
    {"absurd sizes do not wrap around", absurd_sizes_do_not_wrap_around},
    {"growth is by doubling", growth_is_by_doubling},
    {"clear keeps the memory and free gives it back",
     clear_keeps_the_memory_and_free_gives_it_back},
    {"a failed allocation leaves the contents",
     a_failed_allocation_leaves_the_contents},
    {"a secret is kept while it grows", a_secret_is_kept_while_it_grows},
    {"a span is its characters", a_span_is_its_characters},
    {NULL, NULL}};

const struct check_suite bytes_suite = {"bytes", tests};
