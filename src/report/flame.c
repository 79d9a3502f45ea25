/* SPDX-License-Identifier: Apache-2.0 */
/* flame: a flame graph as one SVG file that needs nothing else; here its tree. */
#include "report/flame.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEEPEST = 400, MOST_KEPT = 40000, FINEST = 100000 /* parts of the whole */ };

typedef osp_flame flame;
typedef osp_flame_node node;

/* ---- the tree ------------------------------------------------------------------------------------------------- */

osp_str osp_flame_name(const flame *f, uint32_t id) { return id ? f->names.text[f->node[id].name] : S("all"); }

/* What a frame is: a function, or behind those the mapping of code without a name. */
static osp_str frame_name(const osp_view *v, uint32_t what)
{
    const osp_profile *p = v->of;
    if (what < p->functions.n)
        return v->name[what];
    osp_str file = osp_str_base(osp_text(p, p->mappings.row[what - p->functions.n].file));
    return file.n ? file : S("no name");
}

static bool is_go_std(osp_str name)
{
    osp_str rest = name, first = osp_str_cut(&rest, '/');
    if (first.n == name.n)
        first = osp_str_cut(&first, '.');
    return !osp_str_eq(first, S("main")) && !memchr(first.p, '.', first.n);
}

/* Has the profile frames of Go's runtime whose files are not told, as folded stacks have none? Then names tell what is Go's. */
static bool has_go_without_files(const osp_view *v)
{
    const osp_profile *p = v->of;
    for (uint32_t i = 0; i < p->functions.n; i++)
        if (p->functions.row[i].file.i == 0 &&
            (osp_str_starts(v->name[i], S("runtime.")) || osp_str_eq(v->name[i], S("main.main"))))
            return true;
    return false;
}

/* "encoding/json.Marshal", "main.(*T).run", but not "std::f", "operator new", "read". */
static bool is_name_of_go(osp_str name)
{
    osp_str base = osp_str_base(name);
    return memchr(base.p, '.', base.n) && !osp_str_has(name, S("::")) && !memchr(name.p, ' ', name.n) &&
           !osp_str_has(base, S(".so"));
}

static uint32_t origin_of(const flame *f, uint32_t what, osp_mapping_id mapping)
{
    const osp_profile *p = f->v->of;
    osp_str object = osp_text(p, p->mappings.row[mapping.i].file), name = frame_name(f->v, what);
    if (osp_str_starts(object, S("[kernel")) || (object.n == 0 && osp_str_ends(name, S("_[k]"))))
        return OSP_FLAME_KERNEL;
    if (osp_str_starts(object, S("[vdso")))
        return OSP_FLAME_VDSO;
    if (what >= p->functions.n)
        return OSP_FLAME_NO_NAME;
    if (osp_str_has(name, S("cgo")) || osp_str_has(name, S("_Cfunc_")) || osp_str_starts(name, S("crosscall")))
        return OSP_FLAME_CGO;
    if (osp_str_starts(name, S("runtime.")) || osp_str_starts(name, S("runtime/")) ||
        osp_str_starts(name, S("internal/runtime/")))
        return OSP_FLAME_RUNTIME;
    osp_str file = osp_text(p, p->functions.row[what].file);
    if (!osp_str_ends(file, S(".go")) && !osp_str_ends(file, S(".s")) &&
        !(f->go_by_name && file.n == 0 && is_name_of_go(name)))
        return OSP_FLAME_C;
    return is_go_std(name) ? OSP_FLAME_STD : OSP_FLAME_GO;
}

/* The child of a node; UINT32_MAX without memory. */
static uint32_t child(flame *f, uint32_t parent, uint32_t name, uint32_t what, osp_mapping_id mapping)
{
    uint32_t key[2] = {parent, name};
    bool fresh;
    void *all = f->node;
    uint32_t id = osp_intern_put(&f->keys, (osp_str){(char *)key, sizeof key}, &fresh);
    if (id == UINT32_MAX || !fresh)
        return id;
    f->keys.text[id] = osp_arena_str(&f->arena, (osp_str){(char *)key, sizeof key});
    if (!f->keys.text[id].p || !osp_grow(&all, &f->cap, (size_t)id + 1, sizeof *f->node))
        return UINT32_MAX;
    f->node = all;
    uint32_t depth = id ? f->node[parent].depth + 1 : 0;
    f->node[id] = (node){.parent = parent,
                         .name = name,
                         .depth = depth,
                         .origin = id ? origin_of(f, what, mapping) : OSP_FLAME_NO_NAME};
    return id;
}

