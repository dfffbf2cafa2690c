/* SPDX-License-Identifier: MIT
 *
 * Tests of handshake.c, handshake_request.c and handshake_terms.c.
 */
#include "../../src/core/handshake.h"

#include <stdlib.h>

#include "every_cut.h"

/* The key and its answer in RFC 6455, section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define GOOD SWITCHING UPGRADE ACCEPT

enum { PLENTY = 65536 };

static struct rill_handshake_request sample(void) {
  struct rill_handshake_request request = {.host =
                                               rill_span_of("example.org:8080"),
                                           .target = rill_span_of("/v1/ws?a=b"),
                                           .key = rill_span_of(KEY)};
  return request;
}

/* -- the request -- */

static void check_request(const struct rill_handshake_request *request,
                          const char *want) {
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, PLENTY);
  CHECK_INT(rill_handshake_write(&bytes, request), RILL_OK);
  check_span(rill_bytes_span(&bytes), want, strlen(want), "request", __FILE__,
             __LINE__);
  rill_bytes_free(&bytes);
}

#define BEGINS                                                                 \
  "GET /v1/ws?a=b HTTP/1.1\r\nHost: example.org:8080\r\n" UPGRADE              \
  "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"

static void the_key_stands_for_sixteen_bytes(void) {
  char key[RILL_HANDSHAKE_KEY];
  rill_handshake_key((const unsigned char *)"the sample nonce", key);
  struct rill_span got = {key, sizeof key};
  CHECK_SPAN(got, KEY);
}

static void a_request_has_what_the_standard_wants(void) {
  struct rill_handshake_request request = sample();
  check_request(&request, BEGINS "\r\n");
  request.protocols = rill_span_of("chat, superchat");
  request.deflate = true;
  check_request(&request,
                BEGINS "Sec-WebSocket-Protocol: chat, superchat\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate; "
                       "client_max_window_bits\r\n\r\n");
}

static void given_headers_are_sent_as_libcurl_would(void) {
  static const char *const lines[] = {"Authorization: Bearer x",
                                      "X-Empty;",
                                      "X-Spaced: \t",
                                      "X-None:",
                                      "X-Odd; value",
                                      "no header",
                                      "Origin: null",
                                      "X-A;b: c"};
  struct rill_handshake_request request = sample();
  request.headers = lines;
  request.header_count = sizeof lines / sizeof *lines;
  check_request(&request, BEGINS "Authorization: Bearer x\r\nX-Empty:\r\n"
                                 "Origin: null\r\nX-A;b: c\r\n\r\n");
}

static void what_the_handshake_sets_cannot_be_given(void) {
  static const char *const lines[] = {
      "Connection: close",          "upgrade: h2c",
      "Sec-WebSocket-Key: mine",    "SEC-WEBSOCKET-VERSION: 8",
      "Content-Type: text/plain",   "Content-Length: 5",
      "Transfer-Encoding: chunked", "Expect: 100-continue",
      "Sec-WebSocket-Extensions: x"};
  struct rill_handshake_request request = sample();
  request.headers = lines;
  request.header_count = sizeof lines / sizeof *lines;
  check_request(&request, BEGINS "\r\n");
}

static void a_given_host_replaces_ours(void) {
  static const char *const host[] = {"host: other.example"};
  static const char *const none[] = {"Host:"};
  struct rill_handshake_request request = sample();
  request.headers = host;
  request.header_count = 1;
  check_request(&request, "GET /v1/ws?a=b HTTP/1.1\r\n" UPGRADE
                          "Sec-WebSocket-Key: " KEY "\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "host: other.example\r\n\r\n");
  request.headers = none;
  check_request(&request, BEGINS "\r\n");
}

static void no_line_can_be_smuggled_in(void) {
  static const char *const header[] = {"X: a\r\nY: b"};
  struct rill_handshake_request good = sample();
  struct rill_handshake_request bad[5] = {good, good, good, good, good};
  struct rill_span with_nul = {"a\0b", 3};
  bad[0].host = rill_span_of("a\nb");
  bad[1].target = rill_span_of("/\rx");
  bad[2].protocols = rill_span_of("a\r\nX: y");
  bad[3].headers = header;
  bad[3].header_count = 1;
  bad[4].target = with_nul;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct rill_bytes bytes;
    rill_bytes_init(&bytes, PLENTY);
    CHECK_INT(rill_handshake_write(&bytes, &bad[i]), RILL_INVALID);
    rill_bytes_free(&bytes);
  }
}

