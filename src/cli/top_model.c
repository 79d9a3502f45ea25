/* SPDX-License-Identifier: Apache-2.0 */
/* Slices and the rows made of them. Functions are numbered for good; a slice is kept as numbers, and rows are sums over the
 * slices of the window, made anew for each question: some thousand stacks, a millisecond. */
#include "cli/top_model.h"
#include "cli/frames.h"

#include "base/buf.h"
#include "base/hash.h"

#include <stdlib.h>

enum { SLICES = 128, NAMES_LIMIT = 256 << 20 };

typedef struct {
    osp_str name, file;
    osp_call_kind kind;
} function;

typedef struct {
    uint32_t first, n; /* into fn[], leaf first */
    int tid;
    uint64_t goid;
    uint32_t group, blame; /* functions */
    uint32_t reason;       /* numbered like a function; 0 = none */
    double cpu, wait;      /* ns */
} stack;

typedef struct {
    double seconds;
    uint32_t *fn;
    stack *stack;
    uint32_t nstack;
    uint64_t samples, whole, lost;
    uint32_t hz, unseen;
    bool has_wait;
} kept;

struct osp_top_model {
    double window;
    osp_arena names;
    osp_intern keys; /* name NUL file -> number of a function */
    function *function;
    size_t cap;
    kept slice[SLICES]; /* a ring; the newest at (begin + n - 1) */
    unsigned begin, n;
    char gave_up[sizeof((osp_sample_stats){0}.gave_up)];
};

/* The first of all names is none, so that 0 says "no reason". */
static const osp_call nothing = {.func = S(""), .file = S("")};

/* ---- slices in ------------------------------------------------------------------------------------------------- */

osp_top_model *osp_top_model_new(double seconds, osp_err *err)
{
    osp_top_model *m = calloc(1, sizeof *m);
    if (!m) {
        osp_fail_memory(err, "starting");
        return NULL;
    }
    m->window = seconds;
    osp_arena_init(&m->names, NAMES_LIMIT);
    return m;
}

static void drop_kept(kept *k)
{
    free(k->fn);
    free(k->stack);
    k->fn = NULL;
    k->stack = NULL;
    k->nstack = 0;
}

static void drop_oldest(osp_top_model *m)
{
    drop_kept(&m->slice[m->begin]);
    m->begin = (m->begin + 1) % SLICES;
    m->n--;
}

void osp_top_model_clear(osp_top_model *m)
{
    while (m->n)
        drop_oldest(m);
    osp_intern_drop(&m->keys);
    osp_arena_drop(&m->names);
    free(m->function);
    m->function = NULL;
    m->cap = 0;
    m->gave_up[0] = 0;
}

void osp_top_model_drop(osp_top_model *m)
{
    if (!m)
        return;
    osp_top_model_clear(m);
    free(m);
}

/* UINT32_MAX without memory. */
static uint32_t number_of(osp_top_model *m, const osp_call *c)
{
    char key[1024];
    size_t n = c->func.n < sizeof key / 2 ? c->func.n : sizeof key / 2 - 1, k = c->file.n;
    k = k < sizeof key - n - 1 ? k : sizeof key - n - 1;
    memcpy(key, c->func.p, n);
    key[n] = 0;
    if (k)
        memcpy(key + n + 1, c->file.p, k);
    osp_str text = {key, n + 1 + k};
    uint32_t id = osp_intern_find(&m->keys, text);
    if (id != UINT32_MAX)
        return id;
    osp_str copy = osp_arena_str(&m->names, text);
    if (!copy.p || !osp_grow((void **)&m->function, &m->cap, (size_t)m->keys.n + 1, sizeof *m->function) ||
        (id = osp_intern_put(&m->keys, copy, NULL)) == UINT32_MAX)
        return UINT32_MAX;
    m->function[id] = (function){{copy.p, n}, {copy.p + n + 1, k}, c->kind};
    return id;
}

