#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Instructions in user space that rill needs for one delta, counted by callgrind: exact, whatever
# else the machine does, so that continuous integration can hold them.  The slope between 1000 and
# 11000 deltas leaves the start of the process out.  Fails above the limits: those of the stream of
# chat completions, the same over WebSocket, and for each wire format 1.5 times what chat completions cost when made alike.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build/bench}
lua=${BENCH_LUA:-lua5.4}
rill=${RILL_BUILD:-build/5.4}

limits=(length 2000 chunked 2800 ws 2350)

# With --all it also tells of what has no limit, or is the same in chunks.
formats=(openai:openai responses:responses anthropic:anthropic gemini:gemini ollama:ollama)
streams=()
for format in "${formats[@]}"; do
  streams+=("length:$format:texts")
done
if [ "${1:-}" = --all ]; then
  streams+=(length:{openai-usage:openai,responses-rotating:responses}:texts)
  streams+=(length:{openai:openai:text,openai-reasoning:openai:reasoning})
  for format in "${formats[@]}"; do
    streams+=("chunked:$format:texts")
  done
fi

${MAKE:-make} --no-print-directory -s BENCH_BUILD="$BUILD" all "$BUILD/server" \
  "$BUILD/clock.so" || exit 1
folder=$(mktemp -d)
log=$folder/log
trap 'rm -rf "$folder"' EXIT
coproc SERVER { exec "$BUILD/server"; }
read -r _ port <&"${SERVER[0]}" || exit 1

count() { # kind deltas: prints the instructions of the whole process
  local client=client.lua url=http://127.0.0.1:$port/$1
  [ "$1" != ws ] || client=ws_client.lua url=ws://127.0.0.1:$port/length
  LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH="$rill/?.so;;" \
    timeout 60 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$lua" "bench/$client" \
    "$url/$2/v1/chat/completions" >"$log" 2>&1
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

# The smallest count of five readings; every reading is one count, and what goes before it one.
smallest_of() { # number of the first
  local i
  for ((i = $1; i < $1 + 5; i++)); do
    sed -n 's/^totals: //p' "$folder/counts.$((2 * i + 2))"
  done | sort -n | head -n 1
}

each_of() { # number of the stream: prints the instructions a delta
  local first=$((11 * $1)) # LENGTHS of instructions.lua
  echo $((($(smallest_of $((first + 6))) - $(smallest_of $((first + 1)))) / 7500))
}

compare() { # number of the stream, what it is divided by
  local kind format provider wanted each
  IFS=: read -r kind format provider wanted <<<"${streams[$1]}"
  each=$(each_of "$1")
  # Events are another way to read, and only told of.
  if [ "$wanted" != texts ]; then
    echo "$format, events, $kind: $each instructions a delta"
    return
  fi
  local line="$format, $kind: $each instructions a delta, $((each * 100 / $2)) % of openai"
  if [ "$each" -gt 0 ] && [ $((each * 100)) -le $(($2 * 150)) ]; then
    echo "$line: passed" && passed=$((passed + 1))
  else
    echo "$line: failed" && failed=$((failed + 1))
  fi
}

if LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH="$rill/?.so;;" BENCH_CLOCK=$BUILD/clock.so \
  timeout 120 valgrind --tool=callgrind --dump-before=bench_mark \
  --callgrind-out-file="$folder/counts" "$lua" bench/instructions.lua \
  "http://127.0.0.1:$port" "${streams[@]}" >"$log" 2>&1; then
  for ((i = 0; i < ${#streams[@]}; i++)); do
    case ${streams[i]} in *:openai:openai:texts) base=$(each_of "$i") ;; esac
    compare "$i" "$base"
  done
else
  cat "$log"
  echo "formats: could not be counted: failed"
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
