/* SPDX-License-Identifier: MIT
 *
 * The walk of json_meaning.h.  Includes libc and the core's JSON cursor; owns
 * nothing.  As with the steps of json_walk.h, a null pointer declines.
 */
#include "json_meaning.h"

/* Deeper parts of usage are passed as they are, without holes. */
enum { USAGE_DEPTH_MAX = 8 };

enum value_kind {
  VALUE_NULL,
  VALUE_EMPTY, /* "", [] or {} */
  VALUE_STRING,
  VALUE_OTHER_SCALAR,
  VALUE_CONTAINER,
};

static const char *take_object(struct rill_chunk_walk *walk,
                               const struct rill_json_level *level,
                               const char *p);

/* The kind of a well-formed value. */
static enum value_kind kind_of(struct rill_span value) {
  struct rill_json_walk inside = rill_json_walk_of(value);
  switch (*value.data) {
  case 'n':
    return VALUE_NULL;
  case '"':
    return value.len == 2 ? VALUE_EMPTY : VALUE_STRING;
  case '{':
  case '[':
    return rill_json_first(&inside, value.data) == inside.end - 1
               ? VALUE_EMPTY
               : VALUE_CONTAINER;
  default:
    return VALUE_OTHER_SCALAR;
  }
}

static void note_hole(struct rill_chunk_walk *walk,
                      enum rill_json_hole_kind kind, const char *from,
                      const char *to) {
  struct rill_span content = {from, (size_t)(to - from)};
  rill_json_holes_add(&walk->holes, kind, walk->start, content);
}

static void note_output_if(struct rill_chunk_walk *walk, bool is_output) {
  walk->has_output = walk->has_output || is_output;
  walk->is_plain = walk->is_plain && !is_output;
}

static void forbid_unless(struct rill_chunk_walk *walk, bool is_plain) {
  walk->is_plain = walk->is_plain && is_plain;
}

/* A string that is a piece, unless it is empty. */
static const char *take_piece(struct rill_chunk_walk *walk,
                              enum rill_meaning meaning, const char *p) {
  struct rill_json_string string;
  p = rill_json_take_string(&walk->json, p, &string);
  if (p == NULL || string.raw.len == 0) {
    return p;
  }
  if (meaning == RILL_MEANS_TEXT) {
    walk->says &= ~(unsigned)RILL_SAYS_REASONING;
  } else if (meaning == RILL_MEANS_REASONING) {
    walk->says &= ~(unsigned)RILL_SAYS_TEXT;
  }
  note_hole(walk, RILL_HOLE_PIECE, string.raw.data, p - 1);
  walk->found.piece = string;
  walk->pieces++;
  walk->has_output = true;
  return p;
}

static const char *take_loose_string(struct rill_chunk_walk *walk,
                                     const char *p) {
  struct rill_json_string string;
  p = rill_json_take_string(&walk->json, p, &string);
  if (p != NULL) {
    note_hole(walk, RILL_HOLE_STRING, string.raw.data, p - 1);
  }
  return p;
}

/* A number, false, true or null. */
static const char *take_loose_scalar(struct rill_chunk_walk *walk,
                                     const char *p) {
  const char *end = rill_json_skip(&walk->json, p);
  if (end != NULL && (*p == '-' || (*p >= '0' && *p <= '9'))) {
    note_hole(walk, RILL_HOLE_NUMBER, p, end);
  }
  return end;
}

/* A value of usage, with holes for its numbers. */
static const char *take_counts(struct rill_chunk_walk *walk, const char *p) {
  bool is_object = *p == '{';
  struct rill_json_string name;
  if ((!is_object && *p != '[') || walk->json.depth == USAGE_DEPTH_MAX) {
    return take_loose_scalar(walk, p);
  }
  char closing = is_object ? '}' : ']';
  walk->json.depth++;
  p = rill_json_first(&walk->json, p);
  while (p != NULL && *p != closing) {
    p = is_object ? rill_json_name(&walk->json, p, &name) : p;
    p = p != NULL ? take_counts(walk, p) : NULL;
    p = p != NULL ? rill_json_next(&walk->json, p, closing) : NULL;
  }
  walk->json.depth--;
  return p != NULL ? p + 1 : NULL;
}

static const char *take_usage(struct rill_chunk_walk *walk,
                              enum rill_meaning meaning, const char *p) {
  struct rill_span *usage = &walk->found.usage;
  note_hole(walk, RILL_HOLE_USAGE, p, p);
  usage->data = p;
  p = take_counts(walk, p);
  if (p == NULL) {
    return NULL;
  }
  note_hole(walk, RILL_HOLE_USAGE, p, p);
  usage->len = (size_t)(p - usage->data);
  bool is_filled = kind_of(*usage) == VALUE_CONTAINER;
  walk->found.has_usage = walk->found.has_usage || is_filled;
  forbid_unless(walk, is_filled && meaning == RILL_MEANS_USAGE);
  return p;
}

