/* SPDX-License-Identifier: MIT
 *
 * See server.h.  One thread polls all connections.  Answers are written while
 * nothing else is served: a client that does not read holds up all others, and
 * none of the tests has such a client for long.  Includes libc and pthread.
 */
#include "server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frames.h"

#define CONNECTIONS_MAX 128
#define REQUEST_MAX 4096
/* Of what is polled, the place of the first connection. */
#define FIRST 3

struct connection {
  struct wire wire;
  bool is_socket; /* a WebSocket by now */
  size_t len;
  char request[REQUEST_MAX];
};

static struct connection connections[CONNECTIONS_MAX];
static int connection_count; /* of the server's thread */
static atomic_int open_count;
static atomic_uint changes; /* odd while a connection comes or goes */
static atomic_int busy_left;
static int plain_listener = -1, tls_listener = -1; /* poll passes over -1 */
static int tls_port = -1;
static SSL_CTX *secrets;
static int stop_pipe[2] = {-1, -1};
static pthread_t thread;

static const char head_chunked[] = "HTTP/1.1 200 OK\r\n"
                                   "Content-Type: text/event-stream\r\n"
                                   "Transfer-Encoding: chunked\r\n"
                                   "X-Request-Id: req_torture\r\n\r\n";
static const char role[] =
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{"
    "\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
static const char finish[] =
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{"
    "\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: [DONE]\n\n";
static const char *const words[] = {"Hello", ", ", "w\\u00f6rld",
                                    " \\ud83c\\udf0a", "."};
static int text_event(char *into, size_t size, const char *word) {
  return snprintf(into, size,
                  "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\","
                  "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}"
                  "\n\n",
                  word);
}

/* ---- bytes out ---- */

static bool put_chunk(struct wire *wire, const char *text) {
  char chunk[1024];
  int len = snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen(text), text);
  return wire_put(wire, chunk, (size_t)len);
}

static bool put_word(struct wire *wire, const char *word) {
  char event[512];
  text_event(event, sizeof event, word);
  return put_chunk(wire, event);
}

static bool put_half(struct wire *wire) {
  return wire_put_text(wire, head_chunked) && put_chunk(wire, role) &&
         put_word(wire, words[0]) && put_word(wire, words[1]);
}

static bool put_end(struct wire *wire) {
  return put_chunk(wire, finish) && wire_put_text(wire, "0\r\n\r\n");
}

static bool put_chat(struct wire *wire) {
  return put_half(wire) && put_word(wire, words[2]) &&
         put_word(wire, words[3]) && put_word(wire, words[4]) && put_end(wire);
}

static bool put_long(struct wire *wire) {
  bool fine = wire_put_text(wire, head_chunked) && put_chunk(wire, role);
  for (int i = 0; i < FRAMES_OF_LONG && fine; i++) {
    fine = put_word(wire, FRAMES_FILLING);
  }
  return fine && put_end(wire);
}

/* The pieces of an answer in a format of other vendors. */
struct format {
  const char *first, *text, *thought, *last; /* two with the piece to fill in */
};

static const struct format gemini = {
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}}]}\r\n"
    "\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}]}}],"
    "\"usageMetadata\":{\"totalTokenCount\":3}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\","
    "\"thought\":true}]}}],\"usageMetadata\":{\"totalTokenCount\":3}}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},"
    "\"finishReason\":\"STOP\"}]}\r\n\r\n"};

static const struct format ollama = {
    "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n",
    "{\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"done\":false}"
    "\n",
    "{\"message\":{\"content\":\"\",\"thinking\":\"%s\"},\"done\":false}\n",
    "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}"
    "\n"};

/* In two chunks: the event or line has to be put together. */
static bool put_halves(struct wire *wire, const char *format,
                       const char *piece) {
  char text[512];
  char half[256];
  size_t len = (size_t)snprintf(text, sizeof text, format, piece);
  snprintf(half, sizeof half, "%.*s", (int)(len / 2), text);
  return put_chunk(wire, half) && put_chunk(wire, text + len / 2);
}

static bool put_format(struct wire *wire, const struct format *format) {
  bool fine = wire_put_text(wire, head_chunked) &&
              put_chunk(wire, format->first) &&
              put_halves(wire, format->thought, "Let me ") &&
              put_halves(wire, format->thought, "think\\n");
  for (size_t i = 0; i < sizeof words / sizeof words[0] && fine; i++) {
    fine = put_halves(wire, format->text, words[i]);
  }
  return fine && put_chunk(wire, format->last) &&
         wire_put_text(wire, "0\r\n\r\n");
}

