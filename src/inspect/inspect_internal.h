/* SPDX-License-Identifier: Apache-2.0 */
/* inspect/inspect_internal.h: what the files of this room share. */
#ifndef OSP_INSPECT_INTERNAL_H
#define OSP_INSPECT_INTERNAL_H

#include "inspect/inspect.h"

/* The unwind rule at a run address; false if it lies outside every mapping with code. Remembered. */
bool osp_inspect_rule(osp_inspect *in, uint64_t addr, uint32_t *rule);

#endif
