/* SPDX-License-Identifier: Apache-2.0 */
/* From any bytes to a table: the first four choose the options, the rest is a profile. */
#include "pprof/pprof.h"
#include "report/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static osp_str one_of(uint8_t choice)
{
    static const char *const pattern[] = {"", "", "", "a", "^$", "runtime|main", "[", ".", "(x+x+)+y", "\\.go$"};
    return osp_str_from(pattern[choice % (sizeof pattern / sizeof *pattern)]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 8)
        return 0;
    osp_err err = {0};
    uint8_t *copy = malloc(n - 8 + 1);
    if (!copy)
        abort();
    memcpy(copy, bytes + 8, n - 8);
    osp_file file = {{copy, n - 8}, false};
    osp_profile *p = osp_pprof_decode(&file, 1 << 20, &err);
    if (!p)
        return 0;
    osp_report_opts o = osp_report_defaults();
    o.query.granularity = (osp_granularity)(bytes[0] % 5);
    o.query.no_inlines = bytes[0] & 8;
    o.query.mean = bytes[0] & 16;
    o.query.relative = bytes[0] & 32;
    o.query.keep_all_frames = bytes[0] & 64;
    o.by_cum = bytes[0] & 128;
    o.node_count = bytes[1] % 16;
    o.columns = bytes[1] & 16;
    o.drop_negative = bytes[1] & 32;
    o.node_fraction = bytes[1] & 64 ? 0.2 : 0;
    o.edge_fraction = bytes[1] & 128 ? 0.2 : 0;
    o.query.focus = one_of(bytes[2]);
    o.query.ignore = one_of(bytes[3]);
    o.query.hide = one_of(bytes[4]);
    o.query.show = one_of(bytes[5]);
    o.query.show_from = one_of(bytes[6]);
    o.query.prune_from = one_of(bytes[7]);
    osp_answer out = osp_answer_new();
    if (osp_sample_index(p, S(""), &o.query.value, &err) &&
        !osp_report_write(osp_report_named(S("top")), p, &o, &out, &err) && !err.msg[0])
        abort();
    osp_answer_drop(&out);
    osp_profile_drop(p);
    return 0;
}