/* From the opening bracket of a list of objects to behind it. */
static const char *take_list(struct rill_chunk_walk *walk,
                             const struct rill_json_level *level,
                             const char *p) {
  walk->json.depth++;
  p = rill_json_first(&walk->json, p);
  while (p != NULL && *p != ']') {
    if (*p != '{') {
      return NULL;
    }
    p = take_object(walk, level, p);
    if (p != NULL) {
      p = rill_json_next(&walk->json, p, ']');
      forbid_unless(walk, p != NULL && *p == ']');
    }
  }
  walk->json.depth--;
  return p != NULL ? p + 1 : NULL;
}

static bool is_name(struct rill_span raw, struct rill_span name) {
  return raw.len == name.len && memcmp(raw.data, name.data, raw.len) == 0;
}

static void note_type(struct rill_chunk_walk *walk, struct rill_span value,
                      const struct rill_json_type *type) {
  struct rill_span raw = {value.data + 1, value.len - 2};
  while (type->name.data != NULL && !is_name(raw, type->name)) {
    type++;
  }
  note_output_if(walk, type->name.data == NULL ||
                           (type->says & RILL_SAYS_OUTPUT) != 0);
  walk->signs++;
  walk->says &= type->says;
  walk->is_finished =
      walk->is_finished || (type->says & RILL_SAYS_FINISHED) != 0;
  walk->is_terminal =
      walk->is_terminal || (type->says & RILL_SAYS_TERMINAL) != 0;
  walk->has_error = walk->has_error || (type->says & RILL_SAYS_ERROR) != 0;
}

static void note_sequence(struct rill_chunk_walk *walk,
                          struct rill_span value) {
  struct rill_json_walk inside = rill_json_walk_of(value);
  uint64_t count;
  if (rill_json_count(&inside, value.data, &count) == inside.end) {
    walk->found.has_sequence = true;
    walk->found.sequence = count;
    note_hole(walk, RILL_HOLE_SEQUENCE, value.data, inside.end);
  } else {
    forbid_unless(walk, *value.data == 'n');
  }
}

/* False declines: the name is written with escapes. */
static bool weigh_name(struct rill_chunk_walk *walk,
                       const struct rill_json_member *member,
                       struct rill_span value, enum value_kind kind) {
  bool is_type = member->meaning == RILL_MEANS_TYPE;
  if (kind != VALUE_STRING) {
    note_output_if(walk, is_type && kind != VALUE_NULL);
    forbid_unless(walk, kind != VALUE_CONTAINER);
    return true;
  }
  if (memchr(value.data, '\\', value.len) != NULL) {
    return false;
  }
  if (is_type) {
    note_type(walk, value, member->types);
  } else {
    walk->has_error = walk->has_error || rill_span_is(value, "\"error\"");
  }
  return true;
}

/* What a value means that matters by what it is.  False declines: a string that
 * matters is written with escapes, or a container is of the wrong kind. */
static bool weigh(struct rill_chunk_walk *walk,
                  const struct rill_json_member *member,
                  struct rill_span value) {
  enum value_kind kind = kind_of(value);
  bool is_nothing = kind == VALUE_NULL || kind == VALUE_EMPTY;
  bool is_true = *value.data == 't';
  bool is_false = *value.data == 'f';
  switch (member->meaning) {
  case RILL_MEANS_OBJECT:
  case RILL_MEANS_BESIDE:
  case RILL_MEANS_LIST:
    return kind == VALUE_NULL;
  case RILL_MEANS_TEXT:
  case RILL_MEANS_REASONING:
  case RILL_MEANS_EITHER:
  case RILL_MEANS_OUTPUT:
    note_output_if(walk, !is_nothing);
    break;
  case RILL_MEANS_ROLE:
    note_output_if(walk, !is_nothing && kind != VALUE_STRING);
    break;
  case RILL_MEANS_SCALAR:
    note_output_if(walk, kind == VALUE_CONTAINER);
    break;
  case RILL_MEANS_LOOSE:
    forbid_unless(walk, kind != VALUE_CONTAINER);
    break;
  case RILL_MEANS_EXTRA:
    forbid_unless(walk, is_nothing);
    break;
  case RILL_MEANS_NULL:
  case RILL_MEANS_USAGE:
  case RILL_MEANS_USAGE_BESIDE:
    forbid_unless(walk, kind == VALUE_NULL);
    break;
  case RILL_MEANS_INDEX:
    forbid_unless(walk, rill_span_is(value, "0"));
    break;
  case RILL_MEANS_FINISH:
    walk->is_finished = walk->is_finished || kind == VALUE_STRING;
    forbid_unless(walk, kind == VALUE_NULL);
    break;
  case RILL_MEANS_SEQUENCE:
    note_sequence(walk, value);
    break;
  case RILL_MEANS_THOUGHT:
    walk->says &= is_true ? RILL_SAYS_REASONING : RILL_SAYS_TEXT;
    forbid_unless(walk, is_true || is_false || kind == VALUE_NULL);
    break;
  case RILL_MEANS_DONE:
    walk->is_terminal = walk->is_terminal || is_true;
    walk->signs += is_false;
    break;
  case RILL_MEANS_ERROR:
    walk->has_error = walk->has_error || kind != VALUE_NULL;
    break;
  case RILL_MEANS_ERROR_NAME:
  case RILL_MEANS_TYPE:
    return weigh_name(walk, member, value, kind);
  }
  return true;
}

