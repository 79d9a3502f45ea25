/* SPDX-License-Identifier: Apache-2.0 */
#include "base/guess.h"

unsigned osp_word_distance(osp_str a, osp_str b)
{
    enum { LONGEST = 40 };
    unsigned row[3][LONGEST + 1];
    if (a.n > LONGEST || b.n > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= b.n; j++)
        row[0][j] = (unsigned)j;
    unsigned *before = row[2], *last = row[0], *now = row[1];
    for (size_t i = 1; i <= a.n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned best = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.n];
}

void osp_guess_consider(osp_guess *g, const char *known)
{
    const osp_str word = osp_str_from(known);
    const unsigned d = g->typed.n > 1 && osp_str_starts(word, g->typed) ? 1 : osp_word_distance(g->typed, word);
    if (!g->nearest || d < g->distance) {
        g->nearest = known;
        g->distance = d;
    }
}

const char *osp_guess_taken(const osp_guess *g)
{
    const unsigned near = g->typed.n < 4 ? 1 : g->typed.n < 7 ? 2 : 3;
    return g->typed.n > 1 && g->distance <= near ? g->nearest : NULL;
}
