/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spark.h"

void osp_spark(osp_buf *out, const float *v, size_t n, size_t columns, float top)
{
    static const char *const bar[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    enum { BARS = sizeof bar / sizeof *bar };
    float most = top;
    for (size_t i = 0; i < n; i++)
        most = top <= 0 && v[i] > most ? v[i] : most;
    columns = columns < n ? columns : n;
    for (size_t c = 0; c < columns; c++) {
        float high = 0;
        for (size_t i = c * n / columns; i < (c + 1) * n / columns; i++)
            high = v[i] > high ? v[i] : high;
        const float part = most > 0 ? high / most * BARS : 0;
        size_t k = part > 0 ? (size_t)(part + 0.999F) : 1;
        k = k > BARS ? BARS : k < 1 ? 1 : k;
        osp_buf_add(out, osp_str_from(bar[k - 1]));
    }
}
