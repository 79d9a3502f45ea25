/* SPDX-License-Identifier: Apache-2.0 */
/* The cursor under orders from the input: the first byte says how many orders follow, the rest is what they read.
 * Whatever is asked, the cursor stays inside, and after a failure it yields nothing. */
#include "base/cur.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0 || bytes[0] >= n)
        return 0;
    size_t norder = bytes[0];
    const uint8_t *order = bytes + 1;
    osp_err err = {0};
    osp_cur c = osp_cur_on((osp_span){bytes + 1 + norder, n - 1 - norder}, "input", &err);
    for (size_t i = 0; i < norder; i++) {
        size_t before = c.at;
        bool was_bad = c.bad;
        size_t amount = order[i] >> 4;
        switch (order[i] & 15) {
        case 0:
            osp_cur_u8(&c);
            break;
        case 1:
            osp_cur_u16(&c);
            break;
        case 2:
            osp_cur_u32(&c);
            break;
        case 3:
            osp_cur_u64(&c);
            break;
        case 4:
            osp_cur_uvarint(&c);
            break;
        case 5:
            osp_cur_sleb(&c);
            break;
        case 6: {
            osp_str s = osp_cur_cstr(&c);
            check(s.n <= c.in.n);
            break;
        }
        case 7:
            osp_cur_skip(&c, amount);
            break;
        case 8:
            osp_cur_seek(&c, amount);
            break;
        case 9:
            osp_cur_skip(&c, SIZE_MAX - amount);
            break;
        default: {
            osp_cur sub = osp_cur_sub(&c, amount, "part");
            while (osp_cur_left(&sub))
                osp_cur_uvarint(&sub);
            break;
        }
        }
        check(c.at <= c.in.n && (!was_bad || (c.bad && c.at == before)));
        check(!c.bad || (err.code == OSP_EFORMAT && osp_cur_left(&c) == 0));
    }
    return 0;
}
