#!/bin/sh
# Installs what TARGET (demo, test or bench) needs and is missing; quiet when nothing is.
# The packages stand in packages.txt.  RILL_SETUP=skip leaves the machine as it is.
set -eu

target=${1:?usage: setup.sh demo|test|bench}
list=$(dirname "$0")/packages.txt
[ "${RILL_SETUP:-}" != skip ] || exit 0

# The wanted ones, a line each, alternatives joined by |.
case $target in
  demo) targets=demo ;;
  test) targets='demo|test' ;;
  bench) targets='demo|test|bench' ;;
  *) echo "setup.sh: no target '$target'" >&2; exit 1 ;;
esac
wanted=$(awk -v targets="^($targets)\$" '$1 ~ targets { print $2 }' "$list")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is not Debian or Ubuntu, where rill would install what it needs with:"
  echo "  apt-get install" $(echo "$wanted" | sed 's/|.*//')
  echo "Install the same by your system's ways, then call make with RILL_SETUP=skip."
  exit 1
fi

# shellcheck disable=SC2086  # package names have no blanks
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $(echo "$wanted" | tr '|' ' ') \
  2>/dev/null | sed -n 's/^installed //p') || true
# An alternative with a slash is no package but a file, whichever package it came from.
for name in $(echo "$wanted" | tr '|' ' '); do
  case $name in /*) [ ! -e "$name" ] || installed="$installed
$name" ;; esac
done
missing=$(printf '%s\n--\n%s\n' "$installed" "$wanted" | awk '
  /^--$/ { wanted = 1; next }
  !wanted { have[$1] = 1; next }
  { n = split($1, names, "|"); for (i = 1; i <= n; i++) if (names[i] in have) next; print }')

# What cannot be installed beside the rest; last, so that apt-get's lists are there.
finish() {
  if [ "$target" != demo ]; then
    "$(dirname "$0")/unpack.sh"
    "$(dirname "$0")/npm.sh"
  fi
  exit
}
[ -n "$missing" ] || finish

is_known() {
  [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]
}

# Of alternatives, the first that the package lists know.
choose() {
  for line in $missing; do
    chosen=
    for name in $(echo "$line" | tr '|' ' '); do
      if is_known "$name"; then chosen=$name; break; fi
    done
    if [ -z "$chosen" ]; then return 1; fi
    printf '%s ' "$chosen"
  done
}

if [ "$(id -u)" = 0 ]; then
  as_root=env
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "rill needs packages that are missing. As root, run this, then try again:"
  echo "  apt-get update && apt-get install --no-install-recommends" $(echo "$missing" | sed 's/|.*//')
  exit 1
fi

if ! names=$(choose); then
  echo "The package lists are old or empty: apt-get update"
  $as_root apt-get -qq update
  if ! names=$(choose); then
    echo "setup.sh: apt-get knows none of these:" >&2
    for line in $missing; do
      echo "$line" | tr '|' '\n' | while read -r name; do is_known "$name" && exit 1; done && echo "  $line" >&2
    done
    exit 1
  fi
fi

echo "Installing for 'make $target': $names"
had_nginx=$(dpkg-query -W -f '${db:Status-Status}' nginx-common 2>/dev/null || true)
install() {
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 \
    install --no-install-recommends $names >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! install; then
  # Lists that are out of date name files which are gone.
  $as_root apt-get -qq update
  if ! install; then
    cat "$log" >&2
    echo "setup.sh: apt-get install failed" >&2
    exit 1
  fi
fi

# Debian starts a web server that it installs, now and at every boot.  The specs
# start one of their own; where nginx is new, nobody asked for a service.
if [ "$had_nginx" != installed ] && command -v nginx >/dev/null; then
  if [ -d /run/systemd/system ]; then
    $as_root systemctl --quiet disable --now nginx.service || true
  elif [ -e /run/nginx.pid ]; then
    $as_root service nginx stop >/dev/null || true
  fi
fi
finish
