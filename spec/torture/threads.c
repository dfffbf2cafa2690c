/* SPDX-License-Identifier: MIT
 *
 * Several Lua states in one process: one in each of several threads; several in
 * each thread, closed in every order, the first of them while it streams; and
 * one that goes from thread to thread.  All stream from the server of this
 * process, and nothing is left open at the end.  Built with -fsanitize=thread
 * it also shows that they share nothing unguarded.  Prints a line per scenario
 * and thread and the sum.  Includes lua.h, rill.h and server.h.
 */
#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rill.h"
#include "server.h"

#define THREADS 4
#define STATES 3 /* in a thread */
#define RUN_SECONDS 240

struct worker {
  pthread_t thread;
  bool (*run)(struct worker *worker);
  lua_State *L; /* of a worker that is given one */
  const char *call;
  bool passed;
  char message[256];
};

static const char *folder;
static int port;
static int passed_count, failed_count;

/* ---- states ---- */

static bool fail(struct worker *worker, lua_State *L) {
  const char *message = lua_tostring(L, -1);
  snprintf(worker->message, sizeof worker->message, "%s",
           message != NULL ? message : "no message");
  lua_pop(L, 1);
  return false;
}

/* A state with Lua's libraries and rill, which is on its stack. */
static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  if (L != NULL) {
    luaL_openlibs(L);
    luaL_requiref(L, "rill", luaopen_rill, 0);
  }
  return L;
}

/* Runs a file of this folder with what lies on the stack above `below`, and the
 * port. */
static bool load(struct worker *worker, lua_State *L, const char *file,
                 int below) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  if (luaL_loadfile(L, path) != LUA_OK) {
    return fail(worker, L);
  }
  lua_insert(L, below + 1);
  lua_pushinteger(L, port);
  return lua_pcall(L, lua_gettop(L) - below - 1, 1, 0) == LUA_OK ||
         fail(worker, L);
}

/* Calls a function of states.lua; its result stays on the stack as index 2. */
static bool call(struct worker *worker, lua_State *L, const char *name) {
  lua_settop(L, 1);
  lua_getfield(L, 1, name);
  return lua_pcall(L, 0, 1, 0) == LUA_OK || fail(worker, L);
}

/* A state whose functions (states.lua) are at index 1, and which has begun to
 * stream; or NULL. */
static lua_State *open_streaming(struct worker *worker) {
  lua_State *L = open_state();
  if (L != NULL &&
      (!load(worker, L, "states.lua", 0) || !call(worker, L, "start"))) {
    lua_close(L);
    return NULL;
  }
  return L;
}

/* ---- one state in a thread ---- */

static bool run_alone(struct worker *worker) {
  lua_State *L = open_state();
  if (L == NULL) {
    return false;
  }
  lua_settop(L, 0);
  lua_pushcfunction(L, luaopen_rill_core);
  bool passed = load(worker, L, "threads.lua", 0);
  if (passed) {
    fail(worker, L); /* what it returns is the message */
  }
  lua_close(L);
  return passed;
}

/* ---- several states in a thread ---- */

static bool step_until_streaming(struct worker *worker, lua_State **states) {
  int streaming = 0;
  while (streaming < STATES) {
    streaming = 0;
    for (int i = 0; i < STATES; i++) {
      if (!call(worker, states[i], "step")) {
        return false;
      }
      streaming += lua_toboolean(states[i], 2);
    }
  }
  return true;
}

/* Closes the first in that order as it is; the others have their answers. */
static bool close_in_order(struct worker *worker, const int *order) {
  lua_State *states[STATES] = {NULL};
  bool passed = true;
  for (int i = 0; i < STATES && passed; i++) {
    states[i] = open_streaming(worker);
    passed = states[i] != NULL;
  }
  passed = passed && step_until_streaming(worker, states);
  for (int i = 0; i < STATES; i++) {
    lua_State *L = states[order[i]];
    passed = passed && (i == 0 || call(worker, L, "finish"));
    if (L != NULL) {
      lua_close(L);
    }
  }
  return passed;
}

static bool run_several(struct worker *worker) {
  static const int orders[][STATES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  int count = sizeof orders / sizeof *orders;
  for (int i = 0; i < count; i++) {
    if (!close_in_order(worker, orders[i])) {
      return false;
    }
  }
  snprintf(worker->message, sizeof worker->message, "%d states in %d orders",
           STATES, count);
  return true;
}

/* ---- threads ---- */

static void *work(void *arg) {
  struct worker *worker = arg;
  worker->passed = worker->run(worker);
  return NULL;
}

static bool start(struct worker *worker, bool (*run)(struct worker *worker)) {
  worker->run = run;
  return pthread_create(&worker->thread, NULL, work, worker) == 0;
}

static void tell(const char *scenario, bool passed, const char *message) {
  printf("%s  %s: %s\n", passed ? "ok" : "NOT OK", scenario, message);
  *(passed ? &passed_count : &failed_count) += 1;
}

static void run_in_threads(const char *scenario,
                           bool (*run)(struct worker *worker)) {
  struct worker workers[THREADS];
  bool started[THREADS];
  memset(workers, 0, sizeof workers);
  for (int i = 0; i < THREADS; i++) {
    started[i] = start(&workers[i], run);
  }
  for (int i = 0; i < THREADS; i++) {
    if (started[i]) {
      pthread_join(workers[i].thread, NULL);
    }
    tell(scenario, workers[i].passed, workers[i].message);
  }
}

/* ---- a state that goes from thread to thread ---- */

static bool run_call(struct worker *worker) {
  return call(worker, worker->L, worker->call);
}

static bool call_elsewhere(struct worker *worker, const char *name) {
  worker->call = name;
  worker->passed = false;
  if (!start(worker, run_call)) {
    return false;
  }
  pthread_join(worker->thread, NULL);
  return worker->passed;
}

static void run_moving(void) {
  struct worker worker = {.message = "begun here, read there, closed here"};
  worker.L = open_streaming(&worker);
  bool passed = worker.L != NULL;
  do {
    passed = passed && call_elsewhere(&worker, "step");
  } while (passed && !lua_toboolean(worker.L, 2));
  passed = passed && call_elsewhere(&worker, "finish");
  if (worker.L != NULL) {
    lua_close(worker.L);
  }
  tell("a state that goes from thread to thread", passed, worker.message);
}

/* ---- what is left ---- */

static int count_descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir != NULL && readdir(dir) != NULL) {
    count++;
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return count;
}

/* The server's thread needs a moment to see that its clients have gone. */
static void check_rest(int descriptors) {
  char message[64];
  for (int i = 0; i < 500 && server_connections() > 0; i++) {
    usleep(10000);
  }
  int left = count_descriptors() - descriptors;
  snprintf(message, sizeof message, "%d connections, %d descriptors",
           server_connections(), left);
  tell("left open", server_connections() == 0 && left == 0, message);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: threads FOLDER\n");
    return 2;
  }
  folder = argv[1];
  signal(SIGPIPE, SIG_IGN);
  alarm(RUN_SECONDS);
  port = server_start(NULL);
  if (port < 0) {
    fprintf(stderr, "cannot start the server\n");
    return 2;
  }
  int descriptors = count_descriptors();
  run_in_threads("a state", run_alone);
  run_in_threads("several states", run_several);
  run_moving();
  check_rest(descriptors);
  server_stop();
  printf("%d passed, %d failed\n", passed_count, failed_count);
  return failed_count > 0;
}
