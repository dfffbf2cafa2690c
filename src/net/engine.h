/* SPDX-License-Identifier: MIT
 *
 * Drives all transfers of one Lua state: owns libcurl's multi handle, the
 * poller, the timers and the pool of easy handles.  One thread uses one engine;
 * nothing is shared between engines.  Includes libc, curl.h and net.
 */
#ifndef RILL_NET_ENGINE_H
#define RILL_NET_ENGINE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "list.h"
#include "sockets.h"
#include "timers.h"

struct rill_bell;
struct rill_engine;
struct rill_poller;
struct rill_driven;

/* What the engine tells the things it drives. */
struct rill_driven_calls {
  /* libcurl is finished with the easy handle. */
  void (*on_done)(struct rill_driven *driven, CURLcode code);
  /* The timer has rung; it is out of the heap. */
  void (*on_timer)(struct rill_driven *driven, int64_t now);
  /* libcurl has failed inside: whatever it was working on is lost. */
  void (*on_breakdown)(struct rill_driven *driven);
  /* The engine goes away: let go of it.  drop tells whether libcurl may still
   * be called. */
  void (*on_orphan)(struct rill_driven *driven, bool drop);
  /* Its descriptor is ready, for RILL_POLL_READ, WRITE or ERROR.  Null in what
   * never calls rill_engine_watch. */
  void (*on_socket)(struct rill_driven *driven, int what);
};

/* Something that an engine drives, embedded in what it is. */
struct rill_driven {
  const struct rill_driven_calls *calls;
  struct rill_engine
      *engine;      /* null before it was taken in and after it left */
  int64_t id;       /* unique in the engine's Lua state */
  int64_t heard_at; /* its peer was last heard, or began to be listened to; 0:
                     * never, or it does not say */
  struct rill_timer timer;
  /* private */
  struct rill_link in_engine;
  struct rill_link in_ready;
};

struct rill_engine {
  CURLM *multi;  /* null after a breakdown, until the next request */
  CURLSH *share; /* TLS sessions, so that a second connection resumes */
  struct rill_poller *poller;
  struct rill_bell *bell; /* null unless a host asked for it */
  struct rill_timers timers;
  int64_t curl_due;              /* when libcurl wants its timeout action */
  int64_t deadline;              /* of a step with a budget, else RILL_NEVER */
  bool has_read;                 /* something, in that step */
  struct rill_driven **watchers; /* by descriptor: whose it is, or null */
  int watcher_count;
  struct rill_link driven; /* all that may still use the engine */
  struct rill_link ready;  /* those with news, oldest first */
  size_t driven_count;
  size_t running_count; /* those that have not ended */
  int64_t next_id;
  CURL **pool; /* idle easy handles */
  size_t pool_count;
  struct rill_sockets sockets; /* libcurl's, for a fork's child */
  unsigned generation;         /* of the process, when the engine was opened */
  uint64_t random;
  bool is_broken; /* libcurl failed inside the multi handle */
};

/* RILL_NO_MEMORY when libcurl, memory or descriptors fail. */
enum rill_status rill_engine_open(struct rill_engine **engine);

/* Drops every transfer and frees the engine.  Transfers that others still hold
 * stay readable and have ended as closed. */
void rill_engine_close(struct rill_engine *engine);

/* Lets everything progress, waiting at most timeout_us for something to happen
 * (0: not at all; RILL_NEVER: no limit).  Does not wait when a transfer is
 * ready already, or when nothing is open. */
void rill_engine_step(struct rill_engine *engine, int64_t timeout_us);

/* The same, but once it has waited it takes one socket after the other until
 * budget_us are over; those that had no turn have it first the next time. */
void rill_engine_step_within(struct rill_engine *engine, int64_t timeout_us,
                             int64_t budget_us);

/* The one that has had news for longest, or null; it counts as looked at.
 */
struct rill_driven *rill_engine_take_ready(struct rill_engine *engine);

/* Whether nothing but that one has news; it counts as looked at then. */
bool rill_engine_take_only(struct rill_engine *engine, int64_t id);

/* Microseconds until step is wanted even if no descriptor becomes ready;
 * RILL_NEVER for no need. */
int64_t rill_engine_timeout(const struct rill_engine *engine);

/* See rill_poller_fd. */
int rill_engine_fd(struct rill_engine *engine);

/* Whether this process is the one that opened the engine.  After a fork the
 * child must not use the parent's: its sockets are the parent's too. */
bool rill_engine_is_ours(const struct rill_engine *engine);

/* In a fork's child: closes the child's copies of the engine's descriptors and
 * forgets everything else without a word to any server.  Its transfers have
 * ended as closed. */
void rill_engine_abandon(struct rill_engine *engine);

/* The one that has this id, or null. */
struct rill_driven *rill_engine_find(struct rill_engine *engine, int64_t id);

/* Closes the one that has this id, if there is one, as if its consumer had. */
void rill_engine_drop(struct rill_engine *engine, int64_t id);

/* For what is driven. */

/* Not in an engine yet. */
void rill_driven_init(struct rill_driven *driven,
                      const struct rill_driven_calls *calls);

/* The engine takes it in, as running.  RILL_NO_MEMORY leaves it out. */
enum rill_status rill_engine_take_in(struct rill_engine *engine,
                                     struct rill_driven *driven);

/* It leaves its engine. */
void rill_engine_let_go(struct rill_driven *driven);

/* It has news; or, whatever it had is of no interest any more. */
void rill_engine_mark_ready(struct rill_driven *driven);
void rill_engine_forget_ready(struct rill_driven *driven);

/* From now on on_socket hears when the descriptor is ready for `what`; 0:
 * never. libcurl must not be using it.  RILL_NO_MEMORY changes nothing. */
enum rill_status rill_engine_watch(struct rill_driven *driven, int fd,
                                   int what);

/* An easy handle without options, from the pool or new; null without memory. */
CURL *rill_engine_acquire(struct rill_engine *engine);
void rill_engine_release(struct rill_engine *engine, CURL *easy);

/* Sets the timer, RILL_NEVER for off, and sees to it that the descriptor wakes
 * up for it. */
void rill_engine_set_timer(struct rill_driven *driven, int64_t due);

/* Runs libcurl's pending actions now. */
void rill_engine_kick(struct rill_engine *engine);

/* The same for on_timer: as soon as it has returned. */
void rill_engine_hurry(struct rill_engine *engine);

/* Whether what arrives now shall be left to the next step; if not, it counts as
 * read. */
bool rill_engine_is_late(struct rill_engine *engine);

/* In [0, 1). */
double rill_engine_random(struct rill_engine *engine);

#endif
