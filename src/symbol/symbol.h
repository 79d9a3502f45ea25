/* SPDX-License-Identifier: Apache-2.0 */
/* symbol/symbol.h: fills a profile's addresses with frames. */
#ifndef OSP_SYMBOL_H
#define OSP_SYMBOL_H

#include "model/model.h"
#include "object/object.h"
#include "target/target.h"

typedef struct {
    /* by osp_mapping_id.i: the object mapped there, NULL if unknown (kernel, JIT, unreadable); nobject may be
     * smaller than the number of mappings. */
    osp_object *const *object;
    uint32_t nobject;
    /* by osp_mapping_id.i, nobject of them: names of code that was compiled there while it ran; NULL = none */
    osp_jit *const *jit;
    bool this_kernel; /* the mapping "[kernel.kallsyms]" is this host's kernel: ask it for its names */
    /* Where the kernel's names stay for the next time (they take longer to read than all else): NULL at first, the caller's
     * to close. NULL = they do not stay. */
    osp_kallsyms **kept;
    bool pprof_way; /* names as the linker has them, for a query to make readable; what nobody knows stays as it is */
    bool again;     /* frames that the profile brought give way to ours */
    bool names_only; /* no files, lines and inlines */
} osp_symbol_sources;

typedef struct {
    uint64_t locations, unnamed; /* distinct addresses, and those for which no function name was found */
} osp_symbol_stats;

/* A new profile that shares all columns but locations, functions, strings and mapping.has with p, which must outlive
 * it. But for pprof_way, an address without a name gets one frame named "file+0x1234" (file address of its function's first byte, if
 * unwind data tells where that is, else its own), or "0x7f…" in an anonymous mapping: never an empty one. */
osp_profile *osp_symbolise(const osp_profile *p, const osp_symbol_sources *from, osp_symbol_stats *stats,
                           osp_err *err);

#endif
