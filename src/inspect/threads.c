/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: what /proc says of each, joined with the Go runtime's M, P and goroutine on it, and its stack where it is blocked.
 *
 * Roles are read off structures, never off names of threads: the function that an M's thread was made for, the function that
 * the goroutine on it was started with, what the stack has on it. The two sides are not read at one moment, so where they
 * contradict each other both are read again; what stays is said in a note. */
#include "inspect/inspect.h"

#include "base/buf.h"
#include "base/clock.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 1 << 30, FRAMES_MAX = 512, INLINES_MAX = 32, TRIES = 3, NOTES_MAX = 64 };

struct osp_threads_watch {
    osp_image image;
    osp_process *process; /* the image's; NULL: it is a core */
    osp_objects *objects;
    osp_freeze *freeze; /* while it lasts */
    osp_arena arena;    /* of the first look */
    osp_thread *before;
    uint32_t nbefore;
    uint64_t began_ns;
    osp_go *go; /* NULL: there is none, or nothing is known of it */
    osp_err why;
    osp_space space;
    osp_unwind_go offsets;
    osp_fds *fds;
};

osp_str osp_role_text(osp_role r)
{
    static const char *const text[OSP_ROLES] = {
        [OSP_ROLE_SYSMON] = "sysmon",
        [OSP_ROLE_TEMPLATE] = "template",
        [OSP_ROLE_GC_WORKER] = "GC worker",
        [OSP_ROLE_RUNTIME] = "runtime",
        [OSP_ROLE_SIGNAL] = "signal",
        [OSP_ROLE_NETPOLLER] = "netpoller",
        [OSP_ROLE_GO] = "Go",
        [OSP_ROLE_CGO] = "cgo",
        [OSP_ROLE_SYSCALL] = "syscall",
        [OSP_ROLE_LOCKED] = "locked",
        [OSP_ROLE_SPINNING] = "spinning",
        [OSP_ROLE_SCHEDULER] = "scheduler",
        [OSP_ROLE_IDLE] = "idle",
        [OSP_ROLE_C] = "C",
    };
    return osp_str_from(text[r]);
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

/* The function of Go that begins at or holds an address; "" if none is known. */
static osp_str function_at(const osp_space *s, uint64_t pc)
{
    const osp_space_map *m = pc ? osp_space_at(s, pc) : NULL;
    osp_symbol f;
    return m && m->object && osp_object_symbol_at(m->object, pc - m->bias, &f) ? f.name : S("");
}

/* "runtime.gcBgMarkWorker", and what a go statement wraps it in: "runtime.gcBgMarkStartWorkers.gowrap1". */
static bool is_worker(osp_str f)
{
    return osp_str_starts(f, S("runtime.gcBgMarkWorker")) || osp_str_starts(f, S("runtime.gcBgMarkStartWorkers."));
}

/* The library of C, its loader, the vDSO: where calls end, not what a reader looks for. */
static bool is_system(osp_str path)
{
    static const char *const head[] = {"libc.so", "libc-", "libpthread", "ld-", "[vdso]", "libc.musl"};
    osp_str base = osp_str_base(path);
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(base, osp_str_from(head[i])))
            return true;
    return false;
}

static void add_frames(const osp_space *s, uint64_t pc, osp_arena *a, osp_thread_frame *to, uint32_t *n)
{
    osp_frame f[INLINES_MAX];
    const osp_space_map *m = osp_space_at(s, pc);
    size_t k = m && m->object ? osp_object_frames(m->object, pc - m->bias, f, INLINES_MAX) : 0;
    for (size_t i = 0; i < k && *n < FRAMES_MAX; i++)
        to[(*n)++] = (osp_thread_frame){.function = f[i].name,
                                        .file = f[i].file,
                                        .line = f[i].line,
                                        .pc = pc,
                                        .system = is_system(m->path),
                                        .runtime = osp_go_is_runtime(f[i].linker_name, f[i].file)};
    if (k || *n == FRAMES_MAX)
        return;
    osp_str name = m && m->path.n ? osp_arena_fmt(a, "%.*s+0x%llx", STRF(osp_str_base(m->path)),
                                                  (unsigned long long)(pc - m->bias))
                                  : osp_arena_fmt(a, "0x%llx", (unsigned long long)pc);
    to[(*n)++] = (osp_thread_frame){.function = name, .pc = pc, .system = m && is_system(m->path)};
}

static bool has_function(const osp_thread_row *r, osp_str name)
{
    for (uint32_t i = 0; i < r->nframe; i++)
        if (osp_str_eq(r->frame[i].function, name))
            return true;
    return false;
}

