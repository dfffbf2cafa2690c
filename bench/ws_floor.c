/* SPDX-License-Identifier: MIT
 *
 * The floor of WebSocket in the bench: what a C program on wslay's event
 * interface needs over a connection of libcurl's (CURLOPT_CONNECT_ONLY, epoll),
 * to find the texts of chat-completions chunks, one a message, by the cheapest
 * scan there is; or to send messages and get them back.  It has no time limits
 * and no errors to speak of, and it believes what it reads.
 *
 *   ws_floor [--direct] [--streams N] [--requests K] [--echo N] [--window W]
 * URL
 *
 * Reads and writes go by buffers of 64 KiB; --direct: as wslay asks for them.
 */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <wslay/wslay.h>

#include "texts.h"

#define BUFFER 65536
#define ECHO_LEN 300

struct socket {
  CURL *easy;
  curl_socket_t fd;
  wslay_event_context_ptr ws;
  bool waits_for_room;
  int left; /* questions, or messages of an echo, to send */
  int back; /* messages that came back */
  size_t text_at;
  size_t in_from, in_len, out_from, out_len;
  uint8_t in[BUFFER], out[BUFFER];
};

static struct arguments given;
static bool is_direct;
static int ep, running;

static void fail(const char *what) {
  fprintf(stderr, "ws_floor: %s\n", what);
  exit(1);
}

/* -- bytes -- */

/* How many came; 0 if there are none now. */
static size_t receive(struct socket *s, uint8_t *bytes, size_t len) {
  size_t n = 0;
  CURLcode code = curl_easy_recv(s->easy, bytes, len, &n);
  if (code == CURLE_OK && n > 0) {
    return n;
  }
  if (code != CURLE_AGAIN) {
    fail("the connection was lost");
  }
  return 0;
}

static size_t transmit(struct socket *s, const uint8_t *bytes, size_t len) {
  size_t n = 0;
  CURLcode code = curl_easy_send(s->easy, bytes, len, &n);
  if (code != CURLE_OK && code != CURLE_AGAIN) {
    fail(curl_easy_strerror(code));
  }
  return code == CURLE_OK ? n : 0;
}

/* True: the buffer is empty. */
static bool flush(struct socket *s) {
  while (s->out_from < s->out_len) {
    size_t n = transmit(s, s->out + s->out_from, s->out_len - s->out_from);
    if (n == 0) {
      return false;
    }
    s->out_from += n;
  }
  s->out_from = s->out_len = 0;
  return true;
}

/* -- what wslay asks for -- */

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *bytes, size_t len,
                       int flags, void *user) {
  (void)flags;
  struct socket *s = user;
  size_t n;
  if (is_direct) {
    n = receive(s, bytes, len);
  } else {
    if (s->in_from == s->in_len) {
      s->in_from = 0;
      s->in_len = receive(s, s->in, sizeof s->in);
    }
    n = s->in_len - s->in_from < len ? s->in_len - s->in_from : len;
    memcpy(bytes, s->in + s->in_from, n);
    s->in_from += n;
  }
  if (n > 0) {
    return (ssize_t)n;
  }
  wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
  return -1;
}

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *bytes,
                       size_t len, int flags, void *user) {
  (void)flags;
  struct socket *s = user;
  size_t n;
  if (is_direct) {
    n = transmit(s, bytes, len);
  } else {
    if (s->out_len == sizeof s->out) {
      flush(s);
    }
    size_t room = sizeof s->out - s->out_len;
    n = room < len ? room : len;
    memcpy(s->out + s->out_len, bytes, n);
    s->out_len += n;
  }
  if (n > 0) {
    return (ssize_t)n;
  }
  wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
  return -1;
}

static int on_mask(wslay_event_context_ptr ws, uint8_t *bytes, size_t len,
                   void *user) {
  (void)ws;
  (void)user;
  static uint8_t pool[256];
  static size_t used = sizeof pool;
  if (used + len > sizeof pool) {
    used = 0;
    if (getrandom(pool, sizeof pool, 0) != sizeof pool) {
      fail("getrandom");
    }
  }
  memcpy(bytes, pool + used, len);
  used += len;
  return 0;
}

/* -- messages -- */

static void queue(struct socket *s, const char *text, size_t len) {
  struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)text,
                                    len};
  if (wslay_event_queue_msg(s->ws, &message)) {
    fail("wslay_event_queue_msg");
  }
}

/* Asks the next question, or sends the next message of an echo. */
static void go_on(struct socket *s) {
  static const char question[] =
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
      "\"stream\":true}";
  if (given.echo == 0) {
    queue(s, question, sizeof question - 1);
  } else {
    char text[ECHO_LEN + 1];
    memset(text, 'x', ECHO_LEN);
    int len = snprintf(text, sizeof text, "%08d", given.echo - s->left);
    text[len] = 'x';
    queue(s, text, ECHO_LEN);
  }
  s->left--;
}

static void take_echo(struct socket *s, const char *text, size_t len) {
  char number[9] = {0};
  memcpy(number, text, len < 8 ? len : 8);
  if (len != ECHO_LEN || atoi(number) != s->back++) {
    fail("another message came back");
  }
  texts_count(len);
}

