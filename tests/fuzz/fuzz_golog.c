/* SPDX-License-Identifier: Apache-2.0 */
/* A log. What is read of it can be. */
#include "golog/golog.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_arena a;
    osp_golog log;
    osp_err err;
    osp_arena_init(&a, 64 << 20);
    if (osp_golog_read((osp_str){(const char *)bytes, n}, &a, &log, &err)) {
        if (log.ngc > n / 60 || log.nsched > n / 20)
            abort();
        for (uint32_t i = 0; i < log.ngc; i++)
            if (!(log.gc[i].share >= 0 && log.gc[i].share <= 1 && log.gc[i].mark_s >= 0))
                abort();
        for (uint32_t i = 0; i < log.nsched; i++)
            if (log.sched[i].gomaxprocs <= 0)
                abort();
    }
    osp_arena_drop(&a);
    return 0;
}
