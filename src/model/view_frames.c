/* SPDX-License-Identifier: Apache-2.0 */
/* tag_root and tag_leaf: labels become frames. A function is named after the texts of a key, its file is the key; a
 * sample without that label gets a nameless one. The stacks with them belong to a profile of the view's own:
 *
 *   root   main.main  main.work   leaf          -tagroot=tenant,region -tagleaf=bytes
 *   acme ← eu ← main.main ← main.work ← 1kB      (the first key is outermost, the last innermost)
 */
#include "model/view_internal.h"

#include <stdlib.h>

/* What a label set adds to a stack: 1 + its row, 0 = not known yet. Equal additions have equal rows. */
typedef struct {
    uint32_t stack, frames;
} pair;

typedef struct {
    osp_rewriting *r;
    osp_profile *own;
    osp_str *root, *leaf; /* keys */
    uint32_t nroot, nleaf;
    bool root_matched, leaf_matched;
    osp_intern frames;    /* of (text, key): each a function and a location */
    osp_intern additions; /* of frames: nleaf, then nroot of them, in the order of a stack */
    uint32_t *of_set;     /* per label set: 1 + its addition */
    osp_intern stacks;    /* of pairs */
    osp_buf scratch;
} framing;

static bool split(osp_rewriting *r, osp_str list, osp_str **out, uint32_t *n)
{
    osp_str *key = osp_new(r->a, osp_str, list.n / 2 + 1);
    *out = key;
    *n = 0;
    while (key && list.n) {
        osp_str one = osp_str_cut(&list, ',');
        if (one.n)
            key[(*n)++] = one;
    }
    return key || osp_rewriting_no_memory(r);
}

/* The bytes in the view's arena, if they are new to the table. */
static uint32_t keep(framing *f, osp_intern *t, const void *bytes, size_t n)
{
    bool fresh;
    uint32_t id = osp_intern_put(t, (osp_str){bytes, n}, &fresh);
    if (id == UINT32_MAX || !fresh)
        return id;
    char *copy = osp_arena_take(f->r->a, n, 1, alignof(uint32_t));
    if (!copy) {
        t->text[id] = (osp_str){0};
        return UINT32_MAX;
    }
    memcpy(copy, bytes, n);
    t->text[id].p = copy;
    return id;
}

/* ---- frames --------------------------------------------------------------------------------------------------- */

/* Does a set have a number of this key with a unit? Without any, units are not guessed. */
static bool has_unit(const osp_profile *p, uint32_t set, osp_str key)
{
    for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
        const osp_label *l = &p->labelsets.label[i];
        if (!l->str.i && l->unit.i && osp_str_eq(osp_text(p, l->key), key))
            return true;
    }
    return false;
}

/* The values of a key, texts first, with commas between them. */
static bool write_values(framing *f, uint32_t set, osp_str key)
{
    const osp_profile *p = f->r->p;
    const osp_str unit = has_unit(p, set, key) ? f->r->q->tag_unit : S("");
    bool some = false;
    char number[512];
    for (int numbers = 0; numbers < 2; numbers++)
        for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
            const osp_label *l = &p->labelsets.label[i];
            if ((numbers ? !osp_label_is_number(l) : !l->str.i) || !osp_str_eq(osp_text(p, l->key), key))
                continue;
            osp_buf_add(&f->scratch, some ? S(",") : S(""));
            some = true;
            osp_buf_add(&f->scratch,
                        numbers ? osp_str_from(osp_scaled(l->num, osp_text(p, l->unit), unit, number, sizeof number))
                                : osp_text(p, l->str));
        }
    return some;
}

/* The number of the frame for one key; its bytes are the key's index in the query and the text. */
static uint32_t frame_of(framing *f, uint32_t set, osp_str key, bool *matched)
{
    osp_buf *b = &f->scratch;
    uint32_t size = (uint32_t)key.n;
    b->n = 0;
    osp_buf_add(b, (osp_str){(const char *)&size, sizeof size});
    osp_buf_add(b, key);
    *matched |= write_values(f, set, key);
    return b->failed ? UINT32_MAX : keep(f, &f->frames, b->p, b->n);
}

static void frame_parts(osp_str bytes, osp_str *key, osp_str *text)
{
    uint32_t size;
    memcpy(&size, bytes.p, sizeof size);
    *key = osp_str_head(osp_str_skip(bytes, sizeof size), size);
    *text = osp_str_skip(bytes, sizeof size + size);
}

