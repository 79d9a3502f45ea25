/* SPDX-License-Identifier: Apache-2.0 */
/* The text of /proc/PID/smaps, and the ledger of memory that is made of it: the rows add up to what is resident. Memory is what
 * the text says, again and again. */
#include "inspect/inspect_internal.h"
#include "target/target_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool read_text(void *text, uint64_t addr, void *dst, size_t n, osp_err *err)
{
    const osp_span *s = text;
    uint8_t *to = dst;
    if (s->n == 0)
        return osp_fail(err, OSP_EABSENT, "no memory");
    for (size_t i = 0; i < n; i++)
        to[i] = s->p[(addr + i) % s->n];
    return true;
}

static void add_up(osp_span text, const osp_smap *map, uint32_t n, osp_arena *a)
{
    osp_err err;
    const uint64_t stack[] = {map[0].map.start, map[n / 2].map.start};
    osp_ledger_input in = {.mem = {.ctx = &text, .read = read_text},
                           .map = map,
                           .nmap = n,
                           .stack = stack,
                           .nstack = stack[0] < stack[1] ? 2 : 1,
                           .stack_limit = 8 << 20};
    osp_ledger l = {0};
    uint64_t sum = 0;
    if (!osp_ledger_fill(&in, a, &l, &err))
        return;
    for (int k = 0; k < OSP_LEDGER_KINDS; k++)
        sum += l.row[k].resident;
    if (sum != l.resident)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_arena a;
    osp_arena_init(&a, 16 << 20);
    osp_smap *map;
    uint32_t count;
    osp_err err = {0};
    if (osp_smaps_parse(osp_span_text((osp_span){bytes, n}), &a, &map, &count, &err)) {
        uint64_t end = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (map[i].map.start < end || map[i].map.end <= map[i].map.start)
                abort();
            end = map[i].map.end;
        }
        if (count)
            add_up((osp_span){bytes, n}, map, count, &a);
    } else if (err.code == OSP_OK) {
        abort();
    }
    osp_arena_drop(&a);
    return 0;
}
