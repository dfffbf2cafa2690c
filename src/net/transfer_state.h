/* SPDX-License-Identifier: MIT
 *
 * The data of a transfer, and the changes to it that touch nothing else.  The
 * other files of a transfer work on it, each above the one it needs: clocks,
 * receive, attempt, verdict, transfer.  Includes libc, curl.h, core and net.
 */
#ifndef RILL_NET_TRANSFER_STATE_H
#define RILL_NET_TRANSFER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "core/headers.h"
#include "core/json_scan.h"
#include "core/lines.h"
#include "core/queue.h"
#include "core/sse.h"
#include "engine.h"
#include "failure.h"
#include "profile.h"

enum rill_ending {
  RILL_ENDING_NONE,   /* it has not ended */
  RILL_ENDING_DONE,   /* the terminator came */
  RILL_ENDING_EOF,    /* the transport ended cleanly without it */
  RILL_ENDING_CUT,    /* the transport broke inside the answer */
  RILL_ENDING_FAILED, /* see failure */
  RILL_ENDING_CLOSED, /* by rill_transfer_close */
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
  RILL_BODY_TEXT,  /* an error page, JSON ...: collected in text */
  RILL_BODY_WHOLE, /* all that was wanted, collected in text, too */
};

/* Who puts messages into a transfer that has no request of its own, embedded in
 * what it is. */
struct rill_feeder {
  void (*on_room)(struct rill_feeder *feeder); /* after it was full */
  void (*on_end)(struct rill_feeder *feeder);  /* it takes no more */
};

struct rill_transfer {
  struct rill_driven driven;
  struct rill_profile *profile; /* shared */
  bool is_fed; /* no request: others bring what arrives (rill_transfer_feed) */
  int64_t source; /* the id of the socket it comes by, which keeps its idle
                   * clock back; 0: none */
  struct rill_feeder *feeder;         /* null: none, or the consumer itself */
  char said_kind[16], said_phase[16]; /* of a failure that they bring */
  char *url;
  char *body; /* null: a GET */
  size_t body_len;
  enum rill_format format; /* of the stream that is expected ... */
  bool is_whole;           /* ... unless the body is one answer */
  enum rill_transfer_state state;
  enum rill_ending ending;
  struct rill_failure failure;
  struct rill_bytes reply;     /* the texts that were taken or appended */
  struct rill_bytes reasoning; /* likewise */
  struct rill_bytes usage;     /* raw JSON, of a plain chunk; empty for none */
  struct rill_bytes headers;   /* header lines of the last answer */
  struct rill_bytes text;      /* body of an answer that is no event stream */
  struct rill_trail trail;
  bool keep_payloads; /* of plain texts */
  bool held; /* for the binding: the consumer has older items of its own */
  bool unfinished;        /* the stream ended inside an event */
  char finish_reason[40]; /* if a chunk of its own said it; else empty */

  /* counters, and moments of rill_clock_now (0: has not happened) */
  uint64_t bytes, events, texts, reasonings, pauses, trailing_bytes;
  int64_t created, connected, headers_at, first_byte, first_output, last_output,
      ended;
  int64_t second_look; /* of one that is fed: at its clocks; 0: there is none */
  int64_t asked; /* timeout.total counts from here: created, or before it */
  bool reused;   /* the last attempt used a connection that was open already */

  /* private */
  CURL *easy; /* set while libcurl has it; after the end: being drained */
  struct rill_queue queue;
  struct rill_sse sse; /* one of the two frames the stream */
  struct rill_lines lines;
  struct rill_json_scan scan;
  enum rill_body answer;
  int status;
  uint64_t past_comments; /* of earlier attempts; sse counts the rest */
  uint64_t sequence;      /* the highest number of this attempt's events */
  unsigned retries, redirects, sends;
  int64_t attempt_started, last_byte, last_progress, retry_at, drain_until;
  int64_t resume_at; /* when reading goes on; RILL_NEVER: it does, or is paused
                      * until the consumer has taken enough */
  bool first_chunk_seen, first_thought_seen; /* of this attempt */
  bool output_seen; /* of any attempt: nothing is repeated after it */
  bool finish_seen;
  bool sequence_seen; /* of this attempt */
  bool paused;        /* too much is queued */
  bool at_rest;       /* fed, and not asked for yet */
  bool detached;      /* its owner is gone; freed when drained */
  char curl_message[CURL_ERROR_SIZE];
};

/* Nothing received, nothing asked; allocates nothing. */
void rill_transfer_init(struct rill_transfer *transfer);

/* It has news. */
void rill_transfer_mark_ready(struct rill_transfer *transfer);

/* It is over. */
void rill_transfer_finish(struct rill_transfer *transfer,
                          enum rill_ending ending);

/* Fills in a failure, whose earlier kind wins: the first one is the cause. */
void rill_transfer_note_failure(struct rill_transfer *transfer,
                                const char *kind, const char *phase,
                                bool retryable, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The failure of memory that ran out, noted in the given phase. */
void rill_transfer_note_no_memory(struct rill_transfer *transfer,
                                  const char *phase);

/* One more attempt begins now; false without memory. */
bool rill_transfer_add_attempt(struct rill_transfer *transfer);

/* The latest attempt; there must have been one. */
struct rill_attempt *rill_transfer_attempt(struct rill_transfer *transfer);

/* Completes the record of the latest attempt; reason is empty if it did not
 * fail.  Does nothing if the record is complete. */
void rill_transfer_close_attempt(struct rill_transfer *transfer,
                                 const char *reason);

#endif
