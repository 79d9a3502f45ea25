/* SPDX-License-Identifier: Apache-2.0 */
/* perf.data, as `perf record` writes it (the container: perf_file.c). A sample's fields, as its event's sample_type has them:
 *
 *     IDENTIFIER u64 · IP u64 · TID u32 pid, u32 tid · TIME u64 · ADDR u64 · ID u64 · STREAM_ID u64 · CPU u32, u32 ·
 *     PERIOD u64 · READ (by read_format) · CALLCHAIN u64 n, u64 ip[n] · RAW u32 n, u8[n] · BRANCH_STACK u64 n, [u64], 24 n ·
 *     REGS_USER u64 abi, u64[bits of the mask] · STACK_USER u64 n, u8[n], u64 used · …
 *
 * In a call chain, "addresses" from -4095 up say whose the next ones are: -128 the kernel's, -512 the user's. Addresses
 * behind the first of each kind are return addresses: names are looked up one byte before. Stacks that were copied
 * (--call-graph dwarf) are unwound here by the rows of the files (x86-64 and aarch64). Equal chains of a process whose mappings have not
 * changed are looked at once: they are known by their bytes in the file.
 *
 * Not read: branch stacks (lbr), guests, AUX area traces. */
#include "format/perf_data.h"
#include "format/details.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RECORD_LOST = 2,
    RECORD_SAMPLE = 9,
    RECORD_LOST_SAMPLES = 13,
    MISC_CPUMODE = 7,
    MISC_KERNEL = 1,
    MISC_USER = 2,
    MOST_PCS = 2048,
};

enum { /* PERF_SAMPLE_… */
       S_IP = 1 << 0,
       S_TID = 1 << 1,
       S_TIME = 1 << 2,
       S_ADDR = 1 << 3,
       S_READ = 1 << 4,
       S_CALLCHAIN = 1 << 5,
       S_ID = 1 << 6,
       S_CPU = 1 << 7,
       S_PERIOD = 1 << 8,
       S_STREAM_ID = 1 << 9,
       S_RAW = 1 << 10,
       S_BRANCH_STACK = 1 << 11,
       S_REGS_USER = 1 << 12,
       S_STACK_USER = 1 << 13,
       S_IDENTIFIER = 1 << 16,
       READ_ENABLED = 1,
       READ_RUNNING = 2,
       READ_ID = 4,
       READ_GROUP = 8,
       READ_LOST = 16,
       BRANCH_HW_INDEX = 1 << 17,
       ABI_64 = 2,
};

static const uint64_t CONTEXT_MAX = (uint64_t)-4095, CONTEXT_KERNEL = (uint64_t)-128, CONTEXT_USER = (uint64_t)-512;

typedef struct {
    uint64_t ip, period, time_ns, nchain, abi, reg[OSP_PERF_REGS];
    uint32_t pid, tid;
    osp_span chain, stack;
    bool kernel; /* where ip is */
} sample;

/* A call chain that was met: its bytes in the file with the process's generation, or the words that addresses() wrote. */
typedef struct {
    osp_wide key;
    uint32_t stack; /* id + 1; 0 = a free cell */
} known_chain;

typedef struct {
    osp_perf_file file;
    osp_perf_space *space;
    osp_names names;
    osp_event_tally tally;
    known_chain *chain; /* by hash */
    size_t nchain, ncell;
    uint32_t last_attr, last_event; /* last_attr: + 1 */
    uint64_t samples, lost, cut_stacks, odd, first_ns, last_ns;
    bool is_x86, is_aarch64, has_main;
    uint64_t word[MOST_PCS + 2]; /* generation; pcs of the kernel and how many they are; pcs of the user */
} reader;

/* ---- one sample ----------------------------------------------------------------------------------------------- */

