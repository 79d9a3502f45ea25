/* SPDX-License-Identifier: Apache-2.0 */
/* format/memstats.h: Go's runtime.MemStats, as the comments behind a heap profile's samples have them. */
#ifndef OSP_FORMAT_MEMSTATS_H
#define OSP_FORMAT_MEMSTATS_H

#include "format/details.h"

typedef struct {
    osp_details *details; /* NULL = nobody asks */
    bool open;            /* behind `# runtime.MemStats` */
    uint64_t seen;        /* a bit a field: the first one counts */
} osp_memstats;

/* The next line of the text that is a comment (or empty). */
void osp_memstats_line(osp_memstats *s, osp_str line);

#endif
