/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON: every node can be asked, and levels nest. */
#include "wire/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_doc d;
    osp_err err = {0};
    if (!osp_doc_read(osp_span_text((osp_span){bytes, n}), &d, &err)) {
        if (err.code == OSP_OK)
            abort();
        return 0;
    }
    for (uint32_t i = 0; i < d.n; i++) {
        if (d.node[i].next <= i || d.node[i].next > d.n || osp_doc_text(&d, i).n > n)
            abort();
        (void)osp_doc_int(&d, i);
        (void)osp_doc_member(&d, i, "a");
        for (uint32_t k = osp_doc_first(&d, i), steps = 0; k < osp_doc_end(&d, i) && steps < 8;
             k = osp_doc_next(&d, k), steps++)
            (void)osp_doc_number(&d, k);
    }
    osp_doc_drop(&d);
    return 0;
}
