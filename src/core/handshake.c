/* SPDX-License-Identifier: MIT
 *
 * The answer of handshake.h: its head line by line, then the checks of a 101 or
 * the body of anything else.  Includes libc and the core; owns what it keeps of
 * the answer.
 */
#include "handshake.h"

#include "base64.h"
#include "handshake_terms.h"
#include "headers.h"
#include "sha1.h"

/* What is awaited. */
enum {
  IN_HEAD,
  IN_BODY,      /* body_left bytes */
  IN_SIZE,      /* of a chunk: hexadecimal digits */
  IN_EXTENSION, /* of a chunk: what follows its size, until LF */
  IN_CHUNK,     /* body_left bytes */
  BEHIND_CHUNK, /* CR LF */
};

enum { CHUNK_DIGITS_MAX = 15, ACCEPT_LEN = 28 };

void rill_handshake_init(struct rill_handshake *hs,
                         const struct rill_handshake_request *request,
                         size_t body_max) {
  *hs = (struct rill_handshake){.key = request->key,
                                .protocols = request->protocols,
                                .deflate_offered = request->deflate,
                                .state = IN_HEAD,
                                .result = RILL_NEED_DATA};
  rill_bytes_init(&hs->lines, RILL_HANDSHAKE_HEAD_MAX);
  rill_bytes_init(&hs->content, body_max);
}

void rill_handshake_free(struct rill_handshake *hs) {
  rill_bytes_free(&hs->lines);
  rill_bytes_free(&hs->content);
  hs->head = hs->body = hs->protocol = rill_bytes_span(&hs->lines);
}

static enum rill_status fail(struct rill_handshake *hs, const char *problem) {
  hs->problem = problem;
  return RILL_INVALID;
}

/* -- a 101 -- */

/* Whether the server has read our key (RFC 6455, section 4.2.2). */
static bool is_accepted(const struct rill_handshake *hs) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  char text[RILL_HANDSHAKE_KEY + sizeof guid];
  unsigned char digest[RILL_SHA1_SIZE];
  char wanted[ACCEPT_LEN + 1];
  struct rill_span rest = hs->head;
  struct rill_span value, second;
  if (hs->key.len != RILL_HANDSHAKE_KEY) {
    return false;
  }
  memcpy(text, hs->key.data, RILL_HANDSHAKE_KEY);
  memcpy(text + RILL_HANDSHAKE_KEY, guid, sizeof guid);
  struct rill_span whole = {text, sizeof text - 1};
  rill_sha1(whole, digest);
  struct rill_span bytes = {(const char *)digest, sizeof digest};
  rill_base64_encode(bytes, wanted);
  wanted[ACCEPT_LEN] = '\0';
  return rill_headers_each(&rest, "sec-websocket-accept", &value) &&
         rill_span_is(value, wanted) &&
         !rill_headers_each(&rest, "sec-websocket-accept", &second);
}

static bool is_upgrade(struct rill_span head) {
  struct rill_span value;
  while (rill_headers_each(&head, "connection", &value)) {
    struct rill_span item;
    while (rill_list_next(&value, ',', &item)) {
      if (rill_span_is_word(item, "upgrade")) {
        return true;
      }
    }
  }
  return false;
}

static enum rill_status check_protocol(struct rill_handshake *hs) {
  struct rill_span rest = hs->head;
  struct rill_span offered = hs->protocols;
  struct rill_span value, second, item;
  if (!rill_headers_each(&rest, "sec-websocket-protocol", &value)) {
    return RILL_OK;
  }
  if (rill_headers_each(&rest, "sec-websocket-protocol", &second)) {
    return fail(hs, "the answer names more than one protocol");
  }
  while (rill_list_next(&offered, ',', &item)) {
    if (item.len == value.len &&
        memcmp(item.data, value.data, value.len) == 0) {
      hs->protocol = value;
      return RILL_OK;
    }
  }
  return fail(hs, "the answer names a protocol that was not offered");
}

