/* SPDX-License-Identifier: MIT
 *
 * The floor of the bench: what a C program on libcurl's multi interface (socket
 * callbacks, epoll) needs to find the texts of chat-completions streams by the
 * cheapest scan there is.  It has no options, no time limits and no errors to
 * speak of, and it believes what it reads.
 *
 *   floor [--idle SECONDS] [--streams N] [--requests K] URL
 */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "texts.h"

struct reader {
  int left; /* requests to make after this one */
  char *rest;
  size_t rest_len;
  size_t rest_cap;
  size_t text_at; /* where in its line the last text began */
};

static struct arguments given;

static CURLM *multi;
static int ep, running, failures;
static long timer_ms = -1;

/* -- lines -- */

static void keep(struct reader *reader, const char *bytes, size_t len) {
  if (reader->rest_len + len > reader->rest_cap) {
    reader->rest_cap = (reader->rest_len + len) * 2;
    reader->rest = texts_grown(reader->rest, reader->rest_cap);
  }
  memcpy(reader->rest + reader->rest_len, bytes, len);
  reader->rest_len += len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
  struct reader *reader = user;
  const char *at = bytes, *end = bytes + size * count, *newline;
  while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
    if (reader->rest_len > 0) {
      keep(reader, at, (size_t)(newline - at));
      texts_take(&reader->text_at, reader->rest, reader->rest_len);
      reader->rest_len = 0;
    } else {
      texts_take(&reader->text_at, at, (size_t)(newline - at));
    }
    at = newline + 1;
  }
  if (at < end) {
    keep(reader, at, (size_t)(end - at));
  }
  return size * count;
}

/* -- libcurl -- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user,
                     void *known) {
  (void)easy;
  (void)user;
  struct epoll_event event = {.data.fd = fd};
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
    return 0;
  }
  event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                 (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
  epoll_ctl(ep, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
  curl_multi_assign(multi, fd, &ep);
  return 0;
}

static int on_timer(CURLM *handle, long milliseconds, void *user) {
  (void)handle;
  (void)user;
  timer_ms = milliseconds;
  return 0;
}

static void start(struct reader *reader) {
  CURL *easy = curl_easy_init();
  const char *ca = getenv("BENCH_CACERT");
  reader->left = given.requests - 1;
  curl_easy_setopt(easy, CURLOPT_URL, given.url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, reader);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, reader);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  if (ca) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
  }
  curl_multi_add_handle(multi, easy);
}

/* Starts the next request of each stream whose reply has ended. */
static void reap(void) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(multi, &left))) {
    CURL *easy = message->easy_handle;
    struct reader *reader;
    if (message->data.result != CURLE_OK) {
      fprintf(stderr, "floor: %s\n", curl_easy_strerror(message->data.result));
      failures++;
    }
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&reader);
    curl_multi_remove_handle(multi, easy);
    if (reader->left-- > 0) {
      curl_multi_add_handle(multi, easy);
      running = 1;
    } else {
      curl_easy_cleanup(easy);
    }
  }
}

static int select_bits(uint32_t events) {
  return (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
         (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
         (events & EPOLLERR ? CURL_CSELECT_ERR : 0);
}

static void run(uint64_t until) {
  struct epoll_event events[64];
  curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  while (running && (until == 0 || texts_now_ns() < until)) {
    long wait = timer_ms < 0 || timer_ms > 500 ? 500 : timer_ms;
    int n = epoll_wait(ep, events, 64, (int)wait);
    if (n == 0) {
      timer_ms = -1;
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    for (int i = 0; i < n; i++) {
      curl_multi_socket_action(multi, events[i].data.fd,
                               select_bits(events[i].events), &running);
    }
    reap();
  }
}

int main(int argc, char **argv) {
  given = texts_arguments(argc, argv);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  ep = epoll_create1(EPOLL_CLOEXEC);
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  struct reader *readers = calloc((size_t)given.streams, sizeof *readers);
  if (!readers) {
    texts_die("calloc");
  }
  for (int i = 0; i < given.streams; i++) {
    start(&readers[i]);
  }
  run(given.idle ? texts_now_ns() + (uint64_t)given.idle * 1000000000u : 0);
  texts_report();
  return failures > 0;
}
