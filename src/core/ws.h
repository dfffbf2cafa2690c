/* SPDX-License-Identifier: MIT
 *
 * The client's side of one WebSocket (RFC 6455) behind the handshake, pulled:
 * bytes in, messages out; what is written is in ws_out.h, as its `out`.  No
 * system call, no clock: time limits are the caller's.  Includes libc,
 * ws_out.h and utf8.h; owns its buffers and wslay's context.
 *
 *   rill_ws_feed(&ws, bytes, len);
 *   while ((status = rill_ws_next(&ws, &message)) == RILL_OK) ...
 *   ... status is now RILL_NEED_DATA, or a sticky failure
 *
 * Output may be there after each call of next: pings and the peer's close are
 * answered, and a failure of reading queues the close frame that says so.
 */
#ifndef RILL_CORE_WS_H
#define RILL_CORE_WS_H

#include "utf8.h"
#include "ws_out.h"

struct rill_ws {
  struct rill_ws_out out;
  /* read by callers */
  uint64_t messages; /* of text or binary, given */
  uint64_t pings;    /* received */
  bool close_received;
  unsigned close_code; /* after a failure of rill_ws_next: what the close frame
                          says: 1002, 1007, 1009 or 1011 */
  const char *problem; /* likewise, a static text: what was wrong */
  /* private */
  void *frames; /* wslay's context */
  enum rill_status failure;
  struct rill_span input;   /* borrowed, not yet read */
  uint64_t frame_left;      /* bytes of the frame that did not come yet */
  bool in_frame;            /* a frame has begun and not ended */
  bool in_message;          /* the same of a message of text or binary */
  bool is_inflated;         /* the message is compressed */
  enum rill_ws_kind kind;   /* of the message */
  struct rill_utf8 utf8;    /* of the message, if it is text; whole between */
  struct rill_bytes joined; /* its pieces so far */
  unsigned char control[RILL_WS_CONTROL_MAX]; /* a control frame's payload */
  size_t control_len;
  struct rill_ws_deflate *deflate;
};

/* message_max bounds the bytes of one received message, inflated.  RILL_OK or
 * RILL_NO_MEMORY.  The struct must stay where it is.  Whatever it gives, and if
 * the struct is zeroed, rill_ws_free may follow. */
enum rill_status rill_ws_init(struct rill_ws *ws, size_t message_max,
                              const struct rill_ws_out_options *options);

void rill_ws_free(struct rill_ws *ws);

/* Compresses and inflates messages by these terms (permessage-deflate), before
 * anything was fed or put out; messages may be queued.  RILL_OK; RILL_NO_MEMORY
 * leaves all as it was. */
enum rill_status rill_ws_agree(struct rill_ws *ws,
                               const struct rill_ws_deflate_terms *terms);

/* Hands over the next bytes.  They are borrowed: they must stay valid until
 * rill_ws_next has returned RILL_NEED_DATA, a failure or CLOSE, and only then
 * may the next feed follow. */
void rill_ws_feed(struct rill_ws *ws, const char *bytes, size_t len);

/* RILL_OK: *message is the next one; its data lives until the next call of
 * rill_ws_next, feed or free, whatever is sent meanwhile.
 * RILL_NEED_DATA: everything fed has been used up, or a close frame was given.
 * RILL_INVALID, RILL_LIMIT, RILL_NO_MEMORY: sticky; close_code and problem are
 * set, and a close frame with that code is the next in the output. */
enum rill_status rill_ws_next(struct rill_ws *ws,
                              struct rill_ws_message *message);

#endif
