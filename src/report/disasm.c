/* SPDX-License-Identifier: Apache-2.0 */
/* disasm: the instructions of the functions that a pattern matches, with what each took.
 *
 * The peer goes from the pattern to symbols and from those to samples. We go the other way, so that a large file costs
 * one walk over its symbol table: which symbols stand over a sampled address, and do they match? As for the peer, a
 * symbol's last byte is not part of it: a function that ends with an instruction of one byte is shown without it. */
#include "report/binaries.h"
#include "report/head.h"

#include "base/search.h"

#include <stdlib.h>

/* What a hostile file may make us do. */
enum { MOST_SYMBOLS = 1 << 16, MOST_TOLD = 5 };
static const uint64_t MOST_BYTES = (uint64_t)1 << 27;

typedef struct {
    uint64_t addr; /* file address; the first member, for osp_rows_upto */
    osp_mapping_id mapping;
    osp_object *object;
    const osp_node *node; /* NULL for the address that was asked for */
} sampled;

typedef struct {
    osp_object *object;
    osp_str name;
    uint64_t start, end;
    const sampled *first; /* its samples, sorted by address */
    size_t n;
} routine;

typedef struct {
    const osp_profile *profile;
    const osp_report_opts *opts;
    const osp_shown *shown;
    const osp_view *view;
    const osp_graph *graph;
    int64_t total;
    const osp_regex *re;
    osp_str pattern;
    bool by_address;
    uint64_t address; /* what the pattern says, if it is a number; a run address */
    osp_binaries binaries;
    osp_arena arena;
    sampled *sample;
    size_t nsample;
    routine *routine;
    size_t nroutine, cap;
    bool found;  /* a symbol matches, with samples or without */
    bool failed; /* no memory */
    osp_answer *out;
    /* While symbols of one object are walked: its samples, which of them have a symbol. */
    const sampled *from;
    size_t nfrom;
    bool *named;
} disassembly;

/* ---- which samples are of interest -------------------------------------------------------------------------- */

static int by_object_and_address(const void *x, const void *y)
{
    const sampled *a = x, *b = y;
    if (a->object != b->object)
        return (uintptr_t)a->object < (uintptr_t)b->object ? -1 : 1;
    if (a->addr != b->addr)
        return a->addr < b->addr ? -1 : 1;
    if (!a->node || !b->node)
        return !a->node - !b->node;
    return osp_str_cmp(a->node->label, b->node->label);
}

/* Files are opened where a function's name matches; if none does, all that have samples, for the profile may know less
 * than they do. */
static bool choose_mappings(const disassembly *d, bool *want)
{
    bool any = false;
    for (uint32_t i = 0; i < d->graph->nnode; i++) {
        const osp_node *n = &d->graph->node[i];
        osp_mapping_id m = osp_binaries_mapping_at(&d->binaries, n->addr);
        if (m.i && !want[m.i] &&
            (osp_regex_match(d->re, n->name.p, n->name.n) || osp_regex_match(d->re, n->label.p, n->label.n)))
            any = want[m.i] = true;
    }
    if (d->by_address) {
        osp_mapping_id m = osp_binaries_mapping_at(&d->binaries, d->address);
        any = want[m.i] = true;
    }
    return any;
}

static bool collect_samples(disassembly *d, osp_err *err)
{
    const uint32_t n = d->graph->nnode;
    bool *want = osp_new(&d->arena, bool, (size_t)d->profile->mappings.n + 1);
    d->sample = osp_new(&d->arena, sampled, (size_t)n + 1);
    if (!want || !d->sample)
        return osp_fail_memory(err, "disassembling");
    const bool all = !choose_mappings(d, want);
    osp_buf ignored = osp_buf_of(0);
    for (uint32_t i = 0; i <= n; i++) {
        const osp_node *node = i < n ? &d->graph->node[i] : NULL;
        if (!node && !d->by_address)
            break;
        const uint64_t addr = node ? node->addr : d->address;
        osp_mapping_id m = osp_binaries_mapping_at(&d->binaries, addr);
        if (!m.i || !(all || want[m.i]))
            continue;
        osp_object *o = osp_binaries_object(&d->binaries, m, all ? &ignored : &d->out->notes);
        if (o)
            d->sample[d->nsample++] = (sampled){addr - d->binaries.row[m.i].bias, m, o, node};
    }
    if (d->nsample)
        qsort(d->sample, d->nsample, sizeof *d->sample, by_object_and_address);
    return true;
}

/* ---- routines ----------------------------------------------------------------------------------------------- */

