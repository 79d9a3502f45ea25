/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling without any perf event, by what /proc says of threads: the last of the fallbacks.
 *
 * Each thread is looked at some 100 times a second. What it has had of CPUs, and waited for them, the kernel counts: that
 * is as exact as /proc. The rest of the time it was blocked. Where, is known of one that is blocked when it is looked at:
 * the kernel says its pc and sp, and its stack stands still, so it is read and unwound. Of one that runs nothing says where,
 * short of a stop, which we do not do. Its time stands on a frame that says so, above what is certain: the function that the
 * goroutine on it began with, or the thread, whose first frames are known from a time when it was blocked.
 *
 * One that was not put on a CPU since the last look is where it was: one small file is read of it, no more.
 *
 * Whose time on a CPU it was is told by a look at which the thread is on one. It is off it most at certain places, at system
 * calls for one, so that calls which take nothing would be seen too often. Until such a look the time waits. */
#include "sample/sample_internal.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdlib.h>

enum {
    TIDS_MOST = 1 << 16,
    SCAN_NS = 500000000, /* processes that begin are looked for that often */
    SHARE = 20,          /* looks take one part in so many of a CPU, at most: else they are rarer */
    ROOT_FRAMES = 6,     /* of a thread, from its first on, that are kept */
    OWED_S = 5,          /* time waits so long for its look */
    NOISE_NS = 20000000, /* the kernel is behind by a tick a CPU; less than this is not told */
    ARENA_MAX = 64 << 20,
    LABEL_WORDS = OSP_MAX_LABELS * (1 + OSP_MAX_LABEL_KEY / 8 + OSP_MAX_LABEL_VALUE / 8),
};

/* Who a thread does something for. */
struct on_it {
    uint64_t goid, m, curg, labels;
    bool in_c; /* the goroutine has called C */
};

/* A stack of user code, leaf first. */
struct place {
    struct on_it of;
    uint64_t *word;
    uint32_t n, reason;
    uint16_t end;
    bool known;
};

struct thread {
    int tid;
    uint32_t seen; /* number of the last look that met it */
    char name[16];
    uint32_t met, name_due; /* by number of look: names are given, and changed, later */
    osp_proc_clock clock;
    uint64_t ticks_user, ticks_system; /* when it was met */
    uint64_t run_ns, kernel_ns;        /* that were given since then; those in the kernel */
    struct place place;                /* where it was blocked last */
    uint64_t held_ns;                  /* that it was, and was not given yet */
    struct {
        int64_t low, last; /* low: while it is on none */
        uint64_t slices;   /* at last */
        bool seen, known;
    } balance; /* of being put on a CPU and taken off */
    struct {
        uint64_t user_ns, kernel_ns, wait_ns, since_ns;
    } owed;                     /* it ran, or waited for a CPU; for whom is not known yet */
    uint64_t root[ROOT_FRAMES]; /* its first frames, leaf first */
    uint32_t nroot;
};

struct process {
    osp_subject *of;
    struct thread *thread;
    size_t n, cap;
    uint64_t cpu_ns, given_ns; /* of all its threads when it was met; given since then */
    bool wanted, fresh;        /* fresh: it was not there when we began, so that all its time counts */
    uint32_t ended;            /* threads of it that we saw end */
};

struct osp_proc_side {
    const osp_sample_opts *opts;
    const osp_event_list *events;
    const osp_proc_sink *to;
    struct process *process;
    size_t n, cap;
    uint32_t look;
    uint64_t period_ns, next_ns, scan_ns, seed;
    bool begun;
    /* Of the process that is looked at now: its Ms, once they were asked for. */
    osp_arena arena;
    osp_go_snapshot go;
    bool asked_go;
    const osp_subject *reads; /* whose are: */
    uint32_t reads_generation;
    osp_labels_reader *reader;
    osp_g_walker *walker;
    int *tid;
    uint64_t word[OSP_MAX_USER + ROOT_FRAMES + 2 + LABEL_WORDS];
};

