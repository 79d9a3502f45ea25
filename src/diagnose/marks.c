/* SPDX-License-Identifier: Apache-2.0 */
/* Weighing of marked stacks: which goroutines or threads show a sign, how much of the process they are, and who is
 * to blame. */
#include "diagnose/diagnose_internal.h"

#include <math.h>
#include <stdlib.h>

/* Fewer samples than these decide nothing. */
enum { MIN_TASK_SAMPLES = 12, MIN_SAMPLES = 20 };

double osp_share_error(double share, uint64_t n)
{
    /* Agresti and Coull: two more of each, so that 100 % of few samples is not called certain. */
    double p = (share * (double)n + 2) / ((double)n + 4);
    return p < 1 ? sqrt(p * (1 - p) / ((double)n + 4)) : 0;
}

const osp_thread_fact *osp_thread_of(const osp_facts *f, int tid)
{
    for (uint32_t i = 0; i < f->nthread; i++)
        if (f->thread[i].tid == tid)
            return &f->thread[i];
    return NULL;
}

double osp_cores_wanted(const osp_facts *f)
{
    double sum = 0;
    for (uint32_t i = 0; i < f->nthread; i++)
        sum += f->thread[i].demand;
    return sum;
}

uint32_t osp_call_of_kind(const osp_stack_fact *s, osp_call_kind kind)
{
    for (uint32_t i = 0; i < s->ncall; i++)
        if (s->call[i].kind == kind)
            return i;
    return UINT32_MAX;
}

uint32_t osp_native_culprit(const osp_stack_fact *s)
{
    uint32_t lib = UINT32_MAX;
    for (uint32_t i = 0; i < s->ncall && !osp_is_go_call(&s->call[i]); i++) {
        if (s->call[i].kind == OSP_CALL_C)
            return i;
        if (lib == UINT32_MAX && (s->call[i].kind == OSP_CALL_LIB || s->call[i].kind == OSP_CALL_CGO))
            lib = i;
    }
    return lib;
}

/* What the compiler makes of `go f(x)`: main.main.gowrap1. */
static bool is_go_wrapper(const osp_call *c)
{
    osp_str digits = osp_str_skip(c->func, osp_str_rfind(c->func, '.') + 1);
    return osp_str_starts(digits, S("gowrap"));
}

const osp_call *osp_entry_of(const osp_stack_fact *s)
{
    const osp_call *std = NULL;
    for (uint32_t i = s->ncall; i-- > 0;) {
        const osp_call *c = &s->call[i];
        if ((c->kind == OSP_CALL_GO && !is_go_wrapper(c)) || c->kind == OSP_CALL_C)
            return c;
        if (c->kind == OSP_CALL_STD && !std)
            std = c;
    }
    return std;
}

typedef struct {
    uint64_t key;
    uint32_t stack;
} keyed;

static int by_key(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->stack > y->stack) - (x->stack < y->stack);
}

/* Cores of demand behind samples: each sample stands for its part of its thread's demand. */
double osp_demand_of(const osp_facts *f, const osp_stack_fact *s)
{
    const osp_thread_fact *t = osp_thread_of(f, s->tid);
    return t && t->samples ? t->demand * (double)s->samples / (double)t->samples : 0;
}

/* Choose the tasks that show the sign, or all of them, and sum up. order: the stacks, those of a task together. */
static void choose(const osp_facts *f, const osp_mark *mark, const osp_mark_limits *limits, const keyed *order,
                   bool all_of_them, bool *chosen, osp_marked *out)
{
    double in_tasks = 0, heaviest = 0;
    *out = (osp_marked){.chosen = chosen};
    for (uint32_t from = 0, to; from < f->nstack; from = to) {
        double all = 0, marked = 0, signs = 0;
        uint64_t samples = 0;
        for (to = from; to < f->nstack && order[to].key == order[from].key; to++) {
            const osp_stack_fact *s = &f->stack[order[to].stack];
            const osp_mark *m = &mark[order[to].stack];
            samples += s->samples;
            all += s->share;
            marked += m->sign || m->with ? s->share : 0;
            signs += m->sign ? s->share : 0;
        }
        bool take = samples >= MIN_TASK_SAMPLES && marked >= limits->task_fraction * all && signs > 0 &&
                    signs >= limits->task_sign * all;
        if (!take && !all_of_them)
            continue;
        out->tasks += take;
        in_tasks += all;
        for (uint32_t k = from; k < to; k++)
            chosen[order[k].stack] = true;
        if (signs > heaviest) {
            heaviest = signs;
            out->goid = order[from].key & 1 ? order[from].key >> 1 : 0;
            out->tid = f->stack[order[from].stack].tid;
        }
    }
    for (uint32_t i = 0; i < f->nstack; i++) {
        if (!chosen[i] || !(mark[i].sign || mark[i].with))
            continue;
        out->sign += mark[i].sign ? f->stack[i].share : 0;
        out->with += mark[i].sign ? 0 : f->stack[i].share;
        out->samples += mark[i].sign ? f->stack[i].samples : 0;
        out->demand += osp_demand_of(f, &f->stack[i]);
    }
    out->of_tasks = in_tasks > 0 ? (out->sign + out->with) / in_tasks : 0;
}

