/* SPDX-License-Identifier: Apache-2.0 */
/* What a file tells beside its profile. */
#include "format/details.h"

#include <stdlib.h>

enum { MOST_DETAILS = 1024, MOST_BYTES = 1 << 20 };

void osp_details_drop(osp_details *d)
{
    osp_arena_drop(&d->arena);
    free(d->row);
    *d = (osp_details){0};
}

/* What does not fit is left out: nothing depends on it. */
static osp_detail *add(osp_details *d, const char *group, osp_str name, osp_detail_kind kind, const char *gloss)
{
    if (!d || d->n >= MOST_DETAILS)
        return NULL;
    void *rows = d->row;
    if (!d->row)
        osp_arena_init(&d->arena, MOST_BYTES);
    if (!osp_grow(&rows, &d->cap, d->n + 1, sizeof *d->row))
        return NULL;
    d->row = rows;
    name = osp_arena_str(&d->arena, name);
    if (!name.p)
        return NULL;
    d->row[d->n] = (osp_detail){.kind = kind, .group = group, .name = name, .text = S(""), .gloss = gloss};
    return &d->row[d->n++];
}

void osp_detail_number(osp_details *d, const char *group, osp_str name, osp_detail_kind kind, int64_t value,
                       const char *gloss)
{
    osp_detail *at = add(d, group, name, kind, gloss);
    if (at)
        at->value = value;
}

void osp_detail_share(osp_details *d, const char *group, osp_str name, double share, const char *gloss)
{
    osp_detail *at = add(d, group, name, OSP_DETAIL_SHARE, gloss);
    if (at)
        at->share = share;
}

void osp_detail_text(osp_details *d, const char *group, osp_str name, osp_str text)
{
    osp_detail *at = text.n ? add(d, group, name, OSP_DETAIL_TEXT, "") : NULL;
    osp_str copy = at ? osp_arena_str(&d->arena, text) : S("");
    if (at && copy.p)
        at->text = copy;
}

void osp_detail_list(osp_details *d, const char *group, osp_str name, osp_detail_kind kind, const int64_t *value,
                     size_t n, const char *gloss)
{
    osp_detail *at = n ? add(d, group, name, kind, gloss) : NULL;
    int64_t *copy = at ? osp_new(&d->arena, int64_t, n) : NULL;
    if (copy) {
        memcpy(copy, value, n * sizeof *copy);
        at->list = copy;
        at->nlist = n;
    }
}
