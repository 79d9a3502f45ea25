/* SPDX-License-Identifier: Apache-2.0 */
/* Tags: what the labels of samples say about the nodes they go through. Of the text labels, all of a sample are one tag; of
 * the numbers, only those called "bytes" count, as the peer has it.
 *
 * Label sets give groups, a sample is an event in each of the groups of its label set, and the events are sorted by
 * group: then a group's sums are one number a node, and nothing has to be looked up. */
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
    uint32_t row, slot;
} occurrence;

typedef struct {
    int64_t flat, cum, flat_divisor, cum_divisor, value;
    uint32_t event; /* the last that touched it, + 1 */
    bool met;
} sums;

typedef struct {
    osp_making *m;
    osp_str unit; /* of "bytes" */
    osp_intern keys;
    group *group;
    membership *slot;
    size_t ngroup, group_cap, nslot, slot_cap;
    uint32_t *first_slot; /* per label set, n + 1 offsets into slot[] */
    occurrence *event;       /* by group */
    uint32_t *first_event;
    uint32_t *place; /* per node: its rank + 1, if it is asked for */
    sums *sum;       /* per rank */
    uint32_t *met;   /* ranks */
    uint32_t nmet;
} tagging;

/* ---- groups --------------------------------------------------------------------------------------------------- */

static int by_text(const void *x, const void *y) { return osp_str_cmp(*(const osp_str *)x, *(const osp_str *)y); }

static bool is_bytes(const tagging *t, const osp_label *l)
{
    return !l->str.i && osp_str_eq(osp_text(t->m->v->of, l->key), S("bytes"));
}

/* All text labels of a set as one text; "" = none, {NULL, 0} = no memory. */
static osp_str joined(tagging *t, uint32_t set)
{
    const osp_view *v = t->m->v;
    osp_arena *a = &t->m->g->arena;
    const uint32_t from = v->first_label[set], to = v->first_label[set + 1];
    osp_str *part = osp_new(&t->m->scratch, osp_str, to - from);
    size_t n = 0, bytes = 0;
    for (uint32_t i = from; part && i < to; i++) {
        const osp_label *l = &v->label[i];
        osp_str key = osp_text(v->of, l->key), text = osp_text(v->of, l->str);
        if (!l->str.i || osp_str_eq(key, S("pprof::base")))
            continue;
        char *p = osp_new(&t->m->scratch, char, key.n + 1 + text.n);
        if (!p)
            return (osp_str){0};
        memcpy(p, key.p, key.n);
        p[key.n] = ':';
        memcpy(p + key.n + 1, text.p, text.n);
        part[n] = (osp_str){p, key.n + 1 + text.n};
        bytes += part[n++].n + 2;
    }
    if (!part || n == 0)
        return part ? S("") : (osp_str){0};
    qsort(part, n, sizeof *part, by_text);
    char *p = osp_new(a, char, bytes), *at = p;
    for (size_t i = 0; p && i < n; i++) {
        memcpy(at, i ? "\\n" : "", i ? 2 : 0);
        at += i ? 2 : 0;
        memcpy(at, part[i].p, part[i].n);
        at += part[i].n;
    }
    return p ? (osp_str){p, (size_t)(at - p)} : (osp_str){0};
}

static bool put_slot(tagging *t, bool numeric, osp_str label, osp_str name, int64_t value)
{
    osp_making *m = t->m;
    const uint32_t part[3] = {numeric, osp_intern_put(&m->texts, label, NULL), osp_intern_put(&m->texts, name, NULL)};
    uint32_t *key = osp_new(&m->scratch, uint32_t, 3);
    void *groups = t->group, *slots = t->slot;
    if (!key || part[1] == OSP_NONE || part[2] == OSP_NONE)
        return osp_making_no_memory(m);
    memcpy(key, part, sizeof part);
    bool fresh;
    uint32_t id = osp_intern_put(&t->keys, (osp_str){(const char *)key, sizeof part}, &fresh);
    bool ok = id != OSP_NONE && osp_grow(&groups, &t->group_cap, t->ngroup + 1, sizeof *t->group);
    t->group = groups;
    ok = ok && t->nslot < OSP_NONE && osp_grow(&slots, &t->slot_cap, t->nslot + 1, sizeof *t->slot);
    t->slot = slots;
    if (!ok)
        return osp_making_no_memory(m);
    if (fresh)
        t->group[t->ngroup++] = (group){numeric, label, name};
    t->slot[t->nslot++] = (membership){id, value};
    return true;
}

static bool number_groups(tagging *t)
{
    osp_making *m = t->m;
    const osp_view *v = m->v;
    const uint32_t n = v->of->labelsets.n;
    char text[512];
    t->first_slot = osp_new(&m->scratch, uint32_t, (size_t)n + 1);
    if (!t->first_slot)
        return osp_making_no_memory(m);
    for (uint32_t set = 0; set < n; set++) {
        t->first_slot[set] = (uint32_t)t->nslot;
        osp_str label = joined(t, set);
        if (!label.p)
            return osp_making_no_memory(m);
        if (label.n && !put_slot(t, false, label, S(""), 0))
            return false;
        for (uint32_t i = v->first_label[set]; i < v->first_label[set + 1]; i++) {
            if (!is_bytes(t, &v->label[i]))
                continue;
            const int64_t value = v->label[i].num;
            osp_str name = osp_arena_str(
                &m->g->arena, osp_str_from(osp_scaled(value, t->unit, m->o->tag_unit, text, sizeof text)));
            if (!name.p || !put_slot(t, true, label, name, value))
                return osp_making_no_memory(m);
        }
    }
    t->first_slot[n] = (uint32_t)t->nslot;
    return true;
}

