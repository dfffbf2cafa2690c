/* SPDX-License-Identifier: MIT
 *
 * The event-stream parser of sse.h.  Includes libc; owns the buffers in struct
 * rill_sse.
 *
 * Bytes are looked at twice at most: once to find the line's end, once when
 * they are copied.  Copies are made only of what the next feed would lose: a
 * line without an end goes to `line`, and the data of an event without a blank
 * line goes to `data`.  A line that was put together in `line` becomes the data
 * by exchanging the two buffers.  So an event of one data line that lies whole
 * in the input is handed out from there, and nothing is copied at all.
 */
#include "sse.h"

static const char bom[3] = {'\xEF', '\xBB', '\xBF'};

void rill_sse_init(struct rill_sse *sse, size_t max_event) {
  memset(sse, 0, sizeof *sse);
  sse->retry_ms = -1;
  sse->max_event = max_event;
  sse->failure = RILL_OK;
  sse->held = RILL_SSE_NOTHING;
  rill_bytes_init(&sse->line, max_event);
  rill_bytes_init(&sse->data, max_event);
  rill_bytes_init(&sse->name, max_event);
  rill_bytes_init(&sse->id, max_event);
  rill_bytes_init(&sse->last_id, max_event);
}

void rill_sse_feed(struct rill_sse *sse, const char *bytes, size_t len) {
  if (sse->failure != RILL_OK || len == 0) {
    return;
  }
  const char *cr = memchr(bytes, '\r', len);
  sse->input.data = bytes;
  sse->input.len = len;
  sse->next_cr = cr != NULL ? cr : bytes + len;
}

static enum rill_status fail(struct rill_sse *sse, enum rill_status status) {
  sse->failure = status;
  sse->input.len = 0;
  return status;
}

static void advance(struct rill_sse *sse, size_t count) {
  sse->input.data += count;
  sse->input.len -= count;
}

/* The standard strips one leading U+FEFF, whose bytes may come one by one. */
static enum rill_status skip_bom(struct rill_sse *sse) {
  while (sse->bom_matched < sizeof bom && sse->input.len > 0) {
    if (*sse->input.data != bom[sse->bom_matched]) {
      /* No mark after all: the bytes that looked like one begin a line. */
      size_t count = sse->bom_matched;
      sse->bom_matched = sizeof bom;
      return rill_bytes_append(&sse->line, bom, count);
    }
    sse->bom_matched++;
    advance(sse, 1);
  }
  return RILL_OK;
}

/* Finds the end of the line that begins the input.  LF is searched only up to
 * the next CR, and the next CR only once it has been passed: so every byte is
 * searched twice at most, whichever line ends the stream uses. */
static const char *line_end(const struct rill_sse *sse) {
  const char *at = sse->input.data;
  if (*at == '\n') {
    return at; /* a blank line: every second one */
  }
  const char *lf = memchr(at, '\n', (size_t)(sse->next_cr - at));
  if (lf != NULL) {
    return lf;
  }
  return sse->next_cr < at + sse->input.len ? sse->next_cr : NULL;
}

/* Takes the line end at the beginning of the input. */
static void take_line_end(struct rill_sse *sse) {
  bool was_cr = *sse->input.data == '\r';
  advance(sse, 1);
  if (was_cr) {
    const char *end = sse->input.data + sse->input.len;
    const char *cr = sse->input.len > 0
                         ? memchr(sse->input.data, '\r', sse->input.len)
                         : NULL;
    sse->next_cr = cr != NULL ? cr : end;
    sse->skip_lf = true;
  }
}

/* The ceiling counts all that was collected for one event, wherever it lies, so
 * that the outcome does not depend on how the stream was cut. */
static bool fits(struct rill_sse *sse, size_t replaced, size_t added) {
  sse->collected -= replaced;
  if (added > sse->max_event - sse->collected) {
    return false;
  }
  sse->collected += added;
  return true;
}

/* Copies borrowed data before the input it lies in goes away. */
static enum rill_status own_data(struct rill_sse *sse) {
  if (sse->held != RILL_SSE_IN_INPUT) {
    return RILL_OK;
  }
  enum rill_status status =
      rill_bytes_append(&sse->data, sse->borrowed.data, sse->borrowed.len);
  if (status == RILL_OK) {
    sse->held = RILL_SSE_IN_BUFFER;
  }
  return status;
}

