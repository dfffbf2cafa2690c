/* SPDX-License-Identifier: MIT
 *
 * The writing half of a WebSocket (RFC 6455), over wslay_frame_send: messages
 * in, bytes of frames out, in the order that is due to them.  It knows nothing
 * of the reading half, which is in ws.h with the life of both.  Includes libc,
 * bytes.h, status.h and ws_deflate.h; owns what waits to be written.
 *
 *   rill_ws_out_send(&out, RILL_WS_TEXT, text);
 *   while (rill_ws_out_next(&out, &bytes) == RILL_OK) {
 *     ... write them ...
 *     rill_ws_out_written(&out, written);
 *   }
 */
#ifndef RILL_CORE_WS_OUT_H
#define RILL_CORE_WS_OUT_H

#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "ws_deflate.h"

enum {
  RILL_WS_CONTROL_MAX = 125, /* bytes of a ping, a pong, a close frame */
  RILL_WS_REASON_MAX = 123,  /* bytes of the reason in a close frame */
  RILL_WS_NO_CODE = 1005,    /* stands for a close frame without a code */
};

enum rill_ws_kind {
  RILL_WS_TEXT,
  RILL_WS_BINARY,
  RILL_WS_PING, /* answered already */
  RILL_WS_PONG,
  RILL_WS_CLOSE, /* answered already, if it was not the answer to ours */
};

struct rill_ws_message {
  enum rill_ws_kind kind;
  struct rill_span data; /* CLOSE: the reason */
  unsigned code;         /* CLOSE: RILL_WS_NO_CODE if there was none */
};

struct rill_ws_out_options {
  size_t max; /* bytes of queued messages */
  /* Fills bytes with what nobody can foresee (masks); false: it cannot. */
  bool (*random)(void *arg, uint8_t *bytes, size_t len);
  void *random_arg;
};

/* The frame that is being put out; private to ws_out.c. */
struct rill_ws_out_frame {
  size_t done; /* bytes of its payload that were put out */
  size_t len;
  unsigned char opcode;
  bool is_begun;
  bool is_deflated;
};

struct rill_ws_out {
  /* read by callers */
  uint64_t messages;   /* written to the last byte */
  size_t queued_bytes; /* of messages not written to their last byte */
  size_t queued_count;
  bool close_sent; /* the close frame was written to its last byte */
  const char
      *problem; /* with RILL_INVALID of rill_ws_out_next: a static text */
  /* set by ws.c */
  void *frames;                    /* wslay's context, borrowed */
  struct rill_ws_deflate *deflate; /* borrowed; null: nothing is compressed */
  /* private */
  struct rill_ws_out_options options;
  enum rill_status failure; /* of rill_ws_out_next */
  struct rill_bytes queue;  /* messages not written to their last byte */
  size_t queue_from;        /* where the first of them lies */
  size_t queue_next;        /* the first whose frame was not put out whole */
  struct rill_bytes framed; /* bytes of frames */
  size_t framed_from;       /* those before it were written */
  struct rill_bytes compressed; /* the message that is being put out */
  struct rill_ws_out_frame frame;
  unsigned char pong[RILL_WS_CONTROL_MAX];
  unsigned char ping[RILL_WS_CONTROL_MAX];
  unsigned char close[RILL_WS_CONTROL_MAX];
  unsigned char sending[RILL_WS_CONTROL_MAX]; /* of frame, if it is control */
  unsigned char pong_len, ping_len, close_len;
  bool has_pong, has_ping, has_close;
  bool close_first;        /* it does not wait for what is queued */
  bool close_put_out;      /* it is the last thing that is */
  unsigned char masks[64]; /* random bytes in stock */
  unsigned char masks_left;
};

/* Allocates nothing yet. */
void rill_ws_out_init(struct rill_ws_out *out,
                      const struct rill_ws_out_options *options);

/* Allowed as well if the struct is zeroed. */
void rill_ws_out_free(struct rill_ws_out *out);

/* Copies a message of TEXT or BINARY to the end of the queue.  RILL_LIMIT: it
 * would be more than max (an empty queue takes any size).  RILL_INVALID: the
 * socket is closing.  RILL_NO_MEMORY; nothing was taken. */
enum rill_status rill_ws_out_send(struct rill_ws_out *out,
                                  enum rill_ws_kind kind,
                                  struct rill_span data);

/* A ping, ahead of messages whose frame has not begun.  One that has not left
 * yet is replaced.  RILL_INVALID: the socket is closing, or data has more than
 * RILL_WS_CONTROL_MAX bytes. */
enum rill_status rill_ws_out_ping(struct rill_ws_out *out,
                                  struct rill_span data);

/* Answers a ping, of at most RILL_WS_CONTROL_MAX bytes, before anything else
 * that has not begun. */
void rill_ws_out_pong(struct rill_ws_out *out, struct rill_span data);

/* Whether a close frame may hold that code (RFC 6455, section 7.4). */
bool rill_ws_is_code(unsigned code);

/* Whether an endpoint may close with that code and reason: a code that may
 * stand on the wire, and at most RILL_WS_REASON_MAX bytes of UTF-8. */
bool rill_ws_may_close(unsigned code, struct rill_span reason);

/* Begins to close: nothing more can be sent.  The close frame goes behind what
 * is queued, or with is_at_once behind the frame that has begun; a second call
 * can change nothing but that.  RILL_INVALID: rill_ws_may_close says no. */
enum rill_status rill_ws_out_close(struct rill_ws_out *out, unsigned code,
                                   struct rill_span reason, bool is_at_once);

/* A close frame without a reason, at once and instead of one that has not
 * begun; code may be RILL_WS_NO_CODE. */
void rill_ws_out_close_with(struct rill_ws_out *out, unsigned code);

/* Answers the peer's close with its code; a close frame of ours that waits is
 * the answer, and waits no longer. */
void rill_ws_out_answer_close(struct rill_ws_out *out, unsigned code);

/* Whether a close frame is queued or sent: no more messages are taken. */
static inline bool rill_ws_out_is_closing(const struct rill_ws_out *out) {
  return out->has_close || out->close_put_out;
}

/* RILL_OK: *bytes are the next to write, at least one; they live until the next
 * call of rill_ws_out_next or free, and may be written in parts.
 * RILL_NEED_DATA: there are none.  RILL_NO_MEMORY, or RILL_INVALID (no
 * randomness, `problem` says so): sticky; nothing more can be written. */
enum rill_status rill_ws_out_next(struct rill_ws_out *out,
                                  struct rill_span *bytes);

/* So many of the bytes that rill_ws_out_next gave are with the system now. */
void rill_ws_out_written(struct rill_ws_out *out, size_t count);

/* Goes through the messages that were not written to their last byte, in order:
 * *at is 0 at first, and each call moves it on.  False: there are no more.  The
 * data lives until the next call but this.  queued_bytes and queued_count of
 * the struct are their totals. */
bool rill_ws_out_unsent(const struct rill_ws_out *out, size_t *at,
                        struct rill_ws_message *message);

/* wslay's callbacks for writing, on the struct: the bytes of a frame, of which
 * as many are taken as there is room for; and its mask, or -1. */
ssize_t rill_ws_out_put_bytes(struct rill_ws_out *out, const uint8_t *data,
                              size_t len);
int rill_ws_out_put_mask(struct rill_ws_out *out, uint8_t *mask, size_t len);

#endif
