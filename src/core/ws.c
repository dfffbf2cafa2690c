/* SPDX-License-Identifier: MIT
 *
 * See ws.h: reading, over wslay_frame_recv: frames in parts become
 * messages.  wslay takes headers apart and refuses control frames that are
 * fragmented or too long and lengths in too many bytes or beyond 2^63; every
 * other rule of RFC 6455, section 5, is here.  Includes libc, wslay and the
 * core; owns the message that is being joined.
 */
#include "ws.h"

#include <wslay/wslay.h>

enum {
  CODE_PROTOCOL = 1002,
  CODE_NOT_UTF8 = 1007,
  CODE_TOO_BIG = 1009,
  CODE_INTERNAL = 1011,
};

enum {
  KEPT_MAX = 65536, /* of a buffer that one large message has blown up */
};

static ssize_t get_bytes(uint8_t *to, size_t len, int flags, void *arg) {
  struct rill_ws *ws = arg;
  (void)flags;
  if (len > ws->input.len) {
    len = ws->input.len;
  }
  if (len > 0) {
    memcpy(to, ws->input.data, len);
    ws->input.data += len;
    ws->input.len -= len;
  }
  return (ssize_t)len; /* 0: wslay wants more later */
}

static ssize_t put_bytes(const uint8_t *data, size_t len, int flags,
                         void *arg) {
  struct rill_ws *ws = arg;
  (void)flags;
  return rill_ws_out_put_bytes(&ws->out, data, len);
}

static int put_mask(uint8_t *mask, size_t len, void *arg) {
  struct rill_ws *ws = arg;
  return rill_ws_out_put_mask(&ws->out, mask, len);
}

enum rill_status rill_ws_init(struct rill_ws *ws, size_t message_max,
                              const struct rill_ws_out_options *options) {
  static const struct wslay_frame_callbacks callbacks = {put_bytes, get_bytes,
                                                         put_mask};
  wslay_frame_context_ptr frames;
  memset(ws, 0, sizeof *ws);
  rill_bytes_init(&ws->joined, message_max);
  rill_ws_out_init(&ws->out, options);
  if (wslay_frame_context_init(&frames, &callbacks, ws) != 0) {
    return RILL_NO_MEMORY;
  }
  ws->frames = ws->out.frames = frames;
  return RILL_OK;
}

enum rill_status rill_ws_agree(struct rill_ws *ws,
                               const struct rill_ws_deflate_terms *terms) {
  enum rill_status status = rill_ws_deflate_new(&ws->deflate, terms);
  ws->out.deflate = ws->deflate;
  return status;
}

void rill_ws_free(struct rill_ws *ws) {
  wslay_frame_context_free(ws->frames);
  rill_ws_deflate_free(ws->deflate);
  rill_bytes_free(&ws->joined);
  rill_ws_out_free(&ws->out);
  ws->frames = ws->out.frames = NULL;
  ws->deflate = ws->out.deflate = NULL;
}

void rill_ws_feed(struct rill_ws *ws, const char *bytes, size_t len) {
  ws->input.data = bytes;
  ws->input.len = len;
}

static enum rill_status fail(struct rill_ws *ws, enum rill_status failure,
                             unsigned code, const char *problem) {
  ws->failure = failure;
  ws->close_code = code;
  ws->problem = problem;
  rill_ws_out_close_with(&ws->out, code);
  return failure;
}

static enum rill_status break_rule(struct rill_ws *ws, const char *problem) {
  return fail(ws, RILL_INVALID, CODE_PROTOCOL, problem);
}

static enum rill_status refuse_size(struct rill_ws *ws) {
  return fail(ws, RILL_LIMIT, CODE_TOO_BIG, "a message beyond the limit");
}

static enum rill_status out_of_memory(struct rill_ws *ws) {
  return fail(ws, RILL_NO_MEMORY, CODE_INTERNAL, "no memory for a message");
}

/* -- the beginning of a frame -- */

