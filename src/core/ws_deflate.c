/* SPDX-License-Identifier: MIT
 *
 * See ws_deflate.h.  The only file that knows zlib.  Includes libc, zlib and
 * the core; owns the streams.
 */
#include "ws_deflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

enum {
  WINDOW_BITS = 15,
  MEMORY_LEVEL = 8,
  ROOM_MIN = 1024,      /* for what a piece is inflated to */
  PIECE_MAX = 1 << 30,  /* zlib counts in unsigned int */
  BETWEEN_BLOCKS = 128, /* in data_type: a block has ended, none begun */
  TAIL_LEN = 4,
};

/* What a flush ends with; not sent (RFC 7692, section 7.2.1). */
static const char tail[TAIL_LEN] = {0, 0, '\xFF', '\xFF'};

struct rill_ws_deflate {
  struct rill_ws_deflate_terms terms;
  z_stream in;
  z_stream out;
  bool has_in;
  bool has_out;
};

/* As all memory of the core: tests let that fail. */
static void *allocate(void *arg, unsigned count, unsigned size) {
  struct rill_bytes memory;
  (void)arg;
  rill_bytes_init(&memory, SIZE_MAX);
  (void)rill_bytes_reserve(&memory, (size_t)count * size);
  return memory.data;
}

static void release(void *arg, void *memory) {
  (void)arg;
  free(memory);
}

enum rill_status
rill_ws_deflate_new(struct rill_ws_deflate **both,
                    const struct rill_ws_deflate_terms *terms) {
  struct rill_ws_deflate *made = allocate(NULL, 1, sizeof *made);
  *both = made;
  if (made == NULL) {
    return RILL_NO_MEMORY;
  }
  *made = (struct rill_ws_deflate){.terms = *terms};
  made->in.zalloc = made->out.zalloc = allocate;
  made->in.zfree = made->out.zfree = release;
  return RILL_OK;
}

void rill_ws_deflate_free(struct rill_ws_deflate *both) {
  if (both == NULL) {
    return;
  }
  if (both->has_in) {
    (void)inflateEnd(&both->in);
  }
  if (both->has_out) {
    (void)deflateEnd(&both->out);
  }
  free(both);
}

/* Negative bits: no header and no checksum around the data. */
static int raw_bits(unsigned char bits) {
  return bits == 0 ? -WINDOW_BITS : -(int)bits;
}

/* Lets the stream write behind what out holds; RILL_LIMIT where out is full. */
static enum rill_status make_room(z_stream *stream, struct rill_bytes *out,
                                  size_t wanted) {
  size_t most = out->max - out->len;
  if (most == 0) {
    return RILL_LIMIT;
  }
  enum rill_status status =
      rill_bytes_reserve(out, wanted < most ? wanted : most);
  if (status == RILL_OK) {
    size_t room = out->cap - out->len;
    stream->next_out = (Bytef *)out->data + out->len;
    stream->avail_out = room < PIECE_MAX ? (uInt)room : PIECE_MAX;
  }
  return status;
}

static void note_output(z_stream *stream, struct rill_bytes *out) {
  out->len = (size_t)(stream->next_out - (Bytef *)out->data);
}

static void set_input(z_stream *stream, const char **from, size_t *len) {
  size_t piece = *len < PIECE_MAX ? *len : PIECE_MAX;
  stream->next_in = (z_const Bytef *)*from;
  stream->avail_in = (uInt)piece;
  *from += piece;
  *len -= piece;
}

/* One call of inflate.  *is_done: the input is used up, and all that it stands
 * for was given. */
static enum rill_status inflate_some(z_stream *stream, struct rill_bytes *out,
                                     bool *is_done) {
  Bytef excess;
  enum rill_status status =
      make_room(stream, out, ROOM_MIN + 4 * (size_t)stream->avail_in);
  bool is_full = status == RILL_LIMIT;
  if (is_full) { /* whether a byte too many comes, only trying can tell */
    stream->next_out = &excess;
    stream->avail_out = 1;
  } else if (status != RILL_OK) {
    return status;
  }
  int got = inflate(stream, Z_SYNC_FLUSH);
  if (!is_full) {
    note_output(stream, out);
  } else if (stream->avail_out == 0) {
    return RILL_LIMIT;
  }
  switch (got) {
  case Z_STREAM_END: /* allowed (section 7.2.3.4); a new stream follows */
    *is_done = stream->avail_in == 0;
    return inflateReset(stream) == Z_OK ? RILL_OK : RILL_INVALID;
  case Z_OK:
  case Z_BUF_ERROR: /* there was nothing to do */
    *is_done = stream->avail_out > 0;
    return RILL_OK;
  case Z_MEM_ERROR:
    return RILL_NO_MEMORY;
  default:
    return RILL_INVALID;
  }
}

enum rill_status rill_ws_inflate(struct rill_ws_deflate *both,
                                 struct rill_span piece,
                                 struct rill_bytes *out) {
  z_stream *stream = &both->in;
  if (!both->has_in) {
    int bits = raw_bits(both->terms.server_bits);
    if (inflateInit2(stream, bits) != Z_OK) {
      return RILL_NO_MEMORY;
    }
    both->has_in = true;
  }
  while (piece.len > 0) {
    bool is_done = false;
    set_input(stream, &piece.data, &piece.len);
    while (!is_done) {
      enum rill_status status = inflate_some(stream, out, &is_done);
      if (status != RILL_OK) {
        return status;
      }
    }
  }
  return RILL_OK;
}

enum rill_status rill_ws_inflate_end(struct rill_ws_deflate *both,
                                     struct rill_bytes *out) {
  struct rill_span rest = {tail, TAIL_LEN};
  enum rill_status status = rill_ws_inflate(both, rest, out);
  if (status != RILL_OK) {
    return status;
  }
  if ((both->in.data_type & BETWEEN_BLOCKS) == 0) {
    return RILL_INVALID; /* the message ends within a block */
  }
  if (both->terms.server_forgets) {
    (void)inflateReset(&both->in);
  }
  return RILL_OK;
}

static enum rill_status begin_compressing(struct rill_ws_deflate *both) {
  int bits = raw_bits(both->terms.client_bits);
  if (both->has_out) {
    return RILL_OK;
  }
  if (deflateInit2(&both->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits,
                   MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
    return RILL_NO_MEMORY;
  }
  both->has_out = true;
  return RILL_OK;
}

enum rill_status rill_ws_compress(struct rill_ws_deflate *both,
                                  struct rill_span message,
                                  struct rill_bytes *out) {
  z_stream *stream = &both->out;
  enum rill_status status = begin_compressing(both);
  while (status == RILL_OK && message.len > 0) {
    set_input(stream, &message.data, &message.len);
    int flush = message.len > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH;
    do {
      status = make_room(stream, out, ROOM_MIN + stream->avail_in / 2);
      if (status == RILL_OK) {
        (void)deflate(stream, flush);
        note_output(stream, out);
      }
    } while (status == RILL_OK && stream->avail_out == 0);
  }
  if (status != RILL_OK) {
    return status;
  }
  out->len -= TAIL_LEN;
  if (both->terms.client_forgets) {
    (void)deflateReset(stream);
  }
  return RILL_OK;
}
