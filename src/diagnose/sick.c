/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors on which nothing is ever done. */
#include "diagnose/diagnose_internal.h"

#include <stdlib.h>

osp_io osp_io_of(osp_str call)
{
    if (osp_str_among(call, "read readv pread64 preadv preadv2 recvfrom recvmsg recvmmsg"))
        return OSP_IO_IN;
    if (osp_str_among(call, "write writev pwrite64 pwritev pwritev2 sendto sendmsg sendmmsg sendfile splice"))
        return OSP_IO_OUT;
    return osp_str_among(call, "accept accept4") ? OSP_IO_ACCEPT : OSP_IO_NONE;
}

static int by_bad(const void *a, const void *b)
{
    const osp_sick_fd *x = a, *y = b;
    return (x->bad_per_s < y->bad_per_s) - (x->bad_per_s > y->bad_per_s);
}

/* All that is known of one descriptor. */
static osp_sick_fd use_of(const osp_facts *f, int fd, osp_bad_use *bad)
{
    const osp_call_facts *c = &f->calls;
    osp_sick_fd s = {0};
    double most = 0;
    for (uint32_t i = 0; i < c->nused; i++) {
        const osp_used_fact *u = &c->used[i];
        if (u->fd != fd)
            continue;
        if (osp_str_eq(u->name, S("close")))
            s.closes_per_s += u->per_s;
        if (osp_io_of(u->name) == OSP_IO_NONE)
            continue;
        double b = bad(u);
        s.bad_per_s += b;
        s.good_per_s += u->per_s - b;
        if (b > most) {
            most = b;
            s.main = u;
        }
    }
    return s;
}

uint32_t osp_sick_fds(const osp_facts *f, osp_bad_use *bad, osp_sick_fd *out, uint32_t most)
{
    /* A healthy reader meets the end of a file, or an empty socket, once for each time that there was something, and closes
     * what has ended. */
    static const double of_all = 0.9, closed = 0.2;
    const osp_call_facts *c = &f->calls;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->nused && n < most; i++) {
        bool first = true;
        for (uint32_t k = 0; k < i && first; k++)
            first = c->used[k].fd != c->used[i].fd;
        if (!first)
            continue;
        osp_sick_fd s = use_of(f, c->used[i].fd, bad);
        if (s.main && s.bad_per_s >= of_all * (s.bad_per_s + s.good_per_s) && s.closes_per_s < closed * s.bad_per_s)
            out[n++] = s;
    }
    if (n)
        qsort(out, n, sizeof *out, by_bad);
    return n;
}

osp_str osp_sick_text(osp_arena *a, const osp_sick_fd *sick, uint32_t n)
{
    const osp_used_fact *u = sick[0].main;
    osp_str what = u->what.n ? osp_arena_fmt(a, " (%.*s)", STRF(u->what)) : S("");
    return n == 1 ? osp_arena_fmt(a, "descriptor %d%.*s", u->fd, STRF(what))
                  : osp_arena_fmt(a, "%u descriptors, %d%.*s among them", n, u->fd, STRF(what));
}

typedef struct {
    const osp_sick_fd *sick;
    uint32_t n;
} sick_list;

static bool on_a_sick_one(const osp_place_fact *p, const void *ctx)
{
    const sick_list *l = ctx;
    for (uint32_t i = 0; p->descriptor && i < l->n; i++)
        if ((int)(p->descriptor - 1) == l->sick[i].main->fd && osp_io_of(p->name) != OSP_IO_NONE)
            return true;
    return false;
}

bool osp_blame_sick(const osp_facts *f, const osp_sick_fd *sick, uint32_t n, osp_blamed *out)
{
    const osp_call_facts *c = &f->calls;
    return osp_blame_places(f, c->place, c->nplace, on_a_sick_one, &(sick_list){sick, n}, out);
}