/* The names of a view's frames, functions first; malloc'ed; NULL without memory. */
static uint32_t *names_of(flame *f, const osp_view *v)
{
    f->go_by_name = f->go_by_name || has_go_without_files(v);
    const uint32_t n = v->of->functions.n + v->of->mappings.n;
    uint32_t *name = malloc(((size_t)n + 1) * sizeof *name);
    for (uint32_t i = 0; name && i < n; i++) {
        bool fresh;
        osp_str text = frame_name(v, i);
        name[i] = osp_intern_put(&f->names, text, &fresh);
        bool ok = name[i] != UINT32_MAX;
        if (ok && fresh) {
            f->names.text[name[i]] = osp_arena_str(&f->arena, text);
            ok = f->names.text[name[i]].p != NULL;
        }
        if (!ok) {
            free(name);
            return NULL;
        }
    }
    return name;
}

/* Walks a stack's frames from the root of the picture on. */
typedef struct {
    const osp_view *v;
    bool reverse;
    osp_stack left;
    uint32_t line;
} walk;

static walk walk_of(const flame *f, const osp_view *v, uint32_t stack)
{
    return (walk){.v = v, .reverse = f->reverse, .left = osp_view_stack(v, stack)};
}

static bool walk_on(walk *w, uint32_t *what, osp_mapping_id *mapping)
{
    if (w->left.n == 0)
        return false;
    const osp_profile *p = w->v->of;
    uint32_t loc = w->left.loc[w->reverse ? 0 : w->left.n - 1].i, first = w->v->first_line[loc],
             n = w->v->first_line[loc + 1] - first;
    *mapping = p->locations.mapping[loc];
    *what = n ? w->v->line[first + (w->reverse ? w->line : n - 1 - w->line)].fn.i : p->functions.n + mapping->i;
    if (++w->line >= n) {
        w->line = 0;
        w->left.loc += w->reverse;
        w->left.n--;
    }
    return true;
}

static int64_t value_of(const osp_view *v, uint32_t stack)
{
    return v->divisor ? osp_mean(v->weight[stack], v->divisor[stack]) : v->weight[stack];
}

static bool grow_stack(flame *f, uint32_t stack, int64_t value, const uint32_t *name)
{
    walk w = walk_of(f, f->v, stack);
    osp_mapping_id mapping;
    uint32_t at = 0, what;
    osp_add(&f->node[0].value, value);
    while (f->node[at].depth < DEEPEST && walk_on(&w, &what, &mapping)) {
        at = child(f, at, name[what], what, mapping);
        if (at == UINT32_MAX)
            return false;
        osp_add(&f->node[at].value, value);
    }
    osp_add(&f->node[at].own, value);
    return true;
}

static bool grow_tree(flame *f, osp_err *err)
{
    uint32_t *name = names_of(f, f->v);
    bool ok = name && child(f, UINT32_MAX, UINT32_MAX, 0, (osp_mapping_id){0}) == 0;
    for (uint32_t s = 0; ok && s < f->v->nstack; s++) {
        int64_t value = value_of(f->v, s);
        ok = value <= 0 || grow_stack(f, s, value, name); /* what was given back has no width */
    }
    free(name);
    f->total = ok ? f->node[0].value : 0;
    return ok || osp_fail_memory(err, "drawing a flame graph");
}

/* ---- the base ------------------------------------------------------------------------------------------------- */

static void add_base(flame *f, const osp_view *v, uint32_t stack, int64_t value, const uint32_t *name)
{
    walk w = walk_of(f, v, stack);
    osp_mapping_id mapping;
    uint32_t at = 0, what;
    for (osp_add(&f->node[0].base, value); f->node[at].depth < DEEPEST && walk_on(&w, &what, &mapping);) {
        uint32_t key[2] = {at, name[what]};
        at = osp_intern_find(&f->keys, (osp_str){(char *)key, sizeof key});
        if (at == UINT32_MAX) /* only in the base: there is nothing to colour */
            return;
        osp_add(&f->node[at].base, value);
    }
}

/* The part of the whole that a node takes, less that of the base. */
double osp_flame_change(const flame *f, const node *n)
{
    double before = f->base_total > 0 ? (double)n->base / (double)f->base_total : 0;
    return (double)n->value / (double)f->total - before;
}

static bool compare_with(flame *f, const osp_profile *base, const osp_query *q, osp_err *err)
{
    osp_view v;
    if (!osp_view_make(base, q, &v, err))
        return false;
    uint32_t *name = names_of(f, &v);
    for (uint32_t s = 0; name && s < v.nstack; s++) {
        int64_t value = value_of(&v, s);
        if (value > 0)
            add_base(f, &v, s, value, name);
    }
    const bool ok = name != NULL;
    free(name);
    osp_view_drop(&v);
    f->compared = true;
    f->base_total = f->node[0].base;
    for (uint32_t i = 1; f->total > 0 && i < f->keys.n; i++) {
        double change = osp_flame_change(f, &f->node[i]);
        f->most = f->most > change && f->most > -change ? f->most : change < 0 ? -change : change;
    }
    return ok || osp_fail_memory(err, "drawing a flame graph");
}

