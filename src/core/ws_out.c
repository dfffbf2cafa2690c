/* SPDX-License-Identifier: MIT
 *
 * See ws_out.h: a queue of messages, the order of frames, and a buffer of
 * bounded size that they are masked into.
 *
 * A message stays in the queue, as it was given, until its last byte was
 * written: so it can be handed back.  Each is one frame: some servers take
 * fragments badly.
 */
#include "ws_out.h"

#include <wslay/wslay.h>

#include "utf8.h"

enum {
  OUT_MAX = 16384,  /* bytes put out at once */
  HEADER_MAX = 14,  /* of a frame */
  GAP_MIN = 65536,  /* a smaller gap is not worth moving bytes for */
  KEPT_MAX = 65536, /* of a buffer that one large message has blown up */
};

/* Stands before each message in the queue. */
struct record {
  enum rill_ws_kind kind;
  size_t len;
  size_t end; /* in framed, once its last byte is there */
};

void rill_ws_out_init(struct rill_ws_out *out,
                      const struct rill_ws_out_options *options) {
  *out = (struct rill_ws_out){.options = *options};
  rill_bytes_init(&out->queue, SIZE_MAX / 2);
  rill_bytes_init(&out->compressed, SIZE_MAX / 2);
  rill_bytes_init(&out->framed, OUT_MAX);
  /* What is sent may hold a key. */
  out->queue.is_secret = true;
  out->compressed.is_secret = true;
  out->framed.is_secret = true;
}

void rill_ws_out_free(struct rill_ws_out *out) {
  rill_bytes_free(&out->queue);
  rill_bytes_free(&out->compressed);
  rill_bytes_free(&out->framed);
  out->queue_from = 0;
  out->queue_next = 0;
  out->queued_bytes = 0;
  out->queued_count = 0;
  out->framed_from = 0;
}

/* -- the queue -- */

static struct record record_at(const struct rill_ws_out *out, size_t at) {
  struct record record;
  memcpy(&record, out->queue.data + at, sizeof record);
  return record;
}

static struct rill_span data_at(const struct rill_ws_out *out, size_t at) {
  struct rill_span data = {out->queue.data + at + sizeof(struct record),
                           record_at(out, at).len};
  return data;
}

static size_t behind(size_t at, const struct record *record) {
  return at + sizeof *record + record->len;
}

static void close_gap(struct rill_ws_out *out) {
  size_t left = out->queue.len - out->queue_from;
  memmove(out->queue.data, out->queue.data + out->queue_from, left);
  out->queue.len = left;
  out->queue_next -= out->queue_from;
  out->queue_from = 0;
}

enum rill_status rill_ws_out_send(struct rill_ws_out *out,
                                  enum rill_ws_kind kind,
                                  struct rill_span data) {
  struct record record = {.kind = kind, .len = data.len};
  if (rill_ws_out_is_closing(out)) {
    return RILL_INVALID;
  }
  size_t max = out->options.max;
  if (out->queued_count > 0 &&
      (out->queued_bytes > max || data.len > max - out->queued_bytes)) {
    return RILL_LIMIT;
  }
  if (out->queue_from >= GAP_MIN &&
      out->queue_from > out->queue.len - out->queue_from) {
    close_gap(out);
  }
  if (data.len > SIZE_MAX / 2 - sizeof record) {
    return RILL_LIMIT;
  }
  enum rill_status status =
      rill_bytes_reserve(&out->queue, sizeof record + data.len);
  if (status != RILL_OK) {
    return status;
  }
  (void)rill_bytes_append(&out->queue, (const char *)&record, sizeof record);
  (void)rill_bytes_append(&out->queue, data.data, data.len);
  out->queued_bytes += data.len;
  out->queued_count++;
  return RILL_OK;
}

bool rill_ws_out_unsent(const struct rill_ws_out *out, size_t *at,
                        struct rill_ws_message *message) {
  size_t place = out->queue_from + *at;
  if (place == out->queue.len) {
    return false;
  }
  struct record record = record_at(out, place);
  message->kind = record.kind;
  message->data = data_at(out, place);
  message->code = 0;
  *at = behind(place, &record) - out->queue_from;
  return true;
}

/* Drops the messages of which every byte was written: framed is emptied only
 * when all that is in it was. */
