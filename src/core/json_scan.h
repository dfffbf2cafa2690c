/* SPDX-License-Identifier: MIT
 *
 * Looks at one JSON chunk of a stream, in one of seven wire formats, without
 * building anything.  A plain delta of text or of reasoning is recognised
 * exactly; whatever else the chunk may be is left to a full decoder, and the
 * scan only says what kind of chunk that is.  Includes libc, bytes.h,
 * json_shape.h and status.h.
 *
 * "Exactly" means: for every chunk called RILL_CHUNK_TEXT or
 * RILL_CHUNK_REASONING, lua-cjson decodes the same bytes without error, and the
 * format's provider makes of them that one piece of choice 0, maybe the usage
 * that facts.usage holds, and nothing else.  Doubt is declined.
 */
#ifndef RILL_CORE_JSON_SCAN_H
#define RILL_CORE_JSON_SCAN_H

#include <stdint.h>

#include "bytes.h"
#include "json_shape.h"

/* Where the plain pieces of each stand: text, and reasoning. */
enum rill_format {
  /* choices[0].delta.content; exactly one of .reasoning_content, .reasoning and
   * .reasoning_text */
  RILL_FORMAT_OPENAI,
  /* .delta of response.output_text.delta; of response.reasoning_text.delta and
   * response.reasoning_summary_text.delta */
  RILL_FORMAT_RESPONSES,
  /* content_block_delta: .delta.text; .delta.thinking */
  RILL_FORMAT_ANTHROPIC,
  /* candidates[0].content.parts[0].text, the only part; the same, thought */
  RILL_FORMAT_GEMINI,
  /* message.content; message.thinking */
  RILL_FORMAT_OLLAMA,
  /* .delta of content.delta; no reasoning */
  RILL_FORMAT_CHAT,
  /* .delta of response.output_text.delta, or by its old name of
   * response.text.delta; no reasoning */
  RILL_FORMAT_REALTIME,
};

enum rill_chunk {
  /* One piece of text that is not empty, and beside it nothing that means
   * anything but usage: no finish reason, logprobs, error or other output. */
  RILL_CHUNK_TEXT,
  /* The same with one piece of reasoning. */
  RILL_CHUNK_REASONING,
  /* Well-formed, and there is no output in it: role chunks, empty content, the
   * frames around a block, usage. */
  RILL_CHUNK_QUIET,
  /* Well-formed and carries some output that only a full decode can read:
   * tool calls, refusals, several choices, text with logprobs or with a finish
   * reason ... */
  RILL_CHUNK_OUTPUT,
  /* Well-formed, with a member `error` that is not null at the top, or with
   * `type` or `object` equal to "error", or a response that failed.  Never of
   * RILL_FORMAT_REALTIME: an error there is the session's, and only who knows
   * the session can say whose; it is output. */
  RILL_CHUNK_ERROR,
  /* Malformed, not an object, or something the scan does not understand: a name
   * that matters is there twice, or a name is written with escapes, or half of
   * a surrogate pair (which lua-cjson refuses) stands anywhere. */
  RILL_CHUNK_UNKNOWN,
};

/* What the scan read of a chunk besides its class.  Spans point into the chunk
 * or into the scan and live until the next call or until the chunk goes,
 * whichever is first.  All of it is false and empty for UNKNOWN. */
struct rill_chunk_facts {
  struct rill_span text;  /* TEXT, REASONING: the piece, unescaped */
  bool finished;          /* some finish reason is there, no empty one */
  bool terminal;          /* nothing follows: the format's last event */
  bool has_usage;         /* there is a usage object */
  struct rill_span usage; /* TEXT, REASONING: its JSON as it stands */
  bool has_sequence;
  uint64_t sequence; /* RILL_FORMAT_RESPONSES: sequence_number */
};

struct rill_json_scan {
  enum rill_format format;
  /* private */
  struct rill_json_shape shape; /* of the plain chunk that was walked last */
  enum rill_chunk shape_is;     /* TEXT or REASONING */
  struct rill_bytes text;       /* the unescaped text */
};

/* Never fails; allocates nothing. */
void rill_json_scan_init(struct rill_json_scan *scan, enum rill_format format);

/* Classifies one chunk and sets *facts.  When memory runs out the chunk is
 * declined (RILL_CHUNK_OUTPUT), never lost.  What was scanned before makes no
 * difference but to the time it takes. */
enum rill_chunk rill_json_scan_chunk(struct rill_json_scan *scan,
                                     struct rill_span json,
                                     struct rill_chunk_facts *facts);

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
