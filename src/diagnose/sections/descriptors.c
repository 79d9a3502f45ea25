/* SPDX-License-Identifier: Apache-2.0 */
/* What the process has open, at the begin and at the end: by kind, and the sockets in which bytes wait. */
#include "diagnose/section.h"

#include <stdio.h>
#include <stdlib.h>

static void *begin(osp_watch *w);
static void end(osp_watch *w, void *state, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_descriptors = {.name = "descriptors", .begin = begin, .end = end, .transfer = transfer};

enum { MOST_FDS = 16384, MOST_KINDS = 64, MOST_SOCKETS = 64 };

typedef struct {
    int fd;
    uint64_t unread, unsent;
} waiting;

typedef struct {
    double at_s;
    uint32_t n; /* descriptors; UINT32_MAX: not known */
    osp_fd_kind_fact kind[MOST_KINDS];
    uint32_t nkind;
    waiting socket[MOST_SOCKETS];
    uint32_t nsocket;
} look;

static void count_kind(look *l, osp_str kind, osp_str example, osp_arena *a)
{
    uint32_t k = 0;
    while (k < l->nkind && !osp_str_eq(l->kind[k].kind, kind))
        k++;
    if (k == MOST_KINDS)
        return;
    if (k == l->nkind)
        l->kind[l->nkind++] =
            (osp_fd_kind_fact){.kind = osp_arena_str(a, kind), .example = osp_arena_str(a, example)};
    l->kind[k].now++;
}

static void look_at(look *l, osp_fds *fds, int fd, osp_arena *a)
{
    char text[256], kind[64];
    osp_socket s;
    if (!osp_fd_text(fds, fd, text, sizeof text))
        return;
    if (text[0] == '/') {
        count_kind(l, S("file"), osp_str_from(text), a);
    } else if (osp_fd_socket(fds, fd, &s)) {
        snprintf(kind, sizeof kind, "%s%s%s", s.kind, *s.state ? " " : "", s.state);
        count_kind(l, osp_str_from(kind), osp_str_from(text), a);
        bool listens = strcmp(s.state, "listens") == 0;
        if (!listens && (s.unread || s.unsent) && l->nsocket < MOST_SOCKETS)
            l->socket[l->nsocket++] = (waiting){fd, s.unread, s.unsent};
    } else {
        count_kind(l, osp_str_from(text), osp_str_from(text), a);
    }
}

static look *look_now(osp_watch *w)
{
    look *l = calloc(1, sizeof *l);
    int *fd = calloc(MOST_FDS, sizeof *fd);
    osp_fds *fds = osp_fds_of(w->process);
    if (l)
        *l = (look){.at_s = osp_watch_elapsed(w), .n = UINT32_MAX};
    if (l && fd && fds) {
        l->n = osp_fds_open(fds, fd, MOST_FDS);
        for (uint32_t i = 0; l->n != UINT32_MAX && i < l->n; i++)
            look_at(l, fds, fd[i], w->arena);
    }
    osp_fds_drop(fds);
    free(fd);
    return l;
}

static void *begin(osp_watch *w) { return look_now(w); }

static int by_number(const void *a, const void *b)
{
    const osp_fd_kind_fact *x = a, *y = b;
    return (x->now < y->now) - (x->now > y->now);
}

static void fill_sockets(osp_watch *w, const look *was, const look *is, osp_fd_facts *d)
{
    osp_fds *fds = osp_fds_of(w->process);
    osp_socket s;
    char text[256];
    d->socket = osp_new(w->arena, osp_socket_fact, MOST_SOCKETS);
    for (uint32_t i = 0; d->socket && fds && i < is->nsocket; i++) {
        osp_socket_fact *x = &d->socket[d->nsocket++];
        *x =
            (osp_socket_fact){.fd = is->socket[i].fd, .unread = is->socket[i].unread, .unsent = is->socket[i].unsent};
        for (uint32_t k = 0; k < was->nsocket; k++)
            if (was->socket[k].fd == x->fd)
                x->unread_before = was->socket[k].unread;
        if (osp_fd_text(fds, x->fd, text, sizeof text))
            x->what = osp_arena_str(w->arena, osp_str_from(text));
        if (osp_fd_socket(fds, x->fd, &s))
            x->state = osp_str_from(s.state);
    }
    osp_fds_drop(fds);
}

static void end(osp_watch *w, void *state, osp_facts *f)
{
    look *was = state, *is = look_now(w);
    osp_fd_facts *d = &f->fds;
    d->kind = osp_new(f->arena, osp_fd_kind_fact, MOST_KINDS);
    if (is && d->kind && was->n != UINT32_MAX && is->n != UINT32_MAX) {
        d->known = true;
        d->seconds = is->at_s - was->at_s;
        d->before = was->n;
        d->now = is->n;
        for (uint32_t i = 0; i < is->nkind; i++) {
            d->kind[i] = is->kind[i];
            for (uint32_t k = 0; k < was->nkind; k++)
                if (osp_str_eq(was->kind[k].kind, is->kind[i].kind))
                    d->kind[i].before = was->kind[k].now;
        }
        d->nkind = is->nkind;
        qsort(d->kind, d->nkind, sizeof *d->kind, by_number);
        fill_sockets(w, was, is, d);
    }
    free(was);
    free(is);
}

static void kind(osp_archive *x, osp_fd_kind_fact *k)
{
    osp_arc(x, &k->kind);
    osp_arc(x, &k->example);
    osp_arc(x, &k->before);
    osp_arc(x, &k->now);
}

static void socket(osp_archive *x, osp_socket_fact *s)
{
    osp_arc(x, &s->fd);
    osp_arc(x, &s->what);
    osp_arc(x, &s->state);
    osp_arc(x, &s->unread_before);
    osp_arc(x, &s->unread);
    osp_arc(x, &s->unsent);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_fd_facts *d = &f->fds;
    osp_arc(x, &d->known);
    osp_arc(x, &d->seconds);
    osp_arc(x, &d->before);
    osp_arc(x, &d->now);
    OSP_ARC_ROWS(x, &d->kind, &d->nkind, kind);
    OSP_ARC_ROWS(x, &d->socket, &d->nsocket, socket);
}
