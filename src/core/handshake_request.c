/* SPDX-License-Identifier: MIT
 *
 * The request of handshake.h.  Includes libc and the core; owns nothing.
 */
#include "base64.h"
#include "handshake.h"
#include "handshake_terms.h"

void rill_handshake_key(const unsigned char nonce[RILL_HANDSHAKE_NONCE],
                        char key[RILL_HANDSHAKE_KEY]) {
  struct rill_span bytes = {(const char *)nonce, RILL_HANDSHAKE_NONCE};
  rill_base64_encode(bytes, key);
}

/* The request of one key and others like it. */
struct writer {
  struct rill_bytes *bytes;
  enum rill_status status;
};

static void put(struct writer *writer, struct rill_span part) {
  for (size_t i = 0; i < part.len && writer->status == RILL_OK; i++) {
    char c = part.data[i];
    if (c == '\r' || c == '\n' || c == '\0') {
      writer->status = RILL_INVALID;
    }
  }
  if (writer->status == RILL_OK) {
    writer->status = rill_bytes_append(writer->bytes, part.data, part.len);
  }
}

static void put_text(struct writer *writer, const char *text) {
  put(writer, rill_span_of(text));
}

static void end_line(struct writer *writer) {
  if (writer->status == RILL_OK) {
    writer->status = rill_bytes_append(writer->bytes, "\r\n", 2);
  }
}

static void put_header(struct writer *writer, const char *name,
                       struct rill_span value) {
  put_text(writer, name);
  put(writer, value);
  end_line(writer);
}

/* The header's name, and the sign behind it: ':', ';' without a value, or NUL.
 */
static struct rill_span name_of(const char *line, char *sign) {
  const char *end = strchr(line, ':');
  if (end == NULL) {
    end = strchr(line, ';');
  }
  struct rill_span name = {line, end != NULL ? (size_t)(end - line) : 0};
  *sign = '\0';
  if (end != NULL) {
    bool is_empty = end[1 + strspn(end + 1, " \t")] == '\0';
    *sign = is_empty == (*end == ';') ? *end : '\0';
  }
  return name;
}

/* Headers that only the handshake may set, or that belong to a body. */
static bool is_ours(struct rill_span name) {
  static const char *const names[] = {"connection",        "upgrade",
                                      "content-type",      "content-length",
                                      "transfer-encoding", "expect"};
  static const char prefix[] = "sec-websocket-";
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (rill_span_is_word(name, names[i])) {
      return true;
    }
  }
  struct rill_span start = {name.data, sizeof prefix - 1};
  return name.len >= start.len && rill_span_is_word(start, prefix);
}

/* A line as libcurl takes it. */
static void put_given(struct writer *writer, const char *line) {
  char sign;
  struct rill_span name = name_of(line, &sign);
  if (sign == '\0' || is_ours(name)) {
    return;
  }
  if (sign == ':') {
    put_text(writer, line);
  } else {
    put(writer, name);
    put_text(writer, ":");
  }
  end_line(writer);
}

static bool gives_host(const struct rill_handshake_request *request) {
  for (size_t i = 0; i < request->header_count; i++) {
    char sign;
    struct rill_span name = name_of(request->headers[i], &sign);
    if (sign != '\0' && rill_span_is_word(name, "host")) {
      return true;
    }
  }
  return false;
}

enum rill_status
rill_handshake_write(struct rill_bytes *bytes,
                     const struct rill_handshake_request *request) {
  struct writer writer = {bytes, RILL_OK};
  put_text(&writer, "GET ");
  put(&writer, request->target);
  put_text(&writer, " HTTP/1.1");
  end_line(&writer);
  if (!gives_host(request)) {
    put_header(&writer, "Host: ", request->host);
  }
  put_header(&writer, "Upgrade: ", rill_span_of("websocket"));
  put_header(&writer, "Connection: ", rill_span_of("Upgrade"));
  put_header(&writer, "Sec-WebSocket-Key: ", request->key);
  put_header(&writer, "Sec-WebSocket-Version: ", rill_span_of("13"));
  if (request->protocols.len > 0) {
    put_header(&writer, "Sec-WebSocket-Protocol: ", request->protocols);
  }
  if (request->deflate) {
    put_header(&writer, "Sec-WebSocket-Extensions: ",
               rill_span_of("permessage-deflate; client_max_window_bits"));
  }
  for (size_t i = 0; i < request->header_count; i++) {
    put_given(&writer, request->headers[i]);
  }
  end_line(&writer);
  return writer.status;
}