osp_proc_side *osp_proc_side_new(const osp_sample_opts *opts, const osp_event_list *events, osp_err *err)
{
    osp_proc_side *s = calloc(1, sizeof *s);
    if (s)
        s->tid = calloc(TIDS_MOST, sizeof *s->tid);
    if (!s || !s->tid) {
        free(s);
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    s->opts = opts;
    s->events = events;
    s->period_ns = 10000000;
    s->seed = osp_monotonic_ns() | 1;
    osp_arena_init(&s->arena, ARENA_MAX);
    return s;
}

static void drop_process(struct process *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->thread[i].place.word);
    free(p->thread);
}

void osp_proc_side_drop(osp_proc_side *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        drop_process(&s->process[i]);
    osp_labels_reader_drop(s->reader);
    osp_g_walker_drop(s->walker);
    osp_arena_drop(&s->arena);
    free(s->process);
    free(s->tid);
    free(s);
}

void osp_proc_side_rate(osp_proc_side *s, uint32_t hz) { s->period_ns = 1000000000u / hz; }

bool osp_proc_side_can(const osp_event_list *events, const char **cannot)
{
    for (uint32_t i = 0; i < events->n; i++) {
        const osp_event_kind *k = events->kind[i];
        bool cpu = k == osp_event_kinds[0], time = k->source == OSP_BY_OFF_CPU || k->source == OSP_BY_WALL;
        *cannot = k->name;
        if (!cpu && !time && k->source != OSP_BY_LOOKS)
            return false;
    }
    return true;
}

/* ---- what the clocks say -------------------------------------------------------------------------------------- */

osp_proc_time osp_proc_account(osp_proc_clock *c, const osp_thread_clock *now, uint64_t at_ns, bool blocked)
{
    osp_proc_time t = {
        .run_ns = now->run_ns > c->was.run_ns ? now->run_ns - c->was.run_ns : 0,
        .wait_ns = now->wait_ns > c->was.wait_ns ? now->wait_ns - c->was.wait_ns : 0,
    };
    c->open_ns += (int64_t)(at_ns - c->at_ns) - (int64_t)t.run_ns - (int64_t)t.wait_ns;
    c->at_ns = at_ns;
    c->was = *now;
    if (!blocked) /* what is still open may turn out to be time on a CPU */
        return t;
    uint64_t blocked_ns = c->open_ns > 0 ? (uint64_t)c->open_ns : 0;
    t.before_ns = c->blocked ? blocked_ns / 2 : 0;
    t.now_ns = blocked_ns - t.before_ns;
    c->open_ns -= (int64_t)blocked_ns;
    c->blocked = true;
    return t;
}

/* ---- who is on a thread ------------------------------------------------------------------------------------------ */

static const osp_m *m_of(osp_proc_side *s, const osp_subject *of, int tid)
{
    osp_err ignored; /* then there are none */
    if (!of->go)
        return NULL;
    if (!s->asked_go) {
        osp_arena_drop(&s->arena);
        osp_arena_init(&s->arena, ARENA_MAX);
        if (!osp_go_snapshot_read(of->go, &s->arena, &s->go, &ignored))
            s->go = (osp_go_snapshot){0};
        s->asked_go = true;
    }
    for (uint32_t i = 0; i < s->go.nm; i++)
        if (s->go.m[i].tid == tid)
            return &s->go.m[i];
    return NULL;
}

static const osp_g *g_at(const osp_proc_side *s, uint64_t addr)
{
    for (uint32_t i = 0; addr && i < s->go.ng; i++)
        if (s->go.g[i].addr == addr)
            return &s->go.g[i];
    return NULL;
}

/* The readers of what goroutines have are of this process. */
static bool read_go_of(osp_proc_side *s, const osp_subject *of)
{
    osp_err ignored; /* without labels, without stacks */
    if (s->reads != of) {
        osp_labels_reader_drop(s->reader);
        osp_g_walker_drop(s->walker);
        s->reader = osp_labels_reader_new(osp_subject_mem(of), osp_go_offsets(of->go)->labels_are_slice, &ignored);
        s->walker = osp_g_walker_new(osp_subject_mem(of), of->go, &ignored);
        s->reads = of;
        s->reads_generation = 0; /* which no space that was read has */
    }
    if (s->walker && s->reads_generation != of->generation)
        osp_g_walker_space(s->walker, &of->space, &of->unwind_go);
    s->reads_generation = of->generation;
    return s->reader && s->walker;
}

