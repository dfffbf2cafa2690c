/* SPDX-License-Identifier: MIT
 *
 * The server of the bench: streams on 127.0.0.1, made in memory, of chat
 * completions unless the path says otherwise.  One thread, epoll; a paced reply
 * has a timerfd of its own.  Prints "port N", then serves until its standard
 * input ends.  GET and POST, HTTP/1.1 with keep-alive; what follows these paths
 * is ignored:
 *
 *   /length/N      N deltas with Content-Length, at full speed
 *   /chunked/N     N deltas, one HTTP chunk an event, at full speed
 *   /short         20 deltas, chunked
 *   /paced/N/RATE  N deltas, RATE a second, one write each; each text begins
 *                  with @ and the 19 digits of CLOCK_MONOTONIC at the write
 *   /format/NAME/length/N, /format/NAME/chunked/N
 *                  the same in one of the formats of formats.h
 *   /idle          headers and the chunk with the role, then nothing
 *   /expected/N    how many bytes of text /length/N and /chunked/N have
 *   /echo          WebSocket alone: every message comes back
 *   /stats         "connections N idle M": accepted so far, this one not
 *                  counted, and the most idle streams that were open at once
 *
 * Who asks for an upgrade to WebSocket gets the stream whenever a text comes,
 * one frame an event, without "data: ", on a connection that stays.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"
#include "reply.h"
#include "texts.h"

/* What is sent of a fast reply before the socket is asked again. */
#define BATCH (256 * 1024)

struct connection {
  int fd;
  int timer; /* -1 unless the reply is paced */
  char in[16384];
  size_t in_len;
  size_t body_left; /* of a request body, not yet read */
  bool is_idle;
  bool is_upgraded; /* WebSocket */
  bool is_echo;
  bool is_closing; /* drop it when all is sent */
  bool wants_write;
  double rate; /* of deltas, a second; 0: full speed */
  struct reply reply;
};

static int ep;
static uint64_t connections, replies;
static int idle_now, idle_most;

/* -- output -- */

static void watch(struct connection *c, bool for_write) {
  if (c->wants_write != for_write) {
    struct epoll_event event = {.data.ptr = c};
    event.events = for_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &event);
    c->wants_write = for_write;
  }
}

static void end_reply(struct connection *c) {
  if (c->timer >= 0) {
    close(c->timer);
  }
  c->timer = -1;
  reply_end(&c->reply);
}

/* Fills the buffer of a fast reply, of which nothing has been sent. */
static void refill(struct connection *c) {
  struct reply *reply = &c->reply;
  bool is_fast = c->timer < 0 && !c->is_idle && reply->next != NOTHING;
  while (is_fast && reply->next != END && reply->out_len < BATCH) {
    reply_produce(reply);
  }
}

/* Sends what there is, and of a fast reply makes more.  False: it is gone. */
static bool flush(struct connection *c) {
  struct reply *reply = &c->reply;
  while (true) {
    if (reply->out_from == reply->out_len) {
      reply->out_from = reply->out_len = 0;
    }
    if (reply->out_from == 0) {
      refill(c);
    }
    size_t left = reply->out_len - reply->out_from;
    if (left == 0) {
      break;
    }
    ssize_t n = send(c->fd, reply->out + reply->out_from, left, MSG_NOSIGNAL);
    if (n < 0) {
      watch(c, true);
      return errno == EAGAIN;
    }
    reply->out_from += (size_t)n;
  }
  watch(c, false);
  if (reply->next == END) {
    end_reply(c);
  }
  return !c->is_closing;
}

/* -- requests -- */

static void put_text(struct connection *c, const char *text) {
  reply_put(&c->reply, text, strlen(text));
}

static void plain_answer(struct connection *c, const char *status,
                         const char *body) {
  char text[512];
  snprintf(text, sizeof text,
           "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
           "Content-Length: %zu\r\n\r\n%s",
           status, strlen(body), body);
  put_text(c, text);
}

