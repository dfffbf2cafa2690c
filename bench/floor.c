/* SPDX-License-Identifier: MIT
 *
 * The floor of the bench: what a C program on libcurl's multi interface (socket
 * callbacks, epoll) needs to find the texts of chat-completions streams by the
 * cheapest scan there is.  It has no options, no time limits and no errors to
 * speak of, and it believes what it reads.
 *
 *   floor [--idle SECONDS] [--streams N] [--requests K] URL
 *
 * Arguments and report line are those of common.lua.
 */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

struct reader {
  int left; /* requests to make after this one */
  char *rest;
  size_t rest_len;
  size_t rest_cap;
  size_t text_at; /* where in its line the last text began */
};

static const char *url;
static int streams = 1, requests = 1, idle_seconds;
static bool is_paced;
static uint64_t deltas, text_bytes, first_ns;
static uint32_t *latencies;
static size_t latency_count, latency_cap;

static CURLM *multi;
static int ep, running, failures;
static long timer_ms = -1;

static uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void *grown(void *old, size_t bytes) {
  void *new = realloc(old, bytes);
  if (!new) {
    die("realloc");
  }
  return new;
}

/* -- the scan -- */

/* The first second, in which the streams are opened, does not count. */
static void note_latency(const char *text) {
  uint64_t stamp = 0;
  for (int i = 1; i < 20; i++) {
    stamp = stamp * 10 + (uint64_t)(text[i] - '0');
  }
  if (stamp < first_ns + 1000000000u) {
    return;
  }
  if (latency_count == latency_cap) {
    latency_cap = latency_cap * 2 + 1024;
    latencies = grown(latencies, latency_cap * sizeof *latencies);
  }
  latencies[latency_count++] = (uint32_t)(now_ns() - stamp);
}

/* The length that JSON text has once decoded. */
static size_t decoded_len(const char *json, const char *end) {
  size_t len = 0;
  while (json < end) {
    if (*json != '\\') {
      json++;
      len++;
    } else if (json[1] != 'u') {
      json += 2;
      len++;
    } else {
      char digits[5] = {json[2], json[3], json[4], json[5], 0};
      unsigned long code = strtoul(digits, NULL, 16);
      /* Each half of a surrogate pair stands for two bytes of four. */
      bool is_half = code >= 0xd800 && code < 0xe000;
      len += code < 0x80 ? 1 : code < 0x800 || is_half ? 2 : 3;
      json += 6;
    }
  }
  return len;
}

static const char key[] = "\"delta\":{\"content\":\"";
#define KEY_LEN (sizeof key - 1)

static void take_line(struct reader *reader, const char *line,
                      const char *end) {
  size_t len = (size_t)(end - line);
  if (len < 2 * KEY_LEN) {
    return;
  }
  const char *text = line + reader->text_at;
  if (reader->text_at < KEY_LEN || reader->text_at >= len ||
      memcmp(text - KEY_LEN, key, KEY_LEN) != 0) {
    const char *found = memmem(line, len, key, KEY_LEN);
    if (!found) {
      return;
    }
    text = found + KEY_LEN;
    reader->text_at = (size_t)(text - line);
  }
  const char *stop = text;
  bool has_escapes = false;
  while (stop < end && *stop != '"') {
    has_escapes = has_escapes || *stop == '\\';
    stop += *stop == '\\' ? 2 : 1;
  }
  if (stop >= end || stop == text) {
    return;
  }
  if (deltas++ == 0) {
    first_ns = now_ns();
  }
  text_bytes += has_escapes ? decoded_len(text, stop) : (size_t)(stop - text);
  if (is_paced && *text == '@') {
    note_latency(text);
  }
}

static void keep(struct reader *reader, const char *bytes, size_t len) {
  if (reader->rest_len + len > reader->rest_cap) {
    reader->rest_cap = (reader->rest_len + len) * 2;
    reader->rest = grown(reader->rest, reader->rest_cap);
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
      take_line(reader, reader->rest, reader->rest + reader->rest_len);
      reader->rest_len = 0;
    } else {
      take_line(reader, at, newline);
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
  reader->left = requests - 1;
  curl_easy_setopt(easy, CURLOPT_URL, url);
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
  while (running && (until == 0 || now_ns() < until)) {
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

/* -- the report -- */

static long resident_kib(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  long kib = 0;
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, "VmRSS:", 6) == 0) {
      kib = strtol(line + 6, NULL, 10);
    }
  }
  if (file) {
    fclose(file);
  }
  return kib;
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static double latency_us(double part) {
  return latencies[(size_t)((double)(latency_count - 1) * part)] / 1e3;
}

static void report(void) {
  printf("{\"deltas\":%" PRIu64 ",\"text_bytes\":%" PRIu64
         ",\"first_ns\":%" PRIu64 ",\"rss_kib\":%ld",
         deltas, text_bytes, first_ns, resident_kib());
  if (latency_count > 0) {
    qsort(latencies, latency_count, sizeof *latencies, compare);
    printf(",\"p50_us\":%.1f,\"p99_us\":%.1f", latency_us(.5), latency_us(.99));
  }
  printf("}\n");
}

static void read_arguments(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    int *number = !strcmp(argv[i], "--streams")    ? &streams
                  : !strcmp(argv[i], "--requests") ? &requests
                  : !strcmp(argv[i], "--idle")     ? &idle_seconds
                                                   : NULL;
    if (number && i + 1 < argc) {
      *number = atoi(argv[++i]);
    } else {
      url = argv[i];
    }
  }
  if (!url || streams < 1 || requests < 1) {
    fprintf(stderr,
            "usage: floor [--idle SECONDS] [--streams N] [--requests K] URL\n");
    exit(2);
  }
  is_paced = strstr(url, "/paced/") != NULL;
}

int main(int argc, char **argv) {
  read_arguments(argc, argv);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  ep = epoll_create1(EPOLL_CLOEXEC);
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  struct reader *readers = calloc((size_t)streams, sizeof *readers);
  if (!readers) {
    die("calloc");
  }
  for (int i = 0; i < streams; i++) {
    start(&readers[i]);
  }
  run(idle_seconds ? now_ns() + (uint64_t)idle_seconds * 1000000000u : 0);
  report();
  return failures > 0;
}
