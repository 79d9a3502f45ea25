/* SPDX-License-Identifier: Apache-2.0 */
/* demangle.c: C++ and Rust names as people write them, through libiberty: with parameters, without return type.
 *
 * Its recursion limit stays on, and longer names than MAX_NAME are left as they are: both keep a hostile symbol
 * from eating the stack. A result much longer than its input (substitutions can double at each step) is refused, and
 * stopped before it is made: see osp_demangle_into in brief.c. */
#include "object_internal.h"

#include "base/buf.h"

#include <libiberty/demangle.h>
#include <stdlib.h>

enum { MAX_NAME = 4096 };

static osp_str demangle(osp_arena *arena, osp_str name)
{
    char *z = strndup(name.p, name.n);
    if (!z)
        return name;
    char *text = malloc(OSP_LONGEST_DEMANGLED);
    osp_str out = name;
    /* Clang and gcc clones: "_ZN1a1bEv.cold", "….part.0", "….llvm.123" are understood by libiberty. */
    if (text && osp_demangle_into(z, DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP, text, OSP_LONGEST_DEMANGLED))
        out = osp_arena_str(arena, osp_str_from(text));
    free(z);
    free(text);
    return out.p ? out : name;
}

osp_str osp_demangle(osp_demangled *t, osp_arena *arena, osp_str name)
{
    if (!osp_is_mangled(name) || name.n > MAX_NAME)
        return name;
    bool fresh;
    if (!osp_grow((void **)&t->plain, &t->cap, (size_t)t->mangled.n + 1, sizeof *t->plain))
        return name;
    uint32_t id = osp_intern_put(&t->mangled, name, &fresh);
    if (id == UINT32_MAX)
        return name;
    if (fresh)
        t->plain[id] = demangle(arena, name);
    return t->plain[id];
}

void osp_demangled_drop(osp_demangled *t)
{
    osp_intern_drop(&t->mangled);
    free(t->plain);
}