static void put_stream_head(struct connection *c) {
  struct reply *reply = &c->reply;
  static const char head[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: %s\r\n"
                             "Cache-Control: no-cache\r\n"
                             "x-request-id: req_%016" PRIx64 "\r\n";
  char text[512];
  bool is_lines = reply->format && reply->format->head[0] == '\0';
  snprintf(text, sizeof text, head,
           is_lines ? "application/x-ndjson"
                    : "text/event-stream; charset=utf-8",
           replies);
  put_text(c, text);
  if (reply->framing == CHUNKS) {
    put_text(c, "Transfer-Encoding: chunked\r\n\r\n");
    return;
  }
  snprintf(text, sizeof text, "Content-Length: %" PRIu64 "\r\n\r\n",
           reply_bytes(reply));
  put_text(c, text);
}

/* The first delta comes after a part of a period that differs from stream to
 * stream, so that many streams do not beat as one. */
static void begin_pace(struct connection *c, double rate) {
  uint64_t period = (uint64_t)(1e9 / rate);
  uint64_t first = 1 + period * (replies * 618034 % 1000000) / 1000000;
  struct itimerspec times = {
      .it_interval = {.tv_sec = (time_t)(period / 1000000000u),
                      .tv_nsec = (long)(period % 1000000000u)},
      .it_value = {.tv_sec = (time_t)(first / 1000000000u),
                   .tv_nsec = (long)(first % 1000000000u)},
  };
  c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  /* The lowest bit of the pointer says that the timer is meant. */
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uintptr_t)c | 1};
  if (c->timer < 0 || timerfd_settime(c->timer, 0, &times, NULL) ||
      epoll_ctl(ep, EPOLL_CTL_ADD, c->timer, &event)) {
    texts_die("timerfd");
  }
}

/* A paced reply of one write a delta, or all at full speed. */
static void begin_stream(struct connection *c) {
  reply_begin(&c->reply, ++replies, c->reply.total);
  if (c->reply.framing != FRAMES) {
    put_stream_head(c);
  }
  if (c->reply.is_stamped || c->is_idle) {
    reply_produce(&c->reply);
  }
  if (c->reply.is_stamped) {
    begin_pace(c, c->rate);
  }
}

static void begin_idle(struct connection *c) {
  c->is_idle = true;
  idle_now++;
  idle_most = idle_now > idle_most ? idle_now : idle_most;
}

/* Reads what stream a path asks for; false if for none. */
static bool read_path(struct connection *c, const char *path) {
  struct reply *reply = &c->reply;
  uint64_t n = 0;
  reply->format = NULL;
  reply->is_stamped = false;
  if (strncmp(path, "/format/", 8) == 0) {
    reply->format = format_find(path + 8);
    path += reply->format ? 8 + strlen(reply->format->name) : 0;
    bool is_served =
        strncmp(path, "/length/", 8) == 0 || strncmp(path, "/chunked/", 9) == 0;
    path = is_served ? path : "";
  }
  reply->framing = strncmp(path, "/length/", 8) == 0 ? PLAIN : CHUNKS;
  if (strncmp(path, "/short", 6) == 0) {
    n = 20;
  } else if (strncmp(path, "/idle", 5) == 0) {
    n = 1;
    begin_idle(c);
  } else if (sscanf(path, "/paced/%" SCNu64 "/%lf", &n, &c->rate) == 2) {
    reply->is_stamped = c->rate > 0;
    n = reply->is_stamped ? n : 0;
  } else if (sscanf(path, "/length/%" SCNu64, &n) != 1) {
    sscanf(path, "/chunked/%" SCNu64, &n);
  }
  reply->total = n;
  return n > 0;
}

static void tell(struct connection *c, const char *path) {
  uint64_t n = 0;
  char text[96];
  if (sscanf(path, "/expected/%" SCNu64, &n) == 1) {
    snprintf(text, sizeof text, "%" PRIu64 "\n", chunks_text_bytes(n));
    plain_answer(c, "200 OK", text);
  } else if (strncmp(path, "/stats", 6) == 0) {
    connections--;
    snprintf(text, sizeof text, "connections %" PRIu64 " idle %d\n",
             connections, idle_most);
    idle_most = idle_now;
    plain_answer(c, "200 OK", text);
  } else {
    plain_answer(c, "404 Not Found", "no such path\n");
  }
}

/* An upgraded connection streams when it is asked to. */
static void upgrade(struct connection *c, const char *accepted) {
  c->is_upgraded = true;
  c->reply.framing = FRAMES;
  put_text(c, accepted);
}

static void answer(struct connection *c, const char *head, const char *path) {
  char accepted[256];
  bool has_stream = read_path(c, path);
  c->is_echo = strncmp(path, "/echo", 5) == 0;
  if ((has_stream || c->is_echo) && frames_accept(head, accepted)) {
    upgrade(c, accepted);
  } else if (has_stream) {
    begin_stream(c);
  } else {
    tell(c, path);
  }
}

static size_t body_length(const char *headers) {
  const char *line = strcasestr(headers, "\r\nContent-Length:");
  return line ? (size_t)strtoull(line + 17, NULL, 10) : 0;
}

/* Takes the body of a request and the next head off the input, and answers.  A
 * client that sends the next request before the answer has come must wait. */