/* The unit of all numbers called "bytes": the first that is given, filters or not. */
static osp_str unit_of_bytes(const osp_profile *p)
{
    for (uint32_t row = 0; row < p->samples.n; row++) {
        const uint32_t set = p->samples.labels[row].i;
        for (uint32_t i = p->labelsets.first[set]; i < p->labelsets.first[set + 1]; i++) {
            const osp_label *l = &p->labelsets.label[i];
            if (!l->str.i && l->unit.i && osp_str_eq(osp_text(p, l->key), S("bytes")))
                return osp_text(p, l->unit);
        }
    }
    return S("bytes");
}

/* ---- events --------------------------------------------------------------------------------------------------- */

static bool is_silent(const osp_making *m, uint32_t row)
{
    const osp_profile *p = m->v->of;
    return p->samples.value[m->o->value][row] == 0 && (!m->v->divisor || p->samples.value[0][row] == 0);
}

static bool sort_events(tagging *t)
{
    osp_making *m = t->m;
    const osp_view *v = m->v;
    uint32_t *first = osp_new(&m->scratch, uint32_t, t->ngroup + 2);
    size_t n = 0;
    if (!first)
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < v->nrow; i++) {
        const uint32_t set = v->of->samples.labels[v->row[i]].i;
        for (uint32_t k = t->first_slot[set]; k < t->first_slot[set + 1]; k++, n++)
            first[t->slot[k].group + 2]++;
    }
    t->event = osp_new(&m->scratch, occurrence, n);
    if (n >= OSP_NONE || !t->event)
        return osp_making_no_memory(m);
    for (size_t i = 2; i < t->ngroup + 2; i++)
        first[i] += first[i - 1];
    for (uint32_t i = 0; i < v->nrow; i++) {
        const uint32_t set = v->of->samples.labels[v->row[i]].i;
        for (uint32_t k = t->first_slot[set]; k < t->first_slot[set + 1]; k++)
            t->event[first[t->slot[k].group + 1]++] = (occurrence){v->row[i], k};
    }
    t->first_event = first;
    return true;
}

static sums *meet(tagging *t, uint32_t node, uint32_t slot)
{
    if (!t->place[node])
        return NULL;
    sums *s = &t->sum[t->place[node] - 1];
    if (!s->met) {
        *s = (sums){.met = true, .value = t->slot[slot].value};
        t->met[t->nmet++] = t->place[node] - 1;
    }
    return s;
}

static void add_cum(tagging *t, uint32_t node, uint32_t slot, uint32_t event, int64_t w, int64_t dw)
{
    sums *s = meet(t, node, slot);
    if (!s || s->event == event)
        return;
    s->event = event;
    osp_add(&s->cum, w);
    osp_add(&s->cum_divisor, dw);
}

static void weigh_event(tagging *t, uint32_t event)
{
    const osp_making *m = t->m;
    const osp_view *v = m->v;
    const uint32_t row = t->event[event].row, slot = t->event[event].slot, stack = v->of->samples.stack[row].i;
    const int64_t w = v->of->samples.value[m->o->value][row], dw = v->divisor ? v->of->samples.value[0][row] : 0;
    uint32_t leaf = OSP_NONE;
    if (is_silent(m, row))
        return;
    if (m->tree.what) {
        leaf = m->tree.leaf[stack];
        for (uint32_t n = leaf; n != OSP_NONE; n = m->tree.parent[n])
            add_cum(t, n, slot, event + 1, w, dw);
    } else {
        for (uint32_t i = v->first[stack]; i < v->first[stack + 1]; i++)
            for (uint32_t k = m->first[v->loc[i].i]; k < m->first[v->loc[i].i + 1]; k++) {
                leaf = leaf == OSP_NONE ? m->whats[k] : leaf;
                add_cum(t, m->whats[k], slot, event + 1, w, dw);
            }
    }
    sums *s = leaf == OSP_NONE ? NULL : meet(t, leaf, slot);
    if (s) {
        osp_add(&s->flat, w);
        osp_add(&s->flat_divisor, dw);
    }
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
    t->place = osp_new(&m->scratch, uint32_t, m->n);
    t->sum = osp_new(&m->scratch, sums, n);
    t->met = osp_new(&m->scratch, uint32_t, n);
    if (!t->place || !t->sum || !t->met)
        return osp_making_no_memory(m);
    for (uint32_t i = 0; i < n; i++)
        t->place[m->rank[i].id] = i + 1;
    if (!number_groups(t) || !sort_events(t))
        return false;
    for (size_t g = 0; g < t->ngroup; g++) {
        for (uint32_t e = t->first_event[g]; e < t->first_event[g + 1]; e++)
            weigh_event(t, e);
        if (!close_group(t, &t->group[g]))
            return false;
    }
    return true;
}

bool osp_tags_weigh(osp_making *m, uint32_t n)
{
    if (m->v->of->labelsets.n <= 1 || m->v->nrow == 0)
        return true;
    tagging t = {.m = m, .unit = unit_of_bytes(m->v->of)};
    bool ok = weigh(&t, n);
    osp_intern_drop(&t.keys);
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
