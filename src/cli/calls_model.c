/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/calls_model.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

static const size_t MODEL_LIMIT = 512 << 20;

typedef struct {
    const osp_recording *rec;
    const osp_profile *p;
    osp_calls_model *m;
    osp_arena *a;
    const osp_frames *frames; /* by stack */
    const int64_t *calls, *ns, *bytes;
    bool many; /* processes of several names */
} making;

/* ---- places ---------------------------------------------------------------------------------------------------------- */

/* Is this function of Go's runtime only the way from another one into the kernel? */
static bool is_gate(osp_str name)
{
    static const char *const head[] = {"runtime.futex",
                                       "runtime.note",
                                       "runtime.mPark",
                                       "runtime.usleep",
                                       "runtime.osyield",
                                       "runtime.lock",
                                       "runtime.unlock",
                                       "runtime.epoll",
                                       "runtime.mmap",
                                       "runtime.sysMmap",
                                       "runtime.munmap",
                                       "runtime.madvise",
                                       "runtime.read",
                                       "runtime.write",
                                       "runtime.tgkill",
                                       "runtime.clone",
                                       "runtime.systemstack",
                                       "runtime.semasleep",
                                       "runtime.semawakeup",
                                       "internal/runtime/syscall",
                                       "runtime/internal/syscall"};
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        if (osp_str_starts(name, osp_str_from(head[i])))
            return true;
    return false;
}

static bool is_own(const osp_call *c)
{
    return c->kind == OSP_CALL_GO || c->kind == OSP_CALL_C || c->kind == OSP_CALL_STD || c->kind == OSP_CALL_CGO;
}

/* A stack of Go's scheduler, or of its monitor: nothing but the runtime. */
static bool is_scheduler(const osp_frames *f)
{
    bool runtime = false, own = false;
    for (uint32_t i = 0; i < f->n; i++) {
        runtime |= f->call[i].kind == OSP_CALL_RUNTIME;
        own |= is_own(&f->call[i]) && !is_gate(f->call[i].func);
    }
    return runtime && !own;
}

/* The frame that a stack is about; NULL: there is none. */
static const osp_call *about(const osp_frames *f)
{
    if (!f->n)
        return NULL;
    for (uint32_t i = 0; is_scheduler(f) && i < f->n; i++)
        if (f->call[i].kind == OSP_CALL_RUNTIME && !is_gate(f->call[i].func))
            return &f->call[i];
    return &f->call[osp_frames_blame(f)];
}

/* What begins the goroutine or thread, with the name of its process where there are several. */
static osp_str group_of(making *k, uint32_t sample, const osp_frames *f)
{
    osp_str process = k->many ? osp_label_text(k->p, k->p->samples.labels[sample], S("process")) : S(""),
            root = f->n ? f->call[osp_frames_root(f)].func : S("");
    char text[512];
    if (osp_str_eq(root, S("runtime.mcall")) || osp_str_starts(root, S("runtime.mstart")))
        root = S("Go's scheduler");
    if (!process.n)
        return root;
    int n =
        snprintf(text, sizeof text, "%.*s: %.*s", STRF(osp_str_head(process, 100)), STRF(osp_str_head(root, 380)));
    return osp_arena_str(k->a, (osp_str){text, n > 0 ? (size_t)n : 0});
}

/* The place among n of an array that grows in the arena; NULL without memory. */
static osp_call_place *place_in(making *k, osp_call_place **array, uint32_t *n, const osp_call_place *like)
{
    for (uint32_t i = 0; i < *n; i++) {
        osp_call_place *p = &(*array)[i];
        if (p->line == like->line && osp_str_eq(p->function, like->function) && osp_str_eq(p->file, like->file) &&
            osp_str_eq(p->group, like->group))
            return p;
    }
    if ((*n & (*n - 1)) == 0) { /* a power of two is full */
        osp_call_place *more = osp_new(k->a, osp_call_place, *n ? 2 * (size_t)*n : 1);
        if (!more)
            return NULL;
        if (*n)
            memcpy(more, *array, *n * sizeof *more);
        *array = more;
    }
    osp_call_place *p = &(*array)[(*n)++];
    *p = *like;
    return p;
}

/* Add a sample's calls to a list of places. */
static bool add_place(making *k, osp_call_place **array, uint32_t *n, uint32_t sample, bool failed)
{
    const osp_frames *f = &k->frames[k->p->samples.stack[sample].i];
    const osp_call *c = about(f);
    osp_call_place like = {.group = group_of(k, sample, f), .stack = f};
    if (c) {
        like.function = c->func;
        like.file = c->file;
        like.line = c->line;
    }
    osp_call_place *p = place_in(k, array, n, &like);
    if (!p)
        return false;
    uint64_t calls = (uint64_t)k->calls[sample];
    p->calls += calls;
    p->errors += failed ? calls : 0;
    p->ns += (uint64_t)k->ns[sample];
    p->bytes += (uint64_t)k->bytes[sample];
    if (calls > p->stack_calls) {
        p->stack_calls = calls;
        p->stack = f;
    }
    return true;
}

