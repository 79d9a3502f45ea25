/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines in the words of net/http/pprof: goroutine?debug=1 (runtime/pprof/pprof.go, printCountProfile and
 * printStackRecord) and goroutine?debug=2 (runtime/traceback.go, goroutineheader and traceback2), as the release of the
 * program prints them. A goroutine that runs has no stack here: debug=1 has the function that it began with, debug=2 the
 * runtime's own words for that. Arguments are not read: "(...)". */
#include "cli/goroutines_screen.h"

#include <stdio.h>
#include <stdlib.h>

enum { TAB = 8, INNER = 50, OUTER = 50, MOST_OLD = 100 };

/* What the release does its own way. */
typedef struct {
    const osp_goroutines_view *v;
    uint32_t go; /* 12608 */
} context;

/* ---- debug=1 ---------------------------------------------------------------------------------------------------- */

/* Goroutines with one stack and one set of labels. */
typedef struct {
    osp_str key; /* "@ 0x1 0x2\n# labels: {…}" */
    const osp_goroutine *one;
    uint32_t n;
} record;

/* The calls of a goroutine's stack as the runtime counts them. */
typedef void each_call(void *ctx, const osp_spot *s);

static void each_call_of(const context *c, const osp_goroutine *g, each_call *each, void *ctx)
{
    const osp_go_stack *s = &c->v->list->stack[g->stack];
    uint32_t left = c->go >= 12300 ? 128 : 32;
    osp_str callee = S("");
    const osp_spot *row;
    if (!s->n && osp_goroutine_start(c->v->in, c->v->list, g))
        each(ctx, osp_goroutine_start(c->v->in, c->v->list, g));
    for (uint32_t i = 0; i < s->n; i++) {
        size_t n = osp_inspect_spots(c->v->in, s->pc[i], &row);
        for (size_t k = 0; k < n && left; k++) {
            if (!row[k].go)
                continue;
            if (!osp_spot_is_elided(&row[k], callee)) {
                each(ctx, &row[k]);
                left--;
            }
            callee = row[k].func;
        }
    }
}

static void put_address(void *ctx, const osp_spot *s) { osp_buf_fmt(ctx, " 0x%llx", (unsigned long long)s->pc + 1); }

static int by_text(const void *a, const void *b) { return osp_str_cmp(*(const osp_str *)a, *(const osp_str *)b); }

/* {"key":"value", "key2":"value2"}, sorted. */
static void put_labels(osp_str text, osp_buf *out)
{
    osp_str key, value, pair[OSP_GO_LABELS];
    osp_buf one = osp_buf_of(1 << 20);
    size_t end[OSP_GO_LABELS + 1] = {0}, n = 0;
    while (n < OSP_GO_LABELS && osp_labels_next(&text, &key, &value)) {
        osp_buf_quote(&one, key);
        osp_buf_byte(&one, ':');
        osp_buf_quote(&one, value);
        end[++n] = one.n;
    }
    for (size_t i = 0; i < n; i++)
        pair[i] = (osp_str){one.p + end[i], end[i + 1] - end[i]};
    qsort(pair, n, sizeof *pair, by_text);
    osp_buf_byte(out, '{');
    for (size_t i = 0; i < n; i++) {
        osp_buf_add(out, i ? S(", ") : S(""));
        osp_buf_add(out, pair[i]);
    }
    osp_buf_byte(out, '}');
    out->failed |= one.failed;
    osp_buf_drop(&one);
}

typedef struct {
    osp_buf *out;
    bool show, again; /* a frame was shown; all are */
    bool plain;       /* the release hides internal/runtime/, too */
    size_t width[2];  /* of the address, of the function */
    bool measures;
} stack_printer;

static bool is_hidden(const stack_printer *p, const osp_spot *s)
{
    if (osp_str_eq(s->func, S("runtime.goexit")))
        return true;
    return !p->show && !p->again &&
           (osp_str_starts(s->func, S("runtime.")) || (!p->plain && osp_str_starts(s->func, S("internal/runtime/"))));
}

