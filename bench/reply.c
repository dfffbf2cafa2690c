/* SPDX-License-Identifier: MIT
 *
 * See reply.h.
 */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "texts.h"

/* An event is written behind so many bytes, for what frames it. */
#define LEAD 8

char *reply_room(struct reply *reply, size_t extra) {
  if (reply->out_len + extra > reply->out_cap) {
    reply->out_cap = (reply->out_len + extra) * 2;
    reply->out = texts_grown(reply->out, reply->out_cap);
  }
  return reply->out + reply->out_len;
}

void reply_put(struct reply *reply, const char *bytes, size_t len) {
  memcpy(reply_room(reply, len), bytes, len);
  reply->out_len += len;
}

void reply_end(struct reply *reply) {
  reply->next = NOTHING;
  if (reply->out_cap > 64 * 1024) {
    free(reply->out);
    reply->out = NULL;
    reply->out_cap = 0;
  }
}

static size_t put_chunk(char *at, size_t len) {
  static const char digits[] = "0123456789abcdef";
  char size[8];
  size_t n = 0;
  for (int shift = 20; shift >= 0; shift -= 4) {
    size_t digit = len >> shift & 15;
    if (n > 0 || digit > 0) {
      size[n++] = digits[digit];
    }
  }
  memcpy(at, size, n);
  memcpy(at + n, "\r\n", 2);
  memmove(at + n + 2, at + LEAD, len);
  memcpy(at + n + 2 + len, "\r\n", 2);
  return n + len + 4;
}

static size_t put_frame(char *at, size_t len) {
  static const size_t before = sizeof "data: " - 1, after = 2;
  len -= before + after;
  size_t head = frames_head(FRAMES_TEXT, len, at);
  memmove(at + head, at + LEAD + before, len);
  return head + len;
}

/* Frames what was written LEAD bytes behind `at`: below 16 MiB. */
static size_t frame(const struct reply *reply, char *at, size_t len) {
  switch (reply->framing) {
  case PLAIN:
    memmove(at, at + LEAD, len);
    return len;
  case CHUNKS:
    return put_chunk(at, len);
  case FRAMES:
    return put_frame(at, len);
  }
  return 0;
}

static size_t put_role(const struct reply *reply, char *out) {
  return reply->format ? format_before(reply->format, out)
                       : chunks_role(&reply->chunks, out);
}

static size_t put_delta(const struct reply *reply, char *out) {
  if (reply->is_stamped) {
    return chunks_stamped(&reply->chunks, texts_now_ns(), out);
  }
  return reply->format ? format_delta(reply->format, reply->sent, out)
                       : chunks_delta(&reply->chunks, reply->sent, out);
}

static void append_finish(struct reply *reply) {
  size_t most = reply->format ? format_after_max(reply->total) : 4 * CHUNK_MAX;
  char *at = reply_room(reply, most + CHUNK_MAX);
  if (reply->format) {
    reply->out_len +=
        frame(reply, at, format_after(reply->format, reply->total, at + LEAD));
  } else {
    const struct chunks *chunks = &reply->chunks;
    reply->out_len += frame(reply, at, chunks_finish(chunks, at + LEAD));
    at = reply->out + reply->out_len;
    reply->out_len +=
        frame(reply, at, chunks_usage(chunks, reply->total, at + LEAD));
    at = reply->out + reply->out_len;
    reply->out_len += frame(reply, at, chunks_done(at + LEAD));
  }
  if (reply->framing == CHUNKS) {
    reply_put(reply, "0\r\n\r\n", 5);
  }
}

void reply_begin(struct reply *reply, uint64_t seed, uint64_t total) {
  chunks_init(&reply->chunks, seed);
  reply->sent = 0;
  reply->total = total;
  reply->next = ROLE;
}

void reply_produce(struct reply *reply) {
  char *at = reply_room(reply, FORMAT_BEFORE_MAX + CHUNK_MAX);
  size_t len;
  switch (reply->next) {
  case ROLE:
    len = put_role(reply, at + LEAD);
    /* An empty chunk would end the body. */
    reply->out_len += len > 0 ? frame(reply, at, len) : 0;
    reply->next = DELTA;
    break;
  case DELTA:
    reply->out_len += frame(reply, at, put_delta(reply, at + LEAD));
    reply->next = ++reply->sent == reply->total ? FINISH : DELTA;
    break;
  case FINISH:
    append_finish(reply);
    reply->next = END;
    break;
  case NOTHING:
  case END:
    break;
  }
}

uint64_t reply_bytes(const struct reply *reply) {
  if (reply->format) {
    return format_bytes(reply->format, reply->total);
  }
  const struct chunks *chunks = &reply->chunks;
  char scratch[CHUNK_MAX];
  return chunks_delta_bytes(chunks, reply->total) +
         chunks_role(chunks, scratch) + chunks_finish(chunks, scratch) +
         chunks_usage(chunks, reply->total, scratch) + chunks_done(scratch);
}