static void skip_read(osp_cur *c, uint64_t format)
{
    uint64_t n = 1, each = 8 + (format & READ_ID ? 8 : 0) + (format & READ_LOST ? 8 : 0);
    if (format & READ_GROUP)
        n = osp_cur_u64(c);
    osp_cur_skip(c, (format & READ_ENABLED ? 8 : 0) + (format & READ_RUNNING ? 8 : 0));
    if (n > c->in.n)
        osp_cur_fail(c, "%" PRIu64 " values", n);
    osp_cur_skip(c, n <= c->in.n ? (size_t)(n * each) : 0);
}

static void read_counted(osp_cur *c, uint64_t size, uint64_t *n, osp_span *bytes)
{
    *n = osp_cur_u64(c);
    if (*n > c->in.n)
        osp_cur_fail(c, "%" PRIu64 " entries", *n);
    *bytes = osp_cur_bytes(c, *n <= c->in.n ? (size_t)(*n * size) : 0);
}

static void read_regs(osp_cur *c, const osp_perf_attr *a, sample *s)
{
    s->abi = osp_cur_u64(c);
    memset(s->reg, 0, sizeof s->reg);
    for (unsigned bit = 0; s->abi && bit < 64; bit++)
        if (a->regs_user >> bit & 1) {
            uint64_t v = osp_cur_u64(c);
            if (bit < OSP_PERF_REGS)
                s->reg[bit] = v;
        }
}

static void read_stack(osp_cur *c, sample *s)
{
    uint64_t n, used;
    read_counted(c, 1, &n, &s->stack);
    if (n == 0)
        return;
    used = osp_cur_u64(c);
    s->stack.n = used < s->stack.n ? (size_t)used : s->stack.n;
}

/* The next of the fields that are there if their bit is set. */
static uint64_t field(const uint8_t **p, uint64_t type, uint64_t bit)
{
    uint64_t v = 0;
    if (type & bit) {
        memcpy(&v, *p, sizeof v);
        *p += sizeof v;
    }
    return v;
}

/* False if it is cut short. */
static bool read_sample(const osp_perf_attr *a, const osp_perf_record *r, sample *s)
{
    osp_err short_sample;
    osp_cur c = osp_cur_on(r->body, "sample", &short_sample);
    const uint64_t t = a->sample_type;
    const uint8_t *p = r->body.p;
    const size_t fixed = 8 * (size_t)__builtin_popcountll(t & (S_IDENTIFIER | S_IP | S_TID | S_TIME | S_ADDR | S_ID |
                                                               S_STREAM_ID | S_CPU | S_PERIOD));
    uint64_t n;
    osp_span skipped;
    if (r->body.n < fixed)
        return false;
    s->abi = s->nchain = 0;
    s->chain = s->stack = (osp_span){0};
    s->kernel = (r->misc & MISC_CPUMODE) == MISC_KERNEL;
    field(&p, t, S_IDENTIFIER);
    s->ip = field(&p, t, S_IP);
    n = field(&p, t, S_TID);
    s->pid = (uint32_t)n;
    s->tid = (uint32_t)(n >> 32);
    s->time_ns = field(&p, t, S_TIME);
    field(&p, t, S_ADDR);
    field(&p, t, S_ID);
    field(&p, t, S_STREAM_ID);
    field(&p, t, S_CPU);
    s->period = field(&p, t, S_PERIOD);
    if (!(t & S_PERIOD))
        s->period = a->freq ? 1 : a->period;
    osp_cur_skip(&c, fixed);
    if (t & S_READ)
        skip_read(&c, a->read_format);
    if (t & S_CALLCHAIN)
        read_counted(&c, 8, &s->nchain, &s->chain);
    if (t & S_RAW)
        osp_cur_skip(&c, osp_cur_u32(&c));
    if (t & S_BRANCH_STACK) {
        n = osp_cur_u64(&c);
        osp_cur_skip(&c, a->branch_sample_type & BRANCH_HW_INDEX ? 8 : 0);
        if (n > c.in.n)
            return false;
        skipped = osp_cur_bytes(&c, (size_t)n * 24);
        (void)skipped;
    }
    if (t & S_REGS_USER)
        read_regs(&c, a, s);
    if (t & S_STACK_USER)
        read_stack(&c, s);
    return !c.bad;
}

