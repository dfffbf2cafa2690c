/* SPDX-License-Identifier: MIT
 *
 * The data of a socket, and the changes to it that need no decision.  The other
 * files of a socket work on it, each above the one it needs: socket_clocks,
 * socket_traffic, socket_open, socket.  Includes libc, curl.h, core and net.
 */
#ifndef RILL_NET_SOCKET_STATE_H
#define RILL_NET_SOCKET_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "core/handshake.h"
#include "core/queue.h"
#include "core/ws.h"
#include "engine.h"
#include "failure.h"
#include "fed.h"
#include "profile.h"

/* Bytes that are read at once: below 64 KiB, where glibc's free begins to tidy
 * the whole heap. */
enum { RILL_SOCKET_INPUT = 61440 };
/* No TLS record with anything in it is shorter (RFC 8446, 5.2): a header of 5
 * bytes, the type of the content, a tag of 16. */
enum { RILL_SOCKET_RECORD_MIN = 22 };

enum rill_socket_state {
  RILL_SOCKET_NEW,        /* waits for rill_socket_start */
  RILL_SOCKET_WAITING,    /* waits for the next attempt's time */
  RILL_SOCKET_CONNECTING, /* waits for libcurl to connect */
  RILL_SOCKET_UPGRADING,  /* waits for the answer to the handshake */
  RILL_SOCKET_OPEN,
  RILL_SOCKET_CLOSING,   /* waits until both close frames are through, or ours
                          * alone if the peer broke the protocol */
  RILL_SOCKET_LINGERING, /* waits for the peer to close the connection */
  RILL_SOCKET_ENDED,
};

enum rill_socket_ending {
  RILL_SOCKET_NO_ENDING, /* it has not ended */
  RILL_SOCKET_CLOSED,    /* the peer sent a close frame */
  RILL_SOCKET_FAILED,    /* never open, or given up by us: see failure */
  RILL_SOCKET_CUT,       /* lost without a close frame: see failure */
  RILL_SOCKET_DROPPED,   /* by rill_socket_drop, or with its engine */
};

/* What an item of RILL_ITEM_EVENT in a socket's queue is: its number. */
enum rill_socket_item {
  RILL_SOCKET_TEXT,
  RILL_SOCKET_BINARY,
  RILL_SOCKET_IS_OPEN, /* first: the protocol that was agreed on */
};

/* All times in microseconds, RILL_NEVER for none. */
struct rill_socket_options {
  char *protocols; /* "a, b"; null: none */
  bool deflate;
  int64_t ping_interval, ping_timeout, close_timeout;
  size_t send_limit;
  bool wait_first; /* the first attempt waits as if one had failed */
  unsigned
      retries; /* of connections before, which count as if they were ours */
};

struct rill_socket_stats {
  uint64_t bytes_in, bytes_out, pings, pongs, pauses;
  int64_t round_trip; /* of the last ping that was answered; -1: none was */
  /* moments of rill_clock_now; 0: has not happened */
  int64_t created, connected, opened, last_byte, ended;
};

struct rill_socket {
  struct rill_driven driven;
  struct rill_feeder feeder;
  struct rill_profile *profile; /* shared */
  struct rill_socket_options options;
  char *url; /* as libcurl gets it: http or https */
  enum rill_socket_state state;
  enum rill_socket_ending ending;
  struct rill_failure failure;
  struct rill_trail trail;
  struct rill_socket_stats stats;
  struct rill_ws ws;
  struct rill_queue queue;
  struct rill_transfer *attached; /* gets the text messages; or null */
  bool was_open;

  /* The close frame that came first, from either side. */
  bool has_closing, closing_is_peers;
  unsigned close_code;
  char close_reason[RILL_WS_REASON_MAX];
  size_t close_reason_len;

  /* private */
  CURL *easy; /* while there is a connection, or one is being made */
  int fd;     /* -1 before it is connected */
  int watched;
  struct rill_handshake handshake; /* also of the last attempt: for reports */
  struct rill_bytes request;       /* bytes of the handshake not yet sent */
  size_t request_from;
  char key[RILL_HANDSHAKE_KEY];
  char *host, *target;     /* of the URL */
  char *input;             /* of RILL_SOCKET_INPUT bytes: what was read */
  struct rill_span output; /* of ws, offered to libcurl and not yet taken: TLS
                            * must be offered the same again */
  enum rill_socket_ending outcome; /* of the end that is coming */
  unsigned retries;
  int64_t attempt_started, retry_at, wake_at, resume_at, closing_since,
      linger_until;
  int64_t ping_at; /* the peer was asked then and not heard since; 0: not so */
  int64_t trip_from; /* when the ping that may be answered was sent; 0: none */
  int64_t acknowledged; /* bytes, when last looked at by the heartbeat */
  unsigned ping_count;
  char ping[RILL_WS_CONTROL_MAX];
  size_t ping_len;
  bool has_input;  /* ws has bytes that it was not asked for */
  bool is_wrapped; /* by TLS or a tunnel: libcurl moves the bytes, and may
                    * hold some that poll cannot see */
  unsigned vain;   /* attempts to read in a row that got nothing */
  char unread[RILL_SOCKET_RECORD_MIN]; /* what the last of them left lying */
  bool has_unread;
  bool is_blocked;    /* writing */
  bool is_mute;       /* writing failed; reading may say more */
  CURLcode mute_code; /* why */
  bool is_choked;     /* closing, messages that nobody takes are passed over */
  bool is_deaf;       /* what arrives is of no interest any more */
  bool is_paused;     /* too much is queued */
  bool said_full;     /* to a caller that waits for room */
  char curl_message[CURL_ERROR_SIZE];
};

/* Nothing sent, nothing received; allocates nothing. */
void rill_socket_init(struct rill_socket *socket);

/* It has news. */
void rill_socket_mark_ready(struct rill_socket *socket);

/* Fills in the failure, whose earlier kind wins. */
void rill_socket_note(struct rill_socket *socket, const char *kind,
                      const char *phase, bool retryable, const char *format,
                      ...) __attribute__((format(printf, 5, 6)));

/* The failure that libcurl reports. */
void rill_socket_note_transport(struct rill_socket *socket, CURLcode code);

/* Remembers a close frame, unless there was one. */
void rill_socket_note_closing(struct rill_socket *socket, unsigned code,
                              struct rill_span reason, bool is_peers);

/* The descriptor is watched for `what` from now on.  False without memory. */
bool rill_socket_watch(struct rill_socket *socket, int what);

/* Gives up the connection, or the attempt to have one. */
void rill_socket_let_go(struct rill_socket *socket);

/* It is over; it leaves its engine. */
void rill_socket_finish(struct rill_socket *socket,
                        enum rill_socket_ending ending);

/* Its text messages go elsewhere no more. */
void rill_socket_detach(struct rill_socket *socket);

#endif
