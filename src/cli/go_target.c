/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/go_target.h"

#include "base/clock.h"

static const size_t ARENA_LIMIT = 64 << 20;

bool osp_go_target_open(int pid, osp_go_target *out, osp_err *err)
{
    *out = (osp_go_target){0};
    osp_arena_init(&out->arena, ARENA_LIMIT);
    out->process = osp_process_open(pid, err);
    if (!out->process || !osp_process_info_read(out->process, &out->arena, &out->info, err) ||
        !osp_process_image(out->process, &out->arena, &out->image, err))
        return false;
    out->objects = osp_objects_new(NULL);
    if (!out->objects)
        return osp_fail_memory(err, "opening a process");
    out->go = osp_go_open(&out->image, out->objects, err);
    return out->go != NULL;
}

void osp_go_target_drop(osp_go_target *t)
{
    osp_go_close(t->go);
    osp_objects_drop(t->objects);
    osp_process_close(t->process);
    osp_arena_drop(&t->arena);
}

void osp_go_target_title(const osp_go_target *t, osp_buf *out)
{
    /* comm holds 15 bytes: the program's own file name says the rest */
    osp_str name = t->info.name, exe = osp_str_base(t->info.exe);
    if (name.n == 15 && osp_str_starts(exe, name))
        name = exe;
    osp_buf_fmt(out, "%.*s (pid %d, %.*s)", STRF(name), t->image.pid, STRF(osp_go_version(t->go)));
}

void osp_wait_until(uint64_t monotonic_ns, const volatile sig_atomic_t *stop)
{
    enum { STEP_NS = 200000000 }; /* a signal may come just before we sleep */
    for (uint64_t now; !*stop && (now = osp_monotonic_ns()) < monotonic_ns;) {
        uint64_t left = monotonic_ns - now < STEP_NS ? monotonic_ns - now : STEP_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
    }
}
