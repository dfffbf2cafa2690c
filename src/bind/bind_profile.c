/* SPDX-License-Identifier: MIT
 *
 * Reads the spec table of a request.  It is lua/rill/client.lua that checks
 * what users write; what is checked here keeps C safe from a wrong caller.  The
 * request belongs to a userdata, so an error raised half way leaks nothing.
 */
#include <string.h>

#include "bind.h"
#include "net/clock.h"

int64_t rill_bind_duration(lua_Number seconds) {
  /* A century: beyond it the sum with a clock could overflow. */
  return seconds < 3.2e9 ? (int64_t)(seconds * RILL_SECOND_US) : RILL_NEVER;
}

static int wrong(lua_State *L, const char *field, const char *expected) {
  return luaL_error(L, "profile field '%s': %s expected, got %s", field,
                    expected, luaL_typename(L, -1));
}

void rill_bind_check_memory(lua_State *L, enum rill_status status) {
  if (status != RILL_OK) {
    luaL_error(L, "not enough memory");
  }
}

/* libcurl takes C strings: a NUL would silently cut one short. */
static void string_field(lua_State *L, int spec, const char *field,
                         char **into) {
  size_t size;
  lua_getfield(L, spec, field);
  if (!lua_isnil(L, -1)) {
    if (lua_type(L, -1) != LUA_TSTRING) {
      wrong(L, field, "string");
    }
    const char *text = lua_tolstring(L, -1, &size);
    if (strlen(text) != size) {
      luaL_error(L, "profile field '%s' contains a NUL byte", field);
    }
    rill_bind_check_memory(L, rill_string_set(into, text, size));
  }
  lua_pop(L, 1);
}

static lua_Number number_field(lua_State *L, const char *field) {
  lua_getfield(L, -1, field);
  if (lua_type(L, -1) != LUA_TNUMBER) {
    wrong(L, field, "number");
  }
  lua_Number value = lua_tonumber(L, -1);
  if (!(value >= 0)) {
    luaL_error(L, "profile field '%s' must not be negative", field);
  }
  lua_pop(L, 1);
  return value;
}

static int64_t duration_field(lua_State *L, const char *field) {
  return rill_bind_duration(number_field(L, field));
}

static size_t size_field(lua_State *L, const char *field) {
  lua_Number value = number_field(L, field);
  return value < 4503599627370496.0 ? (size_t)value : SIZE_MAX / 2;
}

static void table_field(lua_State *L, int spec, const char *field) {
  lua_getfield(L, spec, field);
  if (!lua_istable(L, -1)) {
    wrong(L, field, "table");
  }
}

static void read_headers(lua_State *L, int spec, struct rill_profile *profile) {
  table_field(L, spec, "headers");
  size_t count = lua_rawlen(L, -1);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, (int)i);
    size_t size;
    if (lua_type(L, -1) != LUA_TSTRING) {
      wrong(L, "headers", "list of strings");
    }
    const char *line = lua_tolstring(L, -1, &size);
    for (size_t k = 0; k < size; k++) {
      if ((unsigned char)line[k] < ' ' && line[k] != '\t') {
        luaL_error(L,
                   "profile field 'headers': a control character in line "
                   "%d",
                   (int)i);
      }
    }
    rill_bind_check_memory(L, rill_profile_add_header(profile, line));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void read_numbers(lua_State *L, int spec, struct rill_profile *profile) {
  table_field(L, spec, "timeout");
  profile->timeouts.connect = duration_field(L, "connect");
  profile->timeouts.first_byte = duration_field(L, "first_byte");
  profile->timeouts.first_output = duration_field(L, "first_output");
  profile->timeouts.idle = duration_field(L, "idle");
  profile->timeouts.progress = duration_field(L, "progress");
  profile->timeouts.total = duration_field(L, "total");
  lua_pop(L, 1);
  table_field(L, spec, "retry");
  lua_Number max = number_field(L, "max");
  profile->retry.max = max < 1000000 ? (unsigned)max : 1000000;
  profile->retry.base_us = duration_field(L, "base");
  profile->retry.factor = number_field(L, "factor");
  profile->retry.cap_us = duration_field(L, "cap");
  profile->retry.jitter = number_field(L, "jitter");
  profile->retry.max_wait_us = duration_field(L, "max_wait");
  lua_getfield(L, -1, "growth");
  const char *growth = lua_tostring(L, -1);
  if (growth != NULL && strcmp(growth, "linear") == 0) {
    profile->retry.growth = RILL_RETRY_LINEAR;
  }
  lua_pop(L, 2);
  table_field(L, spec, "limits");
  profile->limits.buffer = size_field(L, "buffer");
  profile->limits.event = size_field(L, "event");
  profile->limits.error_body = size_field(L, "error_body");
  lua_pop(L, 1);
}

static void read_transport(lua_State *L, int spec,
                           struct rill_profile *profile) {
  string_field(L, spec, "proxy", &profile->proxy);
  string_field(L, spec, "ca_file", &profile->ca_file);
  string_field(L, spec, "ca_path", &profile->ca_path);
  lua_getfield(L, spec, "tls_verify");
  /* Only an explicit false switches it off. */
  profile->tls_verify = !(lua_isboolean(L, -1) && !lua_toboolean(L, -1));
  lua_getfield(L, spec, "http_version");
  const char *version = lua_tostring(L, -1);
  profile->http_version = version != NULL && strcmp(version, "2") == 0
                              ? RILL_HTTP_2
                              : RILL_HTTP_1_1;
  lua_pop(L, 2);
}

static const struct rill_class profile_class; /* at the end of the file */

struct rill_profile *rill_bind_profile_check(lua_State *L, int arg) {
  return rill_object_check(L, arg, &profile_class)->self;
}

int rill_bind_profile_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  struct rill_object *object = rill_object_new(L, &profile_class);
  struct rill_profile *profile;
  rill_bind_check_memory(L, rill_profile_new(&profile));
  object->self = profile;
  read_headers(L, 1, profile);
  read_numbers(L, 1, profile);
  read_transport(L, 1, profile);
  return 1;
}

static int profile_release(lua_State *L) {
  struct rill_object *object = rill_object_check(L, 1, &profile_class);
  rill_profile_release(object->self);
  object->self = NULL;
  return 0;
}

static int profile_describe(lua_State *L) {
  lua_pushliteral(L, "rill.profile"); /* its headers hold the key */
  return 1;
}

static const luaL_Reg methods[] = {{NULL, NULL}};

static const struct rill_class profile_class = {
    "rill.profile", methods, profile_release, profile_release,
    profile_describe};
