/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of a short window: by name, by descriptor and, of those that come often, where they come from. */
#include "diagnose/section.h"

#include <stdlib.h>
#include <sys/epoll.h>

static void window(osp_watch *w, double seconds, osp_facts *f);
static void transfer(osp_archive *x, osp_facts *f);

const osp_section osp_section_calls = {
    .name = "calls", .ask = OSP_ASK_CALLS, .seconds = 0.5, .window = window, .transfer = transfer};

enum { MOST_USED = 256, MOST_SETS = 8, MOST_MEMBERS = 512, MOST_READY = 16 };

static const double BUSY_SET = 1000; /* a second: an epoll set of which we ask what is ready there */

static osp_str called_name(osp_arena *a, osp_str call, osp_str op)
{
    return op.n ? osp_arena_fmt(a, "%.*s %.*s", STRF(call), STRF(op)) : osp_arena_str(a, call);
}

static int by_rate(const void *a, const void *b)
{
    const osp_called_fact *x = a, *y = b;
    return (x->per_s < y->per_s) - (x->per_s > y->per_s);
}

static int by_use(const void *a, const void *b)
{
    const osp_used *x = a, *y = b;
    return (x->calls < y->calls) - (x->calls > y->calls);
}

static void fill_rows(const osp_recording *rec, double s, osp_facts *f)
{
    osp_call_facts *c = &f->calls;
    for (uint32_t i = 0; i < rec->ncalled; i++) {
        const osp_called *r = &rec->called[i];
        char number[OSP_SYSCALL_NUMBER];
        osp_str name = osp_str_from(osp_syscall_text(r->nr, number));
        c->row[c->n++] =
            (osp_called_fact){.name = called_name(f->arena, name, osp_str_from(osp_futex_op_text(r->op))),
                              .nr = r->nr,
                              .per_s = (double)r->calls / s,
                              .errors_per_s = (double)r->errors / s,
                              .nothing_per_s = (double)r->nothing / s,
                              .bytes_per_s = (double)r->bytes / s,
                              .time_per_s = (double)r->ns / 1e9 / s,
                              .p50_ns = osp_called_quantile(r, 0.5),
                              .p99_ns = osp_called_quantile(r, 0.99),
                              .max_ns = r->max_ns};
        c->per_s += (double)r->calls / s;
    }
    qsort(c->row, c->n, sizeof *c->row, by_rate);
}

/* ---- by descriptor -------------------------------------------------------------------------------------------------- */

static osp_str fd_what(osp_fds *fds, int fd, osp_arena *a)
{
    char text[256];
    return fds && osp_fd_text(fds, fd, text, sizeof text) ? osp_arena_str(a, osp_str_from(text)) : S("");
}

static void fill_used(const osp_recording *rec, osp_fds *fds, double s, osp_facts *f)
{
    osp_call_facts *c = &f->calls;
    c->used = osp_new(f->arena, osp_used_fact, MOST_USED);
    if (!c->used || !rec->nused)
        return;
    qsort(rec->used, rec->nused, sizeof *rec->used, by_use);
    for (uint32_t i = 0; i < rec->nused && c->nused < MOST_USED; i++) {
        const osp_used *u = &rec->used[i];
        char number[OSP_SYSCALL_NUMBER], error[OSP_ERRNO_NUMBER];
        osp_socket socket;
        osp_used_fact *x = &c->used[c->nused++];
        *x = (osp_used_fact){
            .name = osp_arena_str(f->arena, osp_str_from(osp_syscall_text(u->nr, number))),
            .error = u->error ? osp_arena_str(f->arena, osp_str_from(osp_failure_text(u->error, error))) : S(""),
            .fd = u->fd,
            .what = fd_what(fds, u->fd, f->arena),
            .per_s = (double)u->calls / s,
            .nothing_per_s = (double)u->nothing / s,
            .bytes_per_s = (double)u->bytes / s,
            .time_per_s = (double)u->ns / 1e9 / s};
        if (fds && osp_fd_socket(fds, u->fd, &socket)) {
            x->kind = osp_str_from(socket.kind);
            x->state = osp_arena_str(f->arena, osp_str_from(socket.state));
            x->peer = osp_arena_str(f->arena, socket.peer);
            x->unread = socket.unread;
        }
    }
}

