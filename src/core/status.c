/* SPDX-License-Identifier: MIT
 *
 * The names of the result enum.  Includes status.h only; owns nothing.
 */
#include "status.h"

const char *rill_status_name(enum rill_status status) {
  switch (status) {
  case RILL_OK:
    return "ok";
  case RILL_NEED_DATA:
    return "need data";
  case RILL_NO_MEMORY:
    return "no memory";
  case RILL_LIMIT:
    return "limit";
  case RILL_INVALID:
    return "invalid";
  }
  return "unknown";
}