/* ---- stacks --------------------------------------------------------------------------------------------------------- */

/* A process is of our own machine, a core says of which it is. */
static bool is_aarch64(const osp_threads_watch *w)
{
#if defined(__aarch64__)
    bool ours = true;
#else
    bool ours = false;
#endif
    return w->image.core ? osp_core_facts_of(w->image.core)->machine == EM_AARCH64 : ours;
}

typedef struct {
    osp_mem mem;
    const osp_space *space;
    bool by_sp; /* the frame pointer is not known, which a function's tables may go by: its code is asked */
} walk;

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
    const walk *w = ctx;
    osp_err ignored; /* the walk says where it ended */
    return w->mem.read(w->mem.ctx, addr, word, sizeof *word, &ignored);
}

static bool rule_at(void *ctx, uint64_t addr, uint32_t *rule)
{
    const walk *w = ctx;
    uint32_t by_sp;
    if (!osp_space_rule(w->space, addr, rule))
        return false;
    bool landing = osp_rule_kind(*rule) == OSP_RULE_LANDING + OSP_RULE_FP;
    bool by_fp = landing || osp_rule_kind(*rule) == OSP_RULE_FP;
    const osp_space_map *m = w->by_sp && by_fp ? osp_space_at(w->space, addr) : NULL;
    if (m && m->object && osp_object_rule_by_sp(m->object, addr + landing - m->bias, &by_sp))
        *rule = landing ? osp_rule_of_landing(by_sp) : by_sp;
    return true;
}

/* Addresses alone: names take longer, and are looked up when nothing has to stand still any more. */
static void walk_from(const osp_threads_watch *w, const osp_unwind_regs *regs, bool fp_known, osp_arena *a,
                      osp_thread_row *r)
{
    uint64_t pc[FRAMES_MAX], curg, m;
    size_t n = 0;
    int end = OSP_UNWIND_NO_ROW;
    for (int try = 0; try < 2 && end != OSP_UNWIND_ROOT; try++) {
        walk from = {w->image.mem, &w->space, (try == 0) != fp_known};
        osp_unwind_env env = {&from, read_word, rule_at};
        uint32_t steps = 0;
        end = osp_unwind_walk(&env, &w->offsets, regs, r->has_m ? r->m.g0 : 0, pc, FRAMES_MAX, &n, &curg, &m, &steps);
    }
    uint64_t *kept = osp_new(a, uint64_t, n);
    if (kept && n)
        memcpy(kept, pc, n * sizeof *kept);
    r->pc = kept;
    r->npc = kept ? (uint32_t)n : 0;
    r->stack = end == OSP_UNWIND_ROOT ? OSP_STACK_WHOLE : OSP_STACK_CUT;
}

/* The stack of a thread that is blocked; it has to stay blocked while it is read. */
static void read_blocked(const osp_threads_watch *w, osp_arena *a, osp_thread_row *r)
{
    for (int try = 0; try < TRIES; try++) {
        uint64_t slices = osp_thread_slices(w->process, r->thread.tid);
        osp_blocking now, after;
        osp_thread_call(w->process, r->thread.tid, &now);
        r->npc = 0;
        r->look.call = now;
        r->stack = now.state == OSP_BLOCKING_UNKNOWN ? OSP_STACK_NONE : OSP_STACK_RUNNING;
        if (now.state != OSP_BLOCKING_CALL && now.state != OSP_BLOCKING_NONE)
            return;
        osp_unwind_regs regs = {.pc = now.pc, .sp = now.sp, .aarch64 = is_aarch64(w)};
        regs.reg[regs.aarch64 ? 31 : 7] = now.sp;
        walk_from(w, &regs, false, a, r);
        osp_thread_call(w->process, r->thread.tid, &after);
        if (slices == osp_thread_slices(w->process, r->thread.tid) && memcmp(&now, &after, sizeof now) == 0)
            return;
    }
    r->npc = 0;
    r->stack = OSP_STACK_MOVED;
}

/* By registers, of one that stands still. */
static void read_standing(const osp_threads_watch *w, const osp_regs *from, bool aarch64, osp_arena *a,
                          osp_thread_row *r)
{
    osp_unwind_regs regs = {.pc = from->pc, .sp = from->r[aarch64 ? 31 : 7], .fp = from->r[aarch64 ? 29 : 6]};
    regs.aarch64 = aarch64;
    memcpy(regs.reg, from->r, sizeof regs.reg);
    osp_blocking_of_regs(from, aarch64, &r->look.call);
    walk_from(w, &regs, true, a, r);
}

