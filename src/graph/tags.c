/* SPDX-License-Identifier: Apache-2.0 */
/* Tags: what the labels of samples say about the nodes they go through. Of the text labels, all of a sample are one tag;
 * of the numbers, only those called "bytes" count, as the peer has it.
 *
 * A label set belongs to one group for its texts and one for each of its numbers. Samples are sorted by group: then a
 * group's sums are one row of numbers, one a node, and nothing has to be looked up a sample. */
#include "graph/graph_internal.h"

#include <stdlib.h>

typedef struct {
    bool numeric;
    osp_str label, name;
} group;

/* A label set belongs to a group, with this number. */
typedef struct {
    uint32_t group;
    int64_t value;
} membership;

typedef struct {
    int64_t flat, cum, flat_divisor, cum_divisor, value;
    bool met;
} sums;

typedef struct {
    osp_making *m;
    osp_str unit;     /* of "bytes" */
    uint8_t *key;     /* what a key is, by string: a key_kind, once it is known */
    osp_intern known; /* groups by a letter, how long their label is, it, and their name */
    osp_buf text;     /* where such keys are put together */
    group *group;
    membership *slot;
    size_t ngroup, group_cap, nslot, slot_cap;
    uint32_t *first_slot; /* per label set, n + 1 offsets into slot[] */
    uint32_t *row;        /* by group */
    uint32_t *first_row;
    uint32_t *first_place,
        *place;     /* per stack, n + 1 offsets: the ranks of its nodes that are asked for, each once */
    uint32_t *leaf; /* per stack: the rank of its leaf, or OSP_NONE */
    sums *sum;      /* per rank */
    uint32_t *met;  /* ranks */
    uint32_t nmet;
} tagging;

typedef enum { NOT_ASKED, ORDINARY, IS_BYTES, IS_BASE } key_kind;

static key_kind kind_of(tagging *t, osp_string_id key)
{
    if (t->key[key.i] == NOT_ASKED) {
        osp_str text = osp_text(t->m->v->of, key);
        t->key[key.i] = osp_str_eq(text, S("bytes"))         ? IS_BYTES
                        : osp_str_eq(text, S("pprof::base")) ? IS_BASE
                                                             : ORDINARY;
    }
    return t->key[key.i];
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return osp_str_cmp(*(const osp_str *)x, *(const osp_str *)y); }

/* Append all text labels of a set as one text. */
static bool add_joined(tagging *t, uint32_t set)
{
    enum { FEW = 16 };
    const osp_view *v = t->m->v;
    const uint32_t from = v->first_label[set], to = v->first_label[set + 1];
    osp_str few[FEW], *part = to - from <= FEW ? few : malloc((to - from) * sizeof *part);
    osp_buf text = osp_buf_of(SIZE_MAX / 2);
    size_t n = 0, at = 0;
    if (!part)
        return false;
    for (uint32_t i = from; i < to; i++) {
        const osp_label *l = &v->label[i];
        if (!l->str.i || kind_of(t, l->key) == IS_BASE)
            continue;
        const size_t before = text.n;
        osp_buf_add(&text, osp_text(v->of, l->key));
        osp_buf_byte(&text, ':');
        osp_buf_add(&text, osp_text(v->of, l->str));
        part[n++] = (osp_str){NULL, text.n - before};
    }
    for (size_t i = 0; i < n && !text.failed; i++) {
        part[i].p = text.p + at;
        at += part[i].n;
    }
    if (!text.failed)
        qsort(part, n, sizeof *part, by_text);
    for (size_t i = 0; i < n && !text.failed; i++) {
        osp_buf_add(&t->text, i ? S("\\n") : S(""));
        osp_buf_add(&t->text, part[i]);
    }
    if (part != few)
        free(part);
    osp_buf_drop(&text);
    return !text.failed && !t->text.failed;
}

enum { KEY_HEAD = 1 + sizeof(size_t) };