static enum rill_status check_upgrade(struct rill_handshake *hs) {
  if (hs->lines.data[7] != '1') {
    return fail(hs, "a 101 in HTTP/1.0");
  }
  if (!rill_span_is_word(rill_headers_get(hs->head, "upgrade"), "websocket")) {
    return fail(hs, "a 101 without Upgrade: websocket");
  }
  if (!is_upgrade(hs->head)) {
    return fail(hs, "a 101 without Connection: Upgrade");
  }
  if (!is_accepted(hs)) {
    return fail(hs, "a 101 whose Sec-WebSocket-Accept is wrong");
  }
  hs->problem =
      rill_handshake_terms(hs->head, hs->deflate_offered, &hs->deflate);
  return hs->problem == NULL ? check_protocol(hs) : RILL_INVALID;
}

/* -- the head -- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* "HTTP/1.1 404 ..." (RFC 9112, section 4): the status, or -1. */
static int status_of(struct rill_span line) {
  const char *at = line.data;
  if (line.len < 13 || memcmp(at, "HTTP/1.", 7) != 0 || !is_digit(at[7]) ||
      at[8] != ' ' || at[9] < '1' || at[9] > '9' || !is_digit(at[10]) ||
      !is_digit(at[11]) || memchr(" \r\n", at[12], 3) == NULL) {
    return -1;
  }
  return (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
}

static bool is_chunked(struct rill_span head) {
  struct rill_span value, item;
  while (rill_headers_each(&head, "transfer-encoding", &value)) {
    while (rill_list_next(&value, ',', &item)) {
      if (rill_span_is_word(item, "chunked")) {
        return true;
      }
    }
  }
  return false;
}

/* How long the body is; UINT64_MAX: until the connection ends. */
static uint64_t length_of(struct rill_span head) {
  struct rill_span text = rill_headers_get(head, "content-length");
  uint64_t length = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (!is_digit(text.data[i]) || length > UINT64_MAX / 100) {
      return UINT64_MAX;
    }
    length = length * 10 + (uint64_t)(text.data[i] - '0');
  }
  return text.len > 0 ? length : UINT64_MAX;
}

static enum rill_status begin_body(struct rill_handshake *hs) {
  if (hs->status == 204 || hs->status == 304 || hs->content.max == 0) {
    return RILL_OK;
  }
  if (is_chunked(hs->head)) {
    hs->state = IN_SIZE;
    hs->body_left = 0;
    hs->digits = 0;
    return RILL_NEED_DATA;
  }
  hs->state = IN_BODY;
  hs->body_left = length_of(hs->head);
  return hs->body_left > 0 ? RILL_NEED_DATA : RILL_OK;
}

/* The blank line was read. */
static enum rill_status end_head(struct rill_handshake *hs) {
  struct rill_span head = rill_bytes_span(&hs->lines);
  int status = status_of(head);
  if (status < 0) {
    return fail(hs, "an answer that is no HTTP/1");
  }
  hs->line_from = 0;
  if (status < 200 && status != 101) {
    /* Counted all the same: the limit is for all heads together. */
    hs->lines.max -= hs->lines.len;
    rill_bytes_free(&hs->lines);
    return RILL_NEED_DATA;
  }
  hs->status = status;
  hs->head = head;
  return status == 101 ? check_upgrade(hs) : begin_body(hs);
}

/* Whether the answer begins as HTTP does, as far as one can tell. */
static bool is_http(const struct rill_handshake *hs, struct rill_span input) {
  static const char begins[] = "HTTP/1.";
  size_t from = hs->lines.len;
  if (from >= sizeof begins - 1) {
    return true;
  }
  size_t left = sizeof begins - 1 - from;
  return memcmp(input.data, begins + from,
                input.len < left ? input.len : left) == 0;
}