/* The name by which a symbol matches: its own, or one as people write it; {NULL, 0} if it does not. */
static osp_str matching_name(disassembly *d, osp_str name)
{
    if (osp_regex_match(d->re, name.p, name.n))
        return name;
    osp_str brief = osp_brief_name(&d->arena, name);
    return brief.p && osp_regex_match(d->re, brief.p, brief.n) ? brief : (osp_str){0};
}

static bool add_routine(disassembly *d, const osp_symbol *s, uint64_t end)
{
    osp_object *o = d->from->object;
    size_t at = s->start ? osp_rows_upto(d->from, d->nfrom, sizeof *d->from, s->start - 1) : 0, to = at;
    bool asked = false;
    while (to < d->nfrom && d->from[to].addr < s->end) {
        d->named[to] = true;
        asked = asked || !d->from[to].node;
        to++;
    }
    osp_str name = asked ? s->name : matching_name(d, s->name);
    if (!name.p)
        return true;
    d->found = true;
    while (to > at && (d->from[to - 1].addr >= end))
        to--;
    bool has_samples = false;
    for (size_t i = at; i < to; i++)
        has_samples = has_samples || d->from[i].node;
    if (!has_samples)
        return true;
    void *r = d->routine;
    if (d->nroutine == MOST_SYMBOLS || !osp_grow(&r, &d->cap, d->nroutine + 1, sizeof *d->routine)) {
        d->failed = d->nroutine < MOST_SYMBOLS;
        return false;
    }
    d->routine = r;
    d->routine[d->nroutine++] = (routine){o, name, s->start, end, d->from + at, to - at};
    return true;
}

static bool add_symbol(void *ctx, const osp_symbol *s) { return add_routine(ctx, s, s->end - 1); }

/* The routines of one object: by its symbol table, and where that says nothing by all else that is known of the file. */
static void find_routines(disassembly *d)
{
    uint64_t *addr = osp_new(&d->arena, uint64_t, d->nfrom);
    d->named = osp_new(&d->arena, bool, d->nfrom);
    if (!addr || !d->named) {
        d->failed = true;
        return;
    }
    for (size_t i = 0; i < d->nfrom; i++)
        addr[i] = d->from[i].addr;
    osp_object_symbols_over(d->from->object, addr, d->nfrom, add_symbol, d);
    for (size_t i = 0; i < d->nfrom && !d->failed; i++) {
        osp_symbol s;
        if (!d->named[i] && osp_object_symbol_at(d->from->object, addr[i], &s))
            add_routine(d, &s, s.end);
    }
}

static int by_name(const void *x, const void *y)
{
    const routine *a = x, *b = y;
    int c = osp_str_cmp(a->name, b->name);
    c = c ? c : (a->start > b->start) - (a->start < b->start);
    return c ? c : (a->end > b->end) - (a->end < b->end);
}

/* ---- printing ----------------------------------------------------------------------------------------------- */

/* What is said beside an instruction: of which function, file and line it is. */
typedef struct {
    osp_str function, file;
    int64_t line;
} place;

typedef struct {
    int64_t flat, cum, flat_divisor, cum_divisor;
    place at;
} taken;

/* The samples before the next instruction are this one's: some were recorded in the midst of it. */
static size_t take(const routine *r, size_t at, uint64_t next, taken *t)
{
    for (; at < r->n && r->first[at].addr < next; at++) {
        const osp_node *n = r->first[at].node;
        if (!n)
            continue;
        osp_add(&t->flat, n->flat);
        osp_add(&t->cum, n->cum);
        osp_add(&t->flat_divisor, n->flat_divisor);
        osp_add(&t->cum_divisor, n->cum_divisor);
        if (!t->at.file.n && n->file.n)
            t->at.file = osp_path_base(n->file);
        if (!t->at.line)
            t->at.line = n->line;
        if (!t->at.function.n)
            t->at.function = n->name;
    }
    return at;
}

/* Go code has its line from Go's own table, inlined or not. Of other code the peer knows what the samples say, and so the
 * line of the function itself; where there are none DWARF is asked for that. */
static void find_line(osp_object *o, uint64_t addr, place *at)
{
    osp_str file;
    int32_t line;
    if (!at->file.n && osp_object_line_at(o, addr, &file, &line)) {
        at->file = osp_path_base(file);
        at->line = line;
    }
}

static bool same_place(const place *a, const place *b)
{
    return osp_str_eq(a->function, b->function) && osp_str_eq(a->file, b->file) && a->line == b->line;
}

static void put_place(osp_buf *out, const place *p)
{
    osp_buf_byte(out, ';');
    if (p->function.n)
        osp_buf_fmt(out, "%.*s ", STRF(p->function));
    osp_buf_add(out, p->file);
    if (p->file.n && p->line)
        osp_buf_fmt(out, ":%lld", (long long)p->line);
}

