/* SPDX-License-Identifier: Apache-2.0 */
/* All goroutines of a process full of lies: its memory is the input, from BASE on, and so are its code and its unwind rows.
 * The first byte picks the release, the words behind it are the runtime's globals. What comes is bounded by the input. */
#include "goruntime/goruntime_internal.h"
#include "inspect/inspect_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BASE = 4096, ROWS = 64, CODE = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Whole pages, zeros behind the input. */
static bool read_input(void *ctx, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    const osp_span *in = ctx;
    uint64_t end = BASE + (in->n + 4095) / 4096 * 4096;
    if (addr < BASE || addr > end || n > end - addr)
        return osp_fail(err, OSP_EABSENT, "no memory at 0x%llx", (unsigned long long)addr);
    size_t from = (size_t)(addr - BASE), have = from < in->n ? in->n - from : 0;
    memset(dst, 0, n);
    if (have)
        memcpy(dst, in->p + from, have < n ? have : n);
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

/* Names are asked of this program itself. */
static osp_object *own_object(void)
{
    static osp_object *own;
    osp_err err;
    int fd = own ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        own = osp_object_open_fd(fd, "self", &(osp_object_opts){.no_debug_files = true}, &err);
        close(fd);
    }
    return own;
}

/* Rows of any kind, ascending. */
static void make_space(osp_space *s, osp_row row[ROWS], osp_span in)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t rule = 0;
        size_t at = 640 + 4 * (size_t)i;
        if (at + 4 <= in.n)
            memcpy(&rule, in.p + at, 4);
        row[i] = (osp_row){.pc = i * (CODE / ROWS), .rule = rule};
    }
    osp_arena_init(&s->arena, 1 << 16);
    s->map = osp_new(&s->arena, osp_space_map, 1);
    if (!s->map)
        return;
    s->n = 1;
    s->map[0] = (osp_space_map){.start = BASE,
                                .end = BASE + CODE,
                                .bias = BASE,
                                .base = BASE,
                                .object = own_object(),
                                .row = row,
                                .nrow = ROWS};
    s->whole = true;
}

static void group(osp_inspect *in, const osp_goroutine_list *l, osp_group_by by)
{
    const osp_goroutine_filter filter = {.what = OSP_WITH_ANYWHERE, .text = S("nowhere"), .without = true};
    const osp_goroutine_query q = {.system = true, .by = by, .label = S("a"), .filter = &filter, .nfilter = 1};
    osp_goroutine_groups groups;
    osp_group_waits *waits;
    osp_arena a;
    osp_err err = {0};
    osp_arena_init(&a, 64 << 20);
    if (osp_inspect_groups(in, l, &q, &a, &groups, &err)) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < groups.n; i++)
            sum += groups.row[i].n;
        if (sum != groups.ngoroutine || sum > l->n)
            abort();
        if (!osp_inspect_waits(in, l, &groups, UINT32_MAX, &a, &waits, &err) && err.code == OSP_OK)
            abort();
        osp_profile_drop(osp_inspect_profile(in, l, &groups, &err));
    }
    osp_arena_drop(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_row row[ROWS];
    osp_span input = {bytes, n};
    osp_err err;
    bool newer;
    const osp_image image = {.name = S("pid 1"),
                             .pid = 1,
                             .ns_pid = 1,
                             .mem = {&input, read_input},
                             .threads = no_threads,
                             .alive = is_alive};
    struct osp_go *go = calloc(1, sizeof *go);
    if (!go || n > 1 << 16) {
        free(go);
        return 0;
    }
    *go = (struct osp_go){.image = image, .mem = image.mem, .checked = true, .version = S("go1.26.8")};
    osp_arena_init(&go->arena, 1 << 20);
    go->object = own_object();
    go->bias = BASE;
    go->number = 11800 + (n ? bytes[0] % 11u : 0) * 100;
    if (!osp_go_layout_of_version(go->number, &go->at, &newer))
        abort();
    for (unsigned i = 0; i < OSP_GO_NGLOBALS; i++)
        go->global[i] = BASE + 8 + 32 * i;
    osp_inspect *in = osp_inspect_over(&image, go, &err);
    osp_goroutine_list l;
    if (!in)
        return 0;
    make_space(osp_inspect_own_space(in), row, input);
    if (osp_inspect_goroutines(in, &l, &err)) {
        if (l.n > n || l.nuser > l.n)
            abort();
        group(in, &l, OSP_BY_STACK);
        group(in, &l, OSP_BY_LABEL);
        osp_goroutine_list_drop(&l);
    }
    osp_inspect_close(in);
    return 0;
}
