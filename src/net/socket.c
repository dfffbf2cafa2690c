/* SPDX-License-Identifier: MIT
 *
 * The life of a socket, seen by its consumer and by the engine.  Owns the
 * profile's share and all that was received and is to be sent.  Includes net.
 */
#include "socket.h"

#include <stdlib.h>
#include <strings.h>

#include "poller.h"
#include "random.h"
#include "socket_clocks.h"
#include "socket_open.h"
#include "socket_traffic.h"

/* The queue's memory beyond this is given back when it is empty. */
#define QUEUE_KEPT 262144

static struct rill_socket *socket_of(struct rill_driven *driven) {
  return RILL_OWNER(driven, struct rill_socket, driven);
}

/* ---- what the engine tells ---- */

static void on_done(struct rill_driven *driven, CURLcode code) {
  struct rill_socket *socket = socket_of(driven);
  if (socket->state == RILL_SOCKET_CONNECTING) {
    rill_socket_open_connected(socket, code);
  }
}

static void on_beat(struct rill_socket *socket, int64_t now) {
  switch (rill_socket_heartbeat(socket, now)) {
  case RILL_HEARTBEAT_REST:
    break;
  case RILL_HEARTBEAT_PING:
    rill_socket_beat(socket, now);
    break;
  case RILL_HEARTBEAT_FAILED:
    if (rill_socket_is_heard(socket, now)) {
      break;
    }
    rill_socket_note(socket, "timeout", "ping", true,
                     "no answer to a ping for %g s (ping_timeout)",
                     (double)socket->options.ping_timeout / RILL_SECOND_US);
    rill_socket_finish(socket, RILL_SOCKET_FAILED);
    break;
  }
}

/* Before a clock is believed, what has arrived is read: after a pause of the
 * program, or beside many others, it may wait for longer than the clock ran.
 * False: there is no time for that in this step. */
static bool read_first(struct rill_socket *socket, int64_t now) {
  if (!rill_socket_is_due(socket, now)) {
    return true;
  }
  if (socket->state == RILL_SOCKET_UPGRADING) {
    rill_socket_open_shake(socket);
  } else if (socket->state > RILL_SOCKET_UPGRADING &&
             socket->state < RILL_SOCKET_ENDED) {
    rill_socket_read(socket);
  }
  return socket->resume_at == RILL_NEVER;
}

static void on_timer(struct rill_driven *driven, int64_t now) {
  struct rill_socket *socket = socket_of(driven);
  if (socket->wake_at <= now) {
    socket->wake_at = RILL_NEVER;
    rill_socket_mark_ready(socket);
  }
  bool is_read = read_first(socket, now);
  switch (socket->state) {
  case RILL_SOCKET_NEW:
  case RILL_SOCKET_ENDED:
    return;
  case RILL_SOCKET_WAITING:
    if (socket->retry_at <= now) {
      rill_socket_open_begin(socket);
    }
    break;
  case RILL_SOCKET_CONNECTING:
  case RILL_SOCKET_UPGRADING:
    if (is_read) {
      rill_socket_open_late(socket, now);
    }
    break;
  case RILL_SOCKET_OPEN:
    if (is_read) {
      on_beat(socket, now);
    }
    break;
  case RILL_SOCKET_CLOSING:
    if (rill_clock_after(socket->closing_since,
                         socket->options.close_timeout) <= now) {
      rill_socket_give_up_closing(socket);
    }
    break;
  case RILL_SOCKET_LINGERING:
    if (socket->linger_until <= now) {
      rill_socket_finish(socket, socket->outcome);
    }
    break;
  }
  rill_socket_rearm(socket);
}

static void on_breakdown(struct rill_driven *driven) {
  struct rill_socket *socket = socket_of(driven);
  if (socket->easy == NULL) {
    return;
  }
  rill_socket_note(socket, "memory", "request", false,
                   "libcurl ran out of memory or descriptors");
  rill_socket_finish(socket, RILL_SOCKET_FAILED);
}

/* One attempt to tell the peer why the connection ends. */
static void say_goodbye(struct rill_socket *socket) {
  struct rill_span reason = {NULL, 0};
  if (socket->state == RILL_SOCKET_OPEN) {
    socket->outcome = RILL_SOCKET_DROPPED;
    rill_socket_note_closing(socket, 1001, reason, false);
    (void)rill_ws_out_close(&socket->ws.out, 1001, reason, true);
    rill_socket_write(socket);
  }
}

static void on_orphan(struct rill_driven *driven, bool drop) {
  struct rill_socket *socket = socket_of(driven);
  if (drop) {
    say_goodbye(socket);
  } else {
    /* The parent's process owns what they stand for. */
    socket->easy = NULL;
    socket->fd = -1;
  }
  rill_socket_finish(socket, RILL_SOCKET_DROPPED);
  if (drop) {
    rill_engine_forget_ready(driven);
  } /* else who waits for it has still to hear of its end */
}