static void name_stack(const osp_threads_watch *w, osp_arena *a, osp_thread_row *r)
{
    osp_thread_frame frame[FRAMES_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->npc; i++)
        add_frames(&w->space, r->pc[i], a, frame, &n);
    osp_thread_frame *kept = osp_new(a, osp_thread_frame, n);
    if (kept && n)
        memcpy(kept, frame, n * sizeof *kept);
    r->frame = kept;
    r->nframe = kept ? n : 0;
}

/* ---- the runtime's side --------------------------------------------------------------------------------------------- */

static const osp_m *m_of(const osp_go_snapshot *s, int tid)
{
    for (uint32_t i = 0; i < s->nm; i++)
        if (s->m[i].tid == tid)
            return &s->m[i];
    return NULL;
}

static bool is_dead(const osp_g *g)
{
    return g->status == OSP_G_DEAD || g->status == OSP_G_DEADEXTRA || g->status == OSP_G_IDLE;
}

static void take_m(const osp_threads_watch *w, const osp_go_snapshot *s, osp_thread_row *r)
{
    osp_err ignored; /* what cannot be read is not said */
    osp_g g;
    const osp_m *m = m_of(s, r->thread.tid);
    if (!m)
        return;
    r->has_m = true;
    r->m = *m;
    for (uint32_t i = 0; i < s->np; i++)
        if (m->p && s->p[i].addr == m->p)
            r->p = s->p[i].id;
    if (m->lockedg && osp_go_read_g(w->go, m->lockedg, &g, &ignored) && g.lockedm == m->addr && !is_dead(&g)) {
        r->locked_goid = g.goid;
        r->locked_pc = g.startpc;
    }
    if (!m->curg || !osp_go_read_g(w->go, m->curg, &g, &ignored) || g.m != m->addr || is_dead(&g))
        return;
    r->has_g = true;
    r->g = g;
    r->g_state = osp_go_status_text(g.status);
}

static osp_role role_of_goroutine(const osp_thread_row *r)
{
    osp_str f = r->g_function;
    if (is_worker(f))
        return OSP_ROLE_GC_WORKER;
    if (osp_str_starts(f, S("runtime.ensureSigM")) || osp_str_eq(f, S("os/signal.loop")))
        return OSP_ROLE_SIGNAL;
    if (osp_str_starts(f, S("runtime.")) && !osp_str_eq(f, S("runtime.main")))
        return OSP_ROLE_RUNTIME;
    if (r->m.incgo || (r->m.ncgo > 0 && r->g.status == OSP_G_SYSCALL))
        return OSP_ROLE_CGO;
    return r->g.status == OSP_G_SYSCALL ? OSP_ROLE_SYSCALL : OSP_ROLE_GO;
}

static osp_role role_of(const osp_threads_watch *w, const osp_thread_row *r)
{
    if (!r->has_m)
        return OSP_ROLE_C;
    osp_str start = function_at(&w->space, r->m.start_pc);
    if (osp_str_eq(start, S("runtime.sysmon")))
        return OSP_ROLE_SYSMON;
    if (osp_str_eq(start, S("runtime.templateThread")))
        return OSP_ROLE_TEMPLATE;
    if (r->has_g)
        return role_of_goroutine(r);
    if (r->m.curg) /* the spare goroutine of a thread of C's, which is back in C */
        return OSP_ROLE_C;
    if (has_function(r, S("runtime.netpoll")) && has_function(r, S("runtime.findRunnable")))
        return OSP_ROLE_NETPOLLER;
    if (has_function(r, S("runtime.netpoll")) && has_function(r, S("runtime.findrunnable"))) /* to 1.18 */
        return OSP_ROLE_NETPOLLER;
    if (r->m.spinning)
        return OSP_ROLE_SPINNING;
    if (has_function(r, S("runtime.stoplockedm"))) {
        bool of_signals = osp_str_starts(function_at(&w->space, r->locked_pc), S("runtime.ensureSigM"));
        return of_signals ? OSP_ROLE_SIGNAL : OSP_ROLE_LOCKED;
    }
    return has_function(r, S("runtime.stopm")) || r->m.blocked ? OSP_ROLE_IDLE : OSP_ROLE_SCHEDULER;
}

/* ---- contradictions ------------------------------------------------------------------------------------------------- */

static void add_note(osp_threads *t, osp_arena *a, osp_str text)
{
    if (t->note && t->nnote < NOTES_MAX && text.p)
        t->note[t->nnote++] = text;
    (void)a;
}

