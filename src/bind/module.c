/* SPDX-License-Identifier: MIT
 *
 * luaopen_rill_core: the list of what C gives to lua/rill.  Includes lua.h.
 */
#include "bind.h"

__attribute__((visibility("default"))) int luaopen_rill_core(lua_State *L);

int luaopen_rill_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"engine", rill_bind_engine_get},
      {"profile", rill_bind_profile_new},
      {"sse_parser", rill_bind_sse_new},
      {NULL, NULL},
  };
  lua_newtable(L);
  rill_setfuncs(L, functions);
  return 1;
}
