/* SPDX-License-Identifier: MIT
 *
 * rill.sse_parser: core/sse.h for bytes from any transport.  The core borrows
 * what it is fed until it has used it up, so the parser keeps copies: one that
 * is being parsed, one that gathers what was fed meanwhile.  Includes lua.h.
 */
#include <stdlib.h>

#include "bind.h"
#include "core/sse.h"

/* Bytes; the default ceiling of one event. */
#define MAX_EVENT 33554432

struct parser {
  struct rill_sse sse;
  struct rill_bytes current; /* lent to sse while `lent` */
  struct rill_bytes waiting;
  struct rill_sse_event event; /* while `held`: has not reached Lua yet */
  bool held;
  bool lent;
  bool ended;
};

static const struct rill_class sse_class; /* at the end of the file */

static struct parser *check(lua_State *L) {
  struct parser *parser = rill_object_check(L, 1, &sse_class)->self;
  if (parser == NULL) {
    luaL_error(L, "the parser is closed");
  }
  return parser;
}

int rill_bind_sse_new(lua_State *L) {
  lua_Number max = MAX_EVENT;
  if (lua_type(L, 1) == LUA_TTABLE) {
    lua_getfield(L, 1, "max_event");
    if (!lua_isnil(L, -1)) {
      max = lua_tonumber(L, -1);
      if (!(max >= 1)) {
        return luaL_error(L, "rill.sse_parser: max_event must be a positive "
                             "number of bytes");
      }
    }
  } else if (!lua_isnoneornil(L, 1)) {
    return luaL_argerror(L, 1, "a table of options expected");
  }
  struct rill_object *object = rill_object_new(L, &sse_class);
  struct parser *parser = calloc(1, sizeof *parser);
  if (parser == NULL) {
    return luaL_error(L, "not enough memory");
  }
  rill_sse_init(&parser->sse,
                max < 4503599627370496.0 ? (size_t)max : SIZE_MAX / 2);
  rill_bytes_init(&parser->current, SIZE_MAX / 2);
  rill_bytes_init(&parser->waiting, SIZE_MAX / 2);
  object->self = parser;
  return 1;
}

static int parser_feed(lua_State *L) {
  struct parser *parser = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  if (parser->ended) {
    return luaL_error(L, "fed after finish; call reset for a new stream");
  }
  rill_bind_check_memory(L, rill_bytes_append(&parser->waiting, bytes, len));
  lua_settop(L, 1);
  return 1;
}

/* The next event of all that was fed.  It stays the next one until Lua has it:
 * should memory run out on the way there, it comes again. */
static enum rill_status pull(struct parser *parser) {
  struct rill_sse_event *event = &parser->event;
  enum rill_status status = RILL_NEED_DATA;
  if (parser->held) {
    return RILL_OK;
  }
  if (parser->lent) {
    status = rill_sse_next(&parser->sse, event);
  }
  if (status == RILL_NEED_DATA && parser->waiting.len > 0) {
    struct rill_bytes done = parser->current;
    parser->current = parser->waiting;
    parser->waiting = done;
    rill_bytes_clear(&parser->waiting);
    rill_sse_feed(&parser->sse, parser->current.data, parser->current.len);
    parser->lent = true;
    status = rill_sse_next(&parser->sse, event);
  }
  parser->held = status == RILL_OK;
  return status;
}

/* Stack effect: +1, an event; or +1, nil; or +2, nil and a message. */
static int push_event(lua_State *L, struct parser *parser,
                      enum rill_status status) {
  const struct rill_sse_event *event = &parser->event;
  if (status != RILL_OK) {
    lua_pushnil(L);
    if (status == RILL_NEED_DATA) {
      return 1;
    }
    if (status == RILL_LIMIT) {
      lua_pushfstring(L, "limit: an event longer than %d bytes (max_event)",
                      (int)parser->sse.max_event);
    } else {
      lua_pushliteral(L, "memory: not enough memory");
    }
    return 2;
  }
  lua_createtable(L, 0, 3);
  if (event->name.len > 0) {
    lua_pushlstring(L, event->name.data, event->name.len);
  } else {
    lua_pushliteral(L, "message");
  }
  lua_setfield(L, -2, "event");
  lua_pushlstring(L, event->data.len > 0 ? event->data.data : "",
                  event->data.len);
  lua_setfield(L, -2, "data");
  lua_pushlstring(L, event->id.len > 0 ? event->id.data : "", event->id.len);
  lua_setfield(L, -2, "id");
  parser->held = false;
  return 1;
}

static int parser_next(lua_State *L) {
  struct parser *parser = check(L);
  return push_event(L, parser, pull(parser));
}

static int parser_finish(lua_State *L) {
  struct parser *parser = check(L);
  if (parser->ended && !parser->held) {
    return 0;
  }
  enum rill_status status = pull(parser);
  if (status == RILL_NEED_DATA) {
    parser->ended = true;
    status = rill_sse_finish(&parser->sse, &parser->event);
    parser->held = status == RILL_OK;
  }
  return push_event(L, parser, status);
}

static int parser_reset(lua_State *L) {
  struct parser *parser = check(L);
  rill_sse_reset(&parser->sse);
  rill_bytes_clear(&parser->waiting);
  parser->held = false;
  parser->lent = false;
  parser->ended = false;
  lua_settop(L, 1);
  return 1;
}

static int parser_retry(lua_State *L) {
  struct parser *parser = check(L);
  if (parser->sse.retry_ms < 0) {
    return 0;
  }
  lua_pushnumber(L, (lua_Number)parser->sse.retry_ms / 1000);
  return 1;
}

static int parser_comments(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->sse.comments);
  return 1;
}

static int parser_release(lua_State *L) {
  struct rill_object *object = rill_object_check(L, 1, &sse_class);
  struct parser *parser = object->self;
  object->self = NULL;
  if (parser != NULL) {
    rill_sse_free(&parser->sse);
    rill_bytes_free(&parser->current);
    rill_bytes_free(&parser->waiting);
    free(parser);
  }
  return 0;
}

static int parser_describe(lua_State *L) {
  struct parser *parser = rill_object_check(L, 1, &sse_class)->self;
  if (parser == NULL) {
    lua_pushliteral(L, "rill.sse_parser (closed)");
  } else {
    lua_pushfstring(L, "rill.sse_parser (%d events)", (int)parser->sse.events);
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"feed", parser_feed},     {"next", parser_next},
    {"finish", parser_finish}, {"reset", parser_reset},
    {"retry", parser_retry},   {"comments", parser_comments},
    {"close", parser_release}, {NULL, NULL},
};

static const struct rill_class sse_class = {"rill.sse_parser", methods,
                                            parser_release, parser_release,
                                            parser_describe};