/* Frames are numbered as the peer makes them: of a sample the roots first, each list from its last key. */
static bool add_frames(framing *f, uint32_t set, uint32_t *list)
{
    for (uint32_t i = 0; i < f->nroot; i++)
        if ((list[f->nleaf + i] = frame_of(f, set, f->root[f->nroot - 1 - i], &f->root_matched)) == UINT32_MAX)
            return osp_rewriting_no_memory(f->r);
    for (uint32_t i = 0; i < f->nleaf; i++)
        if ((list[i] = frame_of(f, set, f->leaf[f->nleaf - 1 - i], &f->leaf_matched)) == UINT32_MAX)
            return osp_rewriting_no_memory(f->r);
    uint32_t addition = keep(f, &f->additions, list, (f->nleaf + f->nroot) * sizeof *list);
    f->of_set[set] = addition + 1;
    return addition != UINT32_MAX || osp_rewriting_no_memory(f->r);
}

/* ---- stacks --------------------------------------------------------------------------------------------------- */

/* A stack for each pair of a stack and what is added to it. */
static bool number_stacks(framing *f)
{
    const osp_profile *p = f->r->p;
    uint32_t *list = osp_new(f->r->a, uint32_t, (size_t)f->nleaf + f->nroot);
    osp_stack_id *stack = osp_new(&f->own->arena, osp_stack_id, p->samples.n);
    f->of_set = osp_new(f->r->a, uint32_t, p->labelsets.n);
    if (!list || !stack || !f->of_set)
        return osp_rewriting_no_memory(f->r);
    for (uint32_t i = 0; i < p->samples.n; i++) {
        const uint32_t set = p->samples.labels[i].i;
        if (!f->of_set[set] && !add_frames(f, set, list))
            return false;
        pair both = {p->samples.stack[i].i, f->of_set[set] - 1};
        stack[i].i = keep(f, &f->stacks, &both, sizeof both);
        if (stack[i].i == UINT32_MAX)
            return osp_rewriting_no_memory(f->r);
    }
    f->own->samples.stack = stack;
    return true;
}

static pair pair_at(const framing *f, uint32_t i)
{
    pair both;
    memcpy(&both, f->stacks.text[i].p, sizeof both);
    return both;
}

static bool lay_out_stacks(framing *f)
{
    const osp_profile *p = f->r->p;
    osp_profile *own = f->own;
    const uint32_t n = f->stacks.n, more = f->nleaf + f->nroot;
    osp_location_id *with = osp_new(f->r->a, osp_location_id, (size_t)p->stacks.deepest + more);
    uint64_t total = 0;
    if (!with || !osp_stacks_make(own, n))
        return osp_rewriting_no_memory(f->r);
    for (uint32_t i = 0; i < n; i++) {
        const pair both = pair_at(f, i);
        const osp_stack s = osp_view_stack(f->r->v, both.stack);
        total += s.n + more;
        if (total >= UINT32_MAX)
            return osp_fail(f->r->err, OSP_ELIMIT, "stacks with frames for labels have more than 4 billion frames");
        if (s.n)
            memcpy(with + f->nleaf, s.loc, s.n * sizeof *with);
        for (uint32_t k = 0; k < more; k++) {
            uint32_t frame;
            memcpy(&frame, f->additions.text[both.frames].p + k * sizeof frame, sizeof frame);
            with[k < f->nleaf ? k : k + s.n].i = p->locations.n + frame;
        }
        if (!osp_stacks_put(own, (osp_stack_id){i}, with, s.n + more))
            return osp_rewriting_no_memory(f->r);
    }
    return true;
}

/* ---- tables --------------------------------------------------------------------------------------------------- */

static bool add_functions(framing *f)
{
    const osp_profile *p = f->r->p;
    osp_profile *own = f->own;
    const uint32_t n = p->functions.n, more = f->frames.n;
    osp_function *row = osp_new(&own->arena, osp_function, (size_t)n + more);
    osp_str *name = osp_new(f->r->a, osp_str, (size_t)n + more);
    if (!row || !name || more >= UINT32_MAX / 2 || !osp_profile_widen_strings(own, 2 * more))
        return osp_rewriting_no_memory(f->r);
    memcpy(row, p->functions.row, n * sizeof *row);
    memcpy(name, f->r->name, n * sizeof *name);
    for (uint32_t i = 0; i < more; i++) {
        osp_str key, text;
        frame_parts(f->frames.text[i], &key, &text);
        row[n + i].name = osp_profile_add_string(own, text);
        row[n + i].file = osp_profile_add_string(own, key);
        name[n + i] = osp_text(own, row[n + i].name);
        if ((text.n && !row[n + i].name.i) || !row[n + i].file.i)
            return osp_rewriting_no_memory(f->r);
    }
    own->functions.n = n + more;
    own->functions.row = row;
    f->r->name = name;
    return true;
}

