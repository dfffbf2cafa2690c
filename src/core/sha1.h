/* SPDX-License-Identifier: MIT
 *
 * SHA-1 (FIPS 180-4), for the handshake of WebSockets alone, which is no secret
 * (RFC 6455, section 1.3).  Includes libc and bytes.h; owns nothing.
 */
#ifndef RILL_CORE_SHA1_H
#define RILL_CORE_SHA1_H

#include "bytes.h"

enum { RILL_SHA1_SIZE = 20 };

/* Writes the digest of the bytes. */
void rill_sha1(struct rill_span bytes, unsigned char out[RILL_SHA1_SIZE]);

#endif
