/* SPDX-License-Identifier: MIT
 *
 * See every_cut.h.
 */
#include "every_cut.h"

#include <stdio.h>
#include <stdlib.h>

enum { CUTS_MAX = 4096, RANDOM_ROUNDS = 20 };

void put_span(struct rill_bytes *out, struct rill_span span) {
  if (rill_bytes_append(out, span.data, span.len) != RILL_OK) {
    abort();
  }
}

void put_text(struct rill_bytes *out, const char *text) {
  put_span(out, rill_span_of(text));
}

void put_number(struct rill_bytes *out, unsigned long number) {
  char text[24];
  snprintf(text, sizeof text, "%lu", number);
  put_text(out, text);
}

struct playing {
  cut_player *play;
  const void *setup;
  struct rill_span input;
  const char *want;
  const char *file;
  int line;
};

static bool plays(const struct playing *playing, const size_t *cuts,
                  size_t count, const char *how) {
  struct rill_bytes out;
  rill_bytes_init(&out, SIZE_MAX);
  playing->play(playing->setup, &out, playing->input, cuts, count);
  bool same =
      check_span(rill_bytes_span(&out), playing->want, strlen(playing->want),
                 how, playing->file, playing->line);
  rill_bytes_free(&out);
  return same;
}

static size_t random_cuts(size_t *cuts, size_t len) {
  size_t count = 0;
  size_t widest = 1 + check_random(2 * len / 3 + 2);
  for (size_t at = check_random(widest); at < len && count < CUTS_MAX;
       at += 1 + check_random(widest)) {
    cuts[count++] = at;
  }
  return count;
}

void check_every_cut(cut_player *play, const void *setup,
                     struct rill_span input, const char *want, const char *file,
                     int line) {
  struct playing playing = {play, setup, input, want, file, line};
  size_t cuts[CUTS_MAX];
  size_t count = 0;
  check_about(input.data, input.len);
  bool same = plays(&playing, NULL, 0, "whole");
  while (count + 1 < input.len && count < CUTS_MAX) {
    cuts[count] = count + 1;
    count++;
  }
  same = same && plays(&playing, cuts, count, "byte by byte");
  for (size_t at = 0; same && at <= input.len; at++) {
    same = plays(&playing, &at, 1, "cut in two");
  }
  for (int i = 0; same && i < RANDOM_ROUNDS; i++) {
    count = random_cuts(cuts, input.len);
    same = plays(&playing, cuts, count, "random cuts");
  }
  check_about(NULL, 0);
}
