/* SPDX-License-Identifier: Apache-2.0 */
/* listing.c: from samples to instructions under source lines, as the peer's MakeWebList does it:
 *
 *   1. what each address took, with all its callees and by itself (a recursive call counts each time);
 *   2. which addresses are in functions that match;
 *   3. ranges of code around those, the 25 heaviest of them;
 *   4. the instructions there, each with its frames: under the line of every frame whose function matches. */
#include "report/listing.h"

#include "base/hash.h"
#include "base/path.h"
#include "base/search.h"

#include <stdlib.h>

enum { EXPAND = 500, MOST_RANGES = 25, NEIGHBOURHOOD = 32, MOST_FRAMES = 64 };

/* What an address took. */
typedef struct {
    uint64_t addr; /* the first member, for osp_rows_upto */
    int64_t flat, cum;
    uint32_t loc; /* the first location of it that matches; UINT32_MAX = none does */
    osp_object *object;
} place;

typedef struct {
    uint64_t begin, end;
    osp_mapping_id mapping;
    osp_object *object;
    int64_t score;
} range;

typedef struct {
    const osp_view *v;
    const osp_profile *p;
    const osp_report_opts *o;
    const osp_regex *re;
    osp_binaries *binaries;
    osp_buf *notes;
    osp_listing *l;
    osp_err *err;
    bool by_address;
    uint64_t address;
    int64_t *flat, *cum; /* by location */
    bool *used;
    uint32_t *nth; /* of the locations used, in the order of their first use */
    uint32_t nused;
    bool *matches;       /* by function */
    osp_intern interest; /* names of functions that match, both forms */
    place *at;           /* sorted by addr */
    size_t nplace;
    size_t row_cap, use_cap, call_cap;
    osp_arena scratch;
} making;

static bool no_memory(making *m) { return osp_fail_memory(m->err, "listing code"); }

/* ---- what each location took -------------------------------------------------------------------------------- */

static void add_stack(making *m, uint32_t s, int64_t value)
{
    const osp_stack stack = osp_view_stack(m->v, s);
    for (uint32_t i = stack.n; i-- > 0;) {
        uint32_t loc = stack.loc[i].i;
        osp_add(&m->cum[loc], value);
        if (i == 0)
            osp_add(&m->flat[loc], value);
        if (!m->used[loc]) {
            m->used[loc] = true;
            m->nth[m->nused++] = loc;
        }
    }
}

static bool add_samples(making *m)
{
    const osp_view *v = m->v;
    const uint32_t n = m->p->locations.n;
    m->flat = osp_new(&m->scratch, int64_t, n);
    m->cum = osp_new(&m->scratch, int64_t, n);
    m->used = osp_new(&m->scratch, bool, n);
    m->nth = osp_new(&m->scratch, uint32_t, n);
    if (!m->flat || !m->cum || !m->used || !m->nth)
        return no_memory(m);
    /* The peer divides each sample's value, not their sums: with mean the samples are asked. */
    for (uint32_t i = 0; v->divisor && i < v->nrow; i++) {
        uint32_t row = v->row[i];
        add_stack(m, v->of->samples.stack[row].i,
                  osp_mean(v->of->samples.value[m->o->query.value][row], v->of->samples.value[0][row]));
    }
    for (uint32_t s = 0; !v->divisor && s < v->nstack; s++)
        if (v->live[s])
            add_stack(m, s, v->weight[s]);
    return true;
}

/* ---- which of them match ------------------------------------------------------------------------------------ */

static bool match_text(const making *m, osp_str s) { return osp_regex_match(m->re, s.p ? s.p : "", s.n); }

static bool match_functions(making *m)
{
    m->matches = osp_new(&m->scratch, bool, m->p->functions.n);
    if (!m->matches)
        return no_memory(m);
    for (uint32_t i = 1; i < m->p->functions.n; i++) {
        const osp_function *f = &m->p->functions.row[i];
        m->matches[i] = match_text(m, m->v->name[i]) || match_text(m, osp_text(m->p, f->linker_name)) ||
                        match_text(m, osp_text(m->p, f->file));
    }
    return true;
}

static bool note_interest(making *m, osp_function_id fn)
{
    osp_str linker_name = osp_text(m->p, m->p->functions.row[fn.i].linker_name);
    return (osp_intern_put(&m->interest, m->v->name[fn.i], NULL) != UINT32_MAX &&
            osp_intern_put(&m->interest, linker_name, NULL) != UINT32_MAX) ||
           no_memory(m);
}

