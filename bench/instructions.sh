#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Instructions in user space that rill needs for one delta, counted by callgrind: exact, whatever
# else the machine does, so that continuous integration can hold them.  The slope between 1000 and
# 11000 deltas leaves the start of the process out.  Fails above the limits.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build/bench}
lua=${BENCH_LUA:-lua5.4}
rill=${RILL_BUILD:-build/5.4}

limits=(length 2000 chunked 2800)

${MAKE:-make} --no-print-directory -s BENCH_BUILD="$BUILD" all "$BUILD/server" || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
coproc SERVER { exec "$BUILD/server"; }
read -r _ port <&"${SERVER[0]}" || exit 1

count() { # kind deltas: prints the instructions of the whole process
  LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH="$rill/?.so;;" \
    timeout 60 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$lua" bench/client.lua \
    "http://127.0.0.1:$port/$1/$2/v1/chat/completions" >"$log" 2>&1
  grep -q "\"deltas\":$2," "$log" || return 1
  sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p' "$log"
}

passed=0 failed=0
for ((i = 0; i < ${#limits[@]}; i += 2)); do
  kind=${limits[i]} limit=${limits[i + 1]}
  if few=$(count "$kind" 1000) && many=$(count "$kind" 11000) && [ -n "$few$many" ]; then
    each=$(((many - few) / 10000))
    if [ $each -gt 0 ] && [ $each -le "$limit" ]; then
      verdict=passed passed=$((passed + 1))
    else
      verdict=failed failed=$((failed + 1))
    fi
    echo "$kind: $each instructions a delta, at most $limit: $verdict"
  else
    cat "$log"
    echo "$kind: could not be counted: failed"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
