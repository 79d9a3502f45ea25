/* SPDX-License-Identifier: Apache-2.0 */
/* cli/top_keys.h: the table of keys of `osprey top`, and where the cursor is. */
#ifndef OSP_TOP_KEYS_H
#define OSP_TOP_KEYS_H

#include "cli/top_screen.h"

typedef struct {
    osp_top_state *s;
    const osp_top_list *list;
    int visible;
} osp_top_pressed;

typedef struct {
    uint32_t key;
    const char *name, *help; /* in the help; NULL: another key for the same */
    void (*does)(osp_top_pressed *p);
} osp_top_key;

extern const osp_top_key osp_top_keys[]; /* ended by .does = NULL */

uint32_t osp_top_length(const osp_top_list *l);
uint64_t osp_top_id(const osp_top_list *l, uint32_t i);

/* The index of the row that a level's cursor stands on. */
uint32_t osp_top_cursor(const osp_top_level *level, const osp_top_list *l);

#endif
