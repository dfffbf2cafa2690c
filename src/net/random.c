/* SPDX-License-Identifier: MIT
 *
 * getrandom where there is one, else /dev/urandom.  Includes libc.
 */
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/random.h>
#endif

static bool read_device(uint8_t *bytes, size_t len) {
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  size_t done = 0;
  while (fd >= 0 && done < len) {
    ssize_t got = read(fd, bytes + done, len - done);
    if (got <= 0 && errno != EINTR) {
      break;
    }
    done += got > 0 ? (size_t)got : 0;
  }
  if (fd >= 0) {
    close(fd);
  }
  return done == len;
}

bool rill_random_bytes(void *arg, uint8_t *bytes, size_t len) {
  (void)arg;
#ifdef __linux__
  /* Up to 256 bytes are given whole, and no signal interrupts that. */
  if (len <= 256 && getrandom(bytes, len, 0) == (ssize_t)len) {
    return true;
  }
#endif
  return read_device(bytes, len);
}
