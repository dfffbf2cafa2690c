/* SPDX-License-Identifier: MIT
 *
 * A reply of the bench's server and the bytes of it that wait to be sent: as
 * the body of an answer, in HTTP chunks or in WebSocket frames.  Includes
 * chunks.h and formats.h.
 */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chunks.h"
#include "formats.h"

/* Where a reply is; it goes through the states in this order. */
enum awaited { NOTHING, ROLE, DELTA, FINISH, END };

/* In frames an event has neither its "data: " nor its blank line. */
enum framing { PLAIN, CHUNKS, FRAMES };

struct reply {
  enum awaited next;
  enum framing framing;
  bool is_stamped; /* each text tells when it was written */
  struct chunks chunks;
  const struct format *format; /* NULL: the chunks */
  uint64_t sent;               /* deltas */
  uint64_t total;              /* deltas */
  char *out;                   /* grown on demand */
  size_t out_from;
  size_t out_len;
  size_t out_cap;
};

/* Begins one of so many deltas; framing, format and is_stamped are set. */
void reply_begin(struct reply *reply, uint64_t seed, uint64_t total);

/* Appends what comes next. */
void reply_produce(struct reply *reply);

/* How many bytes it has in all when it is PLAIN. */
uint64_t reply_bytes(const struct reply *reply);

/* Appends bytes of any kind; room for so many, of which out_len counts none. */
void reply_put(struct reply *reply, const char *bytes, size_t len);
char *reply_room(struct reply *reply, size_t extra);

/* Gives back the memory of a long one. */
void reply_end(struct reply *reply);

#endif
