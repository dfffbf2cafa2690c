/* SPDX-License-Identifier: MIT
 *
 * Looks at one JSON chunk of a chat-completions stream without building
 * anything.  A plain text delta is recognised exactly; whatever else the chunk
 * may be is left to a full decoder, and the scan only says what kind of chunk
 * that is.  Includes libc, bytes.h and status.h.
 *
 * "Exactly" means: for every chunk called RILL_CHUNK_TEXT, lua-cjson decodes
 * the same bytes without error and finds the same text at
 * choices[0].delta.content and no other output, finish reason, usage or error.
 * Doubt is declined.
 */
#ifndef RILL_CORE_JSON_SCAN_H
#define RILL_CORE_JSON_SCAN_H

#include "bytes.h"

enum rill_chunk {
  /* One choice (index 0 or none), whose delta has a non-empty string `content`
   * and otherwise only `role` or members that are null, "", [] or {}; no
   * finish_reason, usage, logprobs or error (absent or null). */
  RILL_CHUNK_TEXT,
  /* Well-formed, and no choice has any output in it: role chunks, empty
   * content, no choices at all, usage. */
  RILL_CHUNK_QUIET,
  /* Well-formed and carries some output that only a full decode can read:
   * tool calls, reasoning, refusals, several choices, text with logprobs or
   * with a finish_reason ... */
  RILL_CHUNK_OUTPUT,
  /* Well-formed, with a member `error` that is not null at the top, or with
   * `type` or `object` equal to "error". */
  RILL_CHUNK_ERROR,
  /* Malformed, not an object, or something the scan does not understand: a name
   * that matters is there twice, or a name is written with escapes, or half of
   * a surrogate pair (which lua-cjson refuses) stands anywhere. */
  RILL_CHUNK_UNKNOWN,
};

struct rill_json_scan {
  /* private: the bytes around the text of the last chunk that was walked in
   * full; a chunk with equal surroundings has an equal structure */
  struct rill_bytes before;
  struct rill_bytes after;
  bool learned;
  bool after_is_open; /* `after` stops where a last, varying string begins */
  struct rill_bytes text; /* the unescaped text */
};

/* Never fails; allocates nothing. */
void rill_json_scan_init(struct rill_json_scan *scan);

/* Classifies one chunk.  For RILL_CHUNK_TEXT *text is the unescaped text; it
 * points into json or into the scan and lives until the next call or until json
 * goes, whichever is first; for all others it is left alone.  *finished is set
 * to whether some choice has a finish_reason that is a non-empty string (false
 * for ERROR and UNKNOWN).  When memory runs out the chunk is declined
 * (RILL_CHUNK_OUTPUT), never lost.  What was scanned before makes no difference
 * but to the time it takes. */
enum rill_chunk rill_json_scan_chunk(struct rill_json_scan *scan,
                                     struct rill_span json,
                                     struct rill_span *text, bool *finished);

void rill_json_scan_free(struct rill_json_scan *scan);

/* Whether json is one complete, well-formed JSON value (RFC 8259), with white
 * space around it allowed; containers nested at most 1000 deep, as in
 * lua-cjson. */
bool rill_json_is_complete(struct rill_span json);

/* Finds the value at a path of object members, for example {"error", "code"};
 * "[0]" stands for the first element of an array.
 * RILL_OK: *value is the raw value (a string without its quotes and not
 * unescaped) and lives as long as json; `null` counts as absent.
 * RILL_INVALID: no such member, or json is not well-formed up to there.  What
 * follows the value is not looked at.  Of members with one name the first is
 * taken; a name written with escapes is not found. */
enum rill_status rill_json_find(struct rill_span json, const char *const *path,
                                size_t depth, struct rill_span *value);

#endif
