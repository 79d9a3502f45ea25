/* SPDX-License-Identifier: Apache-2.0 */
/* A toy video codec, as deep as real ones: stream, frame, slice, block. Blocks of 8 x 8 coefficients go through an
 * inverse cosine transform; then the edges between blocks are smoothed. */
#ifndef CODEC_H
#define CODEC_H

#include <stdint.h>

enum { BLOCK = 8, COLUMNS = 80, ROWS = 45 }; /* blocks: 640 x 360 pixels */

typedef struct frame {
    uint64_t random; /* stands for the bit stream */
    int16_t pixel[ROWS * BLOCK][COLUMNS * BLOCK];
} frame;

uint64_t codec_decode(uint64_t seed, int frames);
void decode_frame(frame *f);
void decode_slice(frame *f, int row);
void decode_block(frame *f, int row, int column);
void deblock(frame *f);

/* CPU time by the codec's own clock, all threads together. */
typedef struct codec_times {
    uint64_t blocks_ns;  /* decode_slice and what it calls */
    uint64_t deblock_ns; /* deblock */
} codec_times;
void codec_read_times(codec_times *out);

#endif
