/* SPDX-License-Identifier: MIT
 *
 * rill.transfer: a thin face over net/transfer.h.  An item is dropped only once
 * Lua has it, so that running out of memory loses nothing.  Includes lua.h.
 */
#include "bind.h"
#include "core/headers.h"
#include "net/fed.h"
#include "report.h"

static const struct rill_class transfer_class; /* at the end of the file */

static struct rill_transfer *check(lua_State *L) {
  struct rill_transfer *transfer =
      rill_object_check(L, 1, &transfer_class)->self;
  if (transfer == NULL) {
    luaL_error(L, "the transfer was never opened");
  }
  return transfer;
}

/* In the order of enum rill_format; the last is no format of a stream. */
enum { WHOLE = RILL_FORMAT_REALTIME + 1 };
static const char *const formats[] = {"openai",   "responses", "anthropic",
                                      "gemini",   "ollama",    "chat",
                                      "realtime", "whole",     NULL};

/* Pushes one with the profile at index 2, the format's name at format_arg. */
static struct rill_transfer *push_new(lua_State *L, int format_arg) {
  struct rill_profile *profile = rill_bind_profile_check(L, 2);
  /* LuaJIT would take the default for anything that is no string. */
  const char *usual = lua_isnoneornil(L, format_arg) ? formats[0] : NULL;
  int format = luaL_checkoption(L, format_arg, usual, formats);
  luaL_argcheck(L, profile != NULL, 2, "the profile is closed");
  struct rill_object *object = rill_object_new(L, &transfer_class);
  struct rill_transfer *transfer;
  rill_bind_check_memory(L, rill_transfer_new(&transfer, profile));
  object->self = transfer;
  transfer->is_whole = format == WHOLE;
  if (format != WHOLE) {
    transfer->format = (enum rill_format)format;
  }
  return transfer;
}

int rill_bind_transfer_open(lua_State *L, struct rill_engine *engine) {
  size_t url_len;
  size_t body_len = 0;
  const char *url = luaL_checklstring(L, 3, &url_len);
  const char *body = luaL_optlstring(L, 4, NULL, &body_len);
  luaL_argcheck(L, strlen(url) == url_len, 3, "a NUL byte in the URL");
  struct rill_transfer *transfer = push_new(L, 5);
  rill_bind_check_memory(L, rill_string_set(&transfer->url, url, url_len));
  if (body != NULL) {
    rill_bind_check_memory(L, rill_string_set(&transfer->body, body, body_len));
    transfer->body_len = body_len;
  }
  rill_bind_check_memory(L, rill_transfer_start(transfer, engine));
  return 1;
}

int rill_bind_transfer_answer(lua_State *L, struct rill_engine *engine) {
  int64_t age = rill_bind_duration(luaL_optnumber(L, 4, 0));
  int64_t source = (int64_t)luaL_optnumber(L, 5, 0);
  struct rill_transfer *transfer = push_new(L, 3);
  luaL_argcheck(L, !transfer->is_whole, 3, "no format of messages");
  luaL_argcheck(L, age >= 0 && age < RILL_NEVER, 4, "no age in seconds");
  rill_bind_check_memory(L, rill_fed_start(transfer, engine, age, source));
  return 1;
}

struct rill_transfer *rill_bind_transfer_check_fed(lua_State *L, int arg) {
  struct rill_transfer *transfer =
      rill_object_check(L, arg, &transfer_class)->self;
  luaL_argcheck(L, transfer != NULL && transfer->is_fed, arg,
                "the transfer has a request of its own");
  return transfer;
}

static void add(lua_State *L, struct rill_bytes *to, struct rill_span text) {
  rill_bind_check_memory(L, rill_bytes_append(to, text.data, text.len));
}

/* Who wants no payloads wants nothing but texts: reasoning is put by. */
static bool passes_over(const struct rill_transfer *transfer,
                        const struct rill_item *item) {
  return item->kind == RILL_ITEM_REASONING && !transfer->keep_payloads;
}

