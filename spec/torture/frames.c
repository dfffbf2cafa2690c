/* SPDX-License-Identifier: MIT
 *
 * See frames.h.
 */
#include "frames.h"

#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/sha1.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { CONTINUATION, TEXT, BINARY, CLOSE = 8, PING, PONG };

/* One send, as the client may be gone after the first of several. */
static bool put_frame(struct wire *wire, int opcode, const void *data,
                      size_t len) {
  unsigned char frame[4096] = {(unsigned char)(0x80 | opcode)};
  size_t head = len < 126 ? 2 : 4;
  if (len + head > sizeof frame) {
    return false;
  }
  frame[1] = (unsigned char)(len < 126 ? len : 126);
  if (len >= 126) {
    frame[2] = (unsigned char)(len >> 8);
    frame[3] = (unsigned char)len;
  }
  memcpy(frame + head, data, len);
  return wire_put(wire, frame, head + len);
}

bool frames_accept(struct wire *wire, const char *request) {
  static const char field[] = "\r\nSec-WebSocket-Key: ";
  const char *key = strstr(request, field);
  char text[24 + sizeof GUID];
  unsigned char digest[RILL_SHA1_SIZE];
  char accept[29] = "";
  char answer[256];
  if (key == NULL || strlen(key) < sizeof field + 24) {
    return false;
  }
  snprintf(text, sizeof text, "%.24s" GUID, key + sizeof field - 1);
  rill_sha1(rill_span_of(text), digest);
  rill_base64_encode((struct rill_span){(const char *)digest, sizeof digest},
                     accept);
  int len = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
  return wire_put(wire, answer, (size_t)len);
}

static bool is_word(const unsigned char *data, size_t len, const char *word) {
  return len == strlen(word) && memcmp(data, word, len) == 0;
}

static bool put_long(struct wire *wire) {
  static const char text[] = FRAMES_FILLING;
  bool fine = true;
  for (int i = 0; i < FRAMES_OF_LONG && fine; i++) {
    fine = put_frame(wire, TEXT, text, sizeof text - 1);
  }
  return fine;
}

/* False: the connection is to be closed. */
static bool answer(struct wire *wire, struct wire *other, int opcode,
                   const unsigned char *data, size_t len) {
  if (opcode == CLOSE) {
    put_frame(wire, CLOSE, data, len);
    return false;
  } else if (opcode == PING) {
    return put_frame(wire, PONG, data, len);
  } else if (opcode == PONG) {
    return true;
  } else if (is_word(data, len, "bye")) {
    return put_frame(wire, CLOSE, "\x03\xE8so long", 9);
  } else if (is_word(data, len, "long")) {
    return put_long(wire);
  } else if (is_word(data, len, "aside")) {
    return other == NULL || put_frame(other, TEXT, data, len);
  }
  return put_frame(wire, opcode, data, len);
}

long frames_answer(struct wire *wire, struct wire *other, unsigned char *bytes,
                   size_t len) {
  size_t used = 0;
  while (len - used >= 6) {
    unsigned char *at = bytes + used;
    size_t head = (at[1] & 0x7F) == 126 ? 8 : 6;
    size_t size = at[1] & 0x7F;
    if (head == 8) {
      size = (size_t)at[2] << 8 | at[3];
    }
    if (len - used < head + size) {
      break;
    }
    for (size_t i = 0; i < size; i++) {
      at[head + i] ^= at[head - 4 + i % 4];
    }
    if (!answer(wire, other, at[0] & 0x0F, at + head, size)) {
      return -1;
    }
    used += head + size;
  }
  return (long)used;
}
