/* SPDX-License-Identifier: MIT
 *
 * See ws_play.h.
 */
#include "ws_play.h"

#include <stdio.h>
#include <stdlib.h>

static bool fill_mask(void *arg, uint8_t *bytes, size_t len) {
  (void)arg;
  for (size_t i = 0; i < len; i++) {
    bytes[i] = (uint8_t)(0x11 + i * 7);
  }
  return true;
}

struct ws_setup ws_setup(size_t message_max) {
  struct ws_setup setup = {.message_max = message_max,
                           .out = {.max = AMPLE, .random = fill_mask}};
  return setup;
}

enum rill_status ws_open(struct rill_ws *ws, const struct ws_setup *setup) {
  enum rill_status status = rill_ws_init(ws, setup->message_max, &setup->out);
  if (status == RILL_OK && setup->deflate.is_on) {
    status = rill_ws_agree(ws, &setup->deflate);
  }
  return status;
}

/* Where the payload of a client's frame begins, and its length; 0: the header
 * is not whole. */
static size_t read_header(struct rill_span bytes, size_t *len) {
  const unsigned char *at = (const unsigned char *)bytes.data;
  size_t size = 2;
  if (bytes.len < size) {
    return 0;
  }
  CHECK((at[1] & 0x80) != 0);
  *len = at[1] & 0x7F;
  size_t more = *len == 126 ? 2 : *len == 127 ? 8 : 0;
  size_t least = *len == 126 ? 126 : *len == 127 ? 65536 : 0;
  if (bytes.len < size + more + 4) {
    return 0;
  }
  if (more > 0) {
    *len = 0;
    for (size_t i = 0; i < more; i++) {
      *len = *len << 8 | at[size + i];
    }
  }
  CHECK(*len >= least);
  return size + more + 4;
}

size_t ws_read_frames(struct rill_span bytes, struct rill_bytes *out) {
  size_t len = 0;
  size_t from;
  while ((from = read_header(bytes, &len)) > 0 && bytes.len - from >= len) {
    char first[8];
    snprintf(first, sizeof first, ">%02x(", (unsigned char)*bytes.data);
    put_text(out, first);
    const char *mask = bytes.data + from - 4;
    for (size_t i = 0; i < len; i++) {
      char c = (char)(bytes.data[from + i] ^ mask[i % 4]);
      struct rill_span one = {&c, 1};
      put_span(out, one);
    }
    put_text(out, ")");
    bytes.data += from + len;
    bytes.len -= from + len;
  }
  return bytes.len;
}

void ws_drain(struct rill_ws *ws, struct rill_bytes *out, size_t piece) {
  struct rill_bytes all;
  struct rill_span bytes;
  enum rill_status status;
  rill_bytes_init(&all, SIZE_MAX);
  while ((status = rill_ws_out_next(&ws->out, &bytes)) == RILL_OK) {
    CHECK(bytes.len > 0);
    bytes.len = bytes.len < piece ? bytes.len : piece;
    put_span(&all, bytes);
    rill_ws_out_written(&ws->out, bytes.len);
  }
  CHECK_INT(status, RILL_NEED_DATA);
  CHECK_INT(ws_read_frames(rill_bytes_span(&all), out), 0);
  rill_bytes_free(&all);
}

static void put_message(struct rill_bytes *out,
                        const struct rill_ws_message *message) {
  static const char *const names[] = {"T", "B", "P", "O", "C"};
  put_text(out, names[message->kind]);
  if (message->kind == RILL_WS_CLOSE) {
    put_number(out, message->code);
  }
  put_text(out, "(");
  put_span(out, message->data);
  put_text(out, ")");
}

static enum rill_status play_piece(struct rill_ws *ws, struct rill_bytes *out,
                                   struct rill_span piece) {
  struct rill_ws_message message;
  enum rill_status status;
  char *copy = check_copy(piece.data, piece.len);
  rill_ws_feed(ws, copy, piece.len);
  while ((status = rill_ws_next(ws, &message)) == RILL_OK) {
    put_message(out, &message);
    ws_drain(ws, out, SIZE_MAX);
  }
  free(copy);
  return status;
}

