/* SPDX-License-Identifier: Apache-2.0 */
/* A list of chunks, the newest on top; a take bumps an offset in the top chunk. Chunks double from 4 KiB to 1 MiB;
 * a request larger than a quarter of the next chunk gets a chunk of its own below the top one, so that the top
 * chunk's room is not wasted. calloc gives zero pages lazily, so a large block costs only what is touched. */
#include "base/arena.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* AddressSanitizer sees blocks, not chunks: what lies between two of them, or was not handed out, may not be touched. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WATCHED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WATCHED
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
static const size_t gap = 16;
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
static const size_t gap = 0;
#endif

struct osp_chunk {
    struct osp_chunk *below;
    size_t at, size; /* bytes of data[] used, and in all */
    alignas(16) uint8_t data[];
};

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20 };

static _Thread_local long fail_after = -1;

void osp_arena_fail_after(long n) { fail_after = n; }

static bool may_take(void)
{
    if (fail_after < 0)
        return true;
    if (fail_after == 0)
        return false;
    fail_after--;
    return true;
}

void osp_arena_init(osp_arena *a, size_t limit) { *a = (osp_arena){.limit = limit}; }

void osp_arena_drop(osp_arena *a)
{
    for (struct osp_chunk *c = a->top, *below; c; c = below) {
        below = c->below;
        free(c);
    }
    a->top = NULL;
    a->used = 0;
}

static struct osp_chunk *add_chunk(osp_arena *a, size_t size)
{
    if (size > a->limit - a->used)
        return NULL;
    struct osp_chunk *c = calloc(1, sizeof *c + size);
    if (!c)
        return NULL;
    osp_large_pages(c, sizeof *c + size);
    c->size = size;
    a->used += size;
    ASAN_POISON_MEMORY_REGION(c->data, size);
    return c;
}

/* The block `want` bytes long behind `pad` bytes of padding; there is room for it. */
static void *block_in(struct osp_chunk *c, size_t pad, size_t want)
{
    uint8_t *block = c->data + c->at + pad;
    c->at += pad + want;
    const size_t left = c->size - c->at;
    c->at += left < gap ? left : gap;
    ASAN_UNPOISON_MEMORY_REGION(block, want);
    return block;
}

void *osp_arena_take(osp_arena *a, size_t count, size_t size, size_t align)
{
    size_t want, room;
    if (!may_take() || __builtin_mul_overflow(count, size, &want) || __builtin_add_overflow(want, align, &room) ||
        room > a->limit)
        return NULL;
    struct osp_chunk *top = a->top;
    if (top) {
        uintptr_t base = (uintptr_t)top->data + top->at;
        size_t pad = (size_t)(-base & (align - 1));
        if (pad <= top->size - top->at && want <= top->size - top->at - pad)
            return block_in(top, pad, want);
    }
    size_t next = top ? top->size * 2 : FIRST_CHUNK;
    if (next > LARGEST_CHUNK || next < FIRST_CHUNK)
        next = LARGEST_CHUNK;
    if (next > a->limit - a->used && room <= a->limit - a->used)
        next = room;
    bool own = top && room > next / 4;
    struct osp_chunk *c = add_chunk(a, own || room > next ? room : next);
    if (!c)
        return NULL;
    if (own) {
        c->below = top->below;
        top->below = c;
    } else {
        c->below = top;
        a->top = c;
    }
    return block_in(c, (size_t)(-(uintptr_t)c->data & (align - 1)), want);
}

osp_str osp_arena_str(osp_arena *a, osp_str s)
{
    char *copy = osp_new(a, char, s.n + 1);
    if (!copy)
        return (osp_str){NULL, 0};
    if (s.n)
        memcpy(copy, s.p, s.n);
    return (osp_str){copy, s.n};
}

osp_str osp_arena_fmt(osp_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *out = n >= 0 ? osp_new(a, char, (size_t)n + 1) : NULL;
    if (out)
        vsnprintf(out, (size_t)n + 1, fmt, again);
    va_end(again);
    return out ? (osp_str){out, (size_t)n} : (osp_str){NULL, 0};
}
