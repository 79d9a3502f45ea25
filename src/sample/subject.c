/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is sampled: who it is, what is mapped in it, its Go runtime. */
#include "sample/sample_internal.h"

#include <stdlib.h>

enum { SUBJECT_LIMIT = 64 << 20 };

bool osp_subject_identify(osp_subject *s, osp_err *err)
{
    return osp_process_info_read(s->process, &s->arena, &s->info, err);
}

osp_subject *osp_subject_open(int pid, osp_process *process, osp_go *go, osp_err *err)
{
    osp_subject *s = calloc(1, sizeof *s);
    if (!s) {
        osp_fail_memory(err, "starting to sample");
        return NULL;
    }
    *s = (osp_subject){
        .pid = pid, .process = process, .borrowed = process != NULL, .go = go, .go_borrowed = go != NULL};
    osp_arena_init(&s->arena, SUBJECT_LIMIT);
    if (!process)
        s->process = osp_process_open(pid, err);
    if (!s->process || !osp_subject_identify(s, err)) {
        osp_subject_close(s);
        return NULL;
    }
    return s;
}

void osp_subject_close(osp_subject *s)
{
    if (!s)
        return;
    osp_space_drop(&s->space);
    if (!s->go_borrowed)
        osp_go_close(s->go);
    if (!s->borrowed)
        osp_process_close(s->process);
    osp_arena_drop(&s->arena);
    free(s);
}

static osp_go *find_go(osp_subject *s, osp_objects *objects, osp_err *why)
{
    osp_arena a;
    osp_map *map;
    uint32_t n;
    osp_go *go = NULL;
    osp_arena_init(&a, SUBJECT_LIMIT);
    if (osp_process_maps(s->process, &a, &map, &n, why))
        go = osp_go_open(s->process, map, n, objects, why);
    osp_arena_drop(&a);
    return go;
}

bool osp_subject_refresh(osp_subject *s, osp_objects *objects, bool *changed, osp_err *why_no_goroutines,
                         osp_err *err)
{
    if (!osp_space_refresh(&s->space, s->process, objects, changed, err))
        return false;
    if (!*changed)
        return true;
    s->generation++;
    if (!s->go)
        s->go = find_go(s, objects, why_no_goroutines);
    osp_space_go(s->go, &s->unwind_go);
    return true;
}
