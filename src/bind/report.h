/* SPDX-License-Identifier: MIT
 *
 * What transfers and sockets tell in tables: failures, attempts, numbers.  A
 * setter sets a field of the table on top of the stack.  Includes lua.h and
 * net/failure.h.
 */
#ifndef RILL_BIND_REPORT_H
#define RILL_BIND_REPORT_H

#include "compat.h"
#include "net/failure.h"

/* Nothing for a text or span that is null or empty. */
void rill_report_text(lua_State *L, const char *key, const char *text);
void rill_report_span(lua_State *L, const char *key, struct rill_span span);

void rill_report_count(lua_State *L, const char *key, uint64_t count);
void rill_report_flag(lua_State *L, const char *key, bool flag);

/* A span of time, in seconds. */
void rill_report_time(lua_State *L, const char *key, int64_t us);

/* A moment, in seconds since another one; nothing for 0. */
void rill_report_moment(lua_State *L, const char *key, int64_t since,
                        int64_t moment);

/* Pushes the table of a failure; headers and body are those of the answer. */
void rill_report_failure(lua_State *L, const struct rill_failure *failure,
                         struct rill_span headers, struct rill_span body);

/* Pushes the list of attempts; headers are those of the last answer. */
void rill_report_attempts(lua_State *L, const struct rill_trail *trail,
                          int64_t created, struct rill_span headers);

#endif