static void a_request_has_the_ceiling_of_its_buffer(void) {
  struct rill_handshake_request request = sample();
  struct rill_bytes bytes;
  rill_bytes_init(&bytes, 40);
  CHECK_INT(rill_handshake_write(&bytes, &request), RILL_LIMIT);
  rill_bytes_free(&bytes);
}

/* -- the answer -- */

struct answering {
  struct rill_handshake_request request;
  size_t body_max;
};

static void put_terms(struct rill_bytes *out,
                      const struct rill_ws_deflate_terms *terms) {
  if (!terms->is_on) {
    return;
  }
  put_text(out, " deflate");
  put_number(out, terms->client_bits);
  put_text(out, terms->client_forgets ? "forgets," : ",");
  put_number(out, terms->server_bits);
  put_text(out, terms->server_forgets ? "forgets" : "");
}

static void put_result(struct rill_bytes *out, enum rill_status status,
                       const struct rill_handshake *handshake) {
  if (status == RILL_INVALID || status == RILL_LIMIT) {
    CHECK(handshake->problem != NULL);
    put_text(out, rill_status_name(status));
    put_number(out, (unsigned long)handshake->status);
    return;
  }
  put_text(out, status == RILL_OK ? "" : "cut");
  put_number(out, (unsigned long)handshake->status);
  if (handshake->status == 101) {
    put_text(out, "[");
    put_span(out, handshake->protocol);
    put_text(out, "]");
    put_terms(out, &handshake->deflate);
  } else if (handshake->status != 0) {
    put_text(out, "(");
    put_span(out, handshake->body);
    put_text(out, ")");
  }
}

/* Writes the result, and "+" with what is left for others; "~" first where the
 * end of the connection decided. */
static void play(const void *setup, struct rill_bytes *out,
                 struct rill_span input, const size_t *cuts, size_t count) {
  const struct answering *answering = setup;
  struct rill_handshake handshake;
  enum rill_status status = RILL_NEED_DATA;
  size_t used = 0;
  rill_handshake_init(&handshake, &answering->request, answering->body_max);
  for (size_t i = 0; i <= count && status == RILL_NEED_DATA; i++) {
    size_t from = i > 0 ? cuts[i - 1] : 0;
    size_t to = i < count ? cuts[i] : input.len;
    size_t consumed = 0;
    char *piece = check_copy(input.data + from, to - from);
    status = rill_handshake_feed(&handshake, piece, to - from, &consumed);
    free(piece);
    CHECK(status != RILL_NEED_DATA || consumed == to - from);
    used += consumed;
  }
  if (status == RILL_NEED_DATA) {
    status = rill_handshake_end(&handshake);
    put_text(out, "~");
  }
  put_result(out, status, &handshake);
  if (status == RILL_OK && used < input.len) {
    struct rill_span rest = {input.data + used, input.len - used};
    put_text(out, "+");
    put_span(out, rest);
  }
  if (status != RILL_NEED_DATA) {
    size_t consumed;
    CHECK_INT(rill_handshake_feed(&handshake, "x", 1, &consumed), status);
    CHECK_INT(consumed, 0);
  }
  rill_handshake_free(&handshake);
}

static struct answering answering_of(void) {
  struct answering answering = {sample(), PLENTY};
  return answering;
}

static void check_answer(const struct answering *answering, const char *text,
                         const char *want, int line) {
  check_every_cut(play, answering, rill_span_of(text), want, __FILE__, line);
}

#define ANSWER(answering, text, want)                                          \
  check_answer((answering), (text), (want), __LINE__)