static void on_socket(struct rill_driven *driven, int what) {
  struct rill_socket *socket = socket_of(driven);
  if (socket->state == RILL_SOCKET_UPGRADING) {
    rill_socket_open_shake(socket);
    return;
  }
  if ((what & RILL_POLL_WRITE) && socket->is_blocked) {
    rill_socket_write(socket);
  }
  if (socket->state != RILL_SOCKET_ENDED &&
      (what & (RILL_POLL_READ | RILL_POLL_ERROR))) {
    rill_socket_read(socket);
  }
}

static const struct rill_driven_calls calls = {on_done, on_timer, on_breakdown,
                                               on_orphan, on_socket};

/* ---- what the attached transfer tells ---- */

static struct rill_socket *fed_by(struct rill_feeder *feeder) {
  return RILL_OWNER(feeder, struct rill_socket, feeder);
}

static void on_room(struct rill_feeder *feeder) {
  rill_socket_resume(fed_by(feeder));
}

static void on_end(struct rill_feeder *feeder) {
  struct rill_socket *socket = fed_by(feeder);
  socket->attached = NULL;
  rill_socket_resume(socket);
}

/* ---- the consumer's side ---- */

enum rill_status rill_socket_new(struct rill_socket **out,
                                 struct rill_profile *profile) {
  struct rill_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL) {
    return RILL_NO_MEMORY;
  }
  rill_socket_init(socket);
  rill_driven_init(&socket->driven, &calls);
  socket->feeder.on_room = on_room;
  socket->feeder.on_end = on_end;
  socket->profile = rill_profile_share(profile);
  *out = socket;
  return RILL_OK;
}

static bool is_ascii(const char *text) {
  while (*text != '\0' && (unsigned char)*text < 0x80) {
    text++;
  }
  return *text == '\0';
}

/* The host as DNS knows it.  libcurl takes every failure to convert one for a
 * want of memory, so that it is asked for the host as it stands, too. */
static CURLUcode get_host(CURLU *url, char **host) {
#ifdef CURLU_PUNYCODE
  CURLUcode code = curl_url_get(url, CURLUPART_HOST, host, CURLU_PUNYCODE);
  char *plain = NULL;
  if (code == CURLUE_OUT_OF_MEMORY &&
      curl_url_get(url, CURLUPART_HOST, &plain, 0) == CURLUE_OK &&
      !is_ascii(plain)) {
    code = CURLUE_MALFORMED_INPUT;
  }
  curl_free(plain);
  return code;
#else
  return curl_url_get(url, CURLUPART_HOST, host, 0);
#endif
}

/* Host and target of the URL, as the handshake names them. */
static enum rill_status take_apart(struct rill_socket *socket, CURLU *url) {
  char *host = NULL;
  char *port = NULL;
  char *path = NULL;
  char *query = NULL;
  enum rill_status status = RILL_NO_MEMORY;
  CURLUcode code = get_host(url, &host);
  (void)curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
  (void)curl_url_get(url, CURLUPART_PATH, &path, 0);
  (void)curl_url_get(url, CURLUPART_QUERY, &query, 0);
  if (code != CURLUE_OK && code != CURLUE_OUT_OF_MEMORY) {
    status = RILL_INVALID;
  } else if (code == CURLUE_OK && path != NULL) {
    status = rill_string_join(&socket->host, host, ":", port);
  }
  if (status == RILL_OK) {
    status = rill_string_join(&socket->target, path, "?", query);
  }
  curl_free(host);
  curl_free(port);
  curl_free(path);
  curl_free(query);
  return status;
}

enum rill_status rill_socket_set_url(struct rill_socket *socket,
                                     const char *url) {
  bool is_tls = strncasecmp(url, "wss://", 6) == 0;
  if (!is_tls && strncasecmp(url, "ws://", 5) != 0) {
    return RILL_INVALID;
  }
  const char *rest = url + (is_tls ? 6 : 5);
  enum rill_status status =
      rill_string_join(&socket->url, is_tls ? "https" : "http", "://", rest);
  if (status != RILL_OK) {
    return status;
  }
  char *user = NULL;
  CURLU *parsed = curl_url();
  if (parsed == NULL) {
    return RILL_NO_MEMORY;
  }
  CURLUcode code =
      curl_url_set(parsed, CURLUPART_URL, socket->url, CURLU_PATH_AS_IS);
  if (code == CURLUE_OUT_OF_MEMORY) {
    status = RILL_NO_MEMORY;
  } else if (code != CURLUE_OK ||
             curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_OK) {
    status = RILL_INVALID;
  } else {
    status = take_apart(socket, parsed);
  }
  curl_free(user);
  curl_url_cleanup(parsed);
  return status;
}

