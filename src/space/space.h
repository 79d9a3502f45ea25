/* SPDX-License-Identifier: Apache-2.0 */
/* space/space.h: which file's code lies where in a process, with its unwind rows. */
#ifndef OSP_SPACE_H
#define OSP_SPACE_H

#include "goruntime/goruntime.h"
#include "object/object.h"
#include "target/target.h"
#include "unwind/unwind.h"

typedef struct osp_space_map {
    uint64_t start, end, offset;
    uint64_t bias;      /* run address - bias = file address; 0 without object */
    uint64_t base;      /* run address - base = a row's pc */
    osp_object *object; /* NULL: anonymous, or its file cannot be read */
    const osp_row *row;
    uint32_t nrow;
    osp_str path; /* "" if anonymous */
    uint64_t inode;
    bool vdso;
} osp_space_map;

/* One process's executable mappings, sorted by start. Rebuilt when they change; objects stay. */
typedef struct osp_space {
    osp_arena arena;
    osp_space_map *map;
    uint32_t n;
    uint64_t hash; /* of the mappings' places: tells a change */
    bool whole;    /* all that have rows have them here */
} osp_space;

/* Read the process's mappings; *changed says whether anything differs from before. */
bool osp_space_refresh(osp_space *s, osp_process *p, osp_objects *objects, bool *changed, osp_err *err) OSP_CHECKED;
/* Make the rows of all that is mapped. Until then those are there that some other space needed. */
void osp_space_rows(osp_space *s);
/* The rule at a run address; false if it lies outside every mapping. Where rows are not made, the one function is asked. */
bool osp_space_rule(const osp_space *s, uint64_t addr, uint32_t *rule);
/* How to come by the files that are mapped. */
typedef struct {
    osp_mem mem; /* read is NULL: it has ended */
    int (*open)(void *ctx, const osp_map *m, osp_err *err);
    void *ctx;
} osp_space_source;
/* From where it runs. */
osp_space_source osp_space_from(osp_process *p);
/* The same from a list of mappings, sorted, of which those with code are taken. */
bool osp_space_make(osp_space *s, const osp_space_source *from, const osp_map *all, uint32_t nall,
                    osp_objects *objects, bool *changed, osp_err *err) OSP_CHECKED;
/* The same of a program that is looked into. */
bool osp_space_of_image(osp_space *s, const osp_image *image, osp_objects *objects, osp_err *err) OSP_CHECKED;
bool osp_space_copy(osp_space *to, const osp_space *from, osp_err *err) OSP_CHECKED;
void osp_space_drop(osp_space *s);
/* Is there other code at [start, end) than that part of that file? */
bool osp_space_differs(const osp_space *s, uint64_t start, uint64_t end, uint64_t offset, uint64_t inode);
/* The mapping that holds a run address, or NULL. */
const osp_space_map *osp_space_at(const osp_space *s, uint64_t addr);
/* Fill the unwinder's view of the Go runtime from go (NULL: all zero). */
void osp_space_go(const osp_go *go, osp_unwind_go *out);

/* ---- goroutines that do not run --------------------------------------------------------------------------------- */

/* Walks their stacks. */
typedef struct osp_g_walker osp_g_walker;
osp_g_walker *osp_g_walker_new(osp_mem mem, const osp_go *go, osp_err *err);
void osp_g_walker_drop(osp_g_walker *w);
/* The present mappings; they must stay until the next call. */
void osp_g_walker_space(osp_g_walker *w, const osp_space *space, const osp_unwind_go *offsets);
/* Walk a goroutine's stack from where it stands to its root: as osp_unwind_parked. top is what was read of the stack, from its
 * sp on; *behind says that something behind it was read now, when it may have run on. */
int osp_g_walk(osp_g_walker *w, const osp_g *g, osp_span top, uint64_t *pc, size_t max, size_t *n, bool *behind);

#endif
