/* SPDX-License-Identifier: Apache-2.0 */
/* Raw samples -> an address-only profile. Every address is put into the mapping it lay in when the sample arrived; the
 * builder makes equal locations, stacks and label sets one. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/limit.h"
#include "sample/sample_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    COLUMNS_MAX = OSP_MAX_COLUMNS * OSP_MAX_EVENTS,
    PROFILE_LIMIT = 512 << 20,
    PROFILE_LEAST = 4 << 20, /* however little memory there may be */
    THREADS_MOST = 1 << 16,
    MAX_FRAMES = OSP_MAX_KERNEL + OSP_MAX_USER,
    LABELS_MAX = 16 + OSP_MAX_LABELS,
    CACHE = 4096
};

static const uint64_t KERNEL_START = 0xffff800000000000u;

/* Where an address lies: its location in the profile and, for the leaf, its domain. */
struct cached {
    uint64_t addr;
    uint64_t place; /* which mappings of which subject it was looked up in; 0: the kernel's */
    osp_location_id location;
    const char *domain; /* NULL: not asked yet */
    bool used;
};

/* A stack as the profile has it. */
struct known_stack {
    osp_stack_id id;
    const char *domain;
    bool idle;                    /* of an M of Go that has nothing to do */
    uint32_t first_label, nlabel; /* the goroutine's, in label[] */
};

/* A mapping as the profile has it. */
struct known_map {
    osp_mapping_id id; /* 0: not a mapping of the profile yet */
    uint64_t delta;    /* run address + delta = the profile's */
};

/* A subject as the profile has it. */
struct known_subject {
    const osp_subject *of; /* NULL: this slot is empty */
    osp_string_id name;
    struct known_map *map; /* by index into its space */
    size_t map_cap;
    uint32_t serial, generation; /* what map is for */
};

/* A part of an object with code, where the profile has it mapped. Of several processes that map it, each elsewhere, all
 * samples are put where the first had it: so equal stacks are one, and are named once. */
struct code {
    const osp_object *object;
    uint64_t file_start, file_end;
    uint64_t start;
    osp_mapping_id id;
};

struct osp_collector {
    osp_builder *builder;
    const osp_event_list *events;
    uint32_t first_column[OSP_MAX_EVENTS], ncolumn;
    bool many, waits;              /* waits: some event says what threads wait for */
    struct known_subject *subject; /* by slot */
    size_t nsubject, subject_cap;
    struct code *code;
    size_t ncode, code_cap;
    osp_object **object; /* by mapping id */
    size_t nobject, object_cap;
    osp_compiled compiled;
    osp_mapping_id kernel;
    struct cached cache[CACHE];
    osp_index stack_at; /* by a stack's hash */
    struct known_stack *stack;
    size_t nstack, stack_cap;
    osp_label *label;
    size_t nlabel, label_cap;
    osp_index thread_at; /* by pid and tid */
    osp_sampled_thread *thread;
    size_t nthread, thread_cap;
    size_t limit; /* bytes of the profile */
    uint64_t lost;
    uint64_t taken, ended[OSP_END_REASONS], frame_pointer_steps;
    osp_string_id key_thread, key_tid, key_goroutine, key_domain, key_process, key_pid, key_state, key_reason,
        key_syscall, key_errno, key_op, key_cause, key_by, key_woken, key_woken_tid, key_waker, key_fd;
    osp_calls calls;
    osp_index wake_at; /* by a hash of all but its count */
    osp_wake *wake;
    size_t nwake, wake_cap;
    osp_index joined_at; /* by both hashes: stacks of waits with those that ended them */
    bool failed;
};

