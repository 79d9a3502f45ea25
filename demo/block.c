/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

/* cos((2 x + 1) u pi / 16), in 1/1024 */
static const int cosine[BLOCK][BLOCK] = {
    {724, 724, 724, 724, 724, 724, 724, 724},     {1004, 851, 569, 200, -200, -569, -851, -1004},
    {946, 392, -392, -946, -946, -392, 392, 946}, {851, -200, -1004, -569, 569, 1004, 200, -851},
    {724, -724, -724, 724, 724, -724, -724, 724}, {569, -1004, 200, 851, -851, -200, 1004, -569},
    {392, -946, 946, -392, -392, 946, -946, 392}, {200, -569, 851, -1004, 1004, -851, 569, -200},
};

static int next_coefficient(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (int)(*random & 255) - 128;
}

void decode_block(frame *f, int row, int column)
{
    int in[BLOCK][BLOCK], half[BLOCK][BLOCK];
    for (int v = 0; v < BLOCK; v++)
        for (int u = 0; u < BLOCK; u++)
            in[v][u] = next_coefficient(&f->random) / (1 + u + v);
    for (int v = 0; v < BLOCK; v++)
        for (int x = 0; x < BLOCK; x++) {
            int sum = 0;
            for (int u = 0; u < BLOCK; u++)
                sum += in[v][u] * cosine[u][x];
            half[v][x] = sum >> 10;
        }
    for (int y = 0; y < BLOCK; y++)
        for (int x = 0; x < BLOCK; x++) {
            int sum = 0;
            for (int v = 0; v < BLOCK; v++)
                sum += half[v][x] * cosine[v][y];
            f->pixel[row * BLOCK + y][column * BLOCK + x] = (int16_t)(sum >> 12);
        }
}