/* Takes the next item and pushes its text if it is a plain one. */
static bool take_text(lua_State *L, struct rill_transfer *transfer) {
  struct rill_item item;
  while (rill_transfer_peek(transfer, &item)) {
    if (item.kind == RILL_ITEM_TEXT) {
      lua_pushlstring(L, item.first.data, item.first.len);
      add(L, &transfer->reply, item.first);
      rill_transfer_drop(transfer, &item);
      return true;
    }
    if (!passes_over(transfer, &item)) {
      return false;
    }
    add(L, &transfer->reasoning, item.first);
    rill_transfer_drop(transfer, &item);
  }
  return false;
}

/* Stack effect: +1, or nothing when the next item is no plain text. */
static int transfer_text(lua_State *L) {
  return take_text(L, check(L)) ? 1 : 0;
}

#ifdef RILL_HAS_CALLK
static int after_slow(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 1;
}

/* Upvalues: the transfer, the Lua function for everything but plain texts, and
 * its argument.  As a Lua function it would cost a sixth more per delta. */
static int texts_next(lua_State *L) {
  struct rill_object *object = lua_touserdata(L, lua_upvalueindex(1));
  struct rill_transfer *transfer = object->self;
  if (transfer != NULL && !transfer->held && take_text(L, transfer)) {
    return 1;
  }
  struct rill_item item;
  bool pending = transfer != NULL && !transfer->held &&
                 transfer->ending == RILL_ENDING_NONE &&
                 !rill_transfer_peek(transfer, &item);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_pushboolean(L, pending);
  lua_callk(L, 2, 1, 0, after_slow);
  return 1;
}
#endif

/* texts(slow, argument, iterator): a function that returns the next plain text,
 * or what slow(argument, is_pending) returns where there is none; pending:
 * nothing at all has arrived.  The iterator is one that another transfer gave,
 * to go on with this one in place of a new one.  Nil where Lua code called from
 * C cannot yield (5.1 and LuaJIT). */
static int transfer_texts(lua_State *L) {
  check(L);
#ifdef RILL_HAS_CALLK
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 4);
  if (lua_isnil(L, 4)) {
    lua_settop(L, 3);
    lua_pushcclosure(L, texts_next, 3);
    return 1;
  }
  luaL_argcheck(L, lua_tocfunction(L, 4) == texts_next, 4, "no such iterator");
  for (int upvalue = 1; upvalue <= 3; upvalue++) {
    lua_pushvalue(L, upvalue);
    lua_setupvalue(L, 4, upvalue);
  }
  return 1;
#else
  return 0;
#endif
}

/* Pushes the span, or nil for an empty one. */
static void push_span(lua_State *L, struct rill_span span) {
  if (span.len > 0) {
    lua_pushlstring(L, span.data, span.len);
  } else {
    lua_pushnil(L);
  }
}

/* Stack effect: +3 or +4 for an item, +2 (nil and a word) without one. */
static int transfer_take(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  struct rill_item item;
  int pushed = 3;
  if (!rill_transfer_peek(transfer, &item)) {
    lua_pushnil(L);
    lua_pushstring(L, transfer->ending != RILL_ENDING_NONE ? "end" : "pending");
    return 2;
  }
  switch (item.kind) {
  case RILL_ITEM_TEXT:
    lua_pushliteral(L, "text");
    lua_pushlstring(L, item.first.data, item.first.len);
    push_span(L, item.second);
    add(L, &transfer->reply, item.first);
    break;
  case RILL_ITEM_REASONING:
    lua_pushliteral(L, "reasoning");
    lua_pushlstring(L, item.first.data, item.first.len);
    push_span(L, item.second);
    add(L, &transfer->reasoning, item.first);
    break;
  case RILL_ITEM_EVENT:
    lua_pushliteral(L, "event");
    lua_pushlstring(L, item.first.data, item.first.len);
    push_span(L, item.second);
    lua_pushboolean(L, item.number == 1);
    pushed = 4;
    break;
  case RILL_ITEM_RETRY:
    lua_pushliteral(L, "retry");
    lua_pushinteger(L, (lua_Integer)item.number);
    lua_pushnumber(L, (lua_Number)item.delay_us / RILL_SECOND_US);
    lua_pushlstring(L, item.first.data, item.first.len);
    pushed = 4;
    break;
  }
  rill_transfer_drop(transfer, &item);
  return pushed;
}