static bool begin(osp_collector *c, osp_err *err)
{
    c->builder = osp_builder_new(c->limit, err);
    if (!c->builder)
        return false;
    c->ncolumn = 0;
    for (uint32_t i = 0; i < c->events->n; i++) {
        const osp_event_kind *kind = c->events->kind[i];
        c->first_column[i] = c->ncolumn;
        c->ncolumn += kind->ncolumn;
        c->waits |= kind->waits;
        for (uint32_t k = 0; k < kind->ncolumn; k++)
            osp_builder_value(c->builder, osp_str_from(kind->column[k].type), osp_str_from(kind->column[k].unit));
    }
    c->key_thread = osp_builder_string(c->builder, S("thread"));
    c->key_tid = osp_builder_string(c->builder, S("tid"));
    c->key_goroutine = osp_builder_string(c->builder, S("goroutine"));
    c->key_domain = osp_builder_string(c->builder, S("domain"));
    c->key_process = osp_builder_string(c->builder, S("process"));
    c->key_pid = osp_builder_string(c->builder, S("pid"));
    c->key_syscall = osp_builder_string(c->builder, S("syscall"));
    c->key_errno = osp_builder_string(c->builder, S("errno"));
    c->key_state = osp_builder_string(c->builder, S("state"));
    c->key_reason = osp_builder_string(c->builder, S("reason"));
    c->key_op = osp_builder_string(c->builder, S("op"));
    c->key_cause = osp_builder_string(c->builder, S("cause"));
    c->key_by = osp_builder_string(c->builder, S("by"));
    c->key_woken = osp_builder_string(c->builder, S("woken"));
    c->key_woken_tid = osp_builder_string(c->builder, S("woken-tid"));
    c->key_waker = osp_builder_string(c->builder, S("waker"));
    c->key_fd = osp_builder_string(c->builder, S("fd"));
    return true;
}

/* Let go of what belongs to one profile. */
static void reset(osp_collector *c)
{
    osp_builder_drop(c->builder);
    for (size_t i = 0; i < c->nsubject; i++) {
        free(c->subject[i].map);
        c->subject[i] = (struct known_subject){0};
    }
    free(c->object);
    free(c->thread);
    osp_compiled_drop(&c->compiled);
    c->ncode = 0;
    c->builder = NULL;
    c->object = NULL;
    c->thread = NULL;
    c->nsubject = 0;
    c->nobject = c->object_cap = 0;
    c->nthread = c->thread_cap = 0;
    c->nstack = c->nlabel = 0;
    osp_calls_clear(&c->calls);
    free(c->wake);
    c->wake = NULL;
    c->nwake = c->wake_cap = 0;
    osp_index_clear(&c->wake_at);
    osp_index_clear(&c->joined_at);
    osp_index_clear(&c->stack_at);
    osp_index_clear(&c->thread_at);
    c->kernel = (osp_mapping_id){0};
    memset(c->cache, 0, sizeof c->cache);
    c->lost = c->taken = c->frame_pointer_steps = 0;
    memset(c->ended, 0, sizeof c->ended);
}

osp_collector *osp_collector_new(const osp_event_list *events, bool many, osp_err *err)
{
    osp_collector *c = calloc(1, sizeof *c);
    if (!c) {
        osp_fail_memory(err, "starting the recording");
        return NULL;
    }
    size_t said;
    c->events = events;
    c->many = many;
    c->limit = PROFILE_LIMIT;
    if (!osp_memory_said(&said, err)) {
        free(c);
        return NULL;
    }
    if (said && said / 4 < c->limit)
        c->limit = said / 4 > PROFILE_LEAST ? said / 4 : PROFILE_LEAST;
    if (!begin(c, err)) {
        osp_collector_drop(c);
        return NULL;
    }
    return c;
}

