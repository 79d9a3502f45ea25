/* SPDX-License-Identifier: Apache-2.0 */
/* A graph in DOT, drawn by our own layout in every form it has. */
#include "draw/draw.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const form[] = {"svg", "pdf", "ps"};
    for (size_t i = 0; i < 3; i++) {
        osp_err err = {0};
        osp_buf out = osp_buf_of((size_t)64 << 20);
        bool ok = osp_draw_plainly((osp_str){(const char *)bytes, n}, form[i], &out, &err);
        if (ok && i == 0) {
            osp_buf page = osp_buf_of((size_t)64 << 20);
            osp_svg_for_browser(osp_buf_str(&out), &page);
            osp_buf_drop(&page);
        }
        if (!ok && err.code == OSP_OK)
            abort();
        osp_buf_drop(&out);
        if (!ok)
            return 0;
    }
    return 0;
}