static void put_tabs(osp_buf *out, size_t text, size_t width)
{
    size_t cell = (width + 1 + TAB - 1) / TAB * TAB;
    osp_buf_fill(out, '\t', (cell - text + TAB - 1) / TAB);
}

static void put_call(void *ctx, const osp_spot *s)
{
    stack_printer *p = ctx;
    char address[32], offset[32];
    if (is_hidden(p, s))
        return;
    p->show = true;
    size_t a = (size_t)snprintf(address, sizeof address, "0x%llx", (unsigned long long)s->pc);
    size_t o = (size_t)snprintf(offset, sizeof offset, "+0x%llx", (unsigned long long)(s->pc - s->entry));
    size_t f = osp_str_columns(s->func) + o;
    if (p->measures) {
        p->width[0] = a > p->width[0] ? a : p->width[0];
        p->width[1] = f > p->width[1] ? f : p->width[1];
        return;
    }
    osp_buf_add(p->out, S("#\t"));
    osp_buf_add(p->out, (osp_str){address, a});
    put_tabs(p->out, a, p->width[0]);
    osp_buf_add(p->out, s->func);
    osp_buf_add(p->out, (osp_str){offset, o});
    put_tabs(p->out, f, p->width[1]);
    osp_buf_fmt(p->out, "%.*s:%d\n", STRF(s->file), s->line);
}

static void put_record(const context *c, const record *r, osp_buf *out)
{
    stack_printer p = {.out = out, .plain = c->go < 12400};
    osp_buf_fmt(out, "%u ", r->n);
    osp_buf_add(out, r->key);
    osp_buf_byte(out, '\n');
    for (int measures = 1; measures >= 0; measures--) {
        p.measures = measures;
        p.show = false;
        each_call_of(c, r->one, put_call, &p);
        if (measures && !p.show) { /* all is the runtime's: show it then */
            p.again = true;
            each_call_of(c, r->one, put_call, &p);
        }
    }
    osp_buf_byte(out, '\n');
}

static int by_count(const void *a, const void *b)
{
    const record *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : osp_str_cmp(x->key, y->key);
}

/* The number of the record of such a goroutine, made if it is new. */
static uint32_t find_record(const context *c, const osp_goroutine *g, osp_arena *a, osp_intern *keys, record *row)
{
    bool fresh;
    osp_buf key = osp_buf_of(1 << 20);
    osp_buf_byte(&key, '@');
    each_call_of(c, g, put_address, &key);
    if (g->labels) {
        osp_buf_add(&key, S("\n# labels: "));
        put_labels(c->v->list->labels[g->labels], &key);
    }
    osp_str kept = osp_arena_str(a, osp_buf_str(&key));
    uint32_t id = key.failed || !kept.p ? UINT32_MAX : osp_intern_put(keys, kept, &fresh);
    osp_buf_drop(&key);
    if (id != UINT32_MAX && fresh)
        row[id] = (record){.key = kept, .one = g};
    return id;
}