static bool keep_stacks(osp_top_model *m, const osp_top_slice *s, kept *k)
{
    size_t total = 0;
    for (uint32_t i = 0; i < s->nstack; i++)
        total += s->stack[i].ncall;
    k->fn = calloc(total + 1, sizeof *k->fn);
    k->stack = calloc((size_t)s->nstack + 1, sizeof *k->stack);
    if (!k->fn || !k->stack || total > UINT32_MAX || number_of(m, &nothing) == UINT32_MAX)
        return false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->nstack; i++) {
        const osp_top_stack *from = &s->stack[i];
        if (!from->ncall)
            continue;
        stack *to = &k->stack[k->nstack++];
        *to = (stack){.first = at,
                      .n = from->ncall,
                      .tid = from->tid,
                      .goid = from->goid,
                      .cpu = from->cpu_ns,
                      .wait = from->wait_ns};
        const osp_call reason = {.func = from->reason, .file = S("")};
        to->reason = from->reason.n ? number_of(m, &reason) : 0;
        if (to->reason == UINT32_MAX)
            return false;
        for (uint32_t c = 0; c < from->ncall; c++, at++)
            if ((k->fn[at] = number_of(m, &from->call[c])) == UINT32_MAX)
                return false;
        const osp_frames frames = {from->call, from->ncall};
        to->group = k->fn[to->first + osp_frames_root(&frames)];
        to->blame = k->fn[to->first + osp_frames_blame(&frames)];
    }
    return true;
}

bool osp_top_model_add(osp_top_model *m, const osp_top_slice *s, osp_err *err)
{
    kept k = {.seconds = s->seconds,
              .samples = s->samples,
              .whole = s->whole,
              .lost = s->lost,
              .hz = s->hz,
              .has_wait = s->has_wait,
              .unseen = s->unseen};
    bool ok = keep_stacks(m, s, &k);
    if (!ok && m->keys.n) { /* so many names that there is no room for more: begin anew */
        drop_kept(&k);
        osp_top_model_clear(m);
        ok = keep_stacks(m, s, &k);
    }
    if (!ok) {
        drop_kept(&k);
        return osp_fail_memory(err, "keeping samples");
    }
    if (m->n == SLICES)
        drop_oldest(m);
    m->slice[(m->begin + m->n++) % SLICES] = k;
    osp_str_z(s->gave_up, m->gave_up, sizeof m->gave_up);
    /* The window is full without its oldest slice: that goes. */
    for (double seconds = osp_top_model_sum(m).seconds; m->n > 1;
         seconds -= m->slice[m->begin].seconds, drop_oldest(m))
        if (seconds - m->slice[m->begin].seconds < m->window - 1e-6)
            break;
    return true;
}

osp_top_sum osp_top_model_sum(const osp_top_model *m)
{
    osp_top_sum sum = {.gave_up = osp_str_from(m->gave_up)};
    for (unsigned i = 0; i < m->n; i++) {
        const kept *k = &m->slice[(m->begin + i) % SLICES];
        sum.seconds += k->seconds;
        sum.samples += k->samples;
        sum.whole += k->whole;
        sum.lost += k->lost;
        sum.hz = k->hz;
        sum.unseen = k->unseen > sum.unseen ? k->unseen : sum.unseen;
        sum.has_wait |= k->has_wait;
        for (uint32_t s = 0; s < k->nstack; s++)
            sum.cores += k->stack[s].cpu;
    }
    sum.cores = sum.seconds > 0 ? sum.cores / 1e9 / sum.seconds : 0;
    return sum;
}

/* ---- rows out -------------------------------------------------------------------------------------------------- */

/* Ids of rows: a function's number + 1; callers and callees apart; a thread's number. */
enum { CALLER_BIT = 40, CALLEE_BIT = 41 };
static uint64_t id_of(uint32_t fn) { return (uint64_t)fn + 1; }
static uint32_t fn_of(uint64_t id) { return (uint32_t)(id & 0xffffffffu) - 1; }

const char *osp_top_order(osp_top_view view, size_t i)
{
    static const char *const order[OSP_TOP_VIEWS][6] = {
        [OSP_TOP_PROCESSES] = {"cpu", "goroutines", "rss", "heap", "pid"},
        [OSP_TOP_FUNCTIONS] = {"self", "total", "wait", "name"},
        [OSP_TOP_THREADS] = {"cpu", "queue", "wait", "tid"},
        [OSP_TOP_GROUPS] = {"cpu", "wait", "goroutines", "name"},
        [OSP_TOP_REASONS] = {"wait", "goroutines", "name"},
        [OSP_TOP_AROUND] = {"total", "wait"},
    };
    return i < 6 ? order[view][i] : NULL;
}

bool osp_top_has(osp_str text, osp_str word)
{
    for (size_t i = 0; i + word.n <= text.n; i++) {
        size_t k = 0;
        for (; k < word.n; k++) {
            char a = text.p[i + k], b = word.p[k];
            a = a >= 'A' && a <= 'Z' ? (char)(a | 0x20) : a;
            b = b >= 'A' && b <= 'Z' ? (char)(b | 0x20) : b;
            if (a != b)
                break;
        }
        if (k == word.n)
            return true;
    }
    return false;
}

