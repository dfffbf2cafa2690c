/* SPDX-License-Identifier: MIT
 *
 * The bell by itself, with a pipe in the engine's place.  Prints a line for
 * every check and the sum; built with -fsanitize=thread it also shows that the
 * two threads share nothing unguarded.  Includes libc and net/bell.h.
 */
#include "net/bell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_SECONDS 240
#define ROUNDS 2000
/* Something that must happen; and how long it is watched that it does not. */
#define SOON_MS 30000
#define SILENCE_MS 30

static int passed, failed;
static int threads; /* without the bell's: a sanitizer may have one */
static char folder[64];
static int news[2]; /* the pipe: readable while there are news */

static void check(bool is_good, const char *what) {
  printf("%s  %s\n", is_good ? "ok" : "NOT OK", what);
  *(is_good ? &passed : &failed) += 1;
}

static int count_entries(const char *path) {
  int count = 0;
  DIR *dir = opendir(path);
  while (dir != NULL) {
    struct dirent *entry = readdir(dir);
    if (entry == NULL) {
      closedir(dir);
      break;
    }
    count += entry->d_name[0] != '.';
  }
  return count;
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* 1: it rang; 0: it is silent; -1: it is gone. */
static int hear(int host, int ms) {
  struct pollfd polled = {.fd = host, .events = POLLIN};
  char byte;
  if (poll(&polled, 1, ms) <= 0) {
    return 0;
  }
  return read(host, &byte, 1) == 1 ? 1 : -1;
}

static struct rill_bell *open_bell(void) {
  struct rill_bell *bell = NULL;
  if (rill_bell_open(&bell, news[0], folder) != RILL_OK) {
    perror("rill_bell_open");
    exit(1);
  }
  return bell;
}

static void add_news(void) {
  if (write(news[1], "n", 1) != 1) {
    exit(1);
  }
}

static void take_news(void) {
  char byte;
  if (read(news[0], &byte, 1) != 1) {
    exit(1);
  }
}

/* A thread that was joined may be seen for a moment longer. */
static bool are_threads_gone(void) {
  for (int ms = 0; ms < SOON_MS; ms++) {
    if (count_entries("/proc/self/task") == threads) {
      return true;
    }
    poll(NULL, 0, 1);
  }
  return false;
}

/* ---- */

static void rings(void) {
  struct rill_bell *bell = open_bell();
  struct stat info;
  char private[128];
  snprintf(private, sizeof private, "%s", rill_bell_path(bell));
  *strrchr(private, '/') = '\0';
  check(stat(private, &info) == 0 && (info.st_mode & 0777) == 0700,
        "its folder is this user's alone");
  int host = connect_to(rill_bell_path(bell));
  check(hear(host, SOON_MS) == 1, "it rings when the host is connected");
  check(count_entries(folder) == 0, "and has removed the socket's name");
  check(hear(host, SILENCE_MS) == 0, "it is silent without news");
  add_news();
  check(hear(host, SILENCE_MS) == 0, "and until it is told to go on");
  rill_bell_go_on(bell);
  check(hear(host, SOON_MS) == 1, "then it rings for news");
  check(hear(host, SILENCE_MS) == 0, "once");
  rill_bell_go_on(bell);
  check(hear(host, SOON_MS) == 1, "and again while they are not taken");
  take_news(); /* would wait for ever if the bell had read it */
  rill_bell_go_on(bell);
  check(hear(host, SILENCE_MS) == 0, "and no more once they are");
  rill_bell_close(bell);
  check(hear(host, SOON_MS) == -1, "the host reads the end when it is closed");
  close(host);
}

static void is_left(void) {
  struct rill_bell *bell = open_bell();
  rill_bell_close(bell);
  check(count_entries(folder) == 0, "unused, it leaves nothing behind");
  bell = open_bell();
  int host = connect_to(rill_bell_path(bell));
  close(host);
  rill_bell_close(bell);
  check(count_entries(folder) == 0, "left by its host, it can be closed");
  bell = open_bell();
  host = connect_to(rill_bell_path(bell));
  hear(host, SOON_MS);
  close(host);
  for (int i = 0; i < 200000; i++) {
    rill_bell_go_on(bell); /* nobody reads the pipe any more */
  }
  rill_bell_close(bell);
  check(true, "told to go on by one who has left, it does not hold him up");
}

static void meets_a_stranger(void) {
  struct rill_bell *bell = open_bell();
  pid_t child = fork();
  if (child == 0) {
    int host = connect_to(rill_bell_path(bell));
    _exit(hear(host, SOON_MS) == -1 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  check(status == 0, "another process is turned away");
  int host = connect_to(rill_bell_path(bell));
  check(hear(host, SOON_MS) == 1, "and the host still served");

  child = fork();
  if (child == 0) {
    rill_bell_close(bell);
    _exit(0);
  }
  waitpid(child, &status, 0);
  add_news();
  rill_bell_go_on(bell);
  check(status == 0 && hear(host, SOON_MS) == 1,
        "a fork's child closes its copy and no more");
  take_news();

  child = fork(); /* holds the pipe's end open */
  if (child == 0) {
    pause();
    _exit(0);
  }
  rill_bell_close(bell);
  check(true, "it ends though a fork's child holds its descriptors");
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  close(host);
}

static bool blocks_all_signals(const char *thread) {
  char path[300], line[256];
  unsigned long long blocked = 0;
  snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
  FILE *file = fopen(path, "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    sscanf(line, "SigBlk: %llx", &blocked);
  }
  if (file != NULL) {
    fclose(file);
  }
  for (int sig = 1; sig < 32; sig++) {
    if (sig != SIGKILL && sig != SIGSTOP && !(blocked >> (sig - 1) & 1)) {
      return false;
    }
  }
  return true;
}

static int count_blocking(void) {
  int blocking = 0;
  DIR *dir = opendir("/proc/self/task");
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    blocking += entry->d_name[0] != '.' && blocks_all_signals(entry->d_name);
  }
  closedir(dir);
  return blocking;
}

static void hears_no_signal(void) {
  int before = count_blocking();
  struct rill_bell *bell = open_bell();
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, NULL, &own);
  check(count_blocking() == before + 1 && !sigismember(&own, SIGTERM),
        "its thread blocks every signal, its owner none");
  rill_bell_close(bell);
}

static void cannot_start(void) {
  struct rill_bell *bell;
  char endless[200];
  memset(endless, 'x', sizeof endless);
  endless[0] = '/';
  endless[sizeof endless - 1] = '\0';
  check(rill_bell_open(&bell, news[0], endless) == RILL_INVALID,
        "a folder's name that is too long is refused");
  check(rill_bell_open(&bell, news[0], "/nonexistent") == RILL_NO_MEMORY &&
            errno == ENOENT,
        "one that is not there, too");
  int before = count_entries("/proc/self/fd");
  struct rlimit limit, tight;
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int more = 0; more < 3; more++) {
    tight = limit;
    tight.rlim_cur = (rlim_t)(before + more - 1);
    setrlimit(RLIMIT_NOFILE, &tight);
    enum rill_status status = rill_bell_open(&bell, news[0], folder);
    setrlimit(RLIMIT_NOFILE, &limit);
    check(status == RILL_NO_MEMORY && errno == EMFILE,
          "it says that no descriptor is left");
  }
  check(count_entries(folder) == 0 && count_entries("/proc/self/fd") == before,
        "and leaves nothing behind");
}