bool osp_marks_weigh(const osp_facts *f, const osp_mark *mark, const osp_mark_limits *limits, osp_marked *out)
{
    *out = (osp_marked){0};
    bool *chosen = osp_new(f->arena, bool, f->nstack + 1);
    keyed *order = osp_new(f->arena, keyed, f->nstack + 1);
    if (!chosen || !order || f->samples < MIN_SAMPLES)
        return false;
    double marked = 0, signs = 0;
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        order[i] = (keyed){osp_task_of(s, limits->by_thread), i};
        marked += mark[i].sign || mark[i].with ? s->share : 0;
        signs += mark[i].sign ? s->share : 0;
    }
    qsort(order, f->nstack, sizeof *order, by_key);
    choose(f, mark, limits, order, false, chosen, out);
    /* The whole process stands for its tasks where most of what is marked is in none of those that were chosen. */
    if (marked >= limits->process_fraction && signs >= limits->task_sign * marked &&
        out->sign + out->with < 0.7 * marked)
        choose(f, mark, limits, order, true, chosen, out);
    return out->samples > 0;
}

void osp_marks_add_bodies(const osp_facts *f, osp_mark *mark)
{
    enum { MAX = 32 };
    osp_str name[MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->nstack && n < MAX; i++) {
        if (!mark[i].sign || mark[i].call >= f->stack[i].ncall)
            continue;
        osp_str func = f->stack[i].call[mark[i].call].func;
        uint32_t k = 0;
        while (k < n && !osp_str_eq(name[k], func))
            k++;
        if (k == n)
            name[n++] = func;
    }
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        uint32_t leaf = 0;
        while (leaf < s->ncall && s->call[leaf].kind == OSP_CALL_KERNEL)
            leaf++;
        for (uint32_t k = 0; k < n && leaf < s->ncall && !mark[i].sign && !mark[i].with; k++)
            mark[i].with = osp_str_eq(name[k], s->call[leaf].func);
    }
}

/* Calls that are one function for the reader: unnamed ones of a module count as one. */
static bool same_function(const osp_call *a, const osp_call *b)
{
    if (!osp_str_eq(a->module, b->module) || a->named != b->named)
        return false;
    return !a->named || (osp_str_eq(a->func, b->func) && osp_str_eq(a->file, b->file));
}

bool osp_blame(const osp_facts *f, const osp_mark *mark, const bool *chosen, osp_blamed *out)
{
    enum { MAX = 64 };
    osp_blamed found[MAX];
    double heaviest[MAX];
    uint32_t n = 0;
    *out = (osp_blamed){0};
    for (uint32_t i = 0; i < f->nstack; i++) {
        const osp_stack_fact *s = &f->stack[i];
        if ((chosen && !chosen[i]) || !mark[i].sign || mark[i].call >= s->ncall)
            continue;
        const osp_call *c = &s->call[mark[i].call];
        uint32_t k = 0;
        while (k < n && !same_function(found[k].call, c))
            k++;
        if (k == MAX)
            continue;
        if (k == n) {
            found[n] = (osp_blamed){.call = c, .stack = s};
            heaviest[n++] = s->share;
        }
        found[k].share += s->share;
        if (s->share > heaviest[k]) {
            heaviest[k] = s->share;
            found[k].call = c;
            found[k].stack = s;
        }
    }
    for (uint32_t k = 0; k < n; k++)
        if (!out->call || found[k].share > out->share)
            *out = found[k];
    return out->call != NULL;
}

bool osp_blame_by(const osp_facts *f, osp_culprit *of, osp_blamed *out)
{
    *out = (osp_blamed){0};
    osp_mark *mark = osp_new(f->arena, osp_mark, f->nstack + 1);
    if (!mark)
        return false;
    for (uint32_t i = 0; i < f->nstack; i++)
        mark[i] = (osp_mark){.sign = true, .call = of(&f->stack[i])};
    return osp_blame(f, mark, NULL, out);
}

uint32_t osp_place_of(const osp_stack_fact *s) { return osp_place_in(s->call, s->ncall); }

