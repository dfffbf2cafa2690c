#!/bin/bash
# Runs what it is told (checks, core, torture ..., or specs by a name such as 5.4, jit, 5.4-poll,
# 5.4-san: the list is in run_one), goes on after a failure, and closes with one line that sums it
# all up.  What is joined by + (checks+torture+instructions) runs two at a time; that is for what
# only computes, since specs measure times.
# A virtual machine can be stopped for seconds: what fails meanwhile is run once more (run_fairly).
# RILL_STRICT=1: a spec that was skipped fails the run, unless spec/support/may_skip.txt allows it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
results=build/results
mkdir -p "$results"

passed=0 failed=0 skipped=0
seed=${RILL_SEED:-$(( $(date +%s) % 1000000 ))}
export RILL_SEED=$seed

count() { # name passed failed skipped
  passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
  printf '%-22s %5d passed, %d failed%s\n' "$1" "$2" "$3" "$([ "$4" = 0 ] || echo ", $4 skipped")"
}

# A check is one command that succeeds or fails; it speaks only when it fails.
check() { # name command...
  local name=$1
  shift
  if "$@" >"$results/check.log" 2>&1; then
    count "$name" 1 0 0
  else
    cat "$results/check.log"
    count "$name" 0 1 0
  fi
}

run_checks() {
  local name
  for name in layers lint packages rockspec fuzz-seeds; do
    check "$name" $make -j2 --no-print-directory -s "$name"
  done
}

# A command whose last such line is 'N passed, N failed', after building what it needs.
run_counted() { # name target-to-build command...
  local name=$1 target=$2
  shift 2
  local log=$results/$name.log status=0 line good bad
  if ! $make -j2 --no-print-directory -s "$target"; then
    count "$name (build)" 0 1 0
    return
  fi
  timeout 1200 "$@" >"$log" 2>&1 || status=$?
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  good=${line%% *} bad=${line#*, }
  good=${good:-0} bad=${bad%% *} bad=${bad:-0}
  # A crash, or a run of nothing, is a failure too.
  if [ "$bad" = 0 ] && { [ $status != 0 ] || [ "$good" = 0 ]; }; then bad=1; fi
  [ "$bad" = 0 ] || cat "$log"
  count "$name" "$good" "$bad" 0
}

# What must be built, for the runs named.
targets_of() { # run...
  local run
  for run in "$@"; do
    case $run in
      checks) echo checks-build ;;
      core*) echo core-test-build ;;
      instructions) echo bench-programs ;;
      torture-tsan | torture-bell-tsan) echo "$run-build" ;;
      torture*) echo torture-build ;;
      *) echo all ;;
    esac
  done
}

# Two of them at a time; what they say stands in their order, each in one piece.  All is built
# before, so that no two makes build the same thing at once.
run_side_by_side() { # run...
  local run targets pids=() good bad pending i=0
  mapfile -t targets < <(targets_of "$@" | sort -u)
  if ! $make -j2 --no-print-directory -s "${targets[@]}"; then
    count "$* (build)" 0 1 0
    return
  fi
  for run in "$@"; do
    [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
    rm -f "$results/$run.sums"
    (
      passed=0 failed=0 skipped=0
      run_fairly "$run"
      echo "$passed $failed $skipped" >"$results/$run.sums"
    ) >"$results/$run.said" 2>&1 &
    pids+=($!)
  done
  for run in "$@"; do
    wait "${pids[i]}"
    i=$((i + 1))
    cat "$results/$run.said"
    good='' bad=1 pending=0
    [ ! -s "$results/$run.sums" ] || read -r good bad pending <"$results/$run.sums"
    [ -n "$good" ] || { good=0; echo "$run did not come to its end"; }
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + pending))
  done
}

run_core() { # name command-in-front...
  local name=$1
  shift
  local variant
  variant=${LUA:-5.4}$([ "${POLLER:-epoll}" = poll ] && echo -poll)${SANITIZE:+-san}
  run_counted "$name" core-test-build "$@" build/"$variant"/core-test
}

