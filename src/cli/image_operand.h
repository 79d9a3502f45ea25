/* SPDX-License-Identifier: Apache-2.0 */
/* cli/image_operand.h: what "PID | CORE" names, opened to be looked into. */
#ifndef OSP_IMAGE_OPERAND_H
#define OSP_IMAGE_OPERAND_H

#include "cli/cli_internal.h"

typedef struct {
    osp_arena arena;
    osp_process *process; /* NULL: it is a core */
    osp_core *core;       /* NULL: it is a process */
    osp_objects *objects;
    osp_image image;
    osp_str whose; /* "gateway (pid 4711)" */
} osp_image_operand;

/* The options of each command that takes one. */
#define OSP_CORE_OPTIONS                                                             \
    {"root", 0, "DIR", "of a core: where the files of its machine are (/)"},         \
    {                                                                                \
        "exe", 0, "FILE", "of a core: its program, if it is not where the core says" \
    }

/* A number (or -p PID) is a process, another word the file of a core. False after printing what is wrong; *status is what to
 * return. Drop it in any case. */
bool osp_image_operand_open(const osp_cli *cli, osp_image_operand *out, int *status);
void osp_image_operand_drop(osp_image_operand *o);

#endif
