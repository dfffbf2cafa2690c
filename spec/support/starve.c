/* SPDX-License-Identifier: MIT
 *
 * starve SHARE LONGEST COMMAND [ARGUMENT...]: runs a command on a machine whose
 * processors are taken away for SHARE of the time (0.5: half of it), for up to
 * LONGEST seconds at once: all of them at the same moment, as a virtual machine
 * that is not let run, but for one in four times and processors.  Exits as the
 * command does; 125 with a message if it could not be run so.  The command
 * finds the id of this process as STARVED_BY, and in its processor time what
 * was taken.
 *
 * What takes them has a real-time priority (sched(7)), which needs root or
 * `ulimit -r`.  Linux leaves a twentieth of each second to others all the same
 * (sched_rt_runtime_us).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANNOT 125 /* as timeout(1) and nice(1) */
#define SECOND_NS 1000000000
#define SPARED 4 /* one in so many times a processor is left alone */

static double share, longest;
static int64_t began_ns;

static int64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

static double random_below(unsigned *state, double limit) {
  return limit * rand_r(state) / ((double)RAND_MAX + 1);
}

static void sleep_until(int64_t ns) {
  struct timespec ts = {.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
    ;
}

/* All go through the same times; when one is spared is its own. */
static void *take(void *context) {
  const size_t *processor = context;
  unsigned times = 1, luck = 2 + (unsigned)*processor;
  int64_t at = began_ns;

  for (;;) {
    double burst = random_below(&times, longest);
    double rest = random_below(&times, longest * (1 - share) / share);
    int64_t end = at + (int64_t)(burst * SECOND_NS);
    if (rand_r(&luck) % SPARED != 0)
      while (now_ns() < end)
        ;
    at = end + (int64_t)(rest * SECOND_NS);
    sleep_until(at);
  }
  return NULL;
}

static bool start(size_t *processor) {
  struct sched_param priority = {.sched_priority = 1};
  pthread_attr_t attributes;
  pthread_t thread;
  cpu_set_t one;
  int err;

  CPU_ZERO(&one);
  CPU_SET(*processor, &one);
  pthread_attr_init(&attributes);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setschedparam(&attributes, &priority);
  pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
  err = pthread_create(&thread, &attributes, take, processor);
  pthread_attr_destroy(&attributes);
  if (err)
    fprintf(stderr,
            "starve: processor %zu cannot be taken: %s; real-time scheduling "
            "needs root, or ulimit -r\n",
            *processor, strerror(err));
  return err == 0;
}

int main(int argc, char **argv) {
  static size_t processors[CPU_SETSIZE];
  cpu_set_t mine;
  pid_t command;
  char pid[24];
  int status;

  share = argc > 3 ? strtod(argv[1], NULL) : 0;
  longest = argc > 3 ? strtod(argv[2], NULL) : 0;
  if (!(share > 0 && share < 1 && longest > 0)) {
    fprintf(stderr, "usage: starve SHARE LONGEST COMMAND [ARGUMENT...]\n"
                    "SHARE is above 0 and below 1, LONGEST in seconds\n");
    return CANNOT;
  }
  if (sched_getaffinity(0, sizeof mine, &mine) != 0) {
    perror("starve");
    return CANNOT;
  }

  began_ns = now_ns();
  for (size_t i = 0; i < CPU_SETSIZE; i++) {
    processors[i] = i;
    if (CPU_ISSET(i, &mine) && !start(&processors[i]))
      return CANNOT;
  }
  command = fork();
  if (command == -1) {
    perror("starve");
    return CANNOT;
  }
  if (command == 0) {
    snprintf(pid, sizeof pid, "%ld", (long)getppid());
    setenv("STARVED_BY", pid, 1);
    execvp(argv[3], argv + 3);
    fprintf(stderr, "starve: %s: %s\n", argv[3], strerror(errno));
    _exit(CANNOT);
  }
  while (waitpid(command, &status, 0) == -1 && errno == EINTR)
    ;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
