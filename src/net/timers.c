/* SPDX-License-Identifier: MIT
 *
 * A binary heap ordered by due time; each timer knows its place, so that moving
 * or removing one costs the depth of the heap.  Includes libc, clock.h,
 * timers.h.
 */
#include "timers.h"

#include <stdlib.h>

#include "clock.h"

void rill_timers_init(struct rill_timers *timers) {
  timers->heap = NULL;
  timers->count = 0;
  timers->cap = 0;
}

void rill_timers_free(struct rill_timers *timers) {
  free(timers->heap);
  rill_timers_init(timers);
}

void rill_timer_init(struct rill_timer *timer) {
  timer->due = RILL_NEVER;
  timer->index = 0;
}

enum rill_status rill_timers_reserve(struct rill_timers *timers, size_t count) {
  if (count <= timers->cap) {
    return RILL_OK;
  }
  size_t cap = timers->cap == 0 ? 8 : timers->cap * 2;
  if (cap < count) {
    cap = count;
  }
  struct rill_timer **heap = realloc(timers->heap, cap * sizeof *heap);
  if (heap == NULL) {
    return RILL_NO_MEMORY;
  }
  timers->heap = heap;
  timers->cap = cap;
  return RILL_OK;
}

static void place(struct rill_timers *timers, size_t at,
                  struct rill_timer *timer) {
  timers->heap[at] = timer;
  timer->index = at;
}

static void sift_up(struct rill_timers *timers, size_t at,
                    struct rill_timer *timer) {
  while (at > 0 && timers->heap[(at - 1) / 2]->due > timer->due) {
    place(timers, at, timers->heap[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  place(timers, at, timer);
}

static void sift_down(struct rill_timers *timers, size_t at,
                      struct rill_timer *timer) {
  for (;;) {
    size_t child = 2 * at + 1;
    if (child + 1 < timers->count &&
        timers->heap[child + 1]->due < timers->heap[child]->due) {
      child++;
    }
    if (child >= timers->count || timers->heap[child]->due >= timer->due) {
      break;
    }
    place(timers, at, timers->heap[child]);
    at = child;
  }
  place(timers, at, timer);
}

static void take_out(struct rill_timers *timers, struct rill_timer *timer) {
  struct rill_timer *last = timers->heap[--timers->count];
  timer->due = RILL_NEVER;
  if (last == timer) {
    return;
  }
  size_t at = timer->index;
  if (at > 0 && timers->heap[(at - 1) / 2]->due > last->due) {
    sift_up(timers, at, last);
  } else {
    sift_down(timers, at, last);
  }
}

void rill_timers_set(struct rill_timers *timers, struct rill_timer *timer,
                     int64_t due) {
  if (due == timer->due) {
    return;
  }
  if (timer->due != RILL_NEVER) {
    take_out(timers, timer);
  }
  if (due != RILL_NEVER) {
    timer->due = due;
    sift_up(timers, timers->count++, timer);
  }
}

struct rill_timer *rill_timers_first(const struct rill_timers *timers) {
  return timers->count == 0 ? NULL : timers->heap[0];
}
