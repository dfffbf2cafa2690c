/* SPDX-License-Identifier: MIT
 *
 * Plays a server's bytes to a WebSocket in pieces and writes down what it gives
 * and what it answers; and reads frames of a client.  Includes libc and core.
 */
#ifndef RILL_SPEC_WS_PLAY_H
#define RILL_SPEC_WS_PLAY_H

#include "../../src/core/ws.h"
#include "every_cut.h"

struct ws_setup {
  size_t message_max;
  struct rill_ws_out_options out;
  struct rill_ws_deflate_terms deflate;
};

/* A socket with masks that are easy to foresee, without compression. */
struct ws_setup ws_setup(size_t message_max);

/* RILL_OK or RILL_NO_MEMORY; rill_ws_free may follow. */
enum rill_status ws_open(struct rill_ws *ws, const struct ws_setup *setup);

/* Feeds a copy of each piece and writes down, in the order in which it comes:
 *   T(text) B(data) P(ping) O(pong) C1000(reason)   what was given
 *   >81(data)   a frame that was answered: its first byte, its payload
 *   !invalid1002   the failure that ended it */
cut_player ws_play; /* setup: struct ws_setup */

/* Takes all output in pieces of at most `piece` bytes, checks that each frame
 * is masked and its length minimal, and writes the frames down. */
void ws_drain(struct rill_ws *ws, struct rill_bytes *out, size_t piece);

/* Writes down the frames in bytes of a client; returns how many bytes of an
 * unfinished one are left. */
size_t ws_read_frames(struct rill_span bytes, struct rill_bytes *out);

/* Opens a socket that queues so many bytes. */
void ws_open_for(struct rill_ws *ws, size_t send_max);

enum rill_status ws_send_text(struct rill_ws *ws, const char *text);

/* Checks what is written from now on. */
#define WRITES(ws, want) ws_check_writes((ws), (want), __FILE__, __LINE__)
void ws_check_writes(struct rill_ws *ws, const char *want, const char *file,
                     int line);

/* Writes so many bytes and no more. */
void ws_write_some(struct rill_ws *ws, size_t count);

size_t ws_count_unsent(const struct rill_ws *ws);

extern const struct rill_span ws_nothing;

/* Appends a frame as a server sends it. */
void ws_put_frame(struct rill_bytes *out, unsigned char first,
                  struct rill_span payload);

#define CHECK_FRAMES(input, want)                                              \
  ws_check_frames((input), sizeof(input) - 1, AMPLE, (want), __FILE__, __LINE__)
#define CHECK_FRAMES_LIMIT(input, limit, want)                                 \
  ws_check_frames((input), sizeof(input) - 1, (limit), (want), __FILE__,       \
                  __LINE__)

enum { AMPLE = 1 << 24 };

void ws_check_frames(const char *input, size_t len, size_t limit,
                     const char *want, const char *file, int line);

#endif