static void drop_written(struct rill_ws_out *out) {
  while (out->queue_from < out->queue_next) {
    struct record record = record_at(out, out->queue_from);
    if (record.end > out->framed_from) {
      return;
    }
    out->queue_from = behind(out->queue_from, &record);
    out->queued_bytes -= record.len;
    out->queued_count--;
    out->messages++;
  }
  if (out->queue_from == out->queue.len) {
    rill_bytes_empty(&out->queue, KEPT_MAX);
    out->queue_from = 0;
    out->queue_next = 0;
  }
}

/* -- control frames that wait -- */

static void copy_control(unsigned char *to, unsigned char *len,
                         struct rill_span data) {
  if (data.len > 0) {
    memcpy(to, data.data, data.len);
  }
  *len = (unsigned char)data.len;
}

/* Of pings that pile up the last alone is answered (RFC 6455, section 5.5.3):
 * a flood of them costs no memory. */
void rill_ws_out_pong(struct rill_ws_out *out, struct rill_span data) {
  copy_control(out->pong, &out->pong_len, data);
  out->has_pong = true;
}

enum rill_status rill_ws_out_ping(struct rill_ws_out *out,
                                  struct rill_span data) {
  if (rill_ws_out_is_closing(out) || data.len > RILL_WS_CONTROL_MAX) {
    return RILL_INVALID;
  }
  copy_control(out->ping, &out->ping_len, data);
  out->has_ping = true;
  return RILL_OK;
}

static void set_close(struct rill_ws_out *out, unsigned code,
                      struct rill_span reason) {
  out->close[0] = (unsigned char)(code >> 8);
  out->close[1] = (unsigned char)(code & 255);
  copy_control(out->close + 2, &out->close_len, reason);
  out->close_len = (unsigned char)(out->close_len + 2);
  out->has_close = true;
}

void rill_ws_out_close_with(struct rill_ws_out *out, unsigned code) {
  struct rill_span none = {NULL, 0};
  set_close(out, code, none);
  if (code == RILL_WS_NO_CODE) {
    out->close_len = 0;
  }
  out->close_first = true;
}

void rill_ws_out_answer_close(struct rill_ws_out *out, unsigned code) {
  if (!rill_ws_out_is_closing(out)) {
    rill_ws_out_close_with(out, code);
  }
  out->close_first = true;
}

/* RFC 6455, section 7.4, and IANA's list of 1012 to 1014: what may stand in a
 * close frame. */
bool rill_ws_is_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

bool rill_ws_may_close(unsigned code, struct rill_span reason) {
  return rill_ws_is_code(code) && reason.len <= RILL_WS_REASON_MAX &&
         rill_utf8_is_valid(reason);
}

enum rill_status rill_ws_out_close(struct rill_ws_out *out, unsigned code,
                                   struct rill_span reason, bool is_at_once) {
  if (!rill_ws_may_close(code, reason)) {
    return RILL_INVALID;
  }
  if (!rill_ws_out_is_closing(out)) {
    set_close(out, code, reason);
  }
  out->close_first = out->close_first || is_at_once;
  return RILL_OK;
}

/* -- frames -- */

static void begin_control(struct rill_ws_out *out, unsigned char opcode,
                          const unsigned char *data, unsigned char len) {
  memcpy(out->sending, data, len);
  out->frame = (struct rill_ws_out_frame){
      .opcode = opcode, .len = len, .is_begun = true};
}

static enum rill_status begin_message(struct rill_ws_out *out) {
  struct record record = record_at(out, out->queue_next);
  struct rill_ws_out_frame frame = {.len = record.len, .is_begun = true};
  frame.opcode =
      record.kind == RILL_WS_TEXT ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME;
  if (out->deflate != NULL && record.len > 0) {
    enum rill_status status = rill_ws_compress(
        out->deflate, data_at(out, out->queue_next), &out->compressed);
    if (status != RILL_OK) {
      return status;
    }
    frame.len = out->compressed.len;
    frame.is_deflated = true;
  }
  out->frame = frame;
  return RILL_OK;
}

/* Begins the frame whose turn it is, if there is one.  Nothing follows a close
 * frame (RFC 6455, section 5.5.1). */
static enum rill_status begin_next(struct rill_ws_out *out) {
  if (out->close_put_out) {
    return RILL_OK;
  }
  bool has_message = out->queue_next < out->queue.len;
  if (out->has_pong) {
    begin_control(out, WSLAY_PONG, out->pong, out->pong_len);
    out->has_pong = false;
  } else if (out->has_close && (out->close_first || !has_message)) {
    begin_control(out, WSLAY_CONNECTION_CLOSE, out->close, out->close_len);
    out->close_put_out = true;
  } else if (out->has_ping) {
    begin_control(out, WSLAY_PING, out->ping, out->ping_len);
    out->has_ping = false;
  } else if (has_message) {
    return begin_message(out);
  }
  return RILL_OK;
}