/* The stack of a goroutine whose thread is in C, or in the kernel: that of Go stands still below. 0: it has gone on. */
static size_t walk_below_c(osp_proc_side *s, const osp_subject *of, const osp_g *g, uint64_t *pc)
{
    osp_g after;
    osp_err ignored; /* then it has gone on */
    size_t n = 0;
    bool behind;
    const osp_span nothing = {0};
    if (g->status != OSP_G_SYSCALL || !read_go_of(s, of) ||
        osp_g_walk(s->walker, g, nothing, pc, OSP_MAX_USER, &n, &behind) != OSP_UNWIND_ROOT ||
        !osp_go_read_g(of->go, g->addr, &after, &ignored))
        return 0;
    const osp_g_look was = osp_g_look_of(g), is = osp_g_look_of(&after);
    return was.goid == is.goid && was.status == is.status && was.pc == is.pc && was.sp == is.sp ? n : 0;
}

/* The goroutine's own labels, as bpf/sample.h lays them out in words. */
static size_t add_labels(osp_proc_side *s, const osp_subject *of, uint64_t at, uint64_t *word, uint16_t *nlabels)
{
    osp_labels_text text;
    osp_str rest, key, value;
    size_t n = 0;
    *nlabels = 0;
    if (!at || !of->go)
        return 0;
    if (!read_go_of(s, of))
        return 0;
    osp_labels_read(s->reader, &at, 1, &text);
    rest = (osp_str){text.text, text.n};
    while (*nlabels < OSP_MAX_LABELS && osp_labels_next(&rest, &key, &value)) {
        key = osp_str_head(key, OSP_MAX_LABEL_KEY);
        value = osp_str_head(value, OSP_MAX_LABEL_VALUE);
        size_t k = (key.n + 7) / 8, v = (value.n + 7) / 8;
        memset(word + n, 0, (1 + k + v) * sizeof *word);
        word[n] = key.n | value.n << 16;
        memcpy(word + n + 1, key.p, key.n);
        memcpy(word + n + 1 + k, value.p, value.n);
        n += 1 + k + v;
        ++*nlabels;
    }
    return n;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* Give times with the n user pcs that stand in s->word: as each event wants them. */
static void give(osp_proc_side *s, const struct process *p, const struct thread *t, const struct on_it *of, size_t n,
                 uint16_t end, uint32_t reason, const uint64_t value[3])
{
    osp_raw_sample head = {
        .ktime_ns = osp_monotonic_ns(),
        .value = {value[0], value[1], value[2]},
        .goid = of->goid,
        .m = of->m,
        .curg = of->curg,
        .pid = (uint32_t)p->of->pid,
        .tid = t ? (uint32_t)t->tid : 0,
        .count = 1,
        .nuser = (uint16_t)n,
        .end = end,
        .reason = reason,
    };
    memcpy(head.comm, t ? t->name : "(ended)", t ? sizeof head.comm : sizeof "(ended)");
    head.nwords = (uint32_t)(n + add_labels(s, p->of, of->labels, s->word + n, &head.nlabels));
    for (uint32_t i = 0; i < s->events->n; i++) {
        const osp_event_kind *k = s->events->kind[i];
        bool off = value[1] || value[2];
        head.event = (uint16_t)i;
        if (k->source == OSP_BY_WALL || (k->source == OSP_BY_OFF_CPU ? off : k->source == OSP_BY_PERF && value[0]))
            s->to->sample(s->to->ctx, &head, s->word);
    }
}

/* Time on a CPU, or waiting for one, of a thread on which this runs: that is all we know. */
static void give_placeless(osp_proc_side *s, const struct process *p, const struct thread *t, osp_placeless leaf,
                           const struct on_it *of, const osp_g *g, const uint64_t value[3], uint32_t reason)
{
    size_t n = 0;
    s->word[n++] = osp_placeless_addr(leaf);
    if (g) {
        bool inside = of->in_c || leaf == OSP_PLACELESS_KERNEL;
        size_t below = inside ? walk_below_c(s, p->of, g, s->word + n) : 0;
        n += below;
        if (!below)
            s->word[n++] = g->startpc;
        if (s->opts->creators && g->gopc)
            s->word[n++] = g->gopc - 1;
    } else if (t && !of->curg) {
        memcpy(s->word + n, t->root, t->nroot * sizeof *t->root);
        n += t->nroot;
    }
    give(s, p, t, of, n, OSP_END_UNSEEN, reason, value);
}

/* How much of what it ran was in the kernel: ticks tell, and are as exact as that. */
static uint64_t in_kernel(const struct process *p, struct thread *t, uint64_t run_ns)
{
    char state;
    uint64_t user, system;
    t->run_ns += run_ns;
    if (!osp_thread_ticks(p->of->process, t->tid, &state, &user, &system))
        return 0;
    uint64_t all = user + system - t->ticks_user - t->ticks_system, in = system - t->ticks_system;
    uint64_t due = all ? (uint64_t)((double)t->run_ns * (double)in / (double)all) : 0;
    uint64_t part = due > t->kernel_ns ? due - t->kernel_ns : 0;
    part = part < run_ns ? part : run_ns;
    t->kernel_ns += part;
    return part;
}

/* An M, and the goroutine on it, of a moment at which its thread was on a CPU, or waited for one. */
struct now {
    osp_m m;
    osp_g g;
    bool has_g, queued;
};

/* Its time on a CPU, or waiting for one, was for that (NULL: nobody that is known). */
static void give_owed(osp_proc_side *s, struct process *p, struct thread *t, const struct now *now)
{
    struct on_it of = {0};
    const osp_g *g = now && now->has_g ? &now->g : NULL;
    uint64_t user = now && now->queued ? 0 : t->owed.user_ns, kernel = now && now->queued ? 0 : t->owed.kernel_ns,
             wait = now && !now->queued ? 0 : t->owed.wait_ns;
    if (now)
        of = (struct on_it){.m = now->m.addr, .curg = now->m.curg, .in_c = now->m.ncgo > 0};
    if (g) {
        of.goid = g->goid;
        of.labels = g->labels;
    }
    if (user && !s->opts->kernel_only)
        give_placeless(s, p, t, of.in_c ? OSP_PLACELESS_C : OSP_PLACELESS_RUNNING, &of, g, (uint64_t[3]){user, 0, 0},
                       0);
    if (kernel && !s->opts->user_only)
        give_placeless(s, p, t, OSP_PLACELESS_KERNEL, &of, g, (uint64_t[3]){kernel, 0, 0}, 0);
    if (wait)
        give_placeless(s, p, t, OSP_PLACELESS_QUEUED, &of, g, (uint64_t[3]){0, 0, wait},
                       OSP_WAIT_PREEMPTED << OSP_REASON_WAIT);
    t->owed.user_ns -= user;
    t->owed.kernel_ns -= kernel;
    t->owed.wait_ns -= wait;
}

/* How often it was put on a CPU less how often it was taken off, which is one more while it is on one than while it is on none.
 * Which of both it is tells a moment at which it was blocked, or ran on; or that the other was seen too. */
static bool read_balance(const struct process *p, const struct thread *t, int64_t *out)
{
    uint64_t off, off_after, on = osp_thread_slices(p->of->process, t->tid);
    if (!osp_thread_switches(p->of->process, t->tid, &off))
        return false;
    *out = (int64_t)(on - off);
    return on == osp_thread_slices(p->of->process, t->tid) &&
           osp_thread_switches(p->of->process, t->tid, &off_after) && off == off_after;
}

static void learn_balance(struct thread *t, int64_t balance, bool blocked, bool ran)
{
    /* One that has run, and was neither put on a CPU nor taken off, is still on it. */
    bool on = ran && t->balance.seen && balance == t->balance.last && t->clock.was.slices == t->balance.slices;
    t->balance.last = balance;
    t->balance.slices = t->clock.was.slices;
    if (on) {
        t->balance.low = balance - 1;
        t->balance.known = true;
        return;
    }
    bool near = t->balance.low <= balance + 1 && balance <= t->balance.low + 1;
    if (blocked || !t->balance.seen || !near) {
        t->balance.low = balance;
        t->balance.known = blocked;
        t->balance.seen = true;
    } else if (balance != t->balance.low) {
        t->balance.low = balance < t->balance.low ? balance : t->balance.low;
        t->balance.known = true;
    }
}

/* Who is on it now. False: it was put on a CPU or taken off meanwhile, or which of both it is cannot be told. */
static bool find_now(osp_proc_side *s, const struct process *p, struct thread *t, bool ran, struct now *out)
{
    osp_err ignored; /* it has gone on */
    int64_t before, after;
    osp_thread_clock later;
    const osp_m *m = m_of(s, p->of, t->tid);
    *out = (struct now){0};
    if (!m || !read_balance(p, t, &before) || !osp_go_read_m(p->of->go, m->addr, &out->m, &ignored))
        return false;
    learn_balance(t, before, false, ran);
    out->has_g = out->m.curg && osp_go_read_g(p->of->go, out->m.curg, &out->g, &ignored) && out->g.m == m->addr;
    if (!read_balance(p, t, &after) || before != after || out->has_g != (out->m.curg != 0))
        return false;
    if (osp_thread_clock_read(p->of->process, t->tid, &later) && later.slices == t->clock.was.slices &&
        later.run_ns > t->clock.was.run_ns)
        learn_balance(t, before, false, true);
    out->queued = before == t->balance.low;
    return t->balance.known;
}

/* It had so much time; blocked: it is on no CPU now, and waits for none. */
static void take_run(osp_proc_side *s, struct process *p, struct thread *t, const osp_proc_time *time, bool blocked)
{
    struct now now;
    int64_t balance;
    uint64_t kernel = in_kernel(p, t, time->run_ns);
    if (!t->owed.user_ns && !t->owed.kernel_ns && !t->owed.wait_ns)
        t->owed.since_ns = t->clock.at_ns;
    t->owed.user_ns += time->run_ns - kernel;
    t->owed.kernel_ns += kernel;
    t->owed.wait_ns += time->wait_ns;
    p->given_ns += time->run_ns;
    if (blocked && p->of->go && !t->balance.known && read_balance(p, t, &balance) &&
        osp_thread_slices(p->of->process, t->tid) == t->clock.was.slices)
        learn_balance(t, balance, true, false);
    if (!p->of->go) /* a thread of C has no other than itself */
        give_owed(s, p, t, NULL);
    else if (!blocked && find_now(s, p, t, time->run_ns > 0, &now))
        give_owed(s, p, t, &now);
    if (t->clock.at_ns - t->owed.since_ns > OWED_S * 1000000000ull)
        give_owed(s, p, t, NULL);
}

/* Its name now, where it is time to ask: the younger it is the sooner. */
static void find_name(const osp_proc_side *s, const struct process *p, struct thread *t)
{
    if (s->look < t->name_due)
        return;
    osp_thread_name(p->of->pid, t->tid, t->name);
    t->name_due = s->look + (s->look - t->met) / 2 + 1;
}

/* What a thread was blocked for, with the place. */
static void give_held(osp_proc_side *s, const struct process *p, struct thread *t)
{
    if (!t->held_ns)
        return;
    if (t->place.known)
        memcpy(s->word, t->place.word, t->place.n * sizeof *s->word);
    give(s, p, t, &t->place.of, t->place.n, t->place.end, t->place.reason, (uint64_t[3]){0, t->held_ns, 0});
    t->held_ns = 0;
}

/* ---- where a blocked thread is ----------------------------------------------------------------------------------- */

/* Functions below which a thread's own first one is called. */
static bool is_entry(const osp_space *space, uint64_t pc)
{
    static const char names[] = " _start _start_c __libc_start_main __libc_start_main_impl __libc_start_call_main "
                                "libc_start_main_stage2 clone clone3 __clone __clone3 start_thread start start_c ";
    const osp_space_map *m = osp_space_at(space, pc);
    osp_symbol f;
    if (!m)
        return false;
    if (!m->object || !osp_object_symbol_at(m->object, pc - m->bias, &f))
        return osp_str_has(osp_str_base(m->path), S("libc")) || osp_str_starts(osp_str_base(m->path), S("ld-"));
    return osp_str_among(osp_str_head(f.name, osp_str_find(f.name, S("@"))), names);
}

/* Keep the thread's first frames: those of its library, and the function that it was made for. It is in there until it
 * ends. */
static void keep_root(const struct process *p, struct thread *t, const uint64_t *pc, size_t n)
{
    size_t k = 0;
    while (k < n && k < ROOT_FRAMES - 1 && is_entry(&p->of->space, pc[n - 1 - k]))
        k++;
    if (k == 0 || k == n)
        return;
    t->nroot = (uint32_t)(k + 1);
    memcpy(t->root, pc + n - t->nroot, t->nroot * sizeof *pc);
}

static uint32_t reason_of(char state, const osp_blocking *b)
{
    uint32_t wait = state == 'D' ? OSP_WAIT_DEEP : state == 'T' || state == 't' ? OSP_WAIT_STOPPED : OSP_WAIT_SLEEP;
    uint32_t call = b->state == OSP_BLOCKING_CALL && b->nr < OSP_REASON_CALLS ? b->nr + 1 : 0;
    return wait << OSP_REASON_WAIT | call;
}

/* Its stack, which has to stand still while it is read. False: it runs again. */
static bool walk(osp_proc_side *s, const struct process *p, struct thread *t, struct on_it *of, size_t *n,
                 uint16_t *end, osp_blocking *b)
{
    osp_raw_sample head = {0};
    const osp_m *m = m_of(s, p->of, t->tid);
    osp_copied from = {.mem = osp_subject_mem(p->of), .space = &p->of->space, .go = &p->of->unwind_go, .no_fp = true};
    osp_unwind_regs regs = {.pc = b->pc, .sp = b->sp, .aarch64 = OSP_AARCH64};
    regs.reg[OSP_AARCH64 ? 31 : 7] = b->sp;
    from.sp = b->sp;
    osp_copied_walk(&from, &regs, m ? m->g0 : 0, &head, s->word);
    osp_blocking after;
    osp_thread_call(p->of->process, t->tid, &after);
    if (osp_thread_slices(p->of->process, t->tid) != t->clock.was.slices || memcmp(b, &after, sizeof *b) != 0)
        return false;
    *of = (struct on_it){.goid = head.goid, .m = m ? m->addr : 0, .curg = head.curg};
    const osp_g *g = g_at(s, head.curg);
    of->labels = g ? g->labels : 0;
    *n = head.nuser;
    *end = head.end == OSP_UNWIND_STACK_COPY ? OSP_END_UNREADABLE : head.end;
    if (head.end == OSP_UNWIND_ROOT && !head.curg && !t->nroot)
        keep_root(p, t, s->word, head.nuser);
    return true;
}

/* Do its waits have to be known, or is it enough to know where it began? */
static bool wants_places(const osp_proc_side *s)
{
    for (uint32_t i = 0; i < s->events->n; i++)
        if (s->events->kind[i]->source == OSP_BY_OFF_CPU || s->events->kind[i]->source == OSP_BY_WALL)
            return true;
    return false;
}

/* Where it is blocked now. False: it runs, or waits for a CPU. */
static bool find_place(osp_proc_side *s, const struct process *p, struct thread *t, struct place *out)
{
    osp_blocking b;
    char state;
    uint64_t user, system;
    size_t n = 1;
    osp_thread_call(p->of->process, t->tid, &b);
    *out = (struct place){.end = OSP_END_UNSEEN};
    if (b.state == OSP_BLOCKING_RUNNING || !osp_thread_ticks(p->of->process, t->tid, &state, &user, &system) ||
        state == 'R')
        return false;
    out->reason = reason_of(state, &b);
    s->word[0] = osp_placeless_addr(OSP_PLACELESS_BLOCKED);
    bool told = b.state == OSP_BLOCKING_CALL || b.state == OSP_BLOCKING_NONE;
    bool asked = wants_places(s) || (!t->nroot && !m_of(s, p->of, t->tid));
    if (told && asked && !walk(s, p, t, &out->of, &n, &out->end, &b))
        return false;
    out->word = n ? malloc(n * sizeof *out->word) : NULL;
    out->known = out->word != NULL;
    out->n = out->known ? (uint32_t)n : 0;
    if (out->known)
        memcpy(out->word, s->word, n * sizeof *out->word);
    return true;
}

/* ---- a look -------------------------------------------------------------------------------------------------------- */

static struct thread *meet_thread(osp_proc_side *s, struct process *p, int tid, bool fresh)
{
    void *array = p->thread;
    char state;
    if (!osp_grow(&array, &p->cap, p->n + 1, sizeof *p->thread))
        return NULL;
    p->thread = array;
    struct thread *t = &p->thread[p->n];
    *t = (struct thread){.tid = tid};
    uint64_t at = osp_monotonic_ns();
    if (!osp_thread_clock_read(p->of->process, tid, &t->clock.was) ||
        !osp_thread_ticks(p->of->process, tid, &state, &t->ticks_user, &t->ticks_system))
        return NULL;
    t->clock.at_ns = at;
    if (fresh) { /* all that it did was since we look */
        uint64_t born = osp_thread_start_ns(p->of->process, tid),
                 least = at - t->clock.was.run_ns - t->clock.was.wait_ns;
        t->clock.at_ns = born && born < least ? born : least;
        t->clock.was = (osp_thread_clock){0};
        t->ticks_user = t->ticks_system = 0;
    }
    t->met = t->name_due = s->look;
    p->n++;
    return t;
}

static void look_at(osp_proc_side *s, struct process *p, struct thread *t)
{
    osp_thread_clock now;
    struct place place;
    if (!osp_thread_clock_read(p->of->process, t->tid, &now))
        return;
    uint64_t at = osp_monotonic_ns();
    bool still = t->clock.blocked && now.slices && now.slices == t->clock.was.slices &&
                 now.run_ns == t->clock.was.run_ns && t->clock.open_ns <= 0;
    if (still) {
        osp_proc_time time = osp_proc_account(&t->clock, &now, at, true);
        t->held_ns += time.before_ns + time.now_ns;
        return;
    }
    bool idle = now.run_ns == t->clock.was.run_ns && now.wait_ns == t->clock.was.wait_ns;
    if ((idle && !wants_places(s)) || !s->to->map(s->to->ctx, p->of)) {
        t->clock.at_ns = at;
        return;
    }
    find_name(s, p, t);
    osp_thread_clock was = t->clock.was;
    t->clock.was = now; /* which the walk compares with */
    bool blocked = find_place(s, p, t, &place);
    t->clock.was = was;
    osp_proc_time time = osp_proc_account(&t->clock, &now, at, blocked);
    if (time.run_ns || time.wait_ns)
        take_run(s, p, t, &time, blocked);
    if (!blocked)
        return;
    t->held_ns += time.before_ns;
    give_held(s, p, t);
    free(t->place.word);
    t->place = place;
    t->held_ns = time.now_ns;
}

static void forget_ended(osp_proc_side *s, struct process *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct thread *t = &p->thread[i];
        if (t->seen == s->look) {
            p->thread[kept++] = *t;
            continue;
        }
        give_held(s, p, t);
        give_owed(s, p, t, NULL);
        free(t->place.word);
        p->ended++;
    }
    p->n = kept;
}