/* The value of a member, from its first byte to behind it. */
static const char *take_value(struct rill_chunk_walk *walk,
                              const struct rill_json_member *member,
                              const char *p) {
  enum rill_meaning meaning = member->meaning;
  if (*p == '"' && meaning <= RILL_MEANS_EITHER) {
    return take_piece(walk, meaning, p);
  }
  if (meaning == RILL_MEANS_LOOSE && *p != '{' && *p != '[') {
    return *p == '"' ? take_loose_string(walk, p) : take_loose_scalar(walk, p);
  }
  if (*p == '[' && meaning == RILL_MEANS_LIST) {
    return take_list(walk, member->inside, p);
  }
  if (*p == '{' && member->inside != NULL && meaning != RILL_MEANS_LIST) {
    forbid_unless(walk, meaning == RILL_MEANS_OBJECT);
    return take_object(walk, member->inside, p);
  }
  if (*p == '{' &&
      (meaning == RILL_MEANS_USAGE || meaning == RILL_MEANS_USAGE_BESIDE)) {
    return take_usage(walk, meaning, p);
  }
  struct rill_span value = {p, 0};
  p = rill_json_skip(&walk->json, p);
  if (p == NULL) {
    return NULL;
  }
  value.len = (size_t)(p - value.data);
  return weigh(walk, member, value) ? p : NULL;
}

/* The member of that name, or others.  Null declines the chunk: the name is
 * written with escapes, or occurs for the second time (seen has a bit for each
 * place). */
static const struct rill_json_member *
member_of(const struct rill_json_level *level,
          const struct rill_json_string *name, unsigned *seen,
          const struct rill_json_member *others) {
  if (name->is_escaped) {
    return NULL;
  }
  for (unsigned i = 0; i < level->count; i++) {
    const struct rill_json_member *member = &level->members[i];
    if (name->raw.len == member->name.len &&
        *name->raw.data == *member->name.data &&
        memcmp(name->raw.data, member->name.data, name->raw.len) == 0) {
      unsigned bit = 1U << i;
      bool is_first = (*seen & bit) == 0;
      *seen |= bit;
      return is_first ? member : NULL;
    }
  }
  return others;
}

/* From the opening brace of an object of that level to behind it. */
static const char *take_object(struct rill_chunk_walk *walk,
                               const struct rill_json_level *level,
                               const char *p) {
  const struct rill_json_member others = {.meaning = level->others};
  struct rill_json_string name;
  unsigned seen = 0;
  walk->json.depth++;
  p = rill_json_first(&walk->json, p);
  while (p != NULL && *p != '}') {
    p = rill_json_name(&walk->json, p, &name);
    const struct rill_json_member *member =
        p != NULL ? member_of(level, &name, &seen, &others) : NULL;
    if (member == NULL) {
      return NULL;
    }
    p = take_value(walk, member, p);
    if (p != NULL) {
      p = rill_json_next(&walk->json, p, '}');
    }
  }
  walk->json.depth--;
  return p != NULL ? p + 1 : NULL;
}

bool rill_chunk_walk(struct rill_chunk_walk *walk,
                     const struct rill_json_format *format,
                     struct rill_span json) {
  walk->json = rill_json_walk_of(json);
  walk->start = json.data;
  walk->holes.count = 0;
  walk->holes.has_overflowed = false;
  walk->found = (struct rill_json_found){0};
  walk->pieces = 0;
  walk->signs = 0;
  walk->says = RILL_SAYS_TEXT | RILL_SAYS_REASONING;
  walk->has_output = false;
  walk->has_error = false;
  walk->is_finished = false;
  walk->is_terminal = false;
  walk->is_plain = true;
  const char *p = rill_json_space(&walk->json, json.data);
  if (p == walk->json.end || *p != '{') {
    return false;
  }
  p = take_object(walk, format->top, p);
  return p != NULL && rill_json_space(&walk->json, p) == walk->json.end &&
         !walk->json.lone_surrogate;
}
