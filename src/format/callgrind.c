/* SPDX-License-Identifier: Apache-2.0 */
/* What valgrind's callgrind writes, and all that speak its format:
 *
 *     events: Ir Dr
 *     ob=(1) /usr/lib/libc.so.6
 *     fl=(2) qsort.c
 *     fn=(3) qsort                   a name has a number where it stands first, and is that number from then on
 *     12 100 30                      line and costs of the function itself
 *     cfn=(4) cmp
 *     calls=7 20                     a call: how often, whither; the line below it is the line of the call and what it cost
 *     +2 700 200                     with all that was called from there
 *
 * The file knows no stacks, only what a function cost itself and what its calls cost. Stacks are put together from that: from
 * a function without callers downwards, each function's cost is spread over its own lines and its calls in the proportion that
 * the file gives for the function as a whole. So every function's own cost, its cost with all it calls and the cost of
 * every pair of caller and callee come out as measured; which callers of a callee stand behind which of its calls is an
 * assumption. The heaviest chains are followed first; what is left when there are enough of them, and what has no way from a
 * root, stands under its function alone. */
#include "format/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_EVENTS = 32,
    DEEPEST = 512,
    MOST_CHAINS = 1 << 17,
    MOST_FRAMES = 1 << 24, /* of all stacks together */
};
#define NO_CALL UINT32_MAX

/* Names with numbers: objects, files, functions. */
typedef struct {
    osp_intern numbers;
    osp_str *name;
    size_t cap;
} number_space;

typedef struct {
    uint32_t name, file, object; /* in texts */
} function;

/* What one function cost on one line of one file: itself, or by calling another. */
typedef struct {
    uint32_t from, to; /* functions; to: NO_CALL = itself */
    uint32_t file;
    uint32_t line;
} place;

/* A chain of calls that ends in a function, and how much of each event goes that way. */
typedef struct {
    uint32_t before, call; /* the chain it continues, by a call from the function there; NO_CALL: begins at a root */
    uint32_t fn, depth;
    double weight;
    double *share; /* by event, in the arena */
} chain;

typedef struct {
    osp_names names;
    osp_arena arena;
    osp_intern texts, functions, places;
    number_space objects, files, fns;
    uint32_t nevent;
    double total[MOST_EVENTS];
    double *cost; /* by place, nevent each */
    size_t cost_cap;
    bool failed;

    uint32_t *first, *list; /* by function: its places */
    double *with_calls;     /* by function, nevent each */
    chain *chain;
    uint32_t nchain;
    uint32_t *heap, nheap;
    double *given;   /* by place: what its samples add up to so far, before rounding */
    int64_t *placed; /* and after */
    uint64_t frames;
    osp_location_id *at; /* by place */

    /* While lines are read. */
    uint32_t ncolumn;
    bool line_column[2];
    uint64_t position[2];
    uint32_t object, file, fn, called_object, called_file, called;
    bool has_called_object, has_called_file, in_call;
} reader;

/* ---- names ---------------------------------------------------------------------------------------------------- */

static uint32_t put(reader *r, osp_intern *set, osp_str text)
{
    uint32_t id = osp_intern_put(set, text, NULL);
    r->failed |= id == UINT32_MAX;
    return r->failed ? 0 : id;
}

/* The same for a struct, which is copied. */
static uint32_t put_row(reader *r, osp_intern *set, const void *row, size_t n)
{
    bool fresh = false;
    uint32_t id = osp_intern_put(set, (osp_str){row, n}, &fresh);
    char *copy = fresh ? osp_arena_take(&r->arena, 1, n, alignof(uint64_t)) : NULL;
    if (copy)
        set->text[id] = (osp_str){memcpy(copy, row, n), n};
    r->failed |= id == UINT32_MAX || (fresh && !copy);
    return r->failed ? 0 : id;
}

static const function *function_of(const reader *r, uint32_t id) { return (const function *)r->functions.text[id].p; }
static const place *place_of(const reader *r, uint32_t id) { return (const place *)r->places.text[id].p; }

