/* SPDX-License-Identifier: MIT
 *
 * The player and the model of sse_play.h.
 */
#include "sse_play.h"

#include <stdio.h>
#include <stdlib.h>

static void put(struct rill_bytes *out, const char *data, size_t len) {
  if (rill_bytes_append(out, data, len) != RILL_OK) {
    abort();
  }
}

static void put_text(struct rill_bytes *out, const char *text) {
  put(out, text, strlen(text));
}

static void put_event(struct rill_bytes *out, struct rill_span name,
                      struct rill_span data, struct rill_span id) {
  put_text(out, "{");
  put(out, name.data, name.len);
  put_text(out, "|");
  put(out, data.data, data.len);
  put_text(out, "|");
  put(out, id.data, id.len);
  put_text(out, "}");
}

static void put_counts(struct rill_bytes *out, unsigned long comments,
                       long long retry) {
  char text[60];
  if (comments > 0) {
    snprintf(text, sizeof text, " c%lu", comments);
    put_text(out, text);
  }
  if (retry >= 0) {
    snprintf(text, sizeof text, " r%lld", retry);
    put_text(out, text);
  }
}

/* Feeds one piece from a block of its own, which is gone afterwards. */
static enum rill_status play_piece(struct rill_bytes *out, struct rill_sse *sse,
                                   const char *data, size_t len) {
  struct rill_sse_event event;
  enum rill_status status;
  char *piece = check_copy(data, len);
  rill_sse_feed(sse, piece, len);
  while ((status = rill_sse_next(sse, &event)) == RILL_OK) {
    put_event(out, event.name, event.data, event.id);
  }
  free(piece);
  return status;
}

static void play_end(struct rill_bytes *out, struct rill_sse *sse,
                     enum rill_status status) {
  struct rill_sse_event event;
  if (status == RILL_NEED_DATA) {
    uint64_t events = sse->events;
    status = rill_sse_finish(sse, &event);
    if (status == RILL_OK) {
      put_text(out, "+");
      put_event(out, event.name, event.data, event.id);
      CHECK_INT(sse->events, events + 1);
      CHECK_INT(rill_sse_finish(sse, &event), RILL_NEED_DATA);
    }
  }
  if (status != RILL_OK && status != RILL_NEED_DATA) {
    put_text(out, "!");
    put_text(out, rill_status_name(status));
    /* sticky, whatever follows */
    rill_sse_feed(sse, "data: x\n\n", 9);
    CHECK_INT(rill_sse_next(sse, &event), status);
    CHECK_INT(rill_sse_finish(sse, &event), status);
  }
  put_counts(out, (unsigned long)sse->comments, sse->retry_ms);
}

void sse_play(struct rill_bytes *out, struct rill_span input,
              const size_t *cuts, size_t cut_count, size_t max_event) {
  struct rill_sse sse;
  enum rill_status status = RILL_NEED_DATA;
  size_t from = 0;
  rill_sse_init(&sse, max_event);
  for (size_t i = 0; i <= cut_count && status == RILL_NEED_DATA; i++) {
    size_t to = i < cut_count ? cuts[i] : input.len;
    status = play_piece(out, &sse, input.data + from, to - from);
    from = to;
  }
  play_end(out, &sse, status);
  rill_sse_free(&sse);
}

void sse_play_even(struct rill_bytes *out, struct rill_span input, size_t piece,
                   size_t max_event) {
  struct rill_sse sse;
  enum rill_status status = RILL_NEED_DATA;
  rill_sse_init(&sse, max_event);
  for (size_t at = 0; at < input.len && status == RILL_NEED_DATA; at += piece) {
    size_t left = input.len - at;
    status =
        play_piece(out, &sse, input.data + at, left < piece ? left : piece);
  }
  play_end(out, &sse, status);
  rill_sse_free(&sse);
}

/* The standard's buffers, and one counter. */
struct model {
  struct rill_bytes data;
  struct rill_bytes type;
  struct rill_bytes id;
  unsigned long comments;
  long long retry;
};

static void model_dispatch(struct rill_bytes *out, struct model *m,
                           const char *mark) {
  if (m->data.len > 0) {
    struct rill_span data = {m->data.data, m->data.len - 1};
    put_text(out, mark);
    put_event(out, rill_bytes_span(&m->type), data, rill_bytes_span(&m->id));
  }
  m->data.len = 0;
  m->type.len = 0;
}

