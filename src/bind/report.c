/* SPDX-License-Identifier: MIT
 *
 * See report.h.  Includes lua.h.
 */
#include "report.h"

#include "core/headers.h"
#include "net/clock.h"

void rill_report_text(lua_State *L, const char *key, const char *text) {
  if (text != NULL && text[0] != '\0') {
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
  }
}

void rill_report_span(lua_State *L, const char *key, struct rill_span span) {
  if (span.len > 0) {
    lua_pushlstring(L, span.data, span.len);
    lua_setfield(L, -2, key);
  }
}

void rill_report_count(lua_State *L, const char *key, uint64_t count) {
  lua_pushinteger(L, (lua_Integer)count);
  lua_setfield(L, -2, key);
}

void rill_report_flag(lua_State *L, const char *key, bool flag) {
  lua_pushboolean(L, flag);
  lua_setfield(L, -2, key);
}

void rill_report_time(lua_State *L, const char *key, int64_t us) {
  lua_pushnumber(L, (lua_Number)us / RILL_SECOND_US);
  lua_setfield(L, -2, key);
}

void rill_report_moment(lua_State *L, const char *key, int64_t since,
                        int64_t moment) {
  if (moment != 0) {
    rill_report_time(L, key, moment - since);
  }
}

void rill_report_failure(lua_State *L, const struct rill_failure *failure,
                         struct rill_span headers, struct rill_span body) {
  lua_newtable(L);
  rill_report_text(L, "kind", failure->kind);
  rill_report_text(L, "phase", failure->phase);
  rill_report_text(L, "message", failure->message);
  rill_report_flag(L, "retryable", failure->retryable);
  rill_report_flag(L, "quota", failure->quota);
  if (failure->status != 0) {
    rill_report_count(L, "status", (uint64_t)failure->status);
  }
  if (failure->retry_after_us >= 0) {
    rill_report_time(L, "retry_after", failure->retry_after_us);
  }
  rill_report_span(L, "body", body);
  rill_report_span(L, "content_type",
                   rill_headers_get(headers, "content-type"));
  rill_report_span(L, "request_id", rill_headers_request_id(headers));
}

void rill_report_attempts(lua_State *L, const struct rill_trail *trail,
                          int64_t created, struct rill_span headers) {
  lua_newtable(L);
  for (unsigned i = 0; i < trail->count; i++) {
    const struct rill_attempt *attempt = &trail->attempts[i];
    lua_newtable(L);
    rill_report_moment(L, "started", created, attempt->started);
    if (attempt->ended != 0) {
      rill_report_time(L, "duration", attempt->ended - attempt->started);
    }
    if (attempt->status != 0) {
      rill_report_count(L, "status", (uint64_t)attempt->status);
    }
    if (attempt->delay != 0) {
      rill_report_time(L, "delay", attempt->delay);
    }
    rill_report_text(L, "reason", attempt->reason);
    if (i + 1 == trail->count) {
      rill_report_span(L, "request_id", rill_headers_request_id(headers));
    } else {
      rill_report_text(L, "request_id", attempt->request_id);
    }
    lua_rawseti(L, -2, (int)i + 1);
  }
}
