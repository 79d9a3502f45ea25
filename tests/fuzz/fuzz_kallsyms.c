/* SPDX-License-Identifier: Apache-2.0 */
/* The text of /proc/kallsyms, in two pieces; every address near a symbol can be asked for. */
#include "target/target_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_err err = {0};
    osp_str text = osp_span_text((osp_span){bytes, n});
    osp_str head = osp_str_head(text, n / 2);
    size_t cut = osp_str_rfind(head, '\n');
    cut = cut == head.n ? 0 : cut + 1;
    osp_kallsyms *k = osp_kallsyms_new(&err);
    if (k && osp_kallsyms_feed(k, osp_str_head(text, cut), &err) &&
        osp_kallsyms_feed(k, osp_str_skip(text, cut), &err) && osp_kallsyms_finish(k, &err)) {
        uint64_t addr = 0, start;
        osp_str name, module;
        for (unsigned i = 0; i < 64; i++, addr = addr * 31 + (n ? bytes[i % n] : 1) + (UINT64_MAX << 31))
            if (osp_kallsyms_at(k, addr, &name, &module, &start) && (start > addr || name.n > n || module.n > n))
                abort();
    } else if (err.code == OSP_OK) {
        abort();
    }
    osp_kallsyms_close(k);
    return 0;
}
