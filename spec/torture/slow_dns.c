/* SPDX-License-Identifier: MIT
 *
 * Preloaded into a process, makes looking up any name under .slow.test take
 * RILL_SLOW_DNS_MS milliseconds (5000) and then fail, in whatever thread it is
 * done.  With RILL_LINGER_MS the process stays so much longer at its exit: what
 * a thread left behind does meanwhile, it does to the process.  Includes libc.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int lookup(const char *, const char *, const struct addrinfo *,
                   struct addrinfo **);

static void sleep_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
}

static long from_environment(const char *name, long otherwise) {
  const char *value = getenv(name);
  return value != NULL ? strtol(value, NULL, 10) : otherwise;
}

static int is_slow(const char *name) {
  static const char suffix[] = ".slow.test";
  size_t len = name != NULL ? strlen(name) : 0;
  return len >= sizeof suffix - 1 &&
         strcmp(name + len - (sizeof suffix - 1), suffix) == 0;
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **found) {
  if (is_slow(name)) {
    sleep_ms(from_environment("RILL_SLOW_DNS_MS", 5000));
    return EAI_NONAME;
  }
  lookup *real = NULL;
  void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
  memcpy(&real, &symbol, sizeof real);
  return real != NULL ? real(name, service, hints, found) : EAI_SYSTEM;
}

static void linger(void) {
  sleep_ms(from_environment("RILL_LINGER_MS", 0));
}

__attribute__((constructor)) static void prepare(void) {
  atexit(linger);
}
