/* SPDX-License-Identifier: Apache-2.0 */
/* cli/spark.h: numbers as a line of small bars. */
#ifndef OSP_SPARK_H
#define OSP_SPARK_H

#include "base/buf.h"

/* n numbers, oldest first, in at most `columns` bars of the largest number each stands for; the highest bar is `top`, 0 = the
 * largest number. None below 0. */
void osp_spark(osp_buf *out, const float *v, size_t n, size_t columns, float top);

#endif