static void lives_often(void) {
  int before = count_entries("/proc/self/fd"), heard = 0;
  for (int i = 0; i < ROUNDS; i++) {
    struct rill_bell *bell = open_bell();
    int host = i % 5 != 0 ? connect_to(rill_bell_path(bell)) : -1;
    if (i % 3 == 0) {
      add_news();
    }
    if (i % 5 > 1) {
      heard += hear(host, SOON_MS);
      rill_bell_go_on(bell);
    }
    rill_bell_close(bell);
    if (i % 3 == 0) {
      take_news();
    }
    if (host >= 0) {
      close(host);
    }
  }
  check(heard == ROUNDS * 3 / 5, "closed at any moment, often, it ends");
  check(count_entries("/proc/self/fd") == before && are_threads_gone() &&
            count_entries(folder) == 0,
        "and no descriptor, thread or file is left");
}

int main(void) {
  alarm(RUN_SECONDS);
  for (int fd = 3; fd < 256; fd++) {
    close(fd); /* inherited; limits count numbers, so there must be no gaps */
  }
  snprintf(folder, sizeof folder, "/tmp/rill-torture-XXXXXX");
  if (mkdtemp(folder) == NULL || pipe(news) != 0) {
    perror("bell");
    return 2;
  }
  rill_bell_close(open_bell()); /* a sanitizer's thread begins with the first */
  poll(NULL, 0, SILENCE_MS);
  threads = count_entries("/proc/self/task");
  rings();
  is_left();
  meets_a_stranger();
  hears_no_signal();
  cannot_start();
  lives_often();
  rmdir(folder);
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