/* "(12) name", "(12)" or "name". */
static uint32_t text_of(reader *r, number_space *s, osp_str said)
{
    osp_str rest = said, number = osp_str_cut(&rest, ')');
    uint64_t value;
    if (said.n && said.p[0] == '(' && osp_str_u64(osp_str_skip(number, 1), 10, &value)) {
        void *all = s->name;
        const uint32_t known = s->numbers.n, id = put(r, &s->numbers, number);
        if (!osp_grow(&all, &s->cap, (size_t)id + 1, sizeof *s->name))
            r->failed = true;
        if (r->failed)
            return 0;
        s->name = all;
        if (id == known)
            s->name[id] = S("");
        rest = osp_str_trim(rest);
        if (rest.n)
            s->name[id] = rest;
        said = s->name[id];
    }
    return put(r, &r->texts, said);
}

static uint32_t function_named(reader *r, osp_str said, uint32_t file, uint32_t object)
{
    const function f = {.name = text_of(r, &r->fns, said), .file = file, .object = object};
    return put_row(r, &r->functions, &f, sizeof f);
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

static osp_str word(osp_str *line)
{
    *line = osp_str_trim(*line);
    return osp_str_cut(line, ' ');
}

static bool number_of(osp_str text, uint64_t *out)
{
    return osp_str_starts(text, S("0x")) ? osp_str_u64(osp_str_skip(text, 2), 16, out) : osp_str_u64(text, 10, out);
}

/* "12", "0x1f", "+3", "-3", "*": where, or how far from the last place. */
static bool read_position(osp_str text, uint64_t *at)
{
    uint64_t v;
    if (osp_str_eq(text, S("*")))
        return true;
    bool up = osp_str_starts(text, S("+")), down = osp_str_starts(text, S("-"));
    if (!number_of(osp_str_skip(text, up || down), &v))
        return false;
    *at = up ? *at + v : down ? *at - v : v;
    return true;
}

static void add_costs(reader *r, uint32_t at, const double *cost)
{
    void *all = r->cost;
    size_t had = r->cost_cap;
    if (!osp_grow(&all, &r->cost_cap, ((size_t)at + 1) * r->nevent, sizeof *r->cost)) {
        r->failed = true;
        return;
    }
    r->cost = all;
    if (r->cost_cap > had)
        memset(r->cost + had, 0, (r->cost_cap - had) * sizeof *r->cost);
    for (uint32_t e = 0; e < r->nevent; e++)
        r->cost[(size_t)at * r->nevent + e] += cost[e];
}

static bool read_costs(reader *r, osp_str line)
{
    double cost[MOST_EVENTS] = {0};
    uint64_t v;
    for (uint32_t i = 0; i < r->ncolumn; i++)
        if (!read_position(word(&line), &r->position[i]))
            return false;
    for (uint32_t e = 0; line.n; e++) {
        osp_str text = word(&line);
        if (text.n == 0)
            break;
        if (e >= r->nevent || !number_of(text, &v) || v > INT64_MAX)
            return false;
        cost[e] = (double)v;
    }
    uint64_t at = 0;
    for (uint32_t i = 0; i < r->ncolumn; i++)
        if (r->line_column[i])
            at = r->position[i];
    const place here = {.from = r->fn,
                        .to = r->in_call ? r->called : NO_CALL,
                        .file = r->file,
                        .line = at <= INT32_MAX ? (uint32_t)at : 0};
    r->in_call = false;
    uint32_t id = put_row(r, &r->places, &here, sizeof here);
    if (!r->failed)
        add_costs(r, id, cost);
    return true;
}

/* "events: Ir Dr"; ours are written as "cpu(ms)". */
static bool read_events(reader *r, osp_str list, osp_err *err)
{
    uint32_t n = 0;
    for (osp_str rest = list; osp_str_trim(rest).n; n++) {
        osp_str unit = word(&rest), name = osp_str_cut(&unit, '(');
        if (n == MOST_EVENTS)
            return osp_fail(err, OSP_ELIMIT, "more than %d events", MOST_EVENTS);
        if (osp_str_ends(unit, S(")")))
            unit.n--;
        if (r->nevent == 0 && n == 0)
            osp_builder_head(r->names.b, &(osp_profile_head){.preferred = name});
        if (r->nevent == 0)
            osp_builder_value(r->names.b, name, unit.n ? unit : S("count"));
    }
    if (r->nevent && r->nevent != n)
        return osp_fail(err, OSP_EFORMAT, "its parts count different events");
    r->nevent = n;
    return n || osp_fail(err, OSP_EFORMAT, "it counts no event");
}

static bool read_columns(reader *r, osp_str list, osp_err *err)
{
    r->ncolumn = 0;
    while (osp_str_trim(list).n) {
        osp_str name = word(&list);
        if (r->ncolumn == 2)
            return osp_fail(err, OSP_EFORMAT, "more than two positions a line");
        r->line_column[r->ncolumn++] = osp_str_eq(name, S("line"));
    }
    return true;
}

static void read_name(reader *r, osp_str key, osp_str value)
{
    if (osp_str_eq(key, S("ob"))) {
        r->object = text_of(r, &r->objects, value);
    } else if (osp_str_eq(key, S("fl")) || osp_str_eq(key, S("fi")) || osp_str_eq(key, S("fe"))) {
        r->file = text_of(r, &r->files, value);
    } else if (osp_str_eq(key, S("fn"))) {
        r->fn = function_named(r, value, r->file, r->object);
    } else if (osp_str_eq(key, S("cob"))) {
        r->called_object = text_of(r, &r->objects, value);
        r->has_called_object = true;
    } else if (osp_str_eq(key, S("cfl")) || osp_str_eq(key, S("cfi"))) {
        r->called_file = text_of(r, &r->files, value);
        r->has_called_file = true;
    } else if (osp_str_eq(key, S("cfn"))) {
        r->called = function_named(r, value, r->has_called_file ? r->called_file : r->file,
                                   r->has_called_object ? r->called_object : r->object);
    } else if (osp_str_eq(key, S("calls"))) {
        r->in_call = true;
        r->has_called_file = r->has_called_object = false;
    }
}

static bool is_position(osp_str line)
{
    char c = line.p[0];
    return (osp_is_digit(c)) || c == '+' || c == '-' || c == '*';
}

/* False: the line is not of this form. */
static bool read_line(reader *r, osp_str line, osp_err *err)
{
    if (is_position(line)) {
        if (r->nevent == 0)
            return osp_fail(err, OSP_EFORMAT, "costs before the line `events:`");
        return read_costs(r, line);
    }
    osp_str value = line, key = osp_str_cut(&value, '=');
    if (key.n < line.n && !memchr(key.p, ':', key.n) && !memchr(key.p, ' ', key.n)) {
        read_name(r, key, value);
        return true;
    }
    value = line;
    key = osp_str_cut(&value, ':');
    if (osp_str_eq(key, S("events")))
        return read_events(r, value, err);
    return osp_str_eq(key, S("positions")) ? read_columns(r, value, err) : key.n < line.n;
}

static bool read_lines(reader *r, osp_input *in, osp_err *err)
{
    osp_line_count lines = {0};
    uint64_t number = 0;
    for (osp_str text = osp_span_text(in->file.bytes); text.n && !r->failed;) {
        osp_str line = osp_str_trim(osp_str_cut(&text, '\n'));
        osp_err why = {0};
        number++;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        lines.lines++;
        if (read_line(r, line, &why))
            continue;
        if (why.code) {
            *err = why;
            return osp_fail_in(err, "line %llu", (unsigned long long)number);
        }
        if (lines.bad++ == 0)
            lines.first_bad = number;
    }
    if (r->failed)
        return osp_fail_memory(err, "reading callgrind's lines");
    if (r->places.n == 0)
        return osp_fail(err, OSP_EABSENT, "there is not one cost in it");
    return osp_lines_judged(&lines, in, err);
}

/* ---- from calls to stacks ------------------------------------------------------------------------------------- */

static double cost_of(const reader *r, uint32_t at, uint32_t event)
{
    return r->cost[(size_t)at * r->nevent + event];
}

static bool list_places(reader *r)
{
    const uint32_t nfn = r->functions.n, nplace = r->places.n;
    r->first = osp_new(&r->arena, uint32_t, (size_t)nfn + 2);
    r->list = osp_new(&r->arena, uint32_t, nplace);
    r->with_calls = osp_new(&r->arena, double, (size_t)nfn * r->nevent);
    r->given = osp_new(&r->arena, double, (size_t)nplace * r->nevent);
    r->placed = osp_new(&r->arena, int64_t, (size_t)nplace * r->nevent);
    r->at = osp_new(&r->arena, osp_location_id, nplace);
    r->chain = osp_new(&r->arena, chain, MOST_CHAINS);
    r->heap = osp_new(&r->arena, uint32_t, MOST_CHAINS);
    if (!r->first || !r->list || !r->with_calls || !r->given || !r->placed || !r->at || !r->chain || !r->heap)
        return false;
    for (uint32_t i = 0; i < nplace; i++)
        r->first[place_of(r, i)->from + 2]++;
    for (uint32_t f = 0; f < nfn; f++)
        r->first[f + 2] += r->first[f + 1];
    for (uint32_t i = 0; i < nplace; i++) {
        const place *p = place_of(r, i);
        r->list[r->first[p->from + 1]++] = i;
        for (uint32_t e = 0; e < r->nevent; e++) {
            r->with_calls[(size_t)p->from * r->nevent + e] += cost_of(r, i, e);
            r->total[e] += p->to == NO_CALL ? cost_of(r, i, e) : 0;
        }
    }
    return true;
}

static void make_locations(reader *r)
{
    for (uint32_t i = 0; i < r->places.n; i++) {
        const place *p = place_of(r, i);
        const function *f = function_of(r, p->from);
        osp_str object = r->texts.text[f->object];
        osp_mapping_id mapping = {0};
        if (object.n && !osp_str_eq(object, S("???")))
            mapping = osp_builder_mapping(r->names.b, 0, 0, 0, object, S(""), OSP_HAS_ALL);
        r->at[i] = osp_names_frame(&r->names, mapping, 0, r->texts.text[f->name], r->texts.text[p->file], p->line);
    }
}

static bool lighter(const reader *r, uint32_t a, uint32_t b) { return r->chain[a].weight < r->chain[b].weight; }

static void heap_push(reader *r, uint32_t id)
{
    uint32_t i = r->nheap++;
    for (; i && lighter(r, r->heap[(i - 1) / 2], id); i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = id;
}

static uint32_t heap_pop(reader *r)
{
    const uint32_t top = r->heap[0], last = r->heap[--r->nheap];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < r->nheap; i = child) {
        if (child + 1 < r->nheap && lighter(r, r->heap[child], r->heap[child + 1]))
            child++;
        if (!lighter(r, last, r->heap[child]))
            break;
        r->heap[i] = r->heap[child];
    }
    r->heap[i] = last;
    return top;
}

/* A chain to be followed, if it carries anything. */
static void follow(reader *r, chain c, const double *share)
{
    for (uint32_t e = 0; e < r->nevent; e++)
        if (r->total[e] > 0 && share[e] / r->total[e] > c.weight)
            c.weight = share[e] / r->total[e];
    if (c.weight < 1e-9 || c.depth > DEEPEST || r->nchain == MOST_CHAINS)
        return;
    c.share = osp_new(&r->arena, double, r->nevent);
    if (!c.share) {
        r->failed = true;
        return;
    }
    memcpy(c.share, share, r->nevent * sizeof *share);
    r->chain[r->nchain] = c;
    heap_push(r, r->nchain++);
}

/* A function costs more than its calls do: it is called from outside. */
static void find_roots(reader *r)
{
    double *called = osp_new(&r->arena, double, (size_t)r->functions.n * r->nevent);
    if (!called) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < r->places.n; i++)
        for (uint32_t e = 0; place_of(r, i)->to != NO_CALL && e < r->nevent; e++)
            called[(size_t)place_of(r, i)->to * r->nevent + e] += cost_of(r, i, e);
    for (uint32_t f = 0; f < r->functions.n; f++) {
        double share[MOST_EVENTS];
        for (uint32_t e = 0; e < r->nevent; e++)
            share[e] = fmax(0, r->with_calls[(size_t)f * r->nevent + e] - called[(size_t)f * r->nevent + e]);
        follow(r, (chain){.call = NO_CALL, .fn = f, .depth = 1}, share);
    }
}

