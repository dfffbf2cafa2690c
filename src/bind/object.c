/* SPDX-License-Identifier: MIT
 *
 * The metatable of a class is made when its first object is, and kept in the
 * registry under the address of the class.  Includes lua.h.
 */
#include "object.h"

static void push_metatable(lua_State *L, const struct rill_class *class) {
  lua_pushlightuserdata(L, (void *)class);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_isnil(L, -1)) {
    return;
  }
  const luaL_Reg meta[] = {{"__gc", class->collect},
                           {"__close", class->close},
                           {"__tostring", class->describe},
                           {NULL, NULL}};
  lua_pop(L, 1);
  lua_newtable(L);
  rill_setfuncs(L, meta);
  lua_pushstring(L, class->name);
  lua_setfield(L, -2, "__name");
  lua_newtable(L);
  rill_setfuncs(L, class->methods);
  lua_setfield(L, -2, "__index");
  lua_pushlightuserdata(L, (void *)class);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

struct rill_object *rill_object_new(lua_State *L,
                                    const struct rill_class *class) {
  struct rill_object *object = rill_newuserdata(L, sizeof *object);
  object->class = class;
  object->self = NULL;
  push_metatable(L, class);
  lua_setmetatable(L, -2);
  return object;
}

struct rill_object *rill_object_check(lua_State *L, int arg,
                                      const struct rill_class *class) {
  /* Any userdata as large as ours may be read; only ours begins with the
   * address of our class.  Cheaper than looking at metatables, and this is
   * called for every delta. */
  struct rill_object *object = lua_touserdata(L, arg);
  if (object != NULL && lua_rawlen(L, arg) == sizeof *object &&
      object->class == class) {
    return object;
  }
  rill_type_error(L, arg, class->name);
  return NULL;
}
