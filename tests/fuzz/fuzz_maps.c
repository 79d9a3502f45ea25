/* SPDX-License-Identifier: Apache-2.0 */
/* The text of /proc/PID/maps: what is accepted is in order, and its paths lie in the text or are shorter. */
#include "target/target_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_arena a;
    osp_arena_init(&a, 16 << 20);
    osp_map *map;
    uint32_t count;
    osp_err err = {0};
    if (osp_maps_parse(osp_span_text((osp_span){bytes, n}), &a, &map, &count, &err)) {
        uint64_t end = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (map[i].start < end || map[i].end <= map[i].start || map[i].path.n > n)
                abort();
            end = map[i].end;
        }
    } else if (err.code == OSP_OK) {
        abort();
    }
    osp_arena_drop(&a);
    return 0;
}