static int64_t whole(double v) { return v >= 9.2e18 ? INT64_MAX : (int64_t)(v + 0.5); }

/* What of a place's cost the chain brings, rounded so that the sum of all is right. False: nothing. */
static bool take_share(reader *r, uint32_t at, const double *share, int64_t *value)
{
    bool any = false;
    for (uint32_t e = 0; e < r->nevent; e++) {
        const size_t i = (size_t)at * r->nevent + e;
        r->given[i] = fmin(r->given[i] + share[e], cost_of(r, at, e));
        value[e] = whole(r->given[i]) - r->placed[i];
        r->placed[i] += value[e];
        any |= value[e] != 0;
    }
    return any;
}

static void add_sample(reader *r, uint32_t at, const chain *c, const int64_t *value)
{
    osp_names_push(&r->names, r->at[at]);
    for (; c && c->call != NO_CALL; c = &r->chain[c->before])
        osp_names_push(&r->names, r->at[c->call]);
    r->frames += r->names.n;
    osp_builder_sample(r->names.b, osp_names_stack(&r->names, false), (osp_labelset_id){0}, value, 0);
}

static void spread(reader *r, uint32_t id)
{
    const chain *c = &r->chain[id];
    double share[MOST_EVENTS];
    int64_t value[MOST_EVENTS];
    for (uint32_t k = r->first[c->fn]; k < r->first[c->fn + 1] && r->frames < MOST_FRAMES; k++) {
        const uint32_t at = r->list[k], to = place_of(r, at)->to;
        for (uint32_t e = 0; e < r->nevent; e++) {
            double all = r->with_calls[(size_t)c->fn * r->nevent + e];
            share[e] = all > 0 ? c->share[e] / all * cost_of(r, at, e) : 0;
        }
        r->frames++;
        if (to != NO_CALL)
            follow(r, (chain){.before = id, .call = at, .fn = to, .depth = c->depth + 1}, share);
        else if (take_share(r, at, share, value))
            add_sample(r, at, c, value);
    }
}

