/* SPDX-License-Identifier: MIT
 *
 * WebSocket for the bench's server: RFC 6455 as far as clients need it that
 * make no mistakes and fragment nothing.  Includes libc and the core's SHA-1
 * and base64; owns nothing.
 */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

enum {
  FRAMES_TEXT = 1,
  FRAMES_CLOSE = 8,
  FRAMES_PING = 9,
  FRAMES_PONG = 10,
};

/* No head is longer. */
#define FRAMES_HEAD_MAX 10

struct frame {
  int opcode;
  char *payload;
  size_t len;
};

/* Whether the head of a request asks for an upgrade; then the answer is written
 * to out, with a zero at its end. */
bool frames_accept(const char *request, char out[256]);

/* Writes the head of a frame and gives its length. */
size_t frames_head(int opcode, size_t len, char *out);

/* Reads the frame that the bytes begin with and unmasks it where it stands.
 * Gives its length, 0 if it is not there yet. */
size_t frames_read(char *bytes, size_t len, struct frame *frame);

#endif
