/* SPDX-License-Identifier: Apache-2.0 */
/* base/guess.h: what a person may have meant by a word that is none. */
#ifndef OSP_BASE_GUESS_H
#define OSP_BASE_GUESS_H

#include "base/str.h"

/* How many letters must be typed, dropped, changed or swapped with their neighbour to turn one word into the other. */
unsigned osp_word_distance(osp_str a, osp_str b);

/* What a person may have meant by a word that is none: begin with the word, consider those there are, take the nearest; NULL
 * if none is worth suggesting. One that begins with what was typed is as near as one with a wrong letter. */
typedef struct osp_guess {
    osp_str typed;
    const char *nearest;
    unsigned distance;
} osp_guess;
void osp_guess_consider(osp_guess *g, const char *known);
const char *osp_guess_taken(const osp_guess *g);

#endif
