/* SPDX-License-Identifier: MIT
 *
 * Server-Sent Events, pulled: bytes in, events out.  Follows the WHATWG HTML
 * standard, section 9.2.6 "Interpreting an event stream", with one addition
 * named below.  Includes libc, bytes.h and status.h; owns its buffers only.
 *
 *   rill_sse_feed(&sse, bytes, len);
 *   while ((status = rill_sse_next(&sse, &event)) == RILL_OK) ...
 *   ... status is now RILL_NEED_DATA, or a sticky failure
 */
#ifndef RILL_CORE_SSE_H
#define RILL_CORE_SSE_H

#include <stdint.h>

#include "bytes.h"

/* One dispatched event.  The spans live until the next call on the parser. */
struct rill_sse_event {
  struct rill_span name; /* the event field; empty for the default type */
  struct rill_span data; /* the data lines joined by LF */
  struct rill_span id;   /* the last event id of the stream so far */
};

/* No retry field gives more than this, so that it can be turned into micro- or
 * nanoseconds without overflow. */
#define RILL_SSE_RETRY_MAX_MS (INT64_MAX / 1000000)

/* Where the data lines of the event being collected lie; private to sse.c. */
enum rill_sse_held {
  RILL_SSE_NOTHING,   /* there was no data line yet */
  RILL_SSE_IN_INPUT,  /* one line, in the borrowed input */
  RILL_SSE_IN_BUFFER, /* in `data`, from data_from on */
};

struct rill_sse {
  /* read by callers */
  uint64_t events;   /* dispatched */
  uint64_t comments; /* lines that began with a colon */
  int64_t retry_ms;  /* the last valid retry field, -1 if there was none */
  /* private: see sse.c */
  struct rill_span input;    /* borrowed, not yet parsed */
  const char *next_cr;       /* the first CR in input, or its end */
  struct rill_span borrowed; /* the data while RILL_SSE_IN_INPUT */
  struct rill_bytes line;    /* an unfinished line kept between feeds */
  struct rill_bytes data;    /* the data while RILL_SSE_IN_BUFFER */
  struct rill_bytes name;
  struct rill_bytes id;      /* id of the event being collected, if has_id */
  struct rill_bytes last_id; /* committed by the last blank line */
  size_t data_from;
  size_t collected; /* bytes of the event so far: data, name, id */
  size_t max_event;
  enum rill_sse_held held;
  enum rill_status failure;
  unsigned char
      bom_matched; /* bytes of the BOM matched so far, 3 when settled */
  bool has_id;
  bool skip_lf;       /* the last line ended with a CR: one LF may follow */
  bool is_dispatched; /* the spans of an event are still out */
};

/* max_event is the ceiling in bytes for one line and for the data of one event
 * together with its name and id.  Never fails; allocates nothing. */
void rill_sse_init(struct rill_sse *sse, size_t max_event);

/* Hands over the next bytes of the stream.  They are borrowed, not copied: they
 * must stay valid until rill_sse_next has returned RILL_NEED_DATA or a failure,
 * and only then may the next feed follow. */
void rill_sse_feed(struct rill_sse *sse, const char *bytes, size_t len);

/* RILL_OK: *event is the next event.  RILL_NEED_DATA: everything fed has been
 * used up, an unfinished rest was copied.  RILL_LIMIT, RILL_NO_MEMORY: sticky
 * until rill_sse_reset; what was fed after the failing point is dropped.
 *
 * An event without a data line is never dispatched.  One whose data lines are
 * empty is, as the standard wants it: its data is empty, or only LFs; whoever
 * expects JSON skips it.  Beyond the standard, a
 * line "error: TEXT" acts as "event: error" with "data: TEXT" (llama.cpp's
 * server sent it during 2025; the standard would ignore it). */
enum rill_status rill_sse_next(struct rill_sse *sse,
                               struct rill_sse_event *event);

/* The stream has ended.  The standard drops an event that no blank line closed;
 * rill lets the caller decide: RILL_OK gives that event once, as though line
 * end and blank line had followed; RILL_NEED_DATA means there was none.
 * Failures as in rill_sse_next.  Afterwards only reset or free may follow. */
enum rill_status rill_sse_finish(struct rill_sse *sse,
                                 struct rill_sse_event *event);

/* Ready for a new stream: the counters begin at zero, the last event id and a
 * failure are forgotten; the memory is kept. */
void rill_sse_reset(struct rill_sse *sse);

void rill_sse_free(struct rill_sse *sse);

#endif
