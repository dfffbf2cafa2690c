/* SPDX-License-Identifier: MIT
 *
 * Random bytes that nobody can foresee: from the system, and never kept in
 * stock, so that a fork has nothing to repeat.  Includes libc.
 */
#ifndef RILL_NET_RANDOM_H
#define RILL_NET_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills bytes; false if the system has none to give.  arg is not used: this is
 * the source that core/ws.h asks for. */
bool rill_random_bytes(void *arg, uint8_t *bytes, size_t len);

#endif
