/* SPDX-License-Identifier: Apache-2.0 */
#include "draw/draw_internal.h"

/* Thousandths of the font's height, for ' ' to '~': Adobe's metrics of Helvetica, which Arial and Liberation Sans keep. */
static const uint16_t width[] = {
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333,  278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667,  611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278,  556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500,  500, 334, 260, 334, 584,
};

double osp_text_width(osp_str s, double font)
{
    double sum = 0;
    while (s.n) {
        size_t n = osp_str_utf8(s);
        unsigned char c = (unsigned char)s.p[0];
        if (n == 1 && c >= ' ' && c <= '~')
            sum += width[c - ' '];
        else
            sum += n >= 3 ? 1000 : 600; /* wide scripts; letters with accents */
        s = osp_str_skip(s, n ? n : 1);
    }
    return sum * font / 1000;
}
