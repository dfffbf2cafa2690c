/* SPDX-License-Identifier: MIT
 *
 * See handshake_terms.h.  Includes libc and headers.h; owns nothing.
 */
#include "handshake_terms.h"

#include "headers.h"

static struct rill_span trimmed(struct rill_span span) {
  while (span.len > 0 && (*span.data == ' ' || *span.data == '\t')) {
    span.data++;
    span.len--;
  }
  while (span.len > 0 &&
         (span.data[span.len - 1] == ' ' || span.data[span.len - 1] == '\t')) {
    span.len--;
  }
  return span;
}

/* Cuts span behind the first separator: what stands before it is given. */
static struct rill_span cut(struct rill_span *span, char separator) {
  struct rill_span first = *span;
  const char *at =
      span->len > 0 ? memchr(span->data, separator, span->len) : NULL;
  if (at == NULL) {
    span->len = 0;
    return trimmed(first);
  }
  first.len = (size_t)(at - first.data);
  span->data = at + 1;
  span->len -= first.len + 1;
  return trimmed(first);
}

bool rill_list_next(struct rill_span *list, char separator,
                    struct rill_span *item) {
  item->len = 0;
  while (item->len == 0 && list->len > 0) {
    *item = cut(list, separator);
  }
  return item->len > 0;
}

bool rill_span_is_word(struct rill_span span, const char *word) {
  if (span.len != strlen(word)) {
    return false;
  }
  for (size_t i = 0; i < span.len; i++) {
    char c = span.data[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != word[i]) {
      return false;
    }
  }
  return true;
}

/* 8 to 15 without leading zeros, maybe in quotes; 0 for anything else. */
static unsigned char bits_of(struct rill_span value) {
  static const char *const numbers[] = {"8",  "9",  "10", "11",
                                        "12", "13", "14", "15"};
  if (value.len >= 2 && *value.data == '"' &&
      value.data[value.len - 1] == '"') {
    value.data++;
    value.len -= 2;
  }
  for (unsigned char i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (rill_span_is(value, numbers[i])) {
      return (unsigned char)(i + 8);
    }
  }
  return 0;
}

/* Each parameter may be there once; *bits and *flag say whether it was. */
static bool set_bits(unsigned char *bits, struct rill_span value) {
  bool is_first = *bits == 0;
  *bits = bits_of(value);
  return is_first && *bits != 0;
}

static bool set_flag(bool *flag, struct rill_span value, bool has_value) {
  bool is_first = !*flag;
  *flag = true;
  return is_first && value.len == 0 && !has_value;
}

static bool take_parameter(struct rill_span parameter,
                           struct rill_ws_deflate_terms *terms) {
  bool has_value =
      parameter.len > 0 && memchr(parameter.data, '=', parameter.len) != NULL;
  struct rill_span name = cut(&parameter, '=');
  struct rill_span value = trimmed(parameter);
  if (rill_span_is_word(name, "server_no_context_takeover")) {
    return set_flag(&terms->server_forgets, value, has_value);
  }
  if (rill_span_is_word(name, "client_no_context_takeover")) {
    return set_flag(&terms->client_forgets, value, has_value);
  }
  if (rill_span_is_word(name, "server_max_window_bits")) {
    return set_bits(&terms->server_bits, value);
  }
  if (rill_span_is_word(name, "client_max_window_bits")) {
    return set_bits(&terms->client_bits, value);
  }
  return false;
}

static const char *take_extension(struct rill_span extension,
                                  bool deflate_offered,
                                  struct rill_ws_deflate_terms *terms) {
  struct rill_span name = cut(&extension, ';');
  struct rill_span parameter;
  if (!deflate_offered || !rill_span_is_word(name, "permessage-deflate")) {
    return "the answer names an extension that was not offered";
  }
  if (terms->is_on) {
    return "the answer names permessage-deflate twice";
  }
  terms->is_on = true;
  while (rill_list_next(&extension, ';', &parameter)) {
    if (!take_parameter(parameter, terms)) {
      return "the answer has a wrong parameter of permessage-deflate";
    }
  }
  /* zlib cannot make raw data with a window of 256 bytes. */
  return terms->client_bits == 8
             ? "the answer wants a window of 8 bits, which is too small"
             : NULL;
}

const char *rill_handshake_terms(struct rill_span head, bool deflate_offered,
                                 struct rill_ws_deflate_terms *terms) {
  struct rill_span value, extension;
  *terms = (struct rill_ws_deflate_terms){.is_on = false};
  while (rill_headers_each(&head, "sec-websocket-extensions", &value)) {
    while (rill_list_next(&value, ',', &extension)) {
      const char *problem = take_extension(extension, deflate_offered, terms);
      if (problem != NULL) {
        return problem;
      }
    }
  }
  return NULL;
}
