/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines that are alike. */
#include "base/buf.h"
#include "inspect/inspect_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- places ----------------------------------------------------------------------------------------------------- */

const osp_spot *osp_goroutine_creator(osp_inspect *in, const osp_goroutine *g)
{
    const osp_spot *row;
    if (!g->gopc || g->goid == 1) /* the main goroutine is made by the runtime's first instructions */
        return NULL;
    osp_inspect_spots(in, g->gopc - 1, &row);
    return row->func.n ? row : NULL;
}

/* The innermost call that is not left out, NULL if all are; *last gets the outermost that is not the runtime's. */
static const osp_spot *innermost(osp_inspect *in, const osp_go_stack *s, bool std_too, const osp_spot **last)
{
    const osp_spot *found = NULL, *row;
    *last = NULL;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t n = osp_inspect_spots(in, s->pc[i], &row);
        for (size_t k = 0; k < n; k++) {
            if (row[k].runtime || row[k].wrapper || !row[k].func.n)
                continue;
            *last = &row[k];
            if (!found && (std_too || !row[k].std))
                found = &row[k];
        }
    }
    return found;
}

const osp_spot *osp_goroutine_start(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g)
{
    const osp_spot *row, *last = NULL;
    if (!g->startpc)
        return NULL;
    size_t n = osp_inspect_spots(in, g->startpc, &row);
    const osp_spot *first = &row[n - 1];
    if (first->wrapper) /* of `go f(x)`: f stands above it, unless it runs */
        innermost(in, &l->stack[g->stack], true, &last);
    return last ? last : first->func.n ? first : NULL;
}

const osp_spot *osp_goroutine_current(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g)
{
    const osp_go_stack *s = &l->stack[g->stack];
    const osp_spot *row;
    if (!s->n)
        return osp_goroutine_start(in, l, g);
    osp_inspect_spots(in, s->pc[0], &row);
    return row;
}

const osp_spot *osp_goroutine_user(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g)
{
    const osp_spot *last, *found = innermost(in, &l->stack[g->stack], true, &last);
    return found ? found : osp_goroutine_start(in, l, g);
}

const osp_spot *osp_goroutine_place(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine *g)
{
    const osp_spot *last, *found = innermost(in, &l->stack[g->stack], false, &last);
    return found ? found : last ? last : osp_goroutine_start(in, l, g);
}

osp_str osp_goroutine_state(osp_inspect *in, const osp_goroutine *g)
{
    bool waits = g->status == OSP_G_WAITING || g->status == OSP_G_LEAKED;
    osp_str reason = waits ? osp_go_waitreason_text(osp_inspect_go(in), g->waitreason) : S("");
    return reason.n ? reason : osp_go_status_text(g->status);
}

/* ---- filters ---------------------------------------------------------------------------------------------------- */

enum { HAYSTACK = 1024 };

static char small(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

/* Is the text in it? By small letters alone without regard to case. */
static bool has_text(osp_str in, osp_str text)
{
    char copy[HAYSTACK];
    for (size_t i = 0; i < text.n; i++)
        if (small(text.p[i]) != text.p[i])
            return osp_str_has(in, text);
    if (!text.n)
        return true;
    in = osp_str_head(in, sizeof copy);
    for (size_t i = 0; i < in.n; i++)
        copy[i] = small(in.p[i]);
    return osp_str_has((osp_str){copy, in.n}, text);
}

static bool spot_has(const osp_spot *s, osp_str text)
{
    char whole[HAYSTACK];
    if (!s)
        return false;
    int n = snprintf(whole, sizeof whole, "%.*s %.*s:%d", STRF(osp_str_head(s->func, HAYSTACK / 2)),
                     STRF(osp_str_head(s->file, HAYSTACK / 2 - 32)), s->line);
    return has_text((osp_str){whole, (size_t)n}, text);
}

static bool stack_has(osp_inspect *in, const osp_go_stack *s, osp_str text)
{
    const osp_spot *row;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t n = osp_inspect_spots(in, s->pc[i], &row);
        for (size_t k = 0; k < n; k++)
            if (spot_has(&row[k], text))
                return true;
    }
    return false;
}

/* The value of a label; NULL if there is none. */
static bool label_value(const osp_goroutine_list *l, const osp_goroutine *g, osp_str name, osp_str *value)
{
    osp_str rest = l->labels[g->labels], key;
    while (osp_labels_next(&rest, &key, value))
        if (osp_str_eq(key, name))
            return true;
    return false;
}

