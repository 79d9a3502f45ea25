/* SPDX-License-Identifier: Apache-2.0 */
/* demangle.c: C++ and Rust names as people write them, through libiberty.
 *
 * Its recursion limit stays on, and longer names than MAX_NAME are left as they are: both keep a hostile symbol
 * from eating the stack. A result much longer than its input (substitutions can double at each step) is refused. */
#include "object_internal.h"

#include <libiberty/demangle.h>
#include <stdlib.h>

enum { MAX_NAME = 4096, MAX_RESULT = 65536 };

osp_str osp_demangle(osp_arena *arena, osp_str name)
{
    bool cxx = osp_str_starts(name, S("_Z")), rust = osp_str_starts(name, S("_R"));
    if ((!cxx && !rust) || name.n > MAX_NAME)
        return name;
    char z[MAX_NAME + 1];
    osp_str_z(name, z, sizeof z);
    /* Clang and gcc clones: "_ZN1a1bEv.cold", "….part.0", "….llvm.123" are understood by libiberty. */
    char *text = cplus_demangle(z, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
    if (!text)
        return name;
    size_t n = strnlen(text, MAX_RESULT);
    osp_str out = n < MAX_RESULT ? osp_arena_str(arena, (osp_str){text, n}) : name;
    free(text);
    return out.p ? out : name;
}
