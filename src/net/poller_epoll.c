/* SPDX-License-Identifier: MIT
 *
 * The poller over epoll, with a timerfd as the alarm.  Linux only.  The epoll
 * set knows which descriptors it holds, but asks to be told whether one is new,
 * so a small table by descriptor remembers.  Includes libc and poller.h.
 */
#include "poller.h"

#ifndef RILL_POLLER_POLL

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"

#define EVENTS_AT_ONCE 64

struct rill_poller {
  int epoll_fd;
  int timer_fd;         /* -1 until rill_poller_fd was called */
  int64_t alarm_at;     /* what the alarm was last asked for */
  int64_t armed_at;     /* what the timerfd is set to */
  unsigned char *known; /* by descriptor: whether the set holds it */
  int known_count;
};

enum rill_status rill_poller_open(struct rill_poller **out) {
  struct rill_poller *poller = calloc(1, sizeof *poller);
  if (poller == NULL) {
    return RILL_NO_MEMORY;
  }
  poller->timer_fd = -1;
  poller->alarm_at = RILL_NEVER;
  poller->armed_at = RILL_NEVER;
  poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (poller->epoll_fd < 0) {
    free(poller);
    return RILL_NO_MEMORY;
  }
  *out = poller;
  return RILL_OK;
}

void rill_poller_close(struct rill_poller *poller) {
  if (poller == NULL) {
    return;
  }
  close(poller->epoll_fd);
  if (poller->timer_fd >= 0) {
    close(poller->timer_fd);
  }
  free(poller->known);
  free(poller);
}

static enum rill_status make_known(struct rill_poller *poller, int fd) {
  if (fd < poller->known_count) {
    return RILL_OK;
  }
  int count = fd + 64;
  unsigned char *known = realloc(poller->known, (size_t)count);
  if (known == NULL) {
    return RILL_NO_MEMORY;
  }
  memset(known + poller->known_count, 0, (size_t)(count - poller->known_count));
  poller->known = known;
  poller->known_count = count;
  return RILL_OK;
}

enum rill_status rill_poller_watch(struct rill_poller *poller, int fd,
                                   int what) {
  struct epoll_event event = {.data.fd = fd};
  if (what == 0) {
    if (fd < poller->known_count && poller->known[fd]) {
      epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, &event);
      poller->known[fd] = 0;
    }
    return RILL_OK;
  }
  if (make_known(poller, fd) != RILL_OK) {
    return RILL_NO_MEMORY;
  }
  if (what & RILL_POLL_READ) {
    event.events |= EPOLLIN;
  }
  if (what & RILL_POLL_WRITE) {
    event.events |= EPOLLOUT;
  }
  int op = poller->known[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  int failed = epoll_ctl(poller->epoll_fd, op, fd, &event);
  /* A descriptor that was closed and opened again behind our back left the set
   * on its own. */
  if (failed != 0 && op == EPOLL_CTL_MOD && errno == ENOENT) {
    failed = epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event);
  }
  poller->known[fd] = failed == 0;
  return failed == 0 ? RILL_OK : RILL_NO_MEMORY;
}

int rill_poller_wait(struct rill_poller *poller, struct rill_poll_event *events,
                     int cap, int64_t timeout_us) {
  struct epoll_event found[EVENTS_AT_ONCE];
  int count = 0;
  int n = epoll_wait(poller->epoll_fd, found,
                     cap < EVENTS_AT_ONCE ? cap : EVENTS_AT_ONCE,
                     rill_clock_ms(timeout_us));
  for (int i = 0; i < n; i++) {
    int fd = found[i].data.fd;
    if (fd == poller->timer_fd) {
      uint64_t rings;
      ssize_t got = read(fd, &rings, sizeof rings);
      (void)got;
      poller->armed_at = RILL_NEVER;
      continue;
    }
    int what = 0;
    if (found[i].events & (EPOLLIN | EPOLLHUP)) {
      what |= RILL_POLL_READ;
    }
    if (found[i].events & EPOLLOUT) {
      what |= RILL_POLL_WRITE;
    }
    if (found[i].events & EPOLLERR) {
      what |= RILL_POLL_ERROR;
    }
    events[count].fd = fd;
    events[count].what = what;
    count++;
  }
  return count;
}

/* Sets the timerfd only when it would ring too late: one that rings early costs
 * a spurious wake-up, one that is moved at every byte costs a system call. */
static void arm(struct rill_poller *poller) {
  if (poller->timer_fd < 0 || poller->alarm_at >= poller->armed_at) {
    return;
  }
  /* A timerfd set to 0 is disarmed, so the earliest moment is 1 ns. */
  int64_t at = poller->alarm_at > 0 ? poller->alarm_at : 0;
  struct itimerspec when = {
      .it_value = {.tv_sec = at / RILL_SECOND_US,
                   .tv_nsec = at % RILL_SECOND_US * 1000 + 1}};
  timerfd_settime(poller->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
  poller->armed_at = poller->alarm_at;
}

int rill_poller_fd(struct rill_poller *poller) {
  if (poller->timer_fd < 0) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0) {
      return -1;
    }
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
      close(fd);
      return -1;
    }
    poller->timer_fd = fd;
    arm(poller);
  }
  return poller->epoll_fd;
}

void rill_poller_alarm(struct rill_poller *poller, int64_t at) {
  poller->alarm_at = at;
  arm(poller);
}

#endif