/* Add the set to the group whose key stands in t->text. */
static bool put_slot(tagging *t, size_t nlabel, int64_t value)
{
    osp_making *m = t->m;
    void *groups = t->group, *slots = t->slot;
    bool fresh = false;
    uint32_t id = t->text.failed ? OSP_NONE : osp_intern_put(&t->known, osp_buf_str(&t->text), &fresh);
    bool ok = id != OSP_NONE && osp_grow(&groups, &t->group_cap, t->ngroup + 1, sizeof *t->group);
    t->group = groups;
    ok = ok && t->nslot < OSP_NONE && osp_grow(&slots, &t->slot_cap, t->nslot + 1, sizeof *t->slot);
    t->slot = slots;
    if (ok && fresh) {
        osp_str key = osp_arena_str(&m->g->arena, osp_buf_str(&t->text));
        t->known.text[id] = key;
        osp_str rest = osp_str_skip(key, KEY_HEAD);
        t->group[t->ngroup++] = (group){*t->text.p == 'n', osp_str_head(rest, nlabel), osp_str_skip(rest, nlabel)};
        ok = key.p != NULL;
    }
    if (!ok)
        return osp_making_no_memory(m);
    t->slot[t->nslot++] = (membership){id, value};
    return true;
}

static bool put_set(tagging *t, uint32_t set)
{
    const osp_view *v = t->m->v;
    char text[512];
    t->text.n = 0;
    osp_buf_fill(&t->text, 't', KEY_HEAD);
    if (!add_joined(t, set))
        return osp_making_no_memory(t->m);
    const size_t nlabel = t->text.n - KEY_HEAD;
    memcpy(t->text.p + 1, &nlabel, sizeof nlabel);
    if (nlabel && !put_slot(t, nlabel, 0))
        return false;
    for (uint32_t i = v->first_label[set]; i < v->first_label[set + 1]; i++) {
        const osp_label *l = &v->label[i];
        if (l->str.i || kind_of(t, l->key) != IS_BYTES)
            continue;
        t->text.p[0] = 'n';
        t->text.n = KEY_HEAD + nlabel;
        osp_buf_add(&t->text, osp_str_from(osp_scaled(l->num, t->unit, t->m->o->tag_unit, text, sizeof text)));
        if (!put_slot(t, nlabel, l->num))
            return false;
    }
    return true;
}

static bool number_groups(tagging *t)
{
    osp_making *m = t->m;
    const uint32_t n = m->v->of->labelsets.n;
    t->first_slot = osp_new(&m->scratch, uint32_t, (size_t)n + 1);
    t->key = osp_new(&m->scratch, uint8_t, m->v->of->strings.n);
    if (!t->first_slot || !t->key)
        return osp_making_no_memory(m);
    for (uint32_t set = 0; set < n; set++) {
        t->first_slot[set] = (uint32_t)t->nslot;
        if (!put_set(t, set))
            return false;
    }
    t->first_slot[n] = (uint32_t)t->nslot;
    return true;
}

/* ---- nodes of stacks ------------------------------------------------------------------------------------------ */

/* The ranks of the nodes of stack s that are asked for, each once. place[]: rank + 1; seen[]: stack + 1, per rank. */
static uint32_t list_nodes(const osp_making *m, uint32_t s, const uint32_t *place, uint32_t *seen, uint32_t *out)
{
    const osp_stack stack = m->tree.what ? (osp_stack){0} : osp_view_stack(m->v, s);
    uint32_t n = 0;
    for (uint32_t i = 0; i < stack.n; i++)
        for (uint32_t k = m->first[stack.loc[i].i]; k < m->first[stack.loc[i].i + 1]; k++) {
            const uint32_t rank = place[m->whats[k]];
            if (rank && seen[rank - 1] != s + 1) {
                seen[rank - 1] = s + 1;
                out[n++] = rank - 1;
            }
        }
    for (uint32_t at = m->tree.what ? m->tree.leaf[s] : OSP_NONE; at != OSP_NONE; at = m->tree.parent[at])
        if (place[at])
            out[n++] = place[at] - 1;
    return n;
}

