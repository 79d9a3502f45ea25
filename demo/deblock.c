/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

/* Smooth over the vertical edges between blocks. */
void deblock(frame *f)
{
    for (int y = 0; y < ROWS * BLOCK; y++)
        for (int x = BLOCK; x < COLUMNS * BLOCK; x += BLOCK) {
            int16_t *p = &f->pixel[y][x];
            int mean = (p[-2] + p[-1] + p[0] + p[1]) / 4;
            p[-1] = (int16_t)((p[-1] + mean) / 2);
            p[0] = (int16_t)((p[0] + mean) / 2);
        }
}
