/* SPDX-License-Identifier: MIT
 *
 * The harness of the core's C tests: suites of functions, checks that say where
 * they failed, random numbers from a seed that is printed, blocks of exact
 * size, and a count of allocations.  Includes libc and the core's bytes.h.
 */
#ifndef RILL_SPEC_CHECK_H
#define RILL_SPEC_CHECK_H

#include <stdint.h>

#include "../../src/core/bytes.h"

struct check_test {
  const char *name; /* a sentence */
  void (*run)(void);
};

struct check_suite {
  const char *name;
  const struct check_test *tests; /* ends with a null name */
};

extern const struct check_suite status_suite;
extern const struct check_suite bytes_suite;
extern const struct check_suite sse_suite;
extern const struct check_suite sse_cuts_suite;
extern const struct check_suite json_text_suite;
extern const struct check_suite json_walk_suite;
extern const struct check_suite json_scan_suite;
extern const struct check_suite json_scan_formats_suite;
extern const struct check_suite json_scan_shape_suite;
extern const struct check_suite retry_suite;
extern const struct check_suite headers_suite;
extern const struct check_suite error_body_suite;
extern const struct check_suite base64_suite;
extern const struct check_suite lines_suite;
extern const struct check_suite utf8_suite;
extern const struct check_suite ws_suite;
extern const struct check_suite ws_out_suite;
extern const struct check_suite ws_close_suite;
extern const struct check_suite ws_deflate_suite;
extern const struct check_suite sha1_suite;
extern const struct check_suite handshake_suite;
extern const struct check_suite json_scan_live_suite;

#define CHECK(condition) check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(got, want)                                                   \
  check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
/* got is a span, want a string literal, which may hold NULs */
#define CHECK_SPAN(got, want)                                                  \
  check_span((got), (want), sizeof(want) - 1, #got, __FILE__, __LINE__)

/* All three return whether the check held, and count it if not. */
bool check_true(bool condition, const char *what, const char *file, int line);
bool check_int(int64_t got, int64_t want, const char *what, const char *file,
               int line);
bool check_span(struct rill_span got, const char *want, size_t len,
                const char *what, const char *file, int line);

/* Says which input or case the checks that follow belong to; printed when one
 * of them fails.  The text must outlive them; null for none. */
void check_about(const char *text, size_t len);

/* A number in [0, bound), from the seed RILL_SEED or one of the day. */
size_t check_random(size_t bound);

/* A copy in a heap block of exactly that size, so that a sanitizer sees a read
 * of one byte too many.  Freed by the caller. */
char *check_copy(const char *data, size_t len);

/* Allocations made so far by the core, and by wslay for it. */
unsigned long check_allocations(void);

/* From now on the core's allocations fail after so many; a negative number ends
 * it.  Returns false where the harness cannot stand before the C library's
 * realloc (under a sanitizer, say): the test then returns. */
bool check_fail_allocations(long after);

#endif
