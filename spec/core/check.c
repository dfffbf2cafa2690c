/* SPDX-License-Identifier: MIT
 *
 * Runs the suites, prints each check that failed, and a last line with the
 * numbers of tests that passed and failed.  RILL_SEED repeats a run's random
 * cuts.  Includes libc.
 */
#include "check.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct check_suite *const suites[] = {&status_suite,
                                                   &bytes_suite,
                                                   &sse_suite,
                                                   &sse_cuts_suite,
                                                   &json_text_suite,
                                                   &json_walk_suite,
                                                   &json_scan_suite,
                                                   &json_scan_formats_suite,
                                                   &json_scan_shape_suite,
                                                   &retry_suite,
                                                   &headers_suite,
                                                   &error_body_suite,
                                                   &base64_suite,
                                                   &lines_suite,
                                                   &utf8_suite,
                                                   &ws_suite,
                                                   &ws_out_suite,
                                                   &ws_close_suite,
                                                   &ws_deflate_suite,
                                                   &sha1_suite,
                                                   &handshake_suite,
                                                   &json_scan_live_suite};

static unsigned long failures;
static const char *about;
static size_t about_len;
static uint64_t random_state;

static void print_bytes(const char *label, const char *data, size_t len) {
  const size_t shown = len < 400 ? len : 400;
  printf("    %s", label);
  for (size_t i = 0; i < shown; i++) {
    unsigned char c = (unsigned char)data[i];
    if (c == '\n') {
      printf("\\n");
    } else if (isprint(c) && c != '\\') {
      putchar(c);
    } else {
      printf("\\x%02X", c);
    }
  }
  printf("%s\n", shown < len ? " ..." : "");
}

static void report(const char *what, const char *file, int line) {
  failures++;
  printf("%s:%d: %s\n", file, line, what);
  if (about != NULL) {
    print_bytes("about ", about, about_len);
  }
}

bool check_true(bool condition, const char *what, const char *file, int line) {
  if (!condition) {
    report(what, file, line);
  }
  return condition;
}

bool check_int(int64_t got, int64_t want, const char *what, const char *file,
               int line) {
  if (got != want) {
    report(what, file, line);
    printf("    got %" PRId64 ", want %" PRId64 "\n", got, want);
  }
  return got == want;
}

bool check_span(struct rill_span got, const char *want, size_t len,
                const char *what, const char *file, int line) {
  bool same = got.len == len && (len == 0 || memcmp(got.data, want, len) == 0);
  if (!same) {
    report(what, file, line);
    print_bytes("got  ", got.data, got.len);
    print_bytes("want ", want, len);
  }
  return same;
}

void check_about(const char *text, size_t len) {
  about = text;
  about_len = len;
}

/* splitmix64: any seed will do, zero too */
size_t check_random(size_t bound) {
  random_state += UINT64_C(0x9E3779B97F4A7C15);
  uint64_t z = random_state;
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return (size_t)((z ^ (z >> 31)) % bound);
}

char *check_copy(const char *data, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  if (copy == NULL) {
    abort();
  }
  if (len > 0) {
    memcpy(copy, data, len);
  }
  return copy;
}

int main(void) {
  const char *given = getenv("RILL_SEED");
  uint64_t seed =
      given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
  unsigned passed = 0;
  unsigned failed = 0;
  printf("RILL_SEED=%" PRIu64 "\n", seed);
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    for (const struct check_test *test = suites[i]->tests; test->name != NULL;
         test++) {
      unsigned long before = failures;
      random_state = seed;
      check_about(NULL, 0);
      test->run();
      (void)check_fail_allocations(-1);
      if (failures == before) {
        passed++;
      } else {
        failed++;
        printf("FAILED %s: %s\n", suites[i]->name, test->name);
      }
    }
  }
  printf("%u passed, %u failed\n", passed, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
