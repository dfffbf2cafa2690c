/* SPDX-License-Identifier: MIT
 *
 * Out of memory, everywhere: runs each scenario of oom.lua with allocation N
 * failing, for every N until one run meets no failure.  Lua's allocator, the
 * allocations of our own objects (the linker's --wrap) and libcurl's are one
 * sequence, those of OpenSSL another one, of which every so many are taken.
 * Each run must end, must say that memory was short if it did not succeed, and
 * must give back every block and descriptor; OpenSSL keeps some of its own.
 *
 * Three ways to be short of memory:
 *
 *   for good    allocation N and all later ones fail, until lua_close is over
 *   once        only allocation N fails (and N + 1 where Lua collects garbage
 * and tries again); then the engine must serve on for a while all from N on
 * fail until the scenario is over; likewise
 *
 * Includes lua.h, curl.h and server.h; src/bind by its one public function.
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

/* Seconds that one run may take before it counts as hung. */
#define RUN_SECONDS 240
/* How long threads and the server may take to let go of what they hold. */
#define SETTLE_MS 30000
/* Scenarios need no more descriptors than that. */
#define DESCRIPTORS 64
#define TEXT_MAX 512
/* A scenario that has gone wrong so often is not gone on with. */
#define FAILURES_MAX 5

int luaopen_rill_core(lua_State *L);

/* ---- the allocators ---- */

enum source { LUA, OWN, CURL_LIBRARY, TLS_LIBRARY, SOURCES };
enum way { FOR_GOOD, ONCE, FOR_A_WHILE, WAYS };

static const char *const source_names[] = {"Lua", "rill", "libcurl", "OpenSSL"};
static const char *const way_names[] = {"for good", "once", "for a while"};

static atomic_long live[SOURCES];

/* Only the thread under test runs short: the server and libcurl's resolver do
 * not, but what they free still counts. */
static _Thread_local bool armed;
static enum way way;
static bool tls_is_first; /* allocations of OpenSSL alone are counted */
static unsigned long counter, target;
static enum source failed_source;

/* Before the one that is meant, either those of OpenSSL count or all others. */
static bool fails(enum source source) {
  if (!armed) {
    return false;
  }
  if ((source == TLS_LIBRARY) != tls_is_first) {
    return way != ONCE && counter >= target;
  }
  counter++;
  if (counter == target) {
    failed_source = source;
  }
  if (way != ONCE) {
    return counter >= target;
  }
  return counter == target || (counter == target + 1 && failed_source == LUA);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *block);

static void *counted(enum source source, void *block) {
  if (block != NULL) {
    atomic_fetch_add(&live[source], 1);
  }
  return block;
}

static void *malloc_of(enum source source, size_t size) {
  return fails(source) ? NULL : counted(source, __real_malloc(size));
}

static void *calloc_of(enum source source, size_t count, size_t size) {
  return fails(source) ? NULL : counted(source, __real_calloc(count, size));
}

static char *strdup_of(enum source source, const char *text) {
  return fails(source) ? NULL : counted(source, __real_strdup(text));
}

static void *realloc_of(enum source source, void *block, size_t size) {
  if (block == NULL) {
    return malloc_of(source, size);
  }
  return fails(source) ? NULL : __real_realloc(block, size);
}

static void free_of(enum source source, void *block) {
  if (block != NULL) {
    atomic_fetch_sub(&live[source], 1);
    __real_free(block);
  }
}

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size) {
  return malloc_of(OWN, size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return calloc_of(OWN, count, size);
}

void *__wrap_realloc(void *block, size_t size) {
  return realloc_of(OWN, block, size);
}

char *__wrap_strdup(const char *text) {
  return strdup_of(OWN, text);
}

void __wrap_free(void *block) {
  free_of(OWN, block);
}

static void *curl_malloc(size_t size) {
  return malloc_of(CURL_LIBRARY, size);
}

static void *curl_calloc(size_t count, size_t size) {
  return calloc_of(CURL_LIBRARY, count, size);
}

static void *curl_realloc(void *block, size_t size) {
  return realloc_of(CURL_LIBRARY, block, size);
}

static char *curl_strdup(const char *text) {
  return strdup_of(CURL_LIBRARY, text);
}

static void curl_free_block(void *block) {
  free_of(CURL_LIBRARY, block);
}

static void *tls_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return malloc_of(TLS_LIBRARY, size);
}

static void *tls_realloc(void *block, size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  if (size == 0) {
    free_of(TLS_LIBRARY, block);
    return NULL;
  }
  return realloc_of(TLS_LIBRARY, block, size);
}

