/* SPDX-License-Identifier: Apache-2.0 */
/* From any bytes to any report: the first 24 choose it and its options, the rest is a profile. */
#include "pprof/pprof.h"
#include "report/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static osp_str one_of(uint8_t choice)
{
    static const char *const pattern[] = {"", "", "", "a", "^$", "runtime|main", "[", ".", "(x+x+)+y", "\\.go$"};
    return osp_str_from(pattern[choice % (sizeof pattern / sizeof *pattern)]);
}

static osp_str a_range(uint8_t choice)
{
    static const char *const range[] = {"", "", "", "a", "16:64kb", "bytes=1kb:", "k=.*", ":3", "-1s:", "a,b", "="};
    return osp_str_from(range[choice % (sizeof range / sizeof *range)]);
}

static void choose_filters(osp_query *q, const uint8_t *b)
{
    static const char *const keys[] = {"", "", "", "bytes", "route,bytes", "a,,b", ","};
    q->focus = one_of(b[2]);
    q->ignore = one_of(b[3]);
    q->hide = one_of(b[4]);
    q->show = one_of(b[5]);
    q->show_from = one_of(b[6]);
    q->prune_from = one_of(b[7]);
    q->tag_focus = a_range(b[8]);
    q->tag_ignore = a_range(b[9]);
    q->tag_show = one_of(b[10]);
    q->tag_hide = one_of(b[11]);
    q->tag_root = osp_str_from(keys[b[12] % 7]);
    q->tag_leaf = osp_str_from(keys[b[13] % 7]);
}

/* No file that an input names is opened. */
static osp_object *no_object(void *ctx, osp_mapping_id m, osp_err *err)
{
    (void)ctx;
    (void)m;
    osp_fail(err, OSP_EABSENT, "not while fuzzing");
    return NULL;
}

static void choose(osp_report_opts *o, const uint8_t *b)
{
    static const char *const unit[] = {"minimum", "auto", "ms", "kb", "nonsense", ""};
    static const double divisor[] = {1, 3.7, -1, 0.001};
    *o = osp_report_defaults();
    o->query.granularity = (osp_granularity)(b[0] % 5);
    o->query.no_inlines = b[0] & 8;
    o->query.mean = b[0] & 16;
    o->query.relative = b[0] & 32;
    o->query.keep_all_frames = b[0] & 64;
    o->by_cum = b[0] & 128;
    o->node_count = b[1] % 16;
    o->columns = b[1] & 16;
    o->drop_negative = b[1] & 32;
    o->node_fraction = b[1] & 64 ? 0.2 : 0;
    o->edge_fraction = b[1] & 128 ? 0.2 : 0;
    choose_filters(&o->query, b);
    o->unit = o->query.tag_unit = osp_str_from(unit[b[14] % 6]);
    o->divide_by = divisor[b[15] % 4];
    o->argument = b[16] % 4 ? S(".") : one_of(b[16] / 4);
    o->object_of = no_object;
    o->call_tree = b[17] & 1;
    o->compact_labels = b[17] & 2;
    o->trim_path = b[17] & 4 ? S("/usr:/a/b/") : S("");
    o->source_path = b[17] & 8 ? S("/x/src:y") : S("");
    o->json = b[17] & 16;
    o->json_bytes = b[17] & 32 ? (int64_t)b[18] * 64 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    setenv("OSPREY_NO_GRAPHVIZ", "1", 1); /* no process for each input */
    enum { HEAD = 24 };
    if (n < HEAD)
        return 0;
    osp_err err = {0};
    uint8_t *copy = malloc(n - HEAD + 1);
    if (!copy)
        abort();
    memcpy(copy, bytes + HEAD, n - HEAD);
    osp_file file = {{copy, n - HEAD}, false};
    osp_profile *p = osp_pprof_decode(&file, 1 << 20, &err);
    if (!p)
        return 0;
    size_t nreport = 0;
    while (osp_reports[nreport])
        nreport++;
    osp_report_opts o;
    choose(&o, bytes);
    osp_answer out = osp_answer_new();
    if (osp_sample_index(p, S(""), &o.query.value, &err) &&
        !osp_report_write(osp_reports[bytes[19] % nreport], p, &o, &out, &err) && !err.msg[0])
        abort();
    osp_answer_drop(&out);
    osp_profile_drop(p);
    return 0;
}