void osp_collector_drop(osp_collector *c)
{
    if (!c)
        return;
    reset(c);
    osp_index_drop(&c->stack_at);
    osp_index_drop(&c->thread_at);
    osp_index_drop(&c->wake_at);
    osp_index_drop(&c->joined_at);
    osp_calls_drop(&c->calls);
    free(c->stack);
    free(c->label);
    free(c->subject);
    free(c->code);
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

static void new_mapping(osp_collector *c, const osp_subject *of, const osp_space_map *m, struct known_map *out)
{
    osp_str build_id = m->object ? osp_object_build_id(m->object) : S("");
    osp_str file = m->path.n ? m->path : S("//anon");
    *out = (struct known_map){.id = osp_builder_mapping(c->builder, m->start, m->end, m->offset, file, build_id, 0)};
    set_object(c, out->id, m->object);
    if (!m->object && !m->vdso)
        osp_compiled_note(&c->compiled, out->id.i, of);
}

/* The profile's mapping for number i of the subject's. */
static struct known_map mapping_of(osp_collector *c, struct known_subject *k, size_t i)
{
    const osp_space_map *m = &k->of->space.map[i];
    struct known_map *to = &k->map[i];
    if (to->id.i)
        return *to;
    uint64_t file_start = m->start - m->bias, file_end = m->end - m->bias;
    for (size_t n = c->ncode; m->object && n-- > 0;) {
        const struct code *one = &c->code[n];
        if (one->object != m->object || one->file_start != file_start || one->file_end != file_end)
            continue;
        *to = (struct known_map){one->id, one->start - m->start};
        return *to;
    }
    new_mapping(c, k->of, m, to);
    void *array = c->code;
    if (c->many && m->object && osp_grow(&array, &c->code_cap, c->ncode + 1, sizeof *c->code)) {
        c->code = array;
        c->code[c->ncode++] = (struct code){m->object, file_start, file_end, m->start, to->id};
    }
    return *to;
}

/* The subject's space is another than before, or was never seen: its mappings are asked for anew. */
static bool take_space(osp_collector *c, struct known_subject *k)
{
    void *array = k->map;
    const osp_space *s = &k->of->space;
    if (!osp_grow(&array, &k->map_cap, s->n ? s->n : 1, sizeof *k->map)) {
        c->failed = true;
        return false;
    }
    k->map = array;
    memset(k->map, 0, s->n * sizeof *k->map);
    k->generation = k->of->generation;
    k->name = osp_builder_string(c->builder, k->of->info.name);
    for (uint32_t i = 0; i < s->n; i++)
        if (osp_str_eq(s->map[i].path, k->of->info.exe))
            mapping_of(c, k, i);
    return true;
}

static struct known_subject *known(osp_collector *c, const osp_subject *of)
{
    if (of->slot < c->nsubject) {
        struct known_subject *k = &c->subject[of->slot];
        if (k->of == of && k->serial == of->serial && k->generation == of->generation)
            return k;
    }
    void *array = c->subject;
    if (!osp_grow(&array, &c->subject_cap, (size_t)of->slot + 1, sizeof *c->subject)) {
        c->failed = true;
        return NULL;
    }
    c->subject = array;
    for (; c->nsubject <= of->slot; c->nsubject++)
        c->subject[c->nsubject] = (struct known_subject){0};
    struct known_subject *k = &c->subject[of->slot];
    k->of = of;
    k->serial = of->serial;
    return take_space(c, k) ? k : NULL;
}

void osp_collector_forget(osp_collector *c, const osp_subject *s)
{
    if (s->slot >= c->nsubject || c->subject[s->slot].of != s)
        return;
    free(c->subject[s->slot].map);
    c->subject[s->slot] = (struct known_subject){0};
}

static const char *domain_of(const osp_subject *of, uint64_t addr)
{
    if (osp_is_placeless(addr))
        return addr == osp_placeless_addr(OSP_PLACELESS_KERNEL) ? "kernel"
               : addr == osp_placeless_addr(OSP_PLACELESS_C)    ? "c"
                                                                : "unknown";
    if (addr >= KERNEL_START)
        return "kernel";
    const osp_space_map *m = osp_space_at(&of->space, addr);
    if (m && m->vdso)
        return "vdso";
    if (!m || !m->object || !osp_object_is_go(m->object, addr - m->bias))
        return "c";
    osp_frame f;
    if (osp_object_frames(m->object, addr - m->bias, &f, 1) == 0)
        return "go";
    return osp_go_is_runtime(f.name, f.file) ? "runtime" : "go";
}

static osp_mapping_id kernel_mapping(osp_collector *c)
{
    if (c->kernel.i == 0)
        c->kernel = osp_builder_mapping(c->builder, KERNEL_START, UINT64_MAX, 0, S("[kernel.kallsyms]"), S(""), 0);
    return c->kernel;
}

/* A frame that says why there is no better one. */
static osp_location_id placeless(osp_collector *c, uint64_t addr)
{
    static const char *const text[OSP_PLACELESS_KINDS] = {
        [OSP_PLACELESS_RUNNING] = "[running, place unknown]", [OSP_PLACELESS_C] = "[C, place unknown]",
        [OSP_PLACELESS_KERNEL] = "[kernel, place unknown]",   [OSP_PLACELESS_QUEUED] = "[runnable, not on a CPU]",
        [OSP_PLACELESS_BLOCKED] = "[blocked, place unknown]", [OSP_PLACELESS_ENDED] = "[threads that ended]",
    };
    osp_str name = osp_str_from(text[addr - osp_placeless_addr(0)]);
    const osp_line line = {.fn = osp_builder_function(c->builder, name, name, S(""), 0)};
    return osp_builder_location(c->builder, (osp_mapping_id){0}, 0, &line, 1);
}

static struct cached *look_up(osp_collector *c, struct known_subject *k, uint64_t addr)
{
    bool kernel = addr >= KERNEL_START;
    uint64_t place = kernel ? 0 : (uint64_t)k->serial << 32 | k->generation;
    struct cached *e = &c->cache[osp_hash_mix(addr, place + 1) % CACHE];
    if (e->used && e->addr == addr && e->place == place)
        return e;
    struct known_map map = {0};
    if (osp_is_placeless(addr)) {
        *e = (struct cached){.addr = addr, .place = place, .location = placeless(c, addr), .used = true};
        return e;
    }
    if (kernel) {
        map.id = kernel_mapping(c);
    } else {
        const osp_space_map *m = osp_space_at(&k->of->space, addr);
        if (m)
            map = mapping_of(c, k, (size_t)(m - k->of->space.map));
    }
    *e = (struct cached){.addr = addr,
                         .place = place,
                         .location = osp_builder_location(c->builder, map.id, addr + map.delta, NULL, 0),
                         .used = true};
    return e;
}

/* NULL: there are too many to list them all. */
static osp_sampled_thread *thread_of(osp_collector *c, const osp_raw_sample *head)
{
    uint64_t key = (uint64_t)head->pid << 32 | head->tid;
    uint32_t at = osp_index_find(&c->thread_at, key);
    if (at != UINT32_MAX)
        return &c->thread[at];
    if (c->nthread == THREADS_MOST)
        return NULL;
    void *array = c->thread;
    if (!osp_grow(&array, &c->thread_cap, c->nthread + 1, sizeof *c->thread)) {
        c->failed = true;
        return NULL;
    }
    c->thread = array;
    if (!osp_index_put(&c->thread_at, key, (uint32_t)c->nthread)) {
        c->failed = true;
        return NULL;
    }
    c->thread[c->nthread] = (osp_sampled_thread){.pid = (int)head->pid, .tid = (int)head->tid};
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

static uint64_t column_value(const osp_raw_sample *head, osp_column_from from)
{
    switch (from) {
    case OSP_FROM_COUNT:
        return head->count;
    case OSP_FROM_SUM:
        return head->value[0] + head->value[1] + head->value[2];
    default:
        return head->value[from];
    }
}

/* The sample's row: its event's columns, the other events' 0. */
static void fill_values(const osp_collector *c, const osp_raw_sample *head, int64_t *value)
{
    const osp_event_kind *kind = c->events->kind[head->event];
    memset(value, 0, c->ncolumn * sizeof *value);
    for (uint32_t i = 0; i < kind->ncolumn; i++) {
        osp_column_from from = kind->column[i].from;
        value[c->first_column[head->event] + i] = (int64_t)column_value(head, from);
    }
}

/* Functions of Go's scheduler in which an M waits for work. */
static bool waits_for_work(osp_str name)
{
    static const char *const function[] = {"runtime.stopm",         "runtime.findRunnable", "runtime.findrunnable",
                                           "runtime.stoplockedm",   "runtime.gcstopm",      "runtime.sysmon",
                                           "runtime.templateThread"};
    for (size_t i = 0; i < sizeof function / sizeof function[0]; i++)
        if (osp_str_eq(name, osp_str_from(function[i])))
            return true;
    return false;
}

/* Is it the stack of an M of the Go runtime that waits for something to do? */
static bool is_idle(const osp_subject *of, const osp_raw_sample *head, const uint64_t *word)
{
    for (size_t i = head->nkernel; i < (size_t)head->nkernel + head->nuser; i++) {
        enum { INLINES = 4 };
        osp_frame f[INLINES];
        const osp_space_map *m = osp_space_at(&of->space, word[i]);
        if (!m || !m->object || !osp_object_is_go(m->object, word[i] - m->bias))
            continue;
        size_t n = osp_object_frames(m->object, word[i] - m->bias, f, INLINES);
        for (size_t k = 0; k < n; k++)
            if (waits_for_work(f[k].name))
                return true;
    }
    return false;
}

/* The stack as the profile has it. What is not named by a hash is looked up each time. */
static bool find_stack(osp_collector *c, struct known_subject *subject, const osp_raw_sample *head,
                       const uint64_t *word, struct known_stack *out)
{
    osp_location_id loc[MAX_FRAMES];
    size_t n = (size_t)head->nkernel + head->nuser;
    if (n > MAX_FRAMES || n > head->nwords)
        return false;
    struct cached leaf = {0};
    for (size_t i = 0; i < n; i++) {
        /* The kernel's own walk gives return addresses as they are. */
        uint64_t addr = i > 0 && i < head->nkernel ? word[i] - 1 : word[i];
        struct cached *e = look_up(c, subject, addr);
        if (i == 0) {
            if (!e->domain)
                e->domain = domain_of(subject->of, addr);
            leaf = *e;
        }
        loc[i] = e->location;
    }
    void *array = c->label;
    if (!osp_grow(&array, &c->label_cap, c->nlabel + OSP_MAX_LABELS, sizeof *c->label)) {
        c->failed = true;
        return false;
    }
    c->label = array;
    *out = (struct known_stack){.id = osp_builder_stack(c->builder, loc, n),
                                .domain = leaf.domain ? leaf.domain : "c",
                                .idle = c->waits && is_idle(subject->of, head, word),
                                .first_label = (uint32_t)c->nlabel,
                                .nlabel = (uint32_t)read_labels(c, head, word, c->label + c->nlabel)};
    return true;
}

static bool known_stack(osp_collector *c, struct known_subject *subject, const osp_raw_sample *head,
                        const uint64_t *word, struct known_stack *out)
{
    if (!head->stack_hash)
        return find_stack(c, subject, head, word, out);
    uint32_t at = osp_index_find(&c->stack_at, head->stack_hash);
    if (at != UINT32_MAX) {
        *out = c->stack[at];
        return true;
    }
    void *array = c->stack;
    if (!find_stack(c, subject, head, word, out))
        return false;
    if (!osp_grow(&array, &c->stack_cap, c->nstack + 1, sizeof *c->stack) ||
        !osp_index_put(&c->stack_at, head->stack_hash, (uint32_t)c->nstack)) {
        c->failed = true;
        return false;
    }
    c->stack = array;
    c->stack[c->nstack++] = *out;
    c->nlabel += out->nlabel;
    return true;
}

static osp_sampled_thread *note_thread(osp_collector *c, const osp_raw_sample *head)
{
    osp_sampled_thread *t = thread_of(c, head);
    if (!t)
        return NULL;
    t->samples++;
    if (c->events->kind[head->event] == c->events->kind[0]) /* ns of CPU, if that is what is asked for */
        t->cpu_ns += head->value[0];
    if (head->m)
        t->m = head->m;
    if (head->goid)
        t->goid = head->goid;
    if (head->comm[0]) {
        memcpy(t->name, head->comm, sizeof t->name);
        t->name[sizeof t->name - 1] = 0;
    }
    return t;
}

/* Whose sample it is, where that is to be said. */
static size_t process_labels(const osp_collector *c, const struct known_subject *s, uint32_t pid, osp_label *out)
{
    if (!c->many)
        return 0;
    out[0] = (osp_label){.key = c->key_process, .str = s->name};
    out[1] = (osp_label){.key = c->key_pid, .num = pid};
    return 2;
}

static osp_label text_label(osp_collector *c, osp_string_id key, const char *text)
{
    return (osp_label){.key = key, .str = osp_builder_string(c->builder, osp_str_from(text))};
}

/* Is there room for one more sample, whatever it brings? */
static bool has_room(const osp_collector *c) { return osp_builder_bytes(c->builder) < c->limit - c->limit / 8; }

static const char *reason_text(const osp_raw_sample *head, bool idle)
{
    uint32_t wait = head->reason >> OSP_REASON_WAIT & OSP_REASON_WAITS;
    return idle && (wait == OSP_WAIT_SLEEP || wait == OSP_WAIT_DEEP) ? "idle" : osp_wait_text(head->reason);
}

static osp_label call_label(osp_collector *c, uint32_t nr)
{
    char number[OSP_SYSCALL_NUMBER];
    return text_label(c, c->key_syscall, osp_syscall_text(nr, number));
}

/* A text: of numbers 0 says that there is none. */
static osp_label fd_label(osp_collector *c, int fd)
{
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    return text_label(c, c->key_fd, number);
}

/* The call's name, what it was to do, on which descriptor, and how it failed. */
static size_t call_labels(osp_collector *c, const osp_raw_sample *head, osp_label *out)
{
    char number[OSP_ERRNO_NUMBER];
    uint32_t error = head->reason >> OSP_REASON_ERRNO & OSP_REASON_ERRNOS;
    const char *op = osp_futex_op_text(head->reason >> OSP_REASON_OP);
    size_t n = 0;
    out[n++] = call_label(c, head->reason & OSP_REASON_CALL);
    if (op)
        out[n++] = text_label(c, c->key_op, op);
    if (head->descriptor)
        out[n++] = fd_label(c, (int)(head->descriptor - 1));
    if (error)
        out[n++] = text_label(c, c->key_errno, osp_failure_text(error, number));
    return n;
}

/* What only samples of this kind of event say. */
static size_t own_labels(osp_collector *c, const osp_raw_sample *head, bool idle, osp_label *out)
{
    const osp_event_kind *kind = c->events->kind[head->event];
    if (kind->source == OSP_BY_CALLS)
        return call_labels(c, head, out);
    if (kind->waits)
        out[0] = text_label(c, c->key_reason, reason_text(head, idle));
    else if (kind->state[0] && head->reason - 1 < 2)
        out[0] = text_label(c, c->key_state, kind->state[head->reason - 1]);
    return kind->waits || kind->state[0];
}

/* A sample of a stack of the profile; `more` labels stand in label already, which has room for all. */
static void add_sample(osp_collector *c, const struct known_subject *subject, const osp_raw_sample *head,
                       const struct known_stack *stack, osp_label *label, size_t more)
{
    const osp_sampled_thread *t = note_thread(c, head);
    size_t k = more + process_labels(c, subject, head->pid, label + more);
    k += own_labels(c, head, stack->idle, label + k);
    label[k++] = text_label(c, c->key_thread, t ? t->name : "");
    label[k++] = (osp_label){.key = c->key_tid, .num = head->tid};
    if (head->goid && !stack->idle)
        label[k++] = (osp_label){.key = c->key_goroutine, .num = (int64_t)head->goid};
    label[k++] = text_label(c, c->key_domain, stack->domain);
    memcpy(label + k, c->label + stack->first_label, stack->nlabel * sizeof *label);
    k += stack->nlabel;

    int64_t value[COLUMNS_MAX];
    fill_values(c, head, value);
    osp_builder_sample(c->builder, stack->id, osp_builder_labels(c->builder, label, k), value, 0);
    c->taken++;
    c->ended[head->end < OSP_END_REASONS ? head->end : OSP_END_UNSUPPORTED]++;
    c->frame_pointer_steps += head->fp_steps;
}

void osp_collector_add(osp_collector *c, const osp_subject *of, const osp_raw_sample *head, const uint64_t *word)
{
    struct known_stack stack;
    osp_label label[LABELS_MAX];
    if (head->event >= c->events->n)
        return;
    struct known_subject *subject = known(c, of);
    osp_raw_sample h = *head;
    bool counted = c->events->kind[head->event]->source != OSP_BY_CALLS || osp_calls_add(&c->calls, &h);
    if (!counted || !subject || !has_room(c) || !known_stack(c, subject, &h, word, &stack))
        c->lost++;
    else
        add_sample(c, subject, &h, &stack, label, 0);
}

void osp_collector_add_tally(osp_collector *c, const osp_bpf_tally_key *key, osp_bpf_tally *tally)
{
    osp_label label[LABELS_MAX];
    int64_t value[COLUMNS_MAX] = {0};
    uint32_t event = 0;
    while (event < c->events->n && c->events->kind[event]->source != OSP_BY_CALLS)
        event++;
    if (event == c->events->n || !has_room(c) || !osp_calls_add_tally(&c->calls, key, tally)) {
        c->lost += tally->calls;
        return;
    }
    const osp_event_kind *kind = c->events->kind[event];
    const osp_raw_sample head = {.value = {tally->ns, tally->results},
                                 .reason = (key->nr & OSP_REASON_CALL) | (uint32_t)key->error << OSP_REASON_ERRNO |
                                           (uint32_t)key->op << OSP_REASON_OP};
    for (uint32_t i = 0; i < kind->ncolumn; i++) {
        osp_column_from from = kind->column[i].from;
        value[c->first_column[event] + i] =
            from == OSP_FROM_COUNT ? (int64_t)tally->calls : (int64_t)column_value(&head, from);
    }
    osp_builder_sample(c->builder, osp_builder_stack(c->builder, NULL, 0),
                       osp_builder_labels(c->builder, label, call_labels(c, &head, label)), value, 0);
    c->taken += tally->calls;
    c->ended[OSP_END_BUDGET] += tally->calls;
}

void osp_collector_add_used(osp_collector *c, const osp_bpf_used_key *key, const osp_bpf_used *used)
{
    c->failed |= !osp_calls_add_used(&c->calls, key, used);
}

/* ---- wakers -------------------------------------------------------------------------------------------------------- */

/* The name of a thread that may not have had a sample yet; "" if it is unknown. */
static const char *thread_name(osp_collector *c, uint32_t pid, uint32_t tid)
{
    const osp_raw_sample head = {.pid = pid, .tid = tid};
    osp_sampled_thread *t = pid ? thread_of(c, &head) : NULL;
    if (t && !t->name[0])
        osp_thread_name((int)pid, (int)tid, t->name);
    return t ? t->name : "";
}

/* A place's stack as the profile has it; of: the subject where the place has none. */
static bool place_stack(osp_collector *c, const osp_place *p, const osp_subject *of, struct known_stack *out)
{
    struct known_subject *subject = known(c, p->of ? p->of : of);
    bool old = p->head.stack_hash && osp_index_find(&c->stack_at, p->head.stack_hash) != UINT32_MAX;
    return subject && (p->word || old) && known_stack(c, subject, &p->head, p->word, out);
}

static void count_wake(osp_collector *c, const osp_wake *one)
{
    enum { MOST = 1 << 18 };
    uint64_t key = osp_hash(one, sizeof *one);
    uint32_t at = osp_index_find(&c->wake_at, key);
    void *array = c->wake;
    if (at != UINT32_MAX) {
        c->wake[at].count++;
        return;
    }
    if (c->nwake == MOST || !osp_grow(&array, &c->wake_cap, c->nwake + 1, sizeof *c->wake))
        return; /* the profile has them, without where the woken slept */
    c->wake = array;
    if (!osp_index_put(&c->wake_at, key, (uint32_t)c->nwake))
        return;
    c->wake[c->nwake] = *one;
    c->wake[c->nwake++].count = 1;
}

static const char *by_text(const osp_raw_sample *head, const osp_reason_woken *why)
{
    if (why->by_thread)
        return "thread";
    return why->cause == OSP_CAUSE_PROCESS ? head->comm : "interrupt";
}

void osp_collector_add_wake(osp_collector *c, const osp_place *by, const osp_place *code, const osp_place *woken,
                            const osp_reason_woken *why)
{
    struct known_stack waker, cause, slept;
    osp_label label[LABELS_MAX];
    osp_raw_sample head = by->head;
    const char *sleeper = thread_name(c, head.peer_pid, head.peer_tid);
    uint32_t call = head.reason & OSP_REASON_CALLS;
    size_t k = 0;
    if (!has_room(c)) {
        c->lost++;
        return;
    }
    if (!place_stack(c, woken, woken->of, &slept)) /* it sleeps since before it was first seen */
        slept = (struct known_stack){.id = osp_builder_stack(c->builder, NULL, 0), .domain = "c"};
    bool has_waker = why->by_thread && place_stack(c, by, woken->of, &waker);
    bool has_cause = has_waker && place_stack(c, code, by->of, &cause);
    osp_wake one;
    memset(&one, 0, sizeof one); /* padding too: it is hashed */
    one.cause = why->cause;
    one.inherited = why->inherited;
    one.by_thread = has_waker;
    one.woken = slept.id;
    one.woken_tid = head.peer_tid;
    if (has_waker) {
        one.call = call;
        one.waker = waker.id;
        one.waker_tid = head.tid;
        one.code = has_cause ? cause.id : waker.id;
    }
    count_wake(c, &one);
    const struct known_stack *shown = has_cause ? &cause : has_waker ? &waker : &slept;
    label[k++] = text_label(c, c->key_cause, osp_cause_text(why->cause));
    label[k++] = text_label(c, c->key_by, why->inherited ? "thread, inherited" : by_text(&head, why));
    label[k++] = text_label(c, c->key_woken, sleeper);
    label[k++] = (osp_label){.key = c->key_woken_tid, .num = head.peer_tid};
    if (has_waker && call)
        label[k++] = call_label(c, call - 1);
    if (why->inherited || !has_waker)
        head.goid = 0;
    if (!has_waker) {
        head.pid = head.peer_pid;
        head.tid = head.peer_tid;
        head.comm[0] = 0;
    }
    const struct known_subject *subject = known(c, has_waker ? by->of : woken->of);
    if (subject)
        add_sample(c, subject, &head, shown, label, k);
}

/* The wait's stack with the waker's on top of it, which meets it with its leaf. */
static bool join(osp_collector *c, const osp_place *wait, const osp_place *by, osp_stack_id *out)
{
    uint64_t key = osp_hash_mix(wait->head.stack_hash, by->head.stack_hash);
    uint32_t at = osp_index_find(&c->joined_at, key);
    osp_location_id loc[2 * MAX_FRAMES];
    if (at != UINT32_MAX) {
        out->i = at;
        return true;
    }
    size_t n = (size_t)by->head.nkernel + by->head.nuser, own = (size_t)wait->head.nkernel + wait->head.nuser;
    if (!by->word || !wait->word || n > MAX_FRAMES || own > MAX_FRAMES || n > by->head.nwords ||
        own > wait->head.nwords)
        return false;
    struct known_subject *waker = known(c, by->of ? by->of : wait->of);
    for (size_t i = 0; waker && i < n; i++)
        loc[n - 1 - i] = look_up(c, waker, by->word[i] - (i < by->head.nkernel))->location;
    struct known_subject *sleeper = known(c, wait->of); /* only now: it may move the other */
    if (!waker || !sleeper)
        return false;
    for (size_t i = 0; i < own; i++)
        loc[n + i] = look_up(c, sleeper, wait->word[i] - (i > 0 && i < wait->head.nkernel))->location;
    *out = osp_builder_stack(c->builder, loc, n + own);
    return osp_index_put(&c->joined_at, key, out->i);
}

void osp_collector_add_woken(osp_collector *c, const osp_place *wait, const osp_place *by, osp_cause interrupt)
{
    struct known_stack stack;
    osp_label label[LABELS_MAX];
    struct known_subject *subject = known(c, wait->of);
    const osp_raw_sample *head = &wait->head;
    if (!subject || !has_room(c) || !known_stack(c, subject, head, wait->word, &stack)) {
        c->lost++;
        return;
    }
    bool joined = by->word && interrupt == OSP_CAUSE_UNKNOWN && join(c, wait, by, &stack.id);
    const char *name = joined && head->peer_tid ? thread_name(c, head->peer_pid, head->peer_tid) : "";
    if (interrupt != OSP_CAUSE_UNKNOWN)
        name = osp_cause_text(interrupt);
    label[0] = text_label(c, c->key_waker, name);
    subject = known(c, wait->of);
    if (subject)
        add_sample(c, subject, head, &stack, label, name[0] != 0);
}

uint64_t osp_collector_lost(const osp_collector *c) { return c->lost; }

void osp_collector_add_wait(osp_collector *c, const osp_subject *of, uint32_t event, const osp_waited *w,
                            osp_str state, osp_str reason)
{
    osp_location_id loc[OSP_MAX_USER + 1];
    osp_label label[6 + OSP_MAX_LABELS];
    int64_t value[COLUMNS_MAX] = {0};
    struct known_subject *subject = known(c, of);
    if (!subject || w->npc > OSP_MAX_USER + 1)
        return;
    for (size_t i = 0; i < w->npc; i++)
        loc[i] = look_up(c, subject, w->pc[i])->location;
    size_t k = process_labels(c, subject, (uint32_t)of->pid, label);
    if (w->what.goid)
        label[k++] = (osp_label){.key = c->key_goroutine, .num = (int64_t)w->what.goid};
    label[k++] = (osp_label){.key = c->key_state, .str = osp_builder_string(c->builder, state)};
    label[k++] = (osp_label){.key = c->key_reason, .str = osp_builder_string(c->builder, reason)};
    osp_str rest = w->labels, name, text;
    for (size_t i = 0; i < OSP_MAX_LABELS && osp_labels_next(&rest, &name, &text); i++)
        label[k++] =
            (osp_label){.key = osp_builder_string(c->builder, name), .str = osp_builder_string(c->builder, text)};
    value[c->first_column[event]] = (int64_t)w->ns;
    osp_builder_sample(c->builder, osp_builder_stack(c->builder, loc, w->npc),
                       osp_builder_labels(c->builder, label, k), value, 0);
}

uint64_t osp_collector_taken(const osp_collector *c) { return c->taken; }

const uint64_t *osp_collector_ended(const osp_collector *c, uint64_t *frame_pointer_steps)
{
    *frame_pointer_steps = c->frame_pointer_steps;
    return c->ended;
}

bool osp_collector_take(osp_collector *c, const osp_profile_head *head, osp_recording *out, osp_err *err)
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
    out->jit = osp_compiled_open(&c->compiled, c->nobject);
    out->thread = c->thread;
    out->nthread = (uint32_t)c->nthread;
    out->called = c->calls.row;
    out->ncalled = (uint32_t)c->calls.n;
    out->used = c->calls.used;
    out->nused = (uint32_t)c->calls.nused;
    out->wake = c->wake;
    out->nwake = (uint32_t)c->nwake;
    c->object = NULL;
    c->thread = NULL;
    c->calls.row = NULL;
    c->calls.used = NULL;
    c->wake = NULL;
    reset(c);
    return begin(c, err);
}
