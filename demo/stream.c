/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

#include <stdlib.h>

uint64_t codec_decode(uint64_t seed, int frames)
{
    frame *f = calloc(1, sizeof *f);
    uint64_t sum = 0;
    if (!f)
        return 0;
    f->random = seed * 2 + 1;
    for (int i = 0; i < frames; i++) {
        decode_frame(f);
        sum += (uint16_t)f->pixel[i % (ROWS * BLOCK)][i % (COLUMNS * BLOCK)];
    }
    free(f);
    return sum;
}
