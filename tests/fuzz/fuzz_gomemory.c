/* SPDX-License-Identifier: Apache-2.0 */
/* A Go process whose memory is the input, from address 4096 on: the first byte picks the release, the words behind it
 * are the runtime's globals. Also the decoder of the runtime's code, over the same bytes. */
#include "goruntime/goruntime_internal.h"

#include <stdlib.h>

enum { BASE = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool read_input(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    const osp_span *in = ctx;
    if (addr < BASE || addr - BASE > in->n || n > in->n - (addr - BASE))
        return osp_fail(err, OSP_EABSENT, "no memory at 0x%llx", (unsigned long long)addr);
    memcpy(dst, in->p + (addr - BASE), n);
    return true;
}

static bool is_alive(void *ctx)
{
    (void)ctx;
    return true;
}

static bool no_threads(void *ctx, osp_arena *a, osp_image_thread **out, uint32_t *n, osp_err *err)
{
    (void)ctx, (void)a, (void)out, (void)n;
    return osp_fail(err, OSP_EABSENT, "no threads");
}

/* The same with whole pages, zeros behind the input. */
static bool read_pages(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    const osp_span *in = ctx;
    if (addr < BASE || addr - BASE > in->n)
        return osp_fail(err, OSP_EABSENT, "no memory at 0x%llx", (unsigned long long)addr);
    size_t have = in->n - (size_t)(addr - BASE);
    memset(dst, 0, n);
    memcpy(dst, in->p + (addr - BASE), have < n ? have : n);
    return true;
}

/* Any address may be a goroutine that waits for any reason. */
static void look_at_waiting(struct osp_go *go, size_t n)
{
    osp_err err;
    osp_wait w[4];
    osp_chan c;
    osp_lock l;
    go->mem.read = read_pages;
    osp_wait_reader *r = osp_wait_reader_new(go, &err);
    for (uint64_t at = BASE; r && at < BASE + n && at < BASE + 512; at += 8) {
        uint64_t goid = 0;
        uint8_t reason = 0;
        if (!osp_go_word(go, at + (uint64_t)go->at.pub.g_goid, &goid) ||
            !go->mem.read(go->mem.ctx, at + (uint64_t)go->at.pub.g_waitreason, &reason, 1, &err))
            break;
        if (osp_wait_read(r, at, goid, reason, w, 4) > 65536)
            abort();
        if (osp_wait_chan(r, at, &c) && c.len > c.cap)
            abort();
        for (int kind = OSP_LOCK_OTHER; kind <= OSP_LOCK_GROUP; kind++)
            (void)osp_wait_lock(r, (osp_lock_kind)kind, at, &l);
    }
    osp_wait_reader_drop(r);
}

/* The scheduler and the collector: what is told of them is bounded, and can be printed. */
static void look_at_scheduler(struct osp_go *go, osp_arena *a)
{
    osp_err err = {0};
    osp_go_sched s;
    osp_go_memstats m;
    osp_buf out = osp_buf_of(64 << 20);
    go->mem.read = read_pages;
    go->clocks.sought = true;
    go->gc.searches = UINT32_MAX;
    go->gc.control = BASE + 16;
    go->gc.work = BASE + 64;
    go->gc.heap = BASE;
    go->gc.scavenge = BASE + 128;
    if (osp_go_sched_read(go, true, a, &s, &err)) {
        if (s.idle_ps < 0 || s.idle_ps > s.gomaxprocs || s.np > (uint32_t)s.gomaxprocs || s.threads < 1)
            abort();
        osp_go_sched_text(go, &s, true, &out);
        osp_go_sched_text(go, &s, false, &out);
    }
    if (osp_go_memstats_read(go, &m, &err)) {
        if (m.gc.started - m.gc.done > 1 || m.gc.cycle.cpu_fraction < 0 || m.gc.cycle.cpu_fraction > 1)
            abort();
        osp_go_memstats_text(&m, &out);
        osp_go_gc_text(&m.gc, &out);
    }
    osp_buf_drop(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_go_tls_use use;
    osp_span in = {bytes, n};
    (void)osp_go_tls_decode_arm64(in, 0x1000, &use);
    if (osp_go_tls_decode(in, &use) && use.slot && use.next > n)
        abort();
    const osp_image image = {.name = S("pid 1"), .pid = 1, .ns_pid = 1, .threads = no_threads, .alive = is_alive};
    struct osp_go go = {.image = image, .mem = {&in, read_input}, .checked = true, .version = S("go1.26.8")};
    bool newer;
    go.number = 11800 + (n ? bytes[0] % 11u : 0) * 100;
    if (!osp_go_layout_of_version(go.number, &go.at, &newer))
        abort();
    for (unsigned i = 0; i < OSP_GO_NGLOBALS; i++)
        go.global[i] = BASE + 8 + 32 * i;
    osp_arena a;
    osp_arena_init(&a, 16 << 20);
    osp_go_snapshot s;
    osp_err err = {0};
    if (osp_go_snapshot_read(&go, &a, &s, &err)) {
        for (uint32_t i = 0; i < s.ng; i++)
            (void)osp_go_waitreason_text(&go, s.g[i].waitreason);
        if (s.ng > s.nm || s.np > n || s.nm > n)
            abort();
    } else if (err.code == OSP_OK) {
        abort();
    }
    osp_go_timers t;
    if (osp_go_timers_read(&go, &a, &t, &err) && t.n > n)
        abort();
    (void)osp_go_is_memstats(&go, BASE + 8);
    look_at_waiting(&go, n);
    look_at_scheduler(&go, &a);
    osp_arena_drop(&a);
    return 0;
}
