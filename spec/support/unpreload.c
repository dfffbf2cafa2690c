/* SPDX-License-Identifier: MIT
 *
 * For runs under a sanitizer, whose library has to be loaded before the
 * interpreter: loaded after it, this takes both out of the environment, so that
 * the programs which specs start run as they are.
 */
#include <stdlib.h>

static void unpreload(void) __attribute__((constructor));

static void unpreload(void) {
  unsetenv("LD_PRELOAD");
}
