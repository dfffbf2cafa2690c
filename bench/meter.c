/* SPDX-License-Identifier: MIT
 *
 * meter SECONDS COMMAND...: runs a command, whose output goes where meter's
 * goes, and prints one line of JSON after it: when it was started
 * (CLOCK_MONOTONIC nanoseconds), wall time, CPU time and peak memory of the
 * whole process as the kernel accounts them, and its exit status.  After so
 * many seconds the command is killed; its status is then 124.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child;
static volatile sig_atomic_t is_late;

static void on_alarm(int signal_number) {
  (void)signal_number;
  is_late = 1;
  kill((pid_t)child, SIGKILL);
}

static uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t us_of(struct timeval tv) {
  return (uint64_t)tv.tv_sec * 1000000u + (uint64_t)tv.tv_usec;
}

/* A thousand streams need more descriptors than a shell usually grants. */
static void raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int main(int argc, char **argv) {
  unsigned seconds = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
  if (seconds == 0) {
    fprintf(stderr, "usage: meter SECONDS COMMAND...\n");
    return 2;
  }
  raise_file_limit();
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);

  uint64_t started = now_ns();
  pid_t pid = fork();
  if (pid < 0) {
    perror("meter: fork");
    return 1;
  }
  if (pid == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  child = pid;
  alarm(seconds);

  int status;
  struct rusage usage;
  if (wait4(pid, &status, 0, &usage) != pid) {
    perror("meter: wait4");
    return 1;
  }
  alarm(0);
  uint64_t wall = now_ns() - started;
  int code = is_late               ? 124
             : WIFEXITED(status)   ? WEXITSTATUS(status)
             : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                   : 1;
  printf("{\"started_ns\":%" PRIu64 ",\"wall_us\":%" PRIu64
         ",\"user_us\":%" PRIu64 ",\"system_us\":%" PRIu64
         ",\"peak_kib\":%ld,\"status\":%d}\n",
         started, wall / 1000, us_of(usage.ru_utime), us_of(usage.ru_stime),
         usage.ru_maxrss, code);
  return 0;
}
