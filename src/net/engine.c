/* SPDX-License-Identifier: MIT
 *
 * libcurl's callbacks only record what it wants watched and when it wants to be
 * called; step does the work and then drains what has finished.  Includes libc,
 * curl.h and net.
 */
#include "engine.h"

#include <stdlib.h>
#include <unistd.h>

#include "bell.h"
#include "clock.h"
#include "poller.h"
#include "process.h"

/* Descriptors handled per wait; the rest comes with the next one. */
#define EVENTS_AT_ONCE 64
/* Idle easy handles kept for the next requests. */
#define POOL_MAX 16

/* ---- libcurl's wishes ---- */

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *arg,
                    void *socket_arg) {
  struct rill_engine *engine = arg;
  (void)easy;
  (void)socket_arg;
  int wanted = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) {
    wanted |= RILL_POLL_READ;
  }
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) {
    wanted |= RILL_POLL_WRITE;
  }
  if (rill_poller_watch(engine->poller, fd, wanted) != RILL_OK) {
    engine->is_broken = true;
    return -1;
  }
  return 0;
}

static int on_curl_timer(CURLM *multi, long ms, void *arg) {
  struct rill_engine *engine = arg;
  (void)multi;
  engine->curl_due =
      ms < 0 ? RILL_NEVER : rill_clock_now() + (int64_t)ms * 1000;
  return 0;
}

/* ---- descriptors of others ---- */

static bool make_watchers(struct rill_engine *engine, int fd) {
  if (fd < engine->watcher_count) {
    return true;
  }
  int count = fd + 64;
  struct rill_driven **watchers =
      realloc(engine->watchers, (size_t)count * sizeof(struct rill_driven *));
  if (watchers == NULL) {
    return false;
  }
  for (int i = engine->watcher_count; i < count; i++) {
    watchers[i] = NULL;
  }
  engine->watchers = watchers;
  engine->watcher_count = count;
  return true;
}

enum rill_status rill_engine_watch(struct rill_driven *driven, int fd,
                                   int what) {
  struct rill_engine *engine = driven->engine;
  if (!make_watchers(engine, fd) ||
      rill_poller_watch(engine->poller, fd, what) != RILL_OK) {
    return RILL_NO_MEMORY;
  }
  engine->watchers[fd] = what != 0 ? driven : NULL;
  return RILL_OK;
}

/* ---- life ---- */

static bool open_multi(struct rill_engine *engine) {
  CURLM *multi = curl_multi_init();
  if (multi == NULL) {
    return false;
  }
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_watch);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, engine);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, engine);
#if LIBCURL_VERSION_NUM >= 0x081400
  curl_multi_setopt(multi, CURLMOPT_QUICK_EXIT, 1L);
#endif
  engine->multi = multi;
  return true;
}

static void empty_pool(struct rill_engine *engine) {
  while (engine->pool_count > 0) {
    curl_easy_cleanup(engine->pool[--engine->pool_count]);
  }
}

static void free_engine(struct rill_engine *engine) {
  while (!rill_link_is_alone(&engine->ready)) {
    rill_link_remove(engine->ready.next);
  }
  rill_poller_close(engine->poller);
  rill_timers_free(&engine->timers);
  free(engine->pool);
  free(engine->watchers);
  rill_sockets_free(&engine->sockets);
  free(engine);
}

