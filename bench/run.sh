#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Starts the server of the bench, and nginx with TLS in front of it where there is one, runs the
# scenarios of run.lua with the arguments given, and stops both again.  `make bench` builds what it
# needs and calls it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build/5.4/bench} RILL_BUILD=${RILL_BUILD:-build/5.4}
export BENCH_LUA=${BENCH_LUA:-lua5.4}
export NODE_PATH=$PWD/build/npm/node_modules:${NODE_PATH:-}
case " $* " in *" --help "*) exec "$BENCH_LUA" bench/run.lua --help ;; esac

BENCH_TMP=$(mktemp -d)
nginx_pid=
stop() {
  [ -z "$nginx_pid" ] || kill "$nginx_pid"
  rm -rf "$BENCH_TMP"
}
trap stop EXIT
trap 'exit 1' INT TERM

# The server ends when its standard input does, so with this script.
coproc SERVER { exec "$BUILD/server"; }
read -r _ BENCH_PORT <&"${SERVER[0]}" || exit 1

write_configuration() { # port
  cat >"$BENCH_TMP/nginx.conf" <<CONF
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ssl_certificate certificate.pem;
  ssl_certificate_key key.pem;
  map \$http_upgrade \$to_server { default upgrade; "" ""; }
  server {
    listen 127.0.0.1:$1 ssl;
    location / {
      proxy_pass http://127.0.0.1:$BENCH_PORT;
      proxy_http_version 1.1;
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection \$to_server;
      proxy_buffering off;
      proxy_buffer_size 16k;
      proxy_buffers 8 16k;
    }
  }
}
CONF
}

# On a port that is free; nothing if there is none after some tries.
start_nginx() {
  command -v nginx >/dev/null && command -v openssl >/dev/null || return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$BENCH_TMP/key.pem" -out "$BENCH_TMP/certificate.pem" 2>/dev/null || return
  local port
  for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000))
    write_configuration $port
    nginx -p "$BENCH_TMP" -c nginx.conf -e error.log </dev/null 2>"$BENCH_TMP/nginx.log" &
    nginx_pid=$!
    for _ in $(seq 50); do
      kill -0 "$nginx_pid" 2>/dev/null || break
      if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        BENCH_TLS_PORT=$port
        return
      fi
      sleep 0.1
    done
    kill "$nginx_pid" 2>/dev/null
    nginx_pid=
  done
  tail -n 1 "$BENCH_TMP/nginx.log"
}

BENCH_TLS_PORT=
start_nginx
export BENCH_TMP BENCH_PORT BENCH_TLS_PORT BENCH_CERTIFICATE=$BENCH_TMP/certificate.pem
"$BENCH_LUA" bench/run.lua "$@"
