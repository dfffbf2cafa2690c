/* SPDX-License-Identifier: MIT
 *
 * Plays bytes to a parser whole, byte by byte, cut in two at each place and at
 * random cuts: what it writes down must be the same each time.  Includes libc
 * and the harness.
 */
#ifndef RILL_SPEC_EVERY_CUT_H
#define RILL_SPEC_EVERY_CUT_H

#include "check.h"

/* Feeds the input in pieces that begin at the cuts, which ascend, and writes
 * down what came out.  Each piece should lie in a block of its own. */
typedef void cut_player(const void *setup, struct rill_bytes *out,
                        struct rill_span input, const size_t *cuts,
                        size_t count);

void check_every_cut(cut_player *play, const void *setup,
                     struct rill_span input, const char *want, const char *file,
                     int line);

/* Appends to what a player writes down. */
void put_span(struct rill_bytes *out, struct rill_span span);
void put_text(struct rill_bytes *out, const char *text);
void put_number(struct rill_bytes *out, unsigned long number);

#endif