/* ---- its stack ------------------------------------------------------------------------------------------------ */

static uint64_t word_at(osp_span s, size_t i)
{
    uint64_t v;
    memcpy(&v, s.p + 8 * i, sizeof v);
    return v;
}

static bool has_copy(const reader *r, const sample *s)
{
    return s->abi == ABI_64 && (r->is_x86 || r->is_aarch64) && osp_unwind_regs_of_perf(s->reg, r->is_aarch64).pc;
}

/* All pcs into r->word, leaf first: [0] the process's generation, [1] how many are the kernel's. How many words. */
static size_t addresses(reader *r, const sample *s)
{
    uint64_t *pc = r->word + 2;
    size_t n = 0, nkernel = 0;
    bool kernel = s->kernel, first = true, user = false;
    for (uint64_t i = 0; i < s->nchain && n < MOST_PCS; i++) {
        uint64_t ip = word_at(s->chain, i);
        if (ip >= CONTEXT_MAX) {
            kernel = ip == CONTEXT_KERNEL;
            user |= ip == CONTEXT_USER;
            first = true;
            if (!kernel && ip != CONTEXT_USER)
                break; /* a guest's, or a hypervisor's */
            continue;
        }
        if (kernel && n > nkernel)
            continue; /* the kernel's behind the user's: nobody writes that */
        pc[n++] = first || ip == 0 ? ip : ip - 1;
        nkernel += kernel;
        user |= !kernel;
        first = false;
    }
    if (n == 0 && s->ip) {
        pc[n++] = s->ip;
        nkernel += kernel;
        user |= !kernel;
    }
    if (has_copy(r, s)) {
        const osp_unwind_regs regs = osp_unwind_regs_of_perf(s->reg, r->is_aarch64);
        bool complete = true;
        n = nkernel; /* the copy tells more than frame pointers do */
        n += osp_perf_unwind(r->space, s->pid, &regs, s->stack, pc + n, MOST_PCS - n, &complete);
        r->cut_stacks += !complete;
    }
    r->word[0] = user || n > nkernel ? osp_perf_generation(r->space, s->pid) : 0;
    r->word[1] = nkernel;
    return n + 2;
}

static known_chain *cell_of(known_chain *chain, size_t ncell, osp_wide key)
{
    size_t at = key.lo & (ncell - 1);
    while (chain[at].stack && (chain[at].key.lo != key.lo || chain[at].key.hi != key.hi))
        at = (at + 1) & (ncell - 1);
    return &chain[at];
}

/* The chain of that digest; its stack is 0 if it is new. NULL without memory. Good until the next one. */
static known_chain *chain_of(reader *r, osp_wide key)
{
    if (r->nchain * 2 >= r->ncell) {
        size_t ncell = r->ncell ? r->ncell * 2 : 1024;
        known_chain *all = calloc(ncell, sizeof *all);
        if (!all)
            return NULL;
        for (size_t i = 0; i < r->ncell; i++)
            if (r->chain[i].stack)
                *cell_of(all, ncell, r->chain[i].key) = r->chain[i];
        free(r->chain);
        r->chain = all;
        r->ncell = ncell;
    }
    known_chain *c = cell_of(r->chain, r->ncell, key);
    c->key = key;
    return c;
}

static osp_stack_id put_stack(reader *r, const sample *s, size_t nword)
{
    r->has_main = r->has_main || osp_perf_main_binary(r->space, s->pid);
    osp_perf_push(r->space, s->pid, r->word + 2, nword - 2, r->word[1]);
    return osp_names_stack(&r->names, false);
}

/* The chain with its stack; NULL without memory. Copied stacks differ in bytes that are no addresses: they are known by what
 * comes out. */
