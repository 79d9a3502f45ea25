/* SPDX-License-Identifier: Apache-2.0 */
/* What a server answers to a question for names: each name lies in the answer and is not empty. */
#include "source/source_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_server_names names;
    osp_err err = {0};
    const char *text = (const char *)bytes;
    if (!osp_read_server_names((osp_str){text, n}, n % 2 ? 0 : -4096, &names, &err) && err.code == OSP_OK)
        abort();
    for (uint32_t i = 0; err.code == OSP_OK && i < names.addrs.n; i++)
        if (names.name[i].n == 0 || names.name[i].p < text || names.name[i].p + names.name[i].n > text + n)
            abort();
    osp_server_names_drop(&names);
    return 0;
}