static bool put_whole(struct wire *wire, const char *status, const char *type,
                      const char *body) {
  char head[256];
  snprintf(head, sizeof head,
           "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
           status, type, strlen(body));
  return wire_put_text(wire, head) && wire_put_text(wire, body);
}

static bool put_with_length(struct wire *wire) {
  char body[4096];
  size_t len = (size_t)snprintf(body, sizeof body, "%s", role);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    len += (size_t)text_event(body + len, sizeof body - len, words[i]);
  }
  snprintf(body + len, sizeof body - len, "%s", finish);
  return put_whole(wire, "200 OK", "text/event-stream", body);
}

static bool put_busy(struct wire *wire) {
  if (atomic_load(&busy_left) <= 0) {
    return put_chat(wire);
  }
  atomic_fetch_sub(&busy_left, 1);
  return put_whole(wire, "503 Service Unavailable", "application/json",
                   "{\"error\":{\"message\":\"too busy\"}}");
}

/* ---- requests ---- */

/* False: the connection is to be closed. */
static bool answer(struct connection *connection) {
  struct wire *wire = &connection->wire;
  const char *path = strchr(connection->request, ' ');
  char name[16] = "";
  if (path == NULL || sscanf(path, " /v1/%15[a-z]", name) != 1) {
    return false;
  }
  if (strcmp(name, "chat") == 0) {
    return put_chat(wire);
  } else if (strcmp(name, "length") == 0) {
    return put_with_length(wire);
  } else if (strcmp(name, "long") == 0) {
    return put_long(wire);
  } else if (strcmp(name, "stall") == 0) {
    return put_half(wire);
  } else if (strcmp(name, "cut") == 0) {
    put_half(wire);
    return false;
  } else if (strcmp(name, "busy") == 0) {
    return put_busy(wire);
  } else if (strcmp(name, "moved") == 0) {
    return wire_put_text(wire,
                         "HTTP/1.1 307 Temporary Redirect\r\n"
                         "Location: /v1/chat\r\nContent-Length: 0\r\n\r\n");
  } else if (strcmp(name, "refused") == 0) {
    return put_whole(wire, "400 Bad Request", "application/json",
                     "{\"error\":{\"message\":\"no such model\","
                     "\"code\":\"model_not_found\"}}");
  } else if (strcmp(name, "gemini") == 0) {
    return put_format(wire, &gemini);
  } else if (strcmp(name, "ollama") == 0) {
    return put_format(wire, &ollama);
  } else if (strcmp(name, "socket") == 0) {
    if (atomic_load(&busy_left) > 0) {
      return put_busy(wire);
    }
    connection->is_socket = frames_accept(wire, connection->request);
    return connection->is_socket;
  } else if (strcmp(name, "json") == 0) {
    return put_whole(wire, "200 OK", "application/json", "{\"answer\":42}");
  }
  return false;
}

/* The length of the request that is complete, or 0. */
static size_t complete_request(const struct connection *connection) {
  const char *end = strstr(connection->request, "\r\n\r\n");
  if (end == NULL) {
    return 0;
  }
  size_t len = (size_t)(end + 4 - connection->request);
  const char *field = strstr(connection->request, "\r\nContent-Length: ");
  if (field != NULL && field < end) {
    len += strtoul(field + 18, NULL, 10);
  }
  return len <= connection->len ? len : 0;
}

/* Forgets the bytes that were used up. */
static void forget(struct connection *connection, size_t len) {
  connection->len -= len;
  memmove(connection->request, connection->request + len, connection->len + 1);
}

static struct wire *other_socket(const struct connection *connection) {
  for (int i = 0; i < connection_count; i++) {
    if (&connections[i] != connection && connections[i].is_socket) {
      return &connections[i].wire;
    }
  }
  return NULL;
}

static bool serve_frames(struct connection *connection) {
  long used =
      frames_answer(&connection->wire, other_socket(connection),
                    (unsigned char *)connection->request, connection->len);
  if (used < 0) {
    return false;
  }
  forget(connection, (size_t)used);
  return connection->len < REQUEST_MAX - 1;
}

