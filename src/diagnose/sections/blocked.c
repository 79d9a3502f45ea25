/* SPDX-License-Identifier: Apache-2.0 */
/* What threads are blocked in at the end, alike ones together; and how many slept uninterruptibly meanwhile. */
#include "diagnose/section.h"

#include <stdio.h>
#include <stdlib.h>

static void *begin(osp_watch *w);
static void tick(osp_watch *w, void *state);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_blocked = {
    .name = "blocked", .begin = begin, .tick = tick, .end = end, .transfer = transfer};

/* Looking at a thread takes some 20 microseconds. */
enum { MOST_LOOKED = 256, MOST_ROWS = 64, MOST_AT_END = 2048 };
static const double STEP_S = 0.5;

typedef struct {
    double next_s;
    uint32_t looks, deep;
} looks;

static void *begin(osp_watch *w)
{
    (void)w;
    return calloc(1, sizeof(looks));
}

static void tick(osp_watch *w, void *state)
{
    looks *l = state;
    osp_arena few;
    osp_thread *t;
    uint32_t n;
    osp_err ignored; /* it has ended */
    if (osp_watch_elapsed(w) < l->next_s)
        return;
    osp_arena_init(&few, 16 << 20);
    if (osp_process_threads(w->process, &few, &t, &n, &ignored)) {
        for (uint32_t i = 0; i < n; i++)
            l->deep += t[i].state == 'D';
        l->looks++;
        /* Of a great many threads look more seldom. */
        l->next_s = osp_watch_elapsed(w) + STEP_S * (1 + n / MOST_LOOKED);
    }
    osp_arena_drop(&few);
}

static void add(osp_watch *w, osp_fds *fds, const osp_thread *t, osp_facts *f)
{
    osp_blocked_facts *b = &f->blocked;
    osp_thread_look look;
    char text[160] = "", state[2] = {t->state, 0};
    osp_thread_look_at(w->process, t->tid, &look);
    if (look.call.state == OSP_BLOCKING_CALL)
        osp_blocking_text(&look.call, &w->image.mem, fds, text, sizeof text);
    uint32_t k = 0;
    while (k < b->n && !(osp_str_eq(b->row[k].call, osp_str_from(text)) &&
                         osp_str_eq(b->row[k].wchan, osp_str_from(look.wchan)) &&
                         osp_str_eq(b->row[k].state, osp_str_from(state))))
        k++;
    if (k == MOST_ROWS)
        return;
    if (k == b->n)
        b->row[b->n++] = (osp_blocked_fact){.state = osp_arena_str(f->arena, osp_str_from(state)),
                                            .call = osp_arena_str(f->arena, osp_str_from(text)),
                                            .wchan = osp_arena_str(f->arena, osp_str_from(look.wchan)),
                                            .tid = t->tid};
    b->row[k].n++;
}

static int by_number(const void *a, const void *b)
{
    const osp_blocked_fact *x = a, *y = b;
    return (x->n < y->n) - (x->n > y->n);
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    looks *l = state;
    osp_blocked_facts *b = &f->blocked;
    osp_thread *t;
    osp_err ignored; /* it has ended */
    b->row = osp_new(f->arena, osp_blocked_fact, MOST_ROWS);
    if (b->row && osp_process_threads(w->process, f->arena, &t, &b->nthread, &ignored)) {
        osp_fds *fds = osp_fds_of(w->process);
        for (uint32_t i = 0; i < b->nthread && i < MOST_AT_END; i++)
            add(w, fds, &t[i], f);
        osp_fds_drop(fds);
        qsort(b->row, b->n, sizeof *b->row, by_number);
        b->known = true;
    }
    b->looks = l->looks;
    b->deep = l->looks ? (double)l->deep / l->looks : 0;
    free(l);
}

static void row(osp_archive *x, osp_blocked_fact *r)
{
    osp_arc(x, &r->state);
    osp_arc(x, &r->call);
    osp_arc(x, &r->wchan);
    osp_arc(x, &r->n);
    osp_arc(x, &r->tid);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_blocked_facts *b = &f->blocked;
    osp_arc(x, &b->known);
    osp_arc(x, &b->deep);
    osp_arc(x, &b->looks);
    osp_arc(x, &b->nthread);
    OSP_ARC_ROWS(x, &b->row, &b->n, row);
}
