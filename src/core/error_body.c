/* SPDX-License-Identifier: MIT
 *
 * See error_body.h.  Includes libc and the core's JSON look-up and cursor.
 */
#include "error_body.h"

#include "headers.h"
#include "json_scan.h"
#include "json_walk.h"

static struct rill_span find(struct rill_span json, const char *const *path,
                             size_t depth) {
  struct rill_span value;
  if (rill_json_find(json, path, depth, &value) != RILL_OK) {
    value.data = NULL;
    value.len = 0;
  }
  return value;
}

/* The member of the first object, or if it is not there of the second. */
static struct rill_span member(struct rill_span first, struct rill_span second,
                               const char *name) {
  struct rill_span value = find(first, &name, 1);
  return value.data != NULL ? value : find(second, &name, 1);
}

static bool ends_with(struct rill_span text, const char *end) {
  size_t len = strlen(end);
  return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

/* What one of the details asks for: "12s", "0.5s"; or -1. */
static int64_t delay_of(struct rill_span detail) {
  static const char *const type_path[] = {"@type"};
  static const char *const delay_path[] = {"retryDelay"};
  struct rill_span delay = find(detail, delay_path, 1);
  if (!ends_with(find(detail, type_path, 1), "google.rpc.RetryInfo") ||
      !ends_with(delay, "s")) {
    return -1;
  }
  delay.len--;
  return rill_seconds_read(delay);
}

static int64_t delay_of_any(struct rill_span details) {
  struct rill_json_walk walk = rill_json_walk_of(details);
  int64_t delay = -1;
  if (details.len == 0 || *details.data != '[') {
    return -1;
  }
  const char *p = rill_json_first(&walk, details.data);
  while (p != NULL && *p != ']' && delay < 0) {
    struct rill_span detail = {p, 0};
    p = rill_json_skip(&walk, p);
    if (p != NULL) {
      detail.len = (size_t)(p - detail.data);
      delay = delay_of(detail);
      p = rill_json_next(&walk, p, ']');
    }
  }
  return delay;
}

/* Of a list its first item, else the whole. */
static struct rill_span first_item(struct rill_span json) {
  static const char *const path[] = {"[0]"};
  struct rill_json_walk walk = rill_json_walk_of(json);
  const char *p = rill_json_space(&walk, json.data);
  return p < walk.end && *p == '[' ? find(json, path, 1) : json;
}

struct rill_error_body rill_error_body_read(struct rill_span json) {
  static const char *const error_path[] = {"response", "error"};
  static const char *const details_path[] = {"details"};
  struct rill_span whole = first_item(json);
  struct rill_span error = find(whole, error_path + 1, 1);
  if (error.data == NULL) {
    error = find(whole, error_path, 2);
  }
  struct rill_error_body body = {
      .is_error = error.data != NULL,
      .code = member(error, whole, "code"),
      .type = member(error, whole, "type"),
      .status = member(error, whole, "status"),
      .message = member(error, whole, "message"),
      .retry_after_us = delay_of_any(find(error, details_path, 1)),
  };
  bool is_text = error.len > 0 && error.data[0] != '{';
  bool is_event = rill_span_is(body.type, "error"); /* its kind, no more */
  bool says_more = body.code.len > 0 || (body.type.len > 0 && !is_event);
  if (body.message.len == 0 && is_text) {
    body.message = error;
    body.is_text = !says_more;
  } else if (error.data == NULL && is_event && body.message.len > 0) {
    body.is_text = !says_more && body.status.len == 0;
  }
  return body;
}

enum rill_retry_class
rill_error_body_class(const struct rill_error_body *error) {
  return error->is_text ? rill_retry_class_of_message(error->message)
                        : rill_retry_class_of_event(error->code, error->type,
                                                    error->status);
}
