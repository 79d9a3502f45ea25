/* SPDX-License-Identifier: Apache-2.0 */
/* perf.data as a container (tools/perf/Documentation/perf.data-file-format.txt, uapi/linux/perf_event.h). Little endian.
 *
 *   OFFSET SIZE  NAME         MEANING
 *      0     8   magic        "PERFILE2"
 *      8     8   size         of this header; 16 = a pipe: records follow at once
 *     16     8   attr_size    of an entry of attrs
 *     24    16   attrs        offset, size: entries of perf_event_attr and a section (offset, size) of u64 ids
 *     40    16   data         offset, size: records; size 0 = perf was killed, they go to the end
 *     56    16   event_types  not used
 *     72    32   features     a bit a feature; their sections stand behind data, in the order of the bits
 *
 * A record is {u32 type, u16 misc, u16 size} and a body. Each CPU's buffer is in order, the file is not: FINISHED_ROUND says
 * that nothing older than the newest record of the round before will come. COMPRESSED records hold pieces of one zstd
 * stream of records, which may be cut anywhere.
 *
 * Not read: AUX area traces, tracepoints' formats, topology; other byte orders; directories (perf record --threads). */
#include "format/perf_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RECORD_SAMPLE = 9,
    HEADER_ATTR = 64,
    TRACING_DATA = 66,
    HEADER_BUILD_ID = 67,
    FINISHED_ROUND = 68,
    AUXTRACE = 71,
    EVENT_UPDATE = 78,
    HEADER_FEATURE = 80,
    COMPRESSED = 81,
    COMPRESSED2 = 83,
    FEATURES = 256,
    HEAD = 8,        /* bytes of a record's header */
    ATTR_LEAST = 64, /* PERF_ATTR_SIZE_VER0 */
    ATTR_MOST = 4096,
    MOST_EVENTS = 1 << 16,
    MOST_SORTS = 256, /* of ids; events are described before their samples */
};

enum { /* PERF_SAMPLE_… */
       S_IP = 1,
       S_TID = 2,
       S_TIME = 4,
       S_ADDR = 8,
       S_ID = 64,
       S_CPU = 128,
       S_STREAM_ID = 512,
       S_IDENTIFIER = 1 << 16,
};

/* ---- attributes ----------------------------------------------------------------------------------------------- */

static uint64_t at_u64(osp_span s, size_t at)
{
    uint64_t v = 0;
    if (at + sizeof v <= s.n)
        memcpy(&v, s.p + at, sizeof v);
    return v;
}

static uint32_t at_u32(osp_span s, size_t at)
{
    uint32_t v = 0;
    if (at + sizeof v <= s.n)
        memcpy(&v, s.p + at, sizeof v);
    return v;
}

static osp_span part(osp_span s, uint64_t at, uint64_t n)
{
    if (at > s.n)
        return (osp_span){s.p + s.n, 0};
    return (osp_span){s.p + at, n < s.n - at ? (size_t)n : s.n - (size_t)at};
}

/* struct perf_event_attr. */
static osp_perf_attr read_attr(osp_span s)
{
    uint64_t bits = at_u64(s, 40);
    return (osp_perf_attr){
        .type = at_u32(s, 0),
        .config = at_u64(s, 8),
        .period = at_u64(s, 16),
        .sample_type = at_u64(s, 24),
        .read_format = at_u64(s, 32),
        .branch_sample_type = at_u64(s, 72),
        .regs_user = at_u64(s, 80),
        .freq = bits >> 10 & 1,
        .sample_id_all = bits >> 18 & 1,
    };
}

static bool add_attr(osp_perf_file *f, osp_span attr, osp_span ids, osp_err *err)
{
    void *attrs = f->attr, *all = f->id;
    size_t n = ids.n / 8;
    if (f->nattr >= MOST_EVENTS)
        return osp_fail(err, OSP_ELIMIT, "more than %d events", MOST_EVENTS);
    if (!osp_grow(&attrs, &f->attr_cap, (size_t)f->nattr + 1, sizeof *f->attr))
        return osp_fail_memory(err, "reading events");
    f->attr = attrs;
    if (!osp_grow(&all, &f->id_cap, f->nid + n, sizeof *f->id))
        return osp_fail_memory(err, "reading events");
    f->id = all;
    for (size_t i = 0; i < n; i++)
        f->id[f->nid++] = (osp_perf_id){at_u64(ids, 8 * i), f->nattr};
    f->attr[f->nattr++] = read_attr(attr);
    f->ids_sorted = false;
    return true;
}