bool osp_goroutines_counts(const osp_goroutines_view *v, osp_buf *out, osp_err *err)
{
    const context c = {v, osp_go_version_number(osp_inspect_go(v->in))};
    osp_arena a;
    osp_intern keys = {0};
    osp_arena_init(&a, (size_t)1 << 30);
    size_t most = 0;
    for (uint32_t i = 0; i < v->groups->n; i++)
        most += v->groups->row[i].n;
    record *row = calloc(most + 1, sizeof *row);
    bool ok = row != NULL;
    for (uint32_t i = 0; ok && i < v->groups->n; i++) {
        const osp_goroutine_group *g = &v->groups->row[i];
        uint32_t labels = UINT32_MAX, id = 0;
        for (uint32_t k = 0; ok && k < g->n; k++) { /* of one stack: they differ in labels alone */
            const osp_goroutine *one = &v->list->g[g->member[k]];
            if (one->labels != labels)
                id = find_record(&c, one, &a, &keys, row);
            labels = one->labels;
            ok = id != UINT32_MAX;
            row[ok ? id : 0].n++;
        }
    }
    if (ok) {
        qsort(row, keys.n, sizeof *row, by_count);
        osp_buf_fmt(out, "goroutine profile: total %u\n", v->groups->ngoroutine);
        for (uint32_t i = 0; i < keys.n; i++)
            put_record(&c, &row[i], out);
    }
    free(row);
    osp_intern_drop(&keys);
    osp_arena_drop(&a);
    return (ok && !out->failed) || osp_fail_memory(err, "printing goroutines");
}

/* ---- debug=2 ---------------------------------------------------------------------------------------------------- */

/* Exported functions of package runtime, and exported methods on its exported types. */
static bool is_exported_runtime(osp_str name)
{
    name = osp_str_skip(name, 8);
    size_t dot = osp_str_rfind(name, '.');
    osp_str receiver = dot < name.n ? osp_str_head(name, dot) : S("");
    if (dot < name.n)
        name = osp_str_skip(name, dot + 1);
    if (receiver.n >= 3 && osp_str_starts(receiver, S("(*")) && osp_str_ends(receiver, S(")")))
        receiver = (osp_str){receiver.p + 2, receiver.n - 3};
    return name.n && *name.p >= 'A' && *name.p <= 'Z' && (!receiver.n || (*receiver.p >= 'A' && *receiver.p <= 'Z'));
}

static bool is_traced(const context *c, const osp_spot *s, bool first, osp_str callee)
{
    if (osp_spot_is_elided(s, callee))
        return false;
    if (osp_str_eq(s->func, S("runtime.runfinq")) || osp_str_eq(s->func, S("runtime.runFinalizers")) ||
        osp_str_eq(s->func, S("runtime.runCleanups")))
        return c->go >= 12500; /* a release that tells them apart by their kind shows them always */
    if (osp_str_eq(s->func, S("runtime.gopanic")) && !first)
        return true;
    return osp_str_has(s->func, S(".")) && (!osp_str_starts(s->func, S("runtime.")) || is_exported_runtime(s->func));
}

/* One call of a stack: which, and the address at which its function goes on. */
typedef struct {
    const osp_spot *spot;
    uint64_t goes_on; /* 0: it was inlined */
} traced;

/* The calls of a stack that a traceback shows; all: the runtime's own, too. In *out, malloc'ed; SIZE_MAX without memory. */
static size_t trace(const context *c, const osp_goroutine *g, bool all, traced **out)
{
    const osp_go_stack *s = &c->v->list->stack[g->stack];
    size_t n = 0, cap = 0;
    osp_str callee = S("");
    const osp_spot *row;
    void *array = NULL;
    uint32_t most = c->go >= 12100 || s->n < MOST_OLD ? s->n : MOST_OLD;
    for (uint32_t i = 0; i < most; i++) {
        size_t spots = osp_inspect_spots(c->v->in, s->pc[i], &row);
        for (size_t k = 0; k < spots; k++) {
            bool shown = row[k].go && (all || is_traced(c, &row[k], n == 0, callee));
            callee = row[k].func;
            if (!shown)
                continue;
            if (!osp_grow(&array, &cap, n + 1, sizeof **out)) {
                free(array);
                return SIZE_MAX;
            }
            *out = array;
            (*out)[n++] = (traced){&row[k], row[k].inlined                       ? 0
                                            : i == 0 && s->pc[0] == row[k].entry ? row[k].entry
                                                                                 : s->pc[i] + 1};
        }
    }
    *out = array;
    return n;
}

