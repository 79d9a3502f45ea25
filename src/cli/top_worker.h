/* SPDX-License-Identifier: Apache-2.0 */
/* cli/top_worker.h: samples a process in a thread of its own, so that keys are answered while code is read and named. */
#ifndef OSP_TOP_WORKER_H
#define OSP_TOP_WORKER_H

#include "cli/top_model.h"

typedef struct osp_top_worker osp_top_worker;

typedef struct {
    int pid;
    uint32_t hz;
    double refresh_s, first_s; /* a slice each; the first one, and longer ones up to that */
    bool no_bpf;
} osp_top_sampling;

osp_top_worker *osp_top_worker_start(const osp_top_sampling *what, osp_err *err);
/* Readable when there is a slice or a note. */
int osp_top_worker_wake(const osp_top_worker *w);
/* The next slice, the caller's to drop; false if there is none yet. */
bool osp_top_worker_slice(osp_top_worker *w, osp_top_slice *out);
/* How it goes: "starting to sample", "it has ended", why it cannot be sampled; "" = well. Copied into text. */
osp_str osp_top_worker_note(osp_top_worker *w, char *text, size_t size);
/* It samples no more, and never will. */
bool osp_top_worker_done(osp_top_worker *w);
void osp_top_worker_stop(osp_top_worker *w);

#endif
