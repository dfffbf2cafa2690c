/* SPDX-License-Identifier: MIT
 *
 * See error_body.h.  Includes json_scan.h for the look-up.
 */
#include "error_body.h"

#include "json_scan.h"

static struct rill_span find(struct rill_span json, const char *const *path,
                             size_t depth) {
  struct rill_span value;
  if (rill_json_find(json, path, depth, &value) != RILL_OK) {
    value.data = NULL;
    value.len = 0;
  }
  return value;
}

static struct rill_span nested_or_flat(struct rill_span json,
                                       const char *name) {
  const char *const path[] = {"error", name};
  struct rill_span value = find(json, path, 2);
  return value.data != NULL ? value : find(json, path + 1, 1);
}

struct rill_error_body rill_error_body_read(struct rill_span json) {
  static const char *const error_path[] = {"error"};
  struct rill_error_body body = {
      .code = nested_or_flat(json, "code"),
      .type = nested_or_flat(json, "type"),
      .message = nested_or_flat(json, "message"),
  };
  struct rill_span error = find(json, error_path, 1);
  body.is_error = error.data != NULL;
  if (body.message.len == 0 && error.len > 0 && error.data[0] != '{') {
    body.message = error;
  }
  return body;
}