const char *osp_top_origin(osp_call_kind kind)
{
    static const char *const text[] = {
        [OSP_CALL_UNKNOWN] = "?",       [OSP_CALL_GO] = "Go",     [OSP_CALL_STD] = "Go std",
        [OSP_CALL_RUNTIME] = "runtime", [OSP_CALL_CGO] = "cgo",   [OSP_CALL_C] = "C",
        [OSP_CALL_LIB] = "C lib",       [OSP_CALL_VDSO] = "vDSO", [OSP_CALL_KERNEL] = "kernel",
    };
    return text[kind];
}

/* A question at work. */
typedef struct {
    const osp_top_model *m;
    const osp_top_question *q;
    osp_arena *a;
    double per_s; /* of ns in the window: seconds a second */
    osp_top_row *row;
    uint32_t n;
} asking;

static bool asks_for(const osp_top_question *q, const stack *s)
{
    return (q->tid == 0 || s->tid == q->tid) && (q->group == 0 || fn_of(q->group) == s->group) &&
           (q->reason == 0 || fn_of(q->reason) == s->reason);
}

typedef bool each_stack(asking *ask, const stack *s, const uint32_t *fn, void *ctx);

static bool for_stacks(asking *ask, each_stack *each, void *ctx)
{
    for (unsigned i = 0; i < ask->m->n; i++) {
        const kept *k = &ask->m->slice[(ask->m->begin + i) % SLICES];
        for (uint32_t s = 0; s < k->nstack; s++)
            if (asks_for(ask->q, &k->stack[s]) && !each(ask, &k->stack[s], k->fn + k->stack[s].first, ctx))
                return false;
    }
    return true;
}

/* Sums for each function, and in which stack it was counted last, so that recursion counts once. */
typedef struct {
    double self, total, wait;
    uint32_t seen;
} sums;

typedef struct {
    sums *of;
    uint32_t stacks;
} counting;

static bool count_functions(asking *ask, const stack *s, const uint32_t *fn, void *ctx)
{
    counting *c = ctx;
    (void)ask;
    c->stacks++;
    c->of[fn[0]].self += s->cpu;
    for (uint32_t i = 0; i < s->n; i++) {
        sums *of = &c->of[fn[i]];
        if (of->seen == c->stacks)
            continue;
        of->seen = c->stacks;
        of->total += s->cpu;
        of->wait += s->wait;
    }
    return true;
}

static bool wanted(const asking *ask, osp_str name, osp_str file)
{
    return ask->q->filter.n == 0 || osp_top_has(name, ask->q->filter) || osp_top_has(file, ask->q->filter);
}

static osp_top_row function_row(const asking *ask, uint32_t fn, const sums *of)
{
    const function *f = &ask->m->function[fn];
    return (osp_top_row){.id = id_of(fn),
                         .name = f->name,
                         .file = f->file,
                         .kind = f->kind,
                         .self = of->self * ask->per_s,
                         .total = of->total * ask->per_s,
                         .wait = of->wait * ask->per_s};
}

static bool ask_functions(asking *ask)
{
    uint32_t n = ask->m->keys.n;
    counting c = {.of = osp_new(ask->a, sums, n + 1)};
    ask->row = osp_new(ask->a, osp_top_row, n + 1);
    if (!c.of || !ask->row)
        return false;
    for_stacks(ask, count_functions, &c);
    for (uint32_t i = 0; i < n; i++)
        if (c.of[i].seen && wanted(ask, ask->m->function[i].name, ask->m->function[i].file))
            ask->row[ask->n++] = function_row(ask, i, &c.of[i]);
    return true;
}

/* ---- callers and callees ---------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t focus, stacks;
    sums self, *caller, *callee; /* by function; self of a caller: time in the focus itself, called by it */
} around;

static void count_once(sums *of, uint32_t stack_number, const stack *s, bool leaf)
{
    if (of->seen == stack_number)
        return;
    of->seen = stack_number;
    of->total += s->cpu;
    of->wait += s->wait;
    of->self += leaf ? s->cpu : 0;
}

static bool count_around(asking *ask, const stack *s, const uint32_t *fn, void *ctx)
{
    around *c = ctx;
    (void)ask;
    c->stacks++;
    for (uint32_t i = 0; i < s->n; i++) {
        if (fn[i] != c->focus)
            continue;
        count_once(&c->self, c->stacks, s, i == 0);
        if (i + 1 < s->n)
            count_once(&c->caller[fn[i + 1]], c->stacks, s, i == 0);
        if (i > 0)
            count_once(&c->callee[fn[i - 1]], c->stacks, s, i == 1);
    }
    return true;
}

