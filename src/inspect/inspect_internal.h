/* SPDX-License-Identifier: Apache-2.0 */
/* inspect/inspect_internal.h: what the files of this room share. */
#ifndef OSP_INSPECT_INTERNAL_H
#define OSP_INSPECT_INTERNAL_H

#include "inspect/inspect.h"

/* The same over a runtime that is known already, which it takes over; there is no code yet. */
osp_inspect *osp_inspect_over(const osp_image *image, osp_go *go, osp_err *err);
/* To put code in. */
osp_space *osp_inspect_own_space(osp_inspect *in);

/* ---- the ledger ------------------------------------------------------------------------------------------------- */

/* Memory that is of one kind. */
typedef void osp_each_claim(void *ctx, uint64_t start, uint64_t end, osp_ledger_kind kind);

/* Heaps of glibc's further arenas in anonymous memory that can be written to; how many. They are added to m. */
size_t osp_malloc_heaps(const osp_mem *mem, uint64_t start, uint64_t end, osp_each_claim *each, void *ctx,
                        osp_ledger_malloc *m);
/* Large blocks of glibc's malloc, one behind the other from the start on. */
void osp_malloc_blocks(const osp_mem *mem, uint64_t start, uint64_t end, osp_each_claim *each, void *ctx,
                       osp_ledger_malloc *m);
/* Is it glibc's first arena? For cores, which have no name for it. */
bool osp_malloc_is_brk(const osp_mem *mem, uint64_t start, uint64_t end);

/* What a ledger is made of. */
typedef struct {
    osp_mem mem;
    const osp_smap *map;
    uint32_t nmap;
    const uint64_t *stack; /* addresses on stacks of threads, sorted */
    uint32_t nstack;
    uint64_t stack_limit;
    osp_go *go;           /* NULL: none */
    osp_go_arenas arenas; /* n = 0: not known */
    bool unnamed;         /* mappings that are of no file have no names: it is a core */
    osp_go_piece *piece;  /* the runtime's outside the heap, by address */
    size_t npiece;
    /* Which pages of [start, end) are resident, a bit each; NULL: nobody knows. */
    bool (*pages)(void *ctx, uint64_t start, uint64_t end, uint64_t *resident);
    void *ctx;
} osp_ledger_input;

/* Fill the rows, the maps, and what is known of the heap's pages; out->go, has_go and is_go are set before. */
bool osp_ledger_fill(const osp_ledger_input *in, osp_arena *a, osp_ledger *out, osp_err *err) OSP_CHECKED;

/* Does the function at a run address of a stack, or what is inlined into it, use the variable at this run address? */
bool osp_inspect_code_uses(osp_inspect *in, uint64_t pc, uint64_t variable);

#endif
