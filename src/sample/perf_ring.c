/* SPDX-License-Identifier: Apache-2.0 */
/* The ring that the kernel writes a perf event's records into. */
#include "sample/sample_internal.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORD_MAX = 65536 };

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

bool osp_perf_ring_map(osp_perf_ring *r, int fd, size_t pages)
{
    size_t page = page_size();
    void *p = mmap(NULL, (1 + pages) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    *r = (osp_perf_ring){p, (const uint8_t *)p + page, pages * page};
    return true;
}

void osp_perf_ring_unmap(osp_perf_ring *r)
{
    if (r->page)
        munmap(r->page, page_size() + r->bytes);
    *r = (osp_perf_ring){0};
}

/* n bytes from place `at` of the ring, which wraps. */
static void copy_out(const osp_perf_ring *r, uint64_t at, void *dst, size_t n)
{
    uint64_t from = at % r->bytes;
    size_t first = r->bytes - from < n ? (size_t)(r->bytes - from) : n;
    memcpy(dst, r->data + from, first);
    memcpy((uint8_t *)dst + first, r->data, n - first);
}

uint64_t osp_perf_ring_drain(const osp_perf_ring *r, osp_perf_record *each, void *ctx)
{
    uint8_t record[RECORD_MAX];
    uint64_t tail = r->page->data_tail, head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE), lost = 0;
    while (head - tail >= sizeof(struct perf_event_header)) {
        struct perf_event_header h;
        copy_out(r, tail, &h, sizeof h);
        if (h.size < sizeof h || h.size > head - tail)
            break;
        copy_out(r, tail, record, h.size);
        osp_span body = {record + sizeof h, h.size - sizeof h};
        if (h.type == PERF_RECORD_LOST && body.n >= 16) {
            uint64_t n;
            memcpy(&n, body.p + 8, sizeof n); /* behind the event's id */
            lost += n;
        } else {
            each(ctx, h.type, h.misc, body);
        }
        tail += h.size;
    }
    __atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
    return lost;
}