enum rill_status rill_socket_check_url(const char *url) {
  struct rill_socket socket = {0};
  enum rill_status status = rill_socket_set_url(&socket, url);
  free(socket.url);
  free(socket.host);
  free(socket.target);
  return status;
}

enum rill_status rill_socket_start(struct rill_socket *socket,
                                   struct rill_engine *engine) {
  struct rill_ws_out_options options = {.max = socket->options.send_limit,
                                        .random = rill_random_bytes};
  if (rill_ws_init(&socket->ws, socket->profile->limits.event, &options) !=
          RILL_OK ||
      rill_engine_take_in(engine, &socket->driven) != RILL_OK) {
    return RILL_NO_MEMORY;
  }
  socket->stats.created = rill_clock_now();
  rill_socket_open_first(socket);
  rill_engine_kick(engine);
  return RILL_OK;
}

/* Whether it runs, in this process. */
static bool is_ours(struct rill_socket *socket) {
  struct rill_engine *engine = socket->driven.engine;
  if (engine != NULL && !rill_engine_is_ours(engine)) {
    rill_engine_abandon(engine);
  }
  return socket->driven.engine != NULL;
}

void rill_socket_take(struct rill_socket *socket,
                      const struct rill_item *item) {
  rill_queue_drop(&socket->queue, item);
  if (rill_queue_size(&socket->queue) == 0 &&
      socket->queue.store.cap > QUEUE_KEPT) {
    rill_queue_free(&socket->queue);
  }
  if (socket->is_paused && is_ours(socket)) {
    rill_socket_resume(socket);
  }
}

/* Whether what is given to it may still be sent, now or once it is open. */
static bool takes_messages(struct rill_socket *socket) {
  return is_ours(socket) && socket->state <= RILL_SOCKET_OPEN &&
         !socket->is_mute;
}

static void write_now(struct rill_socket *socket) {
  if (socket->state == RILL_SOCKET_OPEN && !socket->is_blocked) {
    rill_socket_write(socket);
  }
}

enum rill_status rill_socket_send(struct rill_socket *socket,
                                  enum rill_ws_kind kind,
                                  struct rill_span data) {
  if (!takes_messages(socket)) {
    return RILL_INVALID;
  }
  enum rill_status status = rill_ws_out_send(&socket->ws.out, kind, data);
  socket->said_full |= status == RILL_LIMIT;
  if (status == RILL_OK) {
    write_now(socket);
  }
  return status;
}

bool rill_socket_ping(struct rill_socket *socket, struct rill_span data) {
  if (!takes_messages(socket) || socket->state != RILL_SOCKET_OPEN ||
      rill_ws_out_ping(&socket->ws.out, data) != RILL_OK) {
    return false;
  }
  socket->ping_len = data.len;
  if (data.len > 0) {
    memcpy(socket->ping, data.data, data.len);
  }
  socket->trip_from = rill_clock_now();
  socket->stats.pings++;
  write_now(socket);
  return true;
}

void rill_socket_close(struct rill_socket *socket, unsigned code,
                       struct rill_span reason) {
  if (!is_ours(socket)) {
    return;
  }
  if (socket->state < RILL_SOCKET_OPEN) {
    rill_socket_finish(socket, RILL_SOCKET_DROPPED);
  } else if (socket->state == RILL_SOCKET_OPEN) {
    rill_socket_begin_close(socket, code, reason);
  }
}

void rill_socket_drop(struct rill_socket *socket) {
  if (is_ours(socket)) {
    say_goodbye(socket);
    rill_socket_finish(socket, RILL_SOCKET_DROPPED);
  }
}

void rill_socket_attach(struct rill_socket *socket,
                        struct rill_transfer *transfer) {
  rill_socket_detach(socket);
  if (!is_ours(socket)) {
    return;
  }
  if (transfer != NULL) {
    rill_fed_set_feeder(transfer, &socket->feeder);
    socket->attached = transfer;
  }
  rill_socket_resume(socket);
}

void rill_socket_wake(struct rill_socket *socket, int64_t at) {
  socket->wake_at = at;
  rill_socket_rearm(socket);
}

void rill_socket_free(struct rill_socket *socket) {
  if (socket == NULL) {
    return;
  }
  rill_socket_drop(socket);
  rill_engine_forget_ready(&socket->driven);
  rill_socket_detach(socket);
  rill_bytes_free(&socket->request);
  rill_ws_free(&socket->ws);
  rill_handshake_free(&socket->handshake);
  rill_queue_free(&socket->queue);
  rill_trail_free(&socket->trail);
  free(socket->url);
  free(socket->host);
  free(socket->target);
  free(socket->options.protocols);
  free(socket->input);
  rill_profile_release(socket->profile);
  free(socket);
}
