/* SPDX-License-Identifier: Apache-2.0 */
/* report/flame.h: a flame graph between its tree (flame.c) and its picture (flame_draw.c). */
#ifndef OSP_REPORT_FLAME_H
#define OSP_REPORT_FLAME_H

#include "base/hash.h"
#include "report/head.h"

enum {
    OSP_FLAME_GO,
    OSP_FLAME_STD,
    OSP_FLAME_RUNTIME,
    OSP_FLAME_CGO,
    OSP_FLAME_C,
    OSP_FLAME_VDSO,
    OSP_FLAME_KERNEL,
    OSP_FLAME_NO_NAME,
    OSP_FLAME_ORIGINS
};

typedef struct {
    uint32_t parent, name;
    uint32_t depth, origin;
    int64_t value, own, at; /* at: where it begins, in units of the value */
    int64_t base;           /* its value in the base */
    bool kept;
} osp_flame_node;

typedef struct {
    const osp_view *v;
    const osp_shown *shown;
    osp_buf *out;
    osp_intern keys;  /* {parent, name}, in the arena */
    osp_intern names; /* of functions, and of mappings where code has no name; in the arena */
    osp_arena arena;
    bool reverse, compared;
    bool go_by_name;      /* where no file says so, a name tells whose code it is */
    osp_flame_node *node; /* [0]: all */
    size_t cap;
    uint32_t *order; /* the nodes that are kept, in preorder, siblings by name */
    uint32_t kept;
    int64_t floor; /* what weighs less is not kept */
    uint32_t left_out;
    int64_t total, left_out_value, base_total;
    double most; /* the greatest change of a share */
} osp_flame;

/* What a node is called; the first is "all". */
osp_str osp_flame_name(const osp_flame *f, uint32_t id);

/* The part of the whole that a node takes, less that of the base. */
double osp_flame_change(const osp_flame *f, const osp_flame_node *n);

/* Append the picture. False without memory. */
bool osp_flame_draw(osp_flame *f, osp_str title, osp_err *err) OSP_CHECKED;

/* Generated of flame.css and flame.js. */
extern const char osp_flame_css[], osp_flame_js[];

#endif
