/* SPDX-License-Identifier: Apache-2.0 */
/* Raw samples -> an address-only profile. Every address is put into the mapping it lay in when the sample arrived; the
 * builder makes equal locations, stacks and label sets one. */
#include "base/buf.h"
#include "base/hash.h"
#include "sample/sample_internal.h"

#include <stdlib.h>

enum { PROFILE_LIMIT = 1 << 30, MAX_FRAMES = OSP_MAX_KERNEL + OSP_MAX_USER, CACHE = 4096 };

static const uint64_t KERNEL_START = 0xffff800000000000u;

/* Where an address lies: its location in the profile and, for the leaf, its domain. */
struct cached {
    uint64_t addr;
    osp_location_id location;
    const char *domain; /* NULL: not asked yet */
    bool used;
};

struct osp_collector {
    osp_builder *builder;
    const osp_space *space;
    osp_mapping_id *map_id; /* by index into the space */
    size_t map_cap;
    osp_object **object; /* by mapping id */
    size_t nobject, object_cap;
    osp_mapping_id kernel;
    struct cached cache[CACHE];
    osp_sampled_thread *thread;
    size_t nthread, thread_cap;
    uint64_t taken, ended[OSP_END_REASONS], frame_pointer_steps;
    osp_string_id key_thread, key_tid, key_goroutine, key_domain;
    bool failed;
};

osp_collector *osp_collector_new(osp_err *err)
{
    osp_collector *c = calloc(1, sizeof *c);
    if (!c) {
        osp_fail_memory(err, "starting the recording");
        return NULL;
    }
    c->builder = osp_builder_new(PROFILE_LIMIT, err);
    if (!c->builder) {
        free(c);
        return NULL;
    }
    osp_builder_value(c->builder, S("samples"), S("count"));
    osp_builder_value(c->builder, S("cpu"), S("nanoseconds"));
    c->key_thread = osp_builder_string(c->builder, S("thread"));
    c->key_tid = osp_builder_string(c->builder, S("tid"));
    c->key_goroutine = osp_builder_string(c->builder, S("goroutine"));
    c->key_domain = osp_builder_string(c->builder, S("domain"));
    return c;
}

void osp_collector_drop(osp_collector *c)
{
    if (!c)
        return;
    osp_builder_drop(c->builder);
    free(c->map_id);
    free(c->object);
    free(c->thread);
    free(c);
}

static void set_object(osp_collector *c, osp_mapping_id id, osp_object *o)
{
    void *array = c->object;
    if (!osp_grow(&array, &c->object_cap, (size_t)id.i + 1, sizeof *c->object)) {
        c->failed = true;
        return;
    }
    c->object = array;
    while (c->nobject <= id.i)
        c->object[c->nobject++] = NULL;
    c->object[id.i] = o;
}

static void add_mapping(osp_collector *c, uint32_t i)
{
    const osp_space_map *m = &c->space->map[i];
    osp_str build_id = m->object ? osp_object_build_id(m->object) : S("");
    osp_str file = m->path.n ? m->path : S("//anon");
    c->map_id[i] = osp_builder_mapping(c->builder, m->start, m->end, m->offset, file, build_id, 0);
    set_object(c, c->map_id[i], m->object);
}

void osp_collector_space(osp_collector *c, const osp_space *s, osp_str main_binary)
{
    void *array = c->map_id;
    if (!osp_grow(&array, &c->map_cap, s->n, sizeof *c->map_id)) {
        c->failed = true;
        return;
    }
    c->map_id = array;
    c->space = s;
    memset(c->cache, 0, sizeof c->cache);
    for (uint32_t i = 0; i < s->n; i++)
        if (osp_str_eq(s->map[i].path, main_binary))
            add_mapping(c, i);
    for (uint32_t i = 0; i < s->n; i++)
        if (!osp_str_eq(s->map[i].path, main_binary))
            add_mapping(c, i);
}

static const char *domain_of(const osp_collector *c, uint64_t addr)
{
    if (addr >= KERNEL_START)
        return "kernel";
    const osp_space_map *m = osp_space_at(c->space, addr);
    if (m && m->vdso)
        return "vdso";
    if (!m || !m->object || !osp_object_is_go(m->object, addr - m->bias))
        return "c";
    osp_frame f;
    if (osp_object_frames(m->object, addr - m->bias, &f, 1) == 0)
        return "go";
    return osp_go_is_runtime(f.name, f.file) ? "runtime" : "go";
}

static struct cached *look_up(osp_collector *c, uint64_t addr)
{
    struct cached *e = &c->cache[osp_hash_mix(addr, 1) % CACHE];
    if (e->used && e->addr == addr)
        return e;
    osp_mapping_id map = {0};
    if (addr >= KERNEL_START) {
        if (c->kernel.i == 0)
            c->kernel =
                osp_builder_mapping(c->builder, KERNEL_START, UINT64_MAX, 0, S("[kernel.kallsyms]"), S(""), 0);
        map = c->kernel;
    } else {
        const osp_space_map *m = osp_space_at(c->space, addr);
        if (m)
            map = c->map_id[m - c->space->map];
    }
    *e =
        (struct cached){.addr = addr, .location = osp_builder_location(c->builder, map, addr, NULL, 0), .used = true};
    return e;
}