static void end_frame(struct rill_ws_out *out) {
  out->frame.is_begun = false;
  if (wslay_is_ctrl_frame(out->frame.opcode)) {
    return;
  }
  struct record record = record_at(out, out->queue_next);
  record.end = out->framed.len;
  memcpy(out->queue.data + out->queue_next, &record, sizeof record);
  out->queue_next = behind(out->queue_next, &record);
  rill_bytes_empty(&out->compressed, KEPT_MAX);
}

ssize_t rill_ws_out_put_bytes(struct rill_ws_out *out, const uint8_t *data,
                              size_t len) {
  size_t room = out->framed.cap - out->framed.len;
  if (len > room) {
    len = room;
  }
  (void)rill_bytes_append(&out->framed, (const char *)data, len);
  return (ssize_t)len; /* 0: wslay goes on later */
}

/* Random bytes are fetched in stock: each time may be a system call. */
int rill_ws_out_put_mask(struct rill_ws_out *out, uint8_t *mask, size_t len) {
  if (out->masks_left < len) {
    if (!out->options.random(out->options.random_arg, out->masks,
                             sizeof out->masks)) {
      return -1;
    }
    out->masks_left = sizeof out->masks;
  }
  out->masks_left = (unsigned char)(out->masks_left - len);
  memcpy(mask, out->masks + out->masks_left, len);
  return 0;
}

static const uint8_t *payload_of(const struct rill_ws_out *out) {
  if (wslay_is_ctrl_frame(out->frame.opcode)) {
    return out->sending;
  }
  return (const uint8_t *)(out->frame.is_deflated
                               ? out->compressed.data
                               : data_at(out, out->queue_next).data);
}

/* Puts out the frame that has begun, as far as there is room. */
static enum rill_status put_out(struct rill_ws_out *out) {
  struct rill_ws_out_frame *frame = &out->frame;
  size_t left = frame->len - frame->done;
  size_t room = OUT_MAX - out->framed.len;
  size_t wanted = left < room - HEADER_MAX ? left + HEADER_MAX : room;
  enum rill_status status = rill_bytes_reserve(&out->framed, wanted);
  if (status != RILL_OK) {
    return status;
  }
  struct wslay_frame_iocb whole = {.fin = 1,
                                   .rsv = frame->is_deflated ? WSLAY_RSV1_BIT
                                                             : WSLAY_RSV_NONE,
                                   .opcode = frame->opcode,
                                   .payload_length = frame->len,
                                   .mask = 1,
                                   .data = payload_of(out) + frame->done,
                                   .data_length = left};
  ssize_t sent = wslay_frame_send(out->frames, &whole);
  if (sent < 0 && sent != WSLAY_ERR_WANT_WRITE) {
    out->problem = "the system has no random bytes for a mask";
    return RILL_INVALID;
  }
  frame->done += sent > 0 ? (size_t)sent : 0;
  if (frame->done == frame->len) {
    end_frame(out);
  }
  return RILL_OK;
}

static enum rill_status fill(struct rill_ws_out *out) {
  while (out->failure == RILL_OK && OUT_MAX - out->framed.len > HEADER_MAX) {
    if (!out->frame.is_begun) {
      out->failure = begin_next(out);
    }
    if (out->failure == RILL_OK && !out->frame.is_begun) {
      break;
    }
    if (out->failure == RILL_OK) {
      out->failure = put_out(out);
    }
  }
  return out->failure;
}

enum rill_status rill_ws_out_next(struct rill_ws_out *out,
                                  struct rill_span *bytes) {
  if (out->framed_from == out->framed.len) {
    rill_bytes_clear(&out->framed);
    out->framed_from = 0;
    enum rill_status status = fill(out);
    if (out->framed.len == 0) {
      return status == RILL_OK ? RILL_NEED_DATA : status;
    }
  }
  bytes->data = out->framed.data + out->framed_from;
  bytes->len = out->framed.len - out->framed_from;
  return RILL_OK;
}

void rill_ws_out_written(struct rill_ws_out *out, size_t count) {
  out->framed_from += count;
  drop_written(out);
  out->close_sent = out->close_put_out && !out->frame.is_begun &&
                    out->framed_from == out->framed.len;
}
