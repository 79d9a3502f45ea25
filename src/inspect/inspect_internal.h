/* SPDX-License-Identifier: Apache-2.0 */
/* inspect/inspect_internal.h: what the files of this room share. */
#ifndef OSP_INSPECT_INTERNAL_H
#define OSP_INSPECT_INTERNAL_H

#include "inspect/inspect.h"

/* The same over a runtime that is known already, which it takes over; there is no code yet. */
osp_inspect *osp_inspect_over(const osp_image *image, osp_go *go, osp_err *err);
/* To put code in. */
osp_space *osp_inspect_own_space(osp_inspect *in);

#endif