/* hold(flag): while true, the functions of texts() leave everything to Lua,
 * which has older items to give first. */
static int transfer_hold(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  transfer->held = lua_toboolean(L, 2);
  return 0;
}

static void append_argument(lua_State *L, struct rill_bytes *to) {
  struct rill_span text;
  text.data = luaL_checklstring(L, 2, &text.len);
  add(L, to, text);
}

static int transfer_append(lua_State *L) {
  append_argument(L, &check(L)->reply);
  return 0;
}

static int transfer_append_reasoning(lua_State *L) {
  append_argument(L, &check(L)->reasoning);
  return 0;
}

static void push_bytes(lua_State *L, const struct rill_bytes *bytes) {
  lua_pushlstring(L, bytes->len > 0 ? bytes->data : "", bytes->len);
}

static int transfer_reply(lua_State *L) {
  push_bytes(L, &check(L)->reply);
  return 1;
}

static int transfer_reasoning(lua_State *L) {
  push_bytes(L, &check(L)->reasoning);
  return 1;
}

/* Stack effect: +2, the bytes of the reply's text and of its reasoning. */
static int transfer_lengths(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  lua_pushinteger(L, (lua_Integer)transfer->reply.len);
  lua_pushinteger(L, (lua_Integer)transfer->reasoning.len);
  return 2;
}

static int transfer_usage(lua_State *L) {
  push_span(L, rill_bytes_span(&check(L)->usage));
  return 1;
}

static int transfer_restart(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  rill_bytes_clear(&transfer->reply);
  rill_bytes_clear(&transfer->reasoning);
  return 0;
}

static int transfer_keep(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  transfer->keep_payloads = lua_toboolean(L, 2);
  return 0;
}

static int transfer_ending(lua_State *L) {
  static const char *const names[] = {NULL,  "done",   "eof",
                                      "cut", "failed", "closed"};
  struct rill_transfer *transfer = check(L);
  lua_pushstring(L, names[transfer->ending]); /* pushes nil for NULL */
  return 1;
}

static int transfer_unfinished(lua_State *L) {
  lua_pushboolean(L, check(L)->unfinished);
  return 1;
}

static int transfer_finish_reason(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  push_span(L, rill_span_of(transfer->finish_reason));
  return 1;
}

static int transfer_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->driven.id);
  return 1;
}

/* ---- reports ---- */

/* A moment, in seconds since the transfer was created; nothing for 0. */
static void set_moment(lua_State *L, const char *key,
                       const struct rill_transfer *transfer, int64_t moment) {
  rill_report_moment(L, key, transfer->created, moment);
}

static int transfer_failure(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  if (transfer->failure.kind == NULL || transfer->ending == RILL_ENDING_NONE) {
    lua_pushnil(L);
    return 1;
  }
  rill_report_failure(L, &transfer->failure,
                      rill_bytes_span(&transfer->headers),
                      rill_bytes_span(&transfer->text));
  return 1;
}

static int transfer_stats(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  lua_newtable(L);
  rill_report_count(L, "bytes", transfer->bytes);
  rill_report_count(L, "events", transfer->events);
  rill_report_count(L, "texts", transfer->texts);
  rill_report_count(L, "reasonings", transfer->reasonings);
  rill_report_count(L, "comments",
                    transfer->past_comments + transfer->sse.comments);
  rill_report_count(L, "pauses", transfer->pauses);
  rill_report_count(L, "trailing_bytes", transfer->trailing_bytes);
  if (transfer->status != 0) {
    rill_report_count(L, "status", (uint64_t)transfer->status);
  }
  rill_report_flag(L, "reused", transfer->reused);
  rill_report_time(L, "started", transfer->created);
  set_moment(L, "connected", transfer, transfer->connected);
  set_moment(L, "headers", transfer, transfer->headers_at);
  set_moment(L, "first_byte", transfer, transfer->first_byte);
  set_moment(L, "first_output", transfer, transfer->first_output);
  set_moment(L, "last_output", transfer, transfer->last_output);
  set_moment(L, "ended", transfer, transfer->ended);
  rill_report_time(L, "elapsed",
                   (transfer->ended != 0 ? transfer->ended : rill_clock_now()) -
                       transfer->created);
  rill_report_span(L, "headers_text", rill_bytes_span(&transfer->headers));
  return 1;
}