static void add_stacks(reader *r, osp_input *in)
{
    double rest = 0;
    int64_t value[MOST_EVENTS];
    find_roots(r);
    while (r->nheap && !r->failed && r->frames < MOST_FRAMES)
        spread(r, heap_pop(r));
    for (uint32_t i = 0; i < r->places.n; i++) {
        bool any = false;
        for (uint32_t e = 0; e < r->nevent; e++) {
            const size_t k = (size_t)i * r->nevent + e;
            value[e] = whole(r->cost[k]) - r->placed[k];
            any |= value[e] != 0;
        }
        if (!any || place_of(r, i)->to != NO_CALL)
            continue;
        rest += (double)value[0];
        add_sample(r, i, NULL, value);
    }
    if (r->total[0] > 0 && rest / r->total[0] >= 0.0005)
        snprintf(in->note, sizeof in->note, "%.1f %% of the cost stand without their callers",
                 100 * rest / r->total[0]);
}

/* ---- the form ------------------------------------------------------------------------------------------------- */

static void drop(reader *r)
{
    osp_arena_drop(&r->arena);
    osp_intern *const set[] = {&r->texts,           &r->functions,     &r->places,
                               &r->objects.numbers, &r->files.numbers, &r->fns.numbers};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        osp_intern_drop(set[i]);
    free(r->objects.name);
    free(r->files.name);
    free(r->fns.name);
    free(r->cost);
}