static uint32_t leaf_of(const osp_making *m, uint32_t s)
{
    if (m->tree.what)
        return m->tree.leaf[s];
    const osp_stack stack = osp_view_stack(m->v, s);
    return stack.n ? m->whats[m->first[stack.loc[0].i]] : OSP_NONE;
}

static bool list_stacks(tagging *t, uint32_t nrank)
{
    osp_making *m = t->m;
    const uint32_t n = m->v->nstack;
    uint32_t *place = osp_new(&m->scratch, uint32_t, m->n), *seen = osp_new(&m->scratch, uint32_t, nrank);
    uint32_t *one = osp_new(&m->scratch, uint32_t, nrank);
    size_t total = 0;
    t->first_place = osp_new(&m->scratch, uint32_t, (size_t)n + 1);
    t->leaf = osp_new(&m->scratch, uint32_t, n);
    if (!place || !seen || !one || !t->first_place || !t->leaf)
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < nrank; i++)
        place[m->rank[i].id] = i + 1;
    for (uint32_t s = 0; s < n; s++)
        total += m->v->live[s] ? list_nodes(m, s, place, seen, one) : 0;
    memset(seen, 0, nrank * sizeof *seen);
    t->place = osp_new(&m->scratch, uint32_t, total);
    if (total > UINT32_MAX || !t->place)
        return osp_making_no_memory(m);
    for (uint32_t s = 0; s < n; s++) {
        const uint32_t leaf = m->v->live[s] ? leaf_of(m, s) : OSP_NONE;
        t->leaf[s] = leaf != OSP_NONE && place[leaf] ? place[leaf] - 1 : OSP_NONE;
        t->first_place[s + 1] =
            t->first_place[s] + (m->v->live[s] ? list_nodes(m, s, place, seen, t->place + t->first_place[s]) : 0);
    }
    return true;
}

/* ---- rows by group -------------------------------------------------------------------------------------------- */

/* Is the set's slot the first of its group? */
static bool is_first_slot(const tagging *t, uint32_t set, uint32_t slot)
{
    for (uint32_t k = t->first_slot[set]; k < slot; k++)
        if (t->slot[k].group == t->slot[slot].group)
            return false;
    return true;
}

static bool sort_rows(tagging *t)
{
    osp_making *m = t->m;
    const osp_view *v = m->v;
    uint32_t *first = osp_new(&m->scratch, uint32_t, t->ngroup + 2);
    size_t n = 0;
    if (!first)
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < v->nrow; i++) {
        const uint32_t set = v->of->samples.labels[v->row[i]].i;
        for (uint32_t k = t->first_slot[set]; k < t->first_slot[set + 1]; k++) {
            const bool is_first = is_first_slot(t, set, k);
            first[t->slot[k].group + 2] += is_first;
            n += is_first;
        }
    }
    t->row = osp_new(&m->scratch, uint32_t, n);
    if (n > UINT32_MAX || !t->row)
        return osp_making_no_memory(m);
    for (size_t i = 2; i < t->ngroup + 2; i++)
        first[i] += first[i - 1];
    for (uint32_t i = 0; i < v->nrow; i++) {
        const uint32_t set = v->of->samples.labels[v->row[i]].i;
        for (uint32_t k = t->first_slot[set]; k < t->first_slot[set + 1]; k++)
            if (is_first_slot(t, set, k))
                t->row[first[t->slot[k].group + 1]++] = v->row[i];
    }
    t->first_row = first;
    return true;
}

static sums *meet(tagging *t, uint32_t rank, int64_t value)
{
    sums *s = &t->sum[rank];
    if (!s->met) {
        *s = (sums){.met = true, .value = value};
        t->met[t->nmet++] = rank;
    }
    return s;
}

static void weigh_once(tagging *t, uint32_t stack, int64_t value, int64_t w, int64_t dw)
{
    for (uint32_t i = t->first_place[stack]; i < t->first_place[stack + 1]; i++) {
        sums *s = meet(t, t->place[i], value);
        osp_add(&s->cum, w);
        osp_add(&s->cum_divisor, dw);
    }
    if (t->leaf[stack] != OSP_NONE) {
        sums *s = meet(t, t->leaf[stack], value);
        osp_add(&s->flat, w);
        osp_add(&s->flat_divisor, dw);
    }
}

