/* SPDX-License-Identifier: MIT
 *
 * One request through all its attempts, and what has arrived of its answer.
 * Retries and timeouts happen in here.  Whoever created a transfer pulls items
 * from it; the engine drives it.  Includes libc, curl.h, core and net.
 *
 *   rill_transfer_new(&t, profile);
 *   rill_string_set(&t->url, ...);  rill_transfer_start(t, engine);
 *   while (rill_transfer_peek(t, &item)) { ...; rill_transfer_drop(t, &item); }
 *   ... and when t->ending is set and nothing is left, it is over
 */
#ifndef RILL_NET_TRANSFER_H
#define RILL_NET_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "core/headers.h"
#include "core/json_scan.h"
#include "core/queue.h"
#include "core/sse.h"
#include "engine.h"
#include "profile.h"

enum rill_ending {
  RILL_ENDING_NONE,   /* it has not ended */
  RILL_ENDING_DONE,   /* the terminator came */
  RILL_ENDING_EOF,    /* the transport ended cleanly without it */
  RILL_ENDING_CUT,    /* the transport broke inside the answer */
  RILL_ENDING_FAILED, /* see failure */
  RILL_ENDING_CLOSED, /* by rill_transfer_close */
};

/* Why an attempt, or with the last one the transfer, failed. */
struct rill_failure {
  const char *kind; /* static, as docs/architecture.md lists them; null: none */
  const char *phase; /* static: where; for a timeout the name of the clock */
  char message[CURL_ERROR_SIZE];
  int status;             /* of HTTP; 0 when there was no answer */
  int64_t retry_after_us; /* what the server asked for, or -1 */
  bool retryable;
  bool quota;
};

struct rill_attempt {
  int64_t started;
  int64_t ended;       /* 0 while it runs */
  int64_t delay;       /* the wait that followed; 0 if none */
  int status;          /* 0 if there was no answer */
  char reason[96];     /* empty if it did not fail */
  char request_id[80]; /* of a failed one; empty if the server gave none */
};

enum rill_transfer_state {
  RILL_TRANSFER_NEW,     /* waits for rill_transfer_start */
  RILL_TRANSFER_RUNNING, /* waits for the server */
  RILL_TRANSFER_WAITING, /* waits for the next attempt's time */
  RILL_TRANSFER_ENDED,
};

/* What the body of the current answer turned out to be. */
enum rill_body {
  RILL_BODY_UNSEEN,
  RILL_BODY_EVENTS,
  RILL_BODY_TEXT, /* an error page, JSON ...: collected in text */
};

struct rill_transfer {
  struct rill_profile *profile; /* shared */
  char *url;
  char *body; /* null: a GET */
  size_t body_len;
  int64_t id;
  enum rill_transfer_state state;
  enum rill_ending ending;
  struct rill_failure failure;
  struct rill_bytes reply;   /* the texts that were taken or appended */
  struct rill_bytes headers; /* header lines of the last answer */
  struct rill_bytes text;    /* body of an answer that is no event stream */
  struct rill_attempt *attempts;
  unsigned attempt_count;
  bool keep_payloads; /* of plain texts */
  bool held; /* for the binding: the consumer has older items of its own */
  bool unfinished;        /* the stream ended inside an event */
  char finish_reason[24]; /* if a chunk of its own said it; else empty */

  /* counters, and moments of rill_clock_now (0: has not happened) */
  uint64_t bytes, events, texts, pauses, trailing_bytes;
  int64_t created, connected, headers_at, first_byte, first_output, last_output,
      ended;
  bool reused; /* the last attempt used a connection that was open already */

  /* private */
  struct rill_engine *engine; /* null before start and after the engine */
  struct rill_link in_engine;
  struct rill_link in_ready;
  struct rill_timer timer;
  CURL *easy; /* set while libcurl has it; after the end: being drained */
  struct rill_queue queue;
  struct rill_sse sse;
  struct rill_json_scan scan;
  enum rill_body answer;
  int status;
  uint64_t past_comments; /* of earlier attempts; sse counts the rest */
  unsigned retries, redirects, sends;
  int64_t attempt_started, last_byte, last_progress, retry_at, wake_at,
      drain_until;
  bool first_chunk_seen; /* of this attempt */
  bool output_seen;      /* of any attempt: nothing is repeated after it */
  bool finish_seen;
  bool paused;
  bool detached; /* its owner is gone; freed when drained */
  char curl_message[CURL_ERROR_SIZE];
};

/* A transfer whose URL and body are still to be set.  RILL_NO_MEMORY. */
enum rill_status rill_transfer_new(struct rill_transfer **transfer,
                                   struct rill_profile *profile);

/* Hands it to the engine, which must outlive it or be closed first.  Failures
 * of the request itself come later, as the transfer's ending; RILL_NO_MEMORY
 * leaves it as it was. */
enum rill_status rill_transfer_start(struct rill_transfer *transfer,
                                     struct rill_engine *engine);

/* The next item; its spans live until the next call on the transfer or step. */
static inline bool rill_transfer_peek(const struct rill_transfer *transfer,
                                      struct rill_item *item) {
  return rill_queue_peek(&transfer->queue, item);
}

/* Removes the item that was peeked; a paused transfer may go on. */
void rill_transfer_drop(struct rill_transfer *transfer,
                        const struct rill_item *item);

/* Makes the transfer ready once, at that moment; RILL_NEVER takes it back. */
void rill_transfer_wake(struct rill_transfer *transfer, int64_t at);

/* Ends it now and drops its connection, unless it has ended already. */
void rill_transfer_close(struct rill_transfer *transfer);

/* Closes and frees it; what is still being drained is freed later. */
void rill_transfer_free(struct rill_transfer *transfer);

/* For the other files of src/net. */

/* The engine goes away; drop tells whether libcurl may still be called. */
void rill_transfer_orphan(struct rill_transfer *transfer, bool drop);

/* It has news. */
void rill_transfer_mark_ready(struct rill_transfer *transfer);

/* It is over and libcurl is done with it. */
void rill_transfer_finish(struct rill_transfer *transfer,
                          enum rill_ending ending);

/* It is over, but libcurl may still be receiving: the rest is drained. */
void rill_transfer_end(struct rill_transfer *transfer, enum rill_ending ending);

/* Fills in a failure, whose earlier kind wins: the first one is the cause. */
void rill_transfer_note_failure(struct rill_transfer *transfer,
                                const char *kind, const char *phase,
                                bool retryable, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