/* Takes bytes up to the end of a line. */
static enum rill_status take_line(struct rill_handshake *hs,
                                  struct rill_span *input) {
  if (!is_http(hs, *input)) {
    return fail(hs, "an answer that is no HTTP/1");
  }
  const char *lf = memchr(input->data, '\n', input->len);
  size_t len = lf != NULL ? (size_t)(lf - input->data) + 1 : input->len;
  enum rill_status status = rill_bytes_append(&hs->lines, input->data, len);
  if (status != RILL_OK) {
    hs->problem = "an answer whose head is too long";
    return status;
  }
  input->data += len;
  input->len -= len;
  if (lf == NULL) {
    return RILL_NEED_DATA;
  }
  const char *line = hs->lines.data + hs->line_from;
  bool is_blank = *line == '\n' || (*line == '\r' && line[1] == '\n');
  hs->line_from = hs->lines.len;
  return is_blank ? end_head(hs) : RILL_NEED_DATA;
}

/* -- the body of a refusal -- */

/* Takes bytes of the body; what goes beyond the limit ends it. */
static enum rill_status take_body(struct rill_handshake *hs,
                                  struct rill_span *input) {
  size_t len = input->len < hs->body_left ? input->len : (size_t)hs->body_left;
  size_t room = hs->content.max - hs->content.len;
  len = len < room ? len : room;
  enum rill_status status = rill_bytes_append(&hs->content, input->data, len);
  if (status != RILL_OK) {
    return status;
  }
  input->data += len;
  input->len -= len;
  if (hs->body_left != UINT64_MAX) {
    hs->body_left -= len;
  }
  if (len == room || (hs->body_left == 0 && hs->state == IN_BODY)) {
    return RILL_OK;
  }
  if (hs->body_left == 0) {
    hs->state = BEHIND_CHUNK;
  }
  return RILL_NEED_DATA;
}

static int digit_of(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte around chunks (RFC 9112, section 7.1).  Nonsense ends the body: that
 * the answer is a refusal is known already. */
static enum rill_status take_frame(struct rill_handshake *hs, char c) {
  int digit = digit_of(c);
  if (hs->state == BEHIND_CHUNK) {
    if (c == '\n') {
      hs->state = IN_SIZE;
      hs->digits = 0;
    }
    return c == '\n' || c == '\r' ? RILL_NEED_DATA : RILL_OK;
  }
  if (hs->state == IN_SIZE && digit >= 0 && hs->digits < CHUNK_DIGITS_MAX) {
    hs->body_left = hs->body_left * 16 + (uint64_t)digit;
    hs->digits++;
    return RILL_NEED_DATA;
  }
  if (hs->digits == 0 || (hs->state == IN_SIZE && digit >= 0)) {
    return RILL_OK;
  }
  hs->state = c == '\n' ? IN_CHUNK : IN_EXTENSION;
  return c == '\n' && hs->body_left == 0 ? RILL_OK : RILL_NEED_DATA;
}

/* -- the answer -- */

static enum rill_status take_some(struct rill_handshake *hs,
                                  struct rill_span *input) {
  if (hs->state == IN_HEAD) {
    return take_line(hs, input);
  }
  if (hs->state == IN_BODY || hs->state == IN_CHUNK) {
    return take_body(hs, input);
  }
  char c = *input->data;
  input->data++;
  input->len--;
  return take_frame(hs, c);
}

enum rill_status rill_handshake_feed(struct rill_handshake *hs,
                                     const char *bytes, size_t len,
                                     size_t *consumed) {
  struct rill_span input = {bytes, len};
  while (hs->result == RILL_NEED_DATA && input.len > 0) {
    hs->result = take_some(hs, &input);
  }
  hs->body = rill_bytes_span(&hs->content);
  *consumed = len - input.len;
  return hs->result;
}

enum rill_status rill_handshake_end(struct rill_handshake *hs) {
  if (hs->result == RILL_NEED_DATA && hs->status != 0) {
    hs->result = RILL_OK;
  }
  return hs->result;
}