static enum rill_status begin_message(struct rill_ws *ws, uint8_t opcode,
                                      bool is_inflated) {
  if (ws->in_message) {
    return break_rule(ws, "a message within a fragmented message");
  }
  ws->in_message = true;
  ws->is_inflated = is_inflated;
  ws->kind = opcode == WSLAY_TEXT_FRAME ? RILL_WS_TEXT : RILL_WS_BINARY;
  return RILL_OK;
}

static enum rill_status begin_frame(struct rill_ws *ws,
                                    const struct wslay_frame_iocb *part) {
  bool is_start =
      part->opcode == WSLAY_TEXT_FRAME || part->opcode == WSLAY_BINARY_FRAME;
  bool is_inflated = part->rsv == WSLAY_RSV1_BIT && is_start && ws->deflate;
  enum rill_status status = RILL_OK;
  if (part->rsv != WSLAY_RSV_NONE && !is_inflated) {
    return break_rule(ws, "a reserved bit is set");
  }
  if (part->mask != 0) {
    return break_rule(ws, "a masked frame from a server");
  }
  if ((part->opcode & 7) > 2) {
    return break_rule(ws, "a reserved opcode");
  }
  if (part->opcode == WSLAY_CONTINUATION_FRAME && !ws->in_message) {
    return break_rule(ws, "a continuation of no message");
  }
  ws->in_frame = true;
  ws->frame_left = part->payload_length;
  ws->control_len = 0;
  if (is_start) {
    status = begin_message(ws, part->opcode, is_inflated);
  }
  if (status == RILL_OK && !wslay_is_ctrl_frame(part->opcode) &&
      !ws->is_inflated &&
      part->payload_length > ws->joined.max - ws->joined.len) {
    return refuse_size(ws);
  }
  return status;
}

/* -- control frames -- */

static enum rill_status take_close(struct rill_ws *ws, struct rill_span payload,
                                   struct rill_ws_message *message) {
  message->kind = RILL_WS_CLOSE;
  message->code = RILL_WS_NO_CODE;
  message->data = payload;
  if (payload.len == 1) {
    return break_rule(ws, "half a close code");
  }
  if (payload.len > 1) {
    const unsigned char *code = (const unsigned char *)payload.data;
    message->code = (unsigned)code[0] << 8 | code[1];
    message->data.data += 2;
    message->data.len -= 2;
    if (!rill_ws_is_code(message->code)) {
      return break_rule(ws, "a close code that must not be sent");
    }
    if (!rill_utf8_is_valid(message->data)) {
      return fail(ws, RILL_INVALID, CODE_NOT_UTF8,
                  "the reason of a close frame is not UTF-8");
    }
  }
  ws->close_received = true;
  rill_ws_out_answer_close(&ws->out, message->code);
  return RILL_OK;
}

static enum rill_status take_control(struct rill_ws *ws, uint8_t opcode,
                                     struct rill_span piece,
                                     struct rill_ws_message *message) {
  if (ws->in_frame || ws->control_len > 0) {
    memcpy(ws->control + ws->control_len, piece.data, piece.len);
    ws->control_len += piece.len;
    piece.data = (const char *)ws->control;
    piece.len = ws->control_len;
  }
  if (ws->in_frame) {
    return RILL_NEED_DATA;
  }
  if (opcode == WSLAY_CONNECTION_CLOSE) {
    return take_close(ws, piece, message);
  }
  message->kind = opcode == WSLAY_PING ? RILL_WS_PING : RILL_WS_PONG;
  message->data = piece;
  message->code = 0;
  if (opcode == WSLAY_PING) {
    ws->pings++;
    rill_ws_out_pong(&ws->out, piece);
  }
  return RILL_OK;
}

/* -- messages -- */

static enum rill_status not_utf8(struct rill_ws *ws) {
  return fail(ws, RILL_INVALID, CODE_NOT_UTF8, "a text that is not UTF-8");
}