static void on_message(wslay_event_context_ptr ws,
                       const struct wslay_event_on_msg_recv_arg *message,
                       void *user) {
  struct socket *s = user;
  const char *text = (const char *)message->msg;
  size_t len = message->msg_length;
  if (wslay_is_ctrl_frame(message->opcode)) {
    return;
  }
  bool is_end;
  if (given.echo) {
    take_echo(s, text, len);
    is_end = s->left == 0 && s->back == given.echo;
    if (s->left > 0) {
      go_on(s);
    }
  } else {
    bool is_done = len == 6 && memcmp(text, "[DONE]", 6) == 0;
    texts_take(&s->text_at, text, len);
    is_end = is_done && s->left == 0;
    if (is_done && s->left > 0) {
      go_on(s);
    }
  }
  if (is_end) {
    wslay_event_queue_close(ws, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
  }
}

/* -- connections -- */

/* The key is a fixed one and the answer's is not looked at. */
static void upgrade(struct socket *s, const char *host, const char *path) {
  char head[1024];
  int len = snprintf(
      head, sizeof head,
      "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n\r\n",
      path, host);
  if (transmit(s, (const uint8_t *)head, (size_t)len) != (size_t)len) {
    fail("the request did not fit");
  }
  size_t got = 0;
  char *end = NULL;
  while (!end) {
    struct epoll_event event;
    epoll_wait(ep, &event, 1, -1);
    got += receive(s, (uint8_t *)head + got, sizeof head - 1 - got);
    head[got] = '\0';
    end = strstr(head, "\r\n\r\n");
  }
  if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
    fail(head);
  }
  s->in_len = (size_t)(head + got - (end + 4));
  memcpy(s->in, end + 4, s->in_len);
}

/* The server only speaks when it was spoken to, so one after another will do.
 */
static void open_socket(struct socket *s) {
  static const struct wslay_event_callbacks callbacks = {
      .recv_callback = on_recv,
      .send_callback = on_send,
      .genmask_callback = on_mask,
      .on_msg_recv_callback = on_message,
  };
  char scheme[4], host[128], path[512], url[160];
  const char *ca = getenv("BENCH_CACERT");
  if (sscanf(given.url, "%3[ws]://%127[^/]%511s", scheme, host, path) != 3) {
    fail("the URL is none of ws://HOST/PATH");
  }
  snprintf(url, sizeof url, "http%s://%s/", scheme + 2, host);
  s->easy = curl_easy_init();
  curl_easy_setopt(s->easy, CURLOPT_URL, url);
  curl_easy_setopt(s->easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(s->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
  if (ca) {
    curl_easy_setopt(s->easy, CURLOPT_CAINFO, ca);
  }
  CURLcode code = curl_easy_perform(s->easy);
  if (code != CURLE_OK) {
    fail(curl_easy_strerror(code));
  }
  curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &s->fd);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
  epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &event);
  upgrade(s, host, path);
  wslay_event_context_client_init(&s->ws, &callbacks, s);
}

static void start(struct socket *s) {
  s->left = given.echo ? given.echo : given.requests;
  for (int i = 0; i < (given.echo ? given.window : 1) && s->left > 0; i++) {
    go_on(s);
  }
}

static void watch(struct socket *s, bool for_room) {
  if (s->waits_for_room != for_room) {
    struct epoll_event event = {.data.ptr = s};
    event.events = for_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
    epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &event);
    s->waits_for_room = for_room;
  }
}

static void close_socket(struct socket *s) {
  epoll_ctl(ep, EPOLL_CTL_DEL, s->fd, NULL);
  wslay_event_context_free(s->ws);
  curl_easy_cleanup(s->easy);
  running--;
}

static void progress(struct socket *s, bool has_news) {
  if (has_news && wslay_event_recv(s->ws)) {
    fail("wslay_event_recv");
  }
  if (wslay_event_want_write(s->ws) && wslay_event_send(s->ws)) {
    fail("wslay_event_send");
  }
  bool is_sent = flush(s);
  if (wslay_event_get_close_sent(s->ws) &&
      wslay_event_get_close_received(s->ws)) {
    close_socket(s);
  } else {
    watch(s, !is_sent || wslay_event_want_write(s->ws));
  }
}

int main(int argc, char **argv) {
  is_direct = argc > 1 && strcmp(argv[1], "--direct") == 0;
  given = texts_arguments(argc - is_direct, argv + is_direct);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  ep = epoll_create1(EPOLL_CLOEXEC);
  struct socket *sockets = calloc((size_t)given.streams, sizeof *sockets);
  if (!sockets) {
    texts_die("calloc");
  }
  for (running = 0; running < given.streams; running++) {
    open_socket(&sockets[running]);
  }
  for (int i = 0; i < given.streams; i++) {
    start(&sockets[i]);
    progress(&sockets[i], false);
  }
  struct epoll_event events[64];
  while (running > 0) {
    int n = epoll_wait(ep, events, 64, -1);
    for (int i = 0; i < n; i++) {
      progress(events[i].data.ptr, events[i].events & (EPOLLIN | EPOLLHUP));
    }
  }
  texts_report();
  return 0;
}