typedef struct {
    osp_str name;
    int64_t at;
    uint32_t id, depth, parent;
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    int c = osp_str_cmp(x->name, y->name);
    return c ? c : (x->id > y->id) - (x->id < y->id);
}

static size_t count_from(const flame *f, int64_t floor)
{
    size_t n = 0;
    for (uint32_t i = 0; i < f->keys.n; i++)
        n += f->node[i].value >= floor;
    return n;
}

/* What weighs less than a hundred thousandth of all is left out, or more where that leaves too many frames. */
static void choose_floor(flame *f)
{
    f->floor = f->total / FINEST + 1;
    while (f->floor <= f->total / 2 && count_from(f, f->floor) > MOST_KEPT)
        f->floor *= 2;
}

static int by_begin(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (x->depth > y->depth) - (x->depth < y->depth);
}

/* Give every node that is kept its place, level by level, children by name; then their preorder. */
static bool place(flame *f, osp_err *err)
{
    placed *row = calloc((size_t)f->keys.n, sizeof *row);
    int64_t *next = calloc((size_t)f->keys.n, sizeof *next);
    f->order = calloc((size_t)f->keys.n, sizeof *f->order);
    bool ok = row && next && f->order;
    choose_floor(f);
    for (uint32_t i = 1; ok && i < f->keys.n; i++)
        row[i - 1] =
            (placed){.name = osp_flame_name(f, i), .id = i, .depth = f->node[i].depth, .parent = f->node[i].parent};
    if (ok)
        qsort(row, f->keys.n - 1, sizeof *row, by_place);
    if (ok)
        f->node[0].kept = f->total > 0;
    for (uint32_t i = 0; ok && i + 1 < f->keys.n; i++) {
        node *n = &f->node[row[i].id], *parent = &f->node[n->parent];
        n->kept = parent->kept && n->value >= f->floor;
        n->at = parent->at;
        osp_add(&n->at, next[n->parent]);
        row[i].at = n->at;
        if (n->kept) {
            osp_add(&next[n->parent], n->value);
        } else {
            f->left_out++;
            if (parent->kept)
                osp_add(&f->left_out_value, n->value);
        }
    }
    if (ok && f->total > 0)
        f->order[f->kept++] = 0;
    if (ok)
        qsort(row, f->keys.n - 1, sizeof *row, by_begin);
    for (uint32_t i = 0; ok && i + 1 < f->keys.n; i++)
        if (f->node[row[i].id].kept)
            f->order[f->kept++] = row[i].id;
    free(row);
    free(next);
    return ok || osp_fail_memory(err, "drawing a flame graph");
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static bool write_flame(const osp_profile *p, const osp_report_opts *o, osp_answer *out, osp_err *err)
{
    osp_view view;
    if (!osp_answer_view(p, o, false, &view, out, err))
        return false;
    osp_shown shown = osp_shown_of(p, o);
    if (osp_str_eq(shown.to, S("minimum")))
        shown.to = S("auto");
    flame f = {.v = &view, .shown = &shown, .out = &out->text, .reverse = o->reverse};
    osp_arena_init(&f.arena, SIZE_MAX / 2);
    bool ok = grow_tree(&f, err) && (!o->base || compare_with(&f, o->base, &o->base_query, err)) && place(&f, err);
    if (ok) {
        osp_str type = p->values.n ? osp_text(p, p->values.type[o->query.value].type) : S("samples");
        osp_str file = p->mappings.n > 1 ? osp_str_base(osp_text(p, p->mappings.row[1].file)) : S("");
        osp_str title = o->argument.n
                            ? o->argument
                            : osp_arena_fmt(&f.arena, "%.*s%s%.*s", STRF(file), file.n ? ": " : "", STRF(type));
        ok = osp_flame_draw(&f, title, err);
    }
    osp_intern_drop(&f.names);
    osp_intern_drop(&f.keys);
    osp_arena_drop(&f.arena);
    free(f.node);
    free(f.order);
    osp_view_drop(&view);
    return ok;
}

const osp_report osp_report_flame = {
    .name = "flame",
    .summary = "a flame graph as an SVG picture for a browser",
    .ending = "svg",
    .untrimmed = true,
    .write = write_flame,
};
