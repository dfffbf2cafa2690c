/* SPDX-License-Identifier: MIT
 *
 * A heap of timers that live inside the objects they belong to.  Includes libc;
 * owns the array of pointers, never a timer.
 */
#ifndef RILL_NET_TIMERS_H
#define RILL_NET_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

struct rill_timer {
  int64_t due;  /* of rill_clock_now; RILL_NEVER when it is not in the heap */
  size_t index; /* private */
};

struct rill_timers {
  struct rill_timer **heap;
  size_t count;
  size_t cap;
};

void rill_timers_init(struct rill_timers *timers);
void rill_timers_free(struct rill_timers *timers);

/* A timer that is in no heap. */
void rill_timer_init(struct rill_timer *timer);

/* Room for count timers, so that as many of them can be set without failing. */
enum rill_status rill_timers_reserve(struct rill_timers *timers, size_t count);

/* Puts the timer in, moves it, or with RILL_NEVER takes it out.  There must be
 * room for it (rill_timers_reserve). */
void rill_timers_set(struct rill_timers *timers, struct rill_timer *timer,
                     int64_t due);

/* The timer that is due first, or null. */
struct rill_timer *rill_timers_first(const struct rill_timers *timers);

#endif