/* Takes what has come.  False: the connection is to be closed. */
static bool take(struct connection *connection, long got) {
  connection->len += (size_t)got;
  connection->request[connection->len] = '\0';
  if (connection->is_socket) {
    return serve_frames(connection);
  }
  size_t len = complete_request(connection);
  if (len == 0) {
    return connection->len < REQUEST_MAX - 1;
  }
  if (!answer(connection)) {
    return false;
  }
  forget(connection, len);
  return !connection->is_socket || serve_frames(connection);
}

/* Until nothing is left: what TLS has read already no poll would tell of. */
static bool serve(struct connection *connection) {
  long got;
  do {
    got = wire_get(&connection->wire, connection->request + connection->len,
                   REQUEST_MAX - 1 - connection->len);
  } while (got > 0 && take(connection, got));
  return got == 0;
}

static void accept_one(int listener, SSL_CTX *its_secrets) {
  struct connection *connection = &connections[connection_count];
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  int on = 1;
  if (fd < 0) {
    return;
  }
  if (connection_count == CONNECTIONS_MAX) {
    close(fd);
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!wire_open(&connection->wire, fd, its_secrets)) {
    return;
  }
  connection->len = 0;
  connection->is_socket = false;
  connection_count++;
  atomic_store(&open_count, connection_count);
}

static void take_connection(int listener, SSL_CTX *its_secrets) {
  atomic_fetch_add(&changes, 1);
  accept_one(listener, its_secrets);
  atomic_fetch_add(&changes, 1);
}

static void drop_connection(int at) {
  atomic_fetch_add(&changes, 1);
  wire_close(&connections[at].wire);
  connections[at] = connections[--connection_count];
  atomic_store(&open_count, connection_count);
  atomic_fetch_add(&changes, 1);
}

static void *run(void *unused) {
  struct pollfd polled[CONNECTIONS_MAX + FIRST];
  (void)unused;
  for (;;) {
    polled[0] = (struct pollfd){.fd = stop_pipe[0], .events = POLLIN};
    polled[1] = (struct pollfd){.fd = plain_listener, .events = POLLIN};
    polled[2] = (struct pollfd){.fd = tls_listener, .events = POLLIN};
    for (int i = 0; i < connection_count; i++) {
      polled[i + FIRST] =
          (struct pollfd){.fd = connections[i].wire.fd, .events = POLLIN};
    }
    int count = connection_count;
    if (poll(polled, (nfds_t)count + FIRST, -1) < 0) {
      continue;
    }
    if (polled[0].revents != 0) {
      break;
    }
    /* From the last one, as dropping one moves the last one to its place. */
    for (int i = count - 1; i >= 0; i--) {
      if (polled[i + FIRST].revents != 0 && !serve(&connections[i])) {
        drop_connection(i);
      }
    }
    if (polled[1].revents != 0) {
      take_connection(plain_listener, NULL);
    }
    if (polled[2].revents != 0) {
      take_connection(tls_listener, secrets);
    }
  }
  while (connection_count > 0) {
    drop_connection(connection_count - 1);
  }
  return NULL;
}

/* ---- life ---- */

static int bound_socket(int *port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    return -1;
  }
  *port = ntohs(address.sin_port);
  return fd;
}

static int listen_at(int *port) {
  int fd = bound_socket(port);
  return fd >= 0 && listen(fd, CONNECTIONS_MAX) == 0 ? fd : -1;
}

int server_start(const char *folder) {
  int port;
  plain_listener = listen_at(&port);
  if (folder != NULL) {
    secrets = wire_secrets(folder);
    tls_listener = listen_at(&tls_port);
  }
  if (plain_listener < 0 || (folder != NULL && secrets == NULL) ||
      pipe(stop_pipe) != 0 || pthread_create(&thread, NULL, run, NULL) != 0) {
    return -1;
  }
  return port;
}

int server_tls_port(void) {
  return tls_port;
}

void server_stop(void) {
  close(stop_pipe[1]);
  pthread_join(thread, NULL);
  close(stop_pipe[0]);
  close(plain_listener);
  if (tls_listener >= 0) {
    close(tls_listener);
  }
  SSL_CTX_free(secrets);
}

void server_be_busy(int count) {
  atomic_store(&busy_left, count);
}

int server_connections(void) {
  return atomic_load(&open_count);
}

unsigned server_changes(void) {
  return atomic_load(&changes);
}

int server_closed_port(void) {
  int port;
  return bound_socket(&port) < 0 ? -1 : port;
}
