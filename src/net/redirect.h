/* SPDX-License-Identifier: MIT
 *
 * Redirects within one origin.  Includes transfer_state.h.
 */
#ifndef RILL_NET_REDIRECT_H
#define RILL_NET_REDIRECT_H

#include "transfer_state.h"

/* The answer was a 3xx that points to the absolute URL `to` (or null).  True
 * when the request may go there: its URL has been changed.  False with the
 * failure noted. */
bool rill_redirect_follow(struct rill_transfer *transfer, const char *to);

#endif