enum rill_status rill_engine_open(struct rill_engine **out) {
  bool is_possible = rill_process_begin();
  struct rill_engine *engine = calloc(1, sizeof *engine);
  if (engine == NULL) {
    return RILL_NO_MEMORY;
  }
  rill_timers_init(&engine->timers);
  rill_link_init(&engine->driven);
  rill_link_init(&engine->ready);
  engine->curl_due = RILL_NEVER;
  engine->deadline = RILL_NEVER;
  engine->next_id = 1;
  engine->generation = rill_process_generation();
  engine->random = (uint64_t)rill_clock_now() ^ (uint64_t)(uintptr_t)engine ^
                   ((uint64_t)getpid() << 32);
  engine->pool = calloc(POOL_MAX, sizeof *engine->pool);
  if (engine->pool == NULL || !is_possible ||
      rill_poller_open(&engine->poller) != RILL_OK) {
    goto fail;
  }
  engine->share = curl_share_init();
  if (engine->share == NULL || !open_multi(engine)) {
    goto fail;
  }
  curl_share_setopt(engine->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  *out = engine;
  return RILL_OK;

fail:
  curl_multi_cleanup(engine->multi);
  curl_share_cleanup(engine->share);
  free_engine(engine);
  return RILL_NO_MEMORY;
}

void rill_driven_init(struct rill_driven *driven,
                      const struct rill_driven_calls *calls) {
  driven->calls = calls;
  driven->engine = NULL;
  driven->id = 0;
  driven->heard_at = 0;
  rill_timer_init(&driven->timer);
  rill_link_init(&driven->in_engine);
  rill_link_init(&driven->in_ready);
}

enum rill_status rill_engine_take_in(struct rill_engine *engine,
                                     struct rill_driven *driven) {
  if (rill_timers_reserve(&engine->timers, engine->driven_count + 1) !=
      RILL_OK) {
    return RILL_NO_MEMORY;
  }
  driven->engine = engine;
  driven->id = engine->next_id++;
  engine->driven_count++;
  engine->running_count++;
  rill_link_append(&engine->driven, &driven->in_engine);
  return RILL_OK;
}

void rill_engine_let_go(struct rill_driven *driven) {
  rill_timers_set(&driven->engine->timers, &driven->timer, RILL_NEVER);
  rill_link_remove(&driven->in_engine);
  driven->engine->driven_count--;
  driven->engine = NULL;
}

void rill_engine_mark_ready(struct rill_driven *driven) {
  if (driven->engine != NULL && rill_link_is_alone(&driven->in_ready)) {
    rill_link_append(&driven->engine->ready, &driven->in_ready);
  }
}

void rill_engine_forget_ready(struct rill_driven *driven) {
  rill_link_remove(&driven->in_ready);
}

static void orphan_all(struct rill_engine *engine, bool drop) {
  while (!rill_link_is_alone(&engine->driven)) {
    struct rill_driven *driven =
        RILL_OWNER(engine->driven.next, struct rill_driven, in_engine);
    driven->calls->on_orphan(driven, drop);
  }
}

void rill_engine_close(struct rill_engine *engine) {
  if (engine == NULL) {
    return;
  }
  rill_bell_close(engine->bell); /* it polls the poller's descriptor */
  engine->bell = NULL;
  if (!rill_engine_is_ours(engine)) {
    rill_engine_abandon(engine);
    free_engine(engine);
    return;
  }
  orphan_all(engine, true);
  empty_pool(engine);
  curl_multi_cleanup(engine->multi);
  curl_share_cleanup(engine->share);
  free_engine(engine);
}

struct rill_driven *rill_engine_find(struct rill_engine *engine, int64_t id) {
  struct rill_link *link = engine->driven.next;
  for (; link != &engine->driven; link = link->next) {
    struct rill_driven *driven =
        RILL_OWNER(link, struct rill_driven, in_engine);
    if (driven->id == id) {
      return driven;
    }
  }
  return NULL;
}

void rill_engine_drop(struct rill_engine *engine, int64_t id) {
  struct rill_driven *driven = rill_engine_find(engine, id);
  if (driven != NULL) {
    driven->calls->on_orphan(driven, rill_engine_is_ours(engine));
  }
}

bool rill_engine_is_ours(const struct rill_engine *engine) {
  return engine->generation == rill_process_generation();
}

void rill_engine_abandon(struct rill_engine *engine) {
  orphan_all(engine, false);
  rill_sockets_abandon(&engine->sockets);
  engine->pool_count = 0;
}

CURL *rill_engine_acquire(struct rill_engine *engine) {
  CURL *easy;
  if (engine->multi == NULL && !open_multi(engine)) {
    return NULL;
  }
  if (engine->pool_count > 0) {
    easy = engine->pool[--engine->pool_count];
  } else {
    easy = curl_easy_init();
    if (easy == NULL) {
      return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_SHARE, engine->share); /* survives a reset */
  }
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, rill_sockets_on_open);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, &engine->sockets);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, rill_sockets_on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &engine->sockets);
  return easy;
}

