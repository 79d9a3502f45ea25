/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

void decode_slice(frame *f, int row)
{
    for (int column = 0; column < COLUMNS; column++)
        decode_block(f, row, column);
}
