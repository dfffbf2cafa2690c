/* SPDX-License-Identifier: MIT
 *
 * Tests of status.c.
 */
#include "check.h"

static void each_status_has_a_name_of_its_own(void) {
  const enum rill_status all[] = {RILL_OK, RILL_NEED_DATA, RILL_NO_MEMORY,
                                  RILL_LIMIT, RILL_INVALID};
  const size_t count = sizeof all / sizeof *all;
  for (size_t i = 0; i < count; i++) {
    struct rill_span name = rill_span_of(rill_status_name(all[i]));
    CHECK(name.len > 0);
    CHECK(!rill_span_is(name, "unknown"));
    for (size_t j = 0; j < i; j++) {
      CHECK(!rill_span_is(name, rill_status_name(all[j])));
    }
    for (size_t j = 0; j < name.len; j++) {
      CHECK(name.data[j] == ' ' ||
            (name.data[j] >= 'a' && name.data[j] <= 'z'));
    }
  }
}

static const struct check_test tests[] = {
    {"each status has a lower-case name of its own",
     each_status_has_a_name_of_its_own},
    {NULL, NULL}};

const struct check_suite status_suite = {"status", tests};
