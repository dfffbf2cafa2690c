/* SPDX-License-Identifier: MIT
 *
 * The life of a userdata that owns one C object, written down once.  The block
 * is made with a null pointer and its metatable before the object is opened, so
 * that running out of memory at any point leaves nothing unowned.  Includes
 * lua.h.
 */
#ifndef RILL_BIND_OBJECT_H
#define RILL_BIND_OBJECT_H

#include "compat.h"

/* A kind of userdata; its address is its identity. */
struct rill_class {
  const char *name;
  const luaL_Reg *methods;
  lua_CFunction collect;  /* __gc: frees the C object */
  lua_CFunction close;    /* __close: ends its work; may be the same */
  lua_CFunction describe; /* __tostring */
};

struct rill_object {
  const struct rill_class *class;
  void *self; /* null before it was opened and after it was freed */
};

/* Pushes a new userdata of the class, holding nothing yet. */
struct rill_object *rill_object_new(lua_State *L,
                                    const struct rill_class *class);

/* The object at arg, or an error that names the argument. */
struct rill_object *rill_object_check(lua_State *L, int arg,
                                      const struct rill_class *class);

#endif