/* A sample counts for the group as often as its label set is in it. */
static void weigh_row(tagging *t, uint32_t of, uint32_t row)
{
    const osp_view *v = t->m->v;
    const uint32_t set = v->of->samples.labels[row].i;
    const int64_t w = v->of->samples.value[t->m->o->value][row], dw = v->divisor ? v->of->samples.value[0][row] : 0;
    for (uint32_t k = t->first_slot[set]; (w || dw) && k < t->first_slot[set + 1]; k++)
        if (t->slot[k].group == of)
            weigh_once(t, v->of->samples.stack[row].i, t->slot[k].value, w, dw);
}

/* The group's sums become tags, if they weigh enough. */
static bool close_group(tagging *t, const group *g)
{
    osp_making *m = t->m;
    for (uint32_t i = 0; i < t->nmet; i++) {
        sums *s = &t->sum[t->met[i]];
        s->met = false;
        if (osp_abs(s->flat) < m->node_cutoff && osp_abs(s->cum) < m->node_cutoff)
            continue;
        void *tags = m->tag;
        bool ok = osp_grow(&tags, &m->tag_cap, m->ntag + 1, sizeof *m->tag);
        m->tag = tags;
        if (!ok)
            return osp_making_no_memory(m);
        m->tag[m->ntag++] = (osp_tag){
            .node = m->rank[t->met[i]].id,
            .numeric = g->numeric,
            .label = g->label,
            .name = g->name,
            .unit = g->numeric ? t->unit : S(""),
            .value = s->value,
            .flat = s->flat,
            .cum = s->cum,
            .flat_divisor = s->flat_divisor,
            .cum_divisor = s->cum_divisor,
        };
    }
    t->nmet = 0;
    return true;
}

static bool weigh(tagging *t, uint32_t n)
{
    osp_making *m = t->m;
    t->sum = osp_new(&m->scratch, sums, n);
    t->met = osp_new(&m->scratch, uint32_t, n);
    if (!t->sum || !t->met)
        return osp_making_no_memory(m);
    if (!number_groups(t) || !list_stacks(t, n) || !sort_rows(t))
        return false;
    for (uint32_t g = 0; g < t->ngroup; g++) {
        for (uint32_t i = t->first_row[g]; i < t->first_row[g + 1]; i++)
            weigh_row(t, g, t->row[i]);
        if (!close_group(t, &t->group[g]))
            return false;
    }
    return true;
}

bool osp_tags_weigh(osp_making *m, uint32_t n)
{
    osp_label_units units;
    if (m->v->of->labelsets.n <= 1 || m->v->nrow == 0)
        return true;
    if (!osp_label_units_make(m->v->of, &units, m->err))
        return false;
    tagging t = {.m = m, .unit = osp_label_unit(&units, S("bytes")), .text = osp_buf_of(SIZE_MAX / 2)};
    bool ok = weigh(&t, n);
    osp_buf_drop(&t.text);
    osp_intern_drop(&t.known);
    osp_label_units_drop(&units);
    free(t.group);
    free(t.slot);
    return ok;
}

bool osp_tags_fit(osp_making *m, uint32_t most, uint32_t *out)
{
    uint32_t *tags = osp_new(&m->scratch, uint32_t, m->n);
    uint64_t count = 0;
    if (!tags)
        return osp_making_no_memory(m);
    for (size_t i = 0; i < m->ntag; i++)
        tags[m->tag[i].node] += m->tag[i].flat != 0;
    *out = most;
    for (uint32_t i = 0; i < most; i++) {
        const uint32_t n = tags[m->rank[i].id];
        count += (n < 4 ? n : 4) + 1;
        if (count >= m->o->node_count) {
            *out = i + 1;
            break;
        }
    }
    return true;
}
