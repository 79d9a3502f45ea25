/* SPDX-License-Identifier: Apache-2.0 */
/* cli/go_target.h: the Go program that a command looks into, a process or a core. */
#ifndef OSP_GO_TARGET_H
#define OSP_GO_TARGET_H

#include "cli/image_operand.h"
#include "goruntime/goruntime.h"

typedef struct {
    osp_image_operand in;
    osp_go *go;
} osp_go_target;

/* False after printing what is wrong; *status is what to return. Drop it in any case. */
bool osp_go_target_open(const osp_cli *cli, osp_go_target *out, int *status);
void osp_go_target_drop(osp_go_target *t);

static inline bool osp_go_target_alive(const osp_go_target *t) { return t->in.image.alive(t->in.image.ctx); }

/* "indexer (pid 4802), go1.26.8" */
void osp_go_target_title(const osp_go_target *t, osp_buf *out);

/* Wait, but no longer than until *stop is set. */
void osp_wait_until(uint64_t monotonic_ns, const volatile sig_atomic_t *stop);

#endif
