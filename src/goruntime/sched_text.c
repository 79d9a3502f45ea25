/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of GODEBUG=schedtrace=N and scheddetail=1, as each release prints them (runtime.schedtrace in proc.go):
 *
 *     before 1.20   an absent M, P or G is -1, and gcwaiting and sysmonwait are 0 or 1
 *     since 1.20    it is nil, they are true or false, and needspinning is printed
 *     since 1.25    the queues of the Ps stand between blanks, and their schedticks follow */
#include "goruntime/goruntime_internal.h"

#include <inttypes.h>

static void add_bool(osp_buf *out, uint32_t version, const char *name, bool v)
{
    osp_buf_fmt(out, " %s=%s", name, version < 12000 ? (v ? "1" : "0") : v ? "true" : "false");
}

static void add_number(osp_buf *out, uint32_t version, const char *name, int64_t v)
{
    if (v < 0 && version >= 12000)
        osp_buf_fmt(out, " %s=nil", name);
    else
        osp_buf_fmt(out, " %s=%" PRId64, name, v);
}

static void add_queues(const osp_go_sched *s, osp_buf *out)
{
    const bool spaced = s->version >= 12500;
    for (uint32_t i = 0; i < s->np; i++)
        osp_buf_fmt(out, " %s%" PRIu32 "%s",
                    i        ? ""
                    : spaced ? "[ "
                             : "[",
                    s->p[i].runq,
                    i + 1 < s->np ? ""
                    : spaced      ? " ]"
                                  : "]");
    if (spaced) {
        osp_buf_add(out, S(" schedticks=[ "));
        for (uint32_t i = 0; i < s->np; i++)
            osp_buf_fmt(out, "%" PRIu32 " ", s->p[i].schedtick);
        osp_buf_add(out, S("]"));
    }
    osp_buf_add(out, S("\n"));
}

static void add_p(const osp_go_sched *s, const osp_sched_p *p, osp_buf *out)
{
    osp_buf_fmt(out, "  P%d: status=%" PRIu32 " schedtick=%" PRIu32 " syscalltick=%" PRIu32, p->id, p->status,
                p->schedtick, p->syscalltick);
    add_number(out, s->version, "m", p->m);
    osp_buf_fmt(out, " runqsize=%" PRIu32 " gfreecnt=%d timerslen=%" PRIu64 "\n", p->runq, p->free_gs, p->timers);
}

static void add_m(const osp_go_sched *s, const osp_sched_m *m, osp_buf *out)
{
    osp_buf_fmt(out, "  M%" PRId64 ":", m->id);
    add_number(out, s->version, "p", m->p);
    add_number(out, s->version, "curg", m->curg);
    osp_buf_fmt(out, " mallocing=%d throwing=%d preemptoff=%s locks=%d dying=%d spinning=%s blocked=%s", m->mallocing,
                m->throwing, m->preemptoff, m->locks, m->dying, m->spinning ? "true" : "false",
                m->blocked ? "true" : "false");
    add_number(out, s->version, "lockedg", m->lockedg);
    osp_buf_add(out, S("\n"));
}

static void add_g(const osp_go *go, const osp_go_sched *s, const osp_sched_g *g, osp_buf *out)
{
    osp_str reason = osp_go_waitreason_text(go, g->waitreason);
    osp_buf_fmt(out, "  G%" PRIu64 ": status=%" PRIu32 "(%.*s)", g->goid, g->status, STRF(reason));
    add_number(out, s->version, "m", g->m);
    add_number(out, s->version, "lockedm", g->lockedm);
    osp_buf_add(out, S("\n"));
}

void osp_go_sched_text(const osp_go *go, const osp_go_sched *s, bool detailed, osp_buf *out)
{
    if (s->since_ms >= 0)
        osp_buf_fmt(out, "SCHED %" PRId64 "ms:", s->since_ms);
    else
        osp_buf_add(out, S("SCHED ?ms:"));
    osp_buf_fmt(out, " gomaxprocs=%d idleprocs=%d threads=%d spinningthreads=%d", s->gomaxprocs, s->idle_ps,
                s->threads, s->spinning);
    if (s->version >= 12000)
        osp_buf_fmt(out, " needspinning=%d", s->needspinning);
    osp_buf_fmt(out, " idlethreads=%d runqueue=%d", s->idle_threads, s->runq);
    if (!detailed) {
        add_queues(s, out);
        return;
    }
    add_bool(out, s->version, "gcwaiting", s->gcwaiting);
    osp_buf_fmt(out, " nmidlelocked=%d stopwait=%d", s->idle_locked, s->stopwait);
    add_bool(out, s->version, "sysmonwait", s->sysmonwait);
    osp_buf_add(out, S("\n"));
    for (uint32_t i = 0; i < s->np; i++)
        add_p(s, &s->p[i], out);
    for (uint32_t i = 0; i < s->nm; i++)
        add_m(s, &s->m[i], out);
    for (uint32_t i = 0; i < s->ng; i++)
        add_g(go, s, &s->g[i], out);
}
