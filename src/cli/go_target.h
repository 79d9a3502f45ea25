/* SPDX-License-Identifier: Apache-2.0 */
/* cli/go_target.h: the Go program that a command looks into. */
#ifndef OSP_GO_TARGET_H
#define OSP_GO_TARGET_H

#include "cli/cli.h"
#include "goruntime/goruntime.h"

typedef struct {
    osp_arena arena;
    osp_process *process;
    osp_process_info info;
    osp_image image;
    osp_objects *objects;
    osp_go *go;
} osp_go_target;

/* EABSENT: no such process, or no Go in it. Drop it in any case. */
bool osp_go_target_open(int pid, osp_go_target *out, osp_err *err) OSP_CHECKED;
void osp_go_target_drop(osp_go_target *t);

/* "indexer (pid 4802, go1.26.8)" */
void osp_go_target_title(const osp_go_target *t, osp_buf *out);

/* Wait, but no longer than until *stop is set. */
void osp_wait_until(uint64_t monotonic_ns, const volatile sig_atomic_t *stop);

#endif
