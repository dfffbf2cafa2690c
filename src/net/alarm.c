/* SPDX-License-Identifier: MIT
 *
 * See alarm.h.  Includes libc and net.
 */
#include "alarm.h"

#include <stdlib.h>

static void leave(struct rill_driven *driven) {
  driven->engine->running_count--;
  rill_engine_let_go(driven);
}

static void on_done(struct rill_driven *driven, CURLcode code) {
  (void)driven; /* libcurl knows nothing of it */
  (void)code;
}

static void on_timer(struct rill_driven *driven, int64_t now) {
  (void)now;
  rill_engine_mark_ready(driven);
  leave(driven);
}

static void on_breakdown(struct rill_driven *driven) {
  (void)driven;
}

static void on_orphan(struct rill_driven *driven, bool drop) {
  if (drop) {
    rill_engine_forget_ready(driven);
  } else {
    rill_engine_mark_ready(driven); /* who waits for it waits in vain */
  }
  leave(driven);
}

static const struct rill_driven_calls calls = {on_done, on_timer, on_breakdown,
                                               on_orphan, NULL};

struct rill_alarm *rill_alarm_new(void) {
  struct rill_alarm *alarm = calloc(1, sizeof *alarm);
  if (alarm != NULL) {
    rill_driven_init(&alarm->driven, &calls);
  }
  return alarm;
}

enum rill_status rill_alarm_set(struct rill_alarm *alarm,
                                struct rill_engine *engine, int64_t at) {
  rill_alarm_unset(alarm);
  enum rill_status status = rill_engine_take_in(engine, &alarm->driven);
  if (status == RILL_OK) {
    rill_engine_set_timer(&alarm->driven, at);
  }
  return status;
}

void rill_alarm_unset(struct rill_alarm *alarm) {
  rill_engine_forget_ready(&alarm->driven);
  if (alarm->driven.engine != NULL) {
    leave(&alarm->driven);
  }
}

void rill_alarm_free(struct rill_alarm *alarm) {
  if (alarm != NULL) {
    rill_alarm_unset(alarm);
    free(alarm);
  }
}
