/* SPDX-License-Identifier: Apache-2.0 */
/* base/arena.h: memory is named after its lifetime: a profile, an object, a request, the process.
 *
 * Memory from an arena is zeroed, aligned, and goes with the arena: nothing is freed one by one. An arena has a
 * limit, so a hostile file cannot eat the machine: past it, and when the system has no memory, take() returns
 * NULL and never aborts. Not thread-safe; a finished arena may be read by any number of threads. */
#ifndef OSP_BASE_ARENA_H
#define OSP_BASE_ARENA_H

#include "base/str.h"

#include <stdalign.h>

typedef struct {
    struct osp_chunk *top;
    size_t used;  /* bytes handed out or reserved in chunks */
    size_t limit; /* bytes; take() refuses past it */
} osp_arena;

/* An empty arena that may grow to limit bytes. Takes no memory yet. */
void osp_arena_init(osp_arena *a, size_t limit);

/* Give back all memory of the arena; it is empty and usable again. */
void osp_arena_drop(osp_arena *a);

/* count * size zeroed bytes at the given alignment (a power of two), or NULL. A zero-sized request gives a valid
 * pointer that must not be read. */
void *osp_arena_take(osp_arena *a, size_t count, size_t size, size_t align);

#define osp_new(arena, type, count) ((type *)osp_arena_take((arena), (count), sizeof(type), alignof(type)))

/* A copy of s that lives in the arena, followed by a NUL. {NULL, 0} if there is no memory. */
osp_str osp_arena_str(osp_arena *a, osp_str s);

/* printf into the arena. {NULL, 0} if there is no memory. */
osp_str osp_arena_fmt(osp_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For tests: after n more successful takes (in any arena of this thread) every take fails. Negative: never. */
void osp_arena_fail_after(long n);

#endif