#define WIDER(own, type, column, n, more) \
    ((type *)wider(&(own)->arena, (column), (n), (more), sizeof(type), alignof(type)))
static void *wider(osp_arena *a, const void *from, size_t n, size_t more, size_t size, size_t align)
{
    void *to = osp_arena_take(a, n + more, size, align);
    if (to && n)
        memcpy(to, from, n * size);
    return to;
}

static bool add_locations(framing *f)
{
    osp_profile *own = f->own;
    const uint32_t n = own->locations.n, more = f->frames.n, nline = n ? own->locations.first[n] : 0;
    if (n >= UINT32_MAX - more || nline >= UINT32_MAX - more)
        return osp_rewriting_no_memory(f->r);
    uint64_t *addr = WIDER(own, uint64_t, own->locations.addr, n, more);
    osp_mapping_id *mapping = WIDER(own, osp_mapping_id, own->locations.mapping, n, more);
    uint8_t *folded = WIDER(own, uint8_t, own->locations.folded, n, more);
    uint32_t *first = WIDER(own, uint32_t, own->locations.first, n ? (size_t)n + 1 : 0, (size_t)more + !n);
    osp_line *line = WIDER(own, osp_line, own->locations.line, nline, more);
    if (!addr || !mapping || !folded || !first || !line)
        return osp_rewriting_no_memory(f->r);
    if (own->locations.wire_id) {
        uint64_t *id = WIDER(own, uint64_t, own->locations.wire_id, n, more), most = 0;
        if (!id)
            return osp_rewriting_no_memory(f->r);
        for (uint32_t i = 0; i < n; i++)
            most = id[i] > most ? id[i] : most;
        for (uint32_t i = 0; i < more; i++)
            id[n + i] = most + 1 + i;
        own->locations.wire_id = id;
    }
    for (uint32_t i = 0; i < more; i++) {
        line[nline + i] = (osp_line){.fn = {f->r->p->functions.n + i}};
        first[n + i + 1] = nline + i + 1;
    }
    own->locations.n = n + more;
    own->locations.addr = addr;
    own->locations.mapping = mapping;
    own->locations.folded = folded;
    own->locations.first = first;
    own->locations.line = line;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static bool make_frames(framing *f)
{
    osp_rewriting *r = f->r;
    osp_profile *own = f->own;
    if (!osp_rewriting_close_gaps(r) || !osp_rewriting_room(r))
        return false;
    own->locations.first = r->v->first_line;
    own->locations.line = r->v->line;
    /* The empty mapping is one for locations of the profile, and none for ours. */
    if (!osp_profile_make_up_mapping(own))
        return osp_rewriting_no_memory(r);
    return number_stacks(f) && lay_out_stacks(f) && add_locations(f) && add_functions(f);
}

bool osp_rewriting_tag_frames(osp_rewriting *r)
{
    osp_view *v = r->v;
    framing f = {.r = r, .scratch = osp_buf_of(SIZE_MAX / 2)};
    if (!split(r, r->q->tag_root, &f.root, &f.nroot) || !split(r, r->q->tag_leaf, &f.leaf, &f.nleaf))
        return false;
    bool ok = true;
    if (f.nroot || f.nleaf) {
        f.own = v->own = osp_profile_borrow(r->p, "making a view of the profile", r->err);
        ok = f.own && make_frames(&f);
        v->of = f.own;
        v->nstack = f.stacks.n;
        r->p = f.own;
        r->line = NULL; /* what was cut so far, the new profile has no more; its stacks have other ids */
        v->cut = NULL;
        v->cuts = 0;
    }
    r->unmatched |= r->q->tag_root.n && !f.root_matched ? OSP_TAG_ROOT : 0;
    r->unmatched |= r->q->tag_leaf.n && !f.leaf_matched ? OSP_TAG_LEAF : 0;
    osp_intern_drop(&f.frames);
    osp_intern_drop(&f.additions);
    osp_intern_drop(&f.stacks);
    osp_buf_drop(&f.scratch);
    return ok;
}