static void put_failure(struct rill_ws *ws, struct rill_bytes *out,
                        enum rill_status status) {
  struct rill_ws_message message;
  put_text(out, "!");
  put_text(out, rill_status_name(status));
  put_number(out, ws->close_code);
  CHECK(ws->problem != NULL);
  ws_drain(ws, out, SIZE_MAX);
  /* sticky, whatever follows */
  rill_ws_feed(ws, "\x81\x01x", 3);
  CHECK_INT(rill_ws_next(ws, &message), status);
  CHECK_INT(rill_ws_out_send(&ws->out, RILL_WS_TEXT, rill_span_of("x")),
            RILL_INVALID);
}

void ws_play(const void *setup, struct rill_bytes *out, struct rill_span input,
             const size_t *cuts, size_t count) {
  struct rill_ws ws;
  enum rill_status status = RILL_NEED_DATA;
  if (ws_open(&ws, setup) != RILL_OK) {
    return;
  }
  for (size_t i = 0; i <= count && status == RILL_NEED_DATA; i++) {
    size_t from = i > 0 ? cuts[i - 1] : 0;
    size_t to = i < count ? cuts[i] : input.len;
    struct rill_span piece = {input.data + from, to - from};
    status = play_piece(&ws, out, piece);
  }
  if (status != RILL_NEED_DATA) {
    put_failure(&ws, out, status);
  }
  rill_ws_free(&ws);
}

void ws_put_frame(struct rill_bytes *out, unsigned char first,
                  struct rill_span payload) {
  unsigned char header[10] = {first};
  size_t more = payload.len < 126 ? 0 : payload.len < 65536 ? 2 : 8;
  header[1] = (unsigned char)(more == 0 ? payload.len : more == 2 ? 126 : 127);
  for (size_t i = 0; i < more; i++) {
    header[2 + i] =
        (unsigned char)((uint64_t)payload.len >> 8 * (more - 1 - i));
  }
  struct rill_span head = {(const char *)header, 2 + more};
  put_span(out, head);
  put_span(out, payload);
}

void ws_check_frames(const char *input, size_t len, size_t limit,
                     const char *want, const char *file, int line) {
  struct ws_setup setup = ws_setup(limit);
  struct rill_span span = {input, len};
  check_every_cut(ws_play, &setup, span, want, file, line);
}

const struct rill_span ws_nothing = {NULL, 0};

/* wslay keeps the address of the struct: it is opened where it stands. */
void ws_open_for(struct rill_ws *ws, size_t send_max) {
  struct ws_setup setup = ws_setup(AMPLE);
  setup.out.max = send_max;
  (void)ws_open(ws, &setup);
}

enum rill_status ws_send_text(struct rill_ws *ws, const char *text) {
  return rill_ws_out_send(&ws->out, RILL_WS_TEXT, rill_span_of(text));
}

void ws_check_writes(struct rill_ws *ws, const char *want, const char *file,
                     int line) {
  struct rill_bytes out;
  rill_bytes_init(&out, SIZE_MAX);
  ws_drain(ws, &out, 1);
  check_span(rill_bytes_span(&out), want, strlen(want), "written", file, line);
  rill_bytes_free(&out);
}

void ws_write_some(struct rill_ws *ws, size_t count) {
  struct rill_span bytes;
  while (count > 0 && rill_ws_out_next(&ws->out, &bytes) == RILL_OK) {
    size_t len = bytes.len < count ? bytes.len : count;
    rill_ws_out_written(&ws->out, len);
    count -= len;
  }
  CHECK_INT(count, 0);
}

size_t ws_count_unsent(const struct rill_ws *ws) {
  struct rill_ws_message message;
  size_t at = 0;
  size_t count = 0;
  while (rill_ws_out_unsent(&ws->out, &at, &message)) {
    count++;
  }
  return count;
}
