/* SPDX-License-Identifier: MIT
 *
 * An item is stored as a fixed header followed by its two spans.  Taken items
 * leave a gap at the front, closed for free when the queue runs empty and by
 * one move when the gap outgrows what is left.  Includes libc and queue.h.
 */
#include "queue.h"

/* A gap smaller than this is not worth moving bytes for. */
#define GAP_MIN 65536

struct header {
  enum rill_item_kind kind;
  unsigned number;
  int64_t delay_us;
  size_t first_len;
  size_t second_len;
};

void rill_queue_init(struct rill_queue *queue) {
  rill_bytes_init(&queue->store, SIZE_MAX / 2);
  queue->taken = 0;
}

static void close_gap(struct rill_queue *queue) {
  size_t left = rill_queue_size(queue);
  if (left > 0) {
    memmove(queue->store.data, queue->store.data + queue->taken, left);
  }
  queue->store.len = left;
  queue->taken = 0;
}

enum rill_status rill_queue_push(struct rill_queue *queue,
                                 const struct rill_item *item) {
  struct header header = {item->kind, item->number, item->delay_us,
                          item->first.len, item->second.len};
  if (queue->taken >= GAP_MIN && queue->taken > rill_queue_size(queue)) {
    close_gap(queue);
  }
  size_t size = sizeof header + item->first.len + item->second.len;
  if (size > queue->store.cap - queue->store.len) {
    enum rill_status status = rill_bytes_reserve(&queue->store, size);
    if (status != RILL_OK) {
      return status;
    }
  }
  (void)rill_bytes_append(&queue->store, (const char *)&header, sizeof header);
  (void)rill_bytes_append(&queue->store, item->first.data, item->first.len);
  (void)rill_bytes_append(&queue->store, item->second.data, item->second.len);
  return RILL_OK;
}

bool rill_queue_peek(const struct rill_queue *queue, struct rill_item *item) {
  if (queue->taken == queue->store.len) {
    return false;
  }
  const char *at = queue->store.data + queue->taken;
  struct header header;
  memcpy(&header, at, sizeof header);
  at += sizeof header;
  item->kind = header.kind;
  item->number = header.number;
  item->delay_us = header.delay_us;
  item->first.data = at;
  item->first.len = header.first_len;
  item->second.data = at + header.first_len;
  item->second.len = header.second_len;
  return true;
}

void rill_queue_drop(struct rill_queue *queue, const struct rill_item *item) {
  queue->taken += sizeof(struct header) + item->first.len + item->second.len;
  if (queue->taken == queue->store.len) {
    queue->store.len = 0;
    queue->taken = 0;
  }
}

void rill_queue_free(struct rill_queue *queue) {
  rill_bytes_free(&queue->store);
  queue->taken = 0;
}
