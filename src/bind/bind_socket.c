/* SPDX-License-Identifier: MIT
 *
 * rill.socket: a thin face over net/socket.h.  An item is dropped only once Lua
 * has it, so that running out of memory loses nothing.  Includes lua.h.
 */
#include <string.h>

#include "bind.h"
#include "net/clock.h"
#include "net/socket.h"
#include "report.h"

static const struct rill_class socket_class; /* at the end of the file */

static struct rill_socket *check(lua_State *L) {
  struct rill_socket *socket = rill_object_check(L, 1, &socket_class)->self;
  if (socket == NULL) {
    luaL_error(L, "the socket was never opened");
  }
  return socket;
}

/* ---- opening ---- */

static int64_t span_field(lua_State *L, int spec, const char *field,
                          int64_t usual) {
  lua_getfield(L, spec, field);
  lua_Number value = lua_tonumber(L, -1);
  bool is_absent = lua_isnil(L, -1);
  if (!is_absent && (lua_type(L, -1) != LUA_TNUMBER || !(value > 0))) {
    luaL_error(L, "socket field '%s': positive number expected, got %s", field,
               luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  return is_absent ? usual : rill_bind_duration(value);
}

static unsigned count_field(lua_State *L, int spec, const char *field) {
  lua_getfield(L, spec, field);
  lua_Number value = luaL_optnumber(L, -1, 0);
  if (!(value >= 0 && value <= 1000000)) {
    luaL_error(L, "socket field '%s' must be a count", field);
  }
  lua_pop(L, 1);
  return (unsigned)value;
}

static bool flag_field(lua_State *L, int spec, const char *field) {
  lua_getfield(L, spec, field);
  bool is_set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_set;
}

/* The table at spec; an absent one has what the binding's table says. */
static void read_options(lua_State *L, int spec,
                         struct rill_socket_options *options) {
  size_t len;
  options->deflate = flag_field(L, spec, "deflate");
  options->wait_first = flag_field(L, spec, "wait_first");
  options->retries = count_field(L, spec, "retries");
  options->ping_interval =
      span_field(L, spec, "ping_interval", 30 * RILL_SECOND_US);
  options->ping_timeout =
      span_field(L, spec, "ping_timeout", 10 * RILL_SECOND_US);
  options->close_timeout =
      span_field(L, spec, "close_timeout", 10 * RILL_SECOND_US);
  lua_getfield(L, spec, "send_limit");
  lua_Number limit = luaL_optnumber(L, -1, 1048576);
  if (!(limit >= 0)) {
    luaL_error(L, "socket field 'send_limit' must not be negative");
  }
  options->send_limit =
      limit < 4503599627370496.0 ? (size_t)limit : SIZE_MAX / 2;
  lua_getfield(L, spec, "protocols");
  const char *protocols = luaL_optlstring(L, -1, NULL, &len);
  if (protocols != NULL) {
    if (strlen(protocols) != len || strpbrk(protocols, "\r\n") != NULL) {
      luaL_error(L, "socket field 'protocols' contains a line break or NUL");
    }
    rill_bind_check_memory(
        L, rill_string_set(&options->protocols, protocols, len));
  }
  lua_pop(L, 2);
}

int rill_bind_socket_connect(lua_State *L, struct rill_engine *engine) {
  struct rill_profile *profile = rill_bind_profile_check(L, 2);
  size_t url_len;
  const char *url = luaL_checklstring(L, 3, &url_len);
  luaL_argcheck(L, profile != NULL, 2, "the profile is closed");
  luaL_argcheck(L, strlen(url) == url_len, 3, "a NUL byte in the URL");
  lua_settop(L, 4);
  if (lua_isnil(L, 4)) {
    lua_newtable(L);
    lua_replace(L, 4);
  }
  luaL_checktype(L, 4, LUA_TTABLE);
  struct rill_object *object = rill_object_new(L, &socket_class);
  struct rill_socket *socket;
  rill_bind_check_memory(L, rill_socket_new(&socket, profile));
  object->self = socket;
  read_options(L, 4, &socket->options);
  enum rill_status status = rill_socket_set_url(socket, url);
  luaL_argcheck(L, status != RILL_INVALID, 3,
                "the URL's host or port cannot be used");
  rill_bind_check_memory(L, status);
  rill_bind_check_memory(L, rill_socket_start(socket, engine));
  return 1;
}

/* takes_url(url): whether a socket can be opened to it, as far as the URL tells
 * that. */
int rill_bind_socket_takes_url(lua_State *L) {
  size_t len;
  const char *url = luaL_checklstring(L, 1, &len);
  enum rill_status status =
      strlen(url) == len ? rill_socket_check_url(url) : RILL_INVALID;
  if (status != RILL_INVALID) {
    rill_bind_check_memory(L, status);
  }
  lua_pushboolean(L, status == RILL_OK);
  return 1;
}

/* ---- items ---- */

static int push_item(lua_State *L, const struct rill_item *item) {
  static const char *const names[] = {
      [RILL_SOCKET_TEXT] = "text",
      [RILL_SOCKET_BINARY] = "binary",
      [RILL_SOCKET_IS_OPEN] = "open",
  };
  if (item->kind == RILL_ITEM_RETRY) {
    lua_pushliteral(L, "retry");
    lua_pushinteger(L, (lua_Integer)item->number);
    lua_pushnumber(L, (lua_Number)item->delay_us / RILL_SECOND_US);
    lua_pushlstring(L, item->first.data, item->first.len);
    return 4;
  }
  lua_pushstring(L, names[item->number]);
  if (item->number == RILL_SOCKET_IS_OPEN && item->first.len == 0) {
    lua_pushnil(L);
  } else {
    lua_pushlstring(L, item->first.data, item->first.len);
  }
  return 2;
}

/* Stack effect: +2 or +4. */
static int socket_take(lua_State *L) {
  struct rill_socket *socket = check(L);
  struct rill_item item;
  if (!rill_socket_peek(socket, &item)) {
    lua_pushnil(L);
    lua_pushstring(L, socket->state == RILL_SOCKET_ENDED ? "end" : "pending");
    return 2;
  }
  int pushed = push_item(L, &item);
  rill_socket_take(socket, &item);
  return pushed;
}

/* send(data, is_binary): true: queued; false: full; nil: closing or ended. */
static int socket_send(lua_State *L) {
  struct rill_socket *socket = check(L);
  struct rill_span data;
  data.data = luaL_checklstring(L, 2, &data.len);
  enum rill_ws_kind kind = lua_toboolean(L, 3) ? RILL_WS_BINARY : RILL_WS_TEXT;
  enum rill_status status = rill_socket_send(socket, kind, data);
  if (status == RILL_INVALID) {
    lua_pushnil(L);
    return 1;
  }
  if (status != RILL_LIMIT) {
    rill_bind_check_memory(L, status);
  }
  lua_pushboolean(L, status == RILL_OK);
  return 1;
}

static int socket_ping(lua_State *L) {
  struct rill_socket *socket = check(L);
  struct rill_span data;
  data.data = luaL_optlstring(L, 2, "", &data.len);
  luaL_argcheck(L, data.len <= RILL_WS_CONTROL_MAX, 2,
                "a ping has at most 125 bytes");
  if (rill_socket_ping(socket, data)) {
    lua_pushboolean(L, true);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* close(code, reason).  Pushes nothing. */
static int socket_close(lua_State *L) {
  struct rill_socket *socket = check(L);
  lua_Number code = luaL_optnumber(L, 2, 1000);
  struct rill_span reason;
  reason.data = luaL_optlstring(L, 3, "", &reason.len);
  luaL_argcheck(L, code >= 1000 && code <= 4999 && code == (unsigned)code, 2,
                "no close code");
  luaL_argcheck(L, rill_ws_may_close((unsigned)code, reason), 2,
                "no code and reason that an endpoint may send");
  rill_socket_close(socket, (unsigned)code, reason);
  return 0;
}

static int socket_drop(lua_State *L) {
  rill_socket_drop(check(L));
  return 0;
}

/* ---- its state ---- */

static int socket_state(lua_State *L) {
  static const char *const names[] = {
      [RILL_SOCKET_NEW] = "connecting",
      [RILL_SOCKET_WAITING] = "connecting",
      [RILL_SOCKET_CONNECTING] = "connecting",
      [RILL_SOCKET_UPGRADING] = "connecting",
      [RILL_SOCKET_OPEN] = "open",
      [RILL_SOCKET_CLOSING] = "closing",
      [RILL_SOCKET_LINGERING] = "closing",
      [RILL_SOCKET_ENDED] = "ended",
  };
  lua_pushstring(L, names[check(L)->state]);
  return 1;
}

static int socket_ending(lua_State *L) {
  static const char *const names[] = {NULL, "closed", "failed", "cut",
                                      "dropped"};
  lua_pushstring(L, names[check(L)->ending]); /* pushes nil for NULL */
  return 1;
}

/* Stack effect: +3 (code, reason, by), or +1 (nil) before there was any. */
static int socket_closing(lua_State *L) {
  struct rill_socket *socket = check(L);
  if (!socket->has_closing) {
    bool is_cut = socket->was_open && socket->state == RILL_SOCKET_ENDED;
    if (!is_cut) {
      lua_pushnil(L);
      return 1;
    }
    lua_pushinteger(L, 1006);
    lua_pushliteral(L, "");
    return 2;
  }
  lua_pushinteger(L, (lua_Integer)socket->close_code);
  lua_pushlstring(L, socket->close_reason, socket->close_reason_len);
  lua_pushstring(L, socket->closing_is_peers ? "peer" : "us");
  return 3;
}

static int socket_failure(lua_State *L) {
  struct rill_socket *socket = check(L);
  const struct rill_handshake *answer = &socket->handshake;
  struct rill_span none = {NULL, 0};
  /* Whoever wants to send while it still closes shall hear why, too. */
  enum rill_socket_ending ending = socket->ending != RILL_SOCKET_NO_ENDING
                                       ? socket->ending
                                       : socket->outcome;
  bool is_one = ending == RILL_SOCKET_FAILED || ending == RILL_SOCKET_CUT;
  if (!is_one || socket->failure.kind == NULL) {
    lua_pushnil(L);
    return 1;
  }
  rill_report_failure(L, &socket->failure, answer->head,
                      socket->was_open ? none : answer->body);
  return 1;
}

/* unsent(): a list of { data, is_binary }. */
static int socket_unsent(lua_State *L) {
  struct rill_socket *socket = check(L);
  struct rill_ws_message message;
  size_t at = 0;
  lua_newtable(L);
  for (int i = 1; rill_ws_out_unsent(&socket->ws.out, &at, &message); i++) {
    lua_newtable(L);
    lua_pushlstring(L, message.data.data, message.data.len);
    lua_rawseti(L, -2, 1);
    lua_pushboolean(L, message.kind == RILL_WS_BINARY);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* Stack effect: +2, bytes and number of the messages that are queued. */
static int socket_queued(lua_State *L) {
  struct rill_socket *socket = check(L);
  lua_pushinteger(L, (lua_Integer)socket->ws.out.queued_bytes);
  lua_pushinteger(L, (lua_Integer)socket->ws.out.queued_count);
  return 2;
}

/* attach(transfer or nil).  Pushes nothing. */
static int socket_attach(lua_State *L) {
  struct rill_socket *socket = check(L);
  struct rill_transfer *transfer = NULL;
  if (!lua_isnoneornil(L, 2)) {
    transfer = rill_bind_transfer_check_fed(L, 2);
    luaL_argcheck(
        L, transfer->feeder == NULL || transfer->feeder == &socket->feeder, 2,
        "the transfer is attached to another socket");
    if (transfer->state != RILL_TRANSFER_RUNNING) {
      transfer = NULL; /* it has ended: what comes is not for it */
    }
  }
  rill_socket_attach(socket, transfer);
  return 0;
}

static int socket_attached(lua_State *L) {
  lua_pushboolean(L, check(L)->attached != NULL);
  return 1;
}

static int socket_wake(lua_State *L) {
  struct rill_socket *socket = check(L);
  int64_t at = RILL_NEVER;
  if (!lua_isnoneornil(L, 2)) {
    lua_Number seconds = luaL_checknumber(L, 2);
    at = rill_clock_after(rill_clock_now(),
                          seconds > 0 ? rill_bind_duration(seconds) : 0);
  }
  rill_socket_wake(socket, at);
  return 0;
}

static int socket_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->driven.id);
  return 1;
}

/* ---- reports ---- */

static int socket_stats(lua_State *L) {
  struct rill_socket *socket = check(L);
  const struct rill_socket_stats *stats = &socket->stats;
  int64_t since = stats->created;
  int64_t until = stats->ended != 0 ? stats->ended : rill_clock_now();
  lua_newtable(L);
  rill_report_count(L, "bytes_in", stats->bytes_in);
  rill_report_count(L, "bytes_out", stats->bytes_out);
  rill_report_count(L, "messages_in", socket->ws.messages);
  rill_report_count(L, "messages_out", socket->ws.out.messages);
  rill_report_count(L, "pings", stats->pings);
  rill_report_count(L, "pongs", stats->pongs);
  rill_report_count(L, "pauses", stats->pauses);
  if (socket->handshake.status != 0) {
    rill_report_count(L, "status", (uint64_t)socket->handshake.status);
  }
  if (socket->was_open) {
    rill_report_span(L, "protocol", socket->handshake.protocol);
  }
  rill_report_flag(L, "deflate", socket->handshake.deflate.is_on);
  if (stats->round_trip >= 0) {
    rill_report_time(L, "round_trip", stats->round_trip);
  }
  rill_report_time(L, "started", since);
  rill_report_moment(L, "connected", since, stats->connected);
  rill_report_moment(L, "opened", since, stats->opened);
  rill_report_moment(L, "last_byte", since, stats->last_byte);
  rill_report_moment(L, "ended", since, stats->ended);
  rill_report_time(L, "elapsed", until - since);
  return 1;
}

static int socket_attempts(lua_State *L) {
  struct rill_socket *socket = check(L);
  rill_report_attempts(L, &socket->trail, socket->stats.created,
                       socket->handshake.head);
  return 1;
}

/* ---- life ---- */

static int socket_collect(lua_State *L) {
  struct rill_object *object = rill_object_check(L, 1, &socket_class);
  struct rill_socket *socket = object->self;
  object->self = NULL;
  rill_socket_free(socket);
  return 0;
}

static int socket_describe(lua_State *L) {
  if (rill_object_check(L, 1, &socket_class)->self == NULL) {
    lua_pushliteral(L, "rill.socket (freed)");
    return 1;
  }
  socket_state(L);
  lua_pushfstring(L, "rill.socket (%s)", lua_tostring(L, -1));
  return 1;
}

static const luaL_Reg methods[] = {
    {"take", socket_take},
    {"send", socket_send},
    {"ping", socket_ping},
    {"close", socket_close},
    {"drop", socket_drop},
    {"state", socket_state},
    {"ending", socket_ending},
    {"closing", socket_closing},
    {"failure", socket_failure},
    {"unsent", socket_unsent},
    {"queued", socket_queued},
    {"attach", socket_attach},
    {"attached", socket_attached},
    {"wake", socket_wake},
    {"id", socket_id},
    {"stats", socket_stats},
    {"attempts", socket_attempts},
    {NULL, NULL},
};

static const struct rill_class socket_class = {
    "rill.socket", methods, socket_collect, socket_drop, socket_describe};
