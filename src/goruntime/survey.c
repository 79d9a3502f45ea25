/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes run Go, and what their runtimes say. Files are opened once, however many processes run them, and those
 * without Go (nearly all libraries of a machine) are remembered by their line in the map of memory. */
#include "goruntime/goruntime_internal.h"

#include <stdlib.h>

enum { ARENA_LIMIT = 64 << 20 };

struct osp_go_survey {
    osp_objects *objects;
    osp_intern without; /* mapped files without Go */
    osp_arena keys;     /* their names */
};

osp_go_survey *osp_go_survey_new(osp_err *err)
{
    osp_go_survey *s = calloc(1, sizeof *s);
    if (s)
        s->objects = osp_objects_new(&(osp_object_opts){.no_debug_files = true});
    if (!s || !s->objects) {
        free(s);
        osp_fail_memory(err, "looking for Go");
        return NULL;
    }
    osp_arena_init(&s->keys, ARENA_LIMIT);
    return s;
}

void osp_go_survey_drop(osp_go_survey *s)
{
    if (!s)
        return;
    osp_intern_drop(&s->without);
    osp_arena_drop(&s->keys);
    osp_objects_drop(s->objects);
    free(s);
}

static void read_state(osp_go *go, osp_arena *scratch, osp_go_brief *out)
{
    osp_go_snapshot snapshot;
    if (!osp_go_fit(go, &out->why))
        return;
    if (osp_go_snapshot_read(go, scratch, &snapshot, &out->why))
        out->goroutines = snapshot.ngoroutine;
    osp_err ignored; /* has_memory says it */
    out->has_memory = osp_go_memory_read(go, &out->memory, &ignored);
}

void osp_go_survey_look(osp_go_survey *s, int pid, osp_arena *a, osp_go_brief *out)
{
    *out = (osp_go_brief){.goroutines = -1, .version = S("")};
    osp_process *p = osp_process_open(pid, &out->why);
    if (!p)
        return;
    osp_arena scratch;
    osp_arena_init(&scratch, ARENA_LIMIT);
    osp_image image;
    osp_go *go = NULL;
    if (osp_process_image(p, &scratch, &image, &out->why)) {
        go = osp_go_find(&image, s->objects, &s->without, &s->keys, &out->why);
        if (!go && out->why.code == OSP_EABSENT && osp_process_alive(p))
            out->why = (osp_err){0}; /* an ordinary program without Go */
    }
    if (go) {
        out->is_go = true;
        out->why = (osp_err){0};
        read_state(go, &scratch, out);
        out->version = osp_arena_str(a, osp_go_version(go));
    }
    osp_go_close(go);
    osp_arena_drop(&scratch);
    osp_process_close(p);
}
