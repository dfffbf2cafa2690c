/* SPDX-License-Identifier: MIT
 *
 * Internal to the core: what the members of a chunk mean, as tables, and the
 * one walk that reads chunks by them.  A format is a table; json_formats.c has
 * them all.  Includes libc, bytes.h, json_shape.h and json_walk.h; owns
 * nothing.
 *
 * Below, "nothing" is null, "", [] or {}; "plain" is a chunk in which nothing
 * was seen that forbids to call it a plain delta.
 */
#ifndef RILL_CORE_JSON_MEANING_H
#define RILL_CORE_JSON_MEANING_H

#include "bytes.h"
#include "json_shape.h"
#include "json_walk.h"

enum rill_meaning {
  /* A piece, if it is a string that is not empty; else output unless it is
   * nothing. */
  RILL_MEANS_TEXT,
  RILL_MEANS_REASONING,
  RILL_MEANS_EITHER, /* of the two: something else says which */

  /* Values that may vary: strings and numbers do not matter. */
  RILL_MEANS_LOOSE, /* a container that is not empty is not plain */

  /* Objects and lists with meanings of their own, or null. */
  RILL_MEANS_OBJECT,
  RILL_MEANS_BESIDE,       /* an object that is not plain, whatever is in it */
  RILL_MEANS_LIST,         /* of objects; plain with one at most */
  RILL_MEANS_USAGE,        /* plain if null, or an object that is not empty */
  RILL_MEANS_USAGE_BESIDE, /* the same, but not plain */

  /* Values that matter by their kind, or by what they are. */
  RILL_MEANS_OUTPUT,     /* output, unless it is nothing */
  RILL_MEANS_ROLE,       /* the same, but strings do not matter */
  RILL_MEANS_SCALAR,     /* the same, but only containers matter */
  RILL_MEANS_EXTRA,      /* not plain, unless it is nothing */
  RILL_MEANS_NULL,       /* not plain, unless it is null */
  RILL_MEANS_INDEX,      /* plain if it is 0 */
  RILL_MEANS_FINISH,     /* a finish reason, if it is a string; plain if null */
  RILL_MEANS_SEQUENCE,   /* a count, or null; all else is not plain */
  RILL_MEANS_THOUGHT,    /* true: the piece is reasoning; false, null: text */
  RILL_MEANS_DONE,       /* true: the end; false: a sign of a piece */
  RILL_MEANS_ERROR,      /* an error, unless it is null */
  RILL_MEANS_ERROR_NAME, /* an error if it is "error" */
  RILL_MEANS_TYPE,       /* one of the member's types, or output; a sign */
};

/* What a type says. */
enum {
  RILL_SAYS_TEXT = 1,      /* the piece may be text */
  RILL_SAYS_REASONING = 2, /* the piece may be reasoning */
  RILL_SAYS_FINISHED = 4,
  RILL_SAYS_TERMINAL = 8,
  RILL_SAYS_ERROR = 16,
  RILL_SAYS_OUTPUT = 32, /* there may be more to it than the members show */
};

struct rill_json_type {
  struct rill_span name;
  unsigned says;
};

struct rill_json_level;

struct rill_json_member {
  struct rill_span name;
  enum rill_meaning meaning;
  const struct rill_json_level *inside; /* OBJECT, BESIDE, LIST */
  const struct rill_json_type *types;   /* TYPE: ends with a null name */
};

/* The members of an object that mean something by their name: 32 at most. */
struct rill_json_level {
  const struct rill_json_member *members;
  unsigned count;
  enum rill_meaning others;
};

struct rill_json_format {
  const struct rill_json_level *top;
  unsigned signs; /* types and the like that a plain delta has */
};

/* In the order of enum rill_format. */
extern const struct rill_json_format rill_json_formats[];

/* What a walk has seen. */
struct rill_chunk_walk {
  struct rill_json_walk json;
  const char *start;
  struct rill_json_holes holes;
  struct rill_json_found found;
  unsigned pieces;
  unsigned signs;
  unsigned says; /* TEXT, REASONING: what the piece may be; text, if both */
  bool has_output;
  bool has_error;
  bool is_finished;
  bool is_terminal;
  bool is_plain;
};

/* Walks the whole chunk.  False: it is not a well-formed object, or there is
 * something that the tables do not cover, as RILL_CHUNK_UNKNOWN lists. */
bool rill_chunk_walk(struct rill_chunk_walk *walk,
                     const struct rill_json_format *format,
                     struct rill_span json);

#endif