static void tls_free(void *block, const char *file, int line) {
  (void)file;
  (void)line;
  free_of(TLS_LIBRARY, block);
}

/* Lua relies on shrinking never to fail. */
static void *lua_allocate(void *unused, void *block, size_t old, size_t size) {
  (void)unused;
  if (size == 0) {
    free_of(LUA, block);
    return NULL;
  }
  if (block != NULL && size <= old) {
    return __real_realloc(block, size);
  }
  return realloc_of(LUA, block, size);
}

/* ---- what is open ---- */

struct inventory {
  long blocks[SOURCES];
  int descriptors;
};

static struct inventory look_around(void) {
  struct inventory inventory = {.descriptors = -server_connections()};
  for (int i = 0; i < SOURCES; i++) {
    inventory.blocks[i] = atomic_load(&live[i]);
  }
  for (int fd = 0; fd < DESCRIPTORS; fd++) {
    inventory.descriptors += fcntl(fd, F_GETFD) != -1;
  }
  return inventory;
}

/* The server has a descriptor before it counts its connection, and counts one
 * after it has none: what was looked at meanwhile is looked at again, once the
 * server was let run, which under valgrind is one thread at a time. */
static struct inventory take_inventory(void) {
  struct timespec pause = {.tv_nsec = 20000};
  while (true) {
    unsigned before = server_changes();
    struct inventory inventory = look_around();
    if (before % 2 == 0 && before == server_changes()) {
      return inventory;
    }
    nanosleep(&pause, NULL);
  }
}

static bool is_back(const struct inventory *before) {
  struct inventory now = take_inventory();
  for (int i = 0; i < TLS_LIBRARY; i++) {
    if (now.blocks[i] != before->blocks[i]) {
      return false;
    }
  }
  return server_connections() == 0 && now.descriptors == before->descriptors;
}

static bool is_late(const struct timespec *start) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - start->tv_sec) * 1000 +
             (now.tv_nsec - start->tv_nsec) / 1000000 >
         SETTLE_MS;
}

/* Waits for what other threads still hold. */
static bool settle(const struct inventory *before) {
  struct timespec pause = {.tv_nsec = 20000};
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  while (!is_back(before)) {
    nanosleep(&pause, NULL);
    if (is_late(&start)) {
      return false;
    }
  }
  return true;
}

/* The inventory once it stays the same: the server learns of the connections of
 * the run before by and by, and one it has just closed would count as missing
 * ever after. */
static bool take_calm_inventory(struct inventory *calm) {
  struct timespec pause = {.tv_nsec = 2000000};
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    *calm = take_inventory();
    nanosleep(&pause, NULL);
    if (is_late(&start)) {
      return false;
    }
  } while (!is_back(calm));
  return true;
}

/* ---- one run ---- */

static const char *script;
static char base[64], refusing[64], secure[64];
static char ca_file[TEXT_MAX];
static char scenario_name[TEXT_MAX];
static unsigned long every;    /* a stride of the scenario's own */
static char outcome[TEXT_MAX]; /* what the scenario returned or raised */
static char complaint[2 * TEXT_MAX];

static void complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...) {
  va_list args;
  if (complaint[0] == '\0') {
    va_start(args, format);
    vsnprintf(complaint, sizeof complaint, format, args);
    va_end(args);
  }
}

static int open_core(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "torture.core");
  if (lua_isnil(L, -1)) {
    lua_pushcfunction(L, luaopen_rill_core);
    lua_call(L, 0, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "torture.core");
  }
  return 1;
}

/* used(): the bytes of all blocks that are in use, whosever they are. */
static int used(lua_State *L) {
  struct mallinfo2 info = mallinfo2();
  lua_pushnumber(L, (lua_Number)(info.uordblks + info.hblkhd));
  return 1;
}

/* now(): seconds of a clock that only goes forward. */
static int now(lua_State *L) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  lua_pushnumber(L, (lua_Number)ts.tv_sec + (lua_Number)ts.tv_nsec * 1e-9);
  return 1;
}

/* Leaves the list of scenarios at index 1 and `healthy` at 2. */
static bool load(lua_State *L) {
  luaL_openlibs(L);
  if (luaL_loadfile(L, script) != LUA_OK) {
    return false;
  }
  lua_pushcfunction(L, open_core);
  lua_pushstring(L, base);
  lua_pushstring(L, refusing);
  lua_pushstring(L, secure);
  lua_pushstring(L, ca_file);
  lua_pushcfunction(L, used);
  lua_pushcfunction(L, now);
  return lua_pcall(L, 7, 2, 0) == LUA_OK;
}

