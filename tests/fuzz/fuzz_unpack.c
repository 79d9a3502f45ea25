/* SPDX-License-Identifier: Apache-2.0 */
/* gzip and zstd: never more than the limit, and what was unpacked can be packed and unpacked again. */
#include "wire/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    enum { LIMIT = 1 << 20 };
    osp_err err = {0};
    osp_span out, again;
    osp_pack how = osp_pack_of((osp_span){bytes, n});
    if (!osp_unpack((osp_span){bytes, n}, LIMIT, &out, &err)) {
        check(err.code == OSP_EFORMAT || err.code == OSP_ELIMIT);
        return 0;
    }
    check(how != OSP_PACK_NONE && out.n <= LIMIT);
    osp_buf packed = osp_buf_of(1 << 24);
    check(osp_pack_bytes(how, osp_span_text(out), 1, &packed, &err));
    check(osp_unpack(osp_str_bytes(osp_buf_str(&packed)), LIMIT, &again, &err));
    check(again.n == out.n && (out.n == 0 || memcmp(again.p, out.p, out.n) == 0));
    free((void *)again.p);
    free((void *)out.p);
    osp_buf_drop(&packed);
    return 0;
}
