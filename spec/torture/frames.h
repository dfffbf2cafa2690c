/* SPDX-License-Identifier: MIT
 *
 * The WebSocket of the torture server: accepts an upgrade, then answers frames.
 * Allocates nothing.  Includes wire.h and the core's SHA-1 and base64.
 */
#ifndef RILL_SPEC_TORTURE_FRAMES_H
#define RILL_SPEC_TORTURE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

/* What a long answer consists of, and how often. */
#define FRAMES_FILLING                                                         \
  "sixty-four bytes of text that a reader leaves to wait in a queue"
enum { FRAMES_OF_LONG = 120 };

/* Writes the answer to a request for an upgrade; false: it is none, or the
 * connection broke. */
bool frames_accept(struct wire *wire, const char *request);

/* Answers the frames of a client: echoes messages, but `long` by 120 texts and
 * `bye` by a close frame, and passes `aside` on to the other WebSocket, if
 * there is one; answers pings and close frames.  Returns how many bytes were
 * used up, all whole frames; or -1: the connection is to be closed. */
long frames_answer(struct wire *wire, struct wire *other, unsigned char *bytes,
                   size_t len);

#endif
