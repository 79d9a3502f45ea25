/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command line: what is taken for a URL comes out as one that is taken for itself; a server's URL for names
 * is one too. */
#include "source/source_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *word = strndup((const char *)bytes, n);
    osp_buf url = osp_buf_of(1 << 16), again = osp_buf_of(1 << 16), names = osp_buf_of(1 << 16);
    int64_t wait_s = 0;
    if (word && osp_source_url(word, n % 3 ? 0 : 30, 0, &url, &wait_s) && !url.failed) {
        osp_buf_byte(&url, 0);
        if (!osp_source_url(url.p, n % 3 ? 0 : 30, 0, &again, &wait_s))
            abort();
        osp_buf_byte(&again, 0);
        if (!again.failed && strcmp(url.p, again.p) != 0)
            abort();
        if (!osp_symbol_url(osp_str_from(url.p), &names) && !names.failed)
            abort();
    }
    osp_buf_drop(&names);
    osp_buf_drop(&again);
    osp_buf_drop(&url);
    free(word);
    return 0;
}