static void compare(const osp_go_snapshot *s, osp_threads *t, osp_arena *a)
{
    for (uint32_t i = 0; i < s->nm; i++) {
        const osp_m *m = &s->m[i];
        bool there = m->tid == 0;
        for (uint32_t j = 0; j < t->n && !there; j++)
            there = t->row[j].thread.tid == m->tid;
        if (!there && m->curg == 0)
            add_note(t, a,
                     osp_arena_fmt(a, "M %lld names thread %d, which the process has not", (long long)m->id, m->tid));
    }
    for (uint32_t j = 0; j < t->n; j++) {
        const osp_thread_row *r = &t->row[j];
        if (r->has_g && r->g.status == OSP_G_WAITING)
            add_note(t, a,
                     osp_arena_fmt(a, "thread %d has goroutine %llu on it, which waits", r->thread.tid,
                                   (unsigned long long)r->g.goid));
        bool asleep = r->thread.state == 'S' && r->look.call.state == OSP_BLOCKING_CALL;
        if (r->role == OSP_ROLE_GO && r->g.status == OSP_G_RUNNING && asleep && r->stack >= OSP_STACK_CUT)
            add_note(t, a,
                     osp_arena_fmt(a, "thread %d is blocked in %s while goroutine %llu on it is said to run",
                                   r->thread.tid, osp_syscall_name(r->look.call.nr), (unsigned long long)r->g.goid));
        if (r->role == OSP_ROLE_SYSMON && r->p >= 0)
            add_note(t, a, osp_arena_fmt(a, "sysmon (thread %d) has P %d", r->thread.tid, r->p));
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

static const osp_thread *earlier(const osp_threads_watch *w, int tid)
{
    uint32_t lo = 0, hi = w->nbefore;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (w->before[mid].tid < tid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < w->nbefore && w->before[lo].tid == tid ? &w->before[lo] : NULL;
}

static uint64_t since(uint64_t before, uint64_t now) { return now > before ? now - before : 0; }

static void take_times(const osp_threads_watch *w, const osp_thread *t, uint64_t tick_ns, osp_thread_row *r)
{
    static const osp_thread none = {0};
    const osp_thread *b = earlier(w, t->tid);
    r->thread = *t;
    r->fresh = b == NULL;
    b = b ? b : &none;
    r->cpu_ns = since(b->run_ns, t->run_ns);
    r->wait_ns = since(b->wait_ns, t->wait_ns);
    r->user_ns = since(b->user_ticks, t->user_ticks) * tick_ns;
    r->system_ns = since(b->system_ticks, t->system_ticks) * tick_ns;
    r->voluntary = since(b->voluntary, t->voluntary);
    r->involuntary = since(b->involuntary, t->involuntary);
}

static bool read_rows(osp_threads_watch *w, osp_arena *a, osp_threads *t, osp_err *err)
{
    osp_thread *now = NULL;
    osp_image_thread *left = NULL;
    bool live = w->process != NULL;
    if (live ? !osp_process_threads(w->process, a, &now, &t->n, err)
             : !w->image.threads(w->image.ctx, a, &left, &t->n, err))
        return false;
    t->seconds = live ? (double)(osp_monotonic_ns() - w->began_ns) / 1e9 : 0;
    t->row = osp_new(a, osp_thread_row, t->n);
    t->note = osp_new(a, osp_str, NOTES_MAX);
    t->nnote = 0;
    if (!t->row || !t->note)
        return osp_fail_memory(err, "reading threads");
    uint64_t tick_ns = osp_tick_ns();
    for (uint32_t i = 0; i < t->n; i++) {
        osp_thread_row *r = &t->row[i];
        r->p = -1;
        r->look.policy = -1;
        if (live) {
            take_times(w, &now[i], tick_ns, r);
            osp_thread_look_at(w->process, r->thread.tid, &r->look);
        } else {
            r->thread = (osp_thread){.tid = left[i].tid, .ns_tid = left[i].ns_tid};
            memcpy(r->thread.name, left[i].name, sizeof r->thread.name);
            r->signal = left[i].signal;
        }
        r->main = r->thread.tid == w->image.pid;
    }
    return true;
}

/* The thread of that number, which is mostly at the place where one looks first. */
static const osp_image_thread *image_thread(const osp_image_thread *thread, uint32_t n, uint32_t first, int tid)
{
    if (first < n && thread[first].tid == tid)
        return &thread[first];
    for (uint32_t i = 0; i < n; i++)
        if (thread[i].tid == tid)
            return &thread[i];
    return NULL;
}

/* What has to be of one moment: the runtime's structures, registers, stacks. */
static bool read_state(osp_threads_watch *w, osp_arena *a, osp_go_snapshot *s, osp_threads *t, osp_err *err)
{
    osp_image_thread *thread = NULL;
    uint32_t n = 0;
    bool standing = w->freeze || !w->process, aarch64 = is_aarch64(w);
    if (standing && !w->image.threads(w->image.ctx, a, &thread, &n, err))
        return false;
    t->is_go = w->go && osp_go_snapshot_read(w->go, a, s, &w->why);
    t->why = w->why;
    t->nm = s->nm;
    t->np = s->np;
    t->torn = s->torn;
    for (uint32_t i = 0; i < t->n; i++) {
        osp_thread_row *r = &t->row[i];
        const osp_image_thread *it = image_thread(thread, n, i, r->thread.tid);
        if (t->is_go)
            take_m(w, s, r);
        if (it && it->has_regs)
            read_standing(w, &it->regs, aarch64, a, r);
        else if (w->process && !w->freeze)
            read_blocked(w, a, r);
    }
    return true;
}

static bool look(osp_threads_watch *w, unsigned freeze_ms, osp_arena *a, osp_threads *t, osp_err *err)
{
    osp_go_snapshot s = {0};
    osp_image running = w->image;
    if (!read_rows(w, a, t, err))
        return false;
    if (freeze_ms) {
        w->freeze = osp_freeze_begin(w->process, freeze_ms, err);
        if (!w->freeze)
            return false;
        osp_freeze_image(w->freeze, &w->image);
    }
    bool ok = read_state(w, a, &s, t, err);
    if (w->freeze) {
        t->frozen = true;
        (void)osp_freeze_end(w->freeze, &t->freeze); /* the report says how it went */
        w->freeze = NULL;
        w->image = running;
    }
    for (uint32_t i = 0; ok && i < t->n; i++) {
        osp_thread_row *r = &t->row[i];
        name_stack(w, a, r);
        osp_blocking_text(&r->look.call, &w->image.mem, w->fds, r->call, sizeof r->call);
        r->g_function = r->has_g ? function_at(&w->space, r->g.startpc) : S("");
        r->role = t->is_go ? role_of(w, r) : OSP_ROLE_C;
    }
    if (ok && t->is_go)
        compare(&s, t, a);
    return ok;
}

bool osp_threads_end(osp_threads_watch *w, unsigned freeze_ms, osp_arena *a, osp_threads *out, osp_err *err)
{
    *out = (osp_threads){0};
    if (!osp_space_of_image(&w->space, &w->image, w->objects, err))
        return false;
    osp_space_go(w->go, &w->offsets);
    /* What is looked up for the first time takes long: that is done before anything has to stand still. */
    if (freeze_ms && !look(w, 0, a, out, err))
        return false;
    for (int try = 0; try == 0 || (try < TRIES && out->nnote && !freeze_ms && w->process); try++)
        if (!look(w, freeze_ms, a, out, err))
            return false;
    if (w->go) {
        out->go_version = osp_arena_str(a, osp_go_version(w->go));
        out->layout_source = osp_arena_str(a, osp_go_layout_source(w->go));
    }
    return !w->go || (out->go_version.p && out->layout_source.p) || osp_fail_memory(err, "reading threads");
}

osp_threads_watch *osp_threads_begin(const osp_image *image, osp_objects *objects, osp_err *err)
{
    osp_threads_watch *w = calloc(1, sizeof *w);
    if (!w) {
        osp_fail_memory(err, "reading threads");
        return NULL;
    }
    w->image = *image;
    w->process = image->process;
    w->objects = objects;
    osp_arena_init(&w->arena, ARENA_MAX);
    w->fds = w->process ? osp_fds_of(w->process) : NULL;
    if (w->process && (!w->fds || !osp_process_threads(w->process, &w->arena, &w->before, &w->nbefore, err))) {
        if (!w->fds)
            osp_fail_memory(err, "reading threads");
        osp_threads_drop(w);
        return NULL;
    }
    w->began_ns = osp_monotonic_ns();
    w->go = osp_go_open(&w->image, objects, &w->why);
    return w;
}

void osp_threads_drop(osp_threads_watch *w)
{
    if (!w)
        return;
    osp_go_close(w->go);
    osp_space_drop(&w->space);
    osp_fds_drop(w->fds);
    osp_arena_drop(&w->arena);
    free(w);
}
