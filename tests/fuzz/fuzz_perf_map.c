/* SPDX-License-Identifier: Apache-2.0 */
/* A map of compiled code; addresses near its symbols are asked for. */
#include "format/perf_data.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_err err = {0};
    uint8_t *copy = malloc(n + 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, bytes, n);
    osp_file file = {{copy, n}, false};
    osp_perf_map *m = osp_perf_map_of(&file, &err);
    if (!m)
        abort();
    uint64_t addr = 0;
    for (unsigned i = 0; i < 64; i++, addr = addr * 31 + (n ? bytes[i % n] : 1))
        if (osp_perf_map_at(m, addr).n > n || osp_perf_map_at(m, UINT64_MAX - addr).n > n)
            abort();
    osp_perf_map_close(m);
    return 0;
}
