/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells about processes while we sample: who is born, becomes another program, maps code, ends. By it a
 * program can be named that has ended before anybody could look at it.
 *
 * Each CPU has two perf events that count nothing and tell only, each with a ring of its own. One tells of execs and
 * wakes us at once, for the file of a program may be deleted as soon as it runs; the other tells all the rest, and is read
 * along. Records of one CPU come in order, those of several are put in order here. */
#include "base/buf.h"
#include "base/cur.h"
#include "sample/sample_internal.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGES_OF_EXECS = 8, /* powers of two */
    PAGES_OF_REST = 32,
    TAIL = 16, /* bytes of sample_id behind each record: pid, tid, time */
    QUEUE_LIMIT = 8 << 20,
};

struct ring {
    int fd;
    osp_perf_ring mapped;
};

/* A record as it came: what it is, and where its bytes are. */
struct waiting {
    uint64_t time_ns;
    size_t at;
    uint32_t type, misc, n;
};

struct osp_births {
    struct ring *ring;
    size_t nring;
    osp_buf text; /* the records' bodies */
    struct waiting *waiting;
    size_t nwaiting, cap;
    uint64_t lost;
};

static bool open_ring(osp_births *b, int cpu, bool execs, osp_err *err)
{
    size_t pages = execs ? PAGES_OF_EXECS : PAGES_OF_REST;
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_DUMMY,
        .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
        .sample_id_all = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
        .exclude_kernel = 1,
        .watermark = 1,
        .wakeup_watermark = execs ? 1 : (uint32_t)(pages * (size_t)sysconf(_SC_PAGESIZE) / 4),
        .comm = execs,
        .comm_exec = execs,
        .mmap = !execs,
        .mmap2 = !execs,
        .task = !execs,
    };
    int fd = osp_perf_event(&attr, -1, cpu, 0);
    if (fd < 0 && osp_perf_is_offline(errno))
        return true;
    if (fd < 0)
        return osp_perf_explain(errno, err);
    osp_perf_ring mapped;
    if (!osp_perf_ring_map(&mapped, fd, pages)) {
        osp_fail_errno(err, errno, "mapping a perf ring (see kernel.perf_event_mlock_kb)");
        close(fd);
        return false;
    }
    b->ring[b->nring++] = (struct ring){fd, mapped};
    return true;
}

osp_births *osp_births_new(osp_err *err)
{
    osp_births *b = calloc(1, sizeof *b);
    if (b)
        b->text = osp_buf_of(QUEUE_LIMIT);
    else
        osp_fail_memory(err, "starting to sample");
    return b;
}

osp_births *osp_births_open(osp_err *err)
{
    osp_births *b = osp_births_new(err);
    long ncpu = sysconf(_SC_NPROCESSORS_CONF);
    size_t most = ncpu > 0 ? (size_t)ncpu * 2 : 2;
    if (b)
        b->ring = calloc(most, sizeof *b->ring);
    if (!b || !b->ring) {
        osp_births_close(b);
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    for (size_t i = 0; i < most; i++)
        if (!open_ring(b, (int)(i / 2), i % 2, err)) {
            osp_births_close(b);
            return NULL;
        }
    return b;
}

void osp_births_close(osp_births *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->nring; i++) {
        osp_perf_ring_unmap(&b->ring[i].mapped);
        close(b->ring[i].fd);
    }
    free(b->ring);
    free(b->waiting);
    osp_buf_drop(&b->text);
    free(b);
}

size_t osp_births_poll(const osp_births *b, struct pollfd *out, size_t max)
{
    size_t n = b->nring < max ? b->nring : max;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct pollfd){.fd = b->ring[i].fd, .events = POLLIN};
    return n;
}

size_t osp_births_nring(const osp_births *b) { return b->nring; }
uint64_t osp_births_lost(const osp_births *b) { return b->lost; }

/* ---- one record --------------------------------------------------------------------------------------------- */

/* A text that ends at a NUL or with its bytes. */
static osp_str text_of(osp_span bytes)
{
    const void *nul = memchr(bytes.p, 0, bytes.n);
    return (osp_str){(const char *)bytes.p, nul ? (size_t)((const uint8_t *)nul - bytes.p) : bytes.n};
}