/* Package time, and what stands in for it below: the runtime's own clock functions by their files. */
static bool is_go_clock(const osp_call *c)
{
    osp_str base = osp_str_base(c->file);
    if (c->kind == OSP_CALL_STD)
        return osp_str_starts(c->func, S("time."));
    return c->kind == OSP_CALL_RUNTIME &&
           (osp_str_has(c->func, S("nanotime")) || osp_str_has(c->func, S("walltime")) ||
            osp_str_has(c->func, S("time_now")) || osp_str_starts(base, S("timestub")) ||
            osp_str_starts(base, S("time_nofake")) || osp_str_starts(base, S("time_linux")) ||
            osp_str_starts(base, S("vdso_")));
}

/* Of those, the ones that do read the clock: not time.Time.After and its like. */
static bool reads_go_clock(const osp_call *c)
{
    static const char *const name[] = {"time.now",   "time.Now",         "time.Since",
                                       "time.Until", "time.runtimeNano", "time.runtimeNow"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (osp_str_eq(c->func, osp_str_from(name[i])))
            return true;
    return c->kind == OSP_CALL_RUNTIME;
}

static bool is_c_clock(const osp_call *c)
{
    if (c->kind != OSP_CALL_LIB && c->kind != OSP_CALL_C)
        return false;
    if (osp_str_has(c->func, S("clock_gettime")) || osp_str_has(c->func, S("gettimeofday")) ||
        (osp_str_has(c->func, S("chrono")) && osp_str_ends(c->func, S("now"))) ||
        (osp_str_has(c->func, S("chrono")) && osp_str_has(c->func, S("::now("))))
        return true;
    return c->kind == OSP_CALL_LIB && (osp_str_eq(c->func, S("time")) || osp_str_eq(c->func, S("clock")) ||
                                       osp_str_eq(c->func, S("time@plt")) || osp_str_eq(c->func, S("clock@plt")));
}

static bool is_kernel_clock(const osp_call *c)
{
    return c->kind == OSP_CALL_KERNEL && osp_str_has(c->func, S("sys_")) &&
           (osp_str_has(c->func, S("clock_gettime")) || osp_str_has(c->func, S("gettimeofday")) ||
            osp_str_ends(c->func, S("sys_time")));
}

/* What makes any system call that it is asked for. */
static bool is_any_call(const osp_call *c)
{
    return (c->kind == OSP_CALL_LIB && osp_str_eq(c->func, S("syscall"))) ||
           (c->kind == OSP_CALL_STD &&
            osp_str_among(c->func, "syscall.Syscall syscall.RawSyscall syscall.RawSyscall6 "
                                   "syscall.Syscall6 syscall.rawSyscallNoError"));
}

bool osp_is_clock_stack(const osp_stack_fact *s, uint32_t *caller, bool *in_kernel)
{
    bool read = false;
    uint32_t i = 0;
    *in_kernel = false;
    *caller = UINT32_MAX;
    for (; i < s->ncall && s->call[i].kind == OSP_CALL_KERNEL; i++)
        *in_kernel = *in_kernel || is_kernel_clock(&s->call[i]);
    for (; i < s->ncall; i++) {
        const osp_call *c = &s->call[i];
        if (c->kind == OSP_CALL_VDSO)
            read = true;
        else if (is_go_clock(c))
            read = read || reads_go_clock(c);
        else if (is_c_clock(c))
            read = true;
        else if (!is_any_call(c) && (c->kind != OSP_CALL_RUNTIME || !osp_str_has(c->func, S("systemstack"))))
            break;
    }
    if (!read && !*in_kernel)
        return false;
    if (i >= s->ncall)
        return true;
    *caller = i;
    return s->call[i].kind != OSP_CALL_RUNTIME && s->call[i].kind != OSP_CALL_UNKNOWN;
}

bool osp_is_crossing_stack(const osp_stack_fact *s, uint32_t *caller)
{
    bool crossing = false;
    *caller = UINT32_MAX;
    for (uint32_t i = 0; i < s->ncall; i++) {
        const osp_call *c = &s->call[i];
        if (c->kind == OSP_CALL_CGO || c->kind == OSP_CALL_RUNTIME) {
            crossing = crossing || osp_is_crossing_frame(c);
            continue;
        }
        if (c->kind == OSP_CALL_GO || c->kind == OSP_CALL_STD) {
            *caller = i;
            return crossing;
        }
        if (c->kind != OSP_CALL_KERNEL)
            return false;
    }
    return crossing;
}

bool osp_is_cgo_native_stack(const osp_stack_fact *s)
{
    uint32_t i = 0;
    while (i < s->ncall && (s->call[i].kind == OSP_CALL_KERNEL || s->call[i].kind == OSP_CALL_VDSO ||
                            s->call[i].kind == OSP_CALL_UNKNOWN))
        i++;
    if (i >= s->ncall || (s->call[i].kind != OSP_CALL_C && s->call[i].kind != OSP_CALL_LIB))
        return false;
    for (; i < s->ncall; i++)
        if (osp_is_go_call(&s->call[i]))
            return true;
    return s->in == OSP_IN_CGO_C;
}