run_specs() { # 5.4, jit, 5.4-poll, 5.4-san
  local variant=$1 lua=${1%%-*} poller=epoll sanitize='' preload='' name
  case $variant in *-poll*) poller=poll ;; esac
  case $variant in *-san) sanitize=1 ;; esac
  name=lua$lua
  [ "$lua" = jit ] && name=luajit

  if ! $make -j2 --no-print-directory -s all LUA="$lua" POLLER=$poller SANITIZE=$sanitize; then
    count "specs $variant (build)" 0 1 0
    return
  fi
  if [ -n "$sanitize" ]; then
    gcc -shared -fPIC -o "$PWD/$results/unpreload.so" spec/support/unpreload.c || return
    preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
    preload="$preload $PWD/$results/unpreload.so"
  fi
  local files
  if ! files=$(lua5.4 scripts/list_specs.lua "$variant"); then
    count "specs $variant (list)" 0 1 0
    return
  fi
  local report=$results/specs-$variant status=0 started=$SECONDS
  rm -f "$report"
  # The environment says to specs that start programs of their own what runs here.
  timeout "${RILL_SPEC_TIMEOUT:-1500}" \
    env -u LUA_INIT -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_PATH_5_3 -u LUA_CPATH_5_3 \
    LUA_PATH='lua/?.lua;lua/?/init.lua;./?.lua;;' LUA_CPATH="build/$variant/?.so;;" \
    RILL_LUA="$lua" RILL_LUA_BIN="$name" RILL_VARIANT="$variant" RILL_RESULTS="$report" \
    ${preload:+LD_PRELOAD="$preload" RILL_PRELOAD="$preload"} \
    ASAN_OPTIONS="detect_leaks=1:${ASAN_OPTIONS:-}" UBSAN_OPTIONS=print_stacktrace=1 \
    "$name" "${BUSTED:-/usr/bin/busted}" --shuffle --seed="$seed" \
    ${RILL_FILTER:+--filter="$RILL_FILTER"} -- $files </dev/null || status=$?
  if [ ! -s "$report" ]; then
    echo "the specs of $variant did not come to their end (exit code $status)"
    count "specs $variant" 0 1 0
    return
  fi
  local good bad pending
  read -r good bad pending <"$report"
  [ $status = 0 ] || [ "$bad" != 0 ] || { echo "the interpreter ended with $status"; bad=1; }
  [ $((good + bad)) != 0 ] || { echo "no spec was run"; bad=1; }
  if [ -n "${RILL_STRICT:-}" ]; then
    local title
    while read -r title; do
      if ! grep -qxF -e "$variant $title" -e "${variant%%-*} $title" -e "* $title" \
        spec/support/may_skip.txt; then
        echo "not run, and nothing allows that: $variant $title"
        bad=$((bad + 1))
      fi
    done < <(tail -n +2 "$report")
  fi
  count "specs $variant ($((SECONDS - started)) s)" "$good" "$bad" "$pending"
}

run_one() { # run
  case $1 in
    checks) run_checks ;;
    core) run_core core ;;
    core-valgrind) run_core core-valgrind valgrind -q --error-exitcode=1 --leak-check=full ;;
    instructions) run_counted instructions bench-programs $make -s bench-instructions ;;
    torture-*of*) # torture-1of2, torture-valgrind-1of2
      local part=${1##*-}
      run_counted "$1" torture-build $make -s "${1%-*}" TORTURE_PART="${part/of//}" ;;
    torture | torture-valgrind | torture-threads | torture-tsan | torture-bell | torture-bell-tsan)
      run_counted "$1" torture-build $make -s "$1" ;;
    *) run_specs "$1" ;;
  esac
}

# A failure while the machine was away is printed, and the run is made once more, which counts.
# While it is there, a failure stands.
run_fairly() { # run
  local before=("$passed" "$failed" "$skipped") known
  known=$(wc -l <"$away")
  run_one "$1"
  [ "$failed" != "${before[1]}" ] || return
  sleep 6 # what has just been is noted by then
  if [ "$(wc -l <"$away")" != "$known" ]; then
    echo "$1 is run once more, since the machine was away meanwhile:"
    tail -n +$((known + 1)) "$away" | sed 's/^/  /'
    passed=${before[0]} failed=${before[1]} skipped=${before[2]}
    run_one "$1"
  fi
}

away=$results/away
: >"$away"
lua5.4 scripts/watch_machine.lua "$away" &
watching=$!
trap 'kill $watching' EXIT

echo "seed $seed (RILL_SEED=$seed repeats the order and the random cuts)"
for runs in "$@"; do
  case $runs in
    *+*) run_side_by_side ${runs//+/ } ;;
    *) run_fairly "$runs" ;;
  esac
done

[ -z "${RILL_TOTALS:-}" ] || echo "$passed $failed $skipped" >>"$RILL_TOTALS"
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ] && [ $passed != 0 ]