static int transfer_attempts(lua_State *L) {
  struct rill_transfer *transfer = check(L);
  rill_report_attempts(L, &transfer->trail, transfer->created,
                       rill_bytes_span(&transfer->headers));
  return 1;
}

/* ---- transfers that are fed ---- */

/* feed(message): whether it was taken; one that has ended takes none. */
static int transfer_feed(lua_State *L) {
  struct rill_transfer *transfer = rill_bind_transfer_check_fed(L, 1);
  struct rill_span message;
  message.data = luaL_checklstring(L, 2, &message.len);
  lua_pushboolean(L, rill_fed_take(transfer, message, rill_clock_now()));
  return 1;
}

/* finish(how, kind, phase, message, retryable).  Pushes nothing. */
static int transfer_finish(lua_State *L) {
  static const char *const names[] = {"done", "eof", "cut", "failed", NULL};
  static const enum rill_ending endings[] = {
      RILL_ENDING_DONE, RILL_ENDING_EOF, RILL_ENDING_CUT, RILL_ENDING_FAILED};
  struct rill_transfer *transfer = rill_bind_transfer_check_fed(L, 1);
  enum rill_ending ending = endings[luaL_checkoption(L, 2, NULL, names)];
  const char *kind = luaL_optstring(L, 3, NULL);
  const char *phase = luaL_optstring(L, 4, "body");
  const char *message = luaL_optstring(L, 5, "");
  if (kind != NULL && transfer->state == RILL_TRANSFER_RUNNING) {
    rill_fed_note(transfer, kind, phase, message, lua_toboolean(L, 6));
  }
  rill_fed_finish(transfer, ending);
  return 0;
}

/* rest(flag): while true, none of its clocks runs but total.  Pushes nothing.
 */
static int transfer_rest(lua_State *L) {
  struct rill_transfer *transfer = rill_bind_transfer_check_fed(L, 1);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  rill_fed_rest(transfer, lua_toboolean(L, 2));
  return 0;
}

/* queued(): bytes that wait to be taken. */
static int transfer_queued(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)rill_queue_size(&check(L)->queue));
  return 1;
}

/* ---- life ---- */

static int transfer_close(lua_State *L) {
  rill_transfer_close(check(L));
  return 0;
}

static int transfer_collect(lua_State *L) {
  struct rill_object *object = rill_object_check(L, 1, &transfer_class);
  struct rill_transfer *transfer = object->self;
  object->self = NULL;
  rill_transfer_free(transfer);
  return 0;
}

static int transfer_describe(lua_State *L) {
  static const char *const states[] = {"new", "running", "waiting", "ended"};
  struct rill_transfer *transfer =
      rill_object_check(L, 1, &transfer_class)->self;
  lua_pushfstring(L, "rill.transfer (%s)",
                  transfer == NULL ? "freed" : states[transfer->state]);
  return 1;
}

static const luaL_Reg methods[] = {
    {"text", transfer_text},
    {"texts", transfer_texts},
    {"hold", transfer_hold},
    {"take", transfer_take},
    {"append", transfer_append},
    {"append_reasoning", transfer_append_reasoning},
    {"reply", transfer_reply},
    {"reasoning", transfer_reasoning},
    {"lengths", transfer_lengths},
    {"usage", transfer_usage},
    {"restart", transfer_restart},
    {"keep", transfer_keep},
    {"ending", transfer_ending},
    {"failure", transfer_failure},
    {"unfinished", transfer_unfinished},
    {"finish_reason", transfer_finish_reason},
    {"id", transfer_id},
    {"stats", transfer_stats},
    {"attempts", transfer_attempts},
    {"feed", transfer_feed},
    {"finish", transfer_finish},
    {"rest", transfer_rest},
    {"queued", transfer_queued},
    {"close", transfer_close},
    {NULL, NULL},
};

/* Closing leaves what was received readable; only collection frees it. */
static const struct rill_class transfer_class = {
    "rill.transfer", methods, transfer_collect, transfer_close,
    transfer_describe};
