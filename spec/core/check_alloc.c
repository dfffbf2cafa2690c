/* SPDX-License-Identifier: MIT
 *
 * Counts the core's allocations and lets them fail, by standing before the C
 * library's realloc and malloc, the allocating functions the core calls.  That
 * works with glibc and without a sanitizer; elsewhere nothing is counted.
 */
#include "check.h"

#include <stdlib.h>

static unsigned long allocations;
static long left = -1; /* until they fail; negative: they do not */

unsigned long check_allocations(void) {
  return allocations;
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||     \
    __has_feature(thread_sanitizer)
#define IS_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED
#endif

#if defined(__GLIBC__) && !defined(IS_SANITIZED)

void *__libc_malloc(size_t size);
void *__libc_realloc(void *old, size_t size);

static bool may_go_on(void) {
  allocations++;
  if (left == 0) {
    return false;
  }
  if (left > 0) {
    left--;
  }
  return true;
}

void *malloc(size_t size) {
  return may_go_on() ? __libc_malloc(size) : NULL;
}

void *realloc(void *old, size_t size) {
  return may_go_on() ? __libc_realloc(old, size) : NULL;
}

#endif

bool check_fail_allocations(long after) {
  /* A tool that replaces the allocator takes this call away from us. */
  unsigned long before = allocations;
  left = -1;
  struct rill_bytes probe;
  rill_bytes_init(&probe, 1);
  enum rill_status status = rill_bytes_reserve(&probe, 1);
  rill_bytes_free(&probe);
  left = after;
  return status == RILL_OK && allocations > before;
}
