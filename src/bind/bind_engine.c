/* SPDX-License-Identifier: MIT
 *
 * rill.engine: a thin face over net/engine.h, and the one engine of a Lua
 * state, which lives in the registry.  Its metatable keeps the class of
 * transfers under "transfer".  Includes lua.h.
 */
#include <errno.h>
#include <string.h>

#include "bind.h"
#include "net/bell.h"
#include "net/clock.h"

static const struct rill_class engine_class; /* at the end of the file */
static const char registry_key = 0;
static const char next_id_key = 0;

static struct rill_engine *check(lua_State *L) {
  struct rill_engine *engine = rill_object_check(L, 1, &engine_class)->self;
  if (engine == NULL) {
    luaL_error(L, "the engine is closed");
  }
  return engine;
}

static struct rill_engine *check_ours(lua_State *L) {
  struct rill_engine *engine = check(L);
  if (!rill_engine_is_ours(engine)) {
    luaL_error(L, "the engine belongs to the process that forked this one; ask "
                  "for a new one");
  }
  return engine;
}

static int engine_open(lua_State *L) {
  return rill_bind_transfer_open(L, check_ours(L));
}

/* answer(profile, format, age, source): of a question that was asked so many
 * seconds ago, which timeout.total counts; default 0.  source: the id of the
 * socket that it comes by, whose heartbeats count for timeout.idle */
static int engine_answer(lua_State *L) {
  return rill_bind_transfer_answer(L, check_ours(L));
}

static int engine_connect(lua_State *L) {
  return rill_bind_socket_connect(L, check_ours(L));
}

/* step(seconds, budget) */
static int engine_step(lua_State *L) {
  struct rill_engine *engine = check(L);
  int64_t timeout = RILL_NEVER;
  if (!lua_isnoneornil(L, 2)) {
    lua_Number seconds = luaL_checknumber(L, 2);
    timeout = seconds > 0 ? rill_bind_duration(seconds) : 0;
  }
  if (lua_isnoneornil(L, 3)) {
    rill_engine_step(engine, timeout);
  } else {
    lua_Number budget = luaL_checknumber(L, 3);
    rill_engine_step_within(engine, timeout,
                            budget > 0 ? rill_bind_duration(budget) : 0);
  }
  lua_pushinteger(L, (lua_Integer)engine->running_count);
  return 1;
}

/* await(id): steps without a limit.  true: there is news of that one alone,
 * which counts as looked at; else what step gives. */
static int engine_await(lua_State *L) {
  struct rill_engine *engine = check(L);
  lua_Integer id = lua_tointeger(L, 2); /* 0 for what is no number */
  rill_engine_step(engine, RILL_NEVER);
  if (rill_engine_take_only(engine, (int64_t)id)) {
    lua_pushboolean(L, true);
  } else {
    lua_pushinteger(L, (lua_Integer)engine->running_count);
  }
  return 1;
}

static int engine_ready(lua_State *L) {
  struct rill_driven *driven = rill_engine_take_ready(check(L));
  if (driven == NULL) {
    return 0;
  }
  lua_pushinteger(L, (lua_Integer)driven->id);
  return 1;
}

static int engine_fd(lua_State *L) {
  int fd = rill_engine_fd(check(L));
  if (fd < 0) {
    return 0;
  }
  lua_pushinteger(L, fd);
  return 1;
}

static int engine_timeout(lua_State *L) {
  int64_t left = rill_engine_timeout(check(L));
  if (left == RILL_NEVER) {
    return 0;
  }
  lua_pushnumber(L, (lua_Number)left / RILL_SECOND_US);
  return 1;
}

/* What cqueues asks of a pollable object: readable is all that matters. */
static int engine_events(lua_State *L) {
  check(L);
  lua_pushliteral(L, "r");
  return 1;
}

/* What LuaSocket's select asks: whether it must not wait. */
static int engine_dirty(lua_State *L) {
  struct rill_engine *engine = check(L);
  lua_pushboolean(L, !rill_link_is_alone(&engine->ready));
  return 1;
}

/* bell(folder): starts the bell, in place of one that there may be.  Pushes
 * where to connect; or nil and why not. */
