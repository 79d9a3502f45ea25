/* SPDX-License-Identifier: Apache-2.0 */
/* From any bytes to what a query shows, as a profile, and to sums and differences: the first six choose the query, the
 * rest is a profile. What comes out can be encoded and read again. */
#include "pprof/pprof.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static osp_str one_of(uint8_t choice)
{
    static const char *const filter[] = {
        "",     "",         "",      "a",        ".",       "key=a,b", "bytes=1kb:",
        ":-5s", "1kb:64mb", "x=3:4", "a,,bytes", "request", "[",       "99999999999999999999"};
    return osp_str_from(filter[choice % (sizeof filter / sizeof *filter)]);
}

/* The pages of a profile that it was encoded into, or nothing. */
static void read_again(const osp_profile *p)
{
    osp_err err = {0};
    osp_buf out = osp_buf_of(1 << 24);
    if (osp_pprof_encode(p, &out, &err) && p->values.n) {
        osp_file file = {{(uint8_t *)out.p, out.n}, false};
        osp_profile *again = osp_pprof_decode(&file, 1 << 24, &err);
        if (!again)
            abort();
        osp_profile_drop(again);
    } else {
        osp_buf_drop(&out);
    }
}

static void add_and_subtract(const osp_profile *p)
{
    osp_err err = {0};
    double ratio[256];
    for (size_t i = 0; i < 256; i++)
        ratio[i] = i % 3 ? -1 : 0.5;
    if (p->values.n > 256)
        return;
    osp_profile *minus = osp_profile_scaled(p, ratio, &err);
    osp_profile *marked = minus ? osp_profile_with_label(minus, S("pprof::base"), S("true"), &err) : NULL;
    osp_profile *sum = marked ? osp_profile_merge((const osp_profile *[]){p, minus, marked}, 3, &err) : NULL;
    if (sum)
        read_again(sum);
    else if (!err.msg[0])
        abort();
    osp_profile *normal = sum ? osp_profile_normalized(sum, sum, &err) : NULL;
    osp_profile_drop(normal);
    osp_profile_drop(sum);
    osp_profile_drop(marked);
    osp_profile_drop(minus);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 6)
        return 0;
    osp_err err = {0};
    uint8_t *copy = malloc(n - 6 + 1);
    if (!copy)
        abort();
    memcpy(copy, bytes + 6, n - 6);
    osp_file file = {{copy, n - 6}, false};
    osp_profile *p = osp_pprof_decode(&file, 1 << 20, &err);
    if (!p)
        return 0;
    osp_query q = {.rows = true, .relative = bytes[0] & 128, .tag_unit = S("minimum")};
    osp_str *const filter[] = {&q.tag_focus, &q.tag_ignore, &q.tag_show, &q.tag_hide, &q.tag_root, &q.tag_leaf};
    for (size_t i = 0; i < 6; i++)
        *filter[i] = one_of(bytes[i]);
    osp_view v;
    if (osp_view_make(p, &q, &v, &err)) {
        osp_profile *seen = osp_view_profile(&v, &err);
        if (seen) {
            read_again(seen);
            add_and_subtract(seen);
        }
        osp_profile_drop(seen);
        osp_view_drop(&v);
    } else if (!err.msg[0]) {
        abort();
    }
    osp_profile_drop(p);
    return 0;
}
