/* SPDX-License-Identifier: MIT
 *
 * See frames.h.
 */
#define _GNU_SOURCE
#include "frames.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/sha1.h"

#define KEY_LEN 24

bool frames_accept(const char *request, char out[256]) {
  static const char name[] = "\r\nSec-WebSocket-Key:";
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const char *key = strcasestr(request, name);
  if (!key) {
    return false;
  }
  key += sizeof name - 1;
  key += strspn(key, " ");
  char text[KEY_LEN + sizeof guid];
  snprintf(text, sizeof text, "%.*s%s", KEY_LEN, key, guid);
  unsigned char digest[20];
  rill_sha1((struct rill_span){text, KEY_LEN + sizeof guid - 1}, digest);
  char accept[29] = {0};
  rill_base64_encode((struct rill_span){(char *)digest, sizeof digest}, accept);
  snprintf(out, 256,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
           accept);
  return true;
}

static void put_number(size_t number, int bytes, char *out) {
  for (int i = 0; i < bytes; i++) {
    out[i] = (char)(number >> 8 * (bytes - 1 - i));
  }
}

size_t frames_head(int opcode, size_t len, char *out) {
  int bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;
  out[0] = (char)(0x80 | opcode);
  out[1] = (char)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
  put_number(len, bytes, out + 2);
  return 2 + (size_t)bytes;
}

/* Eight bytes at a time. */
static void unmask(char *payload, size_t len, const char *mask) {
  uint64_t word, key;
  memcpy(&key, mask, 4);
  memcpy((char *)&key + 4, mask, 4);
  size_t i = 0;
  for (; i + 8 <= len; i += 8) {
    memcpy(&word, payload + i, 8);
    word ^= key;
    memcpy(payload + i, &word, 8);
  }
  for (; i < len; i++) {
    payload[i] = (char)(payload[i] ^ mask[i & 3]);
  }
}

size_t frames_read(char *bytes, size_t len, struct frame *frame) {
  if (len < 2) {
    return 0;
  }
  size_t size = bytes[1] & 127;
  size_t more = size < 126 ? 0 : size == 126 ? 2 : 8;
  size_t head = 2 + more + 4;
  if (len < head) {
    return 0;
  }
  for (size_t i = 0; i < more; i++) {
    size = (i == 0 ? 0 : size << 8) | (unsigned char)bytes[2 + i];
  }
  if (len - head < size) {
    return 0;
  }
  frame->opcode = bytes[0] & 15;
  frame->payload = bytes + head;
  frame->len = size;
  unmask(frame->payload, size, bytes + head - 4);
  return head + size;
}