static int engine_bell(lua_State *L) {
  struct rill_engine *engine = check(L);
  const char *folder = luaL_checkstring(L, 2);
  int fd = rill_engine_is_ours(engine) ? rill_engine_fd(engine) : -1;
  rill_bell_close(engine->bell);
  engine->bell = NULL;
  if (fd < 0) {
    lua_pushnil(L);
    lua_pushliteral(L, "the engine has no descriptor");
    return 2;
  }
  if (rill_bell_open(&engine->bell, fd, folder) != RILL_OK) {
    lua_pushnil(L);
    lua_pushfstring(L, "a socket below %s and a thread: %s", folder,
                    strerror(errno));
    return 2;
  }
  lua_pushstring(L, rill_bell_path(engine->bell));
  return 1;
}

/* go_on(): the news that the bell rang for are dealt with.  Pushes nothing. */
static int engine_go_on(lua_State *L) {
  struct rill_engine *engine = check(L);
  if (engine->bell != NULL) {
    rill_bell_go_on(engine->bell);
  }
  return 0;
}

/* mute(): ends the bell.  Pushes nothing. */
static int engine_mute(lua_State *L) {
  struct rill_engine *engine = check(L);
  rill_bell_close(engine->bell);
  engine->bell = NULL;
  return 0;
}

/* drop(id): closes that transfer, whoever holds it.  Pushes nothing. */
static int engine_drop(lua_State *L) {
  struct rill_engine *engine = check(L);
  rill_engine_drop(engine, (int64_t)luaL_checknumber(L, 2));
  return 0;
}

/* The id that comes next where there is no engine: the numbers of a closed one
 * may still be known to somebody.  The slot is there from the first engine on,
 * so that setting it needs no memory. */
static void keep_next_id(lua_State *L, int64_t next_id) {
  lua_pushlightuserdata(L, (void *)&next_id_key);
  lua_pushinteger(L, (lua_Integer)next_id);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

static int64_t kept_next_id(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&next_id_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  int64_t next_id = lua_isnil(L, -1) ? 1 : (int64_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return next_id;
}

static int engine_release(lua_State *L) {
  struct rill_object *object = rill_object_check(L, 1, &engine_class);
  struct rill_engine *engine = object->self;
  object->self = NULL;
  if (engine != NULL) {
    keep_next_id(L, engine->next_id);
  }
  rill_engine_close(engine);
  return 0;
}

static int engine_describe(lua_State *L) {
  struct rill_engine *engine = rill_object_check(L, 1, &engine_class)->self;
  if (engine == NULL) {
    lua_pushliteral(L, "rill.engine (closed)");
  } else {
    lua_pushfstring(L, "rill.engine (%d open)", (int)engine->running_count);
  }
  return 1;
}

int rill_bind_engine_get(lua_State *L) {
  int64_t next_id = kept_next_id(L);
  lua_pushlightuserdata(L, (void *)&registry_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  struct rill_object *object = lua_touserdata(L, -1);
  if (object != NULL && object->self != NULL) {
    struct rill_engine *old = object->self;
    if (rill_engine_is_ours(old)) {
      return 1;
    }
    next_id = old->next_id;
    rill_engine_abandon(old);
  }
  keep_next_id(L, next_id);
  object = rill_object_new(L, &engine_class);
  struct rill_engine *engine;
  if (rill_engine_open(&engine) != RILL_OK) {
    return luaL_error(L, "cannot start the engine: no memory or no file "
                         "descriptor is left");
  }
  object->self = engine;
  engine->next_id = next_id; /* unique within the Lua state */
  lua_pushlightuserdata(L, (void *)&registry_key);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return 1;
}

static const luaL_Reg methods[] = {
    {"open", engine_open},       {"answer", engine_answer},
    {"connect", engine_connect}, {"step", engine_step},
    {"await", engine_await},     {"ready", engine_ready},
    {"fd", engine_fd},           {"timeout", engine_timeout},
    {"pollfd", engine_fd},       {"getfd", engine_fd},
    {"events", engine_events},   {"dirty", engine_dirty},
    {"bell", engine_bell},       {"go_on", engine_go_on},
    {"mute", engine_mute},       {"drop", engine_drop},
    {"close", engine_release},   {NULL, NULL},
};

static const struct rill_class engine_class = {
    "rill.engine", methods, engine_release, engine_release, engine_describe};