static bool meets(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_filter *f, const osp_goroutine *g)
{
    osp_str value;
    switch (f->what) {
    case OSP_WITH_ANYWHERE:
        return stack_has(in, &l->stack[g->stack], f->text) || spot_has(osp_goroutine_creator(in, g), f->text) ||
               spot_has(osp_goroutine_start(in, l, g), f->text);
    case OSP_WITH_USERLOC:
        return spot_has(osp_goroutine_user(in, l, g), f->text);
    case OSP_WITH_CURLOC:
        return spot_has(osp_goroutine_current(in, l, g), f->text);
    case OSP_WITH_GOLOC:
        return spot_has(osp_goroutine_creator(in, g), f->text);
    case OSP_WITH_STARTLOC:
        return spot_has(osp_goroutine_start(in, l, g), f->text);
    case OSP_WITH_WAIT:
        return has_text(osp_goroutine_state(in, g), f->text);
    case OSP_WITH_RUNNING:
        return g->status == OSP_G_RUNNING;
    case OSP_WITH_WAITING:
        return g->status == OSP_G_WAITING || g->status == OSP_G_LEAKED;
    case OSP_WITH_USER:
        return g->kind == OSP_G_OF_USER;
    case OSP_WITH_LABEL:
        return label_value(l, g, f->text, &value) && (f->any_value || osp_str_eq(value, f->value));
    case OSP_WITH_LOCKED:
        return g->lockedm != 0;
    }
    return false;
}

static bool is_busy_finalizer(osp_inspect *in, const osp_goroutine *g)
{
    osp_str reason = osp_goroutine_state(in, g);
    return g->kind == OSP_G_OF_FINALIZERS && !osp_str_eq(reason, S("finalizer wait")) &&
           !osp_str_eq(reason, S("cleanup wait"));
}

/* As in Go's own profile: finalizers of the program are its own while they run. */
static bool is_shown(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q,
                     const osp_goroutine *g)
{
    if (!q->system && g->kind != OSP_G_OF_USER && !is_busy_finalizer(in, g))
        return false;
    for (size_t i = 0; i < q->nfilter; i++)
        if (meets(in, l, &q->filter[i], g) == q->filter[i].without)
            return false;
    return true;
}

/* ---- what a group has in common --------------------------------------------------------------------------------- */

/* All that filters and groups look at; no padding, so that its bytes are a key. Many goroutines have the same. */
typedef struct {
    uint64_t gopc, startpc;
    uint32_t stack, labels;
    uint8_t status, waitreason, kind, locked, first, zero[3];
} looks;

static looks looks_of(const osp_goroutine *g, const osp_goroutine_query *q)
{
    bool labels = q->by == OSP_BY_LABEL;
    for (size_t i = 0; i < q->nfilter; i++)
        labels |= q->filter[i].what == OSP_WITH_LABEL;
    return (looks){
        .gopc = g->gopc,
        .startpc = g->startpc,
        .stack = g->stack,
        .labels = labels ? g->labels : 0,
        .status = g->status,
        .waitreason = g->status == OSP_G_WAITING || g->status == OSP_G_LEAKED ? g->waitreason : 0,
        .kind = g->kind,
        .locked = g->lockedm != 0,
        .first = g->goid == 1,
    };
}

static osp_str title_of(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q,
                        const osp_goroutine *g, osp_arena *a)
{
    osp_str value;
    const osp_spot *by;
    switch (q->by) {
    case OSP_BY_STACK:
        break;
    case OSP_BY_CREATOR:
        by = osp_goroutine_creator(in, g);
        return by ? osp_arena_fmt(a, "%.*s %.*s:%d", STRF(by->func), STRF(osp_str_base(by->file)), by->line)
                  : S("the runtime");
    case OSP_BY_STATE:
        return osp_go_status_text(g->status);
    case OSP_BY_WAIT:
        return osp_goroutine_state(in, g);
    case OSP_BY_LABEL:
        return label_value(l, g, q->label, &value) ? value : S("");
    }
    return S("");
}

/* What tells this group from others. */
static osp_wide same_of(const osp_goroutine_list *l, const osp_goroutine_query *q, const looks *k, osp_str title)
{
    if (q->by != OSP_BY_STACK)
        return osp_hash_wide(title.p, title.n, 0);
    const osp_go_stack *s = &l->stack[k->stack];
    const uint64_t rest[] = {k->gopc, k->startpc, (uint64_t)k->status << 8 | k->waitreason};
    osp_wide stack = osp_hash_wide(s->pc, s->n * sizeof *s->pc, 0), other = osp_hash_wide(rest, sizeof rest, 0);
    return osp_hash_wide(&stack, sizeof stack, other.lo ^ other.hi);
}