/* Note what is of interest at a location. *any: something is. */
static bool match_location(making *m, uint32_t loc, uint64_t addr, bool *any)
{
    const uint32_t from = m->v->first_line[loc], to = m->v->first_line[loc + 1];
    const osp_line *line = m->v->line;
    const osp_mapping_id map = m->p->locations.mapping[loc];
    if (m->by_address && addr == m->address) {
        *any = to > from && line[to - 1].fn.i;
        return !*any || note_interest(m, line[to - 1].fn);
    }
    bool file = map.i && match_text(m, osp_text(m->p, m->p->mappings.row[map.i].file));
    for (uint32_t i = from; i < to; i++) {
        if (!line[i].fn.i || !((i == from && file) || m->matches[line[i].fn.i]))
            continue;
        *any = true;
        if (!note_interest(m, line[i].fn))
            return false;
    }
    return true;
}

static int by_addr(const void *x, const void *y)
{
    const place *a = x, *b = y;
    if (a->addr != b->addr)
        return a->addr < b->addr ? -1 : 1;
    return (a->loc > b->loc) - (a->loc < b->loc);
}

/* Locations without an address get one behind all mappings. */
static uint64_t first_free_address(const osp_profile *p)
{
    uint64_t next = 1;
    for (uint32_t i = 1; i < p->mappings.n; i++)
        next = p->mappings.row[i].limit > next ? p->mappings.row[i].limit : next;
    return next;
}

static void join_places(making *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->nplace; i++) {
        if (n && m->at[n - 1].addr == m->at[i].addr) {
            osp_add(&m->at[n - 1].flat, m->at[i].flat);
            osp_add(&m->at[n - 1].cum, m->at[i].cum);
        } else {
            m->at[n++] = m->at[i];
        }
    }
    m->nplace = n;
}

static bool find_places(making *m)
{
    uint64_t next = first_free_address(m->p);
    m->at = osp_new(&m->scratch, place, m->nused);
    if (!m->at)
        return no_memory(m);
    for (uint32_t i = 0; i < m->nused; i++) {
        const uint32_t loc = m->nth[i];
        bool any = false;
        place *at = &m->at[m->nplace++];
        uint64_t addr = m->p->locations.addr[loc];
        *at = (place){addr ? addr : next++, m->flat[loc], m->cum[loc], UINT32_MAX, NULL};
        if (!match_location(m, loc, at->addr, &any))
            return false;
        if (any) {
            at->loc = loc;
            at->object = osp_binaries_object(m->binaries, m->p->locations.mapping[loc], m->notes);
        }
    }
    if (m->nplace)
        qsort(m->at, m->nplace, sizeof *m->at, by_addr);
    join_places(m);
    return true;
}

/* ---- instructions under lines ------------------------------------------------------------------------------- */

static bool add_row(making *m, const osp_code_row *row)
{
    void *rows = m->l->row;
    if (m->l->nrow >= UINT32_MAX || !osp_grow(&rows, &m->row_cap, m->l->nrow + 1, sizeof *row))
        return no_memory(m);
    m->l->row = rows;
    m->l->row[m->l->nrow++] = *row;
    return true;
}

/* "/proc/self/cwd/./a.c" and "./a.c" are a.c. */
static osp_str canonical(making *m, osp_str file)
{
    file = osp_str_starts(file, S("/proc/self/cwd/")) ? osp_str_skip(file, 15) : file;
    file = osp_str_starts(file, S("./")) ? osp_str_skip(file, 2) : file;
    return osp_path_clean(&m->l->arena, file);
}

static bool add_calls(making *m, const osp_frame *f, size_t n)
{
    void *calls = m->l->call;
    if (!osp_grow(&calls, &m->call_cap, m->l->ncall + n + 1, sizeof *m->l->call))
        return no_memory(m);
    m->l->call = calls;
    while (n--)
        m->l->call[m->l->ncall++] = (osp_call){f[n].file, f[n].line};
    return true;
}

static bool is_of_interest(const making *m, osp_str name)
{
    return name.n && osp_intern_find(&m->interest, name) != UINT32_MAX;
}

