/* SPDX-License-Identifier: MIT
 *
 * What there is once in a process, however many Lua states and threads it has:
 * libcurl's initialisation and the count of forks.  Includes libc.
 */
#ifndef RILL_NET_PROCESS_H
#define RILL_NET_PROCESS_H

#include <stdbool.h>

/* To be called before anything else of libcurl; false: it cannot be used. */
bool rill_process_begin(void);

/* A number that is another one in the child of a fork. */
unsigned rill_process_generation(void);

#endif