/* Its threads are listed in the order in which they are kept, mostly. */
static struct thread *find_thread(struct process *p, int tid, size_t first)
{
    if (first < p->n && p->thread[first].tid == tid)
        return &p->thread[first];
    for (size_t i = 0; i < p->n; i++)
        if (p->thread[i].tid == tid)
            return &p->thread[i];
    return NULL;
}

static void look_at_process(osp_proc_side *s, struct process *p)
{
    s->asked_go = false;
    s->go = (osp_go_snapshot){0};
    size_t n = osp_process_tids(p->of->process, s->tid, TIDS_MOST);
    for (size_t i = 0; i < n; i++) {
        struct thread *t = find_thread(p, s->tid[i], i);
        if (!t)
            t = meet_thread(s, p, s->tid[i], s->begun || p->fresh);
        if (!t)
            continue;
        t->seen = s->look;
        if (s->begun)
            look_at(s, p, t);
    }
    if (n)
        forget_ended(s, p);
}

/* What its threads had used that ended between two looks. */
static void give_rest(osp_proc_side *s, struct process *p)
{
    uint64_t all = p->of->process ? osp_process_cpu_ns(p->of->process) : 0;
    uint64_t since = all > p->cpu_ns ? all - p->cpu_ns : 0;
    if (since < p->given_ns + NOISE_NS && (!p->ended || since <= p->given_ns))
        return;
    const struct on_it none = {0};
    uint64_t rest = since - p->given_ns;
    p->given_ns += rest;
    if (!s->opts->kernel_only)
        give_placeless(s, p, NULL, OSP_PLACELESS_ENDED, &none, NULL, (uint64_t[3]){rest, 0, 0}, 0);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

static struct process *known(osp_proc_side *s, const osp_subject *of)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->process[i].of == of)
            return &s->process[i];
    return NULL;
}