/* Put the last row under the lines of its frames, innermost first. */
static bool add_uses(making *m, const osp_frame *f, size_t n)
{
    osp_listing *l = m->l;
    for (size_t i = 0; i < n; i++) {
        if (!is_of_interest(m, f[i].linker_name) && !is_of_interest(m, f[i].name))
            continue;
        void *uses = l->use;
        if (!osp_grow(&uses, &m->use_cap, l->nuse + 1, sizeof *l->use) || l->ncall + i > UINT32_MAX)
            return no_memory(m);
        l->use = uses;
        l->use[l->nuse] = (osp_code_use){.file = canonical(m, f[i].file),
                                         .function = f[i].linker_name,
                                         .line = f[i].line,
                                         .row = (uint32_t)l->nrow - 1,
                                         .first_call = (uint32_t)l->ncall,
                                         .ncall = (uint32_t)i,
                                         .order = (uint32_t)l->nuse};
        l->nuse++;
        if (!add_calls(m, f, i))
            return false;
    }
    return true;
}

/* An address without code here: what the profile itself says of it. */
static bool add_unseen(making *m, const place *at)
{
    osp_frame f[MOST_FRAMES];
    size_t n = 0;
    for (uint32_t i = m->v->first_line[at->loc]; i < m->v->first_line[at->loc + 1] && n < MOST_FRAMES; i++) {
        const osp_line *line = &m->v->line[i];
        const osp_function *fn = &m->p->functions.row[line->fn.i];
        if (line->fn.i)
            f[n++] = (osp_frame){.name = m->v->name[line->fn.i],
                                 .linker_name = m->v->name[line->fn.i],
                                 .file = osp_text(m->p, fn->file),
                                 .line = line->line <= INT32_MAX && line->line > 0 ? (int32_t)line->line : 0};
    }
    osp_code_row row = {.addr = at->addr, .file_addr = at->addr, .size = 1, .text = S("")};
    if (n) {
        row.file = f[0].file;
        row.line = f[0].line;
    }
    return add_row(m, &row) && add_uses(m, f, n);
}

/* From a little before `begin`, but from the start of an instruction: that of the function that begin is in. */
static uint64_t whole_from(osp_object *o, uint64_t begin)
{
    osp_symbol s;
    return osp_object_symbol_at(o, begin, &s) && begin - s.start < OSP_MOST_CODE / 2 ? s.start : begin;
}

static bool add_range(making *m, const range *r)
{
    const uint64_t bias = m->binaries->row[r->mapping.i].bias;
    osp_instructions code;
    osp_err ignored; /* where there is no code, none is shown */
    const uint64_t begin = r->begin - bias, end = r->end - bias;
    if (!osp_object_instructions(r->object, whole_from(r->object, begin), end,
                                 m->o->intel_syntax ? OSP_INTEL : OSP_ATT, &m->l->arena, &code, &ignored))
        return true;
    osp_frame last[MOST_FRAMES], f[MOST_FRAMES];
    size_t nlast = 0;
    uint64_t last_addr = 0;
    for (size_t i = 0; i < code.n; i++) {
        const osp_instruction *in = &code.row[i];
        if (in->addr < begin)
            continue;
        size_t n = osp_object_frames(r->object, in->addr, f, MOST_FRAMES);
        if (n && !f[0].file.n && osp_object_is_go(r->object, in->addr))
            continue; /* between Go's functions */
        osp_code_row row = {.addr = in->addr + bias, .file_addr = in->addr, .size = in->size, .text = in->text};
        if (n) {
            row.file = f[0].file;
            row.line = f[0].line;
        }
        /* One without a line belongs to that before it, if that is near. */
        if (n && f[0].line) {
            memcpy(last, f, n * sizeof *f);
            nlast = n;
            last_addr = in->addr;
        } else if (in->addr - last_addr <= NEIGHBOURHOOD && nlast) {
            memcpy(f, last, nlast * sizeof *f);
            n = nlast;
        }
        if (!add_row(m, &row) || !add_uses(m, f, n))
            return false;
    }
    return true;
}

/* ---- ranges ------------------------------------------------------------------------------------------------- */

