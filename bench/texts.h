/* SPDX-License-Identifier: MIT
 *
 * What the floors share: arguments, the cheapest scan for the text of a
 * chat-completions chunk, counting, the report line.  All of it believes what
 * it reads.  A process has one count.  Includes libc alone.
 *
 *   FLOOR [--idle SECONDS] [--streams N] [--requests K]
 *         [--echo N] [--window W] URL
 *
 * Arguments and report line are those of common.lua.
 */
#ifndef BENCH_TEXTS_H
#define BENCH_TEXTS_H

#include <stddef.h>
#include <stdint.h>

struct arguments {
  const char *url;
  int streams;
  int requests;
  int idle;
  int echo;   /* messages to send and get back; 0: read streams */
  int window; /* of them on their way at once */
};

/* Ends the process if they are wrong. */
struct arguments texts_arguments(int argc, char **argv);

uint64_t texts_now_ns(void);

/* Each ends the process if it fails. */
void texts_die(const char *what);
void *texts_grown(void *old, size_t bytes);

/* Counts the text of one line or message, if it has any.  *text_at, zero at
 * first, is where the last text of this stream began. */
void texts_take(size_t *text_at, const char *line, size_t len);

/* Counts an echo. */
void texts_count(size_t bytes);

void texts_report(void);

#endif
