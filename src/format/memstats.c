/* SPDX-License-Identifier: Apache-2.0 */
/* Go's runtime.MemStats in a heap profile as text (runtime/pprof.writeHeapInternal, Go 1.2 to 1.27):
 *
 *     # runtime.MemStats
 *     # Alloc = 2495872
 *     # Stack = 458752 / 458752                  in use / from the system; MSpan, MCache likewise
 *     # PauseNs = [552735 255973 …]              256, a ring: the newest at (NumGC + 255) % 256; PauseEnd likewise
 *     # GCCPUFraction = 0.1386416889030706
 *     # DebugGC = false
 *     # MaxRSS = 63156224                        of the process; Linux, since Go 1.19
 *
 * Other fields are left out, and so are numbers that do not fit 63 bits. */
#include "format/memstats.h"

#include "base/buf.h"
#include "format/go_text.h"

#include <stdlib.h>

enum { RING = 256, TWO = 1, LIST = 2 };

static const struct {
    const char *name;
    osp_detail_kind kind;
    int form;
    const char *gloss;
} fields[] = {
    {"Alloc", OSP_DETAIL_BYTES, 0, "of objects, live or not yet swept"},
    {"TotalAlloc", OSP_DETAIL_BYTES, 0, "of all objects ever allocated"},
    {"Sys", OSP_DETAIL_BYTES, 0, "of address space had from the system"},
    {"Lookups", OSP_DETAIL_COUNT, 0, "always 0 in today's Go"},
    {"Mallocs", OSP_DETAIL_COUNT, 0, "objects ever allocated"},
    {"Frees", OSP_DETAIL_COUNT, 0, "objects ever freed"},
    {"HeapAlloc", OSP_DETAIL_BYTES, 0, "the same as Alloc"},
    {"HeapSys", OSP_DETAIL_BYTES, 0, "of address space for the heap"},
    {"HeapIdle", OSP_DETAIL_BYTES, 0, "in spans without objects"},
    {"HeapInuse", OSP_DETAIL_BYTES, 0, "in spans with objects"},
    {"HeapReleased", OSP_DETAIL_BYTES, 0, "of HeapIdle, given back to the system"},
    {"HeapObjects", OSP_DETAIL_COUNT, 0, "Mallocs - Frees"},
    {"Stack", OSP_DETAIL_BYTES, TWO, "stacks of goroutines"},
    {"MSpan", OSP_DETAIL_BYTES, TWO, "the runtime's span structures"},
    {"MCache", OSP_DETAIL_BYTES, TWO, "the runtime's cache structures"},
    {"BuckHashSys", OSP_DETAIL_BYTES, 0, "the profiler's tables"},
    {"GCSys", OSP_DETAIL_BYTES, 0, "the collector's own"},
    {"OtherSys", OSP_DETAIL_BYTES, 0, "the rest of the runtime"},
    {"NextGC", OSP_DETAIL_BYTES, 0, "HeapAlloc at which the next collection ends"},
    {"LastGC", OSP_DETAIL_TIME, 0, "when the last collection ended"},
    {"PauseNs", OSP_DETAIL_NS, LIST, "the last collections' stops of the world"},
    {"PauseEnd", OSP_DETAIL_TIME, LIST, "when they ended"},
    {"NumGC", OSP_DETAIL_COUNT, 0, "collections that were completed"},
    {"NumForcedGC", OSP_DETAIL_COUNT, 0, "of these, by runtime.GC()"},
    {"GCCPUFraction", OSP_DETAIL_SHARE, 0, "of the CPU time since the start, spent collecting"},
    {"DebugGC", OSP_DETAIL_FLAG, 0, "not used"},
    {"MaxRSS", OSP_DETAIL_BYTES, 0, "the most that was ever resident"},
};

enum { FIELDS = sizeof fields / sizeof *fields };

static const char group[] = "memstats";

/* `inuse / sys` as two details, NAMEInuse and NAMESys, which is what the fields of MemStats are called. */
static void add_two(osp_memstats *s, size_t i, osp_str text)
{
    static const char *const end[] = {"Inuse", "Sys"};
    char name[32];
    int64_t v;
    for (int k = 0; k < 2; k++) {
        osp_buf whole = osp_buf_of(sizeof name);
        osp_buf_fmt(&whole, "%s%s", fields[i].name, end[k]);
        osp_str_z(osp_buf_str(&whole), name, sizeof name);
        osp_buf_drop(&whole);
        if (osp_go_int(osp_str_trim(osp_str_cut(&text, '/')), 10, &v))
            osp_detail_number(s->details, group, osp_str_from(name), fields[i].kind, v, k ? "" : fields[i].gloss);
    }
}

/* [1 2 3 0 0 …]; what was never used stays 0. */
static void add_list(osp_memstats *s, size_t i, osp_str text)
{
    int64_t value[RING];
    size_t n = 0;
    if (text.n < 2 || text.p[0] != '[' || text.p[text.n - 1] != ']')
        return;
    text = (osp_str){text.p + 1, text.n - 2};
    while (n < RING && text.n && osp_go_int(osp_str_cut(&text, ' '), 10, &value[n]))
        n++;
    osp_detail_list(s->details, group, osp_str_from(fields[i].name), fields[i].kind, value, n, fields[i].gloss);
}

static void add_share(osp_memstats *s, size_t i, osp_str text)
{
    char number[32], *end;
    osp_str_z(text, number, sizeof number);
    double v = strtod(number, &end);
    if (end != number && *end == 0)
        osp_detail_share(s->details, group, osp_str_from(fields[i].name), v, fields[i].gloss);
}

static void add_field(osp_memstats *s, size_t i, osp_str text)
{
    int64_t v;
    if (fields[i].form == TWO)
        add_two(s, i, text);
    else if (fields[i].form == LIST)
        add_list(s, i, text);
    else if (fields[i].kind == OSP_DETAIL_SHARE)
        add_share(s, i, text);
    else if (fields[i].kind == OSP_DETAIL_FLAG)
        osp_detail_number(s->details, group, osp_str_from(fields[i].name), OSP_DETAIL_FLAG,
                          osp_str_eq(text, S("true")), fields[i].gloss);
    else if (osp_go_int(text, 10, &v))
        osp_detail_number(s->details, group, osp_str_from(fields[i].name), fields[i].kind, v, fields[i].gloss);
}

void osp_memstats_line(osp_memstats *s, osp_str line)
{
    if (!s->details)
        return;
    osp_str text = osp_str_skip(osp_str_trim(line), 1), name;
    if (!s->open) {
        s->open = osp_str_eq(text, S(" runtime.MemStats"));
        return;
    }
    name = osp_str_trim(osp_str_cut(&text, '='));
    text = osp_str_trim(text);
    for (size_t i = 0; i < FIELDS; i++)
        if (osp_str_eq(name, osp_str_from(fields[i].name)) && !(s->seen >> i & 1)) {
            s->seen |= (uint64_t)1 << i;
            add_field(s, i, text);
        }
}
