/* SPDX-License-Identifier: Apache-2.0 */
/* cli/ps_table.h: processes and what is known of them, in rows: for `osprey ps`, and the first screen of `osprey top`. */
#ifndef OSP_PS_TABLE_H
#define OSP_PS_TABLE_H

#include "base/json.h"
#include "cli/cli_internal.h"
#include "goruntime/goruntime.h"

/* CPU time over less says nothing. */
#define OSP_PS_SHORTEST_S 0.05

typedef struct {
    osp_process_row process; /* at the end of the interval */
    osp_go_brief go;
    osp_str container; /* "" = none */
    double cores;      /* CPU time used in the interval / its length; a process that began in it used all of its own;
                          negative: there was no interval */
    int64_t more_goroutines; /* at the end than at its begin; 0 if that was not counted */
} osp_ps_row;

typedef struct {
    osp_ps_row *row;
    uint32_t n;
    uint32_t go;         /* how many of all processes run Go */
    uint32_t hidden;     /* processes without Go that have no row */
    uint32_t unreadable; /* we may not know whether they run Go */
    osp_err why;         /* of the first of them: what stands in the way, and the cure */
    uint32_t opaque;     /* Go, but the runtime's state is not known */
    osp_err why_opaque;  /* of the first */
    double seconds;      /* the interval */
    uint64_t now_ns;     /* CLOCK_BOOTTIME at its end */
} osp_ps;

/* The order of rows by the name of a column, "cpu", "rss" …; false if there is no such name. */
bool osp_ps_sort(osp_ps *ps, osp_str by);

/* Names of all orders, "cpu, rss, …". */
void osp_ps_orders(osp_buf *out);

/* The table and the line under it; columns 0: as wide as it wants to be. A pure function. */
void osp_ps_table(const osp_cli *cli, const osp_ps *ps, size_t columns, osp_buf *out);
void osp_ps_json(const osp_ps *ps, osp_buf *out);
/* One row of it, under a key or (NULL) in an array; now_ns as in osp_ps. */
void osp_ps_json_row(osp_json *j, const char *key, uint64_t now_ns, const osp_ps_row *r);

/* "48 MB", "1.9 GB": three digits or two, of 2^20 bytes. "3d04h", "17m". */
osp_str osp_bytes_text(uint64_t bytes, char *buf, size_t size);
osp_str osp_age_text(uint64_t seconds, char *buf, size_t size);
/* "48 811": groups of three from five digits on. */
osp_str osp_count_text(uint64_t n, char *buf, size_t size);

#endif