/* The second and further data lines of an event. */
static enum rill_status append_data(struct rill_sse *sse,
                                    struct rill_span value) {
  enum rill_status status = own_data(sse);
  if (status != RILL_OK) {
    return status;
  }
  if (sse->data_from > 0) {
    /* The first line still has its field name before it: drop it, or the
     * buffer's ceiling would come too early. */
    sse->data.len -= sse->data_from;
    memmove(sse->data.data, sse->data.data + sse->data_from, sse->data.len);
    sse->data_from = 0;
  }
  status = rill_bytes_append(&sse->data, "\n", 1);
  if (status == RILL_OK) {
    status = rill_bytes_append(&sse->data, value.data, value.len);
  }
  return status;
}

static enum rill_status take_data(struct rill_sse *sse, struct rill_span value,
                                  bool from_input) {
  bool is_first = sse->held == RILL_SSE_NOTHING;
  if (!fits(sse, 0, is_first ? value.len : value.len + 1)) {
    return RILL_LIMIT;
  }
  if (!is_first) {
    return append_data(sse, value);
  }
  if (from_input) {
    sse->borrowed = value;
    sse->held = RILL_SSE_IN_INPUT;
    return RILL_OK;
  }
  struct rill_bytes line = sse->line;
  sse->line = sse->data;
  sse->data = line;
  sse->data_from = (size_t)(value.data - line.data);
  sse->held = RILL_SSE_IN_BUFFER;
  return RILL_OK;
}

static enum rill_status take_name(struct rill_sse *sse,
                                  struct rill_span value) {
  if (!fits(sse, sse->name.len, value.len)) {
    return RILL_LIMIT;
  }
  rill_bytes_clear(&sse->name);
  return rill_bytes_append(&sse->name, value.data, value.len);
}

static enum rill_status take_id(struct rill_sse *sse, struct rill_span value) {
  if (value.len > 0 && memchr(value.data, '\0', value.len) != NULL) {
    return RILL_OK;
  }
  if (!fits(sse, sse->has_id ? sse->id.len : 0, value.len)) {
    return RILL_LIMIT;
  }
  rill_bytes_clear(&sse->id);
  sse->has_id = true;
  return rill_bytes_append(&sse->id, value.data, value.len);
}

static void take_retry(struct rill_sse *sse, struct rill_span value) {
  int64_t ms = 0;
  for (size_t i = 0; i < value.len; i++) {
    if (value.data[i] < '0' || value.data[i] > '9') {
      return;
    }
    if (ms < RILL_SSE_RETRY_MAX_MS) {
      ms = ms * 10 + (value.data[i] - '0');
    }
  }
  if (value.len > 0) {
    sse->retry_ms = ms < RILL_SSE_RETRY_MAX_MS ? ms : RILL_SSE_RETRY_MAX_MS;
  }
}

/* One line that is not blank (section 9.2.6, "Process the field"). */
static enum rill_status take_line(struct rill_sse *sse, struct rill_span line,
                                  bool from_input) {
  /* Nearly all lines are data: no need to search for their colon. */
  bool is_data = line.len > 4 && memcmp(line.data, "data:", 5) == 0;
  const char *colon =
      is_data ? line.data + 4 : memchr(line.data, ':', line.len);
  struct rill_span field = line;
  struct rill_span value = {line.data + line.len, 0};
  if (colon != NULL) {
    field.len = (size_t)(colon - line.data);
    value.data = colon + 1;
    value.len = line.len - field.len - 1;
    if (value.len > 0 && *value.data == ' ') {
      value.data++;
      value.len--;
    }
  }
  if (is_data || rill_span_is(field, "data")) {
    return take_data(sse, value, from_input);
  }
  if (rill_span_is(field, "event")) {
    return take_name(sse, value);
  }
  if (rill_span_is(field, "id")) {
    return take_id(sse, value);
  }
  if (rill_span_is(field, "retry")) {
    take_retry(sse, value);
  } else if (rill_span_is(field, "error")) {
    enum rill_status status = take_name(sse, rill_span_of("error"));
    return status == RILL_OK ? take_data(sse, value, from_input) : status;
  } else if (field.len == 0) {
    sse->comments++; /* the line is not blank, so it begins with a colon */
  }
  return RILL_OK;
}

/* What the last dispatched event was made of is no longer needed. */
static void release_event(struct rill_sse *sse) {
  rill_bytes_clear(&sse->data);
  rill_bytes_clear(&sse->name);
  sse->data_from = 0;
  sse->held = RILL_SSE_NOTHING;
  sse->is_dispatched = false;
}

