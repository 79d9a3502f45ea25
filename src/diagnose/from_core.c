/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a core: the sections that need no time, begun and ended at once. */
#include "diagnose/section.h"

#include "base/clock.h"

#include <string.h>

static void read_process(osp_core *core, const osp_image *image, osp_facts *f)
{
    const osp_core_facts *c = osp_core_facts_of(core);
    osp_err ignored; /* then it is not known how many there are */
    osp_image_thread *t;
    osp_arena *a = f->arena;
    f->process.exe = osp_arena_str(a, image->exe);
    f->process.name = osp_arena_str(a, image->exe.n ? osp_str_base(image->exe) : c->name);
    f->process.state = 'T';
    if (!image->threads(image->ctx, a, &t, &f->process.nthreads, &ignored))
        f->process.nthreads = 0;
    if (!c->signal)
        return;
    const char *name = sigabbrev_np(c->signal);
    f->died = name ? osp_arena_fmt(a, "SIG%s", name) : osp_arena_fmt(a, "signal %d", c->signal);
    if (c->fault_addr)
        f->died = osp_arena_fmt(a, "%.*s at 0x%llx", STRF(f->died), (unsigned long long)c->fault_addr);
}

bool osp_facts_of_core(osp_core *core, const char *path, osp_objects *objects, osp_arena *a, osp_facts *f,
                       osp_err *err)
{
    const osp_sample_opts opts = {.objects = objects};
    osp_watch w = {.opts = &opts, .image = osp_core_image(core), .arena = a, .begin_ns = osp_monotonic_ns()};
    *f = (osp_facts){.arena = a,
                     .pid = w.image.pid,
                     .stopped = true,
                     .from_core = true,
                     .core = osp_arena_str(a, osp_str_from(path)),
                     .goroutines = -1,
                     .cgo_calls_per_s = -1,
                     .sched_ticks_per_s = -1,
                     .unsampled = S("a core is one moment: what takes time cannot be told from it")};
    read_process(core, &w.image, f);
    osp_err no_go;
    w.inspect = osp_inspect_open(&w.image, objects, &no_go);
    f->is_go = w.inspect || no_go.code != OSP_EABSENT;
    if (w.inspect) {
        w.go = osp_inspect_go(w.inspect);
        f->go_version = osp_arena_str(a, osp_go_version(w.go));
    } else if (f->is_go) {
        f->go_unreadable = osp_arena_str(a, osp_str_from(no_go.msg));
    }
    for (const osp_section *const *s = osp_sections; *s; s++) {
        void *state = (*s)->of_core ? (*s)->begin(&w) : NULL;
        if (state)
            (*s)->end(&w, state, f);
    }
    if (f->goroutine.known)
        f->goroutines = f->goroutine.n;
    osp_inspect_close(w.inspect);
    return f->process.name.p || osp_fail_memory(err, "looking into a core");
}
