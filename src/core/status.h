/* SPDX-License-Identifier: MIT
 *
 * The one result type of rill's C code, and its names.  Includes nothing.
 */
#ifndef RILL_CORE_STATUS_H
#define RILL_CORE_STATUS_H

enum rill_status {
  RILL_OK = 0,
  RILL_NEED_DATA, /* nothing more to give until more bytes are fed */
  RILL_NO_MEMORY, /* an allocation failed */
  RILL_LIMIT,     /* a ceiling given at init was passed */
  RILL_INVALID,   /* the input does not have the form asked for */
};

/* A static lower-case name of the status, for tests and messages. */
const char *rill_status_name(enum rill_status status);

#endif