static void a_right_answer_opens_the_socket(void) {
  struct answering plain = answering_of();
  ANSWER(&plain, GOOD "\r\n", "101[]");
  ANSWER(&plain, GOOD "\r\n\x81\x02hi", "101[]+\x81\x02hi");
  ANSWER(&plain,
         "HTTP/1.1 101\n"
         "connection: keep-alive, UPGRADE\nupgrade: WebSocket\n" ACCEPT "\n",
         "101[]"); /* nor space nor words behind the status */
  ANSWER(&plain,
         "HTTP/1.1 101 \nconnection: keep-alive\nconnection: x, UPGRADE\n"
         "upgrade: WebSocket\n" ACCEPT "\n",
         "101[]");
  ANSWER(&plain, GOOD, "~cut0");
}

static void what_a_101_lacks_is_refused(void) {
  struct answering plain = answering_of();
  ANSWER(&plain, SWITCHING "Connection: Upgrade\r\n" ACCEPT "\r\n",
         "invalid101");
  ANSWER(&plain, SWITCHING "Upgrade: websocket\r\n" ACCEPT "\r\n",
         "invalid101");
  ANSWER(&plain,
         SWITCHING "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
         "invalid101");
  ANSWER(&plain,
         SWITCHING "Upgrade: websocket\r\nConnection: upgraded\r\n" ACCEPT
                   "\r\n",
         "invalid101");
  ANSWER(&plain, SWITCHING UPGRADE "\r\n", "invalid101");
  ANSWER(&plain,
         SWITCHING UPGRADE
         "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         "invalid101");
  ANSWER(&plain, GOOD ACCEPT "\r\n", "invalid101");
  ANSWER(&plain, "HTTP/1.0 101 x\r\n" UPGRADE ACCEPT "\r\n", "invalid101");
}

static void a_protocol_must_have_been_offered(void) {
  struct answering plain = answering_of();
  struct answering offers = answering_of();
  offers.request.protocols = rill_span_of("chat, superchat");
  ANSWER(&offers, GOOD "Sec-WebSocket-Protocol: superchat\r\n\r\n",
         "101[superchat]");
  ANSWER(&offers, GOOD "Sec-WebSocket-Protocol: chat\r\n\r\n", "101[chat]");
  ANSWER(&offers, GOOD "\r\n", "101[]");
  ANSWER(&offers, GOOD "Sec-WebSocket-Protocol: Chat\r\n\r\n", "invalid101");
  ANSWER(&offers, GOOD "Sec-WebSocket-Protocol: super\r\n\r\n", "invalid101");
  ANSWER(&offers, GOOD "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n",
         "invalid101");
  ANSWER(&offers,
         GOOD "Sec-WebSocket-Protocol: chat\r\n"
              "Sec-WebSocket-Protocol: chat\r\n\r\n",
         "invalid101");
  ANSWER(&plain, GOOD "Sec-WebSocket-Protocol: chat\r\n\r\n", "invalid101");
}

#define EXTENDED(value) GOOD "Sec-WebSocket-Extensions: " value "\r\n\r\n"

static void an_extension_must_have_been_offered(void) {
  struct answering plain = answering_of();
  struct answering offers = answering_of();
  offers.request.deflate = true;
  ANSWER(&offers, GOOD "\r\n", "101[]");
  ANSWER(&offers, EXTENDED("permessage-deflate"), "101[] deflate0,0");
  ANSWER(&offers,
         EXTENDED("Permessage-Deflate ; server_no_context_takeover; "
                  "client_no_context_takeover ;server_max_window_bits=10; "
                  "client_max_window_bits=\"12\""),
         "101[] deflate12forgets,10forgets");
  ANSWER(&offers, EXTENDED("permessage-deflate;server_max_window_bits=8"),
         "101[] deflate0,8");
  ANSWER(&plain, EXTENDED("permessage-deflate"), "invalid101");
  ANSWER(&offers, EXTENDED("x-webkit-deflate-frame"), "invalid101");
  ANSWER(&offers, EXTENDED("permessage-deflate, permessage-deflate"),
         "invalid101");
  ANSWER(&offers, EXTENDED("permessage-deflate, other"), "invalid101");
}

static void parameters_of_deflate_are_checked(void) {
  static const char *const wrong[] = {
      "server_max_window_bits",
      "server_max_window_bits=7",
      "server_max_window_bits=16",
      "server_max_window_bits=010",
      "server_max_window_bits=\"10",
      "server_max_window_bits=10; server_max_window_bits=10",
      "client_max_window_bits",
      "client_max_window_bits=8",
      "client_max_window_bits=1a",
      "server_no_context_takeover=1",
      "server_no_context_takeover=",
      "client_no_context_takeover; client_no_context_takeover",
      "mystery",
  };
  struct answering offers = answering_of();
  offers.request.deflate = true;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct rill_bytes text;
    rill_bytes_init(&text, SIZE_MAX);
    put_text(&text, GOOD "Sec-WebSocket-Extensions: permessage-deflate; ");
    put_text(&text, wrong[i]);
    put_text(&text, "\r\n\r\n");
    check_every_cut(play, &offers, rill_bytes_span(&text), "invalid101",
                    __FILE__, __LINE__);
    rill_bytes_free(&text);
  }
}

