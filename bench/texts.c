/* SPDX-License-Identifier: MIT
 *
 * See texts.h.
 */
#define _GNU_SOURCE
#include "texts.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool is_paced;
static uint64_t deltas, text_bytes, first_ns;
static uint32_t *latencies;
static size_t latency_count, latency_cap;

uint64_t texts_now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void texts_die(const char *what) {
  perror(what);
  exit(1);
}

void *texts_grown(void *old, size_t bytes) {
  void *new = realloc(old, bytes);
  if (!new) {
    texts_die("realloc");
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
    latencies = texts_grown(latencies, latency_cap * sizeof *latencies);
  }
  latencies[latency_count++] = (uint32_t)(texts_now_ns() - stamp);
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

void texts_count(size_t bytes) {
  if (deltas++ == 0) {
    first_ns = texts_now_ns();
  }
  text_bytes += bytes;
}

void texts_take(size_t *text_at, const char *line, size_t len) {
  if (len < 2 * KEY_LEN) {
    return;
  }
  const char *end = line + len;
  const char *text = line + *text_at;
  if (*text_at < KEY_LEN || *text_at >= len ||
      memcmp(text - KEY_LEN, key, KEY_LEN) != 0) {
    const char *found = memmem(line, len, key, KEY_LEN);
    if (!found) {
      return;
    }
    text = found + KEY_LEN;
    *text_at = (size_t)(text - line);
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
  texts_count(has_escapes ? decoded_len(text, stop) : (size_t)(stop - text));
  if (is_paced && *text == '@') {
    note_latency(text);
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

void texts_report(void) {
  printf("{\"deltas\":%" PRIu64 ",\"text_bytes\":%" PRIu64
         ",\"first_ns\":%" PRIu64 ",\"rss_kib\":%ld",
         deltas, text_bytes, first_ns, resident_kib());
  if (latency_count > 0) {
    qsort(latencies, latency_count, sizeof *latencies, compare);
    printf(",\"p50_us\":%.1f,\"p99_us\":%.1f", latency_us(.5), latency_us(.99));
  }
  printf("}\n");
}

/* -- arguments -- */

struct arguments texts_arguments(int argc, char **argv) {
  struct arguments given = {.streams = 1, .requests = 1, .window = 1};
  const struct {
    const char *name;
    int *value;
  } numbers[] = {
      {"--streams", &given.streams}, {"--requests", &given.requests},
      {"--idle", &given.idle},       {"--echo", &given.echo},
      {"--window", &given.window},
  };
  for (int i = 1; i < argc; i++) {
    int *number = NULL;
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
      number = strcmp(argv[i], numbers[n].name) ? number : numbers[n].value;
    }
    if (number && i + 1 < argc) {
      *number = atoi(argv[++i]);
    } else {
      given.url = argv[i];
    }
  }
  if (!given.url || given.streams < 1 || given.requests < 1 ||
      given.window < 1) {
    fprintf(stderr,
            "usage: %s [--idle SECONDS] [--streams N] [--requests K] "
            "[--echo N] [--window W] URL\n",
            argv[0]);
    exit(2);
  }
  is_paced = strstr(given.url, "/paced/") != NULL;
  return given;
}
