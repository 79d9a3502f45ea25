/* SPDX-License-Identifier: Apache-2.0 */
/* Mangled names from outside: whatever comes in, what comes out is text of a bounded length. */
#include "object/object.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    osp_arena a;
    osp_arena_init(&a, 1 << 20);
    osp_str out = osp_brief_name(&a, (osp_str){(const char *)bytes, n});
    if (out.p && (out.n >= 65536 || memchr(out.p, 0, out.n)))
        abort();
    osp_arena_drop(&a);
    return 0;
}