static void what_is_no_http_is_refused(void) {
  struct answering plain = answering_of();
  ANSWER(&plain, "SSH-2.0-OpenSSH_9.2\r\n", "invalid0");
  ANSWER(&plain, "HTTP/2 101 x\r\n\r\n", "invalid0");
  ANSWER(&plain, "HTTP/1.1  101 x\r\n\r\n", "invalid0");
  ANSWER(&plain, "HTTP/1.1 1010 x\r\n\r\n", "invalid0");
  ANSWER(&plain, "HTTP/1.1 101x\r\n\r\n", "invalid0");
  ANSWER(&plain, "HTTP/1.1 099 x\r\n\r\n", "invalid0");
  ANSWER(&plain, "HTTP/1.x 101 x\r\n\r\n", "invalid0");
  ANSWER(&plain, "\r\nHTTP/1.1 101 x\r\n\r\n", "invalid0");
  ANSWER(&plain, "HTTP/1.1 40", "~cut0");
  ANSWER(&plain, "", "~cut0");
}

static void answers_before_the_answer_are_skipped(void) {
  struct answering plain = answering_of();
  ANSWER(&plain, "HTTP/1.1 100 Continue\r\n\r\n" GOOD "\r\n", "101[]");
  ANSWER(&plain,
         "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 x\r\n\r\n"
         "HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nno",
         "404(no)");
}