void rill_engine_release(struct rill_engine *engine, CURL *easy) {
  curl_easy_reset(easy); /* also lets go of headers, keys and callbacks */
  /* A handle that was removed at certain moments (no connection yet, in the
   * middle of HTTP/2) still has its buffer and then refuses to be told of a
   * size: it would fail every later request. */
  bool usable = curl_easy_setopt(easy, CURLOPT_BUFFERSIZE,
                                 (long)CURL_MAX_WRITE_SIZE) == CURLE_OK;
  if (engine->pool_count == POOL_MAX || !usable) {
    curl_easy_cleanup(easy);
    return;
  }
  engine->pool[engine->pool_count++] = easy;
}

/* ---- time ---- */

static int64_t next_due(const struct rill_engine *engine) {
  const struct rill_timer *first = rill_timers_first(&engine->timers);
  int64_t due = first != NULL ? first->due : RILL_NEVER;
  return engine->curl_due < due ? engine->curl_due : due;
}

void rill_engine_set_timer(struct rill_driven *driven, int64_t due) {
  struct rill_engine *engine = driven->engine;
  rill_timers_set(&engine->timers, &driven->timer, due);
  rill_poller_alarm(engine->poller, next_due(engine));
}

int64_t rill_engine_timeout(const struct rill_engine *engine) {
  int64_t due = next_due(engine);
  if (!rill_engine_is_ours(engine) || due == RILL_NEVER) {
    return RILL_NEVER;
  }
  int64_t left = due - rill_clock_now();
  return left > 0 ? left : 0;
}

int rill_engine_fd(struct rill_engine *engine) {
  rill_poller_alarm(engine->poller, next_due(engine));
  return rill_poller_fd(engine->poller);
}

/* xorshift64*: waits need to differ between clients, no more. */
double rill_engine_random(struct rill_engine *engine) {
  uint64_t x = engine->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  engine->random = x;
  return (double)((x * UINT64_C(2685821657736338717)) >> 11) /
         9007199254740992.0;
}

/* ---- progress ---- */

static void drain_messages(struct rill_engine *engine) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
    if (message->msg == CURLMSG_DONE) {
      struct rill_driven *driven = NULL;
      CURLcode code = message->data.result;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &driven);
      driven->calls->on_done(driven, code);
    }
  }
}

/* What failed inside libcurl left its books in disorder: a handle may never
 * be woken again, and 7.88 divides by zero when it meets the socket's number
 * once more.  Whatever it was working on fails, and the multi handle goes. */
static void start_over(struct rill_engine *engine) {
  struct rill_link *link = engine->driven.next;
  while (link != &engine->driven) {
    struct rill_driven *driven =
        RILL_OWNER(link, struct rill_driven, in_engine);
    link = link->next;
    driven->calls->on_breakdown(driven);
  }
  empty_pool(engine);
  curl_multi_cleanup(engine->multi);
  engine->multi = NULL; /* until the next request */
  engine->curl_due = RILL_NEVER;
  engine->is_broken = false;
}

static void drain(struct rill_engine *engine) {
  drain_messages(engine);
  if (engine->is_broken) {
    start_over(engine);
  }
  rill_poller_alarm(engine->poller, next_due(engine));
}

static void act(struct rill_engine *engine, curl_socket_t fd, int what) {
  int running;
  if (engine->multi != NULL && !engine->is_broken &&
      curl_multi_socket_action(engine->multi, fd, what, &running) != CURLM_OK) {
    engine->is_broken = true;
  }
}

static void run_curl_timeout(struct rill_engine *engine) {
  engine->curl_due = RILL_NEVER;
  act(engine, CURL_SOCKET_TIMEOUT, 0);
}

void rill_engine_kick(struct rill_engine *engine) {
  run_curl_timeout(engine);
  drain(engine);
}

void rill_engine_hurry(struct rill_engine *engine) {
  engine->curl_due = 0;
}

static bool is_over(const struct rill_engine *engine) {
  return engine->deadline != RILL_NEVER && rill_clock_now() >= engine->deadline;
}

