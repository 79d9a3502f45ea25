/* SPDX-License-Identifier: Apache-2.0 */
/* pprof profiles: whatever decodes is the same after encoding and decoding again. */
#include "pprof/pprof.h"
#include "same_profile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* A profile of a copy, because a decoded one keeps its bytes. */
static osp_profile *decode(const void *bytes, size_t n, osp_err *err)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, bytes, n);
    osp_file file = {{copy, n}, false};
    return osp_pprof_decode(&file, 1 << 22, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_err err = {0};
    osp_profile *p = decode(bytes, n, &err);
    if (!p) {
        if (err.code == OSP_OK || !err.msg[0])
            abort();
        return 0;
    }
    osp_buf out = osp_buf_of(1 << 26);
    if (osp_pprof_encode(p, &out, &err)) {
        osp_profile *q = decode(out.p, out.n, &err);
        if (!q || !same_profile(p, q))
            abort();
        osp_profile_drop(q);
    }
    osp_buf_drop(&out);
    osp_profile_drop(p);
    return 0;
}