static bool serve(struct connection *c) {
  while (c->in_len > 0 && !c->is_upgraded) {
    size_t n = c->body_left < c->in_len ? c->body_left : c->in_len;
    c->body_left -= n;
    if (n == 0) {
      c->in[c->in_len] = '\0';
      char *end = strstr(c->in, "\r\n\r\n");
      if (!end || c->reply.next != NOTHING) {
        return c->in_len < sizeof c->in - 1;
      }
      end[2] = '\0';
      c->body_left = body_length(c->in);
      const char *path = strchr(c->in, ' ');
      answer(c, c->in, path ? path + 1 : "");
      n = (size_t)(end + 4 - c->in);
    }
    c->in_len -= n;
    memmove(c->in, c->in + n, c->in_len);
  }
  return true;
}

/* -- WebSocket -- */

static void send_frame(struct connection *c, int opcode,
                       const struct frame *frame) {
  char head[FRAMES_HEAD_MAX];
  reply_put(&c->reply, head, frames_head(opcode, frame->len, head));
  reply_put(&c->reply, frame->payload, frame->len);
}

static void take_frame(struct connection *c, const struct frame *frame) {
  if (frame->opcode == FRAMES_CLOSE) {
    send_frame(c, FRAMES_CLOSE, frame);
    c->is_closing = true;
  } else if (frame->opcode == FRAMES_PING) {
    send_frame(c, FRAMES_PONG, frame);
  } else if (c->is_echo) {
    send_frame(c, frame->opcode, frame);
  } else if (c->reply.next == NOTHING && frame->opcode == FRAMES_TEXT) {
    begin_stream(c);
  }
}

/* Takes the frames off the input; false if one is too long for it. */
static bool serve_frames(struct connection *c) {
  struct frame frame;
  size_t from = 0, n;
  while ((n = frames_read(c->in + from, c->in_len - from, &frame)) > 0) {
    take_frame(c, &frame);
    from += n;
  }
  c->in_len -= from;
  memmove(c->in, c->in + from, c->in_len);
  return c->in_len < sizeof c->in - 1;
}

static bool receive(struct connection *c) {
  while (true) {
    size_t space = sizeof c->in - 1 - c->in_len;
    ssize_t n = recv(c->fd, c->in + c->in_len, space, 0);
    if (n <= 0) {
      return n < 0 && errno == EAGAIN;
    }
    c->in_len += (size_t)n;
    if (!serve(c) || (c->is_upgraded && !serve_frames(c)) || !flush(c)) {
      return false;
    }
  }
}

/* -- connections -- */

static void drop(struct connection *c) {
  end_reply(c);
  idle_now -= c->is_idle;
  close(c->fd);
  free(c->reply.out);
  free(c);
}

/* One delta for each period that has gone by. */
static bool tick(struct connection *c) {
  uint64_t periods = 0;
  if (read(c->timer, &periods, sizeof periods) != sizeof periods) {
    return true;
  }
  while (periods-- > 0 && c->reply.next == DELTA) {
    reply_produce(&c->reply);
    if (c->reply.next == FINISH) {
      reply_produce(&c->reply);
    }
    if (!flush(c)) {
      return false;
    }
  }
  return true;
}

static void accept_all(int listener) {
  while (true) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
      texts_die("calloc");
    }
    c->fd = fd;
    c->timer = -1;
    connections++;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
  }
}

static void on_event(const struct epoll_event *event) {
  bool is_timer = event->data.u64 & 1;
  struct connection *c = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)1);
  bool is_alive = true;
  if (is_timer) {
    is_alive = tick(c);
  } else {
    if (event->events & (EPOLLERR | EPOLLHUP)) {
      is_alive = false;
    }
    if (is_alive && event->events & EPOLLOUT) {
      is_alive = flush(c);
    }
    if (is_alive) {
      is_alive = receive(c);
    }
  }
  if (!is_alive) {
    drop(c);
  }
}

static int start_listening(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) ||
      listen(fd, 4096) || getsockname(fd, (struct sockaddr *)&address, &len)) {
    texts_die("listen");
  }
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  signal(SIGPIPE, SIG_IGN);

  int listener = start_listening();
  ep = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event);
  event.data.u64 = 1; /* no connection's */
  epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  while (true) {
    /* One at a time: whatever an event is about cannot have been dropped by the
     * one before it. */
    if (epoll_wait(ep, &event, 1, -1) != 1) {
      continue;
    }
    if (event.data.u64 == 0) {
      accept_all(listener);
    } else if (event.data.u64 == 1) {
      char byte;
      if (read(STDIN_FILENO, &byte, 1) <= 0) {
        return 0;
      }
    } else {
      on_event(&event);
    }
  }
}
