#!/bin/sh
# Runs the chat example on the build in $2 with the Lua named $1.  Prompt, model and gateway come in
# the environment, so that no shell and no make reads what is in them.
set -eu
lua=$1
LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH="$2/?.so;;"
export LUA_PATH LUA_CPATH

set -- "$lua" examples/chat.lua
[ -z "${RILL_DEMO_GATEWAY:-}" ] || set -- "$@" --gateway "$RILL_DEMO_GATEWAY"
[ -z "${RILL_DEMO_MODEL:-}" ] || set -- "$@" --model "$RILL_DEMO_MODEL"
[ -z "${RILL_DEMO_PROMPT:-}" ] || set -- "$@" -- "$RILL_DEMO_PROMPT"
exec "$@"