static known_chain *stack_of(reader *r, const sample *s)
{
    const bool by_bytes = s->nchain && !has_copy(r, s);
    size_t nword = by_bytes ? 0 : addresses(r, s);
    known_chain *c = by_bytes ? chain_of(r, osp_hash_wide(s->chain.p, s->chain.n,
                                                          osp_perf_generation(r->space, s->pid) * 2 + s->kernel))
                              : chain_of(r, osp_hash_wide(r->word, nword * sizeof *r->word, UINT64_MAX));
    if (c && !c->stack) {
        c->stack = put_stack(r, s, by_bytes ? addresses(r, s) : nword).i + 1;
        r->nchain++;
    }
    return c;
}

static uint32_t event_of(reader *r, const osp_perf_attr *a)
{
    uint32_t i = (uint32_t)(a - r->file.attr) + 1;
    if (i == r->last_attr)
        return r->last_event;
    r->last_attr = i;
    return r->last_event = osp_tally_event(&r->tally, osp_perf_event_name(&r->file, a));
}

static bool take_sample(reader *r, const osp_perf_record *record, osp_err *err)
{
    sample s;
    if (r->file.nattr == 0)
        return osp_fail(err, OSP_EFORMAT, "a sample before its event is described");
    const osp_perf_attr *a = osp_perf_attr_of(&r->file, record->body);
    if (!read_sample(a, record, &s)) {
        r->odd++;
        return true;
    }
    known_chain *c = stack_of(r, &s);
    if (!c)
        return osp_fail_memory(err, "reading samples");
    osp_tally_add(&r->tally, event_of(r, a), (osp_stack_id){c->stack - 1}, osp_perf_labels(r->space, s.pid, s.tid),
                  s.period <= INT64_MAX ? (int64_t)s.period : INT64_MAX);
    r->samples++;
    if (s.time_ns) {
        r->first_ns = r->first_ns && r->first_ns < s.time_ns ? r->first_ns : s.time_ns;
        r->last_ns = s.time_ns > r->last_ns ? s.time_ns : r->last_ns;
    }
    return (!r->names.failed && !r->tally.failed) || osp_fail_memory(err, "reading samples");
}

