/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads that are started, with the caller; and, by a few looks, what its children are called. */
#include "diagnose/section.h"

#include <time.h>

static void window(osp_watch *w, double seconds, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_births = {
    .name = "births", .ask = OSP_ASK_BIRTHS, .seconds = 0.4, .window = window, .transfer = transfer};

enum { LOOKS = 8, MOST_CHILDREN = 32 };

/* A child that has not become another program yet still has its parent's name. */
static void look(osp_facts *f)
{
    osp_arena few;
    osp_process_row *row;
    uint32_t n;
    osp_err ignored; /* their names are not known */
    osp_arena_init(&few, 64 << 20);
    bool read = osp_processes_read(&few, &row, &n, &ignored);
    for (uint32_t i = 0; read && i < n && f->nchild < MOST_CHILDREN; i++) {
        if (row[i].parent != f->pid || osp_str_eq(row[i].name, f->process.name))
            continue;
        uint32_t k = 0;
        while (k < f->nchild && !osp_str_eq(f->child[k].name, row[i].name))
            k++;
        if (k == f->nchild)
            f->child[f->nchild++] = (osp_child_fact){.name = osp_arena_str(f->arena, row[i].name)};
        f->child[k].seen++;
    }
    osp_arena_drop(&few);
}

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_window_events(w, &(osp_window_of){"sched:sched_process_fork", "sched:sched_process_fork", "", "", ""},
                      seconds, &f->births);
    f->child = osp_new(f->arena, osp_child_fact, MOST_CHILDREN);
    for (int i = 0; f->child && i < LOOKS; i++) {
        look(f);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
}

static void child(osp_archive *x, osp_child_fact *c)
{
    osp_arc(x, &c->name);
    osp_arc(x, &c->seen);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_arc_events(x, &f->births);
    OSP_ARC_ROWS(x, &f->child, &f->nchild, child);
}