static bool add_failure(making *k, osp_call_row *row, osp_str name, uint32_t sample)
{
    osp_call_failure *f = NULL;
    for (uint32_t i = 0; i < row->nfailure && !f; i++)
        if (osp_str_eq(row->failure[i].name, name))
            f = &row->failure[i];
    if (!f) {
        osp_call_failure *more = osp_new(k->a, osp_call_failure, (size_t)row->nfailure + 1);
        osp_str copy = osp_arena_str(k->a, name);
        if (!more || !copy.p)
            return false;
        if (row->nfailure)
            memcpy(more, row->failure, row->nfailure * sizeof *more);
        row->failure = more;
        f = &more[row->nfailure++];
        *f = (osp_call_failure){.name = copy};
    }
    f->calls += (uint64_t)k->calls[sample];
    return add_place(k, &f->place, &f->nplace, sample, true);
}

uint64_t osp_call_placed(const osp_call_place *place, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += place[i].stack->n ? place[i].calls : 0;
    return sum;
}

static osp_call_row *row_of(making *k, osp_str name, osp_str op)
{
    for (uint32_t i = 0; i < k->m->nrow; i++)
        if (osp_str_eq(k->m->row[i].name, name) && osp_str_eq(k->m->row[i].op, op))
            return &k->m->row[i];
    return NULL;
}

static bool add_rows(making *k)
{
    char number[OSP_SYSCALL_NUMBER];
    k->m->row = osp_new(k->a, osp_call_row, (size_t)k->rec->ncalled + 1);
    for (uint32_t i = 0; k->m->row && i < k->rec->ncalled; i++) {
        const osp_called *c = &k->rec->called[i];
        osp_call_row *row = &k->m->row[k->m->nrow++];
        *row = (osp_call_row){.name = osp_arena_str(k->a, osp_str_from(osp_syscall_text(c->nr, number))),
                              .op = osp_str_from(osp_futex_op_text(c->op)),
                              .called = c};
        k->m->calls += c->calls;
        k->m->errors += c->errors;
        k->m->in += c->moves == OSP_MOVES_IN ? c->bytes : 0;
        k->m->out += c->moves == OSP_MOVES_OUT ? c->bytes : 0;
    }
    return k->m->row != NULL;
}

static bool has_many(const osp_profile *p)
{
    osp_str first = p->samples.n ? osp_label_text(p, p->samples.labels[0], S("process")) : S("");
    for (uint32_t i = 1; i < p->samples.n; i++)
        if (!osp_str_eq(osp_label_text(p, p->samples.labels[i], S("process")), first))
            return true;
    return false;
}

static bool add_samples(making *k)
{
    k->many = has_many(k->p);
    k->calls = osp_profile_column(k->p, S("syscalls"));
    k->ns = osp_profile_column(k->p, S("syscall-time"));
    k->bytes = osp_profile_column(k->p, S("syscall-bytes"));
    if (!k->calls || !k->ns || !k->bytes)
        return true;
    for (uint32_t i = 0; i < k->p->samples.n; i++) {
        if (!k->calls[i])
            continue;
        osp_labelset_id set = k->p->samples.labels[i];
        osp_str failure = osp_label_text(k->p, set, S("errno"));
        osp_call_row *row = row_of(k, osp_label_text(k->p, set, S("syscall")), osp_label_text(k->p, set, S("op")));
        if (row && (!add_place(k, &row->place, &row->nplace, i, failure.n > 0) ||
                    (failure.n && !add_failure(k, row, failure, i))))
            return false;
    }
    return true;
}

/* ---- orders ---------------------------------------------------------------------------------------------------------- */

static int descending(uint64_t a, uint64_t b) { return (a < b) - (a > b); }

/* Those without a stack stand last: they are calls that were only counted. */
static int place_by_calls(const void *a, const void *b)
{
    const osp_call_place *p = a, *q = b;
    int no_stack = (p->stack->n == 0) - (q->stack->n == 0);
    return no_stack ? no_stack : descending(p->calls, q->calls);
}

static int failure_by_calls(const void *a, const void *b)
{
    return descending(((const osp_call_failure *)a)->calls, ((const osp_call_failure *)b)->calls);
}

static int pair_by_count(const void *a, const void *b)
{
    return descending(((const osp_wake_pair *)a)->count, ((const osp_wake_pair *)b)->count);
}

#define ROW_ORDER(what)                                                                                      \
    static int by_##what(const void *a, const void *b)                                                       \
    {                                                                                                        \
        return descending(((const osp_call_row *)a)->called->what, ((const osp_call_row *)b)->called->what); \
    }
ROW_ORDER(calls)
ROW_ORDER(errors)
ROW_ORDER(bytes)
ROW_ORDER(ns)
ROW_ORDER(max_ns)

static const struct {
    const char *name;
    int (*compare)(const void *a, const void *b);
} orders[] = {{"calls", by_calls}, {"time", by_ns}, {"errors", by_errors}, {"bytes", by_bytes}, {"max", by_max_ns}};

const char *osp_calls_order(size_t i) { return i < sizeof orders / sizeof *orders ? orders[i].name : NULL; }