static bool take(void *ctx, const osp_perf_record *record, osp_err *err)
{
    reader *r = ctx;
    uint64_t lost = 0;
    switch (record->type) {
    case RECORD_SAMPLE:
        return take_sample(r, record, err);
    case RECORD_LOST:         /* u64 id, lost */
    case RECORD_LOST_SAMPLES: /* u64 lost */
        if (record->body.n >= (record->type == RECORD_LOST ? 16u : 8u))
            memcpy(&lost, record->body.p + (record->type == RECORD_LOST ? 8 : 0), sizeof lost);
        r->lost += lost;
        return true;
    default:
        return osp_perf_space_take(r->space, record, err);
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

/* What every reader should know of the recording. */
static void add_comments(reader *r)
{
    const osp_perf_file *f = &r->file;
    osp_buf text = osp_buf_of(1 << 16);
    if (f->cmdline.n)
        osp_builder_comment(r->names.b, f->cmdline);
    osp_buf_fmt(&text, "perf.data");
    if (f->hostname.n)
        osp_buf_fmt(&text, " from %.*s", STRF(f->hostname));
    if (f->os_release.n)
        osp_buf_fmt(&text, ", Linux %.*s", STRF(f->os_release));
    if (f->cpu.n)
        osp_buf_fmt(&text, ", %.*s", STRF(f->cpu));
    osp_buf_fmt(&text, ": %" PRIu64 " samples, lost %" PRIu64, r->samples, r->lost);
    if (r->cut_stacks)
        osp_buf_fmt(&text, ", stacks cut short %" PRIu64, r->cut_stacks);
    osp_builder_comment(r->names.b, osp_buf_str(&text));
    osp_buf_drop(&text);
}

static void say_details(reader *r, osp_details *to)
{
    static const char recording[] = "recording", events[] = "events";
    const osp_perf_file *f = &r->file;
    int64_t *n = calloc((size_t)r->tally.names.n + 1, sizeof *n);
    if (!to || !n) {
        free(n);
        return;
    }
    to->commented = true;
    osp_detail_text(to, recording, S("command"), f->cmdline);
    osp_detail_text(to, recording, S("host"), f->hostname);
    osp_detail_text(to, recording, S("kernel"), f->os_release);
    osp_detail_text(to, recording, S("arch"), f->arch);
    osp_detail_text(to, recording, S("cpu"), f->cpu);
    osp_detail_number(to, recording, S("lost"), OSP_DETAIL_COUNT, (int64_t)(r->lost & INT64_MAX),
                      "samples, while recording");
    if (r->cut_stacks)
        osp_detail_number(to, recording, S("stacks_cut_short"), OSP_DETAIL_COUNT, (int64_t)r->cut_stacks,
                          "copied stacks that could not be walked to their root");
    osp_tally_counts(&r->tally, n);
    for (uint32_t i = 0; i < r->tally.names.n; i++)
        osp_detail_number(to, events, r->tally.names.text[i], OSP_DETAIL_COUNT, n[i], "samples");
    free(n);
}

static void add_note(const reader *r, osp_input *in)
{
    uint32_t files, missing;
    osp_str first;
    size_t n = 0;
    char *to = in->note;
    const size_t size = sizeof in->note;
    osp_perf_missing(r->space, &files, &missing, &first);
    to[0] = 0;
    if (missing)
        n += (size_t)snprintf(
            to, size,
            "%u of %u files with code are not here as they were sampled (%.60s): their addresses have no names",
            missing, files, first.n ? first.p : "");
    if (r->file.cut && n < size)
        n += (size_t)snprintf(to + n, size - n, "%sthe file is cut short", n ? "; " : "");
    if (r->odd && n < size)
        n += (size_t)snprintf(to + n, size - n, "%s%" PRIu64 " broken samples left out", n ? "; " : "", r->odd);
    if (r->lost && n < size)
        snprintf(to + n, size - n, "%s%" PRIu64 " samples were lost while recording", n ? "; " : "", r->lost);
}

static bool read_all(reader *r, osp_input *in, osp_err *err)
{
    if (!osp_perf_file_open(&r->file, in->file.bytes, err))
        return false;
    r->names.b = r->tally.b = osp_builder_new(in->limit, err);
    r->space = r->names.b ? osp_perf_space_new(&r->file, &r->names, err) : NULL;
    r->is_aarch64 = osp_str_eq(r->file.arch, S("aarch64"));
    r->is_x86 = r->file.arch.n == 0 || osp_str_eq(r->file.arch, S("x86_64"));
    if (!r->space || !osp_perf_records(&r->file, take, r, err))
        return false;
    if (r->samples == 0)
        return osp_fail(err, OSP_EFORMAT, "there is not one sample in it");
    osp_profile_head head = {.duration_ns = (int64_t)((r->last_ns - r->first_ns) & INT64_MAX)};
    say_details(r, in->details);
    if (!osp_tally_finish(&r->tally, &head, err))
        return false;
    osp_builder_head(r->names.b, &head);
    add_comments(r);
    add_note(r, in);
    return true;
}

static osp_profile *read_perf(osp_input *in, osp_err *err)
{
    reader *r = calloc(1, sizeof *r);
    if (!r) {
        osp_fail_memory(err, "reading perf.data");
        return NULL;
    }
    bool ok = read_all(r, in, err);
    osp_tally_drop(&r->tally);
    osp_perf_space_drop(r->space);
    free(r->chain);
    osp_perf_file_close(&r->file);
    osp_profile *p = osp_names_finish(&r->names, ok, err);
    free(r);
    return p;
}

static osp_sniffed sniff(osp_str head, size_t size)
{
    (void)size;
    return osp_str_starts(head, S("PERFILE2")) || osp_str_starts(head, S("2ELIFREP")) ? OSP_MINE : OSP_NOT_MINE;
}

const osp_format osp_format_perf_data = {
    .name = "perf-data",
    .summary = "perf.data, as `perf record` writes it",
    .ending = "",
    .sniff = sniff,
    .read = read_perf,
};
