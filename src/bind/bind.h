/* SPDX-License-Identifier: MIT
 *
 * What the files of src/bind offer each other.  Includes lua.h.
 */
#ifndef RILL_BIND_BIND_H
#define RILL_BIND_BIND_H

#include "net/engine.h"
#include "net/profile.h"
#include "object.h"

struct rill_transfer;

/* Constructors. */
int rill_bind_sse_new(lua_State *L);
int rill_bind_engine_get(lua_State *L);
int rill_bind_profile_new(lua_State *L);
int rill_bind_alarm_new(lua_State *L);

/* now(): seconds of the clock by which everything here goes. */
int rill_bind_now(lua_State *L);

/* base64_encode(bytes), base64_decode(text). */
int rill_bind_base64_encode(lua_State *L);
int rill_bind_base64_decode(lua_State *L);

/* sha256(bytes): the digest as hexadecimal digits. */
int rill_bind_sha256(lua_State *L);

/* Pushes a new transfer: the engine has started the request with the profile at
 * index 2, the URL at 3, the body, if any, at 4 and the format's name at 5. */
int rill_bind_transfer_open(lua_State *L, struct rill_engine *engine);

/* The same without a request: fed with messages of the format named at 3. */
int rill_bind_transfer_answer(lua_State *L, struct rill_engine *engine);

/* Pushes a new socket: the engine connects it with the profile at index 2, to
 * the URL at 3, as the table at 4 says. */
int rill_bind_socket_connect(lua_State *L, struct rill_engine *engine);
int rill_bind_socket_takes_url(lua_State *L);

/* The transfer at arg, which must be one that is fed. */
struct rill_transfer *rill_bind_transfer_check_fed(lua_State *L, int arg);

/* The profile at arg. */
struct rill_profile *rill_bind_profile_check(lua_State *L, int arg);

/* Raises the error of memory that ran out, unless all is well. */
void rill_bind_check_memory(lua_State *L, enum rill_status status);

/* Seconds as Lua has them to microseconds: huge ones are RILL_NEVER. */
int64_t rill_bind_duration(lua_Number seconds);

#endif
