/* SPDX-License-Identifier: MIT
 *
 * fork, waitpid and _exit for spec/net/fork_spec.lua, which compiles it. Debian
 * would have them in a package of its own (lua-posix).
 */
#include <lauxlib.h>
#include <lua.h>
#include <sys/wait.h>
#include <unistd.h>

int luaopen_forking(lua_State *L);

static int forking_fork(lua_State *L) {
  lua_pushinteger(L, fork());
  return 1;
}

static int forking_wait(lua_State *L) {
  int status = -1;
  waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 1;
}

static int forking_exit(lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
}

int luaopen_forking(lua_State *L) {
  lua_newtable(L);
  lua_pushcfunction(L, forking_fork);
  lua_setfield(L, -2, "fork");
  lua_pushcfunction(L, forking_wait);
  lua_setfield(L, -2, "wait");
  lua_pushcfunction(L, forking_exit);
  lua_setfield(L, -2, "exit");
  return 1;
}
