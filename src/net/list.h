/* SPDX-License-Identifier: MIT
 *
 * A doubly linked ring whose links live inside the objects it joins.  Includes
 * libc.
 */
#ifndef RILL_NET_LIST_H
#define RILL_NET_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct rill_link {
  struct rill_link *prev;
  struct rill_link *next;
};

/* The object of the given type whose member is the link. */
#define RILL_OWNER(link, type, member)                                         \
  ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* An empty ring, or a link that is in none. */
static inline void rill_link_init(struct rill_link *link) {
  link->prev = link;
  link->next = link;
}

static inline bool rill_link_is_alone(const struct rill_link *link) {
  return link->next == link;
}

/* Puts link, which is in no ring, at the end of the ring. */
static inline void rill_link_append(struct rill_link *ring,
                                    struct rill_link *link) {
  link->prev = ring->prev;
  link->next = ring;
  ring->prev->next = link;
  ring->prev = link;
}

/* Takes the link out of its ring; harmless if it is in none. */
static inline void rill_link_remove(struct rill_link *link) {
  link->prev->next = link->next;
  link->next->prev = link->prev;
  rill_link_init(link);
}

#endif
