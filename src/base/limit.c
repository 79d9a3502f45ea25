/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limit.h"

#include "base/str.h"

#include <stdlib.h>
#include <unistd.h>

static const size_t LEAST = (size_t)1 << 20, FLOOR = (size_t)64 << 20, MOST = (size_t)16 << 30;

bool osp_memory_said(size_t *out, osp_err *err)
{
    static const char unit[] = "KMGT";
    const char *said = getenv("OSPREY_MEMORY");
    osp_str s = osp_str_from(said);
    uint64_t n = 0;
    unsigned shift = 0;
    *out = 0;
    if (s.n == 0)
        return true;
    const char *u = strchr(unit, s.p[s.n - 1] & ~0x20);
    if (u) {
        shift = 10 * (unsigned)(u - unit + 1);
        s.n--;
    }
    if (!osp_str_u64(s, 10, &n) || n > (SIZE_MAX >> 1) >> shift || n << shift < LEAST)
        return osp_fail(err, OSP_EUSAGE, "OSPREY_MEMORY=%s: a size is wanted, like 512M or 2G, of 1M at least", said);
    *out = (size_t)n << shift;
    return true;
}

size_t osp_memory_limit(void)
{
    osp_err ignored; /* the command line has complained */
    size_t said;
    if (osp_memory_said(&said, &ignored) && said)
        return said;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t half = pages > 0 && page > 0 ? (size_t)pages / 2 * (size_t)page : MOST;
    return half < FLOOR ? FLOOR : half < MOST ? half : MOST;
}