static void add_around(asking *ask, const sums *of, osp_row_role role)
{
    for (uint32_t i = 0; i < ask->m->keys.n; i++) {
        if (!of[i].seen)
            continue;
        osp_top_row r = function_row(ask, i, &of[i]);
        r.role = role;
        r.id |= 1ull << (role == OSP_ROW_CALLER ? CALLER_BIT : CALLEE_BIT);
        ask->row[ask->n++] = r;
    }
}

static bool ask_around(asking *ask)
{
    uint32_t n = ask->m->keys.n;
    around c = {.focus = fn_of(ask->q->focus),
                .caller = osp_new(ask->a, sums, n + 1),
                .callee = osp_new(ask->a, sums, n + 1)};
    ask->row = osp_new(ask->a, osp_top_row, 2 * (size_t)n + 1);
    if (!c.caller || !c.callee || !ask->row)
        return false;
    if (ask->q->focus == 0 || c.focus >= n)
        return true;
    for_stacks(ask, count_around, &c);
    add_around(ask, c.caller, OSP_ROW_CALLER);
    osp_top_row self = function_row(ask, c.focus, &c.self);
    self.role = OSP_ROW_FOCUS;
    ask->row[ask->n++] = self;
    add_around(ask, c.callee, OSP_ROW_CALLEE);
    return true;
}

/* ---- threads and groups ------------------------------------------------------------------------------------------ */

/* One stack's share of a row, to be sorted and summed: by row, then by the function to blame. */
typedef struct {
    uint64_t row, goid;
    uint32_t blame, reason;
    double cpu, wait;
} share;

typedef struct {
    share *row;
    size_t n, cap;
    osp_top_view by;
} shares;

/* The row of a view that a stack belongs to; 0 = none. */
static uint64_t row_of(const stack *s, osp_top_view by)
{
    if (by == OSP_TOP_THREADS)
        return (uint64_t)s->tid;
    if (by == OSP_TOP_REASONS)
        return s->reason ? id_of(s->reason) : 0;
    return id_of(s->group);
}

static bool add_share(asking *ask, const stack *s, const uint32_t *fn, void *ctx)
{
    shares *l = ctx;
    (void)ask;
    (void)fn;
    uint64_t row = row_of(s, l->by);
    if (row == 0)
        return true;
    if (!osp_grow((void **)&l->row, &l->cap, l->n + 1, sizeof *l->row))
        return false;
    l->row[l->n++] = (share){row, s->goid, s->blame, s->reason, s->cpu, s->wait};
    return true;
}

static int by_blame(const void *a, const void *b)
{
    const share *x = a, *y = b;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return (x->blame > y->blame) - (x->blame < y->blame);
}

static int by_reason(const void *a, const void *b)
{
    const share *x = a, *y = b;
    return (x->reason > y->reason) - (x->reason < y->reason);
}

static int by_goroutine(const void *a, const void *b)
{
    const share *x = a, *y = b;
    return (x->goid > y->goid) - (x->goid < y->goid);
}

/* Sums of the shares of one row. */
static void sum_up(const asking *ask, share *of, size_t n, osp_top_row *r)
{
    double best = -1, run = 0;
    for (size_t i = 0; i < n; i++) {
        run = i && of[i].blame == of[i - 1].blame ? run + of[i].cpu + of[i].wait : of[i].cpu + of[i].wait;
        if (run > best) {
            best = run;
            r->most = ask->m->function[of[i].blame].name;
            r->kind = ask->m->function[of[i].blame].kind;
        }
        r->total += of[i].cpu * ask->per_s;
        r->wait += of[i].wait * ask->per_s;
    }
    qsort(of, n, sizeof *of, by_reason);
    best = 0;
    for (size_t i = 0; i < n; i++) {
        run = i && of[i].reason == of[i - 1].reason ? run + of[i].wait : of[i].wait;
        if (run > best && of[i].reason) {
            best = run;
            r->reason = ask->m->function[of[i].reason].name;
        }
    }
    qsort(of, n, sizeof *of, by_goroutine);
    for (size_t i = 0; i < n; i++)
        r->goroutines += of[i].goid && (i == 0 || of[i].goid != of[i - 1].goid);
}

/* The rows that begin_threads made, by tid; NULL if the thread is none of them. */
static osp_top_row *row_of_thread(asking *ask, int tid)
{
    uint32_t from = 0, to = ask->q->nthread;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (ask->row[mid].tid < tid)
            from = mid + 1;
        else
            to = mid;
    }
    return from < ask->q->nthread && ask->row[from].tid == tid ? &ask->row[from] : NULL;
}

