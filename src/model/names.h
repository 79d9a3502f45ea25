/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OSP_MODEL_NAMES_H
#define OSP_MODEL_NAMES_H

#include "model/model.h"

/* The name a reader wants for a function, by what q says about names; a view, or made in the arena. */
osp_str osp_readable_name(osp_arena *a, osp_str name, osp_str linker_name, const osp_query *q);

/* The form of a name that drop_frames, keep_frames and prune_from are matched with: without a leading dot and
 * without arguments. */
osp_str osp_pruning_name(osp_str name);

#endif