static void sort(osp_calls_model *m, osp_str order)
{
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (osp_str_eq(order, osp_str_from(orders[i].name)) && m->nrow)
            qsort(m->row, m->nrow, sizeof *m->row, orders[i].compare);
    for (uint32_t i = 0; i < m->nrow; i++) {
        osp_call_row *row = &m->row[i];
        if (row->nplace)
            qsort(row->place, row->nplace, sizeof *row->place, place_by_calls);
        if (row->nfailure)
            qsort(row->failure, row->nfailure, sizeof *row->failure, failure_by_calls);
        for (uint32_t k = 0; k < row->nfailure; k++)
            qsort(row->failure[k].place, row->failure[k].nplace, sizeof *row->place, place_by_calls);
    }
    if (m->npair)
        qsort(m->pair, m->npair, sizeof *m->pair, pair_by_count);
}

static void drop_without_errors(osp_calls_model *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->nrow; i++)
        if (m->row[i].called->errors)
            m->row[n++] = m->row[i];
    m->nrow = n;
}

/* ---- wake-ups -------------------------------------------------------------------------------------------------------- */

/* What a stack is about, for who wakes whom. */
static osp_str actor(const osp_frames *f)
{
    const osp_call *c = about(f);
    return !c ? S("(unknown)") : is_scheduler(f) ? S("an idle Go thread") : c->func;
}

static osp_str waker_of(const making *k, const osp_wake *w)
{
    static const char *const by_scheduler[OSP_CAUSES] = {
        [OSP_CAUSE_UNKNOWN] = "Go's scheduler",
        [OSP_CAUSE_TIMER] = "timer, by the scheduler",
        [OSP_CAUSE_NETWORK] = "network, by the scheduler",
    };
    if (w->by_thread && (w->cause == OSP_CAUSE_CODE || w->cause == OSP_CAUSE_RUNTIME))
        return actor(&k->frames[w->code.i]);
    bool handed_on = w->by_thread && by_scheduler[w->cause];
    return osp_str_from(handed_on ? by_scheduler[w->cause] : osp_cause_text(w->cause));
}

static osp_wake_pair *pair_of(making *k, const osp_wake_pair *like)
{
    osp_calls_model *m = k->m;
    for (uint32_t i = 0; i < m->npair; i++)
        if (m->pair[i].cause == like->cause && osp_str_eq(m->pair[i].waker, like->waker) &&
            osp_str_eq(m->pair[i].woken, like->woken) && osp_str_eq(m->pair[i].call, like->call))
            return &m->pair[i];
    m->pair[m->npair] = *like;
    return &m->pair[m->npair++];
}

static bool add_wakes(making *k)
{
    osp_calls_model *m = k->m;
    m->pair = osp_new(k->a, osp_wake_pair, (size_t)k->rec->nwake + 1);
    for (uint32_t i = 0; m->pair && i < k->rec->nwake; i++) {
        const osp_wake *w = &k->rec->wake[i];
        const osp_wake_pair like = {.cause = w->cause,
                                    .call = w->call ? osp_str_from(osp_syscall_name(w->call - 1)) : S(""),
                                    .waker = waker_of(k, w),
                                    .woken = actor(&k->frames[w->woken.i])};
        osp_wake_pair *pair = pair_of(k, &like);
        pair->count += w->count;
        pair->inherited += w->inherited ? w->count : 0;
        m->wakes += w->count;
        m->by_threads += w->by_thread ? w->count : 0;
        m->inherited += w->inherited ? w->count : 0;
        *(w->by_thread ? &m->by_cause[w->cause] : &m->by_interrupt[w->cause]) += w->count;
    }
    return m->pair != NULL;
}

static void count_epoll(osp_calls_model *m)
{
    for (uint32_t i = 0; i < m->nrow; i++) {
        const osp_called *c = m->row[i].called;
        if (osp_str_starts(m->row[i].name, S("epoll_wait")) || osp_str_starts(m->row[i].name, S("epoll_pwait"))) {
            m->epoll.returns += c->calls;
            m->epoll.empty += c->nothing;
            m->epoll.failed += c->errors;
        } else if (c->moves == OSP_MOVES_IN) {
            m->epoll.useful += c->calls - c->errors - c->nothing;
        }
    }
}

bool osp_calls_model_make(const osp_recording *rec, const osp_profile *named, osp_str order, bool only_errors,
                          osp_calls_model *out, osp_err *err)
{
    *out = (osp_calls_model){.seconds = (double)rec->stats.duration_ns / 1e9};
    osp_arena_init(&out->arena, MODEL_LIMIT);
    making k = {.rec = rec, .p = named, .m = out, .a = &out->arena};
    bool ok = osp_frames_read(rec, named, k.a, &k.frames) && add_rows(&k) && add_samples(&k) && add_wakes(&k);
    if (!ok) {
        osp_calls_model_drop(out);
        return osp_fail_memory(err, "counting system calls");
    }
    count_epoll(out);
    if (only_errors)
        drop_without_errors(out);
    sort(out, order);
    return true;
}

void osp_calls_model_drop(osp_calls_model *m)
{
    osp_arena_drop(&m->arena);
    *m = (osp_calls_model){0};
}
