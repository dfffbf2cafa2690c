/* SPDX-License-Identifier: MIT
 *
 * One try at a transfer's request.  Includes transfer_state.h.
 */
#ifndef RILL_NET_ATTEMPT_H
#define RILL_NET_ATTEMPT_H

#include "transfer_state.h"

/* Hands the request to libcurl (again).  Without memory the transfer fails. */
void rill_attempt_begin(struct rill_transfer *transfer);

/* Gives the easy handle back; in the middle of an answer that drops the
 * connection. */
void rill_attempt_let_go(struct rill_transfer *transfer);

#endif