static bool mentions_memory(const char *text) {
  static const char *const words[] = {"memory", "allocat"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strstr(text, words[i]) != NULL) {
      return true;
    }
  }
  return false;
}

/* Calls what is on top of the stack; its one result goes to outcome. */
static int call(lua_State *L) {
  int status = lua_pcall(L, 0, 1, 0);
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                    : lua_typename(L, -1);
  snprintf(outcome, sizeof outcome, "%s", text);
  lua_settop(L, 2);
  return status;
}

/* What OpenSSL makes of a lack of memory is its own, and may be a wrong reason;
 * that it is a failure which the engine survives is what counts. */
static void judge(int status) {
  bool touched = counter >= target;
  bool fine = status == LUA_OK && strcmp(outcome, "fine") == 0;
  if (!touched && !fine) {
    complain("with memory enough: %s", outcome);
  } else if (tls_is_first && status == LUA_OK) {
    return;
  } else if (!fine && !mentions_memory(outcome)) {
    complain("%s: %s", status == LUA_OK ? "returned" : "raised", outcome);
  }
}

static void check_health(lua_State *L) {
  char before[TEXT_MAX];
  memcpy(before, outcome, sizeof before);
  lua_pushvalue(L, 2);
  if (call(L) != LUA_OK) {
    complain("%s (the scenario itself: %.200s)", outcome, before);
  }
  memcpy(outcome, before, sizeof before);
}

/* Runs a scenario with allocation n failing.  False when there was nothing left
 * to fail; whatever is wrong goes to complaint. */
static bool run(int scenario, enum way this_way, unsigned long n,
                const struct inventory *before) {
  complaint[0] = '\0';
  counter = 0;
  target = n;
  way = this_way;
  server_be_busy(1);
  alarm(RUN_SECONDS);
  lua_State *L = lua_newstate(lua_allocate, NULL);
  if (L == NULL || !load(L)) {
    complain("cannot load %s: %s", script,
             L != NULL ? lua_tostring(L, -1) : "no memory");
    return false;
  }
  lua_rawgeti(L, 1, scenario);
  lua_getfield(L, -1, "name");
  snprintf(scenario_name, sizeof scenario_name, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
  lua_getfield(L, -1, "every");
  every = (unsigned long)lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_getfield(L, -1, "run");
  armed = true;
  int status = call(L);
  armed = way == FOR_GOOD;
  judge(status);
  bool touched = counter >= target;
  if (way != FOR_GOOD && touched) {
    check_health(L);
  }
  lua_close(L);
  armed = false;
  alarm(0);
  if (before != NULL && !settle(before)) {
    struct inventory now = take_inventory();
    complain("left: %ld blocks of Lua, %ld of rill, %ld of libcurl, %d "
             "descriptors, %d connections (%s)",
             now.blocks[LUA] - before->blocks[LUA],
             now.blocks[OWN] - before->blocks[OWN],
             now.blocks[CURL_LIBRARY] - before->blocks[CURL_LIBRARY],
             now.descriptors - before->descriptors, server_connections(),
             outcome);
  }
  return touched;
}

/* ---- all runs ---- */

static unsigned long stride = 1;
static unsigned long tls_stride = 211;
static long runs; /* of one scenario */
static unsigned long part = 1, parts = 1;
static bool verbose;
static const char *only = "";
static const char *certificates; /* a folder; null: no TLS */

/* Tells what was running when the process ends the hard way. */
static void on_signal(int number) {
  char text[2 * TEXT_MAX];
  int len = snprintf(
      text, sizeof text, "not ok: %s: %s, allocation %lu (%s): signal %d%s\n",
      scenario_name, way_names[way], target, source_names[failed_source],
      number, number == SIGALRM ? ", it hangs" : "");
  ssize_t written = write(STDOUT_FILENO, text, (size_t)len);
  (void)written;
  signal(number, SIG_DFL);
  raise(number);
}

static struct {
  char text[TEXT_MAX];
  unsigned long count;
} outcomes[64];

static void note_outcome(void) {
  size_t i = 0;
  while (i < 63 && outcomes[i].count > 0 &&
         strcmp(outcomes[i].text, outcome) != 0) {
    i++;
  }
  memcpy(outcomes[i].text, outcome, sizeof outcome);
  outcomes[i].count++;
}

static void tell_outcomes(void) {
  for (size_t i = 0; i < 64 && outcomes[i].count > 0; i++) {
    if (verbose) {
      printf("    %6lu  %s\n", outcomes[i].count, outcomes[i].text);
    }
    outcomes[i].count = 0;
  }
}

/* The number of runs that went wrong, all in that way. */
static long torment_so(int scenario, enum way this_way, unsigned long step,
                       struct inventory *before) {
  long failures = 0;
  bool touched = true;
  for (unsigned long n = 1 + this_way % step;
       touched && failures < FAILURES_MAX; n += step) {
    touched = run(scenario, this_way, n, before);
    runs++;
    note_outcome();
    if (complaint[0] != '\0') {
      printf("not ok: %s: %s, allocation %lu (%s): %s\n", scenario_name,
             way_names[this_way], n,
             touched ? source_names[failed_source] : "none", complaint);
      failures++;
      *before = take_inventory();
    }
  }
  return failures;
}

/* The number of runs that went wrong, or -1 for a scenario not asked for. */
static long torment(int scenario) {
  long failures = 0;
  struct inventory before;
  runs = 0;
  /* The first run fills what libcurl keeps for the process. */
  run(scenario, FOR_GOOD, (unsigned long)-1, NULL);
  if (strstr(scenario_name, only) == NULL) {
    return -1;
  }
  if (!take_calm_inventory(&before)) {
    printf("NOT OK  %s: connections stay open\n", scenario_name);
    return 1;
  }
  for (enum way w = 0; w < WAYS; w++) {
    failures += torment_so(scenario, w, stride * every, &before);
  }
  tls_is_first = true;
  for (enum way w = 0; w < WAYS; w++) {
    failures += torment_so(scenario, w, tls_stride, &before);
  }
  tls_is_first = false;
  printf("%s  %s: %ld runs", failures == 0 ? "ok" : "NOT OK", scenario_name,
         runs);
  printf(failures == 0 ? "\n" : ", %ld went wrong\n", failures);
  tell_outcomes();
  fflush(stdout);
  return failures;
}

static int count_scenarios(void) {
  lua_State *L = luaL_newstate();
  int count = -1;
  if (L != NULL && load(L)) {
    count = (int)lua_rawlen(L, 1);
  } else if (L != NULL) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  }
  lua_close(L);
  return count;
}

