/* SPDX-License-Identifier: MIT
 *
 * Several Lua states at once, each in a thread of its own with an engine of its
 * own, each streaming small answers from the server of this process.  Built
 * with -fsanitize=thread it also shows that they share nothing unguarded.
 * Prints a line per thread and the sum.  Includes lua.h and server.h; src/bind
 * by its one public function.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

#define THREADS 4
#define RUN_SECONDS 120

int luaopen_rill_core(lua_State *L);

struct worker {
  pthread_t thread;
  bool passed;
  char message[256];
};

static const char *script;
static int port;

static void *work(void *arg) {
  struct worker *worker = arg;
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    snprintf(worker->message, sizeof worker->message, "no Lua state");
    return NULL;
  }
  luaL_openlibs(L);
  int status = luaL_loadfile(L, script);
  if (status == LUA_OK) {
    lua_pushcfunction(L, luaopen_rill_core);
    lua_pushinteger(L, port);
    status = lua_pcall(L, 2, 1, 0);
  }
  const char *message = lua_tostring(L, -1);
  snprintf(worker->message, sizeof worker->message, "%s",
           message != NULL ? message : "no message");
  worker->passed = status == LUA_OK;
  lua_close(L);
  return NULL;
}

int main(int argc, char **argv) {
  struct worker workers[THREADS];
  int passed = 0;
  if (argc != 2) {
    fprintf(stderr, "usage: threads threads.lua\n");
    return 2;
  }
  script = argv[1];
  signal(SIGPIPE, SIG_IGN);
  alarm(RUN_SECONDS);
  port = server_start();
  if (port < 0) {
    fprintf(stderr, "cannot start the server\n");
    return 2;
  }
  memset(workers, 0, sizeof workers);
  for (int i = 0; i < THREADS; i++) {
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
      fprintf(stderr, "cannot start a thread\n");
      return 2;
    }
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    printf("%s  thread %d: %s\n", workers[i].passed ? "ok" : "NOT OK", i + 1,
           workers[i].message);
    passed += workers[i].passed;
  }
  server_stop();
  printf("%d passed, %d failed\n", passed, THREADS - passed);
  return passed < THREADS;
}
