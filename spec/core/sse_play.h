/* SPDX-License-Identifier: MIT
 *
 * Plays a stream to the SSE parser in pieces, as a network would, and writes
 * down what comes out.  Also an interpreter of whole streams that follows the
 * words of the standard one by one, to compare with.  Includes libc and core.
 */
#ifndef RILL_SPEC_SSE_PLAY_H
#define RILL_SPEC_SSE_PLAY_H

#include "../../src/core/sse.h"
#include "check.h"

/* What came out, in the order it did:
 *   {name|data|id}    an event
 *   +{name|data|id}   the event that finish gave
 *   !status           the failure that ended it
 *   c3 r500           comments, if any; the retry time, if any
 * cuts are ascending positions at which a new piece begins. */
void sse_play(struct rill_bytes *out, struct rill_span input,
              const size_t *cuts, size_t cut_count, size_t max_event);

/* The same in pieces of one size. */
void sse_play_even(struct rill_bytes *out, struct rill_span input, size_t piece,
                   size_t max_event);

/* What sse_play should write, without limits, by the letter of the standard. */
void sse_model(struct rill_bytes *out, struct rill_span input);

/* Plays the input whole, byte by byte, cut in two at each place, and at random
 * cuts; all must give the transcript that is wanted. */
#define CHECK_STREAM(input, want)                                              \
  sse_check_stream((input), sizeof(input) - 1, (want), SSE_AMPLE, __LINE__,    \
                   __FILE__)
#define CHECK_STREAM_LIMIT(input, limit, want)                                 \
  sse_check_stream((input), sizeof(input) - 1, (want), (limit), __LINE__,      \
                   __FILE__)

enum { SSE_AMPLE = 1 << 20 };

void sse_check_stream(const char *input, size_t len, const char *want,
                      size_t max_event, int line, const char *file);

#endif
