/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of a small profile, until the next call. For tests. */
#ifndef OSP_STACK_AT_H
#define OSP_STACK_AT_H

#include "model/model.h"

static inline osp_stack stack_at(const osp_profile *p, osp_stack_id s)
{
    static osp_location_id room[1024 + OSP_PACKED_SLACK];
    return p->stacks.deepest <= 1024 ? osp_stack_read(p, s, room) : (osp_stack){0};
}

#endif