/* Threads as /proc has them now; samples tell what they do. Without /proc (it has ended), those of the samples. */
static void begin_threads(asking *ask)
{
    for (uint32_t i = 0; i < ask->q->nthread; i++) {
        const osp_top_thread *t = &ask->q->thread[i];
        ask->row[ask->n++] = (osp_top_row){.id = (uint64_t)t->tid,
                                           .tid = t->tid,
                                           .name = osp_arena_str(ask->a, osp_str_from(t->name)),
                                           .state = t->state,
                                           .total = t->cpu,
                                           .queue = t->queue};
    }
}

static void put_sum(asking *ask, share *of, size_t n, osp_top_view by)
{
    osp_top_row sum = {.id = of[0].row};
    if (by != OSP_TOP_THREADS) {
        const function *root = &ask->m->function[fn_of(of[0].row)];
        sum.name = root->name;
        sum.file = root->file;
        sum_up(ask, of, n, &sum);
        sum.kind = by == OSP_TOP_GROUPS ? root->kind : sum.kind;
        ask->row[ask->n++] = sum;
        return;
    }
    osp_top_row *row = row_of_thread(ask, (int)of[0].row);
    sum_up(ask, of, n, &sum);
    if (row) {
        row->most = sum.most;
        row->kind = sum.kind;
        row->wait = sum.wait;
        row->reason = sum.reason;
        row->goroutines = sum.goroutines;
    } else if (ask->q->nthread == 0) {
        sum.tid = (int)of[0].row;
        sum.name = S("");
        ask->row[ask->n++] = sum;
    }
}

static void keep_wanted(asking *ask)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ask->n; i++)
        if (wanted(ask, ask->row[i].name, ask->row[i].most) || wanted(ask, ask->row[i].reason, S("")))
            ask->row[n++] = ask->row[i];
    ask->n = n;
}

static bool ask_shares(asking *ask, osp_top_view by)
{
    shares l = {.by = by};
    bool ok = for_stacks(ask, add_share, &l);
    ask->row = ok ? osp_new(ask->a, osp_top_row, l.n + ask->q->nthread + 1) : NULL;
    if (!ask->row) {
        free(l.row);
        return false;
    }
    if (by == OSP_TOP_THREADS)
        begin_threads(ask);
    if (l.n)
        qsort(l.row, l.n, sizeof *l.row, by_blame);
    for (size_t i = 0, end; i < l.n; i = end) {
        for (end = i; end < l.n && l.row[end].row == l.row[i].row;)
            end++;
        put_sum(ask, l.row + i, end - i, by);
    }
    free(l.row);
    keep_wanted(ask);
    return true;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static double size_by(const osp_top_row *r, osp_str order)
{
    if (osp_str_eq(order, S("self")))
        return r->self;
    if (osp_str_eq(order, S("wait")))
        return r->wait;
    if (osp_str_eq(order, S("queue")))
        return r->queue;
    if (osp_str_eq(order, S("goroutines")))
        return r->goroutines;
    if (osp_str_eq(order, S("tid")))
        return -r->tid;
    return r->total;
}

static int compare(const void *a, const void *b, void *ctx)
{
    const osp_top_row *x = a, *y = b;
    const osp_str *order = ctx;
    if (x->role != y->role)
        return x->role < y->role ? -1 : 1;
    int c = 0;
    if (osp_str_eq(*order, S("name"))) {
        c = osp_str_cmp(x->name, y->name);
    } else {
        double l = size_by(x, *order), r = size_by(y, *order);
        c = (l < r) - (l > r);
        if (!c)
            c = (x->total < y->total) - (x->total > y->total);
        if (!c)
            c = (x->wait < y->wait) - (x->wait > y->wait);
    }
    return c ? c : (x->id > y->id) - (x->id < y->id);
}

bool osp_top_rows(const osp_top_model *m, const osp_top_question *q, osp_arena *a, osp_top_row **out, uint32_t *n,
                  osp_err *err)
{
    double seconds = osp_top_model_sum(m).seconds;
    asking ask = {.m = m, .q = q, .a = a, .per_s = seconds > 0 ? 1e-9 / seconds : 0};
    bool ok = q->view == OSP_TOP_AROUND      ? ask_around(&ask)
              : q->view == OSP_TOP_FUNCTIONS ? ask_functions(&ask)
                                             : ask_shares(&ask, q->view);
    if (!ok)
        return osp_fail_memory(err, "summing samples");
    const char *order = osp_top_order(q->view, q->order);
    osp_str by = osp_str_from(order ? order : osp_top_order(q->view, 0));
    if (ask.n)
        qsort_r(ask.row, ask.n, sizeof *ask.row, compare, &by);
    *out = ask.row;
    *n = ask.n;
    return true;
}
