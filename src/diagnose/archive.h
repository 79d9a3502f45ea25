/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose/archive.h: facts in a file. One function a structure says what it consists of, field by field, and serves both
 * ways, so that what is written is what is read.
 *
 *     void osp_arc_frame(osp_archive *x, frame *f)
 *     {
 *         osp_arc(x, &f->func);
 *         osp_arc(x, &f->line);
 *     }
 *     OSP_ARC_ROWS(x, &facts->frame, &facts->nframe, osp_arc_frame);
 *
 * The file: "osprey facts\n", then sections, each a name, its length and its fields. Whole numbers are LEB128, signed ones
 * zigzag; a text is the number of an earlier one of its section, or the next number and the
 * text. A reader skips sections that it
 * does not know; fields that a section ends before are zero: new ones are added at the end of their section. */
#ifndef OSP_ARCHIVE_H
#define OSP_ARCHIVE_H

#include "base/buf.h"
#include "base/cur.h"
#include "base/hash.h"
#include "diagnose/diagnose.h"

typedef struct {
    bool reading;
    osp_arena *arena; /* of what is read */
    osp_buf *out;     /* of the section that is written */
    osp_cur *in;      /* of the section that is read */
    osp_intern text;  /* written so far; read so far */
    bool failed;      /* no memory */
} osp_archive;

void osp_arc_bool(osp_archive *x, bool *v);
void osp_arc_i32(osp_archive *x, int32_t *v);
void osp_arc_u32(osp_archive *x, uint32_t *v);
void osp_arc_i64(osp_archive *x, int64_t *v);
void osp_arc_u64(osp_archive *x, uint64_t *v);
void osp_arc_u8(osp_archive *x, uint8_t *v);
void osp_arc_f64(osp_archive *x, double *v);
void osp_arc_str(osp_archive *x, osp_str *v);
/* A text in an array of size bytes. */
void osp_arc_chars(osp_archive *x, char *text, size_t size);

#define osp_arc(x, field) \
    _Generic((field),             \
        bool *: osp_arc_bool,     \
        int32_t *: osp_arc_i32,   \
        uint32_t *: osp_arc_u32,  \
        int64_t *: osp_arc_i64,   \
        uint64_t *: osp_arc_u64,  \
        uint8_t *: osp_arc_u8,    \
        double *: osp_arc_f64,    \
        osp_str *: osp_arc_str)(x, field)

/* A number of rows of so many bytes: the number that is written, or room for those that are read. NULL if there are none. */
void *osp_arc_room(osp_archive *x, const void *row, uint32_t *n, size_t size, size_t align);

/* All rows of an array, by a function for one. */
#define OSP_ARC_ROWS(x, rows, n, each)                                                   \
    do {                                                                                 \
        __typeof__(**(rows)) *osp_rows_ =                                                \
            osp_arc_room(x, *(rows), n, sizeof **(rows), alignof(__typeof__(**(rows)))); \
        if ((x)->reading)                                                                \
            *(rows) = osp_rows_;                                                         \
        for (uint32_t osp_i = 0; osp_rows_ && osp_i < *(n); osp_i++)                     \
            each(x, (void *)(osp_rows_ + osp_i));                                        \
    } while (0)

/* A call, a stack of calls, and places, which many sections have. */
void osp_arc_call(osp_archive *x, osp_call *c);
void osp_arc_calls(osp_archive *x, const osp_call **call, uint32_t *n);
void osp_arc_events(osp_archive *x, osp_event_facts *e);
void osp_arc_place(osp_archive *x, osp_place_fact *p);

#endif