/* Groups as they are found. */
typedef struct {
    osp_intern looks, keys;
    uint32_t *group_of_looks; /* UINT32_MAX: not shown */
    size_t looks_cap, cap;
    osp_goroutine_group *row;
} finder;

/* The group that such goroutines belong to, made if it is new; UINT32_MAX: they are not shown. */
static bool find_group(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q, osp_arena *a,
                       const looks *k, const osp_goroutine *g, finder *f, uint32_t *out)
{
    *out = UINT32_MAX;
    if (!is_shown(in, l, q, g))
        return true;
    bool fresh;
    osp_str title = title_of(in, l, q, g, a);
    osp_wide same = same_of(l, q, k, title);
    osp_str key = osp_arena_str(a, (osp_str){(const char *)&same, sizeof same});
    if (!title.p || !key.p)
        return false;
    *out = osp_intern_put(&f->keys, key, &fresh);
    if (*out == UINT32_MAX || !fresh)
        return *out != UINT32_MAX;
    void *array = f->row;
    if (!osp_grow(&array, &f->cap, (size_t)*out + 1, sizeof *f->row))
        return false;
    f->row = array;
    f->row[*out] = (osp_goroutine_group){.title = title, .same = same};
    return true;
}

/* The group of each goroutine that is shown, else UINT32_MAX. Filters are asked once for all that look alike. */
static bool number_groups(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q, osp_arena *a,
                          finder *f, uint32_t *of)
{
    for (uint32_t i = 0; i < l->n; i++) {
        bool fresh;
        of[i] = UINT32_MAX;
        if (q->goid && l->g[i].goid != q->goid)
            continue;
        looks k = looks_of(&l->g[i], q);
        uint32_t id = osp_intern_put(&f->looks, (osp_str){(const char *)&k, sizeof k}, &fresh);
        if (id == UINT32_MAX)
            return false;
        if (fresh) {
            void *array = f->group_of_looks;
            osp_str copy = osp_arena_str(a, (osp_str){(const char *)&k, sizeof k});
            if (!copy.p || !osp_grow(&array, &f->looks_cap, (size_t)id + 1, sizeof *f->group_of_looks))
                return false;
            f->looks.text[id] = copy;
            f->group_of_looks = array;
            if (!find_group(in, l, q, a, &k, &l->g[i], f, &f->group_of_looks[id]))
                return false;
        }
        of[i] = f->group_of_looks[id];
    }
    return true;
}

/* ---- what a group's goroutines say together --------------------------------------------------------------------- */

/* The k-th smallest of n numbers, which change places. */
static int64_t select_kth(int64_t *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        int64_t pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, j = hi;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            int64_t swap = v[i];
            v[i++] = v[j];
            v[j--] = swap;
        }
        if (k <= j)
            hi = j;
        else
            lo = j + 1;
    }
    return v[k];
}

/* Room for counting, as large as the largest group or the number of stacks and sets of labels. */
typedef struct {
    int64_t *waited;
    uint32_t *count; /* by number of a stack or a set of labels; all 0 between uses */
} scratch;

/* The most frequent number among the members', other than 0 where zero does not count; *n says how frequent. */
static uint32_t most_frequent(const osp_goroutine_list *l, const osp_goroutine_group *g, bool labels, scratch *s,
                              uint32_t *member, uint32_t *n)
{
    uint32_t best = 0;
    *n = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const osp_goroutine *one = &l->g[g->member[i]];
        uint32_t id = labels ? one->labels : one->stack;
        if ((labels && id == 0) || ++s->count[id] <= *n)
            continue;
        *n = s->count[id];
        best = id;
        *member = g->member[i];
    }
    for (uint32_t i = 0; i < g->n; i++) {
        const osp_goroutine *one = &l->g[g->member[i]];
        s->count[labels ? one->labels : one->stack] = 0;
    }
    return best;
}

static void sum_up(const osp_goroutine_list *l, osp_goroutine_group *g, scratch *s)
{
    uint32_t ignored;
    g->least_ns = g->median_ns = g->most_ns = -1;
    for (uint32_t i = 0; i < g->n; i++) {
        const osp_goroutine *one = &l->g[g->member[i]];
        g->nlocked += one->lockedm != 0;
        g->nlabelled += one->labels != 0;
        g->ntorn += one->torn;
        if (one->waited_ns < 0)
            continue;
        s->waited[g->nwaited++] = one->waited_ns;
        g->least_ns = g->least_ns < 0 || one->waited_ns < g->least_ns ? one->waited_ns : g->least_ns;
        g->most_ns = one->waited_ns > g->most_ns ? one->waited_ns : g->most_ns;
    }
    if (g->nwaited)
        g->median_ns = select_kth(s->waited, g->nwaited, (g->nwaited - 1) / 2);
    most_frequent(l, g, false, s, &g->example, &g->nexample);
    g->labels = g->nlabelled ? most_frequent(l, g, true, s, &ignored, &g->nlabels) : 0;
}