static void print_instruction(disassembly *d, const osp_instruction *in, const taken *t, place *last)
{
    enum { SHORT = 40, BEFORE = 74 };
    char flat[OSP_SHOWN_MAX], cum[OSP_SHOWN_MAX];
    osp_buf *out = &d->out->text;
    bool changed = !same_place(&t->at, last), says = changed && (t->at.function.n || t->at.file.n);
    *last = t->at;
    if (says && in->text.n >= SHORT) {
        osp_buf_fill(out, ' ', BEFORE);
        put_place(out, &t->at);
        osp_buf_byte(out, '\n');
    }
    osp_buf_fmt(out, "%10s %10s %10llx: %.*s",
                osp_shown_or_dot(d->shown, osp_mean(t->flat, t->flat_divisor), flat, sizeof flat),
                osp_shown_or_dot(d->shown, osp_mean(t->cum, t->cum_divisor), cum, sizeof cum),
                (unsigned long long)in->addr, STRF(in->text));
    if (says && in->text.n < SHORT) {
        size_t width = osp_str_columns(in->text);
        osp_buf_fill(out, ' ', width < SHORT ? SHORT - width : 0);
        put_place(out, &t->at);
    }
    osp_buf_byte(out, '\n');
}

static bool print_routine(disassembly *d, const routine *r, osp_err *err)
{
    char flat_text[OSP_SHOWN_MAX], cum_text[OSP_SHOWN_MAX], percent[32];
    int64_t flat = 0, cum = 0;
    osp_arena arena;
    osp_instructions code;
    osp_arena_init(&arena, (size_t)1 << 30);
    const osp_syntax syntax = d->opts->intel_syntax ? OSP_INTEL : OSP_ATT;
    if (!osp_object_instructions(r->object, r->start, r->end, syntax, &arena, &code, err)) {
        osp_arena_drop(&arena);
        return false;
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->first[i].node) {
            osp_add(&flat, r->first[i].node->flat);
            osp_add(&cum, r->first[i].node->cum);
        }
    osp_buf_fmt(&d->out->text, "ROUTINE ======================== %.*s\n", STRF(r->name));
    osp_buf_fmt(&d->out->text, "%10s %10s (flat, cum) %s of Total\n",
                osp_shown_text(d->shown, flat, flat_text, sizeof flat_text),
                osp_shown_text(d->shown, cum, cum_text, sizeof cum_text),
                osp_percent(cum, d->total, percent, sizeof percent));
    place last = {S(""), S(""), 0};
    size_t at = 0;
    for (size_t i = 0; i < code.n; i++) {
        taken t = {0};
        if (osp_object_is_go(r->object, code.row[i].addr))
            find_line(r->object, code.row[i].addr, &t.at);
        at = take(r, at, i + 1 < code.n ? code.row[i + 1].addr : UINT64_MAX, &t);
        find_line(r->object, code.row[i].addr, &t.at);
        print_instruction(d, &code.row[i], &t, &last);
    }
    osp_arena_drop(&arena);
    return true;
}

/* The functions that `fn` is inlined into, some of them. */
static void tell_callers(disassembly *d, uint32_t fn)
{
    const osp_profile *p = d->profile;
    osp_buf *notes = &d->out->notes;
    osp_str told[MOST_TOLD];
    size_t n = 0;
    for (uint32_t i = 0; i < p->locations.n; i++) {
        const uint32_t from = p->locations.first[i], to = p->locations.first[i + 1];
        uint32_t at = from;
        while (at < to && p->locations.line[at].fn.i != fn)
            at++;
        if (at == to)
            continue;
        osp_str name = osp_str_head(d->view->name[p->locations.line[to - 1].fn.i], 200);
        size_t known = 0;
        while (known < n && !osp_str_eq(told[known], name))
            known++;
        if (known < n)
            continue;
        if (n == MOST_TOLD) {
            osp_buf_add(notes, S(", ..."));
            return;
        }
        osp_buf_fmt(notes, "%s%.*s", n ? ", " : "", STRF(name));
        told[n++] = name;
    }
}

