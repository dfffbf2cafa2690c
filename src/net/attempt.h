/* SPDX-License-Identifier: MIT
 *
 * One try at a transfer's request.  Includes transfer.h.
 */
#ifndef RILL_NET_ATTEMPT_H
#define RILL_NET_ATTEMPT_H

#include "transfer.h"

/* Hands the request to libcurl (again).  Without memory the transfer fails. */
void rill_attempt_begin(struct rill_transfer *transfer);

/* The latest attempt; there must have been one. */
struct rill_attempt *rill_attempt_current(struct rill_transfer *transfer);

/* Completes the record of the latest attempt; reason is empty if it did not
 * fail.  Does nothing if the record is complete. */
void rill_attempt_close(struct rill_transfer *transfer, const char *reason);

/* Gives the easy handle back; in the middle of an answer that drops the
 * connection. */
void rill_attempt_let_go(struct rill_transfer *transfer);

/* libcurl is about to send the request (again). */
void rill_attempt_on_send(struct rill_transfer *transfer);

#endif
