/* SPDX-License-Identifier: Apache-2.0 */
/* A live process as a program to look into. */
#include "target/target_internal.h"

static int open_map(void *ctx, const osp_map *m, osp_err *err) { return osp_process_map_fd(ctx, m, err); }

static bool is_alive(void *ctx) { return osp_process_alive(ctx); }

static bool read_threads(void *ctx, osp_arena *a, osp_image_thread **out, uint32_t *n, osp_err *err)
{
    osp_thread *row;
    if (!osp_process_threads(ctx, a, &row, n, err))
        return false;
    *out = osp_new(a, osp_image_thread, *n);
    if (!*out)
        return osp_fail_memory(err, "reading threads");
    for (uint32_t i = 0; i < *n; i++) {
        (*out)[i] = (osp_image_thread){.tid = row[i].tid, .ns_tid = row[i].ns_tid};
        memcpy((*out)[i].name, row[i].name, sizeof row[i].name);
    }
    return true;
}

bool osp_process_image(osp_process *p, osp_arena *a, osp_image *out, osp_err *err)
{
    osp_process_info info;
    osp_map *map;
    uint32_t nmap;
    if (!osp_process_info_read(p, a, &info, err) || !osp_process_maps(p, a, &map, &nmap, err))
        return false;
    *out = (osp_image){
        .mem = osp_process_mem(p),
        .map = map,
        .nmap = nmap,
        .name = osp_arena_fmt(a, "pid %d", p->pid),
        .exe = info.exe,
        .pid = p->pid,
        .ns_pid = info.ns_pid,
        .ctx = p,
        .open_map = open_map,
        .threads = read_threads,
        .alive = is_alive,
        .process = p,
    };
    return out->name.p || osp_fail_memory(err, "opening a process");
}
