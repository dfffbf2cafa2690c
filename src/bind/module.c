/* SPDX-License-Identifier: MIT
 *
 * luaopen_rill_core: the list of what C gives to lua/rill.  Includes lua.h.
 */
#include "bind.h"
#include "core/retry.h"
#include "core/utf8.h"

__attribute__((visibility("default"))) int luaopen_rill_core(lua_State *L);

static struct rill_span optional_span(lua_State *L, int arg) {
  struct rill_span span = {NULL, 0};
  span.data = luaL_optlstring(L, arg, NULL, &span.len);
  if (span.data == NULL) {
    span.len = 0;
  }
  return span;
}

/* is_transient(code, type, message): whether an error event that says so is
 * worth another attempt; the rule by which transfers retry.  The message counts
 * only for an error that is nothing else. */
static int is_transient(lua_State *L) {
  struct rill_span none = {NULL, 0};
  struct rill_span code = optional_span(L, 1);
  struct rill_span type = optional_span(L, 2);
  struct rill_span message = optional_span(L, 3);
  enum rill_retry_class class =
      message.len > 0 && code.len == 0 && type.len == 0
          ? rill_retry_class_of_message(message)
          : rill_retry_class_of_event(code, type, none);
  lua_pushboolean(L, class == RILL_RETRY_TRANSIENT);
  return 1;
}

static int is_utf8(lua_State *L) {
  struct rill_span text;
  text.data = luaL_checklstring(L, 1, &text.len);
  lua_pushboolean(L, rill_utf8_is_valid(text));
  return 1;
}

int luaopen_rill_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"alarm", rill_bind_alarm_new},
      {"base64_decode", rill_bind_base64_decode},
      {"base64_encode", rill_bind_base64_encode},
      {"engine", rill_bind_engine_get},
      {"is_transient", is_transient},
      {"is_utf8", is_utf8},
      {"now", rill_bind_now},
      {"profile", rill_bind_profile_new},
      {"sha256", rill_bind_sha256},
      {"sse_parser", rill_bind_sse_new},
      {"takes_url", rill_bind_socket_takes_url},
      {NULL, NULL},
  };
  lua_newtable(L);
  rill_setfuncs(L, functions);
  return 1;
}