static void a_refusal_comes_with_its_body(void) {
  struct answering plain = answering_of();
  ANSWER(&plain, "HTTP/1.1 401 x\r\nContent-Length: 5\r\n\r\nwrong",
         "401(wrong)");
  ANSWER(&plain, "HTTP/1.1 401 x\r\nContent-Length: 3\r\n\r\nwrong",
         "401(wro)+ng");
  ANSWER(&plain, "HTTP/1.1 429 x\r\nContent-Length: 0\r\n\r\n", "429()");
  ANSWER(&plain, "HTTP/1.0 503 x\r\n\r\nuntil the end", "~503(until the end)");
  ANSWER(&plain, "HTTP/1.1 401 x\r\nContent-Length: 50\r\n\r\ncut",
         "~401(cut)");
  ANSWER(&plain, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200(ok)");
  ANSWER(&plain, "HTTP/1.1 204 x\r\n\r\n", "204()");
  ANSWER(&plain, "HTTP/1.1 301 x\r\nContent-Length: x\r\n\r\nmoved",
         "~301(moved)");
}

static void chunks_of_a_body_are_joined(void) {
  struct answering plain = answering_of();
#define CHUNKED "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n"
  ANSWER(&plain, CHUNKED "3\r\none\r\n00B; a=\"5\"\r\n two threes\r\n0\r\n\r\n",
         "500(one two threes)+\r\n");
  ANSWER(&plain, CHUNKED "a\r\n0123456789\r\nA\nabcdefghij\n0\r\n",
         "500(0123456789abcdefghij)");
  ANSWER(&plain, CHUNKED "5\r\ncut", "~500(cut)");
  ANSWER(&plain, CHUNKED "z", "500()");
  ANSWER(&plain, CHUNKED "3\r\nonex", "500(one)");
  ANSWER(&plain, CHUNKED "fffffffffffffffff\r\n", "500()+f\r\n");
}

static void a_body_has_a_limit(void) {
  struct answering small = answering_of();
  struct answering none = answering_of();
  small.body_max = 4;
  none.body_max = 0;
  ANSWER(&small, "HTTP/1.1 400 x\r\nContent-Length: 9\r\n\r\nwrong all",
         "400(wron)+g all");
  ANSWER(&small, "HTTP/1.1 400 x\r\n\r\nwrong", "400(wron)+g");
  ANSWER(&small,
         "HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3\r\nwro\r\n3\r\nng!\r\n",
         "400(wron)+g!\r\n");
  ANSWER(&none, "HTTP/1.1 400 x\r\n\r\nwrong", "400()+wrong");
}

static void a_head_has_a_limit(void) {
  struct answering plain = answering_of();
  struct rill_bytes text, out;
  size_t cuts[200];
  rill_bytes_init(&text, SIZE_MAX);
  rill_bytes_init(&out, SIZE_MAX);
  put_text(&text, "HTTP/1.1 100 x\r\n");
  while (text.len < RILL_HANDSHAKE_HEAD_MAX - 8) {
    put_text(&text, "X: y\r\n");
  }
  put_text(&text, "\r\n" GOOD "\r\n");
  for (size_t i = 0; i < 200; i++) {
    cuts[i] = (i + 1) * 300;
  }
  for (size_t count = 0; count <= 200; count += 100) {
    rill_bytes_clear(&out);
    play(&plain, &out, rill_bytes_span(&text), cuts, count);
    CHECK_SPAN(rill_bytes_span(&out), "limit0");
  }
  rill_bytes_free(&text);
  rill_bytes_free(&out);
}

static void no_memory_is_told(void) {
  struct answering plain = answering_of();
  struct rill_handshake handshake;
  size_t consumed;
  rill_handshake_init(&handshake, &plain.request, PLENTY);
  if (check_fail_allocations(0)) {
    CHECK_INT(rill_handshake_feed(&handshake, GOOD, sizeof GOOD - 1, &consumed),
              RILL_NO_MEMORY);
    (void)check_fail_allocations(-1);
    CHECK_INT(rill_handshake_feed(&handshake, GOOD, sizeof GOOD - 1, &consumed),
              RILL_NO_MEMORY);
  }
  rill_handshake_free(&handshake);
}

static const struct check_test tests[] = {
    {"the key stands for sixteen bytes", the_key_stands_for_sixteen_bytes},
    {"a request has what the standard wants",
     a_request_has_what_the_standard_wants},
    {"given headers are sent as libcurl would",
     given_headers_are_sent_as_libcurl_would},
    {"what the handshake sets cannot be given",
     what_the_handshake_sets_cannot_be_given},
    {"a given Host replaces ours", a_given_host_replaces_ours},
    {"no line can be smuggled in", no_line_can_be_smuggled_in},
    {"a request has the ceiling of its buffer",
     a_request_has_the_ceiling_of_its_buffer},
    {"a right answer opens the socket", a_right_answer_opens_the_socket},
    {"what a 101 lacks is refused", what_a_101_lacks_is_refused},
    {"a protocol must have been offered", a_protocol_must_have_been_offered},
    {"an extension must have been offered",
     an_extension_must_have_been_offered},
    {"parameters of permessage-deflate are checked",
     parameters_of_deflate_are_checked},
    {"what is no HTTP is refused", what_is_no_http_is_refused},
    {"answers before the answer are skipped",
     answers_before_the_answer_are_skipped},
    {"a refusal comes with its body", a_refusal_comes_with_its_body},
    {"chunks of a body are joined", chunks_of_a_body_are_joined},
    {"a body has a limit", a_body_has_a_limit},
    {"a head has a limit", a_head_has_a_limit},
    {"no memory is told", no_memory_is_told},
    {NULL, NULL}};

const struct check_suite handshake_suite = {"handshake", tests};