static enum rill_status check_text(struct rill_ws *ws, struct rill_span piece) {
  if (ws->kind == RILL_WS_TEXT && !rill_utf8_feed(&ws->utf8, piece)) {
    return not_utf8(ws);
  }
  return RILL_OK;
}

/* What came out before something went wrong is checked all the same: how the
 * bytes were cut must not decide which failure it is. */
static enum rill_status take_compressed(struct rill_ws *ws,
                                        struct rill_span piece, bool is_last) {
  size_t before = ws->joined.len;
  enum rill_status inflated = rill_ws_inflate(ws->deflate, piece, &ws->joined);
  if (inflated == RILL_OK && is_last) {
    inflated = rill_ws_inflate_end(ws->deflate, &ws->joined);
  }
  struct rill_span fresh = {NULL, ws->joined.len - before};
  if (fresh.len > 0) {
    fresh.data = ws->joined.data + before;
  }
  enum rill_status status = check_text(ws, fresh);
  if (status != RILL_OK || inflated == RILL_OK) {
    return status;
  }
  if (inflated == RILL_LIMIT) {
    return refuse_size(ws);
  }
  return inflated == RILL_INVALID
             ? fail(ws, RILL_INVALID, CODE_NOT_UTF8,
                    "a message that was compressed wrongly")
             : out_of_memory(ws);
}

static enum rill_status take_data(struct rill_ws *ws, struct rill_span piece,
                                  bool is_last,
                                  struct rill_ws_message *message) {
  enum rill_status status;
  bool is_whole = false;
  if (ws->is_inflated) {
    status = take_compressed(ws, piece, is_last);
  } else {
    status = check_text(ws, piece);
    is_whole = is_last && ws->joined.len == 0;
    if (status == RILL_OK && !is_whole &&
        rill_bytes_append(&ws->joined, piece.data, piece.len) != RILL_OK) {
      status = out_of_memory(ws);
    }
  }
  if (status != RILL_OK) {
    return status;
  }
  if (!is_last) {
    return RILL_NEED_DATA;
  }
  if (ws->kind == RILL_WS_TEXT && !rill_utf8_is_whole(&ws->utf8)) {
    return not_utf8(ws);
  }
  ws->in_message = false;
  ws->messages++;
  message->kind = ws->kind;
  message->data = is_whole ? piece : rill_bytes_span(&ws->joined);
  message->code = 0;
  return RILL_OK;
}

static enum rill_status take_part(struct rill_ws *ws,
                                  const struct wslay_frame_iocb *part,
                                  struct rill_ws_message *message) {
  struct rill_span piece = {(const char *)part->data, part->data_length};
  if (!ws->in_frame) {
    enum rill_status status = begin_frame(ws, part);
    if (status != RILL_OK) {
      return status;
    }
  }
  ws->frame_left -= piece.len;
  ws->in_frame = ws->frame_left > 0;
  if (wslay_is_ctrl_frame(part->opcode)) {
    return take_control(ws, part->opcode, piece, message);
  }
  return take_data(ws, piece, part->fin != 0 && !ws->in_frame, message);
}

enum rill_status rill_ws_next(struct rill_ws *ws,
                              struct rill_ws_message *message) {
  struct wslay_frame_iocb part;
  enum rill_status status = RILL_NEED_DATA;
  if (!ws->in_message && ws->joined.len > 0) {
    rill_bytes_empty(&ws->joined, KEPT_MAX);
  }
  if (ws->failure != RILL_OK) {
    return ws->failure;
  }
  while (status == RILL_NEED_DATA && !ws->close_received) {
    ssize_t got = wslay_frame_recv(ws->frames, &part);
    if (got == WSLAY_ERR_WANT_READ) {
      break;
    }
    status = got < 0 ? break_rule(ws, "a control frame that is fragmented or "
                                      "too long, or a length that is wrong")
                     : take_part(ws, &part, message);
  }
  return status;
}