/* A blank line; whether it completed an event. */
static bool dispatch(struct rill_sse *sse, struct rill_sse_event *event) {
  if (sse->has_id) {
    struct rill_bytes id = sse->id;
    sse->id = sse->last_id;
    sse->last_id = id;
    sse->has_id = false;
  }
  sse->collected = 0;
  switch (sse->held) {
  case RILL_SSE_NOTHING:
    rill_bytes_clear(&sse->name);
    return false;
  case RILL_SSE_IN_INPUT:
    event->data = sse->borrowed;
    break;
  case RILL_SSE_IN_BUFFER:
    event->data = rill_bytes_span(&sse->data);
    if (sse->data_from > 0) {
      event->data.data += sse->data_from;
      event->data.len -= sse->data_from;
    }
    break;
  }
  event->name = rill_bytes_span(&sse->name);
  event->id = rill_bytes_span(&sse->last_id);
  sse->events++;
  sse->is_dispatched = true;
  return true;
}

/* Takes the line of the input that ends at end, and what `line` holds of it. */
static enum rill_status complete_line(struct rill_sse *sse, const char *end) {
  struct rill_span line = {sse->input.data, (size_t)(end - sse->input.data)};
  advance(sse, line.len);
  if (sse->line.len == 0) {
    return line.len <= sse->max_event ? take_line(sse, line, true) : RILL_LIMIT;
  }
  enum rill_status status = rill_bytes_append(&sse->line, line.data, line.len);
  if (status == RILL_OK) {
    status = take_line(sse, rill_bytes_span(&sse->line), false);
  }
  rill_bytes_clear(&sse->line);
  return status;
}

/* The input has no further line end: keeps what would be lost with it. */
static enum rill_status keep_rest(struct rill_sse *sse) {
  enum rill_status status =
      rill_bytes_append(&sse->line, sse->input.data, sse->input.len);
  sse->input.len = 0;
  return status == RILL_OK ? own_data(sse) : status;
}

enum rill_status rill_sse_next(struct rill_sse *sse,
                               struct rill_sse_event *event) {
  if (sse->failure != RILL_OK) {
    return sse->failure;
  }
  if (sse->is_dispatched) {
    release_event(sse);
  }
  enum rill_status status = RILL_OK;
  if (sse->bom_matched < sizeof bom) {
    status = skip_bom(sse);
  }
  while (status == RILL_OK && sse->input.len > 0) {
    if (sse->skip_lf) {
      sse->skip_lf = false;
      if (*sse->input.data == '\n') {
        advance(sse, 1);
        continue;
      }
    }
    const char *end = line_end(sse);
    if (end == NULL) {
      break;
    }
    if (end == sse->input.data && sse->line.len == 0) {
      take_line_end(sse);
      if (dispatch(sse, event)) {
        return RILL_OK;
      }
      continue;
    }
    status = complete_line(sse, end);
    take_line_end(sse);
  }
  if (status == RILL_OK) {
    status = keep_rest(sse);
  }
  return status == RILL_OK ? RILL_NEED_DATA : fail(sse, status);
}

enum rill_status rill_sse_finish(struct rill_sse *sse,
                                 struct rill_sse_event *event) {
  /* Gives what the caller may have left unread, and settles the rest. */
  enum rill_status status = rill_sse_next(sse, event);
  if (status != RILL_NEED_DATA) {
    return status;
  }
  if (sse->line.len > 0) {
    status = take_line(sse, rill_bytes_span(&sse->line), false);
    rill_bytes_clear(&sse->line);
    if (status != RILL_OK) {
      return fail(sse, status);
    }
  }
  return dispatch(sse, event) ? RILL_OK : RILL_NEED_DATA;
}

void rill_sse_reset(struct rill_sse *sse) {
  struct rill_sse old = *sse;
  rill_sse_init(sse, old.max_event);
  sse->line = old.line;
  sse->data = old.data;
  sse->name = old.name;
  sse->id = old.id;
  sse->last_id = old.last_id;
  rill_bytes_clear(&sse->line);
  rill_bytes_clear(&sse->data);
  rill_bytes_clear(&sse->name);
  rill_bytes_clear(&sse->id);
  rill_bytes_clear(&sse->last_id);
}

void rill_sse_free(struct rill_sse *sse) {
  rill_bytes_free(&sse->line);
  rill_bytes_free(&sse->data);
  rill_bytes_free(&sse->name);
  rill_bytes_free(&sse->id);
  rill_bytes_free(&sse->last_id);
  rill_sse_init(sse, sse->max_event);
}
