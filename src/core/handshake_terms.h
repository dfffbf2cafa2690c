/* SPDX-License-Identifier: MIT
 *
 * Internal to the core: lists in header values, and what a server may say of
 * extensions (RFC 7692, section 7.1).  Includes libc, bytes.h and the terms of
 * ws_deflate.h; owns nothing.
 */
#ifndef RILL_CORE_HANDSHAKE_TERMS_H
#define RILL_CORE_HANDSHAKE_TERMS_H

#include "bytes.h"
#include "ws_deflate.h"

/* Takes the next item that is not empty, trimmed, off the front of a list;
 * false when there is none. */
bool rill_list_next(struct rill_span *list, char separator,
                    struct rill_span *item);

/* Whether the span is that lower-case word, whatever the case. */
bool rill_span_is_word(struct rill_span span, const char *word);

/* Reads the extensions that a head names.  Null: they are none, or those that
 * were offered, and *terms is set; else a static text that says what is wrong.
 */
const char *rill_handshake_terms(struct rill_span head, bool deflate_offered,
                                 struct rill_ws_deflate_terms *terms);

#endif