static int by_score(const void *x, const void *y)
{
    const range *a = x, *b = y;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

/* The range around the wanted addresses from *at on that are near each other. */
static range next_range(making *m, place *const *want, size_t n, size_t *at)
{
    const place *first = want[*at];
    const osp_mapping_id id = m->p->locations.mapping[first->loc];
    const osp_mapping *map = &m->p->mappings.row[id.i];
    range r = {first->addr, first->addr, id, first->object, 0};
    for (; *at < n && want[*at]->object == r.object && want[*at]->addr - r.end <= 2 * EXPAND &&
           (want[*at]->addr < map->limit || want[*at]->addr == r.begin);
         ++*at) {
        r.end = want[*at]->addr;
        osp_add(&r.score, want[*at]->flat);
    }
    r.begin = r.begin - map->start >= EXPAND ? r.begin - EXPAND : map->start;
    r.end = map->limit - r.end >= EXPAND ? r.end + EXPAND : map->limit;
    return r;
}

static bool add_code(making *m)
{
    place **want = osp_new(&m->scratch, place *, m->nplace);
    range *r = osp_new(&m->scratch, range, m->nplace);
    size_t n = 0, nrange = 0;
    if (!want || !r)
        return no_memory(m);
    for (size_t i = 0; i < m->nplace; i++) {
        place *p = &m->at[i];
        if (p->loc != UINT32_MAX && p->object)
            want[n++] = p;
        else if (p->loc != UINT32_MAX && !add_unseen(m, p))
            return false;
    }
    for (size_t at = 0; at < n;)
        r[nrange++] = next_range(m, want, n, &at);
    if (nrange)
        qsort(r, nrange, sizeof *r, by_score);
    for (size_t i = 0; i < nrange && i < MOST_RANGES; i++)
        if (!add_range(m, &r[i]))
            return false;
    return true;
}

/* Some samples were recorded in the midst of an instruction: they are its own. */
static void add_values(making *m)
{
    for (size_t i = 0; i < m->l->nrow; i++) {
        osp_code_row *row = &m->l->row[i];
        size_t at = row->addr ? osp_rows_upto(m->at, m->nplace, sizeof *m->at, row->addr - 1) : 0;
        for (; at < m->nplace && m->at[at].addr - row->addr < row->size; at++) {
            osp_add(&row->flat, m->at[at].flat);
            osp_add(&row->cum, m->at[at].cum);
        }
    }
}

static int by_file_and_line(const void *x, const void *y)
{
    const osp_code_use *a = x, *b = y;
    int c = osp_str_cmp(a->file, b->file);
    c = c ? c : (a->line > b->line) - (a->line < b->line);
    return c ? c : (a->order > b->order) - (a->order < b->order);
}

static bool name_functions(making *m)
{
    const uint32_t n = m->p->functions.n;
    osp_str *name = osp_new(&m->l->arena, osp_str, n);
    if (!name)
        return no_memory(m);
    for (uint32_t i = 0; i < m->nused; i++) {
        const uint32_t loc = m->nth[i];
        for (uint32_t k = m->v->first_line[loc]; k < m->v->first_line[loc + 1]; k++) {
            const osp_function_id fn = m->v->line[k].fn;
            uint32_t id =
                osp_intern_put(&m->l->linker_names, osp_text(m->p, m->p->functions.row[fn.i].linker_name), NULL);
            if (id == UINT32_MAX)
                return no_memory(m);
            name[id] = m->v->name[fn.i];
        }
    }
    m->l->name = name;
    return true;
}

osp_str osp_listing_name(const osp_listing *l, osp_str linker_name)
{
    uint32_t id = osp_intern_find(&l->linker_names, linker_name);
    return id != UINT32_MAX && l->name[id].n ? l->name[id] : linker_name;
}

static bool make(making *m)
{
    m->by_address = osp_address_of(m->o->argument, &m->address);
    if (!add_samples(m) || !match_functions(m) || !find_places(m))
        return false;
    if (m->interest.n == 0)
        return osp_fail(m->err, OSP_EABSENT, "no matches found for regexp: %.*s", STRF(m->o->argument));
    if (!name_functions(m) || !add_code(m))
        return false;
    add_values(m);
    if (m->l->nuse)
        qsort(m->l->use, m->l->nuse, sizeof *m->l->use, by_file_and_line);
    return true;
}

bool osp_listing_make(const osp_view *v, const osp_report_opts *o, const osp_regex *re, osp_binaries *b,
                      osp_buf *notes, osp_listing *out, osp_err *err)
{
    *out = (osp_listing){0};
    making m = {.v = v, .p = v->of, .o = o, .re = re, .binaries = b, .notes = notes, .l = out, .err = err};
    osp_arena_init(&out->arena, SIZE_MAX / 2);
    osp_arena_init(&m.scratch, SIZE_MAX / 2);
    bool ok = make(&m);
    osp_intern_drop(&m.interest);
    osp_arena_drop(&m.scratch);
    if (!ok)
        osp_listing_drop(out);
    return ok;
}

void osp_listing_drop(osp_listing *l)
{
    free(l->row);
    free(l->use);
    free(l->call);
    osp_intern_drop(&l->linker_names);
    osp_arena_drop(&l->arena);
    *l = (osp_listing){0};
}