/* What is ready in an epoll set, and was asked for. */
static void fill_set(osp_fds *fds, int set, osp_facts *f)
{
    osp_call_facts *c = &f->calls;
    osp_epoll_member *member = osp_new(f->arena, osp_epoll_member, MOST_MEMBERS);
    uint32_t n = member ? osp_fd_epoll(fds, set, member, MOST_MEMBERS) : 0, ready;
    for (uint32_t i = 0; i < n && c->nready < MOST_READY; i++)
        if (osp_fd_ready(fds, member[i].fd, &ready) && (ready & (member[i].events | EPOLLERR | EPOLLHUP)))
            c->ready[c->nready++] = (osp_ready_fact){.epoll_fd = set,
                                                     .fd = member[i].fd,
                                                     .events = member[i].events,
                                                     .ready = ready,
                                                     .what = fd_what(fds, member[i].fd, f->arena)};
}

static void fill_ready(osp_fds *fds, osp_facts *f)
{
    osp_call_facts *c = &f->calls;
    int set[MOST_SETS];
    uint32_t n = 0;
    c->ready = osp_new(f->arena, osp_ready_fact, MOST_READY);
    for (uint32_t i = 0; c->ready && fds && i < c->nused && n < MOST_SETS; i++) {
        const osp_used_fact *u = &c->used[i];
        uint32_t k = 0;
        while (k < n && set[k] != u->fd)
            k++;
        if (k < n || !osp_str_starts(u->name, S("epoll_")) || osp_str_eq(u->name, S("epoll_ctl")) ||
            u->per_s - u->nothing_per_s < BUSY_SET)
            continue;
        set[n++] = u->fd;
        fill_set(fds, u->fd, f);
    }
}

/* ---- the window ------------------------------------------------------------------------------------------------------ */

static void window(osp_watch *w, double seconds, osp_facts *f)
{
    osp_recording *rec;
    osp_profile *p;
    osp_call_facts *c = &f->calls;
    if (!osp_window_record(w, "syscalls", seconds, &rec, &p))
        return;
    double s = (double)rec->stats.duration_ns / 1e9;
    c->row = osp_new(f->arena, osp_called_fact, rec->ncalled + 1);
    if (!c->row || s <= 0)
        return;
    fill_rows(rec, s, f);
    c->known = osp_window_places(w, rec, p, "syscalls", "syscall-time", &c->place, &c->nplace);
    for (uint32_t i = 0; i < c->nplace; i++) {
        osp_labelset_id set = p->samples.labels[i];
        uint64_t fd;
        c->place[i].name =
            called_name(f->arena, osp_label_text(p, set, S("syscall")), osp_label_text(p, set, S("op")));
        c->place[i].label = osp_label_text(p, set, S("errno"));
        if (osp_str_u64(osp_label_text(p, set, S("fd")), 10, &fd) && fd < INT32_MAX)
            c->place[i].descriptor = (uint32_t)fd + 1;
    }
    c->seconds = s;
    osp_fds *fds = osp_fds_of(w->process);
    fill_used(rec, fds, s, f);
    fill_ready(fds, f);
    osp_fds_drop(fds);
}

static void called(osp_archive *x, osp_called_fact *r)
{
    osp_arc(x, &r->name);
    osp_arc(x, &r->nr);
    osp_arc(x, &r->per_s);
    osp_arc(x, &r->errors_per_s);
    osp_arc(x, &r->nothing_per_s);
    osp_arc(x, &r->bytes_per_s);
    osp_arc(x, &r->time_per_s);
    osp_arc(x, &r->p50_ns);
    osp_arc(x, &r->p99_ns);
    osp_arc(x, &r->max_ns);
}

static void used(osp_archive *x, osp_used_fact *u)
{
    osp_arc(x, &u->name);
    osp_arc(x, &u->error);
    osp_arc(x, &u->fd);
    osp_arc(x, &u->what);
    osp_arc(x, &u->kind);
    osp_arc(x, &u->state);
    osp_arc(x, &u->peer);
    osp_arc(x, &u->unread);
    osp_arc(x, &u->per_s);
    osp_arc(x, &u->nothing_per_s);
    osp_arc(x, &u->bytes_per_s);
    osp_arc(x, &u->time_per_s);
}

static void ready(osp_archive *x, osp_ready_fact *r)
{
    osp_arc(x, &r->epoll_fd);
    osp_arc(x, &r->fd);
    osp_arc(x, &r->events);
    osp_arc(x, &r->ready);
    osp_arc(x, &r->what);
}

static void transfer(osp_archive *x, osp_facts *f)
{
    osp_call_facts *c = &f->calls;
    osp_arc(x, &c->known);
    osp_arc(x, &c->seconds);
    osp_arc(x, &c->per_s);
    OSP_ARC_ROWS(x, &c->row, &c->n, called);
    OSP_ARC_ROWS(x, &c->place, &c->nplace, osp_arc_place);
    OSP_ARC_ROWS(x, &c->used, &c->nused, used);
    OSP_ARC_ROWS(x, &c->ready, &c->nready, ready);
}