static osp_sampled_thread *thread_of(osp_collector *c, const osp_raw_sample *head)
{
    for (size_t i = c->nthread; i-- > 0;)
        if (c->thread[i].tid == (int)head->tid)
            return &c->thread[i];
    void *array = c->thread;
    if (!osp_grow(&array, &c->thread_cap, c->nthread + 1, sizeof *c->thread)) {
        c->failed = true;
        return NULL;
    }
    c->thread = array;
    c->thread[c->nthread] = (osp_sampled_thread){.tid = (int)head->tid};
    return &c->thread[c->nthread++];
}

/* The goroutine's labels, as bpf/sample.h lays them out in words. */
static size_t read_labels(osp_collector *c, const osp_raw_sample *head, const uint64_t *word, osp_label *out)
{
    size_t at = (size_t)head->nkernel + head->nuser, n = 0;
    for (unsigned i = 0; i < head->nlabels && i < OSP_MAX_LABELS && at < head->nwords; i++) {
        size_t key = word[at] & 0xffff, value = word[at] >> 16 & 0xffff, left = head->nwords - at - 1;
        if ((key + 7) / 8 > left || (value + 7) / 8 > left - (key + 7) / 8)
            break;
        osp_str k = {(const char *)&word[at + 1], key};
        osp_str v = {(const char *)&word[at + 1 + (key + 7) / 8], value};
        out[n++] = (osp_label){.key = osp_builder_string(c->builder, k), .str = osp_builder_string(c->builder, v)};
        at += 1 + (key + 7) / 8 + (value + 7) / 8;
    }
    return n;
}

void osp_collector_add(osp_collector *c, const osp_raw_sample *head, const uint64_t *word)
{
    osp_location_id loc[MAX_FRAMES];
    size_t n = (size_t)head->nkernel + head->nuser;
    if (n > MAX_FRAMES || n > head->nwords)
        return;
    struct cached leaf = {0};
    for (size_t i = 0; i < n; i++) {
        /* The kernel's own walk gives return addresses as they are. */
        uint64_t addr = i > 0 && i < head->nkernel ? word[i] - 1 : word[i];
        struct cached *e = look_up(c, addr);
        if (i == 0) {
            if (!e->domain)
                e->domain = domain_of(c, addr);
            leaf = *e;
        }
        loc[i] = e->location;
    }

    osp_sampled_thread *t = thread_of(c, head);
    if (!t)
        return;
    t->samples++;
    t->cpu_ns += head->weight;
    if (head->m)
        t->m = head->m;
    if (head->goid)
        t->goid = head->goid;
    memcpy(t->name, head->comm, sizeof t->name);
    t->name[sizeof t->name - 1] = 0;

    osp_label label[4 + OSP_MAX_LABELS];
    size_t k = 0;
    label[k++] = (osp_label){.key = c->key_thread, .str = osp_builder_string(c->builder, osp_str_from(t->name))};
    label[k++] = (osp_label){.key = c->key_tid, .num = head->tid};
    if (head->goid)
        label[k++] = (osp_label){.key = c->key_goroutine, .num = (int64_t)head->goid};
    label[k++] = (osp_label){.key = c->key_domain,
                             .str = osp_builder_string(c->builder, osp_str_from(leaf.domain ? leaf.domain : "c"))};
    k += read_labels(c, head, word, label + k);

    int64_t value[2] = {1, (int64_t)head->weight};
    osp_builder_sample(c->builder, osp_builder_stack(c->builder, loc, n), osp_builder_labels(c->builder, label, k),
                       value, 0);
    c->taken++;
    c->ended[head->end < OSP_END_REASONS ? head->end : OSP_END_UNSUPPORTED]++;
    c->frame_pointer_steps += head->fp_steps;
}

uint64_t osp_collector_taken(const osp_collector *c) { return c->taken; }

const uint64_t *osp_collector_ended(const osp_collector *c, uint64_t *frame_pointer_steps)
{
    *frame_pointer_steps = c->frame_pointer_steps;
    return c->ended;
}

bool osp_collector_finish(osp_collector *c, const osp_profile_head *head, osp_recording *out, osp_err *err)
{
    osp_builder_head(c->builder, head);
    out->profile = osp_builder_finish(c->builder, err);
    c->builder = NULL;
    if (!out->profile)
        return false;
    if (c->failed)
        return osp_fail_memory(err, "collecting samples");
    out->object = c->object;
    out->nobject = (uint32_t)c->nobject;
    out->thread = c->thread;
    out->nthread = (uint32_t)c->nthread;
    c->object = NULL;
    c->thread = NULL;
    return true;
}
