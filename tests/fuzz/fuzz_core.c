/* SPDX-License-Identifier: Apache-2.0 */
/* A core file. What is accepted is in order, and any memory that it says it has can be asked for. */
#include "target/target_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void read_all(const osp_image *im)
{
    uint8_t some[256];
    uint64_t end = 0;
    for (uint32_t i = 0; i < im->nmap; i++) {
        const osp_map *m = &im->map[i];
        osp_err err = {0};
        if (m->start < end || m->end <= m->start)
            abort();
        end = m->end;
        if (i >= 64)
            continue;
        uint64_t at[] = {m->start, m->end - 1, m->start - 1, m->start + (m->end - m->start) / 2};
        for (size_t k = 0; k < sizeof at / sizeof *at; k++)
            if (!im->mem.read(im->mem.ctx, at[k], some, sizeof some, &err) && err.code == OSP_OK)
                abort();
        int fd = im->open_map(im->ctx, m, &err);
        if (fd >= 0)
            close(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char path[64];
    osp_err err = {0};
    int fd = memfd_create("core", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    osp_core *c = osp_core_open(path, &(osp_core_opts){.root = "/nowhere"}, &err);
    close(fd);
    if (!c && err.code == OSP_OK)
        abort();
    if (!c)
        return 0;
    osp_image im = osp_core_image(c);
    osp_arena a;
    osp_image_thread *thread;
    uint32_t nthread;
    osp_arena_init(&a, 64 << 20);
    read_all(&im);
    if (!im.threads(im.ctx, &a, &thread, &nthread, &err) || nthread > n / 300)
        abort();
    osp_arena_drop(&a);
    osp_core_close(c);
    return 0;
}