static void meet(void *ctx, osp_subject *of)
{
    osp_proc_side *s = ctx;
    void *array = s->process;
    if (known(s, of) || !osp_grow(&array, &s->cap, s->n + 1, sizeof *s->process))
        return;
    s->process = array;
    struct process *p = &s->process[s->n++];
    const osp_cgroup *group = s->opts->cgroup;
    *p = (struct process){.of = of, .fresh = s->begun};
    p->wanted = (!group || osp_cgroup_holds(group, of->pid)) && s->to->meet(s->to->ctx, of) && of->process;
    if (p->wanted && !p->fresh)
        p->cpu_ns = osp_process_cpu_ns(of->process);
}

void osp_proc_side_forget(osp_proc_side *s, const osp_subject *of)
{
    struct process *p = known(s, of);
    if (!p)
        return;
    drop_process(p);
    *p = s->process[--s->n];
    if (s->reads == of)
        s->reads = NULL;
}

bool osp_proc_side_scan_is_due(osp_proc_side *s)
{
    uint64_t now = osp_monotonic_ns();
    if (now < s->scan_ns)
        return false;
    s->scan_ns = now + SCAN_NS;
    return true;
}

static void look_at_all(osp_proc_side *s, osp_subjects *subjects)
{
    osp_subjects_each(subjects, meet, s);
    s->look++;
    for (size_t i = 0; i < s->n; i++) {
        struct process *p = &s->process[i];
        if (p->wanted && p->of->until_ns == UINT64_MAX && p->of->process)
            look_at_process(s, p);
    }
}

