/* SPDX-License-Identifier: MIT
 *
 * The monotonic clock of everything in src/net, in microseconds.  Includes
 * libc.
 */
#ifndef RILL_NET_CLOCK_H
#define RILL_NET_CLOCK_H

#include <stdint.h>
#include <time.h>

#define RILL_SECOND_US 1000000

/* A moment that never comes; larger than any other. */
#define RILL_NEVER INT64_MAX

static inline int64_t rill_clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * RILL_SECOND_US + now.tv_nsec / 1000;
}

/* moment + span, where a span of RILL_NEVER or an overflow gives RILL_NEVER. */
static inline int64_t rill_clock_after(int64_t moment, int64_t span) {
  return span > RILL_NEVER - moment ? RILL_NEVER : moment + span;
}

/* The span in whole milliseconds, rounded up so that a wait never ends early;
 * -1 for RILL_NEVER, at most a day. */
static inline int rill_clock_ms(int64_t span) {
  if (span == RILL_NEVER) {
    return -1;
  }
  int64_t ms = span <= 0 ? 0 : (span - 1) / 1000 + 1;
  return ms > 86400000 ? 86400000 : (int)ms;
}

#endif
