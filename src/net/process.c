/* SPDX-License-Identifier: MIT
 *
 * See process.h.  Includes libc and curl.h; owns the only variables of the
 * process.
 */
#include "process.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_status;
static volatile unsigned fork_count;

static void on_fork_in_child(void) {
  fork_count++;
}

/* Lua unloads the module with its state.  A name lookup that was given up goes
 * on in a thread of libcurl's, whose code must not vanish under it. */
static void stay_loaded(void) {
  Dl_info module;
  if (dladdr((void *)&once, &module) != 0 && module.dli_fname != NULL) {
    (void)dlopen(module.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

static void init_process(void) {
  stay_loaded();
  global_status = curl_global_init(CURL_GLOBAL_DEFAULT);
  pthread_atfork(NULL, NULL, on_fork_in_child);
}

bool rill_process_begin(void) {
  pthread_once(&once, init_process);
  return global_status == CURLE_OK;
}

unsigned rill_process_generation(void) {
  return fork_count;
}