static int by_id(const void *a, const void *b)
{
    const osp_perf_id *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static const osp_perf_attr *attr_with_id(osp_perf_file *f, uint64_t id)
{
    if (!f->ids_sorted && f->nid && f->sorts++ < MOST_SORTS)
        qsort(f->id, f->nid, sizeof *f->id, by_id);
    f->ids_sorted = true;
    const osp_perf_id key = {.id = id}, *at = f->nid ? bsearch(&key, f->id, f->nid, sizeof key, by_id) : NULL;
    return at ? &f->attr[at->attr] : &f->attr[0];
}

const osp_perf_attr *osp_perf_attr_of(osp_perf_file *f, osp_span sample)
{
    uint64_t type = f->attr[0].sample_type;
    size_t at = 0;
    if (f->nattr == 1)
        return f->attr;
    if (!(type & S_IDENTIFIER)) {
        if (!(type & S_ID))
            return f->attr;
        for (uint64_t bit = S_IP; bit <= S_ADDR; bit <<= 1)
            at += type & bit ? 8 : 0;
    }
    return attr_with_id(f, at_u64(sample, at));
}

osp_str osp_perf_event_name(osp_perf_file *f, const osp_perf_attr *a)
{
    static const char *const hardware[] = {
        "cycles",        "instructions", "cache-references",        "cache-misses",           "branches",
        "branch-misses", "bus-cycles",   "stalled-cycles-frontend", "stalled-cycles-backend", "ref-cycles"};
    static const char *const software[] = {"cpu-clock",        "task-clock",   "page-faults",  "context-switches",
                                           "cpu-migrations",   "minor-faults", "major-faults", "alignment-faults",
                                           "emulation-faults", "dummy",        "bpf-output",   "cgroup-switches"};
    if (a->name.n)
        return a->name;
    if (a->type == 0 && a->config < sizeof hardware / sizeof *hardware)
        return osp_str_from(hardware[a->config]);
    if (a->type == 1 && a->config < sizeof software / sizeof *software)
        return osp_str_from(software[a->config]);
    osp_str name = osp_arena_fmt(&f->arena, "event-%" PRIu32 "-%" PRIx64, a->type, a->config);
    return name.p ? name : S("events");
}

/* ---- features ------------------------------------------------------------------------------------------------- */

enum { F_BUILD_ID = 2, F_HOSTNAME = 3, F_OS_RELEASE = 4, F_ARCH = 6, F_CPU = 8, F_CMDLINE = 11, F_EVENT_DESC = 12 };

/* u32 length, and so many bytes with NULs at the end. */
static osp_str counted_text(osp_cur *c)
{
    osp_str s = osp_span_text(osp_cur_bytes(c, osp_cur_u32(c)));
    const char *end = s.n ? memchr(s.p, 0, s.n) : NULL;
    return osp_str_head(s, end ? (size_t)(end - s.p) : s.n);
}

/* u32 count, u32 size of an attr; count times: attr, u32 ids, name, ids. In the order of the attributes. */
static void read_event_names(osp_perf_file *f, osp_cur *c)
{
    uint32_t n = osp_cur_u32(c), size = osp_cur_u32(c);
    for (uint32_t i = 0; i < n && !c->bad; i++) {
        osp_span attr = osp_cur_bytes(c, size);
        uint32_t nid = osp_cur_u32(c);
        osp_str name = counted_text(c);
        uint64_t first = nid ? osp_cur_u64(c) : 0;
        osp_cur_skip(c, nid ? (size_t)(nid - 1) * 8 : 0);
        if (c->bad)
            return;
        osp_perf_attr *a = i < f->nattr ? &f->attr[i] : NULL;
        if (nid && f->nid)
            a = (osp_perf_attr *)(uintptr_t)attr_with_id(f, first);
        if (a && a->config == at_u64(attr, 8))
            a->name = name;
    }
}

static void read_cmdline(osp_perf_file *f, osp_cur *c)
{
    osp_buf line = osp_buf_of(1 << 16);
    for (uint32_t n = osp_cur_u32(c); n && !c->bad && !line.failed; n--) {
        osp_buf_add(&line, counted_text(c));
        osp_buf_byte(&line, ' ');
    }
    f->cmdline = osp_str_trim(osp_arena_str(&f->arena, osp_buf_str(&line)));
    osp_buf_drop(&line);
}

/* s32 pid, u8 id[20], u8 size of it (if misc says so), 3 of padding, name. */
static bool add_build_id(osp_perf_file *f, uint16_t misc, osp_span body, osp_err *err)
{
    void *all = f->build_id;
    if (body.n < 29)
        return true;
    if (!osp_grow(&all, &f->build_id_cap, f->nbuild_id + 1, sizeof *f->build_id))
        return osp_fail_memory(err, "reading build ids");
    f->build_id = all;
    osp_perf_build_id *b = &f->build_id[f->nbuild_id++];
    *b = (osp_perf_build_id){.n = misc & 1 << 15 && body.p[24] < OSP_PERF_BUILD_ID_MAX ? body.p[24]
                                                                                       : OSP_PERF_BUILD_ID_MAX};
    memcpy(b->id, body.p + 4, b->n);
    osp_str name = osp_span_text(part(body, 28, body.n));
    const char *end = memchr(name.p, 0, name.n);
    b->file = osp_str_head(name, end ? (size_t)(end - name.p) : name.n);
    return true;
}

static bool read_build_ids(osp_perf_file *f, osp_span s, osp_err *err)
{
    while (s.n >= HEAD) {
        uint16_t misc, size;
        memcpy(&misc, s.p + 4, 2);
        memcpy(&size, s.p + 6, 2);
        if (size < HEAD || size > s.n)
            return true;
        if (!add_build_id(f, misc, part(s, HEAD, size - HEAD), err))
            return false;
        s = part(s, size, s.n);
    }
    return true;
}

/* What is wrong with one feature is no reason to refuse the samples. */
static bool read_feature(osp_perf_file *f, unsigned bit, osp_span s, osp_err *err)
{
    osp_err ignored;
    osp_cur c = osp_cur_on(s, "feature", &ignored);
    switch (bit) {
    case F_BUILD_ID:
        return read_build_ids(f, s, err);
    case F_HOSTNAME:
        f->hostname = counted_text(&c);
        break;
    case F_OS_RELEASE:
        f->os_release = counted_text(&c);
        break;
    case F_ARCH:
        f->arch = counted_text(&c);
        break;
    case F_CPU:
        f->cpu = counted_text(&c);
        break;
    case F_CMDLINE:
        read_cmdline(f, &c);
        break;
    case F_EVENT_DESC:
        read_event_names(f, &c);
        break;
    default:
        break;
    }
    return true;
}

static bool read_features(osp_perf_file *f, uint64_t end_of_data, osp_err *err)
{
    uint64_t at = end_of_data;
    for (unsigned bit = 0; bit < FEATURES; bit++) {
        if (!(f->in.p[72 + bit / 8] >> bit % 8 & 1))
            continue;
        osp_span where = part(f->in, at, 16);
        if (where.n == 16 && !read_feature(f, bit, part(f->in, at_u64(where, 0), at_u64(where, 8)), err))
            return false;
        at += 16;
    }
    return true;
}

/* ---- header --------------------------------------------------------------------------------------------------- */

static bool read_attrs(osp_perf_file *f, osp_err *err)
{
    uint64_t size = at_u64(f->in, 16);
    osp_span attrs = part(f->in, at_u64(f->in, 24), at_u64(f->in, 32));
    if (size < ATTR_LEAST + 16 || size > ATTR_MOST)
        return osp_fail(err, OSP_EFORMAT, "an event's attributes take %" PRIu64 " bytes", size);
    for (; attrs.n >= size; attrs = part(attrs, size, attrs.n)) {
        osp_span ids = part(f->in, at_u64(attrs, size - 16), at_u64(attrs, size - 8));
        /* Ids are one a CPU and thread; many events cannot share the bytes of few. */
        if (f->nid > f->in.n / 8 || !add_attr(f, part(attrs, 0, size - 16), ids, err))
            return f->nid > f->in.n / 8 ? osp_fail(err, OSP_EFORMAT, "more ids of events than bytes") : false;
    }
    return f->nattr > 0 || osp_fail(err, OSP_EFORMAT, "no event is described");
}

bool osp_perf_file_open(osp_perf_file *f, osp_span in, osp_err *err)
{
    *f = (osp_perf_file){.in = in, .err = err};
    osp_arena_init(&f->arena, (size_t)1 << 30);
    if (in.n < 16 || memcmp(in.p, "PERFILE2", 8) != 0)
        return osp_fail(err, in.n >= 8 && memcmp(in.p, "2ELIFREP", 8) == 0 ? OSP_EFORMAT : OSP_EABSENT,
                        in.n >= 8 && memcmp(in.p, "2ELIFREP", 8) == 0
                            ? "written on a big-endian machine, which is not read"
                            : "no PERFILE2 at its start");
    if (at_u64(in, 8) == 16) {
        f->piped = true;
        f->data_offset = 16;
        f->data = part(in, 16, in.n);
        return true;
    }
    if (in.n < 104)
        return osp_fail(err, OSP_EFORMAT, "the header is cut short");
    uint64_t at = at_u64(in, 40), size = at_u64(in, 48), end;
    if (at > in.n || __builtin_add_overflow(at, size, &end))
        return osp_fail(err, OSP_EFORMAT, "records are said to be at 0x%" PRIx64, at);
    f->data_offset = at;
    f->cut = size == 0 || end > in.n;
    f->data = part(in, at, size ? size : in.n);
    return read_attrs(f, err) && (f->cut || read_features(f, end, err));
}

void osp_perf_file_close(osp_perf_file *f)
{
    free(f->attr);
    free(f->id);
    free(f->build_id);
    osp_arena_drop(&f->arena);
}

/* ---- records in the order of time ----------------------------------------------------------------------------- */

/* Unpacked bytes; gone once the last record that waits is taken. */
typedef struct {
    osp_buf bytes;
    size_t waiting;
} chunk;

typedef struct {
    uint64_t time_ns;
    const uint8_t *at; /* the record's header */
    size_t chunk;      /* + 1; 0 = in the file */
} entry;

struct osp_perf_queue {
    osp_perf_file *f;
    osp_perf_take *take;
    void *ctx;
    entry *entry, *other; /* other: room for merging */
    size_t n, cap, other_cap;
    uint64_t newest, flush_to;
    uint64_t looks; /* at records that wait, in all; how many are left */
    chunk *chunk;
    size_t nchunk, chunk_cap;
    osp_unpacker *unpacker;
    size_t unpacked, unpack_limit;
    osp_buf rest; /* the start of a record that the next piece completes */
};

static osp_perf_record record_at(const uint8_t *p)
{
    osp_perf_record r = {0};
    uint16_t size;
    memcpy(&r.type, p, 4);
    memcpy(&r.misc, p + 4, 2);
    memcpy(&size, p + 6, 2);
    r.body = (osp_span){p + HEAD, (size_t)(size - HEAD)};
    return r;
}

/* When it happened: in the sample, or in what sample_id_all puts behind every record. */
static uint64_t time_of(osp_perf_file *f, const osp_perf_record *r)
{
    if (f->nattr == 0)
        return 0;
    if (r->type == RECORD_SAMPLE) {
        uint64_t type = osp_perf_attr_of(f, r->body)->sample_type;
        size_t at = (type & S_IDENTIFIER ? 8 : 0) + (type & S_IP ? 8 : 0) + (type & S_TID ? 8 : 0);
        return type & S_TIME ? at_u64(r->body, at) : 0;
    }
    uint64_t type = f->attr[0].sample_type;
    if (!f->attr[0].sample_id_all || !(type & S_TIME))
        return 0;
    size_t back = 8;
    for (uint64_t bit = S_ID; bit <= S_IDENTIFIER; bit <<= 1)
        if (bit & (S_ID | S_CPU | S_STREAM_ID | S_IDENTIFIER) & type)
            back += 8;
    return r->body.n >= back ? at_u64(r->body, r->body.n - back) : 0;
}

/* The runs of each CPU are in order: merge neighbours until there is one. Equal times stay in the file's order. */
static bool sort_entries(osp_perf_queue *q)
{
    void *other = q->other;
    if (!osp_grow(&other, &q->other_cap, q->n, sizeof *q->other))
        return false;
    q->other = other;
    for (size_t runs = 2; runs > 1;) {
        runs = 0;
        for (size_t at = 0; at < q->n; runs++) {
            size_t mid = at + 1;
            while (mid < q->n && q->entry[mid - 1].time_ns <= q->entry[mid].time_ns)
                mid++;
            size_t end = mid < q->n ? mid + 1 : mid;
            while (end < q->n && q->entry[end - 1].time_ns <= q->entry[end].time_ns)
                end++;
            size_t a = at, b = mid;
            for (size_t k = at; k < end; k++)
                q->other[k] = b >= end || (a < mid && q->entry[a].time_ns <= q->entry[b].time_ns) ? q->entry[a++]
                                                                                                  : q->entry[b++];
            at = end;
        }
        entry *swap = q->entry;
        q->entry = q->other;
        q->other = swap;
        size_t cap = q->cap;
        q->cap = q->other_cap;
        q->other_cap = cap;
    }
    return true;
}

static void release(osp_perf_queue *q, size_t id)
{
    if (id && --q->chunk[id - 1].waiting == 0)
        osp_buf_drop(&q->chunk[id - 1].bytes);
}

/* Take what is not newer than `until`. */
static bool flush(osp_perf_queue *q, uint64_t until, osp_err *err)
{
    size_t i = 0;
    if (q->n == 0)
        return true;
    if (q->looks < q->n)
        return osp_fail(err, OSP_ELIMIT, "too many records wait too long for their time");
    q->looks -= q->n;
    if (!sort_entries(q))
        return osp_fail_memory(err, "sorting records");
    for (; i < q->n && q->entry[i].time_ns <= until; i++) {
        osp_perf_record r = record_at(q->entry[i].at);
        r.time_ns = q->entry[i].time_ns;
        if (!q->take(q->ctx, &r, err))
            return false;
        release(q, q->entry[i].chunk);
    }
    q->n -= i;
    memmove(q->entry, q->entry + i, q->n * sizeof *q->entry);
    return true;
}

static bool put(osp_perf_queue *q, const uint8_t *at, size_t id, osp_err *err)
{
    osp_perf_record r = record_at(at);
    r.time_ns = time_of(q->f, &r);
    if (r.time_ns == 0 || r.time_ns == UINT64_MAX)
        return q->take(q->ctx, &r, err);
    void *all = q->entry;
    if (!osp_grow(&all, &q->cap, q->n + 1, sizeof *q->entry))
        return osp_fail_memory(err, "sorting records");
    q->entry = all;
    q->entry[q->n++] = (entry){r.time_ns, at, id};
    if (id)
        q->chunk[id - 1].waiting++;
    q->newest = r.time_ns > q->newest ? r.time_ns : q->newest;
    return true;
}

/* ---- reading records ------------------------------------------------------------------------------------------ */

static bool end_of_round(osp_perf_queue *q, osp_err *err)
{
    bool ok = flush(q, q->flush_to, err);
    q->flush_to = q->newest;
    return ok;
}

/* u64 number of the feature, and its bytes. */
static bool piped_feature(osp_perf_queue *q, osp_span body, osp_err *err)
{
    uint64_t bit = at_u64(body, 0);
    return body.n < 8 || bit >= FEATURES || read_feature(q->f, (unsigned)bit, part(body, 8, body.n), err);
}

static bool piped_attr(osp_perf_queue *q, osp_span body, osp_err *err)
{
    uint32_t size = at_u32(body, 4); /* perf_event_attr.size */
    if (size < ATTR_LEAST || size > body.n)
        return osp_fail(err, OSP_EFORMAT, "an event's attributes take %" PRIu32 " bytes", size);
    return add_attr(q->f, part(body, 0, size), part(body, size, body.n), err);
}

static bool unpack_piece(osp_perf_queue *q, osp_span body, osp_err *err);

/* One record at p; what lies behind it in the file and belongs to it is added to *more. */
static bool read_record(osp_perf_queue *q, const uint8_t *p, size_t id, uint64_t *more, osp_err *err)
{
    osp_perf_record r = record_at(p);
    if (id && r.type >= HEADER_ATTR && r.type != FINISHED_ROUND)
        return true; /* only what the kernel wrote is packed */
    switch (r.type) {
    case HEADER_ATTR:
        return piped_attr(q, r.body, err);
    case HEADER_BUILD_ID:
        return add_build_id(q->f, r.misc, r.body, err);
    case HEADER_FEATURE:
        return piped_feature(q, r.body, err);
    case FINISHED_ROUND:
        return end_of_round(q, err);
    case TRACING_DATA:
        *more = (at_u32(r.body, 0) + (uint64_t)7) & ~(uint64_t)7;
        return true;
    case AUXTRACE:
        *more = at_u64(r.body, 0);
        return true;
    case COMPRESSED:
        return unpack_piece(q, r.body, err);
    case COMPRESSED2:
        return unpack_piece(q, part(r.body, 8, at_u64(r.body, 0)), err);
    default:
        return r.type >= 64 || put(q, p, id, err);
    }
}

/* All whole records of s; *used says how far they go. */
static bool read_records(osp_perf_queue *q, osp_span s, size_t id, size_t *used, osp_err *err)
{
    for (*used = 0; s.n - *used >= HEAD;) {
        const uint8_t *p = s.p + *used;
        uint16_t size;
        uint64_t more = 0;
        memcpy(&size, p + 6, sizeof size);
        if (size < HEAD)
            return osp_fail(err, OSP_EFORMAT, "a record of %d bytes at 0x%zx", size, *used);
        if (size > s.n - *used)
            return true;
        if (!read_record(q, p, id, &more, err))
            return false;
        *used += size;
        if (more > s.n - *used) {
            *used = s.n;
            q->f->cut = true;
        } else {
            *used += (size_t)more;
        }
    }
    return true;
}

static bool unpack_piece(osp_perf_queue *q, osp_span body, osp_err *err)
{
    void *all = q->chunk;
    if (!q->unpacker && !(q->unpacker = osp_unpacker_new(err)))
        return false;
    if (!osp_grow(&all, &q->chunk_cap, q->nchunk + 1, sizeof *q->chunk))
        return osp_fail_memory(err, "unpacking records");
    q->chunk = all;
    chunk *c = &q->chunk[q->nchunk++];
    size_t id = q->nchunk, used;
    *c = (chunk){osp_buf_of(q->unpack_limit - q->unpacked), 1};
    osp_buf_add(&c->bytes, osp_buf_str(&q->rest));
    if (!osp_unpacker_feed(q->unpacker, body, &c->bytes, err))
        return false;
    q->unpacked += c->bytes.n - q->rest.n;
    q->rest.n = 0;
    osp_span bytes = osp_str_bytes(osp_buf_str(&c->bytes));
    if (!read_records(q, bytes, id, &used, err))
        return false;
    osp_buf_add(&q->rest, osp_span_text(part(bytes, used, bytes.n)));
    release(q, id);
    return true;
}

static void drop_queue(osp_perf_queue *q)
{
    for (size_t i = 0; i < q->nchunk; i++)
        osp_buf_drop(&q->chunk[i].bytes);
    free(q->chunk);
    free(q->entry);
    free(q->other);
    osp_unpacker_drop(q->unpacker);
    osp_buf_drop(&q->rest);
}

bool osp_perf_records(osp_perf_file *f, osp_perf_take *take, void *ctx, osp_err *err)
{
    osp_perf_queue q = {.f = f,
                        .take = take,
                        .ctx = ctx,
                        .looks = ((uint64_t)1 << 28) + f->in.n,
                        .unpack_limit = osp_unpack_limit(f->in.n),
                        .rest = osp_buf_of(1 << 20)};
    size_t used = 0;
    bool ok = read_records(&q, f->data, 0, &used, err);
    f->cut |= used < f->data.n || q.rest.n;
    ok = ok && flush(&q, UINT64_MAX, err);
    if (ok && f->sorts > MOST_SORTS)
        ok = osp_fail(err, OSP_ELIMIT, "more than %d events are described in the midst of samples", MOST_SORTS);
    drop_queue(&q);
    return ok;
}