void osp_proc_side_begin(osp_proc_side *s, osp_subjects *subjects, const osp_proc_sink *to)
{
    s->to = to;
    look_at_all(s, subjects);
    s->begun = true;
    s->next_ns = osp_monotonic_ns() + s->period_ns;
}

uint64_t osp_proc_side_next(const osp_proc_side *s) { return s->next_ns; }

/* The next look is at a random time: none that beats with a program which does the same all over again. */
static void choose_next(osp_proc_side *s, uint64_t now, uint64_t period_ns)
{
    uint32_t period = period_ns < UINT32_MAX ? (uint32_t)period_ns : UINT32_MAX;
    s->next_ns = now + period / 2 + osp_g_random(&s->seed, period);
}

void osp_proc_side_look(osp_proc_side *s, osp_subjects *subjects)
{
    uint64_t before = osp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    look_at_all(s, subjects);
    uint64_t cost = SHARE * (osp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - before);
    choose_next(s, osp_monotonic_ns(), s->period_ns > cost ? s->period_ns : cost);
}

void osp_proc_side_settle(osp_proc_side *s, osp_subjects *subjects)
{
    look_at_all(s, subjects);
    for (size_t i = 0; i < s->n; i++) {
        struct process *p = &s->process[i];
        for (size_t k = 0; k < p->n; k++) {
            give_held(s, p, &p->thread[k]);
            give_owed(s, p, &p->thread[k], NULL);
        }
        if (p->wanted)
            give_rest(s, p);
    }
}