static void model_retry(struct model *m, struct rill_span value) {
  long long ms = 0;
  for (size_t i = 0; i < value.len; i++) {
    if (value.data[i] < '0' || value.data[i] > '9') {
      return;
    }
    ms = ms * 10 + (value.data[i] - '0');
    ms = ms > RILL_SSE_RETRY_MAX_MS ? RILL_SSE_RETRY_MAX_MS : ms;
  }
  m->retry = value.len > 0 ? ms : m->retry;
}

static void model_field(struct model *m, struct rill_span name,
                        struct rill_span value) {
  if (rill_span_is(name, "error")) { /* rill's own addition */
    m->type.len = 0;
    put_text(&m->type, "error");
  }
  if (rill_span_is(name, "event")) {
    m->type.len = 0;
    put(&m->type, value.data, value.len);
  } else if (rill_span_is(name, "data") || rill_span_is(name, "error")) {
    put(&m->data, value.data, value.len);
    put_text(&m->data, "\n");
  } else if (rill_span_is(name, "id")) {
    if (value.len == 0 || memchr(value.data, 0, value.len) == NULL) {
      m->id.len = 0;
      put(&m->id, value.data, value.len);
    }
  } else if (rill_span_is(name, "retry")) {
    model_retry(m, value);
  }
}

static void model_line(struct rill_bytes *out, struct model *m,
                       struct rill_span line) {
  size_t colon = 0;
  if (line.len == 0) {
    model_dispatch(out, m, "");
    return;
  }
  while (colon < line.len && line.data[colon] != ':') {
    colon++;
  }
  if (colon == 0) {
    m->comments++;
    return;
  }
  struct rill_span name = {line.data, colon};
  size_t from = colon;
  from += from < line.len;
  from += from < line.len && line.data[from] == ' ';
  struct rill_span value = {line.data + from, line.len - from};
  model_field(m, name, value);
}

void sse_model(struct rill_bytes *out, struct rill_span input) {
  struct model m = {.retry = -1};
  size_t at = 0;
  rill_bytes_init(&m.data, SIZE_MAX);
  rill_bytes_init(&m.type, SIZE_MAX);
  rill_bytes_init(&m.id, SIZE_MAX);
  if (input.len >= 3 && memcmp(input.data, "\xEF\xBB\xBF", 3) == 0) {
    at = 3;
  }
  while (at < input.len) {
    struct rill_span line = {input.data + at, 0};
    while (at < input.len && input.data[at] != '\r' && input.data[at] != '\n') {
      at++;
      line.len++;
    }
    bool is_ended = at < input.len;
    if (is_ended) {
      bool is_cr = input.data[at++] == '\r';
      at += is_cr && at < input.len && input.data[at] == '\n';
    }
    if (is_ended || line.len > 0) {
      model_line(out, &m, line);
    }
  }
  model_dispatch(out, &m, "+");
  put_counts(out, m.comments, m.retry);
  rill_bytes_free(&m.data);
  rill_bytes_free(&m.type);
  rill_bytes_free(&m.id);
}

static size_t random_cuts(size_t *cuts, size_t room, size_t len) {
  size_t count = 0;
  size_t widest = 1 + check_random(2 * len / 3 + 2);
  for (size_t at = check_random(widest); at < len && count < room;
       at += check_random(widest)) {
    cuts[count++] = at;
  }
  return count;
}

void sse_check_stream(const char *input, size_t len, const char *want,
                      size_t max_event, int line, const char *file) {
  struct rill_span span = {input, len};
  struct rill_bytes out;
  size_t cuts[64];
  rill_bytes_init(&out, SIZE_MAX);
  check_about(input, len);
  sse_play(&out, span, NULL, 0, max_event);
  bool same = check_span(rill_bytes_span(&out), want, strlen(want), "whole",
                         file, line);
  rill_bytes_clear(&out);
  sse_play_even(&out, span, 1, max_event);
  same = same && check_span(rill_bytes_span(&out), want, strlen(want),
                            "byte by byte", file, line);
  for (size_t at = 0; same && at <= len; at++) {
    rill_bytes_clear(&out);
    sse_play(&out, span, &at, 1, max_event);
    same = check_span(rill_bytes_span(&out), want, strlen(want), "cut in two",
                      file, line);
  }
  for (int i = 0; same && i < 20; i++) {
    size_t count = random_cuts(cuts, sizeof cuts / sizeof *cuts, len);
    rill_bytes_clear(&out);
    sse_play(&out, span, cuts, count, max_event);
    same = check_span(rill_bytes_span(&out), want, strlen(want), "random cuts",
                      file, line);
  }
  rill_bytes_free(&out);
  check_about(NULL, 0);
}
