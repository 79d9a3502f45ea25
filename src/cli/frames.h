/* SPDX-License-Identifier: Apache-2.0 */
/* cli/frames.h: the frames of a recording's stacks, and which of them say what a stack is about. */
#ifndef OSP_FRAMES_H
#define OSP_FRAMES_H

#include "base/arena.h"
#include "diagnose/diagnose.h"

/* A stack's frames, leaf first, inlined ones included. */
typedef struct {
    const osp_call *call;
    uint32_t n;
} osp_frames;

/* Of every stack of a recording with names, by its number; all in the arena. False without memory. */
bool osp_frames_read(const osp_recording *rec, const osp_profile *named, osp_arena *a,
                     const osp_frames **by_stack) OSP_CHECKED;

/* Where a goroutine begins, or a thread that has none: below what every goroutine or thread begins with. Its index; 0 of
 * none. */
uint32_t osp_frames_root(const osp_frames *f);
/* Who it is about: the innermost function of the program's own; else of a library; else the leaf. */
uint32_t osp_frames_blame(const osp_frames *f);

#endif
