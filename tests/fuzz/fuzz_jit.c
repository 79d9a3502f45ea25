/* SPDX-License-Identifier: Apache-2.0 */
/* What a compiler says of its code, as a map or a jitdump; addresses near its symbols are asked for. */
#include "object/object.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_err err = {0};
    uint8_t *copy = malloc(n + 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, bytes, n);
    osp_file file = {{copy, n}, false};
    osp_jit *j = osp_jit_of(&file, &err);
    if (!j)
        abort();
    uint64_t addr = 0;
    for (unsigned i = 0; i < 64; i++, addr = addr * 31 + (n ? bytes[i % n] : 1))
        if (osp_jit_at(j, addr).n > n || osp_jit_at(j, UINT64_MAX - addr).n > n)
            abort();
    osp_jit_close(j);
    return 0;
}