/* Lay out the groups' members behind each other, and sum them up. */
static bool fill(const osp_goroutine_list *l, const uint32_t *of, osp_arena *a, osp_goroutine_groups *out)
{
    uint32_t at = 0, most = l->nstack > l->nlabels ? l->nstack : l->nlabels;
    uint32_t *member = osp_new(a, uint32_t, out->ngoroutine ? out->ngoroutine : 1);
    uint32_t *next = calloc((size_t)out->n + 1, sizeof *next);
    scratch s = {malloc(((size_t)out->ngoroutine + 1) * sizeof *s.waited), calloc((size_t)most + 1, sizeof *s.count)};
    bool ok = member && next && s.waited && s.count;
    for (uint32_t i = 0; ok && i < out->n; i++) {
        out->row[i].member = member + at;
        next[i] = at;
        at += out->row[i].n;
    }
    for (uint32_t i = 0; ok && i < l->n; i++)
        if (of[i] != UINT32_MAX)
            member[next[of[i]]++] = i;
    for (uint32_t i = 0; ok && i < out->n; i++)
        sum_up(l, &out->row[i], &s);
    free(next);
    free(s.waited);
    free(s.count);
    return ok;
}

static int by_size(const void *a, const void *b, void *ctx)
{
    const osp_goroutine_list *l = ctx;
    const osp_goroutine_group *x = a, *y = b;
    uint64_t p = l->g[x->member[0]].goid, q = l->g[y->member[0]].goid;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : (p > q) - (p < q);
}

bool osp_inspect_groups(osp_inspect *in, const osp_goroutine_list *l, const osp_goroutine_query *q, osp_arena *a,
                        osp_goroutine_groups *out, osp_err *err)
{
    finder f = {0};
    *out = (osp_goroutine_groups){0};
    uint32_t *of = malloc(((size_t)l->n + 1) * sizeof *of);
    bool ok = of && number_groups(in, l, q, a, &f, of);
    if (ok) {
        out->n = f.keys.n;
        out->row = osp_new(a, osp_goroutine_group, out->n ? out->n : 1);
    }
    ok = ok && out->row;
    if (ok && out->n)
        memcpy(out->row, f.row, out->n * sizeof *out->row);
    for (uint32_t i = 0; ok && i < l->n; i++)
        if (of[i] != UINT32_MAX) {
            out->row[of[i]].n++;
            out->ngoroutine++;
        }
    ok = ok && fill(l, of, a, out);
    osp_intern_drop(&f.looks);
    osp_intern_drop(&f.keys);
    free(f.group_of_looks);
    free(f.row);
    free(of);
    if (!ok)
        return osp_fail_memory(err, "grouping goroutines");
    if (out->n)
        qsort_r(out->row, out->n, sizeof *out->row, by_size, (void *)(uintptr_t)l);
    return true;
}

/* ---- growth ----------------------------------------------------------------------------------------------------- */

static int by_growth(const void *a, const void *b)
{
    const osp_goroutine_group *x = a, *y = b;
    int64_t p = (int64_t)x->n - x->before, q = (int64_t)y->n - y->before;
    return p != q         ? (p < q) - (p > q)
           : x->n != y->n ? (x->n < y->n) - (x->n > y->n)
                          : (x->same.lo > y->same.lo) - (x->same.lo < y->same.lo);
}

bool osp_groups_compare(osp_goroutine_groups *now, const osp_goroutine_groups *was, osp_err *err)
{
    osp_intern keys = {0};
    bool ok = true;
    for (uint32_t i = 0; ok && i < was->n; i++)
        ok = osp_intern_put(&keys, (osp_str){(const char *)&was->row[i].same, sizeof was->row[i].same}, NULL) !=
             UINT32_MAX;
    for (uint32_t i = 0; ok && i < now->n; i++) {
        osp_goroutine_group *g = &now->row[i];
        uint32_t at = osp_intern_find(&keys, (osp_str){(const char *)&g->same, sizeof g->same});
        g->before = at == UINT32_MAX ? 0 : was->row[at].n;
    }
    osp_intern_drop(&keys);
    if (ok && now->n)
        qsort(now->row, now->n, sizeof *now->row, by_growth);
    return ok || osp_fail_memory(err, "comparing goroutines");
}