/* A function whose every call was inlined has no symbol: where to look for its instructions. */
static void tell_inlined(disassembly *d)
{
    const osp_profile *p = d->profile;
    bool *has_code = osp_new(&d->arena, bool, (size_t)p->functions.n + 1);
    for (uint32_t i = 0; has_code && i < p->locations.n; i++)
        if (p->locations.first[i + 1] > p->locations.first[i])
            has_code[p->locations.line[p->locations.first[i + 1] - 1].fn.i] = true;
    size_t told = 0;
    bool *inlined = osp_new(&d->arena, bool, (size_t)p->functions.n + 1);
    for (uint32_t i = 0; inlined && i < p->locations.n; i++)
        for (uint32_t k = p->locations.first[i]; k + 1 < p->locations.first[i + 1]; k++)
            inlined[p->locations.line[k].fn.i] = true;
    for (uint32_t i = 1; has_code && inlined && i < p->functions.n && told < MOST_TOLD; i++) {
        const osp_str name = d->view->name[i];
        if (!inlined[i] || has_code[i] || !osp_regex_match(d->re, name.p ? name.p : "", name.n))
            continue;
        osp_buf_fmt(&d->out->notes, "%.*s has no code of its own, it is inlined into ",
                    STRF(osp_str_head(name, 200)));
        tell_callers(d, i);
        osp_buf_byte(&d->out->notes, '\n');
        told++;
    }
}

static bool nothing_matches(disassembly *d, osp_err *err)
{
    if (!d->found)
        tell_inlined(d);
    if (!d->by_address)
        return osp_fail(err, OSP_EABSENT, "no matches found for regexp %.*s", STRF(d->pattern));
    if (!d->found)
        return osp_fail(err, OSP_EABSENT, "no matches found for address 0x%llx", (unsigned long long)d->address);
    return osp_fail(
        err, OSP_EABSENT,
        "address 0x%llx found in binary, but the corresponding symbols do not have samples in the profile",
        (unsigned long long)d->address);
}

static bool disassemble(disassembly *d, osp_err *err)
{
    char text[OSP_SHOWN_MAX];
    if (!collect_samples(d, err))
        return false;
    for (size_t at = 0, next; at < d->nsample; at = next) {
        for (next = at; next < d->nsample && d->sample[next].object == d->sample[at].object; next++)
            ;
        d->from = d->sample + at;
        d->nfrom = next - at;
        find_routines(d);
    }
    if (d->failed)
        return osp_fail_memory(err, "disassembling");
    if (d->nroutine == 0)
        return nothing_matches(d, err);
    qsort(d->routine, d->nroutine, sizeof *d->routine, by_name);
    osp_buf_fmt(&d->out->text, "Total: %s\n", osp_shown_text(d->shown, d->total, text, sizeof text));
    uint64_t bytes = 0;
    for (size_t i = 0; i < d->nroutine; i++) {
        const routine *r = &d->routine[i];
        if (r->end - r->start > OSP_MOST_CODE)
            osp_buf_fmt(&d->out->notes, "%.*s claims 0x%llx bytes: shown are the first 0x%x\n", STRF(r->name),
                        (unsigned long long)(r->end - r->start), OSP_MOST_CODE);
        bytes += r->end - r->start < OSP_MOST_CODE ? r->end - r->start : OSP_MOST_CODE;
        if (bytes > MOST_BYTES) {
            osp_buf_fmt(&d->out->notes, "%zu of %zu functions are not shown: too much code\n", d->nroutine - i,
                        d->nroutine);
            break;
        }
        if (!print_routine(d, r, err))
            return false;
    }
    return true;
}

static bool write_disasm(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_report_opts own = *o;
    osp_view view = {0};
    osp_graph graph = {0};
    disassembly d = {.profile = p, .opts = &own, .view = &view, .graph = &graph, .pattern = o->argument, .out = out};
    osp_regex *re = osp_argument_regex(o, err);
    /* One place for each address, or what it took would be counted once for each call that was inlined there. */
    own.query.no_inlines = true;
    const osp_shown shown = osp_shown_of(p, o);
    osp_arena_init(&d.arena, SIZE_MAX / 2);
    bool ok = re && osp_answer_view(p, &own, false, &view, out, err) && osp_binaries_init(&d.binaries, p, o, err);
    if (ok) {
        osp_graph_opts graph_opts = osp_graph_opts_of(&own);
        graph_opts.objects = true;
        ok = osp_graph_make(&view, &graph_opts, &graph, err);
    }
    if (ok) {
        d.re = re;
        d.shown = &shown;
        d.total = view.total;
        d.by_address = osp_address_of(o->argument, &d.address);
        ok = disassemble(&d, err);
    }
    free(d.routine);
    osp_binaries_drop(&d.binaries);
    osp_arena_drop(&d.arena);
    osp_graph_drop(&graph);
    osp_view_drop(&view);
    osp_regex_drop(re);
    return ok;
}

const osp_report osp_report_disasm = {
    .name = "disasm",
    .summary = "the instructions of functions that match, with what each took",
    .takes_argument = true,
    .untrimmed = true,
    .own_granularity = true,
    .granularity = OSP_BY_ADDRESS,
    .write = write_disasm,
};
