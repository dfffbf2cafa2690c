/* SPDX-License-Identifier: MIT
 *
 * Everything that differs between Lua 5.1, LuaJIT, 5.3 and 5.4, and nothing
 * else.  Includes lua.h.
 */
#ifndef RILL_BIND_COMPAT_H
#define RILL_BIND_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502
#define lua_rawlen lua_objlen
#endif

/* Whether a C function may call Lua code that yields, and go on afterwards. */
#if LUA_VERSION_NUM >= 503
#define RILL_HAS_CALLK 1
#endif

/* Userdata without user values. */
static inline void *rill_newuserdata(lua_State *L, size_t size) {
#if LUA_VERSION_NUM >= 504
  return lua_newuserdatauv(L, size, 0);
#else
  return lua_newuserdata(L, size);
#endif
}

/* luaL_setfuncs without upvalues, which 5.1 lacks. */
static inline void rill_setfuncs(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

/* Raises "bad argument #arg (NAME expected, got ...)". */
static inline int rill_type_error(lua_State *L, int arg, const char *name) {
  const char *message =
      lua_pushfstring(L, "%s expected, got %s", name, luaL_typename(L, arg));
  return luaL_argerror(L, arg, message);
}

#endif