bool rill_engine_is_late(struct rill_engine *engine) {
  if (engine->has_read && is_over(engine)) {
    return true;
  }
  engine->has_read = true;
  return false;
}

/* However late it is, one timer rings. */
static void run_due(struct rill_engine *engine) {
  int64_t now = rill_clock_now();
  if (engine->curl_due <= now) {
    run_curl_timeout(engine);
  }
  struct rill_timer *timer = rill_timers_first(&engine->timers);
  if (timer != NULL && timer->due <= now) {
    /* What libcurl has finished is in time, however long nobody stepped. */
    drain_messages(engine);
  }
  while ((timer = rill_timers_first(&engine->timers)) != NULL &&
         timer->due <= now) {
    struct rill_driven *driven = RILL_OWNER(timer, struct rill_driven, timer);
    rill_timers_set(&engine->timers, timer, RILL_NEVER);
    driven->calls->on_timer(driven, now);
    if (engine->curl_due == 0) {
      run_curl_timeout(engine);
    }
    if (is_over(engine)) {
      break;
    }
  }
}

static void act_on(struct rill_engine *engine,
                   const struct rill_poll_event *event) {
  struct rill_driven *watcher =
      event->fd < engine->watcher_count ? engine->watchers[event->fd] : NULL;
  if (watcher != NULL) {
    watcher->calls->on_socket(watcher, event->what);
    return;
  }
  int what = 0;
  what |= event->what & RILL_POLL_READ ? CURL_CSELECT_IN : 0;
  what |= event->what & RILL_POLL_WRITE ? CURL_CSELECT_OUT : 0;
  what |= event->what & RILL_POLL_ERROR ? CURL_CSELECT_ERR : 0;
  act(engine, event->fd, what);
}

/* How long a step may wait. */
static int64_t patience(const struct rill_engine *engine, int64_t timeout_us) {
  int64_t due = rill_engine_timeout(engine);
  if (!rill_link_is_alone(&engine->ready) ||
      (engine->running_count == 0 && timeout_us == RILL_NEVER)) {
    timeout_us = 0;
  }
  return due < timeout_us ? due : timeout_us;
}

void rill_engine_step(struct rill_engine *engine, int64_t timeout_us) {
  struct rill_poll_event events[EVENTS_AT_ONCE];
  if (!rill_engine_is_ours(engine)) {
    rill_engine_abandon(engine);
    return;
  }
  int count = rill_poller_wait(engine->poller, events, EVENTS_AT_ONCE,
                               patience(engine, timeout_us));
  for (int i = 0; i < count; i++) {
    act_on(engine, &events[i]);
  }
  run_due(engine);
  drain(engine);
}

void rill_engine_step_within(struct rill_engine *engine, int64_t timeout_us,
                             int64_t budget_us) {
  if (!rill_engine_is_ours(engine)) {
    rill_engine_abandon(engine);
    return;
  }
  struct rill_poll_event event;
  /* Asked for one at a time, the poller goes round. */
  int count =
      rill_poller_wait(engine->poller, &event, 1, patience(engine, timeout_us));
  engine->deadline = rill_clock_after(rill_clock_now(), budget_us);
  engine->has_read = false;
  for (int acts = 1; count > 0; acts++) {
    act_on(engine, &event);
    if (acts == EVENTS_AT_ONCE || is_over(engine)) {
      break;
    }
    count = rill_poller_wait(engine->poller, &event, 1, 0);
  }
  run_due(engine);
  engine->deadline = RILL_NEVER;
  drain(engine);
}

struct rill_driven *rill_engine_take_ready(struct rill_engine *engine) {
  if (rill_link_is_alone(&engine->ready)) {
    return NULL;
  }
  struct rill_link *link = engine->ready.next;
  rill_link_remove(link);
  return RILL_OWNER(link, struct rill_driven, in_ready);
}

bool rill_engine_take_only(struct rill_engine *engine, int64_t id) {
  struct rill_link *link = engine->ready.next;
  if (link == &engine->ready || link->next != &engine->ready ||
      RILL_OWNER(link, struct rill_driven, in_ready)->id != id) {
    return false;
  }
  rill_link_remove(link);
  return true;
}