/* PERF_RECORD_COMM, _FORK, _EXIT, _MMAP2, each in man perf_event_open. */
bool osp_birth_read(uint32_t type, uint32_t misc, osp_span body, osp_birth *out)
{
    osp_err err;
    osp_cur c = osp_cur_on(body, "perf record", &err);
    *out = (osp_birth){0};
    switch (type) {
    case PERF_RECORD_COMM:
        out->what = misc & PERF_RECORD_MISC_COMM_EXEC ? OSP_BIRTH_EXEC : OSP_BIRTH_NAME;
        out->pid = (int)osp_cur_u32(&c);
        out->tid = (int)osp_cur_u32(&c);
        if (!c.bad)
            out->text = text_of((osp_span){body.p + c.at, body.n - c.at});
        break;
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
        out->what = type == PERF_RECORD_FORK ? OSP_BIRTH_FORK : OSP_BIRTH_EXIT;
        out->pid = (int)osp_cur_u32(&c);
        out->parent = (int)osp_cur_u32(&c);
        out->tid = (int)osp_cur_u32(&c);
        break;
    case PERF_RECORD_MMAP2: {
        out->what = OSP_BIRTH_MAP;
        out->pid = (int)osp_cur_u32(&c);
        out->tid = (int)osp_cur_u32(&c);
        out->start = osp_cur_u64(&c);
        out->end = osp_cur_u64(&c); /* its length */
        out->offset = osp_cur_u64(&c);
        uint32_t major_no = osp_cur_u32(&c), minor_no = osp_cur_u32(&c);
        out->dev = makedev(major_no, minor_no);
        out->inode = osp_cur_u64(&c);
        osp_cur_u64(&c); /* the inode's generation */
        osp_cur_u64(&c); /* prot, flags */
        if (__builtin_add_overflow(out->start, out->end, &out->end))
            return false;
        if (!c.bad)
            out->text = text_of((osp_span){body.p + c.at, body.n - c.at});
        break;
    }
    default:
        return false;
    }
    return !c.bad;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

/* A record is kept until those of all CPUs can be put in order. */
void osp_births_hear(osp_births *b, uint32_t type, uint32_t misc, osp_span body)
{
    void *array = b->waiting;
    if (body.n < TAIL || (type != PERF_RECORD_COMM && type != PERF_RECORD_FORK && type != PERF_RECORD_EXIT &&
                          type != PERF_RECORD_MMAP2))
        return;
    struct waiting w = {.at = b->text.n, .type = type, .misc = misc, .n = (uint32_t)(body.n - TAIL)};
    memcpy(&w.time_ns, body.p + body.n - 8, sizeof w.time_ns);
    osp_buf_add(&b->text, (osp_str){(const char *)body.p, w.n});
    if (b->text.failed || !osp_grow(&array, &b->cap, b->nwaiting + 1, sizeof *b->waiting)) {
        b->lost++;
        return;
    }
    b->waiting = array;
    b->waiting[b->nwaiting++] = w;
}

static void queue(void *ctx, uint32_t type, uint32_t misc, osp_span body) { osp_births_hear(ctx, type, misc, body); }

static int by_time(const void *a, const void *b)
{
    const struct waiting *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

void osp_births_drain(osp_births *b, void (*each)(void *ctx, const osp_birth *one), void *ctx)
{
    for (size_t i = 0; i < b->nring; i++)
        b->lost += osp_perf_ring_drain(&b->ring[i].mapped, queue, b);
    if (b->nwaiting > 1)
        qsort(b->waiting, b->nwaiting, sizeof *b->waiting, by_time);
    for (size_t i = 0; i < b->nwaiting; i++) {
        const struct waiting *w = &b->waiting[i];
        osp_birth one;
        osp_span body = {w->n ? (const uint8_t *)b->text.p + w->at : NULL,
                         w->n}; /* without any text there is no buffer */
        if (!osp_birth_read(w->type, w->misc, body, &one))
            continue;
        one.time_ns = w->time_ns;
        each(ctx, &one);
    }
    b->nwaiting = 0;
    b->text.n = 0;
    b->text.failed = false;
}
