/* SPDX-License-Identifier: MIT
 *
 * load [--abort N] PORT STREAM_PATH COUNT [PING_PATH]: asks a server of
 * 127.0.0.1 for a path so many times at once and, on one kept connection, for
 * another every 5 ms until the last answer has ended.  Prints one line of JSON:
 * how many answers were whole, the deltas in them, and milliseconds of the
 * pings, counted from when each was due; those that were due before every
 * answer had begun are left out.  A delta is an @ with the 19 digits of
 * CLOCK_MONOTONIC after it (as bench/server.c makes them); latency_us is what
 * has passed since, the first second left out.  --abort: the first N leave
 * after their first delta.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PING_NS UINT64_C(5000000)
#define SECOND_NS UINT64_C(1000000000)
/* No answer in sight for so long: the run has failed. */
#define SILENCE_NS (20 * SECOND_NS)

struct numbers {
  double *list;
  size_t count;
  size_t cap;
};

struct answer {
  int fd;
  bool leaves; /* after its first delta */
  uint64_t deltas;
  uint64_t stamp;
  int digits; /* of a stamp, read so far; -1 outside */
  char head[12];
  size_t head_len;
  char tail[5];
};

static int ep, port;
static const char *ping_path;
static int ping_fd = -1;
static bool is_ping_out;
static uint64_t ping_due, first_ns, begun_ns;
static struct numbers pings, latencies;
static int whole, broken, left, silent; /* silent: without a delta yet */
static uint64_t deltas;

static uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void add(struct numbers *numbers, double value) {
  if (numbers->count == numbers->cap) {
    numbers->cap = numbers->cap * 2 + 1024;
    numbers->list =
        realloc(numbers->list, numbers->cap * sizeof *numbers->list);
    if (numbers->list == NULL) {
      die("realloc");
    }
  }
  numbers->list[numbers->count++] = value;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double part(struct numbers *numbers, double at) {
  if (numbers->count == 0) {
    return 0;
  }
  qsort(numbers->list, numbers->count, sizeof *numbers->list, compare);
  return numbers->list[(size_t)((double)(numbers->count - 1) * at)];
}

/* Connects, and asks once. */
static int ask(const char *path, bool keep, void *data) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    die("connect");
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  char request[512];
  int len = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n",
                     path, keep ? "keep-alive" : "close");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
  if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len ||
      epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) != 0) {
    die("ask");
  }
  return fd;
}

/* ---- answers ---- */

static void on_delta(struct answer *answer) {
  uint64_t now = now_ns();
  silent -= answer->deltas == 0;
  answer->deltas++;
  first_ns = first_ns == 0 ? now : first_ns;
  if (silent == 0 && begun_ns == 0) {
    begun_ns = now;
  }
  if (answer->stamp >= first_ns + SECOND_NS) {
    add(&latencies, (double)(now - answer->stamp) / 1e3);
  }
}

static void read_byte(struct answer *answer, char byte) {
  if (answer->head_len < sizeof answer->head) {
    answer->head[answer->head_len++] = byte;
  }
  if (byte == '@') {
    answer->digits = 0;
    answer->stamp = 0;
  } else if (answer->digits >= 0 && byte >= '0' && byte <= '9') {
    answer->stamp = answer->stamp * 10 + (uint64_t)(byte - '0');
    if (++answer->digits == 19) {
      answer->digits = -1;
      on_delta(answer);
    }
  } else {
    answer->digits = -1;
  }
}

static void finish(struct answer *answer) {
  bool is_whole = answer->head_len == sizeof answer->head &&
                  memcmp(answer->head, "HTTP/1.1 200", 12) == 0 &&
                  memcmp(answer->tail, "0\r\n\r\n", 5) == 0;
  if (!answer->leaves) {
    *(is_whole ? &whole : &broken) += 1;
    deltas += answer->deltas;
  }
  close(answer->fd);
  left--;
}

static void on_answer(struct answer *answer) {
  char bytes[65536];
  ssize_t got = recv(answer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  for (ssize_t i = 0; i < got; i++) {
    read_byte(answer, bytes[i]);
    memmove(answer->tail, answer->tail + 1, sizeof answer->tail - 1);
    answer->tail[sizeof answer->tail - 1] = bytes[i];
  }
  if (got <= 0 || (answer->leaves && answer->deltas > 0)) {
    finish(answer);
  }
}

/* ---- pings ---- */

static void send_ping(void) {
  is_ping_out = true;
  if (ping_fd < 0) {
    ping_fd = ask(ping_path, true, NULL);
    return;
  }
  char request[512];
  int len = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", ping_path);
  if (send(ping_fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
    die("ping");
  }
}

/* The answer to a ping fits into one read; the next may be due already. */
static void on_ping(void) {
  static const char last[] = "\r\nConnection: close\r\n";
  char bytes[4096];
  ssize_t got = recv(ping_fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 12 || memcmp(bytes, "HTTP/1.1 200", 12) != 0) {
    fprintf(stderr, "load: a ping failed\n");
    exit(1);
  }
  if (begun_ns > 0 && ping_due >= begun_ns) {
    add(&pings, (double)(now_ns() - ping_due) / 1e6);
  }
  ping_due += PING_NS;
  is_ping_out = false;
  /* nginx says so after so many requests: the next one would meet a reset. */
  if (memmem(bytes, (size_t)got, last, sizeof last - 1) != NULL) {
    close(ping_fd);
    ping_fd = -1;
  }
}

static void run(void) {
  uint64_t heard = now_ns();
  struct epoll_event events[64];
  while (left > 0) {
    uint64_t now = now_ns();
    if (ping_path != NULL && !is_ping_out && now >= ping_due) {
      send_ping();
    }
    int count = epoll_wait(ep, events, 64, 1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) {
        on_ping();
      } else {
        on_answer(events[i].data.ptr);
        heard = now;
      }
    }
    if (now > heard + SILENCE_NS) {
      fprintf(stderr, "load: %d answers have not ended\n", left);
      return;
    }
  }
}

int main(int argc, char **argv) {
  int aborts = 0;
  if (argc > 2 && strcmp(argv[1], "--abort") == 0) {
    aborts = atoi(argv[2]);
    argc -= 2;
    argv += 2;
  }
  if (argc < 4) {
    fprintf(stderr, "usage: load [--abort N] PORT PATH COUNT [PING_PATH]\n");
    return 2;
  }
  port = atoi(argv[1]);
  left = silent = atoi(argv[3]);
  ping_path = argc > 4 ? argv[4] : NULL;
  ep = epoll_create1(EPOLL_CLOEXEC);
  struct answer *answers = calloc((size_t)left, sizeof *answers);
  if (answers == NULL) {
    die("calloc");
  }
  if (ping_path != NULL) {
    ping_due = now_ns();
  }
  for (int i = 0; i < atoi(argv[3]); i++) {
    answers[i].digits = -1;
    answers[i].leaves = i < aborts;
    answers[i].fd = ask(argv[2], false, &answers[i]);
  }
  run();
  printf("{\"whole\":%d,\"broken\":%d,\"unended\":%d,\"deltas\":%" PRIu64
         ",\"pings\":%zu,\"ping_p50_ms\":%.3f,\"ping_p99_ms\":%.3f,"
         "\"ping_max_ms\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
         whole, broken, left, deltas, pings.count, part(&pings, .5),
         part(&pings, .99), part(&pings, 1), part(&latencies, .5),
         part(&latencies, .99));
  return broken > 0 || left > 0;
}