static bool read_arguments(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--stride") == 0 && i + 1 < argc) {
      stride = strtoul(argv[++i], NULL, 10);
    } else if (strcmp(argv[i], "--tls-stride") == 0 && i + 1 < argc) {
      tls_stride = strtoul(argv[++i], NULL, 10);
    } else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc) {
      char *slash;
      part = strtoul(argv[++i], &slash, 10);
      parts = *slash == '/' ? strtoul(slash + 1, NULL, 10) : 0;
    } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else if (strcmp(argv[i], "--tls") == 0 && i + 1 < argc) {
      certificates = argv[++i];
    } else if (strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else if (script == NULL) {
      script = argv[i];
    } else {
      return false;
    }
  }
  return script != NULL && stride > 0 && tls_stride > 0 && part > 0 &&
         part <= parts;
}

int main(int argc, char **argv) {
  if (!read_arguments(argc, argv)) {
    fprintf(stderr, "usage: oom [--stride N] [--tls-stride N] [--part K/N] "
                    "[--only TEXT] [--verbose] [--tls FOLDER] oom.lua\n");
    return 2;
  }
  signal(SIGALRM, on_signal);
  signal(SIGSEGV, on_signal);
  signal(SIGABRT, on_signal);
  signal(SIGFPE, on_signal);
  signal(SIGPIPE, SIG_IGN);
  int is_ours = CRYPTO_set_mem_functions(tls_malloc, tls_realloc, tls_free);
  int port = server_start(certificates);
  int closed_port = server_closed_port();
  if (!is_ours || port < 0 || closed_port < 0 ||
      curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_free_block,
                           curl_realloc, curl_strdup,
                           curl_calloc) != CURLE_OK) {
    fprintf(stderr, "cannot start the server or libcurl\n");
    return 2;
  }
  snprintf(base, sizeof base, "http://127.0.0.1:%d", port);
  snprintf(refusing, sizeof refusing, "http://127.0.0.1:%d", closed_port);
  if (certificates != NULL) {
    snprintf(secure, sizeof secure, "https://127.0.0.1:%d", server_tls_port());
    snprintf(ca_file, sizeof ca_file, "%s/cert.pem", certificates);
  }
  int count = count_scenarios();
  int passed = 0, failed = count < 1;
  for (int i = (int)part; i <= count; i += (int)parts) {
    long failures = torment(i);
    passed += failures == 0;
    failed += failures > 0;
  }
  server_stop();
  curl_global_cleanup(); /* the engine's reference */
  curl_global_cleanup();
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
