#!/bin/sh
# Holds the arrows of docs/architecture.md: what objects call, what sources include, what providers
# require; and that Lua states share nothing: what objects could write to.  Prints every breach;
# succeeds if there is none.
set -u
objects=${1:?usage: layers.sh FOLDER-OF-OBJECTS}
cd "$(dirname "$0")/.." || exit 1
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

# calls LAYER PATTERN WHY [EXCEPT ...]: undefined symbols of the layer's objects that match PATTERN.
calls() {
  layer=$1 pattern=$2 why=$3
  shift 3
  for object in "$objects/$layer"/*.o; do
    [ -e "$object" ] || { echo "$objects/$layer has no objects" >>"$breaches"; return; }
    case " $* " in *" ${object##*/} "*) continue ;; esac
    nm -u "$object" | awk -v file="src/$layer/$(basename "$object" .o).c" -v pattern="^($pattern)" -v why="$why" \
      '$2 ~ pattern { print file ": calls " $2 ": " why }' >>"$breaches"
  done
}

# keeps LAYER [SYMBOL ...]: variables that the layer's objects could change, but for those named.
# The sanitizers' own do not count.
keeps() {
  layer=$1
  shift
  for object in "$objects/$layer"/*.o; do
    nm -f sysv "$object" | tr -d ' ' |
      awk -F '|' -v file="src/$layer/$(basename "$object" .o).c" -v allowed=" $* " '
        $7 ~ /^(\.t?bss|\.t?data|\.data\.rel\.local|\*COM\*)/ && $7 !~ /^\.data\.rel\.ro/ &&
          $1 !~ /^(__odr_asan|\.LASAN|\.Lubsan|__asan|__tsan)/ && !index(allowed, " " $1 " ") {
          print file ": keeps " $1 " in " $7 ": Lua states in other threads would share it" }' >>"$breaches"
  done
}

# says FOLDER PATTERN WHY [EXCEPT]: lines of its sources that match PATTERN.
says() {
  grep -rnE "$2" "$1" 2>/dev/null | grep -vE "^(${4:-no such file})" |
    sed "s|\$|   <- $3|" >>"$breaches"
}

calls core 'lua_|luaL_|luaopen_' 'the core knows no Lua'
calls core 'curl_' 'the core knows no libcurl'
calls core 'wslay_' 'only ws.c and ws_out.c know wslay' ws.o ws_out.o
calls core '(in|de)flate' 'only ws_deflate.c knows zlib' ws_deflate.o
calls core '(clock_gettime|clock|time|gettimeofday|rand|random|srand|getrandom)(@|$)' \
  'time and chance are arguments of the core'
calls net 'lua_|luaL_|luaopen_' 'the engine knows no Lua'
calls net '(wslay_|inflate|deflate)' 'only src/core/ws*.c knows wslay and zlib'
calls bind 'curl_' 'the binding knows no libcurl'
calls bind '(wslay_|inflate|deflate)' 'only src/core/ws*.c knows wslay and zlib'
calls embed '(curl|wslay)_' 'what opens the library knows luaopen_rill_core alone'

keeps core
# Of the process, as libcurl's initialisation and forks are: set under pthread_once, and by the only
# thread that a forked child has.
keeps net once global_status fork_count
keeps bind
keeps embed

says src/core '#include [<"](lua|lauxlib|curl/|net/|bind/|\.\./)' 'the core includes libc and itself'
says src/net '#include [<"](lua|lauxlib|bind/|\.\./bind)' 'the engine includes the core and libcurl'
says src/bind '#include <curl/' 'only src/net includes libcurl'
says src/embed '#include [<"](curl/|core/|net/|bind/)' 'what opens the library stands beside them'
says src '#include <wslay' 'only src/core/ws.c and ws_out.c include wslay' 'src/core/ws(_out)?\.c'
says src '#include <zlib' 'only src/core/ws_deflate.c includes zlib' 'src/core/ws_deflate\.'

# Whatever a provider requires is rill.errors or another provider's file.
grep -rnoE "require *\(? *[\"'][^\"']*[\"']" lua/rill/providers 2>/dev/null |
  grep -vE "[\"']rill\.(errors|providers\.[a-z_]+)[\"']" |
  sed 's|$|   <- providers require rill.errors and each other alone|' >>"$breaches"
says lua/rill 'coroutine\.yield' 'only rill/loops suspends a coroutine' 'lua/rill/loops/'

if [ -s "$breaches" ]; then
  cat "$breaches"
  exit 1
fi