static void put_name(osp_str name, osp_buf *out)
{
    osp_buf_add(out, osp_str_eq(name, S("runtime.gopanic")) ? S("panic") : name);
}

static void put_traced(const traced *t, osp_buf *out)
{
    put_name(t->spot->func, out);
    osp_buf_fmt(out, "(...)\n\t%.*s:%d", STRF(t->spot->file), t->spot->line);
    if (t->goes_on > t->spot->entry)
        osp_buf_fmt(out, " +0x%llx", (unsigned long long)(t->goes_on - t->spot->entry));
    osp_buf_byte(out, '\n');
}

static bool put_trace(const context *c, const osp_goroutine *g, osp_buf *out)
{
    traced *t = NULL;
    size_t n = trace(c, g, false, &t);
    if (n == 0)
        n = trace(c, g, true, &t);
    if (n == SIZE_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (c->go >= 12100 && i == INNER && n > INNER + OUTER) {
            osp_buf_fmt(out, "...%zu frames elided...\n", n - INNER - OUTER);
            i = n - OUTER;
        }
        put_traced(&t[i], out);
    }
    if (c->go < 12100 && n == MOST_OLD)
        osp_buf_add(out, S("...additional frames elided...\n"));
    free(t);
    return true;
}

static void put_creator(const context *c, const osp_goroutine *g, osp_buf *out)
{
    const osp_spot *row;
    if (!g->gopc || g->goid == 1)
        return;
    size_t n = osp_inspect_spots(c->v->in, g->gopc - 1, &row);
    const osp_spot *whole = &row[n - 1]; /* the function by its own name, the line of what was inlined */
    if (!whole->go || !is_traced(c, whole, false, S("")))
        return;
    osp_buf_add(out, S("created by "));
    put_name(whole->func, out);
    if (g->parent)
        osp_buf_fmt(out, " in goroutine %llu", (unsigned long long)g->parent);
    osp_buf_fmt(out, "\n\t%.*s:%d", STRF(row->file), row->line);
    if (g->gopc > whole->entry)
        osp_buf_fmt(out, " +0x%llx", (unsigned long long)(g->gopc - whole->entry));
    osp_buf_byte(out, '\n');
}

static bool put_goroutine(const context *c, const osp_goroutine *g, osp_buf *out)
{
    osp_buf_fmt(out, "goroutine %llu [%.*s", (unsigned long long)g->goid, STRF(osp_goroutine_state(c->v->in, g)));
    int64_t minutes = g->waited_ns / 60000000000;
    if (g->waited_ns >= 0 && minutes >= 1)
        osp_buf_fmt(out, ", %lld minutes", (long long)minutes);
    if (g->lockedm)
        osp_buf_add(out, S(", locked to thread"));
    osp_buf_add(out, S("]:\n"));
    if (!c->v->list->stack[g->stack].n)
        osp_buf_add(out, S("\tgoroutine running on other thread; stack unavailable\n"));
    else if (!put_trace(c, g, out))
        return false;
    put_creator(c, g, out);
    return true;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

bool osp_goroutines_traces(const osp_goroutines_view *v, osp_buf *out, osp_err *err)
{
    const context c = {v, osp_go_version_number(osp_inspect_go(v->in))};
    uint32_t *row = malloc(((size_t)v->groups->ngoroutine + 1) * sizeof *row), n = 0;
    bool ok = row != NULL;
    for (uint32_t i = 0; ok && i < v->groups->n; i++)
        for (uint32_t k = 0; k < v->groups->row[i].n; k++)
            row[n++] = v->groups->row[i].member[k];
    if (ok)
        qsort(row, n, sizeof *row, by_number);
    for (uint32_t i = 0; ok && i < n; i++) {
        if (i)
            osp_buf_byte(out, '\n');
        ok = put_goroutine(&c, &v->list->g[row[i]], out);
    }
    free(row);
    return (ok && !out->failed) || osp_fail_memory(err, "printing goroutines");
}
