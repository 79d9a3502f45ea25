/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler over time. Queues and idle Ps come and go within microseconds, so one look says little: many looks at random
 * moments say which share of the time something was so. Counters (schedtick, syscalltick) are exact over the interval. */
#include "inspect/inspect.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    GAP_NS = 10000000, /* between looks, on average */
    BUDGET = 100,      /* one part in so many of a core is ours */
    LOOK_LIMIT = 64 << 20,
};

struct osp_sched_watch {
    osp_go *go;
    uint64_t seed;
};

osp_sched_watch *osp_sched_watch_new(osp_go *go, osp_err *err)
{
    osp_sched_watch *w = calloc(1, sizeof *w);
    if (!w)
        osp_fail_memory(err, "watching the scheduler");
    else
        *w = (osp_sched_watch){.go = go, .seed = osp_monotonic_ns()};
    return w;
}

void osp_sched_watch_drop(osp_sched_watch *w) { free(w); }

void osp_sched_span_drop(osp_sched_span *s)
{
    free(s->p);
    *s = (osp_sched_span){0};
}

/* Where a P is at a look. Since Go 1.26 a P whose goroutine is in a system call stays running. */
static osp_sched_state state_of(const osp_sched_p *p)
{
    switch (p->status) {
    case 0:
        return OSP_P_IDLE;
    case 1:
        return p->in_syscall ? OSP_P_SYSCALL : OSP_P_RUNNING;
    case 2:
        return OSP_P_SYSCALL;
    case 3:
        return OSP_P_STOPPED;
    default:
        return OSP_P_DEAD;
    }
}

static bool room_for_ps(osp_sched_span *s, uint32_t n)
{
    if (n <= s->np)
        return true;
    osp_sched_row *p = realloc(s->p, n * sizeof *p);
    if (!p)
        return false;
    memset(p + s->np, 0, (n - s->np) * sizeof *p);
    s->p = p;
    s->np = n;
    return true;
}

bool osp_sched_add(osp_sched_span *s, const osp_go_sched *look)
{
    uint32_t local = 0, idle = 0, busy = 0, in_call = 0;
    if (!room_for_ps(s, (uint32_t)look->gomaxprocs))
        return false;
    for (uint32_t i = 0; i < look->np; i++) {
        const osp_sched_p *p = &look->p[i];
        if ((uint32_t)p->id >= s->np)
            continue;
        osp_sched_row *row = &s->p[p->id];
        const osp_sched_state state = state_of(p);
        row->looks++;
        row->in[state]++;
        row->queued += p->runq;
        row->most_queued = p->runq > row->most_queued ? p->runq : row->most_queued;
        if (row->has_ticks) {
            row->scheduled += p->schedtick - row->last.schedtick;
            row->calls += p->syscalltick - row->last.syscalltick;
        }
        row->has_ticks = true;
        row->last = *p;
        local += p->runq;
        idle += state == OSP_P_IDLE;
        busy += state == OSP_P_RUNNING;
        in_call += state == OSP_P_SYSCALL;
    }
    const uint32_t queued = local + (uint32_t)look->runq;
    s->looks++;
    s->torn += look->torn;
    s->busy += busy;
    s->in_call += in_call;
    s->idle += idle;
    s->local += local;
    s->global += (uint32_t)look->runq;
    s->most_queued = queued > s->most_queued ? queued : s->most_queued;
    s->spinning += (uint32_t)look->spinning;
    s->looks_spinning += look->spinning > 0;
    s->looks_queued += queued > 0;
    s->looks_starved += queued > 0 && look->idle_ps > 0;
    s->looks_stopped += look->gcwaiting;
    const size_t at = (size_t)(s->looks - 1) % OSP_SCHED_MARKS;
    s->busy_at[at] = (float)busy;
    s->queued_at[at] = (float)queued;
    s->spinning_at[at] = (float)look->spinning;
    s->last = *look;
    s->last.p = NULL;
    if (s->looks == 1)
        s->first_ns = look->taken_ns;
    s->last_ns = look->taken_ns;
    return true;
}

bool osp_sched_watch_until(osp_sched_watch *w, uint64_t monotonic_ns, const volatile sig_atomic_t *stop,
                           osp_sched_span *s, osp_err *err)
{
    uint64_t spent = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID), looks = 0, now;
    do {
        osp_arena a;
        osp_go_sched look;
        osp_arena_init(&a, LOOK_LIMIT);
        bool ok = osp_go_sched_read(w->go, false, &a, &look, err);
        if (ok && !osp_sched_add(s, &look))
            ok = osp_fail_memory(err, "watching the scheduler");
        osp_arena_drop(&a);
        if (!ok)
            return false;
        looks++;
        s->cost_ns = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - spent;
        uint64_t gap = s->cost_ns / looks * BUDGET;
        gap = gap > GAP_NS ? gap : GAP_NS;
        gap = gap / 2 +
              osp_g_random(&w->seed, (uint32_t)(gap < UINT32_MAX ? gap : UINT32_MAX)); /* in step with nothing */
        now = osp_monotonic_ns();
        if (now < monotonic_ns && gap > monotonic_ns - now)
            gap = monotonic_ns - now;
        if (now < monotonic_ns && !*stop)
            nanosleep(&(struct timespec){(time_t)(gap / 1000000000), (long)(gap % 1000000000)}, NULL);
    } while (!*stop && osp_monotonic_ns() < monotonic_ns);
    return true;
}

/* The next interval begins where this one ends. */
void osp_sched_next(osp_sched_span *s)
{
    for (uint32_t i = 0; i < s->np; i++)
        s->p[i] = (osp_sched_row){.has_ticks = s->p[i].has_ticks, .last = s->p[i].last};
    *s = (osp_sched_span){.p = s->p, .np = s->np, .since_ns = s->last_ns};
}