static osp_profile *read_callgrind(osp_input *in, osp_err *err)
{
    reader r = {.ncolumn = 1, .line_column = {true}};
    r.names.b = osp_builder_new(in->limit, err);
    if (!r.names.b)
        return NULL;
    osp_arena_init(&r.arena, in->limit + ((size_t)1 << 30));
    put(&r, &r.texts, S(""));
    r.fn = function_named(&r, S("(unknown)"), 0, 0);
    bool ok = read_lines(&r, in, err);
    if (ok && list_places(&r)) {
        make_locations(&r);
        add_stacks(&r, in);
    } else if (ok) {
        r.failed = true;
    }
    if (ok && r.failed)
        ok = osp_fail_memory(err, "putting stacks together");
    drop(&r);
    return osp_names_finish(&r.names, ok, err);
}

/* A line `events:`, and before it only headers. */
static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    bool sure = osp_str_starts(head, S("# callgrind format"));
    while (head.n) {
        osp_str line = osp_str_trim(osp_str_cut(&head, '\n')), value = line;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        osp_str key = osp_str_cut(&value, ':');
        if (osp_str_eq(key, S("events")) && value.n)
            return OSP_MINE;
        if (key.n == line.n || key.n > 40 || memchr(key.p, '=', key.n) || memchr(key.p, '"', key.n))
            break;
    }
    return sure ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_callgrind = {
    .name = "callgrind",
    .summary = "callgrind's costs and calls",
    .ending = ".callgrind",
    .sniff = sniff,
    .read = read_callgrind,
};
